// The guest's way out, and how bodies flow between a slow reader and a fast writer.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after, before, describe, test } from 'node:test';
import { stopServiceWorkers } from '../browser/harness.mjs';
import { absent, openMachine, program } from './harness.mjs';

describe('the network of the guest', { skip: absent, timeout: 600_000 }, () => {
  let machine;
  let outside;
  let port;
  before(async () => {
    outside = createServer((request, response) => {
      if (request.url !== '/closed') response.setHeader('access-control-allow-origin', '*');
      response.setHeader('cross-origin-resource-policy', 'cross-origin');
      response.end(`outside saw ${request.method} ${request.url}`);
    });
    await new Promise((resolve) => outside.listen(0, '127.0.0.1', resolve));
    outside.unref();
    port = outside.address().port;
    machine = await openMachine();
    await machine.install('node');
    await machine.deploy('node', { 'server.cjs': program('node.cjs') }, { runtime: 'node', entry: 'server.cjs', start_deadline_s: 240 });
    assert.equal((await machine.call('/app/node/json')).status, 200);
  });
  after(async () => { await machine?.close(); outside?.close(); });

  const settings = async (changes) => machine.api('PUT', '/vm/settings', { ...(await machine.api('GET', '/vm/settings')), ...changes });
  const curl = (address) => machine.shell(`curl -sS -m 20 -w '\\n%{http_code}' -x http://10.0.2.2:3128 ${address}`);

  test('nothing may be asked outside unless it is allowed; the refusal names the rule', async () => {
    const refused = await curl(`http://localhost.test:${port}/hello`);
    assert.match(refused.stdout, /403$/);
    assert.match(refused.stdout, /No rule lets programs ask/);
    assert.match(refused.stdout, /localhost\.test/);
  });

  test('what is allowed is asked by the browser; what it does not let be read is said', async () => {
    await settings({ outbound: { allow: [`http://outside.localhost:${port}`] } });
    const allowed = await curl(`http://outside.localhost:${port}/hello`);
    assert.equal(allowed.stdout, 'outside saw GET /hello\n200', allowed.stderr);
    const closed = await curl(`http://outside.localhost:${port}/closed`);
    assert.match(closed.stdout, /502$/);
    assert.match(closed.stdout, /CORS/);
    await settings({ outbound: { allow: [] } });
    assert.match((await curl(`http://outside.localhost:${port}/hello`)).stdout, /403$/);
  });

  test('HTTPS through the proxy is refused in a sentence', async () => {
    const refused = await machine.shell('curl -sS -m 20 -x http://10.0.2.2:3128 https://localhost.test/');
    assert.notEqual(refused.exit, 0);
    assert.match(refused.stderr, /403/);
  });

  test('a slow reader holds the writer back: the guest waits, and memory stays', async () => {
    const flow = await machine.gateway.page.evaluate(async () => {
      const response = await fetch('/app/node/bytes?length=60000000');
      const reader = response.body.getReader();
      let read = (await reader.read()).value.length;
      await new Promise((resolve) => setTimeout(resolve, 3000));
      let largest = 0;
      const start = performance.now();
      for (;;) {
        const { done, value } = await reader.read();
        if (done) break;
        read += value.length;
        largest = Math.max(largest, value.length);
      }
      return { read, took: performance.now() - start };
    });
    assert.equal(flow.read, 60_000_000);
    // Had it not been held back, all of it would have been here after the pause.
    assert.ok(flow.took > 1000, `the rest took ${flow.took} ms`);
  });

  test('a large upload arrives whole', async () => {
    const answer = await machine.gateway.page.evaluate(async () => (await fetch('/app/node/sink', { method: 'POST', body: new Blob([new Uint8Array(20_000_000)]) })).text());
    assert.equal(answer, '20000000');
  });

  test('events come as they are sent', async () => {
    const gaps = await machine.gateway.page.evaluate(async () => {
      const controller = new AbortController();
      const response = await fetch('/app/node/forever?id=events', { signal: controller.signal });
      const reader = response.body.getReader();
      const times = [];
      for (let count = 0; count < 10; count++) {
        await reader.read();
        times.push(performance.now());
      }
      controller.abort();
      return times.at(-1) - times[0];
    });
    assert.ok(gaps < 5_000, `ten events in ${gaps} ms`);
  });

  test('the guest reaches the gateway after its service worker was killed', async () => {
    for (let kill = 0; kill < 3; kill++) {
      await stopServiceWorkers(machine.gateway.page);
      const answer = await machine.shell(`curl -sS -m 30 -o /dev/null -w '%{http_code}' http://localhost:5173/rest/v1/ -H 'apikey: ${machine.gateway.keys.publishable}'`);
      assert.equal(answer.stdout, '200', answer.stderr);
    }
  });
});
