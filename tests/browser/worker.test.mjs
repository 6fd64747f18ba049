// The service worker as a neighbour: what it answers, what it leaves alone, how it is left.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { launch, openGateway, openPage, serveDist } from './harness.mjs';

let browser, gateway;
before(async () => { browser = await launch(); gateway = await openGateway(browser); });
after(async () => { await gateway?.close(); await browser?.close(); });

const call = (path, init = {}) => gateway.page.evaluate(async ([path, init]) => {
  const response = await fetch(path, init);
  return { status: response.status, headers: Object.fromEntries(response.headers), body: await response.text() };
}, [path, init]);

test('paths of no API are left to the network', async () => {
  const left = ['/@vite/client', '/src/main.tsx', '/assets/logo.svg', '/restaurant', '/rest', '/apply'];
  gateway.server.requests.length = 0;
  for (const path of left) {
    assert.equal((await call(path)).body, 'not a file of static/dist', path);
  }
  const reached = gateway.server.requests.filter((path) => left.includes(path));
  assert.deepEqual(reached, left);
});

test('API paths never reach the network, known or not', async () => {
  gateway.server.requests.length = 0;
  const statuses = {};
  for (const path of ['/health', '/rest/v1/', '/rest/v1/nope', '/auth/v1/settings', '/storage/v1/bucket', '/functions/v1/hello', '/app/shop/', '/default/rest/v1/', '/nobody/rest/v1/x']) {
    statuses[path] = (await call(path, { headers: { apikey: gateway.keys.publishable } })).status;
  }
  assert.deepEqual(statuses, { '/health': 200, '/rest/v1/': 200, '/rest/v1/nope': 404, '/auth/v1/settings': 200, '/storage/v1/bucket': 200, '/functions/v1/hello': 404, '/app/shop/': 404, '/default/rest/v1/': 200, '/nobody/rest/v1/x': 404 });
  // What else reached the network is the worker keeping the build's files for when there is none.
  assert.deepEqual(gateway.server.requests.filter((path) => path in statuses), []);
});

test('malformed input is answered in the API’s shape, with PostgREST’s status', async () => {
  await gateway.sql('create table things (id int primary key, name text); grant all on things to anon, service_role;');
  const headers = { apikey: gateway.keys.secret };
  const json = { ...headers, 'content-type': 'application/json' };
  const table = [
    ['/rest/v1/things?select=id,(', {}, 400, 'PGRST100'],
    ['/rest/v1/things?id=nonsense.1', {}, 400, 'PGRST100'],
    ['/rest/v1/things?and=(id.eq.1', {}, 400, 'PGRST100'],
    ['/rest/v1/things?id=eq.notanumber', {}, 400, '22P02'],
    ['/rest/v1/things?order=id.sideways', {}, 400, 'PGRST100'],
    ['/rest/v1/things?select=id&id=eq.%00', {}, 400, '22021'],
    ['/rest/v1/things', { method: 'POST', headers: json, body: '{"id":' }, 400, 'PGRST102'],
    ['/rest/v1/things', { method: 'POST', headers: json, body: '[{"id":1},{"name":"x"}]' }, 400, 'PGRST102'],
    ['/rest/v1/things', { method: 'POST', headers: { ...headers, 'content-type': 'application/unheard-of' }, body: 'x' }, 400, 'PGRST102'],
    ['/rest/v1/things', { method: 'POST', headers: json, body: '{"id":1,"nope":2}' }, 400, 'PGRST204'],
    ['/rest/v1/things', { headers: { ...headers, 'accept-profile': 'pg_catalog' } }, 406, 'PGRST106'],
    ['/rest/v1/things', { headers: { ...headers, accept: 'application/unheard-of' } }, 406, 'PGRST107'],
    ['/rest/v1/rpc/%F0%9F%90%98', { method: 'POST', headers: json, body: '{}' }, 404, 'PGRST202'],
  ];
  for (const [path, init, status, code] of table) {
    const answer = await call(path, { headers, ...init });
    const error = JSON.parse(answer.body);
    assert.deepEqual([answer.status, error.code], [status, code], `${init.method ?? 'GET'} ${path}: ${answer.body}`);
    assert.deepEqual(Object.keys(error).toSorted(), ['code', 'details', 'hint', 'message'], path);
  }
});

test('CORS headers on every API answer, errors included', async () => {
  for (const path of ['/rest/v1/things', '/auth/v1/token', '/storage/v1/object', '/functions/v1/x', '/rest/v1/nope', '/rest/v9', '/health']) {
    assert.equal((await call(path)).headers['access-control-allow-origin'], '*', path);
  }
});

test('a project that nobody made here is not waited for', async () => {
  const { status, body } = await call('/nobody/rest/v1/things');
  assert.deepEqual([status, JSON.parse(body).message], [404, 'There is no project nobody']);
});

test('a static host without header control becomes cross-origin isolated after one reload', async (t) => {
  const server = await serveDist({ isolation: false });
  t.after(() => server.close());
  const page = await openPage(browser, server.url);
  t.after(() => page.close());
  assert.equal(await page.evaluate(() => window.crossOriginIsolated), true);
});

test('?gateway=off removes the worker', async (t) => {
  const server = await serveDist();
  t.after(() => server.close());
  const page = await openPage(browser, server.url);
  t.after(() => page.close());
  await page.goto(`${server.url}/?gateway=off`);
  await page.waitForFunction(async () => (await navigator.serviceWorker.getRegistrations()).length === 0, undefined, { timeout: 10_000 });
});
