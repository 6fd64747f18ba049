// Deno's std/path/join.
export { join } from './mod.ts';
