// Which project this page shows, and the URLs that reach it.

export const defaultProject = 'default';
const known = 'gateway:projects';

/** A project's name: it is a path segment and a part of a lock's name. */
export const projectName = /^[a-z0-9][a-z0-9-]{0,62}$/;

/** Names that a path already begins with. */
const taken = new Set(['rest', 'auth', 'storage', 'functions', 'realtime', 'graphql', 'app', 'pg', 'gateway', 'health']);

/** The project in the address, or the default one. */
export function currentProject(address: URL = new URL(location.href)): string {
  const name = address.searchParams.get('project');
  return name && projectName.test(name) ? name : defaultProject;
}

/** The project's URL: what `createClient` takes. */
export function projectUrl(project: string): string {
  return location.origin + base(project);
}

/** The path that every route of the project begins with. */
export function base(project: string): string {
  return project === defaultProject ? '' : `/${project}`;
}

/** Why a name cannot be used, or nothing. */
export function nameProblem(name: string): string | undefined {
  if (taken.has(name)) return `“${name}” is the name of an API.`;
  if (!projectName.test(name)) return 'Use a–z, 0–9 and -, beginning with a letter or digit.';
  return undefined;
}

/** The page's address for another project; other settings in it stay. */
export function addressOf(project: string): string {
  const address = new URL(location.href);
  if (project === defaultProject) address.searchParams.delete('project');
  else address.searchParams.set('project', project);
  return address.href;
}

/** Projects opened in this browser, the default one first. */
export function knownProjects(): string[] {
  let names: unknown = [];
  try {
    names = JSON.parse(localStorage.getItem(known) ?? '[]');
  } catch {
    // Storage is refused or holds something else: only the names at hand are shown.
  }
  const valid = Array.isArray(names) ? names.filter((name): name is string => typeof name === 'string' && projectName.test(name)) : [];
  return [...new Set([defaultProject, ...valid, currentProject()])];
}

export function rememberProject(project: string): void {
  try {
    localStorage.setItem(known, JSON.stringify([...new Set([...knownProjects(), project])]));
  } catch {
    // Without storage the project is still reachable by its address.
  }
}
