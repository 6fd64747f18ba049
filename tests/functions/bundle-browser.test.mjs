// The bundler in Chromium: the same bytes as under Node, and nothing of it on a page that deploys nothing.
import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { bundler } from '../../static/dist/node/bundler.mjs';
import { dist, launch, serveDist } from '../browser/harness.mjs';
import { bytes } from './bundling.mjs';
import { registry } from './registry.mjs';

let stand;
let site;
let context;
let page;
let folder;
let script;

before(async () => {
  stand = await registry({ npm: { 'left-pad': { '1.0.0': { 'index.js': 'module.exports = (text, length) => text.padStart(length);' } } }, jsr: { '@lib/sum': { '1.0.0': { exports: './mod.ts', files: { 'mod.ts': 'export const add = (a: number, b: number): number => a + b;' } } } }, web: { 'mod.ts': 'export const web: number = 1;' } });
  folder = await mkdtemp(path.join(tmpdir(), 'bundle-'));
  script = `/functions/${(await readdir(path.join(dist, 'functions'))).find((name) => /^bundler-.*\.js$/.test(name))}`;
  site = await serveDist();
  site.intercept((pathname) => (pathname === '/blank.html' ? { body: '<!doctype html><title>blank</title>' } : undefined));
  context = await launch();
  page = await context.newPage();
  await page.goto(`${site.url}/blank.html`);
});
after(async () => {
  await context?.close();
  await site?.close();
  await stand?.close();
  await rm(folder, { recursive: true });
});

/** What the page makes of the files: the archive, or the message it refuses them with. */
const inPage = (files, options = {}) => page.evaluate(async ([from, given, chosen, registries]) => {
  const { bundlerInBrowser } = await import(from);
  const encoder = new TextEncoder();
  try {
    const made = await (await bundlerInBrowser({ registries })).bundle(Object.fromEntries(Object.entries(given).map(([name, text]) => [name, encoder.encode(text)])), chosen);
    return { zip: btoa(Array.from(made.zip, (byte) => String.fromCharCode(byte)).join('')), warnings: made.warnings };
  } catch (error) {
    return { message: error.message, problems: error.problems };
  }
}, [script, files, options, stand.registries]);

describe('the same bytes as under Node', () => {
  for (const [name, files, options] of [
    ['TypeScript with supabase-js, Hono and Node', { 'index.ts': 'import { createClient } from "jsr:@supabase/supabase-js@2"; import { Hono } from "npm:hono"; import { createHash } from "node:crypto"; import { Readable } from "node:stream"; const app = new Hono(); app.get("/", (c) => c.json([createClient, createHash, Readable, Buffer, import.meta.url].map((one) => typeof one))); export default app;' }],
    ['JSX, JSON, text, an import map, static files', { 'index.tsx': 'import data from "d" with { type: "json" }; import page from "./p.html" with { type: "text" }; export default () => new Response(String(<p>{data.ä}{page}</p>));', 'deno.json': '{"imports":{"d":"./d.json"},"compilerOptions":{"jsx":"react-jsx","jsxImportSource":"npm:hono@4/jsx"}}', 'd.json': '{"ä":1}', 'p.html': '<i>ö</i>' }, { staticFiles: ['*.html'] }],
    ['what is fetched', () => ({ 'index.ts': `import pad from "npm:left-pad@1"; import { add } from "jsr:@lib/sum"; import { web } from "${stand.web}/mod.ts"; Deno.serve(() => new Response(pad(String(add(web, 1)), 3)));` })],
  ]) {
    test(name, async () => {
      const given = typeof files === 'function' ? files() : files;
      const under = await bundler({ cache: path.join(folder, 'cache'), registries: stand.registries }).bundle(bytes(given), options);
      const { zip, warnings, message } = await inPage(given, options);
      assert.equal(message, undefined);
      assert.deepEqual(warnings, under.warnings);
      assert.ok(Buffer.from(zip, 'base64').equals(under.zip), 'the archives differ');
    });
  }

  test('whatever was bundled before, or is at the same time', async () => {
    const version = (word, more = '') => ({ 'index.ts': `import { Hono } from "npm:hono"; import { word } from "./word.ts"; ${more} const app = new Hono(); app.get("/", (c) => c.text(word)); export default app;`, 'word.ts': `export const word = ${JSON.stringify(word)};` });
    const node = bundler({ cache: path.join(folder, 'cache'), registries: stand.registries });
    const under = async (files) => Buffer.from((await node.bundle(bytes(files))).zip).toString('base64');
    const [one, two, three] = [version('one'), version('two', 'import "npm:left-pad@1";'), version('three', 'import { z } from "npm:zod"; console.log(z.string().parse(word));')];
    const expected = await Promise.all([one, two, three].map(under));
    assert.equal((await inPage(one)).zip, expected[0]);
    assert.match((await inPage(version('four', 'import "./absent.ts";'))).message, /There is no file absent\.ts/);
    assert.equal((await inPage(two)).zip, expected[1]);
    assert.deepEqual((await Promise.all([three, one, two, one].map((files) => inPage(files)))).map(({ zip }) => zip), [expected[2], expected[0], expected[1], expected[0]]);
    // Another beginning has settings of its own.
    assert.equal((await inPage({ ...one, 'main.ts': 'export default 1;' }, { entrypoint: 'main.ts' })).message, undefined);
    assert.equal((await inPage(one)).zip, expected[0]);
  });

  test('the same words for what is refused', async () => {
    const files = { 'index.ts': 'import "lodash";\nimport "./no.ts"; import "npm:none";' };
    const error = await bundler({ cache: path.join(folder, 'cache'), registries: stand.registries }).bundle(bytes(files)).catch((reason) => reason);
    assert.deepEqual((await inPage(files)).problems, error.problems);
  });

  test('what was fetched is kept for when there is no network', async () => {
    stand.asked.length = 0;
    const files = { 'index.ts': 'import pad from "npm:left-pad@1"; Deno.serve(() => new Response(pad("x", 3)));' };
    assert.ok((await inPage(files)).zip);
    assert.deepEqual(stand.asked, ['/npm/left-pad']);
    const gone = stand.registries;
    stand.registries = { npm: 'http://127.0.0.1:9/npm', jsr: 'http://127.0.0.1:9/jsr' };
    const { message } = await inPage(files);
    stand.registries = gone;
    assert.match(message, /^index\.ts:1:17: npm:left-pad@1 is not one of the packages that come with the project, and 127\.0\.0\.1:9 cannot be reached \(Failed to fetch\): there is no network, or it does not let this page read from it\.$/);
  });
});

test('a page that deploys nothing fetches nothing of it; what was fetched is there without a network', async () => {
  const opened = await context.newPage();
  site.requests.length = 0;
  await opened.goto(site.url);
  await opened.waitForFunction(() => navigator.serviceWorker.controller && caches.keys().then((names) => names.some((name) => name.startsWith('gateway-build-'))));
  assert.deepEqual(site.requests.filter((name) => name.startsWith('/functions/')), []);
  // With the worker in charge: the first time from the network, then from what it kept.
  const read = () => opened.evaluate(async (from) => (await (await fetch(from)).arrayBuffer()).byteLength, script);
  const size = await read();
  assert.deepEqual(site.requests.filter((name) => name.startsWith('/functions/')), [script]);
  await opened.waitForFunction((from) => caches.match(from), script);
  site.intercept((pathname) => (pathname.startsWith('/functions/') ? { status: 500, body: 'away' } : undefined));
  assert.equal(await read(), size);
});
