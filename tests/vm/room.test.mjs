// Disks without room: the guest's own, and what the browser gives the site for it. Whoever writes hears of it, everybody
// else goes on, and what was synced before is there.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, test } from 'node:test';
import { absent, openMachine, program } from './harness.mjs';

/** A machine with two applications, one of which wrote something that is synced. */
async function openTwo(t) {
  const machine = await openMachine();
  t.after(() => machine.close());
  await machine.install('node', 'nginx');
  await machine.deploy('writer', { 'server.cjs': program('node.cjs') }, { runtime: 'node', entry: 'server.cjs', start_deadline_s: 240 });
  await machine.deploy('other', { 'index.html': 'fine' }, { runtime: 'static' });
  for (const name of ['writer', 'other']) await machine.start(name);
  assert.equal((await machine.call('/app/writer/write?line=before')).status, 200);
  assert.equal((await machine.shell('sync')).exit, 0);
  const fill = async (mib) => {
    const answer = await machine.call(`/app/writer/fill?mib=${mib}`);
    assert.equal(answer.status, 200, answer.body);
    return JSON.parse(answer.body);
  };
  const othersRun = async () => {
    const answer = await machine.call('/app/other/');
    assert.deepEqual([answer.status, answer.body], [200, 'fine']);
  };
  return { machine, fill, othersRun };
}

describe('a disk without room', { skip: absent, timeout: 1_200_000 }, () => {
  test("the guest's own is full", async (t) => {
    const { machine, fill, othersRun } = await openTwo(t);
    const hog = await machine.shell('fallocate -l $(( $(df --output=avail -B1 /data | tail -n 1) - 8388608 )) /data/hog');
    assert.equal(hog.exit, 0, hog.stderr);
    const { written, code } = await fill(50);
    assert.equal(code, 'ENOSPC');
    assert.ok(written < 10, `${written} MiB`);
    await othersRun();
    const logs = await machine.call('/gateway/apps/writer/logs?tail=20');
    assert.match(logs.body, /cannot write: ENOSPC/);
    const { guest } = await machine.api('GET', '/vm');
    // What ext4 keeps for itself counts as free there.
    assert.ok(guest.disk_total - guest.disk_used < 32 << 20, JSON.stringify(guest));

    // An application that does not fit is refused in a sentence.
    await machine.deploy('large', { 'index.html': 'large', 'large.bin': randomBytes(20 << 20) }, { runtime: 'static' });
    const refused = await machine.call('/app/large/');
    assert.equal(refused.status, 507, refused.body);
    assert.match(refused.body, /disk is full/);
    await othersRun();
    assert.equal((await machine.call('/app/writer/kept')).body, 'before\n');
  });

  test("the site's room in the browser is used up", async (t) => {
    const { machine, fill, othersRun } = await openTwo(t);
    const { page, url } = machine.gateway;
    const session = await page.context().newCDPSession(page);
    const estimate = () => page.evaluate(() => navigator.storage.estimate());
    const { usage } = await estimate();
    t.diagnostic(`the site uses ${Math.round(usage / 2 ** 20)} MiB`);
    await session.send('Storage.overrideQuotaForOrigin', { origin: url, quotaSize: usage + 64 * 2 ** 20 });

    const { written, code } = await fill(600);
    assert.equal(code, 'ENOSPC', `${written} MiB written`);
    t.diagnostic(`the guest wrote ${written} MiB`);
    const status = await machine.api('GET', '/vm');
    assert.equal(status.state, 'ready', JSON.stringify(status));
    assert.equal(status.error.code, 'disk-full');
    assert.match(status.error.message, /no more room/);
    await othersRun();
    const logs = await machine.call('/gateway/apps/writer/logs?tail=20');
    assert.match(logs.body, /cannot write: ENOSPC/);
    // What it frees, it can fill again.
    assert.equal((await machine.call('/app/writer/empty')).status, 200);
    assert.deepEqual(await fill(5), { written: 5 });
    assert.equal((await machine.call('/app/writer/write?line=while+full')).status, 200);
    assert.equal((await machine.shell('sync')).exit, 0);

    // A machine that boots while there is no room has everything that was synced, and says so again.
    await machine.api('POST', '/vm/restart');
    const kept = await machine.call('/app/writer/kept');
    assert.deepEqual([kept.status, kept.body], [200, 'before\nwhile full\n']);
    await othersRun();
    assert.equal((await machine.api('GET', '/vm')).error.code, 'disk-full');

    await session.send('Storage.overrideQuotaForOrigin', { origin: url });
    const deadline = Date.now() + 30_000;
    while ((await machine.api('GET', '/vm')).error) {
      assert.ok(Date.now() < deadline, 'it goes on to say that there is no room');
      await page.waitForTimeout(500);
    }
    assert.deepEqual(await fill(300), { written: 300 });
    await othersRun();
  });
});
