// Deno's std/path/posix.
export * from './mod.ts';
