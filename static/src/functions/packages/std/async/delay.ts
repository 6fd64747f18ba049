// Deno's std/async/delay.
export { delay } from './mod.ts';
