// Deno's std/path/from_file_url.
export { fromFileUrl } from './mod.ts';
