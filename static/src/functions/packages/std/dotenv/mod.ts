// Deno's std/dotenv: what is in a function's environment was set as a secret, and no file is read.
export async function load(): Promise<Record<string, string>> {
  return {};
}
export const loadSync = (): Record<string, string> => ({});

/** `NAME=value` lines, quotes taken off. */
export function parse(text: string): Record<string, string> {
  const lines = text.matchAll(/^\s*(?:export\s+)?([A-Za-z_]\w*)\s*=\s*(?:'([^']*)'|"((?:\\.|[^"\\])*)"|([^#\r\n]*))/gm);
  const unescaped = (value: string) => value.replace(/\\([nrt"\\])/g, (_all, one: string) => ({ n: '\n', r: '\r', t: '\t' })[one] ?? one);
  return Object.fromEntries([...lines].map(([, name, single, double, bare]) => [name!, single ?? (double === undefined ? undefined : unescaped(double)) ?? bare!.trim()]));
}
