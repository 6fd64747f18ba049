// Deno's std/path/to_file_url.
export { toFileUrl } from './mod.ts';
