// Deno's std/async/deadline.
export { deadline } from './mod.ts';
