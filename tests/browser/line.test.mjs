// The line between the service worker and the VM worker, over what browsers do to both. The image is away here, so that
// no machine boots: its worker is there all the same, and answers for it.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { launch, openGateway, openPage, serveDist, stopServiceWorkers, untilReady } from './harness.mjs';

let browser;
before(async () => { browser = await launch(); });
after(() => browser?.close());

/** A server without an image. */
async function serve(t) {
  const server = await serveDist();
  server.intercept((path) => (path.startsWith('/vm/') ? { status: 404, body: 'no image here' } : undefined));
  t.after(() => server.close());
  return server;
}

/** An answer of the gateway's, and how long it took. */
const call = (page, path, init) => page.evaluate(async ([path, init]) => {
  const start = performance.now();
  const response = await fetch(path, { cache: 'no-store', ...init });
  const text = await response.text();
  return { status: response.status, retry: response.headers.get('retry-after'), text, took: performance.now() - start };
}, [path, init]);
const state = async (page) => {
  const { status, text } = await call(page, '/gateway/vm');
  assert.equal(status, 200, text);
  return JSON.parse(text);
};
/** Starts what cannot boot, and waits until it has said so. */
async function begin(page) {
  const started = await call(page, '/gateway/vm/start', { method: 'POST' });
  assert.equal(started.status, 200, started.text);
  for (;;) {
    const status = await state(page);
    if (status.state === 'error') return status;
    assert.equal(status.state, 'loading');
    await page.waitForTimeout(100);
  }
}
const ofVm = (server) => server.requests.filter((path) => path.startsWith('/vm'));
const vmWorker = (page) => page.workers().find((worker) => /\/vm-engine\//.test(worker.url()));

test('a page that only uses REST fetches nothing of the VM, and neither does looking at it', async (t) => {
  const server = await serve(t);
  const gateway = await openGateway(browser, { server });
  t.after(() => gateway.close());
  await gateway.sql('create table todos (id int primary key); grant all on todos to anon;');
  assert.equal((await call(gateway.page, '/rest/v1/todos', { headers: { apikey: gateway.keys.publishable } })).status, 200);
  const { took } = await call(gateway.page, '/gateway/vm');
  assert.equal((await state(gateway.page)).state, 'unloaded');
  assert.equal((await call(gateway.page, '/gateway/apps')).text, '[]');
  assert.ok(took < 3_000, `that nobody runs it was known after ${took} ms`);
  // What is kept for the time without a network has none of it either.
  await gateway.page.waitForTimeout(1_000);
  assert.deepEqual(ofVm(server), []);
  assert.equal(vmWorker(gateway.page), undefined);
});

test('the first request that needs it starts the worker, and its failure is told', async (t) => {
  const server = await serve(t);
  const gateway = await openGateway(browser, { server });
  t.after(() => gateway.close());
  const { error } = await begin(gateway.page);
  assert.match(JSON.stringify(error), /404/);
  assert.ok(vmWorker(gateway.page));
});

test('20 kills of the service worker: every request is answered, and each answer is the worker’s', async (t) => {
  const server = await serve(t);
  const gateway = await openGateway(browser, { server });
  t.after(() => gateway.close());
  await begin(gateway.page);
  await gateway.page.evaluate(() => {
    window.traffic = { states: {}, refused: 0, slowest: 0, stop: false };
    const { traffic } = window;
    window.lanes = Promise.all([1, 2, 3, 4].map(async () => {
      while (!traffic.stop) {
        const start = performance.now();
        try {
          const response = await fetch('/gateway/vm', { cache: 'no-store' });
          const { state } = await response.json();
          const told = response.ok ? state : `${response.status} ${response.headers.has('retry-after')}`;
          traffic.states[told] = (traffic.states[told] ?? 0) + 1;
        } catch { traffic.refused++; } // the worker died under the request: the browser says so
        traffic.slowest = Math.max(traffic.slowest, performance.now() - start);
      }
    }));
  });
  const answered = () => gateway.page.evaluate(() => window.traffic.states.error ?? 0);
  for (let kill = 0; kill < 20; kill++) {
    const before = await answered();
    await gateway.page.waitForFunction((before) => (window.traffic.states.error ?? 0) >= before + 5, before, { timeout: 30_000 });
    await stopServiceWorkers(gateway.page);
  }
  const traffic = await gateway.page.evaluate(async () => { window.traffic.stop = true; await window.lanes; return window.traffic; });
  assert.deepEqual(Object.keys(traffic.states), ['error'], JSON.stringify(traffic.states));
  assert.ok(traffic.slowest < 30_000, `a request took ${traffic.slowest} ms`);
  t.diagnostic(`${traffic.states.error} answers, ${traffic.refused} refused, slowest ${traffic.slowest.toFixed(0)} ms`);
});

test('a worker that dies is replaced, and its page asks no one to reload', async (t) => {
  const server = await serve(t);
  const gateway = await openGateway(browser, { server });
  t.after(() => gateway.close());
  await begin(gateway.page);
  const first = vmWorker(gateway.page);
  const next = gateway.page.waitForEvent('worker');
  await first.evaluate(() => self.close()).catch(() => undefined);
  await next;
  // It has not been asked for anything yet.
  assert.equal((await state(gateway.page)).state, 'unloaded');
  assert.ok(vmWorker(gateway.page));
  assert.equal(await gateway.page.getByRole('alert').count(), 0);
});

test('the VM is that of the tab that owns the database: another tab uses it, and outlives it', async (t) => {
  const server = await serve(t);
  const gateway = await openGateway(browser, { storage: 'auto', server });
  const other = await openPage(browser, server.url, { storage: 'auto' });
  t.after(() => other.close());
  await begin(other);
  assert.ok(vmWorker(gateway.page), 'it is started where the database is');
  assert.equal(vmWorker(other), undefined);
  assert.equal((await state(other)).state, 'error');
  const inFlight = other.evaluate(() => Promise.all(Array.from({ length: 20 }, async () => {
    const response = await fetch('/gateway/vm', { cache: 'no-store' });
    await response.arrayBuffer();
    return [response.status, response.headers.get('retry-after')];
  })));
  await gateway.page.close();
  for (const [status, retry] of await inFlight) assert.ok(status === 200 || (status === 503 && retry !== null), `${status}, Retry-After ${retry}`);
  await untilReady(other);
  assert.equal((await state(other)).state, 'unloaded');
  await begin(other);
  assert.ok(vmWorker(other));
});

test('a worker that cannot be loaded says why at once, and the next request tries anew', async (t) => {
  const server = await serve(t);
  const gateway = await openGateway(browser, { server });
  t.after(() => gateway.close());
  server.intercept((path) => (path.startsWith('/vm') ? { status: 404, body: '' } : undefined));
  const refused = await call(gateway.page, '/gateway/vm/start', { method: 'POST' });
  assert.ok(refused.status >= 500 && refused.took < 10_000, `${refused.status} after ${refused.took} ms`);
  assert.match(refused.text, /VM worker/);
  assert.equal((await call(gateway.page, '/health')).status, 200);
  server.intercept((path) => (path.startsWith('/vm/') ? { status: 404, body: 'no image here' } : undefined));
  assert.match(JSON.stringify((await begin(gateway.page)).error), /404/);
});

test('a page that stops its database stops its VM, and keeps nothing of it', async (t) => {
  const server = await serve(t);
  const gateway = await openGateway(browser, { server });
  t.after(() => gateway.close());
  await begin(gateway.page);
  const worker = vmWorker(gateway.page);
  const closed = new Promise((resolve) => worker.once('close', resolve));
  await gateway.page.evaluate(() => navigator.locks.query()).then(({ held }) => assert.ok(held.some(({ name }) => name.startsWith('gateway:vm-files:'))));
  await gateway.page.goto(`${server.url}/nothing`);
  await closed;
  assert.equal((await gateway.page.evaluate(() => navigator.locks.query())).held.some(({ name }) => name.startsWith('gateway:vm-files:')), false);
});

test('a WebSocket to an app that is not there is refused, with the reason; the terminal is for the gateway’s page alone', async (t) => {
  const server = await serve(t);
  const gateway = await openGateway(browser, { server });
  t.after(() => gateway.close());
  const tunnel = (page, url) => page.evaluate((url) => new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = ({ data }) => resolve(data);
    navigator.serviceWorker.controller.postMessage({ kind: 'tunnel', url: new URL(url, location.href).href, protocols: [], port: port2 }, [port2]);
  }), url);
  const refused = await tunnel(gateway.page, '/app/nothing/socket');
  assert.deepEqual([refused.kind, refused.code, refused.clean], ['close', 1006, false]);
  assert.match(refused.reason, /404|503/);
  const terminal = await tunnel(gateway.page, '/gateway/vm/terminal?columns=80&rows=24');
  assert.equal(terminal.kind, 'close');
  assert.match(terminal.reason, /image|404/);
  // The gateway itself answers this page, as it answers an app's: it is not trusted.
  const app = await browser.newPage();
  t.after(() => app.close());
  await app.goto(`${server.url}/app/nothing/`);
  const another = await tunnel(app, '/app/other/socket');
  assert.match(another.reason, /itself alone/);
  const forbidden = await tunnel(app, '/gateway/vm/terminal?columns=80&rows=24');
  assert.equal(forbidden.kind, 'close');
  assert.match(forbidden.reason, /403/);
});
