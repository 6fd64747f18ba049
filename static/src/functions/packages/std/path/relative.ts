// Deno's std/path/relative.
export { relative } from './mod.ts';
