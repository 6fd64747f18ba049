// What Deno 2 has of Node without an import. A module gets what it names of these.
export { Buffer } from 'node:buffer';
export { process } from './process.ts';
export { clearImmediate, setImmediate } from './immediate.ts';
export const global = globalThis;
