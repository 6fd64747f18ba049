// What goes wrong around the gateway: panics, files that are missing, builds that do not fit, no network.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { launch, openGateway, openPage, serveDist, stopServiceWorkers, untilReady } from './harness.mjs';
import { nextBuild, version } from './nextbuild.mjs';

const fields = ['code', 'details', 'hint', 'message'];

let browser;
before(async () => { browser = await launch(); });
after(() => browser?.close());

/** One request of a page's, with the time it took. */
const call = (page, path, init = {}) => page.evaluate(async ([path, init]) => {
  const start = performance.now();
  const response = await fetch(path, init);
  const body = await response.text();
  return { status: response.status, headers: Object.fromEntries(response.headers), body, took: performance.now() - start };
}, [path, init]);

const query = (keys, text) => ['/pg/query', { method: 'POST', headers: { apikey: keys.secret, 'content-type': 'application/json' }, body: JSON.stringify({ query: text }) }];

/** The service worker of an origin, as its developer tools have it. */
const workerOf = (url) => browser.serviceWorkers().findLast((worker) => worker.url().startsWith(url));

/** A page that counts how often it was loaded. */
async function countLoads(page) {
  const loads = { count: 0 };
  page.on('load', () => { loads.count += 1; });
  return loads;
}

/** `again` is whether the same request may succeed later. */
function refusal(answer, status, label, { again = status === 503 } = {}) {
  assert.equal(answer.status, status, `${label}: ${answer.body}`);
  const error = JSON.parse(answer.body);
  assert.deepEqual(Object.keys(error).toSorted(), fields, label);
  assert.equal(answer.headers['access-control-allow-origin'], '*', label);
  assert.match(answer.headers['content-type'], /^application\/json/, label);
  assert.equal(Number(answer.headers['retry-after'] ?? 0) > 0, again, label);
  return error;
}

test('a panic answers everybody who waits, with one id, and the next request meets the same data', async (t) => {
  const gateway = await openGateway(browser);
  t.after(() => gateway.close());
  await gateway.sql('create table kept (id int primary key); insert into kept values (1); grant all on kept to anon;');
  for (let round = 0; round < 3; round++) {
    // It is still in the database when the next one panics.
    const waiting = call(gateway.page, ...query(gateway.keys, 'select pg_sleep(3)'));
    await gateway.page.waitForTimeout(300);
    const worker = workerOf(gateway.url);
    await worker.evaluate(() => self.gateway.call((instance) => instance.fault()));
    const panicked = await call(gateway.page, '/health');
    const answers = [panicked, await waiting];
    const ids = answers.map((answer) => refusal(answer, 500, `round ${round}`).message.match(/\(([0-9a-f-]{36})\)/)?.[1]);
    assert.ok(ids[0]);
    assert.equal(ids[1], ids[0], 'one id for one panic');
    assert.ok(answers[1].took < 3_000, `who waited was answered after ${answers[1].took} ms`);
    const next = await call(gateway.page, '/rest/v1/kept', { headers: { apikey: gateway.keys.publishable } });
    assert.deepEqual([next.status, next.body], [200, '[{"id":1}]']);
  }
});

test('WASM that cannot be loaded is a 503 that mends itself', async (t) => {
  const isWasm = (path) => path.includes('gateway_bg');
  const faults = {
    'a 404': () => ({ status: 404, body: 'gone' }),
    'a 500': () => ({ status: 500, body: 'oh' }),
    'a page instead': () => ({ status: 200, body: '<!doctype html>' }),
  };
  for (const [name, fault] of Object.entries(faults)) {
    await t.test(name, async (t) => {
      const server = await serveDist();
      server.intercept((path) => (isWasm(path) ? fault() : undefined));
      const page = await browser.newPage();
      t.after(async () => { await page.close(); await server.close(); });
      await page.goto(`${server.url}/?storage=memory`);
      await page.waitForFunction(() => navigator.serviceWorker.controller !== null);
      const refused = await call(page, '/rest/v1/anything');
      refusal(refused, 503, name);
      assert.ok(refused.took < 20_000);
      assert.equal((await call(page, '/other')).body, 'not a file of static/dist');
      server.intercept(undefined);
      await untilReady(page);
    });
  }
});

test('the WASM is fetched once, and a copy that is kept damaged is replaced', async (t) => {
  const gateway = await openGateway(browser);
  t.after(() => gateway.close());
  const fetched = () => gateway.server.requests.filter((path) => path.includes('gateway_bg')).length;
  assert.equal(fetched(), 1);
  for (let kill = 0; kill < 3; kill++) {
    await stopServiceWorkers(gateway.page);
    await untilReady(gateway.page);
  }
  assert.equal(fetched(), 1, 'fetched again after a kill');

  const damaged = await gateway.page.evaluate(async () => {
    for (const name of await caches.keys()) {
      const cache = await caches.open(name);
      const request = (await cache.keys()).find(({ url }) => url.includes('gateway_bg'));
      if (request) { await cache.put(request, new Response('not WASM', { headers: { 'content-type': 'application/wasm' } })); return true; }
    }
    return false;
  });
  assert.ok(damaged);
  gateway.server.intercept((path) => (path.includes('gateway_bg') ? { status: 503, body: '' } : undefined));
  await stopServiceWorkers(gateway.page);
  refusal(await call(gateway.page, '/rest/v1/anything'), 503, 'damaged, and the server has none');
  gateway.server.intercept(undefined);
  await untilReady(gateway.page);
  assert.equal((await call(gateway.page, '/health')).status, 200);
});

test('a new build takes over under traffic: no hang, no lost write, at most one reload', async (t) => {
  const server = await serveDist();
  t.after(() => server.close());
  const gateway = await openGateway(browser, { storage: 'auto', server });
  const { page } = gateway;
  await gateway.sql('create table ledger (id int primary key); grant all on ledger to anon;');
  const other = await openPage(browser, server.url, { storage: 'auto' });
  t.after(async () => { await page.close(); await other.close(); });
  const next = nextBuild(t);
  const loads = await countLoads(other);
  await page.evaluate((key) => {
    window.traffic = { acknowledged: [], slowest: 0, stop: false };
    window.lanes = Promise.all([1, 2, 3].map(async (lane) => {
      for (let n = 0; !window.traffic.stop; n++) {
        const start = performance.now();
        const response = await fetch('/rest/v1/ledger', { method: 'POST', headers: { apikey: key, 'content-type': 'application/json' }, body: JSON.stringify({ id: lane * 100_000 + n }) }).catch(() => undefined);
        if (response?.status === 201) window.traffic.acknowledged.push(lane * 100_000 + n);
        window.traffic.slowest = Math.max(window.traffic.slowest, performance.now() - start);
      }
    }));
  }, gateway.keys.publishable);
  await page.waitForFunction(() => window.traffic.acknowledged.length > 20);
  server.deploy(next.directory);
  await other.reload();
  await untilReady(other);
  await page.waitForFunction((before) => window.traffic.acknowledged.length > before + 20, await page.evaluate(() => window.traffic.acknowledged.length));
  const traffic = await page.evaluate(async () => { window.traffic.stop = true; await window.lanes; return window.traffic; });
  assert.ok(traffic.slowest < 20_000, `a request took ${traffic.slowest} ms`);
  const rows = await call(page, ...query(gateway.keys, 'select id from ledger'));
  const stored = new Set(JSON.parse(rows.body).map(({ id }) => id));
  assert.deepEqual(traffic.acknowledged.filter((id) => !stored.has(id)), []);
  assert.ok(loads.count <= 2, `${loads.count} loads for one reload`);
  // The new page and the new worker are of one build, and the page left behind says that it is not.
  await other.getByText('Page and worker match').waitFor({ timeout: 60_000 });
  assert.equal(await other.evaluate(() => document.querySelector('.facts code').textContent), next.version);
  assert.equal(await other.getByRole('alert').count(), 0);
  await page.getByText('Another version of the gateway is running').waitFor();
  assert.match(await page.getByRole('alert').textContent(), new RegExp(`${next.version}.*${version()}`));
});

test('a page and a worker of builds that cannot meet: both are named, and nothing reloads for ever', async (t) => {
  const gateway = await openGateway(browser);
  t.after(() => gateway.close());
  const next = nextBuild(t);
  // The new page is there, and its worker is not.
  gateway.server.deploy(next.directory);
  gateway.server.intercept((path) => (path === '/sw.js' ? { status: 500, body: '' } : undefined));
  const loads = await countLoads(gateway.page);
  await gateway.page.reload();
  await gateway.page.getByRole('alert').first().waitFor({ timeout: 40_000 });
  const said = await gateway.page.getByRole('alert').first().textContent();
  assert.ok(said.includes(version()) && said.includes(next.version), said);
  const count = loads.count;
  await gateway.page.waitForTimeout(3_000);
  assert.equal(loads.count, count, 'it goes on reloading');
  assert.ok(count <= 2, `${count} loads for one reload`);
  gateway.server.intercept(undefined);
  await gateway.page.reload();
  await untilReady(gateway.page);
  assert.equal(await gateway.page.getByRole('alert').count(), 0);
});

test('a database worker of another protocol is refused, and both versions are named', async (t) => {
  const server = await serveDist();
  t.after(() => server.close());
  server.intercept((path, file) => {
    if (!/^\/database-/.test(path)) return undefined;
    // The same worker, of a protocol to come: each frame begins with its version.
    const prelude = 'const post = MessagePort.prototype.postMessage; MessagePort.prototype.postMessage = function (message, ...rest) { if (message instanceof ArrayBuffer) new Uint8Array(message)[0] = 9; return post.call(this, message, ...rest); };\n';
    return { body: prelude + readFileSync(file, 'utf8') };
  });
  const page = await browser.newPage();
  t.after(() => page.close());
  await page.goto(`${server.url}/?storage=memory`);
  await page.waitForFunction(() => navigator.serviceWorker.controller !== null);
  await page.getByRole('link', { name: 'Gateway: Needs attention' }).waitFor({ timeout: 40_000 });
  const answer = await call(page, '/rest/v1/anything');
  const error = refusal(answer, 503, 'another protocol');
  assert.match(JSON.stringify(error), /\b1\b.*\b9\b|\b9\b.*\b1\b/);
});

test('a hard reload, which bypasses the worker, mends itself', async (t) => {
  const gateway = await openGateway(browser, { storage: 'auto' });
  t.after(() => gateway.close());
  await gateway.sql('create table kept (id int primary key); insert into kept values (1);');
  const session = await browser.newCDPSession(gateway.page);
  const loaded = gateway.page.waitForEvent('load');
  await session.send('Page.reload', { ignoreCache: true });
  await loaded;
  await untilReady(gateway.page);
  assert.deepEqual(await gateway.sql('select id from kept'), [{ id: 1 }]);
  assert.equal(await gateway.page.getByRole('alert').count(), 0);
});

test('after the first visit all of it works without the network, and a new build is found when it is back', async (t) => {
  let server = await serveDist();
  const { port } = server;
  const gateway = await openGateway(browser, { storage: 'auto', server });
  const { page, keys } = gateway;
  await gateway.sql('create table kept (id int primary key); insert into kept values (1); grant all on kept to anon;');
  // The files are kept behind the page's back.
  await workerOf(server.url).evaluate(() => self.keepFiles());
  await server.close();
  await stopServiceWorkers(page);
  await page.goto(`http://localhost:${port}/?storage=auto#/sql`);
  await untilReady(page);
  assert.equal(await page.evaluate(() => window.crossOriginIsolated), true);
  assert.deepEqual(await gateway.sql('insert into kept values (2) returning id'), [{ id: 2 }]);
  assert.equal((await call(page, '/rest/v1/kept?id=eq.2', { headers: { apikey: keys.publishable } })).body, '[{"id":2}]');
  for (const place of ['sql', 'requests', 'sample', '']) {
    await page.evaluate((place) => { location.hash = `#/${place}`; }, place);
    await page.locator('.place:not([hidden]) :is(h1, h2, button)').first().waitFor();
    assert.equal(await page.getByRole('alert').count(), 0, place);
  }
  // What is not the gateway's is not made up.
  await assert.rejects(call(page, '/other'), /Failed to fetch/);

  const next = nextBuild(t);
  server = await serveDist({ port, root: next.directory });
  t.after(async () => { await page.close(); await server.close(); });
  const loads = await countLoads(page);
  await page.reload();
  await untilReady(page);
  await page.getByText('Page and worker match').waitFor();
  assert.equal(await page.evaluate(() => document.querySelector('.facts code').textContent), next.version);
  assert.ok(loads.count <= 2);
  assert.deepEqual(await gateway.sql('select id from kept order by id'), [{ id: 1 }, { id: 2 }]);
});

test('a file of the build before is there while its page is', async (t) => {
  const gateway = await openGateway(browser);
  t.after(() => gateway.close());
  await workerOf(gateway.url).evaluate(() => self.keepFiles());
  const next = nextBuild(t);
  gateway.server.deploy(next.directory);
  // The part of the page that is loaded only now has no file at the server any more.
  await gateway.page.evaluate(() => { location.hash = '#/sql'; });
  await gateway.page.locator('.cm-editor').waitFor();
});

test('a page whose requests are kept past the worker says so', async (t) => {
  const gateway = await openGateway(browser);
  t.after(() => gateway.close());
  const session = await browser.newCDPSession(gateway.page);
  await session.send('Network.enable');
  await session.send('Network.setBypassServiceWorker', { bypass: true });
  await gateway.page.reload();
  await gateway.page.getByText('This page was loaded past its service worker').waitFor();
  await session.send('Network.setBypassServiceWorker', { bypass: false });
  await gateway.page.reload();
  await untilReady(gateway.page);
  await gateway.page.getByRole('alert').waitFor({ state: 'detached' });
});

test('a database that does not open says why, on the page and in each answer', async (t) => {
  const server = await serveDist();
  server.intercept((path) => (path.endsWith('.data') ? { status: 404, body: '' } : undefined));
  const page = await browser.newPage();
  t.after(async () => { await page.close(); await server.close(); });
  await page.goto(`${server.url}/?storage=auto`);
  await page.getByText('The database did not open').waitFor();
  const error = refusal(await call(page, '/rest/v1/anything'), 503, 'no database', { again: false });
  for (const said of [await page.getByRole('alert').textContent(), JSON.stringify(error)]) {
    assert.match(said, /cannot be opened/);
    assert.doesNotMatch(said, /\[object|undefined/);
  }
});

test('a page whose worker cannot be registered says so', async (t) => {
  const server = await serveDist();
  server.intercept((path) => (path === '/sw.js' ? { status: 500, body: '' } : undefined));
  const page = await browser.newPage();
  t.after(async () => { await page.close(); await server.close(); });
  await page.goto(`${server.url}/?storage=memory`);
  await page.getByText('The service worker did not start').waitFor();
});
