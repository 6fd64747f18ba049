// Deno's std/path/is_absolute.
export { isAbsolute } from './mod.ts';
