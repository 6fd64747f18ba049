// Guest applications as a browser meets them: three runtimes at once, in one VM, behind one service worker.
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { stopServiceWorkers } from '../browser/harness.mjs';
import { absent, openMachine, program } from './harness.mjs';

const settings = {
  site: { runtime: 'static' },
  // A machine with other work takes a minute to start them.
  node: { runtime: 'node', entry: 'server.cjs', start_deadline_s: 240 },
  python: { runtime: 'python', entry: 'server.py', start_deadline_s: 240 },
};
const picture = randomBytes(300_000);
const files = {
  site: { 'index.html': '<!doctype html><html><head><title>site</title></head><body><img src="/picture.bin"><a href="/other.html">other</a></body></html>', 'other.html': '<p>other', 'picture.bin': picture,
    'modules.html': '<!doctype html><script type="module" src="/first.js"></script>', 'first.js': "import { text } from '/second.js'; document.title = text;", 'second.js': "export { text } from '/third.js';", 'third.js': "export const text = 'all three';" },
  node: { 'server.cjs': program('node.cjs') },
  python: { 'server.py': program('python.py') },
};
const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex');

describe('guest applications', { skip: absent, timeout: 900_000 }, () => {
  let machine;
  before(async () => {
    machine = await openMachine();
    await machine.gateway.sql(`
      create table todos (id int primary key, owner text, title text);
      insert into todos values (1, 'a', 'everybody''s'), (2, 'b', 'nobody''s');
      alter table todos enable row level security;
      create policy readable on todos for select using (owner = 'a');
      grant select on todos to anon, authenticated;`);
  });
  after(() => machine?.close());

  test('a page that uses no application fetches nothing of the VM', async () => {
    assert.equal((await machine.call('/rest/v1/todos?select=id', { headers: { apikey: machine.gateway.keys.publishable } })).status, 200);
    assert.equal((await machine.api('GET', '/vm')).state, 'unloaded');
    assert.deepEqual(await machine.api('GET', '/apps'), []);
    const fetched = machine.gateway.server.requests.filter((name) => /\/vm\/|\/vm-|v86|machine/.test(name));
    assert.deepEqual(fetched, []);
  });

  test('an application that is not there is a 404, and starts no VM', async () => {
    assert.equal((await machine.call('/app/nobody/')).status, 404);
    assert.equal((await machine.api('GET', '/vm')).state, 'unloaded');
  });

  test('deployed before there is a VM; a runtime that is missing is named', async () => {
    for (const name of ['site', 'node', 'python']) {
      const app = await machine.deploy(name, files[name], settings[name]);
      assert.equal(app.url, `/app/${name}/`);
    }
    assert.deepEqual((await machine.api('GET', '/apps')).map(({ name }) => name).toSorted(), ['node', 'python', 'site']);
    for (const name of ['nginx', 'node']) await machine.api('PUT', `/vm/runtimes/${name}`);
    const answer = await machine.call('/app/python/');
    assert.equal(answer.status, 424, answer.body);
    assert.match(answer.body, /python/);
    await machine.api('PUT', '/vm/runtimes/python');
  });

  test('each starts on demand and answers', async () => {
    const [site, node, python] = await Promise.all(['site', 'node', 'python'].map((name) => machine.call(`/app/${name}/`)));
    assert.equal(site.status, 200, site.body);
    assert.match(site.body, /\/app\/site\/picture\.bin/);
    assert.equal(node.status, 200, node.body);
    assert.match(node.body, /href="\/app\/node\/next"/);
    assert.equal(python.status, 200, python.body);
    assert.deepEqual(JSON.parse(python.body), { path: '/', runtime: 'python' });
    for (const name of ['site', 'node', 'python']) assert.equal((await machine.until(name, 'running')).state, 'running');
  });

  test('navigated to, in a tab of its own', async () => {
    const tab = await machine.browser.newPage();
    await tab.goto(`${machine.gateway.url}/app/site`);
    assert.equal(tab.url(), `${machine.gateway.url}/app/site/`);
    await tab.getByRole('link', { name: 'other' }).click();
    await tab.waitForURL(`${machine.gateway.url}/app/site/other.html`);
    assert.equal(await tab.textContent('p'), 'other');
    await tab.goto(`${machine.gateway.url}/app/node/redirect`);
    assert.equal(tab.url(), `${machine.gateway.url}/app/node/echo?from=redirect`);
    await tab.close();
  });

  test('modules that name one another by paths from the root are its own, though the second is asked for by one that is not under /app', async () => {
    const tab = await machine.browser.newPage();
    await tab.goto(`${machine.gateway.url}/app/site/modules.html`);
    await tab.waitForFunction(() => document.title === 'all three', undefined, { timeout: 60_000 });
    await tab.close();
  });

  test('every method, and what goes with it', async () => {
    for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']) {
      const body = ['GET', 'OPTIONS'].includes(method) ? undefined : 'some text';
      const answer = await machine.call(`/app/node/echo?x=%20y`, { method, body, headers: { 'x-one': 'two' } });
      assert.equal(answer.status, 200, answer.body);
      const seen = JSON.parse(answer.body);
      assert.deepEqual([seen.method, seen.url, seen.headers['x-one'], seen.length], [method, '/echo?x=%20y', 'two', body?.length ?? 0]);
      assert.equal(seen.headers['x-forwarded-prefix'], '/app/node');
      assert.equal(seen.headers['x-forwarded-host'], new URL(machine.gateway.url).host);
      assert.equal(seen.headers['x-forwarded-proto'], 'http');
      const token = JSON.parse(Buffer.from(seen.headers.authorization.split('.')[1], 'base64url'));
      assert.equal(token.role, 'anon');
    }
    const head = await machine.call('/app/site/picture.bin', { method: 'HEAD' });
    assert.deepEqual([head.status, head.headers['content-length'], head.body], [200, String(picture.length), '']);
    assert.equal((await machine.call('/app/node/status?of=204')).status, 204);
  });

  test('a range of a file', async () => {
    const answer = await machine.gateway.page.evaluate(async () => {
      const response = await fetch('/app/site/picture.bin', { headers: { range: 'bytes=10-19' } });
      return { status: response.status, range: response.headers.get('content-range'), bytes: [...new Uint8Array(await response.arrayBuffer())] };
    });
    assert.deepEqual(answer, { status: 206, range: `bytes 10-19/${picture.length}`, bytes: [...picture.subarray(10, 20)] });
  });

  test('cookies are an application\'s own', async () => {
    const tab = await machine.browser.newPage();
    await tab.goto(`${machine.gateway.url}/app/node/cookie`);
    await tab.goto(`${machine.gateway.url}/app/node/echo`);
    assert.equal(JSON.parse(await tab.textContent('body')).headers.cookie, 'deep=1; seen=yes');
    assert.equal(await tab.evaluate(() => document.cookie), '');
    await tab.goto(`${machine.gateway.url}/app/site/`);
    const fromElsewhere = await tab.evaluate(async () => (await fetch('/app/node/echo')).json());
    assert.equal(fromElsewhere.headers.cookie, undefined, 'a page of another application');
    await tab.close();
  });

  test('supabase in the guest: the same router, and row-level security', async () => {
    const answer = await machine.call('/app/node/rest?of=todos%3Fselect%3Did,title');
    assert.deepEqual([answer.status, answer.body], [200, '[{"id":1,"title":"everybody\'s"}]']);
    const env = JSON.parse((await machine.call('/app/node/env')).body);
    assert.equal(env.SUPABASE_URL, 'http://localhost:5173');
    assert.equal(Object.values(env).some((value) => value === machine.gateway.keys.secret || value.includes('service_role')), false);
    const curl = await machine.shell(`curl -sS 'http://localhost:5173/rest/v1/todos?select=*' -H 'apikey: ${machine.gateway.keys.publishable}'`);
    assert.equal(curl.exit, 0, curl.stderr);
    assert.equal(curl.stdout, '[{"id":1,"owner":"a","title":"everybody\'s"}]');
    const forbidden = await machine.shell('curl -sS -o /dev/null -w "%{http_code}" http://localhost:5173/gateway/apps');
    assert.match(forbidden.stdout, /^40[134]$/);
  });

  test('psql in the guest: queries, transactions, row-level security', async () => {
    const env = JSON.parse((await machine.call('/app/node/env')).body);
    const psql = (text) => machine.shell(`psql '${env.DATABASE_URL}' -Atc "${text}"`);
    assert.equal((await psql('select id from todos')).stdout.trim(), '1');
    const transaction = await machine.shell(`printf 'begin;\\nset local search_path = public;\\nselect count(*) from todos;\\nrollback;\\nselect 1 + 1;\\n' | psql '${env.DATABASE_URL}' -At`);
    assert.deepEqual(transaction.stdout.trim().split('\n'), ['BEGIN', 'SET', '1', 'ROLLBACK', '2'], transaction.stderr);
    const wrong = await machine.shell(`psql '${env.DATABASE_URL.replace(/:[^:@]+@/, ':wrong@')}' -c 'select 1'`);
    assert.notEqual(wrong.exit, 0);
    assert.match(wrong.stderr, /password authentication failed/);
  });

  test('64 requests at once, to three applications, none crossed', async () => {
    const jobs = Array.from({ length: 64 }, (_, index) => ({ app: index % 3, body: randomBytes(2_000 + index * 500).toString('base64') }));
    const answers = await machine.gateway.page.evaluate((jobs) => Promise.all(jobs.map(async ({ app, body }) => {
      const response = app === 0 ? await fetch('/app/node/echo', { method: 'POST', body }) : app === 1 ? await fetch('/app/python/hash', { method: 'POST', body }) : await fetch('/app/site/picture.bin');
      const bytes = new Uint8Array(await response.arrayBuffer());
      const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
      return { status: response.status, text: app === 2 ? '' : new TextDecoder().decode(bytes), digest: [...digest].map((byte) => byte.toString(16).padStart(2, '0')).join('') };
    })), jobs);
    answers.forEach(({ status, text, digest }, index) => {
      assert.equal(status, 200, text);
      const { app, body } = jobs[index];
      if (app === 2) assert.equal(digest, sha256(picture));
      else assert.equal(JSON.parse(text).sha256, sha256(body));
    });
  });

  test('20 kills of the service worker under traffic: nothing hangs, nothing is wrong', async () => {
    const { page } = machine.gateway;
    await page.evaluate(() => {
      window.traffic = { stop: false, answers: [] };
      const one = async (path) => {
        while (!window.traffic.stop) {
          const start = performance.now();
          // A body that a kill cut off fails, as it has to.
          const outcome = await fetch(path).then(async (response) => ({ status: response.status, body: (await response.text()).length })).catch((error) => ({ failed: String(error) }));
          window.traffic.answers.push({ ...outcome, took: performance.now() - start });
        }
      };
      window.traffic.done = Promise.all(['/app/node/bytes?length=50000', '/app/site/other.html', '/app/python/x', '/app/node/rest?of=todos'].map(one));
    });
    for (let kill = 0; kill < 20; kill++) {
      await stopServiceWorkers(page);
      // The next one comes amid what has begun to be answered again.
      const before = await page.evaluate(() => window.traffic.answers.length);
      await page.waitForFunction((before) => window.traffic.answers.slice(before).some(({ status }) => status === 200), before, { polling: 50, timeout: 60_000 });
    }
    const answers = await page.evaluate(async () => {
      window.traffic.stop = true;
      await window.traffic.done;
      return window.traffic.answers;
    });
    assert.ok(answers.length >= 20, `${answers.length} answers`);
    const slowest = Math.max(...answers.map(({ took }) => took));
    assert.ok(slowest < 30_000, `one took ${slowest} ms`);
    const strange = answers.filter(({ status, failed }) => !failed && ![200, 502, 503, 504].includes(status));
    assert.deepEqual(strange, []);
    assert.equal((await machine.call('/app/node/json')).status, 200);
  });

  test('a request that the tab gives up is given up in the guest', async () => {
    await machine.gateway.page.evaluate(async () => {
      const controller = new AbortController();
      const response = await fetch('/app/node/forever?id=given-up', { signal: controller.signal });
      await response.body.getReader().read();
      controller.abort();
    });
    const deadline = Date.now() + 10_000;
    for (;;) {
      const { body } = await machine.call('/app/node/cancelled');
      if (JSON.parse(body).includes('given-up')) break;
      assert.ok(Date.now() < deadline, `the guest still answers: ${body}`);
      await machine.gateway.page.waitForTimeout(100);
    }
  });

  test('a WebSocket of an application\'s page', async () => {
    const tab = await machine.browser.newPage();
    await tab.goto(`${machine.gateway.url}/app/node/`);
    const heard = await tab.evaluate(() => new Promise((resolve, reject) => {
      const socket = new WebSocket(`${location.origin.replace('http', 'ws')}/app/node/socket`);
      socket.binaryType = 'arraybuffer';
      const heard = [];
      socket.onopen = () => { socket.send('hello'); socket.send(new Uint8Array(70_000).fill(7)); };
      socket.onmessage = ({ data }) => {
        heard.push(typeof data === 'string' ? data : `${data.byteLength} of ${new Uint8Array(data)[69_999]}`);
        if (heard.length === 2) socket.close(1000, 'enough');
      };
      socket.onclose = ({ code }) => resolve({ heard, code });
      socket.onerror = () => reject(new Error('the socket failed'));
    }));
    assert.deepEqual(heard, { heard: ['hello', '70000 of 7'], code: 1000 });
    await tab.close();
  });

  test('restarted: another process; crashed: a 502 with its last lines, then recovered', async () => {
    const before = JSON.parse((await machine.call('/app/node/json')).body).started;
    await machine.api('POST', '/apps/node/restart');
    const after = JSON.parse((await machine.call('/app/node/json')).body).started;
    assert.notEqual(before, after);
    const crashed = await machine.call('/app/python/crash');
    assert.equal(crashed.status, 502, crashed.body);
    assert.equal((await machine.call('/app/python/again')).status, 200);
    const logs = await machine.call('/gateway/apps/python/logs?tail=100');
    assert.match(logs.body, /about to end/);
  });

  test("what an application writes beside its files stays", async () => {
    assert.equal((await machine.call('/app/node/write?line=before')).status, 200);
    assert.equal((await machine.call('/app/node/kept')).body, 'before\n');
  });

  test('deployed anew, stopped, deleted', async () => {
    await machine.deploy('site', { 'index.html': '<p>second' }, settings.site);
    assert.match((await machine.call('/app/site/')).body, /second/);
    await machine.api('POST', '/apps/site/stop');
    assert.equal((await machine.until('site', 'stopped')).state, 'stopped');
    await machine.api('DELETE', '/apps/site');
    assert.equal((await machine.call('/app/site/')).status, 404);
  });
});
