// What is deployed, the project's secrets, and what functions said, under `serve`: in a real Postgres, over restarts.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { unzipSync, zipSync } from 'fflate';
import { folder, start } from '../node/server.mjs';

const text = (value) => new TextEncoder().encode(value);

/** What a bundler makes of a program. */
const bundle = (program, more = {}) => zipSync({
  'bundle/index.js': text(program),
  'bundle/meta.json': text('{"entrypoint":"index.ts"}'),
  'source/index.ts': text(program),
  ...more,
});

const client = (server) => {
  const ask = async (method, target, body) => {
    const headers = typeof body === 'string' ? { 'content-type': 'application/json' } : {};
    const response = await server.fetch(target, { method, key: server.keys.secret, headers, body });
    const answer = await response.text();
    return { status: response.status, body: /json/.test(response.headers.get('content-type') ?? '') && !/nd/.test(response.headers.get('content-type')) ? JSON.parse(answer) : answer };
  };
  const deploy = (name, zip, settings = {}) => {
    const form = new FormData();
    form.set('function', JSON.stringify(settings));
    form.set('bundle', new Blob([zip], { type: 'application/zip' }), 'function.zip');
    return ask('PUT', `/gateway/functions/${name}`, form);
  };
  return { ask, deploy };
};

test('versions are kept over a restart, come back, and go with their function', async (t) => {
  const data = path.join(folder(t), 'data');
  const files = () => readdirSync(path.join(data, 'storage')).filter((name) => name.startsWith('function-'));
  let server = await start(t, ['--data', data]);
  let { ask, deploy } = client(server);
  const first = await deploy('hello', bundle('1'), { verify_jwt: false });
  assert.equal(first.status, 201);
  const { created_at, updated_at, sha256, bytes, ...rest } = first.body;
  assert.deepEqual(rest, {
    name: 'hello', version: 1, status: 'ACTIVE', verify_jwt: false, host: 'isolate', entrypoint: 'index.ts',
    limits: { memory_mib: 256, wall_clock_ms: 400000, cpu_ms: 2000, timeout_ms: 150000, concurrency: 64, queue: 256 }, url: '/functions/v1/hello',
  });
  assert.ok(Date.parse(created_at) && Date.parse(updated_at) && /^[0-9a-f]{64}$/.test(sha256) && bytes > 0);
  assert.equal((await deploy('hello', bundle('2'))).body.version, 2);
  assert.equal((await deploy('other', bundle('x'), { limits: { concurrency: 2 } })).status, 201);
  await server.end();

  server = await start(t, ['--data', data]);
  ({ ask, deploy } = client(server));
  const listed = await ask('GET', '/gateway/functions');
  assert.deepEqual(listed.body.map(({ name, version, verify_jwt, limits }) => [name, version, verify_jwt, limits.concurrency]), [['hello', 2, false, 64], ['other', 1, true, 2]]);
  const back = await ask('POST', '/gateway/functions/hello/rollback', '{"version":1}');
  assert.deepEqual([back.status, back.body.version, back.body.sha256], [200, 1, sha256]);
  for (const [query, program] of [['', '1'], ['?version=2', '2']]) {
    const response = await server.fetch(`/gateway/functions/hello/source${query}`, { key: server.keys.secret });
    const entries = unzipSync(new Uint8Array(await response.arrayBuffer()));
    assert.equal(new TextDecoder().decode(entries['source/index.ts']), program);
  }
  for (let program = 3; program <= 14; program++) await deploy('hello', bundle(String(program)));
  const versions = await ask('GET', '/gateway/functions/hello/versions');
  assert.deepEqual(versions.body.map(({ version, active }) => [version, active]), [14, 13, 12, 11, 10, 9, 8, 7, 6, 5].map((version) => [version, version === 14]));
  assert.equal(files().length, 11);
  assert.equal((await ask('DELETE', '/gateway/functions/hello')).status, 200);
  assert.equal(files().length, 1);
  assert.equal((await ask('GET', '/gateway/functions/hello')).status, 404);
});

test('what is not there is not found, and what is asks for a token', async (t) => {
  const server = await start(t);
  const { deploy } = client(server);
  await deploy('shut', bundle('1'));
  const table = [
    ['/functions/v1/_internal/health', {}, 200, '{"message":"ok"}'],
    ['/functions/v1/gone', {}, 404, 'Function not found'],
    ['/functions/v1/shut', { apikey: '' }, 401, '{"msg":"Error: Missing authorization header"}'],
    ['/functions/v1/shut', { apikey: '', authorization: 'Basic eDp5' }, 401, '{"msg":"Error: Auth header is not \'Bearer {token}\'"}'],
    ['/functions/v1/shut', { authorization: 'Bearer x.y.z' }, 401, '{"msg":"Invalid JWT"}'],
  ];
  for (const [target, headers, status, body] of table) {
    const response = await server.fetch(target, { headers });
    assert.deepEqual([response.status, await response.text()], [status, body], `${target} ${JSON.stringify(headers)}`);
    assert.equal(response.headers.get('access-control-allow-origin'), '*');
  }
});

test('a bundle that cannot be run, or is too large, is refused', async (t) => {
  const server = await start(t);
  const { ask, deploy } = client(server);
  const noise = new Uint8Array(21 * 1024 * 1024).map((_, index) => (index * 2654435761) >>> 13);
  const table = [
    [zipSync({ 'index.ts': text('1') }), 400],
    [text('no zip'), 400],
    [bundle('1', { 'bundle/files/zeros': new Uint8Array(65 * 1024 * 1024) }), 413],
    [zipSync({ 'bundle/index.js': text('1'), 'bundle/meta.json': text('{}'), 'bundle/files/noise': noise }, { level: 0 }), 413],
  ];
  for (const [zip, status] of table) {
    const answer = await deploy('hello', zip);
    assert.equal(answer.status, status, JSON.stringify(answer.body));
  }
  assert.deepEqual((await ask('GET', '/gateway/functions')).body, []);
});

test('secrets are sealed: neither the database nor an answer has a value', async (t) => {
  const data = path.join(folder(t), 'data');
  let server = await start(t, ['--data', data]);
  let { ask } = client(server);
  const value = 'correct horse battery staple';
  const set = await ask('POST', '/gateway/secrets', JSON.stringify({ PHRASE: value, OTHER: 'x' }));
  assert.deepEqual(set.body.map(({ name, digest }) => [name, digest]), [['OTHER', '2d711642'], ['PHRASE', 'c4bbcb1f']]);
  assert.ok(!JSON.stringify(set.body).includes(value));
  const rows = await server.sql('select * from gateway.secrets order by name');
  assert.equal(rows.length, 2);
  assert.ok(!JSON.stringify(rows).includes(value) && !JSON.stringify(rows).includes(Buffer.from(value).toString('base64')));
  for (const role of ['anon', 'authenticated', 'service_role']) {
    for (const table of ['functions', 'function_versions', 'secrets', 'function_logs']) {
      const [{ may }] = await server.sql(`select has_schema_privilege('${role}', 'gateway', 'usage') or has_table_privilege('${role}', 'gateway.${table}', 'select') as may`);
      assert.equal(may, false, `${role} ${table}`);
    }
  }
  const key = path.join(data, 'secrets.key');
  assert.equal(statSync(key).mode & 0o777, 0o600);
  const before = readFileSync(key, 'utf8');
  assert.match(before, /^[0-9a-f]{64}\n$/);
  await server.end();
  server = await start(t, ['--data', data]);
  ({ ask } = client(server));
  await ask('POST', '/gateway/secrets', '{"MORE":"y"}');
  assert.equal(readFileSync(key, 'utf8'), before);
  assert.deepEqual((await ask('DELETE', '/gateway/secrets', '["OTHER","MORE"]')).body.map(({ name }) => name), ['PHRASE']);
  await server.end();

  // A key that was damaged is not replaced: what it sealed would be lost for good.
  writeFileSync(key, 'damaged');
  server = await start(t, ['--data', data]);
  ({ ask } = client(server));
  const refused = await ask('POST', '/gateway/secrets', '{"MORE":"y"}');
  assert.equal(refused.status, 500);
  assert.match(refused.body.message, /secrets\.key is damaged/);
  assert.equal(readFileSync(key, 'utf8'), 'damaged');
});

test('lines are found, counted and let go of', async (t) => {
  const server = await start(t);
  const { ask, deploy } = client(server);
  await deploy('hello', bundle('1'));
  await server.sql(`insert into gateway.function_logs (function, version, at, level, event, message, status, ms, failure)
    select 'hello', 1, (extract(epoch from now()) * 1000)::bigint - 1000 * (20 - i), case when i % 5 = 0 then 'error' else 'info' end, 'request',
      'GET /hello/' || i, case when i % 5 = 0 then 546 else 200 end, i, case when i % 5 = 0 then 'worker-limit' end from generate_series(1, 20) i;
    insert into gateway.function_logs (function, at, level, event, message, stack) values ('hello', (extract(epoch from now()) * 1000)::bigint, 'warn', 'boot', 'Up', 'at INDEX.ts:1:1')`);
  const lines = async (query = '') => (await ask('GET', `/gateway/functions/hello/logs${query}`)).body.split('\n').filter(Boolean).map((line) => JSON.parse(line));
  assert.equal((await lines()).length, 21);
  assert.deepEqual((await lines('?tail=2')).map(({ message }) => message), ['GET /hello/20', 'Up']);
  assert.deepEqual((await lines('?level=error')).map(({ status, failure }) => [status, failure]), Array(4).fill([546, 'worker-limit']));
  assert.equal((await lines('?level=warn')).length, 5);
  assert.deepEqual((await lines('?search=index.TS')).map(({ message }) => message), ['Up']);
  assert.equal((await lines(`?since=${Date.now() + 60_000}`)).length, 0);
  const ids = (await lines()).map(({ id }) => id);
  assert.deepEqual(ids, ids.toSorted((one, other) => one - other));

  const { body: metrics } = await ask('GET', '/gateway/functions/hello/metrics');
  assert.deepEqual([metrics.requests, metrics.errors, metrics.status, metrics.p50_ms, metrics.p95_ms, metrics.p99_ms, metrics.cold_starts, metrics.window_s],
    [20, { boot: 0, worker: 0, limit: 4, timeout: 0 }, { 200: 16, 546: 4 }, 10.5, 19.1, 19.8, 1, 86400]);
  assert.ok((await ask('GET', '/gateway/functions/hello/metrics?window=10')).body.requests < 15);

  const controller = new AbortController();
  const follow = await server.fetch('/gateway/functions/hello/logs?follow=true&tail=1', { key: server.keys.secret, signal: controller.signal });
  assert.equal(follow.headers.get('content-type'), 'text/event-stream');
  const { value } = await follow.body.pipeThrough(new TextDecoderStream()).getReader().read();
  assert.match(value, /^retry: 2000\n\nid: \d+\ndata: \{"id":\d+,.*"message":"Up"/);
  controller.abort();

  assert.equal((await ask('DELETE', '/gateway/functions/hello/logs')).status, 204);
  assert.equal((await lines()).length, 0);
});
