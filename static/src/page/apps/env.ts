// An app's environment as a form has it.

export interface Variable { name: string; value: string }

/** Why a list of variables cannot be sent, or nothing. */
export function envProblem(variables: Variable[]): string | undefined {
  const seen = new Set<string>();
  for (const { name } of variables) {
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) return name === '' ? 'A variable has no name.' : `“${name}” is no variable’s name: use letters, digits and _.`;
    if (seen.has(name)) return `${name} is there twice.`;
    seen.add(name);
  }
  return undefined;
}

/** Lines as a `.env` file has them; comments and `export` are passed by. What is no assignment is none of the answer. */
export function readDotenv(text: string): Variable[] {
  const variables: Variable[] = [];
  for (const line of text.split(/\r?\n/)) {
    const [, name, rest] = /^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*?)\s*$/.exec(line) ?? [];
    if (name === undefined || rest === undefined) continue;
    const quoted = /^(["'])(.*)\1$/.exec(rest);
    const value = quoted ? (quoted[1] === '"' ? quoted[2]!.replaceAll('\\n', '\n').replaceAll('\\"', '"') : quoted[2]!) : rest.replace(/\s+#.*$/, '');
    variables.push({ name, value });
  }
  return variables;
}

export const asEnv = (variables: Variable[]): Record<string, string> => Object.fromEntries(variables.map(({ name, value }) => [name, value]));
