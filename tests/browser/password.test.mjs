// Passwords are hashed in the service worker, a piece at a time: whoever asks for something else does not wait for them.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { launch, openGateway } from './harness.mjs';

let browser, gateway;
before(async () => { browser = await launch(); gateway = await openGateway(browser); });
after(async () => { await gateway?.close(); await browser?.close(); });

test('other requests are answered while passwords are hashed', async (t) => {
  const seen = await gateway.page.evaluate(async (key) => {
    const post = (path, body) => fetch(path, { method: 'POST', headers: { apikey: key, 'content-type': 'application/json' }, body: JSON.stringify(body) });
    const password = 'correct horse';
    if (!(await post('/auth/v1/signup', { email: 'ada@example.com', password })).ok) throw new Error('no user');
    const signIn = () => post('/auth/v1/token?grant_type=password', { email: 'ada@example.com', password });
    const alone = performance.now();
    await signIn();
    const once = performance.now() - alone;
    // Four at once, one after another in the worker's one thread.
    let done = false;
    const begun = performance.now();
    const signed = Promise.all(Array.from({ length: 4 }, signIn)).finally(() => { done = true; });
    const waits = [];
    while (!done) {
      const since = performance.now();
      const { status } = await fetch('/auth/v1/health');
      if (status !== 200) throw new Error(`health: ${status}`);
      if (!done) waits.push(performance.now() - since);
    }
    const statuses = (await signed).map(({ status }) => status);
    return { once, all: performance.now() - begun, waits, statuses };
  }, gateway.keys.publishable);
  const longest = Math.max(...seen.waits);
  t.diagnostic(`one sign-in ${seen.once.toFixed(0)} ms, four at once ${seen.all.toFixed(0)}; ${seen.waits.length} answers meanwhile, the slowest after ${longest.toFixed(0)} ms`);
  assert.deepEqual(seen.statuses, [200, 200, 200, 200]);
  assert.ok(seen.waits.length >= 4, `${seen.waits.length} answers meanwhile`);
  assert.ok(longest < seen.all / 2, 'nobody waits for all of them');
});
