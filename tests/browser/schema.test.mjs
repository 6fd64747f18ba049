// What the worker knows of a schema outlives it, and is never out of date.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { launch, openGateway, openPage, serveDist, stopServiceWorkers } from './harness.mjs';

let browser, server, gateway;
before(async () => {
  browser = await launch();
  server = await serveDist();
  gateway = await openGateway(browser, { server });
  await gateway.sql('create table ledger (id int primary key); grant all on ledger to anon');
});
after(async () => { await browser?.close(); await server?.close(); });

const killed = () => stopServiceWorkers(gateway.page);
const read = (path, page = gateway.page, key = gateway.keys.publishable) => page.evaluate(async ([path, key]) => {
  const response = await fetch(`/rest/v1/${path}`, { headers: { apikey: key } });
  const body = await response.json();
  return response.ok ? body : body.code;
}, [path, key]);

/** Rewrites what was kept, its mark aside; whether there was anything. */
const doctor = (from, to) => gateway.page.evaluate(async ([from, to]) => {
  const cache = await caches.open('gateway-schemas');
  const [request] = await cache.keys();
  if (!request) return false;
  const bytes = new Uint8Array(await (await cache.match(request)).arrayBuffer());
  const facts = new TextDecoder().decode(bytes.subarray(32)).replaceAll(from, to);
  await cache.put(request, new Response(new Blob([bytes.subarray(0, 32), facts])));
  return true;
}, [from, to]);

test('a woken worker takes what it knew before, without asking for it', async () => {
  assert.deepEqual(await read('ledger'), []);
  await assert.doesNotReject(async () => { while (!(await doctor('"ledger"', '"ledgex"'))); });
  await killed();
  // It believes what was kept, so it is Postgres that knows no such table.
  assert.equal(await read('ledgex'), '42P01');
  assert.equal(await read('ledger'), 'PGRST205');
});

test('a change is seen by the next life, whenever the worker is killed', async () => {
  await gateway.sql('create table fresh (id int primary key); grant all on fresh to anon');
  await killed();
  assert.deepEqual(await read('fresh'), []);
  assert.deepEqual(await read('ledger'), [], 'nothing that was kept is believed any more');
  for (let round = 0; round < 5; round++) {
    // Nobody waits for the answer: the worker dies before the statement, in it, or after it.
    await gateway.page.evaluate(([key, query]) => {
      window.lost = fetch('/pg/query', { method: 'POST', headers: { apikey: key, 'content-type': 'application/json' }, body: JSON.stringify({ query }) }).catch(() => undefined);
    }, [gateway.keys.secret, `alter table fresh add column c${round} int; notify pgrst, 'reload schema'`]);
    await killed();
    const [{ there }] = await gateway.sql(`select exists (select from pg_attribute where attrelid = 'fresh'::regclass and attname = 'c${round}') as there`);
    await killed();
    assert.deepEqual(await read(`fresh?select=c${round}`), there ? [] : '42703', `round ${round}`);
    await gateway.page.evaluate(() => window.lost);
  }
  await gateway.sql('drop table fresh');
  await killed();
  assert.equal(await read('fresh'), 'PGRST205');
});

test('what no event trigger tells of is seen, too', async () => {
  await gateway.sql('create function whoami() returns text language sql return current_setting(\'statement_timeout\'); create schema api; create table api.things (id int); grant usage on schema api to anon; grant all on api.things to anon');
  assert.equal(await read('rpc/whoami'), '0');
  await gateway.sql("alter role anon set statement_timeout = '3s'");
  await killed();
  assert.equal(await read('rpc/whoami'), '3s');
  await gateway.sql("alter role authenticator set pgrst.db_schemas = 'api, public'");
  await killed();
  assert.deepEqual(await read('things'), []);
  await killed();
  assert.deepEqual(await read('things'), []);
  await gateway.sql('alter role authenticator reset pgrst.db_schemas; alter role anon reset statement_timeout');
  await killed();
  assert.equal(await read('things'), 'PGRST205');
});

test('a tab sees what another one changed', async () => {
  const other = await openPage(browser, server.url);
  await other.evaluate(([key, query]) => fetch('/pg/query', { method: 'POST', headers: { apikey: key, 'content-type': 'application/json' }, body: JSON.stringify({ query }) }), [gateway.keys.secret, 'create table theirs (id int); grant all on theirs to anon']);
  await killed();
  assert.deepEqual(await read('theirs'), []);
  assert.deepEqual(await read('theirs', other), []);
  await other.close();
});

test('a new database has nothing of the one before it', async () => {
  await gateway.sql('create table only_in_the_first (id int); grant all on only_in_the_first to anon');
  assert.deepEqual(await read('only_in_the_first'), []);
  await gateway.page.close();
  gateway = await openGateway(browser, { server });
  await gateway.sql('create table only_in_the_next_ (id int); grant all on only_in_the_next_ to anon');
  await killed();
  assert.equal(await read('only_in_the_first'), 'PGRST205');
  assert.deepEqual(await read('only_in_the_next_'), []);
});
