// Deno's std/async/debounce.
export { debounce } from './mod.ts';
