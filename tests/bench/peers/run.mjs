// What the benchmarks in the browser share.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import path from 'node:path';
import { build } from 'esbuild';

const here = import.meta.dirname;

export const argument = (name, otherwise) => {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? otherwise : process.argv[at + 1];
};

export const percentile = (values, p) => values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor((values.length * p) / 100))];
export const ms = (value) => `${value.toFixed(2)} ms`;

/** A peer's script, bundled. */
export async function bundle(entry, format = 'iife') {
  const result = await build({ entryPoints: [path.join(here, entry)], bundle: true, write: false, format, minify: true, platform: 'browser', external: ['node:module', './libv86.mjs'] });
  return result.outputFiles[0].text;
}

const types = { '.js': 'text/javascript', '.html': 'text/html', '.wasm': 'application/wasm', '.data': 'application/octet-stream', '.gz': 'application/gzip' };
const pglite = path.join(here, '../../node_modules/@electric-sql/pglite/dist');
/** Serves a peer's files; PGlite's own files come from its package, found by base name. */
export async function serve(files) {
  const server = createServer((incoming, outgoing) => {
    const name = new URL(incoming.url, 'http://localhost').pathname.slice(1) || 'index.html';
    outgoing.setHeader('cross-origin-opener-policy', 'same-origin');
    outgoing.setHeader('cross-origin-embedder-policy', 'require-corp');
    const body = files[name] ?? (() => { try { return readFileSync(path.join(pglite, path.basename(name))); } catch { return undefined; } })();
    if (body === undefined) { outgoing.statusCode = 404; outgoing.end(); return; }
    outgoing.setHeader('content-type', types[path.extname(name)] ?? 'application/octet-stream');
    outgoing.end(body);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { url: `http://localhost:${server.address().port}/`, close: () => server.close() };
}

