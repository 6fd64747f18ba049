// Deno's std/testing/asserts, where std/assert was before.
export * from '../assert/mod.ts';
