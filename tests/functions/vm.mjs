// Edge functions in the virtual machine: the cases of every host, and what only a function there could do wrong.
//   node --test tests/functions/vm.mjs
//
// Seven minutes on a machine alone, so `cargo xtask test` does not run it.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { absent, inAdvance, openMachine } from '../vm/harness.mjs';
import { cases, deployed } from './cases.mjs';
import { conversation, hostOf } from './page.mjs';

const patient = { timeout: 600_000 };
const told = 'x-gateway-function-host';

describe('edge functions in the virtual machine', { skip: absent, timeout: 3_000_000 }, () => {
  let machine;
  let host;
  let beside;
  before(async () => {
    machine = await openMachine();
    host = await hostOf(machine.gateway, 'vm');
    host.rested = async (threads = 4) => {
      while (await inAdvance(machine) < threads) await machine.gateway.page.waitForTimeout(1_000);
    };
    beside = async (name, where, source) => {
      await machine.gateway.page.evaluate(async ([name, where, source]) => window.running.functions.deploy(name, { 'index.ts': source }, { verify_jwt: false, host: where }), [name, where, source]);
    };
  });
  after(async () => {
    host?.completions.close();
    await machine?.close();
  });

  /** Where a function was answered, how, and in how many milliseconds. */
  async function ask(name, init) {
    const begun = performance.now();
    const { status, headers, text } = await host.call(`/functions/v1/${name}`, init);
    return { at: headers[told], status, text, took: performance.now() - begun };
  }

  test('without its runtime a function is refused, or answered by an isolate that says so', patient, async () => {
    await beside('only', 'vm', `Deno.serve(() => new Response(Deno.env.get('SUPABASE_URL')))`);
    await beside('either', 'vm-or-isolate', `Deno.serve(() => new Response(Deno.env.get('SUPABASE_URL')))`);
    const refused = await ask('only');
    assert.equal(refused.status, 503, refused.text);
    assert.equal(JSON.parse(refused.text).code, 'VM_UNAVAILABLE');
    assert.match(JSON.parse(refused.text).message, /no runtime "node"/);
    const fallen = await ask('either');
    assert.deepEqual([fallen.status, fallen.at, fallen.text], [200, 'isolate', machine.gateway.url]);
    assert.equal((await machine.api('GET', '/vm')).state, 'unloaded');
  });

  test('with it, a function runs there and finds the gateway where programs of the guest do', patient, async (t) => {
    await machine.install('node');
    const first = await ask('only');
    assert.deepEqual([first.status, first.at, first.text], [200, 'vm', 'http://localhost:5173']);
    t.diagnostic(`the first answer, from no machine at all: ${Math.round(first.took)} ms`);
    assert.deepEqual(await machine.api('GET', '/apps'), []);
  });

  test('how long a new function and a warm one take', patient, async (t) => {
    const cold = [];
    for (let n = 0; n < 5; n++) {
      await beside(`cold${n}`, 'vm', `Deno.serve(() => new Response('${n}'))`);
      const { status, took } = await ask(`cold${n}`);
      assert.equal(status, 200);
      cold.push(took);
    }
    const warm = [];
    for (let n = 0; n < 100; n++) warm.push((await ask('cold0')).took);
    const quantile = (times, part) => Math.round(times.toSorted((one, other) => one - other)[Math.ceil(times.length * part) - 1]);
    t.diagnostic(`cold p50 ${quantile(cold, 0.5)} ms, slowest ${quantile(cold, 1)} ms; warm p50 ${quantile(warm, 0.5)} ms, p95 ${quantile(warm, 0.95)} ms`);
  });

  test('everything is deployed', patient, () => host.deploy(deployed));

  for (const [name, exercise] of Object.entries(cases)) test(name, patient, () => exercise(host));

  test('a WebSocket is answered message by message', patient, async () => {
    assert.deepEqual(await conversation(machine.gateway.page), ['open', 'welcome', 'echo hello', [1, 2], 'enough']);
  });

  test('a function has nothing of another one, of the guest, or of its agent', patient, async () => {
    const reach = `Deno.serve(async () => {
      const attempt = async (work: () => unknown) => { try { return String(await work()) } catch (error) { return (error as Error).name } }
      const node = (name: string) => attempt(async () => Object.keys(await (0, eval)(\`import('\${name}')\`)).length)
      return Response.json({
        modules: await Promise.all(['node:net', 'node:fs', 'node:child_process', 'node:worker_threads', 'node:process'].map(node)),
        other: Deno.env.get('ONLY_OF_ANOTHER') ?? 'nothing',
        passwd: await attempt(() => Deno.readTextFile('/etc/passwd')),
        script: await attempt(() => Deno.readTextFile('/run/functions.cjs')),
        agent: await attempt(async () => (await fetch('http://10.0.2.15:1/')).status),
        itself: await attempt(async () => (await fetch('http://localhost:2/')).status),
        apps: await attempt(async () => (await fetch('http://localhost:3000/')).status),
        run: await attempt(() => new (Deno as unknown as { Command: new (name: string) => object }).Command('sh')),
      })
    })`;
    await host.deploy({ reach: { verify_jwt: false, files: { 'index.ts': reach } } });
    const told = JSON.parse((await ask('reach')).text);
    assert.deepEqual(told, { modules: Array(5).fill('TypeError'), other: 'nothing', passwd: 'NotFound', script: 'NotFound', agent: 'TypeError', itself: 'TypeError', apps: 'TypeError', run: 'TypeError' });
  });

  test('no program of the guest can call the host of functions, or take its place', patient, async () => {
    const called = await machine.exec(['/bin/bash', '-c', 'exec 3<>/dev/tcp/10.0.2.15/2 && printf "\\031\\0\\0\\0\\025\\0\\0\\0{\\"kind\\":\\"hello\\",\\"x\\":1}" >&3 && cat <&3 | wc -c']);
    assert.equal(called.stdout.trim(), '0', JSON.stringify(called));
    await host.rested(1);
    const thread = await machine.exec(['/bin/bash', '-c', 'port=$(awk \'$2 ~ /^00000000:/ && $4 == "0A" && $8 == 9000 { print substr($2, 10); exit }\' /proc/net/tcp) && exec 3<>/dev/tcp/10.0.2.15/$((16#$port)) && printf "\\017\\0\\0\\0\\013\\0\\0\\0{\\"kind\\":\\"boot\\"}" >&3; cat <&3 | wc -c']);
    assert.equal(thread.stdout.trim(), '0', JSON.stringify(thread));
    assert.ok(await inAdvance(machine) > 0, 'it waits for its gateway');
    const processes = await machine.shell('ps -eo user,args | grep "[f]unctions.cjs"');
    assert.match(processes.stdout, /^9000 +node (--\S+ )*\/run\/functions\.cjs/m);
    // Its environment is in no other process's sight, and has nothing of a function's.
    const env = await machine.shell('tr "\\0" "\\n" < /proc/$(pgrep -f "[f]unctions.cjs" | head -1)/environ | cut -d= -f1 | sort | tr "\\n" " "');
    assert.equal(env.stdout.trim(), 'HOME LANG PATH');
  });

  test('when the host of functions dies, its requests fail, and the next one finds another', patient, async () => {
    assert.equal((await ask('router')).text, 'Hono!');
    const under_way = ask('events?count=100000').catch((error) => ({ status: 0, text: String(error) }));
    await machine.gateway.page.waitForTimeout(1_000);
    await machine.shell('kill -9 $(pgrep -f "[f]unctions.cjs")');
    await under_way;
    const after = await ask('router');
    assert.deepEqual([after.status, after.text, after.at], [200, 'Hono!', 'vm']);
  });

  test('a machine that is started again has what was deployed', patient, async () => {
    await machine.api('POST', '/vm/restart');
    const after = await ask('router/tasks/1');
    assert.deepEqual([after.status, after.text, after.at], [200, '{"id":"1"}', 'vm']);
    assert.equal((await ask('either')).at, 'vm');
  });
});
