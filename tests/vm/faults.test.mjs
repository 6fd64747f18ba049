// What goes wrong in a guest: each has a clear error and leaves every other application running.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { launch, openGateway, serveDist } from '../browser/harness.mjs';
import { absent, openMachine, over, program } from './harness.mjs';

describe('applications that misbehave', { skip: absent, timeout: 900_000 }, () => {
  let machine;
  /** Another application answers, whatever went wrong. */
  const othersRun = async () => assert.equal((await machine.call('/app/other/json')).status, 200);
  before(async () => {
    machine = await openMachine();
    await machine.install('node');
    await machine.deploy('other', { 'server.cjs': program('node.cjs') }, { runtime: 'node', entry: 'server.cjs', start_deadline_s: 240 });
    assert.equal((await machine.call('/app/other/json')).status, 200);
  });
  after(() => machine?.close());

  test('one that never listens: 503 with its last lines, when its deadline is over', async () => {
    await machine.deploy('deaf', { 'run.sh': 'echo not listening\nsleep 1000\n' }, { runtime: 'command', command: ['/bin/sh', 'run.sh'], start_deadline_s: 3 });
    const answer = await machine.call('/app/deaf/');
    assert.equal(answer.status, 503, answer.body);
    assert.ok(Number(answer.headers['retry-after']) > 0);
    assert.match(answer.body, /not listening/);
    await othersRun();
  });

  test('one that listens late is waited for', async () => {
    await machine.deploy('late', { 'server.cjs': program('node.cjs') }, { runtime: 'node', entry: 'server.cjs', env: { LATE_MS: '5000' }, start_deadline_s: 240 });
    const answer = await machine.call('/app/late/json');
    assert.equal(answer.status, 200, answer.body);
    assert.ok(answer.took > 4_000, `${answer.took} ms`);
  });

  test('a navigation to one that is starting gets a page that shows so, and then the application', async () => {
    await machine.api('POST', '/apps/late/stop');
    const tab = await machine.browser.newPage();
    const first = await tab.goto(`${machine.gateway.url}/app/late/`);
    assert.equal(first.status(), 503);
    await tab.waitForFunction(() => document.title === 'node', undefined, { timeout: 60_000 });
    await tab.close();
  });

  test('one that ends while it starts: 502 with its last lines', async () => {
    await machine.deploy('broken', { 'server.cjs': 'console.error("cannot begin"); process.exit(7);' }, { runtime: 'node', entry: 'server.cjs', start_deadline_s: 240 });
    const answer = await machine.call('/app/broken/');
    assert.equal(answer.status, 502, answer.body);
    assert.match(answer.body, /cannot begin/);
    await othersRun();
  });

  test('broken HTTP is a 502, and the next answer is whole', async () => {
    await machine.deploy('raw', { 'raw.cjs': program('raw.cjs') }, { runtime: 'node', entry: 'raw.cjs', start_deadline_s: 240 });
    for (const path of ['garbage', 'length', 'nothing']) {
      const answer = await machine.call(`/app/raw/${path}`);
      assert.equal(answer.status, 502, `${path}: ${answer.body}`);
    }
    // Where the head came alone, the body fails; where the chunk came with it, all of it is refused.
    const cut = await machine.gateway.page.evaluate(() => fetch('/app/raw/chunk').then(async (response) => { await response.text(); return response.status; }, (error) => error.name).catch((error) => error.name));
    assert.ok(cut === 502 || cut === 'TypeError', String(cut));
    assert.equal((await machine.call('/app/raw/fine')).body, 'fine');
    await othersRun();
  });

  test('a body that ends too soon fails, and is not taken for whole', async () => {
    const cut = await machine.gateway.page.evaluate(() => fetch('/app/other/cut').then((response) => response.text()).then(() => 'whole', (error) => error.name));
    assert.equal(cut, 'TypeError');
    await othersRun();
  });

  test('a flood of lines is cut, and says so', async () => {
    assert.equal((await machine.call('/app/other/flood?lines=5000')).body, 'flooded');
    await othersRun();
    const logs = (await machine.call('/gateway/apps/other/logs?tail=1000')).body.trim().split('\n').map((line) => JSON.parse(line));
    assert.ok(logs.length <= 1000);
    assert.ok(logs.some(({ line, dropped }) => dropped > 0 || /dropped/.test(line ?? '')), JSON.stringify(logs.slice(-3)));
  });

  test('forks without end are refused to it alone', async () => {
    await machine.deploy('fork', { 'run.sh': 'while true; do (sleep 300 &) ; done\n' }, { runtime: 'command', command: ['/bin/sh', 'run.sh'], limits: { processes: 40 }, start_deadline_s: 5 });
    const answer = await machine.call('/app/fork/');
    assert.ok([502, 503].includes(answer.status), `${answer.status} ${answer.body}`);
    await othersRun();
    await machine.api('POST', '/apps/fork/stop');
    const left = await machine.shell("ps -e -o args= | grep -c '[s]leep 300'");
    assert.equal(left.stdout.trim(), '0');
  });

  test('memory beyond the limit ends it alone', async () => {
    const hog = 'const kept = []; setInterval(() => kept.push(Buffer.alloc(8 << 20, 1)), 20);';
    await machine.deploy('hog', { 'hog.cjs': hog }, { runtime: 'node', entry: 'hog.cjs', limits: { memory_mib: 96 }, start_deadline_s: 240 });
    const answer = await machine.call('/app/hog/');
    assert.equal(answer.status, 502, answer.body);
    assert.match(answer.body, /memory/i);
    await othersRun();
  });

  test('a bundle with a path that leads out is refused', async () => {
    for (const name of ['../evil', '/etc/evil', 'a/../../evil']) {
      await assert.rejects(machine.deploy('evil', { 'index.html': '', [name]: 'x' }, { runtime: 'static' }), ({ answer }) => answer.status === 400 && /path|name/i.test(answer.body));
    }
    await assert.rejects(machine.deploy('Not A Name', { 'index.html': '' }, { runtime: 'static' }), ({ answer }) => answer.status === 400);
  });
});

describe('an image that is damaged', { skip: absent, timeout: 300_000 }, () => {
  test('is refused, named, and fetched again', async (t) => {
    const browser = await launch();
    t.after(() => browser.close());
    const server = await serveDist();
    let damaged = 0;
    server.intercept((name) => (/\/vm\/[^/]+\.bin$/.test(name) ? { status: 200, body: `damaged ${damaged += 1}` } : undefined));
    const gateway = await openGateway(browser, { server });
    const machine = over(gateway);
    await machine.api('POST', '/vm/start');
    const deadline = Date.now() + 60_000;
    let status;
    do {
      status = await machine.api('GET', '/vm');
      assert.ok(Date.now() < deadline, JSON.stringify(status));
      await gateway.page.waitForTimeout(200);
    } while (status.state !== 'error');
    assert.match(status.error.message, /\.bin of the guest's image has wrong bytes/);
    assert.ok(damaged >= 2, 'fetched again once');
    server.intercept(undefined);
    await machine.api('POST', '/vm/restart');
    do {
      status = await machine.api('GET', '/vm');
      assert.ok(Date.now() < deadline + 60_000, JSON.stringify(status));
      await gateway.page.waitForTimeout(200);
    } while (status.state !== 'ready');
    await server.close();
  });
});
