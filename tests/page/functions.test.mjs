// What the page makes of functions: folders, files, log lines, figures, and what its editor offers.
import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import { build } from 'esbuild';
import { bundler } from '../../static/dist/node/bundler.mjs';

const source = path.join(import.meta.dirname, '../../static/src');
const modules = await build({
  stdin: {
    contents: `export { layoutOf, readConfig, settingsOf } from './functions/layout.ts'; export { filePathProblem, isText, textOf } from './page/functions/sources.ts'; export { pick, readLines } from './page/functions/lines.ts';
      export { bins, ceiling, quantile, requestsOf } from './page/functions/series.ts'; export { templates } from './page/functions/templates.ts'; export { offer } from './page/functions/completions.ts'; export { isFunctionName } from './functions/functions.ts';
      export { EditorState } from '@codemirror/state'; export { CompletionContext } from '@codemirror/autocomplete';`,
    resolveDir: source, loader: 'ts',
  },
  bundle: true, write: false, format: 'esm', platform: 'node', logLevel: 'error',
});
const { bins, ceiling, CompletionContext, EditorState, filePathProblem, isFunctionName, isText, layoutOf, offer, pick, quantile, readConfig, readLines, requestsOf, settingsOf, templates, textOf } = await import(`data:text/javascript;base64,${Buffer.from(modules.outputFiles[0].contents).toString('base64')}`);

test('where functions are in a folder', () => {
  const cases = [
    // Files, the folder they were in; the root, and functions by name.
    [['index.ts', 'lib/a.ts'], 'hello', '', { hello: '' }],
    [['supabase/functions/a/index.ts', 'supabase/functions/b/index.js', 'supabase/functions/_shared/c.ts', 'src/functions/x/index.ts'], 'shop', 'supabase/', { a: 'functions/a/', b: 'functions/b/' }],
    [['functions/a/index.ts', 'functions/a/deep/index.ts', 'functions/b/README.md', 'config.toml'], 'supabase', '', { a: 'functions/a/' }],
    [['a/index.ts', 'b/index.tsx', '_shared/cors.ts', 'c/notes.md'], 'functions', '', { a: 'a/', b: 'b/' }],
    [['README.md', 'src/main.ts'], 'other', undefined],
    [[], 'nothing', undefined],
  ];
  for (const [paths, folder, root, functions] of cases) {
    assert.deepEqual(layoutOf(paths, folder), root === undefined ? undefined : { root, functions }, paths.join());
  }
});

test('config.toml, and what a function is deployed with', () => {
  const config = readConfig('[functions.a]\nverify_jwt = false\nimport_map = "./functions/a/deno.json"\nstatic_files = ["./x/*"]\n[functions.b]\nentrypoint = "./functions/b/main.ts"\n[auth]\nsite_url = "x"');
  assert.deepEqual(settingsOf('functions/a/', config.a, ['functions/a/index.tsx']), { folder: 'functions/a/', entrypoint: 'functions/a/index.tsx', importMap: './functions/a/deno.json', staticFiles: ['./x/*'], verify_jwt: false });
  assert.deepEqual(settingsOf('functions/b/', config.b, ['functions/b/index.ts']), { folder: 'functions/b/', entrypoint: './functions/b/main.ts' });
  assert.deepEqual(settingsOf('', {}, ['main.ts']), { folder: '' });
  assert.deepEqual(readConfig(''), {});
  assert.throws(() => readConfig('[functions.a]\nenabled = 1'), /^Error: \[functions\.a\] enabled is not what it should be: 1$/);
  assert.throws(() => readConfig('['), /Invalid TOML/);
});

test('names of functions and of files', () => {
  for (const [name, good] of [['hello', true], ['A', true], ['a-b_2', true], ['a'.repeat(48), true], ['a'.repeat(49), false], ['1a', false], ['_a', false], ['a b', false], ['', false], ['ä', false]]) assert.equal(isFunctionName(name), good, name);
  for (const [name, problem] of [['a.ts', undefined], ['lib/b c.ts', undefined], ['', /name/], ['/a', /relative/], ['a/../b', /relative/], ['a//b', /relative/], ['a\\b', /Leave out/], ['.env', /Secrets/], ['x/.env.local', /Secrets/], ['index.ts', /There is such/]]) {
    const said = filePathProblem(name, ['index.ts']);
    if (problem) assert.match(said, problem, name);
    else assert.equal(said, undefined, name);
  }
});

test('text is what is the same bytes again', () => {
  const bytes = (text) => new TextEncoder().encode(text);
  for (const [content, text] of [[bytes('ä\r\n'), true], [bytes('\ufeffx'), true], [new Uint8Array([0, 1]), false], [new Uint8Array([0xff]), false], [new Uint8Array(), true]]) {
    assert.equal(isText(content), text);
    if (text) assert.deepEqual(bytes(textOf(content)), content);
  }
});

test('lines of a log', () => {
  const line = (fields) => readLines(JSON.stringify({ at: 5, level: 'log', event: 'log', message: 'said', ...fields }))[0];
  assert.deepEqual(line({}), { at: 5, stream: 'log', text: 'said' });
  assert.deepEqual(line({ level: 'error', event: 'error', message: 'Error: x', stack: 'Error: x\n    at index.ts:1:1' }), { at: 5, stream: 'error', text: 'Error: x\n    at index.ts:1:1' });
  assert.equal(line({ event: 'request', message: 'GET /a', status: 200, ms: 3.14159 }).text, 'request GET /a · 200 · 3.1 ms');
  assert.equal(line({ event: 'request', message: 'GET /a 200', status: 200, ms: 12 }).text, 'request GET /a 200 · 12 ms');
  assert.equal(line({ event: 'boot', message: 'boot in 4 ms', status: null, ms: null }).text, 'boot in 4 ms');
  for (const data of ['', 'x', '1', 'null', '{}', '{"at":"x"}']) assert.deepEqual(readLines(data), []);

  const lines = ['debug', 'info', 'log', 'warn', 'error', 'strange'].map((stream, number) => ({ at: 1, number, stream, text: `Text ${stream}` }));
  const picked = (level, search = '') => pick(lines, { level, search }).map(({ stream }) => stream).join();
  assert.equal(picked('debug'), 'debug,info,log,warn,error,strange');
  assert.equal(picked('info'), 'info,log,warn,error,strange');
  assert.equal(picked('warn'), 'warn,error');
  assert.equal(picked('error'), 'error');
  assert.equal(picked('debug', ' TEXT w'), 'warn');
  assert.equal(picked('error', 'warn'), '');
});

test('requests over time', () => {
  const minute = 60_000;
  const now = 10 * minute + 30_000;
  const lines = [{ at: 8 * minute, ms: 10, status: 200 }, { at: 8 * minute + 1, ms: 20, status: 503 }, { at: now, ms: 5, status: 499 }, { at: 7 * minute + 59_999, ms: 1, status: 200 }, { at: now + 5 * minute, ms: 1, status: 200 }];
  const requests = requestsOf([...lines.map((line) => JSON.stringify({ event: 'request', ...line })), '{"event":"log","message":"\\"request\\""}', ''].join('\n'));
  assert.equal(requests.length, 5);
  assert.deepEqual(bins(requests, now, 3, minute), [{ at: 8 * minute, requests: 2, failed: 1, p50: 15, p95: 19.5 }, { at: 9 * minute, requests: 0, failed: 0 }, { at: 10 * minute, requests: 1, failed: 0, p50: 5, p95: 5 }]);
  assert.equal(quantile([1, 2, 3, 4], 0.5), 2.5);
  assert.deepEqual([0, 1, 1.5, 4, 7, 10, 11, 180, 0.2].map(ceiling), [1, 1, 2, 5, 10, 10, 20, 200, 1]);
});

test('every template is bundled without a network', async () => {
  const offline = bundler({ cache: '/nonexistent', fetch: async () => { throw new TypeError('fetch failed'); } });
  for (const [name, { files }] of Object.entries(templates)) {
    const { meta, warnings } = await offline.bundle(Object.fromEntries(Object.entries(files).map(([path, text]) => [path, new TextEncoder().encode(text)])));
    assert.deepEqual([meta.entrypoint, warnings], ['index.ts', []], name);
  }
});

test('what the editor offers', () => {
  const files = () => ['lib/cors.ts', 'data.json', 'notes.md'];
  // Up to the place where it is asked; the beginning of what is offered, or nothing.
  for (const [text, expected] of [
    ['Deno.', 'serve env upgradeWebSocket'], ['Deno.env.g', 'get has toObject'], ['EdgeRuntime.', 'waitUntil'], ['await req.headers.', 'get has entries'], ['const x = supabase.', 'from schema rpc'], ['client.auth.', 'getUser getClaims getSession'],
    ['supabase.from("a").', 'select insert upsert'], ['supabase\n  .from("a")\n  .se', 'select insert upsert'], ['unknown.', undefined], ['const a = De', 'Deno EdgeRuntime Request'], ['', undefined],
    ['import x from "', './lib/cors.ts ./data.json jsr:@supabase/supabase-js@2'], ["await import('./l", './lib/cors.ts ./data.json jsr:@supabase/supabase-js@2'],
  ]) {
    const offered = offer(files)(new CompletionContext(EditorState.create({ doc: text }), text.length, false));
    assert.equal(offered?.options.slice(0, 3).map(({ label }) => label).join(' '), expected, text);
    if (offered) assert.match(text.slice(offered.from), /^[\w$./]*$/);
  }
});
