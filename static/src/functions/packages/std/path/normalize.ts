// Deno's std/path/normalize.
export { normalize } from './mod.ts';
