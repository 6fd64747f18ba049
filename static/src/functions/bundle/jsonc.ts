// JSON with comments and trailing commas, as deno.json may have.

/** Throws a `SyntaxError` as `JSON.parse` does. Places are kept: what is taken out becomes blank. */
export function parseJsonc(text: string): unknown {
  const blank = (all: string) => all.replace(/[^\n]/g, ' ');
  // A string is matched first, so nothing inside one is taken for a comment.
  const bare = text.replace(/^\uFEFF/, '').replace(/("(?:\\.|[^"\\\n])*")|\/\/[^\n]*|\/\*[\s\S]*?\*\//g, (all, string?: string) => string ?? blank(all));
  return JSON.parse(bare.replace(/("(?:\\.|[^"\\\n])*")|,(?=\s*[}\]])/g, (_all, string?: string) => string ?? ' ')) as unknown;
}
