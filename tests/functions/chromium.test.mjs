// Edge functions in Chromium: deployed by a page, run in sandboxed frames, asked through the service worker.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { launch, openGateway, serveDist, stopServiceWorkers, untilReady } from '../browser/harness.mjs';
import { cases, deployed } from './cases.mjs';
import { begin, conversation, hostOf } from './page.mjs';

let browser;
let gateway;
let host;

const loaded = (server) => server.requests.filter((file) => file.startsWith('/functions/') && /\.(m?js|wasm)$|packages/.test(file) && !file.startsWith('/functions/v1'));

before(async () => {
  browser = await launch();
  const server = await serveDist();
  gateway = await openGateway(browser, { storage: 'auto', server });
  host = await hostOf(gateway);
});
after(async () => {
  host?.completions.close();
  await gateway?.close();
  await gateway?.server.close();
  await browser?.close();
});

test('a page that only uses REST fetches nothing of functions', async () => {
  assert.equal((await host.call('/rest/v1/tasks')).status, 200);
  assert.equal((await host.call('/functions/v1/nobody')).status, 404);
  assert.deepEqual(loaded(gateway.server), []);
  assert.equal(await gateway.page.locator('iframe').count(), 0);
});

test('everything is deployed from the page', { timeout: 300_000 }, async () => {
  await host.deploy(deployed);
});

for (const [name, exercise] of Object.entries(cases)) test(name, { timeout: 120_000 }, () => exercise(host));

test('a WebSocket is answered message by message', async () => {
  const heard = await conversation(gateway.page);
  assert.deepEqual(heard, ['open', 'welcome', 'echo hello', [1, 2], 'enough']);
});

test('a WebSocket has its token where a page can put it', async () => {
  const { anon } = gateway.keys;
  const first = (query, protocols) => gateway.page.evaluate(([query, protocols]) => new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = ({ data }) => {
      if (data.kind !== 'open') resolve(data.data ?? data.reason);
    };
    navigator.serviceWorker.controller.postMessage({ kind: 'tunnel', url: new URL(`/functions/v1/guarded${query}`, location.href).href, protocols, port: port2 }, [port2]);
  }), [query, protocols]);
  assert.equal(await first(`?jwt=${anon}`, []), `Bearer ${anon}`);
  assert.equal(await first('', ['chat', `jwt-${anon}`]), `Bearer ${anon}`);
  assert.match(await first('', []), /^401/);
  assert.match(await first('?jwt=nonsense', []), /^401/);
});

test('a killed service worker and a reload keep what is deployed', { timeout: 120_000 }, async () => {
  for (let kill = 0; kill < 3; kill++) {
    await stopServiceWorkers(gateway.page);
    assert.equal((await host.call('/functions/v1/router')).text, 'Hono!');
  }
  await gateway.page.reload();
  await untilReady(gateway.page);
  assert.equal((await host.call('/functions/v1/router/tasks/1')).text, '{"id":"1"}');
});

test('an isolate reaches nothing but by its port', async () => {
  await begin(gateway.page);
  const source = `Deno.serve(async () => {
    const attempt = async (work) => { try { await work(); return 'reached' } catch (error) { return error.name } }
    const here = ${JSON.stringify(gateway.url)};
    return Response.json({
      import: await attempt(() => import(here + '/gateway.js')),
      scripts: await attempt(() => Object.getPrototypeOf(Object.getPrototypeOf(self)).importScripts.call(self, here + '/gateway.js')),
      request: await attempt(() => new Promise((resolve, reject) => { const X = Object.getOwnPropertyDescriptor(self, 'XMLHttpRequest').value; const x = new X(); x.onload = resolve; x.onerror = reject; x.open('GET', here); x.send() })),
      origin: Object.getOwnPropertyDescriptor(Object.getPrototypeOf(Object.getPrototypeOf(self)), 'origin')?.get?.call(self) ?? 'none',
    })
  })`;
  await host.deploy({ reach: { verify_jwt: false, files: { 'index.js': source } } });
  const told = JSON.parse((await host.call('/functions/v1/reach')).text);
  for (const [name, outcome] of Object.entries(told)) assert.notEqual(outcome, 'reached', name);
  assert.ok(['null', 'none'].includes(told.origin), told.origin);
  // One frame an isolate, each of an origin of its own.
  const frames = await gateway.page.locator('iframe').evaluateAll((all) => all.map((frame) => frame.getAttribute('sandbox')));
  assert.ok(frames.length > 0 && frames.every((sandbox) => sandbox === 'allow-scripts'), `${frames}`);
});

test('a page that goes away takes its isolates with it, and the next one begins others', { timeout: 120_000 }, async () => {
  const pages = browser.pages().length;
  await gateway.page.goto(`${gateway.url}/nothing`);
  await gateway.page.goto(gateway.url);
  await untilReady(gateway.page);
  assert.equal((await host.call('/functions/v1/router')).text, 'Hono!');
  assert.equal(browser.pages().length, pages);
});
