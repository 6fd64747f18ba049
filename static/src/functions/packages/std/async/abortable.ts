// Deno's std/async/abortable.
export { abortable } from './mod.ts';
