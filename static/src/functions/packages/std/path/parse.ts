// Deno's std/path/parse.
export { parse } from './mod.ts';
