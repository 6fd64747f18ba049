// Node's own modules: which there are, and what stands for each.

/** What is written for it, in `functions/packages/node/NAME.ts`; the rest comes from a package. */
const own = new Set(['async_hooks', 'crypto', 'fs', 'fs/promises', 'net', 'process']);

const others = new Set([
  '_stream_duplex', '_stream_passthrough', '_stream_readable', '_stream_transform', '_stream_writable', 'assert', 'assert/strict', 'buffer',
  'child_process', 'cluster', 'console', 'constants', 'dgram', 'diagnostics_channel', 'dns', 'dns/promises', 'domain', 'events', 'http', 'http2',
  'https', 'module', 'os', 'path', 'path/posix', 'path/win32', 'perf_hooks', 'punycode', 'querystring', 'readline', 'repl', 'stream',
  'stream/consumers', 'stream/promises', 'stream/web', 'string_decoder', 'sys', 'timers', 'timers/promises', 'tls', 'tty', 'url', 'util',
  'util/types', 'v8', 'vm', 'wasi', 'worker_threads', 'zlib',
]);

/** The package that has the rest. */
export const nodePackage = '@jspm/core';

export const isBuiltin = (name: string): boolean => own.has(name) || others.has(name);

/** Where a built-in module is: one of the project's own, or a file of a package that it ships. */
export function standIn(name: string): { own: string } | { package: string; file: string } | undefined {
  if (own.has(name)) return { own: `node/${name}.ts` };
  return others.has(name) ? { package: nodePackage, file: `nodelibs/browser/${name}.js` } : undefined;
}
