// v86 in Node, on the image's own disks.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { machine, skip } from './harness.mjs';

const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex');
const read = 'echo sum $(sha256sum < /bin/bash)';

/** What the script says when nothing is wrong. */
let sum;
test('a guest boots and reads its disk', { skip }, async () => {
  let files = 0;
  const guest = machine({ script: read, host: (host) => { const { fetch } = host; host.fetch = (...asked) => { files += 1; return fetch(...asked); }; } });
  assert.equal(await guest.boot(), undefined);
  sum = await guest.line('sum');
  assert.match(sum, /^[0-9a-f]{64}  ?-$/);
  assert.ok(files < 120, `lazily: ${files} files`);
  await guest.stop();
});

test('a chunk with a wrong checksum is refused and fetched anew', { skip }, async () => {
  const asked = new Map();
  const guest = machine({
    script: read,
    host(host) {
      const { fetch } = host;
      host.fetch = async (name, fresh, ...rest) => {
        const bytes = await fetch(name, fresh, ...rest);
        asked.set(name, (asked.get(name) ?? 0) + 1);
        // Other bytes that unpack well, and bytes that do not.
        if (fresh || !name.startsWith('chunks/')) return bytes;
        return asked.size % 2 ? gzipSync(Buffer.alloc(262_144, 'x')) : bytes.subarray(0, bytes.length / 2);
      };
    },
  });
  await guest.boot();
  assert.equal(await guest.line('sum'), sum);
  for (const [name, times] of asked) if (name.startsWith('chunks/')) assert.equal(times, 2, name);
  assert.deepEqual(guest.heard.filter(({ word }) => word === 'stuck'), []);
  await guest.stop();
});

test('a guest waits for a file that cannot be had, and goes on', { skip }, async () => {
  let broken = true;
  const guest = machine({
    script: `echo ready; ${read}`,
    host(host) {
      const { fetch } = host;
      host.fetch = async (name, ...rest) => {
        const begun = guest.heard.some(({ value }) => value === 'ready');
        if (broken === true && begun && name.startsWith('chunks/')) throw new Error('the network is away');
        const bytes = await fetch(name, ...rest);
        return broken === 'wrong' && name.startsWith('chunks/') ? gzipSync(Buffer.alloc(262_144, 'x')) : bytes;
      };
    },
  });
  await guest.boot();
  assert.match(await guest.stuck(), /^The file chunks\/..\/[0-9a-f]{64}\.gz of the guest's image cannot be loaded: Error: the network is away$/);
  broken = 'wrong';
  guest.bare.resume();
  assert.match(await guest.stuck(), /^The file chunks\/..\/[0-9a-f]{64}\.gz of the guest's image has wrong bytes, also after it was loaded again$/);
  broken = false;
  guest.bare.resume();
  assert.equal(await guest.line('sum'), sum);
  await guest.stop();
});

const copy = 'dd if=/dev/sda of=/dev/sdb bs=1M skip=20 seek=300 count=8 conv=fsync 2> /dev/null';
const compare = 'echo $(dd if=/dev/sda bs=1M skip=20 count=8 2> /dev/null | sha256sum) $(dd if=/dev/sdb bs=1M skip=300 count=8 iflag=direct 2> /dev/null | sha256sum)';
const same = (sums) => { const [one, , other] = sums.split(/\s+/); assert.equal(one, other); assert.match(one, /^[0-9a-f]{64}$/); };

test('a guest whose disk has no room waits, and loses nothing', { skip }, async () => {
  let room = 2 * 1024 * 1024;
  const guest = machine({
    script: `${copy}; echo copied ${compare}`,
    host(host) {
      const { open } = host;
      host.open = async (name) => {
        const file = await open(name);
        return { ...file, write: (bytes, place) => { if (place.at + bytes.length > room) throw Object.assign(new Error('no room'), { code: 'ENOSPC' }); return file.write(bytes, place); } };
      };
    },
  });
  await guest.boot();
  const full = 'The browser gives this site no more room for the guest\'s disk: the guest waits until there is some';
  assert.equal(await guest.stuck(), full);
  guest.bare.resume();
  assert.equal(await guest.stuck(), full);
  room = Infinity;
  guest.bare.resume();
  same((await guest.line('copied')).replace(/^echo /, ''));
  await guest.stop();
});

test('what was written is there for the next machine', { skip }, async (t) => {
  const disk = mkdtempSync(path.join(tmpdir(), 'vm-'));
  t.after(() => rmSync(disk, { recursive: true }));
  const first = machine({ script: `${copy}; echo copied`, disk });
  await first.boot();
  await first.line('copied');
  await first.stop();
  const second = machine({ script: `echo found ${compare}`, disk });
  await second.boot();
  same((await second.line('found')).replace(/^echo /, ''));
  await second.stop();
});

test('a process that is killed while its guest writes keeps all that was synced', { skip }, async (t) => {
  const disk = mkdtempSync(path.join(tmpdir(), 'vm-'));
  t.after(() => rmSync(disk, { recursive: true }));
  let last = 0;
  for (let life = 0; life < 3; life += 1) {
    // Each block begins with its number; the next is written when the one before is durable.
    const script = `n=${last}; while n=$((n+1)); do printf %-4096d $n | dd of=/dev/sdb bs=4096 seek=$((100000+n)) conv=fsync 2> /dev/null; echo synced $n; done`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', `
      import { machine } from ${JSON.stringify(path.join(import.meta.dirname, 'harness.mjs'))};
      const guest = machine(${JSON.stringify({ script, disk })});
      await guest.boot();
      for (;;) console.log(await guest.line('synced'));
    `], { stdio: ['ignore', 'pipe', 'inherit'] });
    const ended = new Promise((resolve) => child.once('exit', resolve));
    const enough = last + 15 + 4 * life;
    for await (const chunk of child.stdout.setEncoding('utf8')) {
      for (const line of chunk.split('\n')) if (/^\d+$/.test(line)) last = Number(line);
      if (last >= enough) child.kill('SIGKILL');
    }
    await ended;
  }
  const found = machine({ script: `echo found $(echo $(dd if=/dev/sdb bs=4096 skip=100001 count=${last} 2> /dev/null))`, disk });
  await found.boot();
  assert.equal(await found.line('found'), Array.from({ length: last }, (_, at) => at + 1).join(' '));
  await found.stop();
});

test('a machine begins as another one was saved, without its disk', { skip }, async () => {
  const saved = machine({ script: 'n=0; while n=$((n+1)); do echo count $n; sleep 1; done' });
  await saved.boot();
  await saved.line('count 3');
  saved.bare.pause();
  const state = await saved.bare.save();
  const counted = Number(saved.heard.at(-1).value.slice('count '.length));
  // It goes on where it was, as if no time had passed.
  saved.bare.resume();
  assert.equal(await saved.line(`count ${counted + 1}`), '');
  await saved.stop();
  assert.ok(state.length < 64 * 1024 * 1024, `${state.length} bytes`);

  const packed = gzipSync(state);
  const offered = (bytes) => ({
    script: 'echo booted',
    manifest: (manifest) => manifest.snapshots.push({ memory: 256, layers: ['base'], path: 'saved.bin', bytes: packed.length, sha256: sha256(packed) }),
    host: (host) => { const { fetch } = host; host.fetch = async (name, ...rest) => (name === 'saved.bin' ? bytes : fetch(name, ...rest)); },
  });
  const other = machine(offered(packed));
  const begun = performance.now();
  assert.deepEqual(await other.boot(true), ['base']);
  await other.line(`count ${counted + 1}`);
  const took = performance.now() - begun;
  assert.ok(took < 10_000, `${took} ms`);
  await other.stop();

  // A state with wrong bytes, and one of another size of machine, are no reason not to boot.
  const damaged = machine(offered(packed.subarray(1)));
  assert.equal(await damaged.boot(true), undefined);
  await damaged.line('booted');
  await damaged.stop();
  const larger = machine(offered(packed));
  assert.equal(await larger.boot(true, 512), undefined);
  await larger.line('booted');
  await larger.stop();
});
