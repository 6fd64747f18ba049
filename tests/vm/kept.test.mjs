// What outlives a reload, a crash of the tab and the browser itself.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { launch, openGateway, serveDist, stopServiceWorkers, temporaryProfile, untilReady } from '../browser/harness.mjs';
import { absent, over, program } from './harness.mjs';

describe('applications that are kept', { skip: absent, timeout: 1_800_000 }, () => {
  test('over a reload, a crash of the tab, and an end of the browser', async (t) => {
    const profile = temporaryProfile();
    const server = await serveDist();
    t.after(() => server.close());
    let browser = await launch({ profile });
    t.after(() => browser.close());
    let gateway = await openGateway(browser, { storage: 'auto', server });
    let machine = over(gateway);
    await machine.install('node');
    await machine.deploy('node', { 'server.cjs': program('node.cjs') }, { runtime: 'node', entry: 'server.cjs', autostart: true, start_deadline_s: 240 });
    const write = async (line) => assert.equal((await machine.call(`/app/node/write?line=${line}`)).status, 200);
    const kept = async () => {
      const answer = await machine.call('/app/node/kept');
      assert.equal(answer.status, 200, answer.body);
      return { lines: answer.body.trim().split('\n'), took: answer.took };
    };
    await write('first');
    await machine.shell('sync');

    await gateway.page.reload();
    await untilReady(gateway.page);
    const reloaded = await kept();
    assert.deepEqual(reloaded.lines, ['first']);
    t.diagnostic(`after a reload the application answered in ${Math.round(reloaded.took)} ms`);

    await write('second');
    await machine.shell('sync');
    const crashed = gateway.page.waitForEvent('crash');
    gateway.page.goto('chrome://crash').catch(() => undefined);
    await crashed;
    gateway = await openGateway(browser, { storage: 'auto', server });
    machine = over(gateway);
    assert.deepEqual((await kept()).lines, ['first', 'second']);

    await write('third');
    await machine.shell('sync');
    await browser.close();
    browser = await launch({ profile });
    gateway = await openGateway(browser, { storage: 'auto', server });
    machine = over(gateway);
    assert.deepEqual((await machine.api('GET', '/apps')).map(({ name }) => name), ['node']);
    assert.deepEqual((await kept()).lines, ['first', 'second', 'third']);
  });

  test('what was changed while the machine was off holds from its next start on, and what was removed is gone', async (t) => {
    const browser = await launch();
    t.after(() => browser.close());
    const gateway = await openGateway(browser);
    const machine = over(gateway);
    await machine.install('nginx');
    for (const name of ['changed', 'same', 'ended', 'removed']) {
      await machine.deploy(name, { 'index.html': name }, { runtime: 'static', autostart: true, start_deadline_s: 240, env: { SAID: 'before' } });
      await machine.start(name);
    }
    // A command beside an application has the environment that the application was started with.
    const said = async (name) => (await machine.shell('echo $SAID', name)).stdout.trim();
    assert.equal(await said('changed'), 'before');
    assert.equal((await machine.shell('echo secret > written', 'removed')).exit, 0);
    /** Whose files are on the guest's disk, and what was written beside them. */
    const onDisk = async () => {
      const { stdout, stderr } = await machine.shell('cd /data; ls -d apps/* roots/* trash/* 2>/dev/null; grep -rl ^secret apps roots');
      assert.equal(stderr, '');
      return stdout.trim().split('\n');
    };
    const all = ['changed', 'ended', 'removed', 'same'];
    const places = (names) => ['apps', 'roots'].flatMap((folder) => names.map((name) => `${folder}/${name}`));
    assert.deepEqual((await onDisk()).slice(0, 8), places(all));
    assert.ok((await onDisk()).length > 8, 'what it wrote is in a file');

    // Removed while the machine runs.
    await machine.deploy('brief', { 'run.sh': 'echo secret > written; sleep 1000' }, { runtime: 'command', command: ['/bin/sh', 'run.sh'], start_deadline_s: 1 });
    assert.equal((await machine.call('/app/brief/')).status, 503);
    assert.ok((await onDisk()).includes('apps/brief'));
    await machine.api('DELETE', '/apps/brief');
    assert.deepEqual((await onDisk()).slice(0, 8), places(all));

    await machine.api('POST', '/vm/stop');
    await machine.api('PATCH', '/apps/changed', { env: { SAID: 'after' } });
    await machine.api('PATCH', '/apps/ended', { autostart: false });
    await machine.api('DELETE', '/apps/removed');
    await machine.api('POST', '/vm/start');
    await machine.until('ended', 'stopped');
    for (const name of ['changed', 'same']) await machine.until(name, 'running');
    assert.deepEqual([await said('changed'), await said('same')], ['after', 'before']);
    for (const name of ['changed', 'same', 'ended']) assert.equal((await machine.call(`/app/${name}/`)).status, 200);
    assert.equal((await machine.call('/app/removed/')).status, 404);
    assert.deepEqual(await onDisk(), places(all.filter((name) => name !== 'removed')));
  });

  test('without the network, once the machine has run', async (t) => {
    const browser = await launch();
    t.after(() => browser.close());
    const server = await serveDist();
    const { port } = server;
    const gateway = await openGateway(browser, { storage: 'auto', server });
    const { page } = gateway;
    const machine = over(gateway);
    await machine.install('nginx');
    await machine.deploy('site', { 'index.html': 'as ever' }, { runtime: 'static', start_deadline_s: 240 });
    await machine.start('site');
    assert.equal((await machine.call('/app/site/')).body, 'as ever');
    await machine.shell('sync');
    const [worker] = browser.serviceWorkers();
    await worker.evaluate(() => self.keepFiles());
    await server.close();
    await stopServiceWorkers(page);

    await page.goto(`http://localhost:${port}/?storage=auto`);
    await untilReady(page);
    assert.equal((await machine.api('GET', '/vm')).state, 'unloaded');
    await machine.start('site');
    const kept = await machine.call('/app/site/');
    assert.deepEqual([kept.status, kept.body], [200, 'as ever']);
    const status = await machine.api('GET', '/vm');
    assert.deepEqual([status.state, status.from], ['ready', 'snapshot']);
    t.diagnostic(`without the network the machine booted in ${status.boot_ms} ms`);
  });
});
