// Deno's std/path/format.
export { format } from './mod.ts';
