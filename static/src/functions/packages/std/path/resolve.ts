// Deno's std/path/resolve.
export { resolve } from './mod.ts';
