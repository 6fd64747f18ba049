// What was run before, newest first, in this browser.
export interface Past { query: string; at: number; failed: boolean }

const longest = 50;
/** A pasted dump is not history. */
const largest = 20_000;

export function remember(past: Past[], run: Past): Past[] {
  if (run.query.length > largest || run.query.trim() === '') return past;
  return [run, ...past.filter(({ query }) => query !== run.query)].slice(0, longest);
}
