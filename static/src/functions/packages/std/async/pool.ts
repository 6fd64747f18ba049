// Deno's std/async/pool.
export { pooledMap } from './mod.ts';
