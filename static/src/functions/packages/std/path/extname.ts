// Deno's std/path/extname.
export { extname } from './mod.ts';
