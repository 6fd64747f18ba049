// Bundles in tests: files as text, what came of them, and what the bundle does.
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import * as esbuild from 'esbuild';
import { unzipSync } from 'fflate';

export const bytes = (files) => Object.fromEntries(Object.entries(files).map(([name, content]) => [name, typeof content === 'string' ? new TextEncoder().encode(content) : content]));
export const text = (content) => new TextDecoder().decode(content);

/** What the archive has: `code`, `packages` where they are a module of their own, `map` and `meta` read, `files` as bytes by path. */
export function opened(zip) {
  const files = unzipSync(zip);
  const packages = files['bundle/packages.js'];
  return { files, code: text(files['bundle/index.js']), packages: packages && text(packages), map: JSON.parse(text(files['bundle/index.js.map'])), meta: JSON.parse(text(files['bundle/meta.json'])) };
}

/** Runs a bundle as a runtime does and returns its module, and what it gave to `Deno.serve`. */
export async function run({ code, packages }, { env = {}, files = {} } = {}) {
  const folder = await mkdtemp(path.join(tmpdir(), 'function-'));
  let handler;
  const read = (name) => {
    const found = files[(name instanceof URL ? name.pathname : name).replace(/^\/work\//, '')];
    if (!found) throw new Error(`no file ${name}`);
    return found;
  };
  // Every runtime has them; Node 20 lacks two.
  globalThis.navigator ??= { language: 'en-US', userAgent: 'test' };
  globalThis.WebSocket ??= class WebSocket {};
  const before = globalThis.Deno;
  globalThis.Deno = {
    serve: (...given) => { handler = given.find((one) => typeof one === 'function') ?? given[0]?.handler ?? given[0]?.fetch; },
    cwd: () => '/work',
    env: { get: (name) => env[name], has: (name) => name in env, toObject: () => ({ ...env }), set: (name, value) => { env[name] = value; } },
    readFileSync: read,
    readFile: async (name) => read(name),
  };
  try {
    const file = path.join(folder, 'index.mjs');
    await writeFile(file, code);
    if (packages) await writeFile(path.join(folder, await importOf(code)), packages);
    await writeFile(path.join(folder, 'package.json'), '{"type":"module"}');
    const module = await import(pathToFileURL(file).href);
    const serve = handler ?? module.default?.fetch?.bind(module.default) ?? module.default;
    const answer = serve && (await serve(new Request('http://x/')));
    return { module, answer: answer && (await answer.text()) };
  } finally {
    globalThis.Deno = before;
    await rm(folder, { recursive: true });
  }
}

/** No import is left but of the packages: a parser finds none that names a module. */
export async function assertWhole({ code, packages }) {
  assert.equal((await importsOf(code)).length, packages ? 1 : 0);
  if (packages) {
    assert.match(await importOf(code), /^packages-[A-Z0-9]{8}\.js$/);
    assert.deepEqual(await importsOf(packages), []);
  }
}

async function importsOf(code) {
  const { metafile } = await esbuild.build({ stdin: { contents: code, sourcefile: 'index.js' }, bundle: true, format: 'esm', external: ['*'], write: false, metafile: true, logLevel: 'silent' });
  return Object.values(metafile.inputs).flatMap(({ imports }) => imports.map(({ path: name }) => name));
}

/** The name of the packages where they are imported. */
const importOf = async (code) => (await importsOf(code))[0].replace(/^\.\//, '');
