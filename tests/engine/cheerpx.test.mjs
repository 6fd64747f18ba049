// CheerpX's part, against a stand-in: an engine that keeps to what is known of the real one, which no test can reach. It is
// built from the source, because nothing of it is in the Node host.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import * as esbuild from 'esbuild';

const folder = mkdtempSync(path.join(tmpdir(), 'cheerpx-'));
after(() => rmSync(folder, { recursive: true }));
const source = path.resolve(import.meta.dirname, '../../static/src/vm/cheerpx.ts');
await esbuild.build({ entryPoints: [source], bundle: true, format: 'esm', platform: 'node', outfile: path.join(folder, 'cheerpx.mjs'), logLevel: 'error' });
const { serveCheerpX } = await import(path.join(folder, 'cheerpx.mjs'));

/** The engine, as far as it is known. What its guest does is `guest(network)`. */
function standIn({ guest = () => new Promise(() => undefined), create = async () => undefined } = {}) {
  const made = {};
  return {
    made,
    HttpBytesDevice: { create: async (url) => ({ size: (await (await fetch(url)).arrayBuffer()).byteLength }) },
    IDBDevice: { create: async (name) => ({ name }) },
    OverlayDevice: { create: async (below, above) => ({ below, above }) },
    Linux: {
      async create({ mounts, networkInterface }) {
        await create();
        // Another object would be taken for the engine's own network, and ask for a login.
        assert.equal(networkInterface.netmapUpdateCb, undefined);
        made.mounts = mounts;
        await networkInterface.up();
        return {
          setCustomConsole: (write) => { made.write = write; },
          run: async (file, parameters, options) => {
            Object.assign(made, { file, parameters, options });
            return { status: (await guest(networkInterface, made)) ?? 0 };
          },
          delete: () => { made.deleted = true; },
        };
      },
    },
  };
}

/** A machine on a port, and what it tells. */
function machine(t, engine, { deadline = 5_000, load = async () => engine } = {}) {
  const { port1, port2 } = new MessageChannel();
  t.after(() => port1.close());
  serveCheerpX(port2, load);
  const heard = [];
  const waiting = [];
  port1.onmessage = ({ data }) => {
    heard.push(data);
    for (const look of waiting.splice(0)) look();
  };
  const next = async (kind) => {
    for (;;) {
      const at = heard.findIndex((message) => message.kind === kind);
      if (at >= 0) return heard.splice(at, 1)[0];
      await new Promise((resolve) => waiting.push(resolve));
    }
  };
  const layers = [{ name: 'base', contents: new Blob(['b'.repeat(10)]) }, { name: 'node', contents: new Blob(['n'.repeat(20)]) }];
  return {
    next,
    heard,
    post: (message) => port1.postMessage(message),
    create: () => port1.postMessage({ kind: 'create', deadline, disk: 'disk', layers, command: ['/sbin/agent', '--here'] }),
  };
}

const bytes = (text) => new TextEncoder().encode(text);
const string = (chunk) => new TextDecoder().decode(chunk);

test('a machine has the layers for its root and its mounts, and runs its first program', async (t) => {
  const engine = standIn({ guest: async (_network, { write }) => { write(bytes('hello\n'), 1); return 7; } });
  const { create, next } = machine(t, engine);
  create();
  await next('created');
  assert.equal(string((await next('console')).bytes), 'hello\n');
  assert.equal((await next('ended')).status, 7);
  const { mounts, file, parameters, options } = engine.made;
  assert.deepEqual(mounts.map(({ type, path: place }) => `${type} ${place}`), ['ext2 /', 'ext2 /layers/node', 'devs /dev', 'devpts /dev/pts', 'proc /proc', 'sys /sys']);
  assert.deepEqual([mounts[0].dev, mounts[1].dev], [{ below: { size: 10 }, above: { name: 'disk' } }, { size: 20 }]);
  assert.deepEqual([file, parameters, options.uid, options.cwd], ['/sbin/agent', ['/sbin/agent', '--here'], 0, '/']);
});

test('a package that does not load, or never does, is told of with the reason', async (t) => {
  const away = machine(t, undefined, { load: async () => { throw new TypeError('Failed to fetch dynamically imported module'); } });
  away.create();
  assert.deepEqual(await away.next('failed'), { kind: 'failed', loaded: false, text: 'Failed to fetch dynamically imported module' });
  const hung = machine(t, undefined, { load: () => new Promise(() => undefined), deadline: 20 });
  hung.create();
  assert.deepEqual(await hung.next('failed'), { kind: 'failed', loaded: false, text: 'Its package did not load within 0.02 s.' });
});

test('a machine that is refused, or never made, is told of', async (t) => {
  const refused = machine(t, standIn({ create: async () => { throw new Error('bad mount'); } }));
  refused.create();
  assert.deepEqual(await refused.next('failed'), { kind: 'failed', loaded: true, text: 'bad mount' });
  // As a bad mount makes it.
  const hung = machine(t, standIn({ create: () => new Promise(() => undefined) }), { deadline: 20 });
  hung.create();
  assert.deepEqual(await hung.next('failed'), { kind: 'failed', loaded: true, text: 'It did not make a machine within 0.02 s.' });
});

/** As a guest's echo server would do it. */
async function echo(network) {
  const { readable } = await new network.TCPServerSocket('0.0.0.0', { localPort: 80 }).opened;
  for await (const accepted of readable) {
    const opened = await accepted.opened;
    assert.equal(opened.remoteAddress, '10.0.2.2');
    void opened.readable.pipeTo(opened.writable).catch(() => undefined);
  }
}

test('a call reaches the guest\'s listener, within its credit, and ends when both ends have', async (t) => {
  const { create, post, next, heard } = machine(t, standIn({ guest: echo }));
  create();
  assert.deepEqual(await next('listening'), { kind: 'listening', port: 80 });
  post({ kind: 'call', stream: 2, port: 80 });
  post({ kind: 'send', stream: 2, bytes: bytes('hello world') });
  assert.deepEqual(await next('taken'), { kind: 'taken', stream: 2, count: 11 });
  // It may send nothing before it has credit.
  post({ kind: 'credit', stream: 2, count: 5 });
  assert.equal(string((await next('sent')).bytes), 'hello');
  assert.deepEqual(heard.filter(({ kind }) => kind === 'sent'), []);
  post({ kind: 'credit', stream: 2, count: 100 });
  assert.equal(string((await next('sent')).bytes), ' world');
  post({ kind: 'finish', stream: 2 });
  assert.deepEqual(await next('finished'), { kind: 'finished', stream: 2 });
  // Nobody listens there.
  post({ kind: 'call', stream: 4, port: 81 });
  assert.deepEqual(await next('reset'), { kind: 'reset', stream: 4 });
});

test('the guest calls out, is answered, refused, and hears of a reset', async (t) => {
  const said = [];
  const guest = async (network) => {
    // With `new` or without.
    const { readable, writable, remotePort } = await network.TCPSocket('localhost', 5173).opened;
    assert.equal(remotePort, 5173);
    const writer = writable.getWriter();
    await writer.write(bytes('GET'));
    await writer.close();
    for await (const chunk of readable) said.push(string(chunk));
    said.push(await new network.TCPSocket('example.org', 443).opened.then(() => 'opened', ({ name }) => name));
    const third = new network.TCPSocket('localhost', 5432);
    const reader = (await third.opened).readable.getReader();
    said.push(await reader.read().catch(({ message }) => message), await third.closed.catch(({ message }) => message));
    return 0;
  };
  const { create, post, next } = machine(t, standIn({ guest }));
  create();
  assert.deepEqual(await next('called'), { kind: 'called', stream: 1, host: 'localhost', port: 5173 });
  post({ kind: 'accept', stream: 1 });
  post({ kind: 'credit', stream: 1, count: 100 });
  assert.equal(string((await next('sent')).bytes), 'GET');
  await next('finished');
  post({ kind: 'send', stream: 1, bytes: bytes('200') });
  post({ kind: 'finish', stream: 1 });
  assert.deepEqual(await next('called'), { kind: 'called', stream: 3, host: 'example.org', port: 443 });
  post({ kind: 'refuse', stream: 3 });
  assert.deepEqual(await next('called'), { kind: 'called', stream: 5, host: 'localhost', port: 5432 });
  post({ kind: 'accept', stream: 5 });
  post({ kind: 'reset', stream: 5 });
  await next('ended');
  assert.deepEqual(said, ['200', 'NetworkError', 'The connection was reset.', 'The connection was reset.']);
});

test('a port is listened on once, until it is closed', async (t) => {
  const guest = async (network) => {
    const first = new network.TCPServerSocket('0.0.0.0', { localPort: 80 });
    await first.opened;
    await assert.rejects(new network.TCPServerSocket('0.0.0.0', { localPort: 80 }).opened, { name: 'InvalidStateError' });
    await first.close();
    await first.closed;
    await new network.TCPServerSocket('0.0.0.0', { localPort: 80 }).opened;
    const { writable } = await new network.UDPSocket({ localPort: 53 }).opened;
    await writable.getWriter().write({ data: bytes('lost'), remoteAddress: '10.0.2.2', remotePort: 53 });
    return 0;
  };
  const { create, next, heard } = machine(t, standIn({ guest }));
  create();
  await next('ended');
  assert.deepEqual(heard.filter(({ port }) => port).map(({ kind }) => kind), ['listening', 'silent', 'listening']);
});

test('a machine that is stopped is deleted', async (t) => {
  const engine = standIn();
  const { create, post, next } = machine(t, engine);
  create();
  await next('created');
  post({ kind: 'stop' });
  while (!engine.made.deleted) await new Promise((resolve) => setImmediate(resolve));
});
