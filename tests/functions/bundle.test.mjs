// The bundler of functions under Node: what it takes, what it makes of it, and how it refuses.
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { cp, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import { SourceMap } from 'node:module';
import { bundler, NotBundled } from '../../static/dist/node/bundler.mjs';
import { assertWhole, bytes, opened, run, text } from './bundling.mjs';
import { registry } from './registry.mjs';

const functions = path.join(import.meta.dirname, '../../static/dist/functions');

let stand;
let folder;
let offline;

before(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'bundle-'));
  stand = await registry({
    npm: {
      'left-pad': {
        '1.0.0': { 'index.js': 'module.exports = (text, length) => text.padStart(length, "0");' },
        '1.3.0': { 'index.js': 'module.exports = (text, length) => text.padStart(length, ".");' },
        '2.0.0-beta.1': { 'index.js': 'module.exports = () => "beta";' },
        tags: { latest: '1.3.0', next: '2.0.0-beta.1' },
      },
      '@scope/parts': {
        '1.0.0': {
          'package.json': { type: 'module', exports: { '.': { require: './bad.cjs', import: './main.js' }, './sub': './lib/sub.js', './data': './data.json', './deep/*': './deep/*.js' }, imports: { '#inner': './lib/inner.js' }, dependencies: { 'left-pad': '~1.0.0' } },
          'main.js': 'export { inner } from "#inner"; import pad from "left-pad"; export const padded = pad("7", 3); export * as self from "@scope/parts/sub";',
          'lib/inner.js': 'export const inner = "inner";', 'lib/sub.js': 'export const sub = "sub";', 'bad.cjs': 'throw 1', 'data.json': '{"n":5}', 'private.js': '',
          [`deep/${'long/'.repeat(30)}x.js`]: 'export default "far";',
        },
      },
      old: {
        '0.1.0': {
          'package.json': { main: './lib', browser: { './lib/node.js': './lib/browser.js', fs: false }, peerDependencies: { 'left-pad': '*' }, dependencies: { buffer: '^6.0.0' } },
          'lib/index.js': 'exports.where = require("./node").where; exports.fs = Object.keys(require("fs")).length; exports.pad = require("left-pad")("1", 2); try { require("not-there"); } catch (error) { exports.missing = error.code; } exports.buffer = typeof require("buffer").Buffer; exports.path = require("path").join("a", "..", "b");',
          'lib/node.js': 'exports.where = "node";', 'lib/browser.js': 'exports.where = "browser";',
        },
      },
      // Long enough to be worth a module, and it matters when they run.
      late: { '1.0.0': { 'package.json': { type: 'module', main: 'index.js' }, 'index.js': `export const seen = globalThis.before ?? 'nothing';\nexport const long = ${JSON.stringify('x'.repeat(40_000))};\nexport const here = () => { throw new Error(long.slice(0, 1)); };` } },
      free: { '1.0.0': { 'package.json': { type: 'module', main: 'index.js', sideEffects: false }, 'index.js': `export const seen = 'nothing';\nexport const long = ${JSON.stringify('x'.repeat(40_000))};` } },
    },
    jsr: {
      '@lib/sum': {
        '1.0.0': { exports: './mod.ts', files: { 'mod.ts': 'export { add } from "./src/add.ts";', 'src/add.ts': 'export const add = (a: number, b: number): number => a + b;' } },
        '1.2.0': { exports: { '.': './mod.ts', './words': './words.ts' }, files: { 'mod.ts': 'export { add } from "./src/add.ts"; export const version = "1.2.0" as string;', 'src/add.ts': 'export const add = (a: number, b: number): number => a + b;', 'words.ts': 'import pad from "npm:left-pad@1.0.0"; export const word = pad("w", 3);' } },
        '1.9.0': { yanked: true, exports: './mod.ts', files: { 'mod.ts': 'throw 1' } },
      },
    },
    web: { 'mod.ts': 'export const web: string = "web"; export { other } from "./other.js";', 'other.js': 'export const other = 1;', 'latest.ts': { redirect: 'v1/mod.ts' }, 'v1/mod.ts': 'import { other } from "../other.js"; export const v: number = other;', typed: { type: 'application/typescript; charset=utf-8', body: 'export default (1 as number)' }, page: { type: 'text/html', body: '<p>' } },
  });
  offline = bundler({ cache: path.join(folder, 'offline'), fetch: async () => { throw new TypeError('fetch failed', { cause: new Error('getaddrinfo ENOTFOUND') }); } });
});
after(async () => {
  await stand.close();
  await rm(folder, { recursive: true });
});

let caches = 0;
/** A bundler that has fetched nothing yet. */
const online = (more = {}) => bundler({ cache: path.join(folder, `cache-${(caches += 1)}`), registries: stand.registries, ...more });

async function made(files, options, by = offline) {
  const { zip, warnings, meta } = await by.bundle(bytes(files), options);
  const bundle = opened(zip);
  await assertWhole(bundle);
  assert.deepEqual(bundle.meta, meta);
  return { ...bundle, warnings, zip };
}

const answer = async (files, options, by, world) => (await run(await made(files, options, by), world)).answer;

/** What a bundle is refused with, a problem a line. */
async function refused(files, options, by = offline) {
  const error = await by.bundle(bytes(files), options).then(() => assert.fail('it was bundled'), (reason) => reason);
  assert.ok(error instanceof NotBundled, error.stack);
  return error.message;
}

describe('what a function is written in', () => {
  const say = 'Deno.serve(() => new Response(String(said)));';
  for (const [name, files, expected, options] of [
    ['TypeScript', { 'index.ts': `enum Kind { A = 1, B }\nconst said: string = \`\${Kind.B satisfies number}\`;\n${say}` }, '2'],
    ['JavaScript', { 'index.js': `const said = 1;\n${say}` }, '1'],
    ['a default export', { 'index.ts': 'export default { fetch: (_: Request) => new Response("fetch") };' }, 'fetch'],
    ['files beside it', { 'index.ts': `import { said } from "./a/b.ts";\n${say}`, 'a/b.ts': 'export { said } from "../c.mjs";', 'c.mjs': 'export const said = "c";' }, 'c'],
    ['a dynamic import', { 'index.ts': 'Deno.serve(async () => new Response((await import("./later.ts")).default));', 'later.ts': 'export default "later";' }, 'later'],
    ['await at the top', { 'index.ts': `const said = await Promise.resolve(3);\n${say}` }, '3'],
    ['decorators of TypeScript', { 'index.ts': `const said: string[] = []; function mark(_t: unknown, key: string) { said.push(key); }\nclass A { @mark b() {} }\n${say}`, 'deno.json': '{"compilerOptions":{"experimentalDecorators":true}}' }, 'b'],
    ['JSX with a factory', { 'index.tsx': `const h = (tag: string, _: unknown, text: string) => tag + text; const said = <b>x</b>;\n${say}`, 'deno.json': '{"compilerOptions":{"jsxFactory":"h"}}' }, 'bx'],
    ['JSX from a package, in deno.json', { 'index.tsx': `const said = <b>x</b>;\n${say}`, 'deno.json': '{"compilerOptions":{"jsx":"react-jsx","jsxImportSource":"hono/jsx"},"imports":{"hono":"npm:hono@4"}}' }, '<b>x</b>'],
    ['JSX from a package, in the file', { 'index.tsx': `/** @jsxImportSource npm:hono@4/jsx */\nconst said = <i>y</i>;\n${say}` }, '<i>y</i>'],
    ['JSON', { 'index.ts': `import data from "./d.json" with { type: "json" };\nconst said = data.a;\n${say}`, 'd.json': '{"a":"json"}' }, 'json'],
    ['text', { 'index.ts': `import said from "./t.html" with { type: "text" };\n${say}`, 't.html': '<p>ä</p>' }, '<p>ä</p>'],
    ['a script as text', { 'index.ts': `import said from "./t.ts" with { type: "text" };\nimport "./t.ts";\n${say}`, 't.ts': 'export {} // text' }, 'export {} // text'],
    ['bytes', { 'index.ts': `import b from "./b.bin" with { type: "bytes" };\nconst said = [...b].join();\n${say}`, 'b.bin': new Uint8Array([0, 255, 10]) }, '0,255,10'],
    ['WebAssembly', {
      'index.ts': `import { add } from "./add.wasm";\nconst said = add(2, 3);\n${say}`,
      'add.wasm': Uint8Array.from('0061736d0100000001070160027f7f017f030201000707010361646400000a09010700200020016a0b'.match(/../g), (pair) => Number.parseInt(pair, 16)),
    }, '5'],
    ['a data: module', { 'index.ts': `import said from "data:text/javascript,export default 'data'";\n${say}` }, 'data'],
    ['types of the runtime', { 'index.ts': `import "jsr:@supabase/functions-js/edge-runtime.d.ts";\nimport type { X } from "./types.d.ts";\nconst said: X = 1;\n${say}`, 'types.d.ts': 'export type X = number' }, '1'],
    ['another entrypoint', { 'src/start.ts': `const said = import.meta.main;\n${say}` }, 'true', { entrypoint: './src/start.ts' }],
    ['import.meta', { 'a/index.ts': `import { url } from "./b c.ts";\nconst said = [import.meta.url, import.meta.filename, import.meta.dirname, url, new URL("../x.txt", import.meta.url).pathname].join();\n${say}`, 'a/b c.ts': 'export const url = import.meta.url + import.meta.main;' }, 'file:///work/a/index.ts,/work/a/index.ts,/work/a,file:///work/a/b%20c.tsfalse,/work/x.txt', { entrypoint: 'a/index.ts' }],
    ['names that are not plain', { 'index.ts': `import { said } from "./a%20b/é.ts";\n${say}`, 'a b/é.ts': 'export const said = "é";' }, 'é'],
  ]) {
    test(name, async () => assert.equal(await answer(files, options), expected));
  }

  test('what else an edge function has of Node without importing it', async () => {
    const source = 'process.nextTick(() => {}); Deno.serve(() => new Response([process.env.A, Buffer.from("x").toString("hex"), typeof setImmediate, global === globalThis].join()));';
    assert.equal(await answer({ 'index.ts': source }, {}, offline, { env: { A: 'a' } }), 'a,78,function,true');
  });

  test('Node: digests, keys, streams, paths, events, files', async () => {
    const source = `
      import crypto, { createHmac, timingSafeEqual, scryptSync, randomInt } from "node:crypto"; import { Readable } from "node:stream"; import path from "node:path"; import { EventEmitter } from "node:events";
      import fs from "node:fs"; import { readFile } from "node:fs/promises"; import { promisify } from "node:util"; import zlib from "node:zlib"; import process from "node:process"; import { Buffer } from "node:buffer"; import { AsyncLocalStorage } from "node:async_hooks";
      const seen = new EventEmitter(); let heard = ""; seen.on("x", (value) => { heard = value; }); seen.emit("x", "heard");
      const text = []; for await (const part of Readable.from(["a", "b"])) text.push(part);
      const store = new AsyncLocalStorage();
      const gz = zlib.gunzipSync(zlib.gzipSync(Buffer.from("zip"))).toString();
      Deno.serve(async () => Response.json({
        sha: crypto.createHash("sha256").update("abc").digest("hex"), md5: crypto.createHash("md5").update("").digest("hex"), mac: createHmac("sha256", "key").update("x").digest("base64"),
        same: timingSafeEqual(Buffer.from("a"), Buffer.from("a")), scrypt: scryptSync("", "", 64, { N: 16, r: 1, p: 1 }).toString("hex").slice(0, 16), int: randomInt(1), path: path.resolve("/a", "../b"), heard, text,
        file: fs.readFileSync("t.txt", "utf8"), later: (await readFile("t.txt")).length, none: await promisify(fs.readFile)("no").catch((error) => error.code), gz, platform: process.platform, store: store.run(1, () => store.getStore()),
      }));`;
    assert.deepEqual(JSON.parse(await answer({ 'index.ts': source }, {}, offline, { files: { 't.txt': new TextEncoder().encode('file') } })), {
      sha: 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad', md5: 'd41d8cd98f00b204e9800998ecf8427e', mac: createHmac('sha256', 'key').update('x').digest('base64'),
      same: true, scrypt: '77d6576238657b20', int: 0, path: '/b', heard: 'heard', text: ['a', 'b'], file: 'file', later: 4, none: 'ENOENT', gz: 'zip', platform: 'linux', store: 1,
    });
  });
});

describe('what it imports without a network', () => {
  for (const [name, source, expected] of [
    ['supabase-js from npm', 'import { createClient } from "npm:@supabase/supabase-js@2"; const said = typeof createClient;', 'function'],
    ['supabase-js from JSR', 'import { createClient } from "jsr:@supabase/supabase-js@2"; const said = typeof createClient("http://x", "k").from("t").select;', 'function'],
    ['supabase-js from esm.sh', 'import { createClient } from "https://esm.sh/@supabase/supabase-js@2"; const said = typeof createClient;', 'function'],
    ['supabase-js from jsDelivr', 'import { createClient } from "https://cdn.jsdelivr.net/npm/@supabase/supabase-js@2/+esm"; const said = typeof createClient;', 'function'],
    ['Hono', 'import { Hono } from "npm:hono"; import { cors } from "npm:hono@^4/cors"; const said = typeof Hono + typeof cors;', 'functionfunction'],
    ['Hono from JSR, a subpath', 'import { Hono } from "jsr:@hono/hono@4"; import { cors } from "jsr:@hono/hono/cors"; const said = typeof Hono + typeof cors;', 'functionfunction'],
    ['zod', 'import { z } from "npm:zod@4"; const said = z.object({ a: z.number() }).safeParse({ a: "x" }).success;', 'false'],
    ['jose', 'import * as jose from "npm:jose@6"; const said = jose.decodeProtectedHeader("eyJhbGciOiJIUzI1NiJ9.e30.x").alg;', 'HS256'],
    ['base64 before', 'import { encode, decode } from "https://deno.land/std@0.168.0/encoding/base64.ts"; const said = encode("ä") + decode("QQ==")[0];', 'w6Q=65'],
    ['base64 now', 'import { encodeBase64, decodeBase64 } from "jsr:@std/encoding@1/base64"; const said = encodeBase64(new Uint8Array([1])) + decodeBase64("QQ==")[0];', 'AQ==65'],
    ['base64url', 'import { encodeBase64Url, decodeBase64Url } from "jsr:@std/encoding/base64url"; const said = encodeBase64Url(new Uint8Array([251, 255])) + decodeBase64Url("-_8").join();', '-_8251,255'],
    ['hex', 'import { encodeHex, decodeHex } from "jsr:@std/encoding/hex"; const said = encodeHex("A") + decodeHex("ff0a").join();', '41255,10'],
    ['path', 'import { join, fromFileUrl, extname } from "jsr:@std/path@^1"; import { common } from "https://deno.land/std/path/mod.ts"; const said = [join("a", "../b"), fromFileUrl("file:///a%20b"), extname("x.ts"), common(["a/b/c", "a/b/d"])].join();', 'b,/a b,.ts,a/b/'],
    ['one of path', 'import { basename } from "jsr:@std/path/basename"; import { toFileUrl } from "jsr:@std/path/to-file-url"; const said = basename("/a/b") + toFileUrl("/a b");', 'bfile:///a%20b'],
    ['assert', 'import { assertEquals, assertThrows, AssertionError } from "jsr:@std/assert@1"; import { assert } from "https://deno.land/std@0.170.0/testing/asserts.ts"; assert(1); assertEquals({ a: [1, new Map([[1, new Set([2])]])] }, { a: [1, new Map([[1, new Set([2])]])] }); assertThrows(() => assertEquals([1], [2]), AssertionError, "not equal"); assertThrows(() => assertEquals({ a: undefined }, {})); const said = "ok";', 'ok'],
    ['async', 'import { delay, retry, deadline } from "jsr:@std/async@1"; import { pooledMap } from "jsr:@std/async/pool"; let tries = 0; const got = []; for await (const one of pooledMap(2, [1, 2, 3], async (x) => { await delay(4 - x); return x * 2; })) got.push(one); const said = [await retry(() => { if (tries++ < 1) throw 0; return tries; }, { minTimeout: 1 }), got.join("-"), await deadline(delay(10_000), 1).catch((error) => error.name)].join();', '2,2-4-6,TimeoutError'],
    ['dotenv', 'import "jsr:@std/dotenv/load"; import { parse } from "jsr:@std/dotenv"; const said = JSON.stringify(parse("A=1 # no\\nexport B=\\"x\\\\ny\\""));', '{"A":"1","B":"x\\ny"}'],
  ]) {
    test(name, async () => assert.equal(await answer({ 'index.ts': `${source}\nDeno.serve(() => new Response(String(said)));` }), expected));
  }

  test('serve of std/http', async () => assert.equal(await answer({ 'index.ts': 'import { serve } from "https://deno.land/std@0.168.0/http/server.ts";\nserve(async (req: Request) => new Response(req.method), { port: 8000 });' }), 'GET'));

  test('all of it is in the lock, and nothing that is not used', async () => {
    const { meta } = await made({ 'index.ts': 'import { Hono } from "jsr:@hono/hono@4"; import { encodeHex } from "jsr:@std/encoding/hex"; export default new Hono().get("/", (c) => c.text(encodeHex("a")));' });
    assert.match(meta.bundler, /^esbuild \d/);
    assert.deepEqual(meta.imports.map(({ specifier, resolved }) => [specifier, resolved.replace(/\d+\.\d+\.\d+/, 'V')]), [['jsr:@std/encoding/hex', 'own:std/encoding/hex.ts'], ['npm:hono@4', 'npm:hono@V']]);
    const lock = JSON.parse(await readFile(path.join(import.meta.dirname, '../../static/package-lock.json'), 'utf8'));
    assert.equal(meta.imports[1].integrity, lock.packages['node_modules/hono'].integrity);
  });

  test('a shipped package that was changed is refused', async () => {
    const copy = path.join(folder, 'functions');
    await cp(path.join(functions, 'packages'), path.join(copy, 'packages'), { recursive: true });
    const hono = (await readdir(path.join(copy, 'packages'))).find((name) => name.startsWith('hono-'));
    await writeFile(path.join(copy, 'packages', hono), await readFile(path.join(copy, 'packages', 'own-' + (await readdir(path.join(copy, 'packages'))).find((name) => name.startsWith('own-')).slice(4))));
    assert.match(await refused({ 'index.ts': 'import { Hono } from "npm:hono"; export default new Hono();' }, {}, bundler({ folder: copy })), /^index\.ts:1:22: packages\/hono-.* is not what it should be: its digest is sha256-/);
  });
});

describe('import maps', () => {
  const files = { 'lib/a.ts': 'export { who } from "who"; export const a = "a";', 'who1.ts': 'export const who = 1;', 'who2.ts': 'export const who = 2;' };
  const source = 'import { who, a } from "lib/a.ts"; import { who as mine } from "who"; Deno.serve(() => new Response([who, a, mine].join()));';
  for (const [name, more, options, expected] of [
    ['in deno.json, with scopes', { 'deno.json': '{"imports":{"lib/":"./lib/","who":"./who1.ts"},"scopes":{"./lib/":{"who":"./who2.ts"}}}' }, {}, '2,a,1'],
    ['in deno.jsonc', { 'deno.jsonc': '// "comment" \n{"imports":{"lib/":"./lib/", /* , */ "who":"./who1.ts",},}' }, {}, '1,a,1'],
    ['that deno.json names', { 'deno.json': '{"importMap":"./maps/map.json"}', 'maps/map.json': '{"imports":{"lib/":"../lib/","who":"../who2.ts"}}' }, {}, '2,a,2'],
    ['import_map.json', { 'import_map.json': '{"imports":{"lib/":"./lib/","who":"./who2.ts"}}' }, {}, '2,a,2'],
    ['by option, over deno.json', { 'deno.json': '{"imports":{"lib/":"./nothing/"}}', 'other.json': '{"imports":{"lib/":"./lib/","who":"./who1.ts"}}' }, { importMap: './other.json' }, '1,a,1'],
    ['the longest key decides', { 'deno.json': '{"imports":{"lib/":"./nothing/","lib/a.ts":"./lib/a.ts","who":"./who1.ts"}}' }, {}, '1,a,1'],
  ]) {
    test(name, async () => assert.equal(await answer({ 'index.ts': source, ...files, ...more }, options), expected));
  }

  test('deno.json nearest to the entrypoint, as functions in one folder have them', async () => {
    const two = { 'functions/a/index.ts': 'import { x } from "x"; Deno.serve(() => new Response(x));', 'functions/a/deno.json': '{"imports":{"x":"../_shared/x.ts"}}', 'functions/deno.json': '{"imports":{"x":"./none.ts"}}', 'functions/_shared/x.ts': 'export const x = "shared";', 'functions/b/index.ts': '1' };
    const { files: packed } = await made(two, { entrypoint: 'functions/a/index.ts', folder: 'functions/a/' });
    assert.deepEqual(Object.keys(packed).filter((name) => name.startsWith('source/')), ['source/functions/_shared/x.ts', 'source/functions/a/deno.json', 'source/functions/a/index.ts']);
  });

  test('a package is the folder of what is in it', async () => {
    const by = online();
    assert.equal(await answer({ 'deno.json': '{"imports":{"parts":"npm:@scope/parts@1"}}', 'index.ts': 'import { inner } from "parts"; import { sub } from "parts/sub"; Deno.serve(() => new Response(inner + sub));' }, {}, by), 'innersub');
  });

  test('package.json', async () => {
    assert.equal(await answer({ 'package.json': '{"dependencies":{"left-pad":"1.0.0"}}', 'index.ts': 'import pad from "left-pad"; Deno.serve(() => new Response(pad("1", 2)));' }, {}, online()), '01');
  });
});

describe('over a network', () => {
  const padded = (range) => ({ 'index.ts': `import pad from "npm:left-pad${range}"; Deno.serve(() => new Response(pad("1", 3)));` });
  for (const [range, expected] of [['', '..1'], ['@1', '..1'], ['@^1.0.0', '..1'], ['@~1.0.0', '001'], ['@1.0.0', '001'], ['@<1.3', '001'], ['@1.0.0 - 1.2', '001'], ['@latest', '..1'], ['@next', 'beta'], ['@2.0.0-beta.1', 'beta'], ['@0.9 || 1.0.x', '001']]) {
    test(`npm:left-pad${range}`, async () => assert.equal(await answer(padded(encodeURI(range)), {}, online()), expected));
  }

  test('conditions, internal names, dependencies, subpaths, long names', async () => {
    const far = `npm:@scope/parts/deep/${'long/'.repeat(30)}x`;
    const source = `import { inner, padded, self } from "npm:@scope/parts@1"; import data from "npm:@scope/parts@1/data" with { type: "json" }; import far from "${far}"; Deno.serve(() => new Response([inner, padded, self.sub, data.n, far].join()));`;
    assert.equal(await answer({ 'index.ts': source }, {}, online()), 'inner,007,sub,5,far');
  });

  test('CommonJS, what is for browsers, what may be missing, the user\'s own peer', async () => {
    const source = 'import old from "npm:old"; import pad from "npm:left-pad@1.0.0"; Deno.serve(() => Response.json({ ...old, mine: pad("1", 2) }));';
    assert.deepEqual(JSON.parse(await answer({ 'index.ts': source }, {}, online())), { where: 'browser', fs: 0, pad: '01', missing: 'MODULE_NOT_FOUND', buffer: 'function', path: 'b', mine: '01' });
  });

  test('JSR: the highest version that was not taken back, its exports, what it imports', async () => {
    const source = 'import { add, version } from "jsr:@lib/sum@1"; import { word } from "jsr:@lib/sum@^1.1/words"; Deno.serve(() => new Response([add(1, 2), version, word].join()));';
    const bundle = await made({ 'index.ts': source }, {}, online());
    const { meta } = bundle;
    assert.equal((await run(bundle)).answer, '3,1.2.0,00w');
    assert.deepEqual(meta.imports.map(({ specifier, resolved }) => `${specifier} ${resolved}`), ['jsr:@lib/sum@1 jsr:@lib/sum@1.2.0', 'jsr:@lib/sum@^1.1 jsr:@lib/sum@1.2.0', 'npm:left-pad@1.0.0 npm:left-pad@1.0.0']);
  });

  test('addresses, redirections, content types', async () => {
    const source = `import { web, other } from "${stand.web}/mod.ts"; import { v } from "${stand.web}/latest.ts"; import typed from "${stand.web}/typed"; Deno.serve(() => new Response([web, other, v, typed].join()));`;
    const bundle = await made({ 'index.ts': source }, {}, online());
    const { meta } = bundle;
    assert.equal((await run(bundle)).answer, 'web,1,1,1');
    assert.ok(meta.imports.some(({ specifier, resolved }) => specifier.endsWith('latest.ts') && resolved === `${stand.web}/v1/mod.ts`));
  });

  test('a second bundle fetches nothing that cannot have changed, and works without a network', async () => {
    const cache = path.join(folder, 'kept');
    const files = { 'index.ts': `import { add } from "jsr:@lib/sum@1"; import pad from "npm:left-pad@1"; import { web } from "${stand.web}/mod.ts"; Deno.serve(() => new Response([add(1, 1), pad("1", 2), web].join()));` };
    const first = await made(files, {}, online({ cache }));
    stand.asked.length = 0;
    const second = await made(files, { lock: first.meta.imports }, online({ cache }));
    assert.deepEqual(stand.asked, []);
    assert.deepEqual(second.zip, first.zip);
    const unlocked = await made(files, {}, online({ cache }));
    assert.deepEqual(stand.asked.sort(), ['/jsr/@lib/sum/meta.json', '/npm/left-pad']);
    assert.deepEqual(unlocked.zip, first.zip);
    const away = await made(files, {}, online({ cache, fetch: async () => { throw new TypeError('fetch failed'); } }));
    assert.deepEqual(away.zip, first.zip);
  });

  test('the lock holds versions, until it is told to reload', async () => {
    const files = padded('@^1.0.0');
    const early = await registry({ npm: { 'left-pad': { '1.0.0': { 'index.js': 'module.exports = (text, length) => text.padStart(length, "0");' } } } });
    const { meta } = await made(files, {}, online({ registries: early.registries }));
    await early.close();
    assert.equal(await answer(files, { lock: meta.imports }, online()), '001');
    assert.equal(await answer(files, { lock: meta.imports, reload: true }, online()), '..1');
    assert.equal(await answer(files, {}, online()), '..1');
  });

  test('a deno.lock holds versions too', async () => {
    const by = online();
    const { meta } = await made(padded('@1.0.0'), {}, by);
    const lock = { version: '5', specifiers: { 'npm:left-pad@1': '1.0.0', 'jsr:@lib/sum@1': '1.0.0' }, npm: { 'left-pad@1.0.0': { integrity: meta.imports[0].integrity } } };
    const files = { ...padded('@1'), 'deno.lock': JSON.stringify(lock) };
    assert.equal(await answer(files, {}, by), '001');
    lock.npm['left-pad@1.0.0'].integrity = `sha512-${'A'.repeat(86)}==`;
    assert.match(await refused({ ...padded('@1'), 'deno.lock': JSON.stringify(lock) }, {}, by), /npm:left-pad@1\.0\.0 is not what it should be/);
  });

  describe('what was tampered with is refused', () => {
    for (const [name, at, files, expected] of [
      ['a package', '/npm/left-pad/-/left-pad-1.0.0.tgz', () => padded('@1.0.0'), /^index\.ts:1:17: npm:left-pad@1\.0\.0 is not what it should be: its digest is sha512-.* was expected\.$/],
      ['a module of JSR', '/jsr/@lib/sum/1.2.0/src/add.ts', () => ({ 'index.ts': 'import { add } from "jsr:@lib/sum@1.2"; console.log(add);' }), /^jsr:@lib\/sum@1\.2\.0\/mod\.ts:1:21: jsr:@lib\/sum@1\.2\.0\/src\/add\.ts is not what it should be/],
    ]) {
      test(name, async () => {
        stand.tampered.add(at);
        try {
          assert.match(await refused(files(), {}, online()), expected);
        } finally {
          stand.tampered.delete(at);
        }
      });
    }

    test('a module at an address, by the lock', async () => {
      const files = { 'index.ts': `import { web } from "${stand.web}/mod.ts"; console.log(web);` };
      const { meta } = await made(files, {}, online());
      stand.tampered.add('/web/mod.ts');
      try {
        assert.match(await refused(files, { lock: meta.imports }, online()), /^index\.ts:1:21: http.*\/mod\.ts is not what the lock has: .*`reload` takes it as it is now\.$/);
        await made(files, { lock: meta.imports, reload: true }, online());
      } finally {
        stand.tampered.delete('/web/mod.ts');
      }
    });

    test('what was kept is checked again, and fetched anew', async () => {
      const cache = path.join(folder, 'spoilt');
      await made(padded('@1.0.0'), {}, online({ cache }));
      for (const name of await readdir(cache)) if (!name.endsWith('.json')) await writeFile(path.join(cache, name), 'spoilt');
      assert.equal(await answer(padded('@1.0.0'), {}, online({ cache })), '001');
    });
  });
});

describe('what is refused, and with what words', () => {
  for (const [name, files, expected, options] of [
    ['syntax', { 'index.ts': 'const a = 1;\n  let b: = 2;' }, 'index.ts:2:10: Unexpected "="'],
    ['a column after letters of more bytes', { 'index.ts': 'const ä = "ää"; let b: = 2;' }, 'index.ts:1:24: Unexpected "="'],
    ['a package, offline', { 'index.ts': 'import x from "npm:left-pad@1"; x();' }, 'index.ts:1:15: npm:left-pad@1 is not one of the packages that come with the project, and registry.npmjs.org cannot be reached (getaddrinfo ENOTFOUND): there is no network, or it does not let this page read from it.'],
    ['a shipped package in another version, offline', { 'a.ts': 'import "npm:hono@3";', 'index.ts': '\nimport "./a.ts";' }, 'a.ts:1:8: npm:hono@3 is not one of the packages that come with the project, and registry.npmjs.org cannot be reached (getaddrinfo ENOTFOUND): there is no network, or it does not let this page read from it.'],
    ['JSR, offline', { 'index.ts': 'import "jsr:@std/yaml@1";' }, 'index.ts:1:8: jsr:@std/yaml@1 is not one of the packages that come with the project, and jsr.io cannot be reached (getaddrinfo ENOTFOUND): there is no network, or it does not let this page read from it.'],
    ['an address, offline', { 'index.ts': 'import "https://esm.sh/stripe@14";' }, 'index.ts:1:8: https://esm.sh/stripe@14 is not one of the modules that come with the project, and esm.sh cannot be reached (getaddrinfo ENOTFOUND): there is no network, or it does not let this page read from it.'],
    ['a bare name', { 'index.ts': 'import "lodash";' }, 'index.ts:1:8: "lodash" is in no import map (nor in package.json): write where it is from, for example "npm:lodash".'],
    ['a module of Node without its prefix', { 'index.ts': 'import "fs";' }, 'index.ts:1:8: "fs" is written "node:fs" here.'],
    ['a module of Node that is not here', { 'index.ts': 'import "node:sqlite";' }, 'index.ts:1:8: "node:sqlite" is not to be had here.'],
    ['a file without its ending', { 'index.ts': 'import "./cors";', 'cors.ts': '' }, 'index.ts:1:8: There is no file cors. Did you mean cors.ts? The ending is part of the name.'],
    ['a file that is not there', { 'index.ts': 'import "../../up.ts";' }, 'index.ts:1:8: There is no file up.ts.'],
    ['an export that is not there', { 'index.ts': 'import { b } from "./a.ts"; b();', 'a.ts': 'export const a = 1;' }, 'index.ts:1:10: No matching export in "a.ts" for import "b"'],
    ['another scheme', { 'index.ts': 'import "ftp://x/y.ts";' }, 'index.ts:1:8: "ftp://x/y.ts" cannot be imported: it is neither a file nor npm:, jsr:, node:, https: or data:.'],
    ['a file of no kind', { 'index.ts': 'import "./a.txt";', 'a.txt': '' }, 'index.ts:1:8: What kind of module this is cannot be told from its name: `with { type: "text" }` or `"bytes"` imports it as it is.'],
    ['a module of an unknown type', { 'index.ts': 'import x from "./a.css" with { type: "css" }; x;', 'a.css': '' }, 'index.ts:1:15: Modules of the type "css" cannot be imported: there are "json", "text" and "bytes".'],
    ['no entrypoint', { 'a.ts': '' }, 'There is nothing to start at: no file is called index.ts, index.tsx, index.js or the like. `entrypoint` names another.'],
    ['an entrypoint that is not there', { 'index.ts': '' }, 'There is no file b.ts to start at.', { entrypoint: 'b.ts' }],
    ['an import map that is not there', { 'index.ts': '' }, 'There is no import map at m.json.', { importMap: 'm.json' }],
    ['deno.json that is no object', { 'index.ts': '', 'deno.json': '[' + ']' + ' 1' }, /^deno\.json:1:\d+: This is no JSON: /],
    ['static files that are none', { 'index.ts': '' }, 'The static files "a/*.html" are none: no file has such a name.', { staticFiles: ['./a/*.html'] }],
    ['several at once', { 'index.ts': 'import "lodash";\nimport "./no.ts";' }, 'index.ts:1:8: "lodash" is in no import map (nor in package.json): write where it is from, for example "npm:lodash".\nindex.ts:2:8: There is no file no.ts.'],
  ]) {
    test(name, async () => {
      const message = await refused(files, options);
      if (expected instanceof RegExp) assert.match(message, expected);
      else assert.equal(message, expected);
    });
  }

  for (const [name, source, expected] of [
    ['no such package', () => 'import "npm:nothing";', 'index.ts:1:8: npm has no package nothing.'],
    ['no such version', () => 'import "npm:left-pad@7";', 'index.ts:1:8: npm:left-pad@7 is no version of left-pad: the latest is 1.3.0.'],
    ['no such export', () => 'import "npm:@scope/parts@1/private";', 'index.ts:1:8: npm:@scope/parts@1.0.0/private is not exported by its package.'],
    ['no such package of JSR', () => 'import "jsr:@lib/none";', 'index.ts:1:8: JSR has no package @lib/none.'],
    ['no such version of JSR', () => 'import "jsr:@lib/sum@^1.9";', 'index.ts:1:8: jsr:@lib/sum@^1.9 is no version of @lib/sum: there are 1.0.0, 1.2.0.'],
    ['no such export of JSR', () => 'import "jsr:@lib/sum@1/none";', 'index.ts:1:8: jsr:@lib/sum@1.2.0 exports no ./none; it exports ., ./words.'],
    ['nothing at an address', () => `import "${stand.web}/none.ts";`, () => `index.ts:1:8: There is nothing at ${stand.web}/none.ts (404).`],
    ['a page', () => `import "${stand.web}/page";`, 'index.ts:1:8: This is a page, not a module.'],
  ]) {
    test(name, async () => assert.equal(await refused({ 'index.ts': source() }, {}, online()), typeof expected === 'function' ? expected() : expected));
  }

  test('more than 20 MB packed', async () => {
    const noise = new Uint8Array(21 * 1024 * 1024);
    for (let at = 0; at < noise.length; at += 65536) crypto.getRandomValues(noise.subarray(at, at + 65536));
    assert.match(await refused({ 'index.ts': '', 'noise.bin': noise }), /^The function is too large: 21\.\d MB packed, of at most 20\. Its largest file is source\/noise\.bin, 21\.0 MB\.$/);
  });

  test('more than 64 MB unpacked', async () => {
    assert.match(await refused({ 'index.ts': '', 'zeros.bin': new Uint8Array(65 * 1024 * 1024) }), /^The function is too large: 65\.0 MB unpacked, of at most 64\. /);
  });
});

describe('what is made', () => {
  const files = { 'index.ts': 'import { thrower } from "./lib/thrower.ts";\n\nexport const fail = () => thrower(1 as number);\n', 'lib/thrower.ts': 'const url: string = import.meta.url;\nexport function thrower(n: number): never {\n  const ä = url;\n  throw new Error(`${ä} ${n}`);\n}\n', 'pages/a.html': '<p>', 'pages/deep/b.html': '<b>', 'pages/c.css': '', '.env': 'SECRET=1', 'node_modules/x/index.js': '' };

  test('the same input gives the same bytes, whatever its order', async () => {
    const reversed = Object.fromEntries(Object.entries(files).reverse());
    const [one, two] = [await made(files, { staticFiles: ['pages/**'] }), await made(reversed, { staticFiles: ['pages/**'] })];
    assert.deepEqual(one.zip, two.zip);
  });

  test('the archive: the bundle, static files, sources; no secrets and no packages', async () => {
    const { files: packed, warnings } = await made({ ...files, 'deno.json': '{"static_files":["./pages/*.{html,txt}"]}' }, { staticFiles: ['./pages/deep/**'] });
    assert.deepEqual(Object.keys(packed).sort(), ['bundle/files/pages/a.html', 'bundle/files/pages/deep/b.html', 'bundle/index.js', 'bundle/index.js.map', 'bundle/meta.json', 'source/deno.json', 'source/index.ts', 'source/lib/thrower.ts', 'source/pages/a.html', 'source/pages/c.css', 'source/pages/deep/b.html']);
    assert.deepEqual(warnings, [{ message: '.env is not deployed: what is secret is set as a secret.' }]);
    assert.equal(text(packed['source/index.ts']), files['index.ts']);
  });

  test('the source map leads to the place, and has the source as it was', async () => {
    const bundle = await made(files);
    const { map } = bundle;
    assert.equal(map.version, 3);
    assert.deepEqual(map.sources.filter((name) => !/^(meta|own|npm):/.test(name)), ['lib/thrower.ts', 'index.ts']);
    for (const name of ['lib/thrower.ts', 'index.ts']) assert.equal(map.sourcesContent[map.sources.indexOf(name)], files[name]);
    const { module } = await run(bundle);
    const stack = await Promise.resolve().then(module.fail).catch((error) => error.stack);
    const places = [...stack.matchAll(/index\.mjs:(\d+):(\d+)/g)].map(([, line, column]) => new SourceMap(map).findEntry(line - 1, column - 1));
    assert.deepEqual(places.slice(0, 2).map(({ originalSource, originalLine }) => [originalSource, originalLine + 1]), [['lib/thrower.ts', 4], ['index.ts', 3]]);
  });

  test('what esbuild warns of has its place', async () => {
    const { warnings } = await made({ 'index.ts': 'const a = { b: 1,\n  b: 2 };\nconsole.log(a);' });
    assert.deepEqual(warnings, [{ message: 'Duplicate key "b" in object literal', file: 'index.ts', line: 2, column: 3, source: '  b: 2 };' }]);
  });
});

describe('packages as a module of their own', () => {
  const use = 'Deno.serve(() => new Response([seen, long.length, word].join()));';
  const apart = async (files) => made(files, {}, online());
  afterEach(() => { delete globalThis.before; });

  test('they stay as they are while the function changes', async () => {
    const [one, two] = await Promise.all(['one', 'two'].map((word) => apart({ 'index.ts': `import { seen, long } from "npm:late"; import { word } from "./word.ts"; ${use}`, 'word.ts': `export const word = ${JSON.stringify(word)};` })));
    assert.ok(one.packages.length > 40_000);
    assert.equal(one.packages, two.packages);
    assert.deepEqual(Object.keys(one.files).filter((name) => name.startsWith('bundle/')), ['bundle/index.js', 'bundle/index.js.map', 'bundle/meta.json', 'bundle/packages.js', 'bundle/packages.js.map']);
    assert.deepEqual([(await run(one)).answer, (await run(two)).answer], ['nothing,40000,one', 'nothing,40000,two']);
  });

  for (const [name, before, isApart, expected] of [
    ['sets something', 'globalThis.before = "before"; export const word = "";', false, 'before,40000,'],
    ['calls something', 'export const word = String(1);', false, 'nothing,40000,1'],
    ['only defines', 'import { other } from "./other.ts"; export const word = { toString: () => other() }; export class A { b = 1; } export function c() { return word; }', true, 'nothing,40000,other'],
  ]) {
    test(`a module that runs before them and ${name}`, async () => {
      const bundle = await apart({ 'index.ts': `import { word } from "./before.ts"; import { seen, long } from "npm:late"; ${use}`, 'before.ts': before, 'other.ts': 'export const other = () => "other";' });
      assert.equal(bundle.packages !== undefined, isApart);
      assert.equal((await run(bundle)).answer, expected);
    });
  }

  test('a package in which nothing happens may run before what happens before it', async () => {
    const bundle = await apart({ 'index.ts': `import "./before.ts"; import { seen, long } from "npm:free"; const word = globalThis.before; ${use}`, 'before.ts': 'globalThis.before = "before";' });
    assert.ok(bundle.packages);
    assert.equal((await run(bundle)).answer, 'nothing,40000,before');
  });

  test('what is imported only when it is needed stays in one module', async () => {
    const bundle = await apart({ 'index.ts': 'import { long } from "npm:free"; Deno.serve(async () => { const { seen } = await import("npm:late"); return new Response([seen, long.length].join()); });' });
    assert.equal(bundle.packages, undefined);
    assert.equal((await run(bundle)).answer, 'nothing,40000');
  });

  test('JSX, JSON and text of the user’s stay with the function', async () => {
    const files = { 'index.tsx': '/** @jsxImportSource npm:hono@4/jsx */ import data from "./d.json" with { type: "json" }; import note from "./n.txt" with { type: "text" }; import { long } from "npm:free"; Deno.serve(() => new Response([String(<p>{data.a}</p>), note, long.length].join()));', 'd.json': '{"a":1}', 'n.txt': 'note' };
    const bundle = await apart(files);
    assert.ok(bundle.code.includes('note') && !bundle.packages.includes('note'));
    assert.equal((await run(bundle)).answer, '<p>1</p>,note,40000');
  });

  test('the map of the packages leads into them', async () => {
    const { packages, files } = await apart({ 'index.ts': 'import { here } from "npm:late"; export { here };' });
    const map = JSON.parse(text(files['bundle/packages.js.map']));
    const at = packages.indexOf('new Error');
    const line = packages.slice(0, at).split('\n').length;
    const { originalSource, originalLine } = new SourceMap(map).findEntry(line - 1, at - packages.lastIndexOf('\n', at) - 1);
    assert.deepEqual([originalSource, originalLine + 1], ['npm:late@1.0.0/index.js', 3]);
    assert.deepEqual(map.sourcesContent, [null]);
  });

  test('what is wrong is told once', async () => {
    const { problems } = await offline.bundle(bytes({ 'index.ts': 'import "./no.ts";\nimport { Hono } from "npm:hono";\nimport "lodash";\nnew Hono();' })).catch((error) => error);
    assert.deepEqual(problems.map(({ file, line }) => [file, line]), [['index.ts', 1], ['index.ts', 3]]);
  });
});
