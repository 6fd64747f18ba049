// The gateway outlives what browsers do to it: killed workers, reloads, restarts, closed tabs.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { launch, openGateway, openPage, serveDist, stopServiceWorkers, temporaryProfile, untilReady } from './harness.mjs';

const table = 'create table ledger (id int primary key, text text); grant all on ledger to anon;';

test('20 kills of the worker under traffic: nothing hangs, no acknowledged write is lost', async (t) => {
  const browser = await launch();
  t.after(() => browser.close());
  const gateway = await openGateway(browser);
  await gateway.sql(table);
  await gateway.page.evaluate((key) => {
    window.traffic = { acknowledged: [], attempts: 0, refused: 0, slowest: 0, stop: false };
    const { traffic } = window;
    const run = async (lane) => {
      for (let n = 0; !traffic.stop; n++) {
        const id = lane * 1_000_000 + n;
        const start = performance.now();
        traffic.attempts++;
        try {
          const response = await fetch('/rest/v1/ledger', { method: 'POST', headers: { apikey: key, 'content-type': 'application/json' }, body: JSON.stringify({ id, text: 'x' }) });
          if (response.status === 201) traffic.acknowledged.push(id); else traffic.refused++;
        } catch { traffic.refused++; } // the worker died under the request: the browser says so
        traffic.slowest = Math.max(traffic.slowest, performance.now() - start);
      }
    };
    window.lanes = Promise.all([1, 2, 3, 4].map(run));
  }, gateway.keys.publishable);
  for (let kill = 0; kill < 20; kill++) {
    const before = await gateway.page.evaluate(() => window.traffic.acknowledged.length);
    await gateway.page.waitForFunction((before) => window.traffic.acknowledged.length >= before + 5, before, { timeout: 30_000 });
    await stopServiceWorkers(gateway.page);
  }
  const traffic = await gateway.page.evaluate(async () => { window.traffic.stop = true; await window.lanes; return window.traffic; });
  const { status, body } = await gateway.page.evaluate(async (key) => {
    const response = await fetch('/rest/v1/ledger?select=id', { headers: { apikey: key } });
    return { status: response.status, body: await response.text() };
  }, gateway.keys.secret);
  assert.equal(status, 200, body);
  const stored = new Set((await gateway.sql('select id from ledger')).map((row) => row.id));
  const lost = traffic.acknowledged.filter((id) => !stored.has(id));
  assert.deepEqual(lost, [], 'acknowledged and not stored');
  assert.ok(traffic.acknowledged.length >= 100, `only ${traffic.acknowledged.length} writes got through`);
  assert.ok(traffic.slowest < 30_000, `a request took ${traffic.slowest} ms`);
  t.diagnostic(`${traffic.acknowledged.length} writes acknowledged, ${traffic.refused} refused, slowest ${traffic.slowest.toFixed(0)} ms`);
  await gateway.close();
});

test('data and keys survive a reload and a restart of the browser', async (t) => {
  const profile = temporaryProfile();
  const server = await serveDist();
  t.after(() => server.close());
  const first = await launch({ profile });
  let gateway = await openGateway(first, { storage: 'auto', server });
  const { keys } = gateway;
  assert.ok(['opfs', 'indexeddb'].includes(gateway.status.storage.kind), gateway.status.storage.kind);
  await gateway.sql(`${table} insert into ledger values (1, 'before the reload')`);
  await gateway.page.reload();
  await untilReady(gateway.page);
  assert.deepEqual(await gateway.sql('select text from ledger'), [{ text: 'before the reload' }]);
  await gateway.sql("insert into ledger values (2, 'before the restart')");
  await first.close();

  const second = await launch({ profile });
  t.after(() => second.close());
  gateway = await openGateway(second, { storage: 'auto', server });
  assert.deepEqual(gateway.keys, keys, 'the keys are made once');
  assert.deepEqual(await gateway.sql('select text from ledger order by id'), [{ text: 'before the reload' }, { text: 'before the restart' }]);
});

test('an acknowledged write survives a browser that is killed the moment it is acknowledged', async (t) => {
  const profile = temporaryProfile();
  const server = await serveDist();
  t.after(() => server.close());
  const first = await launch({ profile });
  let gateway = await openGateway(first, { storage: 'auto', server });
  await gateway.sql(table);
  for (let id = 0; id < 20; id++) {
    const status = await gateway.page.evaluate(async ([key, id]) => (await fetch('/rest/v1/ledger', { method: 'POST', headers: { apikey: key, 'content-type': 'application/json' }, body: JSON.stringify({ id, text: 'kept' }) })).status, [gateway.keys.publishable, id]);
    assert.equal(status, 201);
  }
  const closed = new Promise((resolve) => first.once('close', resolve));
  spawnSync('pkill', ['-KILL', '-f', profile]);
  await closed;

  const second = await launch({ profile });
  t.after(() => second.close());
  gateway = await openGateway(second, { storage: 'auto', server });
  assert.deepEqual(await gateway.sql('select count(*)::int from ledger'), [{ count: 20 }]);
});

test('two tabs share one database, and the second survives the first', async (t) => {
  const browser = await launch();
  t.after(() => browser.close());
  const server = await serveDist();
  t.after(() => server.close());
  const gateway = await openGateway(browser, { storage: 'auto', server });
  await gateway.sql(`${table} insert into ledger values (1, 'by the first')`);
  const other = await openPage(browser, server.url, { storage: 'auto' });
  const read = (page) => page.evaluate(async (key) => { const response = await fetch('/rest/v1/ledger?select=text&order=id', { headers: { apikey: key } }); return `${response.status} ${await response.text()}`; }, gateway.keys.publishable);
  assert.equal(await read(other), '200 [{"text":"by the first"}]');
  const write = (page, id, text) => page.evaluate(async ([key, id, text]) => (await fetch('/rest/v1/ledger', { method: 'POST', headers: { apikey: key, 'content-type': 'application/json' }, body: JSON.stringify({ id, text }) })).status, [gateway.keys.publishable, id, text]);
  assert.equal(await write(other, 2, 'by the second'), 201);
  assert.equal(await read(gateway.page), '200 [{"text":"by the first"}, \n {"text":"by the second"}]');

  // The owner goes while reads are in flight: each is answered, by the next owner or by a 503 that says when to come back.
  const inFlight = other.evaluate((key) => Promise.all(Array.from({ length: 20 }, async () => {
    const response = await fetch('/rest/v1/ledger?select=id', { headers: { apikey: key } });
    await response.arrayBuffer();
    return [response.status, response.headers.get('retry-after')];
  })), gateway.keys.publishable);
  await gateway.page.close();
  for (const [status, retryAfter] of await inFlight) {
    assert.ok(status === 200 || (status === 503 && retryAfter !== null), `${status}, Retry-After ${retryAfter}`);
  }
  await untilReady(other);
  assert.equal(await read(other), '200 [{"text":"by the first"}, \n {"text":"by the second"}]');
  assert.equal(await write(other, 3, 'after the first went'), 201);
});

test('without any tab that owns the database, a request is told so and when to come back', async (t) => {
  const browser = await launch();
  t.after(() => browser.close());
  const gateway = await openGateway(browser);
  t.after(() => gateway.server.close());
  await gateway.sql(table);
  // A client of the worker that is no gateway page: it can fetch, and owns nothing.
  const bare = await browser.newPage();
  await bare.goto(`${gateway.url}/manifest.json`).catch(() => undefined);
  const controlled = await bare.evaluate(() => navigator.serviceWorker.controller !== null);
  assert.ok(controlled, 'the bare page is controlled by the worker');
  await gateway.page.close();
  const answer = await bare.evaluate(async (key) => {
    const start = performance.now();
    const response = await fetch('/rest/v1/ledger', { headers: { apikey: key } });
    return { status: response.status, retryAfter: response.headers.get('retry-after'), body: await response.json(), took: performance.now() - start };
  }, gateway.keys.publishable);
  assert.equal(answer.status, 503);
  assert.ok(Number(answer.retryAfter) > 0);
  assert.deepEqual(Object.keys(answer.body).toSorted(), ['code', 'details', 'hint', 'message']);
  assert.ok(answer.took < 20_000);
});
