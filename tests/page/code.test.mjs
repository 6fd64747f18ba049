// The code that the page offers for a request: run by the real supabase-js, it sends that request.
import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import { createClient } from '@supabase/supabase-js';
import { build } from 'esbuild';

const page = path.join(import.meta.dirname, '../../static/src/page');
/** The page's own modules, bundled: Node cannot read TypeScript. */
const modules = await build({
  stdin: {
    contents: `export * from './requests/equivalents.ts'; export * from './requests/request.ts'; export * from './requests/send.ts'; export * from './sample/examples.ts'; export * from './sql/run.ts'; export * from './sql/export.ts'; export * from './gateway/project.ts';`,
    resolveDir: page, loader: 'ts',
  },
  bundle: true, write: false, format: 'esm', platform: 'node',
});
// Node 20 has no WebSocket; the client only asks whether there is one.
globalThis.WebSocket ??= class {};
globalThis.location = new URL('http://localhost:5173/');
const { badHeaders, csv, curl, examples, json, lineOf, nameProblem, positionIn, prepare, pretty, supabaseJs } = await import(`data:text/javascript;base64,${Buffer.from(modules.outputFiles[0].contents).toString('base64')}`);

const keys = { publishable: 'sb_publishable_x', secret: 'sb_secret_x', anon: 'a.n.on', service_role: 's.r.v', jwt_secret: 'super-secret-jwt-token-with-at-least-32-characters-long' };
const draft = (part) => ({ method: 'GET', path: '/', role: 'anon', user: '', headers: '', body: '', ...part });

/** Runs the code with the real client, and gives what it sent. */
async function sent(code) {
  let request;
  const fetch = async (input, init) => {
    request = new Request(input, init);
    return new Response('[]', { status: 200, headers: { 'content-type': 'application/json' } });
  };
  const client = (url, key, options = {}) => createClient(url, key, { ...options, global: { ...options.global, fetch }, auth: { persistSession: false, autoRefreshToken: false } });
  await new Function('createClient', `return (async () => { ${code} })()`)(client);
  return request;
}

/** One way to write what has several: ascending is the default, as is `select=*`, and `and=(…)` is `or=(and(…))`. */
const normal = ([name, value]) => {
  if (name === 'select') return [name, value.replaceAll(/\s/g, '')];
  if (/(^|\.)order$/.test(name)) return [name, value.replaceAll('.asc', '')];
  return name === 'and' ? ['or', `(and${value})`] : [name, value];
};
/** What must be the same: where, by which method, with which parameters, body, preferences and rights. */
async function shape(request) {
  const url = new URL(request.url);
  const { method, headers } = request;
  const text = await request.text();
  // What a write returns when it is not asked to, and what a read returns, needs no preference.
  const idle = method === 'GET' ? /^$|^return=/ : /^$|^return=minimal$/;
  return {
    method,
    path: url.pathname,
    parameters: [...url.searchParams].map(normal).filter(([name, value]) => name !== 'columns' && !(name === 'select' && value === '*')).map((pair) => pair.join('=')).toSorted(),
    prefer: (headers.get('prefer') ?? '').split(',').map((one) => one.trim()).filter((one) => !idle.test(one)).toSorted(),
    body: text ? JSON.parse(text) : undefined,
    apikey: headers.get('apikey'),
    user: /^Bearer eyJ.*/.exec(headers.get('authorization') ?? '')?.[0],
    accept: /csv|vnd/.exec(headers.get('accept') ?? '')?.[0],
    profile: headers.get('accept-profile') ?? headers.get('content-profile') ?? 'public',
  };
}

const cases = [
  ...examples.flatMap(({ examples }) => examples.map(({ request }) => request)).filter(({ headers = '' }) => !/^Range:/m.test(headers)),
  { path: '/rest/v1/t?a=eq.1&b=neq.x&c=gt.2&d=gte.2.5&e=lt.-3&f=lte.0&g=like.*x*&h=ilike.y*&i=is.null&j=is.true&select=*' },
  { path: "/rest/v1/t?select=*&name=eq.O'Neil&path=eq.a\\b" },
  { path: '/rest/v1/t?select=*&id=in.(1,2,3)&name=in.("a,b",c)' },
  { path: '/rest/v1/t?select=*&tags=cs.{a,b}&tags=cd.{c}&r=sl.[1,2]&r=adj.[1,2]' },
  { path: '/rest/v1/t?select=*&body=fts(english).cat&body=plfts.cat&body=phfts.cat&body=wfts(german).cat' },
  { path: '/rest/v1/t?select=*&a=not.eq.3&b=not.in.(1,2)&c=not.is.null' },
  { path: '/rest/v1/t?select=*&a=match.^x&b=isdistinct.1&c=like(any).{a*,b*}' },
  { path: '/rest/v1/t?select=*&or=(a.eq.1,and(b.gt.2,c.lt.3))&and=(d.eq.1,e.eq.2)' },
  { path: '/rest/v1/t?select=id,u(id)&u.a=eq.1&u.order=a.desc.nullslast&u.limit=3&order=b.asc,c.desc&limit=5&offset=10' },
  { method: 'HEAD', path: '/rest/v1/t?select=*', headers: 'Prefer: count=planned' },
  { path: '/rest/v1/t?select=*&id=eq.1', headers: 'Accept: application/vnd.pgrst.object+json' },
  { path: '/rest/v1/t?select=*', headers: 'Accept-Profile: graphql_public' },
  { method: 'POST', path: '/rest/v1/t', body: '{"a": [1, {"b": "c"}]}' },
  { method: 'POST', path: '/rest/v1/t?select=id', body: '{"a": 1}', headers: 'Prefer: return=representation,count=exact', role: 'service_role' },
  { method: 'POST', path: '/rest/v1/t', body: '{"a": 1}', headers: 'Prefer: resolution=ignore-duplicates' },
  { method: 'PATCH', path: '/rest/v1/t?a=eq.1', body: '{"a": null}' },
  { method: 'DELETE', path: '/rest/v1/t?a=lt.5' },
  { method: 'POST', path: '/rest/v1/rpc/f', body: '{}' },
  { path: '/rest/v1/rpc/f?a=1&b=x%20y&c=true&d=eq.1' },
];
for (const part of cases) {
  const request = draft(part);
  test(`supabase-js: ${request.method} ${request.path.slice(0, 100)}`, async () => {
    const outgoing = await prepare(request, 'default', keys, 1_700_000_000);
    const code = supabaseJs(request, outgoing, 'default', keys);
    assert.match(code, /await supabase/);
    const expected = await shape(new Request(outgoing.url, { method: outgoing.method, headers: outgoing.headers, body: outgoing.body }));
    assert.deepEqual(await shape(await sent(code)), expected, code);
  });
}

test('what supabase-js has no call for is a fetch', async () => {
  for (const part of [{ path: '/auth/v1/health' }, { method: 'PUT', path: '/rest/v1/t?id=eq.1', body: '{}' }, { method: 'OPTIONS', path: '/rest/v1/t' }]) {
    const request = draft(part);
    assert.match(supabaseJs(request, await prepare(request, 'default', keys, 0), 'default', keys), /await fetch\(/);
  }
});

test('curl: quoted for a shell', async () => {
  const request = draft({ method: 'POST', path: '/rest/v1/t', body: `{"a": "it's"}`, headers: 'Prefer: return=minimal' });
  assert.equal(curl(await prepare(request, 'second', keys, 0)), `curl -X POST 'http://localhost:5173/second/rest/v1/t' \\\n  -H 'apikey: sb_publishable_x' \\\n  -H 'Content-Type: application/json' \\\n  -H 'Prefer: return=minimal' \\\n  --data-raw '{"a": "it'\\''s"}'`);
});

test('headers written by hand win; bad lines are named', async () => {
  const { headers } = await prepare(draft({ role: 'service_role', headers: 'apikey: mine\n\nX-A: b: c' }), 'default', keys, 0);
  assert.deepEqual(headers, [['apikey', 'mine'], ['X-A', 'b: c']]);
  assert.deepEqual(badHeaders('A: b\n\nnonsense\n: x'), [3, 4]);
});

test('pretty: re-spaced, digits kept', () => {
  assert.equal(pretty('{"a":[1.10,12345678901234567890,{}],"b":"x, {y}","c":[]}'), '{\n  "a": [\n    1.10,\n    12345678901234567890,\n    {}\n  ],\n  "b": "x, {y}",\n  "c": []\n}');
  assert.equal(pretty('a,b\n1,2'), 'a,b\n1,2');
});

test('a position counts characters, the editor UTF-16 units', () => {
  assert.equal(positionIn('select 1', 8), 7);
  assert.equal(positionIn(`select '😀', x`, 13), 13);
  assert.deepEqual(lineOf('a\nbc', 3), { line: 2, column: 2 });
});

test('results as CSV and JSON', () => {
  const result = { command: 'SELECT 2', columns: [{ name: 'a', type: 'integer' }, { name: 'b,c', type: 'text' }, { name: 'd', type: 'jsonb' }, { name: 'e', type: 'boolean' }], rows: [['1', 'x "y"', '{"z": 1}', 't'], ['9007199254740993', '', null, 'f']] };
  assert.equal(csv(result), 'a,"b,c",d,e\r\n1,"x ""y""","{""z"": 1}",t\r\n9007199254740993,"",,f\r\n');
  assert.deepEqual(JSON.parse(json(result)), [{ a: 1, 'b,c': 'x "y"', d: { z: 1 }, e: true }, { a: '9007199254740993', 'b,c': '', d: null, e: false }]);
});

test('project names', () => {
  for (const name of ['a', '0-1', 'my-project']) assert.equal(nameProblem(name), undefined, name);
  for (const name of ['', '-a', 'A', 'a_b', 'rest', 'é', 'a/b']) assert.ok(nameProblem(name), name);
});
