// Deno's std/async/retry.
export { retry } from './mod.ts';
