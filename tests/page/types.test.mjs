// What the editor of functions knows of types: completion, what things are, and what is wrong.
import assert from 'node:assert/strict';
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { build } from 'esbuild';
import { unzipSync } from 'fflate';

const statics = path.join(import.meta.dirname, '../../static');
let folder;
let types;

before(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'types-'));
  const outfile = path.join(folder, 'service.cjs');
  await build({ entryPoints: [path.join(statics, 'src/functions/types/service.ts')], bundle: true, format: 'cjs', platform: 'node', outfile, logLevel: 'error' });
  const { Types } = createRequire(import.meta.url)(outfile);
  const packages = path.join(statics, 'dist/functions/packages');
  const archive = (await readdir(packages)).find((name) => name.startsWith('types-'));
  const files = unzipSync(await readFile(path.join(packages, archive)));
  types = new Types(new Map(Object.entries(files).map(([name, bytes]) => [`/${name}`, new TextDecoder().decode(bytes)])));
});
after(() => rm(folder, { recursive: true }));

/** Files with one place marked by `|`; the path and the place. */
function at(files) {
  const [name, marked] = Object.entries(files).find(([, text]) => text.includes('|'));
  types.update({ ...files, [name]: marked.replace('|', '') });
  return [name, marked.indexOf('|')];
}

for (const [name, files, ...expected] of [
  ['Deno', { 'index.ts': 'Deno.|' }, 'serve', 'env', 'upgradeWebSocket', 'readTextFile'],
  ['a request', { 'index.ts': 'Deno.serve((request) => { request.| })' }, 'json', 'headers', 'method'],
  ['supabase-js from JSR', { 'index.ts': 'import { createClient } from "jsr:@supabase/supabase-js@2";\nconst db = createClient("", "");\ndb.|' }, 'from', 'rpc', 'auth', 'storage', 'functions'],
  ['supabase-js from npm, a chain', { 'index.ts': 'import { createClient } from "npm:@supabase/supabase-js@2";\nconst { data } = await createClient("", "").from("t").select("*").|' }, 'eq', 'single', 'order', 'limit'],
  ['supabase-js from esm.sh', { 'index.ts': 'import { createClient } from "https://esm.sh/@supabase/supabase-js@2";\ncreateClient("", "").auth.|' }, 'getUser', 'getClaims', 'admin'],
  ['Hono through an import map', { 'index.ts': 'import { Hono } from "hono";\nnew Hono().get("/", (c) => c.|)', 'deno.json': '{"imports":{"hono":"jsr:@hono/hono@4"}}' }, 'json', 'text', 'req'],
  ['a module beside it', { 'index.ts': 'import { point } from "./lib/point.ts";\npoint.|', 'lib/point.ts': 'export const point = { east: 1, north: 2 };' }, 'east', 'north'],
  ['the project’s own of std', { 'index.ts': 'import * as hex from "jsr:@std/encoding@1/hex";\nhex.|' }, 'encodeHex', 'decodeHex'],
  ['what is in scope', { 'index.ts': 'const greeting = 1;\ngr|' }, 'greeting', 'Deno', 'EdgeRuntime', 'fetch'],
]) {
  test(`offered: ${name}`, () => {
    const [file, place] = at(files);
    const offered = types.offers(file, place).map(({ label }) => label);
    for (const label of expected) assert.ok(offered.includes(label), `${label} is not among ${offered.slice(0, 40).join(', ')}`);
    assert.ok(!offered.includes('document'), 'a function has no document');
  });
}

test('what a thing is, and what is said of it', () => {
  const [file, place] = at({ 'index.ts': 'Deno.en|v;' });
  assert.deepEqual(types.told(file, place), { signature: 'const Deno.env: Deno.Env', documentation: 'The function\'s environment.', from: 5, to: 8 });
  const [, end] = at({ 'index.ts': 'Deno.|' });
  assert.match(types.details('index.ts', end, 'serve').signature, /^function Deno\.serve\(handler: Deno\.ServeHandler\): Deno\.HttpServer/);
  assert.equal(types.details('index.ts', end, 'nothing'), undefined);
});

for (const [name, files, ...expected] of [
  ['a number that is a string', { 'index.ts': 'const a: number = "x";' }, ['a', 'Type \'string\' is not assignable to type \'number\'.']],
  ['what an answer is not', { 'index.ts': 'const handler: Deno.ServeHandler = () => "text";\nDeno.serve(handler);' }, ['"text"', /^Type 'string' is not assignable to type 'Response \| Promise<Response>'/]],
  ['syntax', { 'index.ts': 'const a: = 1;' }, ['=', 'Type expected.']],
  ['of supabase-js', { 'index.ts': 'import { createClient } from "jsr:@supabase/supabase-js@2";\ncreateClient(1, "");' }, ['1', 'Argument of type \'number\' is not assignable to parameter of type \'string\'.']],
  ['nothing, where a package is not known', { 'index.ts': 'import pad from "npm:left-pad@1";\nimport x from "https://example.com/x.ts";\nexport const padded: string = pad(x, 3);' }],
  ['nothing, in what runs', { 'index.ts': 'import "jsr:@supabase/functions-js/edge-runtime.d.ts";\nimport data from "./d.json" with { type: "json" };\nconst now = await Promise.resolve(1);\nDeno.serve(async (request) => { EdgeRuntime.waitUntil(fetch("x")); return Response.json({ now, data: data.a, url: import.meta.url, main: import.meta.main, body: await request.json() }); });\naddEventListener("beforeunload", (event) => console.log(event.detail.reason));', 'd.json': '{"a":1}' }],
  ['nothing, in JSX', { 'index.tsx': '/** @jsxImportSource npm:hono@4/jsx */\nexport default { fetch: () => new Response(String(<p>x</p>)) };' }],
  ['nothing, of JavaScript', { 'index.js': 'const a = 1; a.b.c;' }],
]) {
  test(`wrong: ${name}`, () => {
    types.update(files);
    const [[file, text]] = Object.entries(files);
    const found = types.wrong(file);
    assert.equal(found.length, expected.length, JSON.stringify(found));
    for (const [index, [marked, message]] of expected.entries()) {
      assert.equal(text.slice(found[index].from, found[index].to), marked);
      if (message instanceof RegExp) assert.match(found[index].message, message);
      else assert.equal(found[index].message, message);
    }
  });
}

test('what changed is known, and what was taken away is not', () => {
  types.update({ 'index.ts': 'import { a } from "./a.ts";\na.toFixed();', 'a.ts': 'export const a = 1;' });
  assert.deepEqual(types.wrong('index.ts'), []);
  types.update({ 'index.ts': 'import { a } from "./a.ts";\na.toFixed();', 'a.ts': 'export const a = "";' });
  assert.equal(types.wrong('index.ts').length, 1);
  assert.deepEqual(types.wrong('gone.ts'), []);
});
