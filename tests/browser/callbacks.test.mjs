// Programs in the VM that call the gateway, over kills of the service worker.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { launch, openGateway, stopServiceWorkers } from './harness.mjs';

const script = 'n=0; while true; do n=$((n+1)); curl -s -m 60 -o /dev/null -w "$n %{http_code}\\n" "$SUPABASE_URL/rest/v1/todos?select=*"; sleep 0.5; done';

test('a program inside reaches the database by localhost, also while the service worker is dead', async (t) => {
  const browser = await launch();
  t.after(() => browser.close());
  const gateway = await openGateway(browser);
  const { page } = gateway;
  t.after(() => gateway.close());
  await gateway.sql('create table todos (id int primary key); grant all on todos to anon;');
  await page.evaluate(async (script) => {
    const { startGateway } = await import('/gateway.js');
    window.running = await startGateway();
    await running.apps.deploy('calls', { 'calls.sh': script }, { runtime: 'command', command: ['sh', '/app/calls.sh'], port: 8080, start_deadline_s: 300 });
    // It never listens, so this is never answered: what it does meanwhile is what matters.
    running.apps.start('calls').catch(() => undefined);
  }, script);
  const codes = () => page.evaluate(async () => {
    const codes = [];
    for await (const { line } of running.apps.logs('calls', { tail: 500 })) codes.push(line.split(' ')[1]);
    return codes;
  });
  const more = async (than) => {
    const deadline = Date.now() + 240_000;
    for (;;) {
      const found = await codes().catch(() => []);
      if (found.length > than) return found;
      assert.ok(Date.now() < deadline, `only ${found.length} calls: ${found}`);
      await page.waitForTimeout(1_000);
    }
  };
  let count = (await more(2)).length;
  for (let kill = 0; kill < 5; kill++) {
    await stopServiceWorkers(page);
    // Nobody but the program wakes it.
    await page.waitForTimeout(4_000);
    const found = await more(count + 1);
    count = found.length;
  }
  assert.deepEqual(new Set(await codes()), new Set(['200']));
});
