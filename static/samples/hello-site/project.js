// A page of an app is of the project's own origin: it reaches the project's API by path, without a key of its own.
const output = document.querySelector('#project');
try {
  const response = await fetch('/auth/v1/health');
  const { name, version } = await response.json();
  output.textContent = `${name} ${version} is well`;
} catch (error) {
  output.textContent = `no answer (${error.message})`;
}
