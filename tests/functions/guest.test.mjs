// The guest's host of functions without a guest: the script that the agent runs, in this machine's Node, spoken to as the VM
// worker does.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync, readdirSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { build } from 'esbuild';

const root = path.join(import.meta.dirname, '../..');
const script = path.join(root, 'vm-bridge/guest/src/service/functions.cjs');
const hosts = [];
const complaints = [];
let runtime;

before(async () => {
  const options = { entryPoints: [path.join(root, 'static/src/functions/runtime/guest.ts')], bundle: true, write: false, platform: 'node', target: 'node20', format: 'cjs', logLevel: 'error' };
  runtime = (await build(options)).outputFiles[0].text;
});
after(() => {
  for (const child of hosts) child.kill('SIGKILL');
  // What it said of the head that is no JSON, and of nothing else.
  assert.deepEqual(complaints.join('').match(/^\w*Error.*$/gm), [`SyntaxError: Unexpected token 'o', "nope" is not valid JSON`]);
});

/** A host that takes calls from this address; where it listens. */
async function host(gateway = '127.0.0.1') {
  const listening = createServer();
  await new Promise((resolve) => listening.listen(0, '127.0.0.1', resolve));
  const { port } = listening.address();
  const child = spawn(process.execPath, [script, gateway], { stdio: [listening._handle, 'pipe', 'pipe'], env: { PATH: process.env.PATH, OF_THE_PROCESS: 'secret' } });
  hosts.push(child);
  child.stderr.setEncoding('utf8').on('data', (text) => complaints.push(text));
  const [ready] = await once(child.stdout, 'data');
  assert.equal(String(ready), 'ready\n');
  // From here on only the child hears calls.
  listening.close();
  return { port, child };
}

/** A connection: what it says is kept, and can be waited for. */
async function call({ port }) {
  const socket = connect(port, '127.0.0.1');
  const heard = [];
  let wake = () => {};
  let come = Buffer.alloc(0);
  let closed = false;
  socket.on('data', (piece) => {
    come = Buffer.concat([come, piece]);
    while (come.length >= 4 && come.length >= 4 + come.readUInt32LE(0)) {
      const whole = 4 + come.readUInt32LE(0);
      const head = 8 + come.readUInt32LE(4);
      heard.push({ ...JSON.parse(come.subarray(8, head)), bytes: Buffer.from(come.subarray(head, whole)) });
      come = come.subarray(whole);
    }
    wake();
  });
  socket.on('error', () => {});
  socket.on('close', () => { closed = true; wake(); });
  await once(socket, 'connect').catch(() => undefined);
  const tell = (message, bytes = Buffer.alloc(0)) => {
    const head = Buffer.from(JSON.stringify(message));
    const lengths = Buffer.alloc(8);
    lengths.writeUInt32LE(4 + head.length + bytes.length, 0);
    lengths.writeUInt32LE(head.length, 4);
    socket.write(Buffer.concat([lengths, head, bytes]));
  };
  const until = async (found) => {
    for (;;) {
      const one = heard.find(found);
      if (one) return one;
      assert.ok(!closed, `it is closed, and said ${JSON.stringify(heard)}`);
      await new Promise((resolve) => { wake = resolve; });
    }
  };
  const gone = async () => { while (!closed) await new Promise((resolve) => { wake = resolve; }); };
  return { socket, heard, tell, until, gone };
}

const nameOf = (packages) => createHash('sha256').update(packages).digest('base64');
const ready = ({ kind }) => kind === 'ready';
let ids = 0;

/** An isolate that is this function: the connection to its thread, and `host`, the one to the host. */
async function isolate(at, code, { memory = 64, cpu = 500, env = [], files = [], own = runtime, packages } = {}) {
  const host = await call(at);
  host.tell({ kind: 'hello', protocol: 3, runtime: `runtime of ${own.length}`, memory, cpu });
  host.tell({ kind: 'begin' });
  const { has, protocol } = await host.until(({ kind }) => kind === 'hello');
  assert.equal(protocol, 3);
  if (!has) host.tell({ kind: 'runtime' }, Buffer.from(own));
  const { port, packages: there } = await host.until(({ kind }) => kind === 'thread');
  const connection = await call({ port });
  const { tell, until } = connection;
  const source = Buffer.from(code);
  const name = packages && nameOf(packages);
  const carried = packages && !there.includes(name) ? Buffer.from(packages) : undefined;
  tell({ kind: 'boot', code: source.length, packages: packages && { name, code: carried?.length ?? null }, files: files.map(([name, bytes]) => [name, bytes.length]), env }, Buffer.concat([source, carried ?? Buffer.alloc(0), ...files.map(([, bytes]) => Buffer.from(bytes))]));
  /** Asks as the supervisor does, pinging meanwhile. */
  const ask = async (method = 'GET') => {
    await until(ready);
    const id = ids += 2;
    tell({ kind: 'request', id, method, url: 'http://gateway/f', headers: [], hasBody: false, upgrade: false });
    const pings = setInterval(() => host.tell({ kind: 'ping' }), 50);
    try {
      const gone = host.until(({ kind }) => kind === 'gone');
      const answered = until((said) => said.id === id && said.kind === 'response');
      // Whichever comes first; the other one's end is no failure.
      const head = await Promise.race([gone, answered.catch(() => gone)]);
      gone.catch(() => undefined);
      if (head.kind === 'gone') return head;
      await until((said) => said.id === id && said.kind === 'end');
      const text = Buffer.concat(connection.heard.filter((said) => said.id === id && said.kind === 'chunk').map(({ bytes }) => bytes)).toString();
      return { status: head.status, text };
    } finally {
      clearInterval(pings);
    }
  };
  return { ...connection, host, port, has, there, ask };
}

test('a thread is what it is told to be, with its own environment and files; the runtime is brought once', { timeout: 60_000 }, async () => {
  const at = await host();
  const code = `Deno.serve(async () => Response.json({ env: Deno.env.toObject(), file: await Deno.readTextFile('./a.txt'), own: ['process', 'require', 'global', 'module'].filter((name) => name in globalThis) }))`;
  const one = await isolate(at, code, { env: [['A', 'b']], files: [['a.txt', 'the file']] });
  assert.equal(one.has, false);
  assert.deepEqual(JSON.parse((await one.ask()).text), { env: { A: 'b' }, file: 'the file', own: [] });
  const two = await isolate(at, `Deno.serve(() => Response.json(Deno.env.toObject()))`, { env: [['C', 'd']] });
  assert.equal(two.has, true);
  assert.deepEqual(JSON.parse((await two.ask()).text), { C: 'd' });
  // Another build's runtime takes its place for whoever begins then.
  const three = await isolate(at, `Deno.serve(() => new Response('new'))`, { own: `${runtime}\n` });
  assert.equal(three.has, false);
  assert.equal((await three.ask()).text, 'new');
  assert.equal((await one.ask()).status, 200);
});

test('no two of them draw the same numbers, and none reaches a module of Node', { timeout: 60_000 }, async () => {
  const at = await host();
  const code = `Deno.serve(async () => Response.json([Math.random(), await import('node:net').then(() => 'reached', (error) => error.name), await (0, eval)("import('node:fs')").then(() => 'reached', (error) => error.name)]))`;
  const told = await Promise.all([1, 2, 3].map(async () => JSON.parse((await (await isolate(at, code)).ask()).text)));
  assert.equal(new Set(told.map(([number]) => number)).size, 3);
  for (const [, ...outcomes] of told) assert.deepEqual(outcomes, ['TypeError', 'TypeError']);
});

// To take the nice value back, which the agent lets the host do, takes root here.
test('threads are made in advance, and whoever makes a snapshot waits for them', { timeout: 60_000, skip: process.getuid() === 0 ? false : 'SKIPPED: not root' }, async () => {
  const at = await host();
  const one = await isolate(at, `Deno.serve(() => new Response('one'))`);
  assert.equal((await one.ask()).text, 'one');
  one.host.socket.destroy();
  const threads = () => readdirSync(`/proc/${at.child.pid}/task`);
  // Field 19 of its line is a thread's nice value; the second one, its name, may have spaces in it.
  const nice = (thread) => Number(readFileSync(`/proc/${at.child.pid}/task/${thread}/stat`, 'utf8').split(') ').at(-1).split(' ')[16]);
  const prepared = async () => {
    const { tell, until, socket } = await call(at);
    tell({ kind: 'hello', protocol: 3, runtime: `runtime of ${runtime.length}`, memory: 64, cpu: 500 });
    assert.equal((await until(({ kind }) => kind === 'hello')).has, true);
    tell({ kind: 'prepare' });
    await until(({ kind }) => kind === 'prepared');
    socket.destroy();
  };
  await prepared();
  const inAdvance = threads().filter((thread) => nice(thread) === 19);
  assert.equal(inAdvance.length, 6);
  const two = await isolate(at, `Deno.serve(() => new Response('two'))`, { memory: 256 });
  assert.equal((await two.ask()).text, 'two');
  const taken = inAdvance.filter((thread) => nice(thread) === 0);
  assert.equal(taken.length, 1, 'it is one of those, and has the processor as others have it');
  two.host.socket.destroy();
  // Its thread ends with its connection, and another one can be there in advance.
  while (threads().includes(taken[0])) await new Promise((resolve) => setTimeout(resolve, 20));
  await prepared();
  assert.equal(threads().filter((thread) => nice(thread) === 19).length, 6);
});

test('packages of the functions that ran last are compiled in advance; others come with their function', { timeout: 60_000 }, async () => {
  const at = await host();
  const packages = (word) => `const word = ${JSON.stringify(word)};\nfunction fail() { throw new Error(word) }\nexport { word, fail }`;
  const code = `import{word,fail}from"./packages-ABCD1234.js";Deno.serve(() => { try { fail() } catch (error) { return new Response(word + ' ' + error.stack.split('\\n')[1].trim()) } })`;
  /** As others are after it: what its thread had, and what it answers. */
  const ran = async (word) => {
    const one = await isolate(at, code, { memory: 256, packages: packages(word) });
    const { text } = await one.ask();
    // What its thread has told its host by then, the host has heard.
    one.host.tell({ kind: 'ping' });
    await one.host.until(({ kind }) => kind === 'pong');
    one.host.socket.destroy();
    return [one.there, text];
  };
  const answer = (word) => `${word} at fail (bundle/packages.js:2:25)`;
  const prepared = async () => {
    const { tell, until, socket } = await call(at);
    tell({ kind: 'hello', protocol: 3, runtime: `runtime of ${runtime.length}`, memory: 256, cpu: 500 });
    tell({ kind: 'prepare' });
    await until(({ kind }) => kind === 'prepared');
    socket.destroy();
  };
  const names = (...words) => words.map((word) => nameOf(packages(word)));
  assert.deepEqual(await ran('one'), [[], answer('one')]);
  await prepared();
  assert.deepEqual(await ran('one'), [names('one'), answer('one')]);
  assert.deepEqual(await ran('two'), [names('one'), answer('two')]);
  await prepared();
  // What is no module is kept for nobody.
  const broken = await isolate(at, code, { memory: 256, packages: 'export {' });
  assert.match((await broken.until(({ kind }) => kind === 'failed')).text, /SyntaxError/);
  broken.host.socket.destroy();
  assert.deepEqual(await ran('two'), [names('two', 'one'), answer('two')]);
  assert.deepEqual(await ran('three'), [names('two', 'one'), answer('three')]);
  await prepared();
  assert.deepEqual(await ran('one'), [names('three', 'two'), answer('one')]);
  // Another module than its packages is had by no function.
  const other = await isolate(at, `import 'node:fs'; Deno.serve(() => new Response())`, { packages: packages('four') });
  assert.match((await other.until(({ kind }) => kind === 'failed')).text, /Module not found "node:fs"/);
});

test('one that loops is ended for what it computes, one that leaks for its memory; others go on', { timeout: 120_000 }, async () => {
  const at = await host();
  const good = await isolate(at, `Deno.serve(() => new Response('fine'))`);
  assert.equal((await good.ask()).text, 'fine');
  const loops = await isolate(at, `Deno.serve((req) => { if (req.method === 'POST') for (;;); return new Response('not yet') })`);
  assert.equal((await loops.ask()).text, 'not yet');
  const looping = loops.ask('POST');
  assert.equal((await good.ask()).text, 'fine');
  assert.equal((await looping).reason, 'cpu');
  await Promise.all([loops.gone(), loops.host.gone()]);
  const leaks = await isolate(at, `const kept = []; Deno.serve(() => { setInterval(() => { for (let n = 0; n < 200_000; n++) kept.push({ n, of: [n] }) }, 1); return new Promise(() => {}) })`, { cpu: 60_000 });
  const leaking = leaks.ask();
  assert.equal((await good.ask()).text, 'fine');
  assert.equal((await leaking).reason, 'memory');
  const buffers = await isolate(at, `const kept = []; Deno.serve(() => { setInterval(() => kept.push(new Uint8Array(4 << 20).fill(1)), 5); return new Promise(() => {}) })`, { cpu: 60_000 });
  assert.equal((await buffers.ask()).reason, 'memory');
  assert.equal((await good.ask()).text, 'fine');
  assert.equal(at.child.exitCode, null);
});

test('one that waits is answered for and not ended', { timeout: 60_000 }, async () => {
  const at = await host();
  // It computes what it may not at once, with pauses.
  const works = await isolate(at, `const work = () => { const end = performance.now() + 200; while (performance.now() < end); return new Promise((resolve) => setTimeout(resolve, 60)) }
Deno.serve(async () => { for (let n = 0; n < 6; n++) await work(); return new Response('done') })`, { cpu: 400 });
  assert.equal((await works.ask()).text, 'done');
});

test('one that crashes, ends or is left ends its own connection, and the other way round', { timeout: 60_000 }, async () => {
  const at = await host();
  const crashes = await isolate(at, `throw new Error('at boot')`);
  assert.match((await crashes.until(({ kind }) => kind === 'failed')).text, /at boot/);
  const exits = await isolate(at, `Deno.serve(() => Deno.exit(3))`);
  assert.match((await exits.ask()).text, /Deno\.exit\(3\)/);
  await Promise.all([exits.gone(), exits.host.gone()]);
  const left = await isolate(at, `Deno.serve(() => new Response('here')); setInterval(() => console.log('alive'), 20)`);
  await left.until(({ kind, text }) => kind === 'log' && text === 'alive');
  left.host.socket.destroy();
  await left.gone();
  const alone = await isolate(at, `Deno.serve(() => new Response('here'))`);
  assert.equal((await alone.ask()).text, 'here');
  alone.socket.destroy();
  await alone.host.gone();
  const garbage = await call(at);
  garbage.socket.write(Buffer.alloc(64, 255));
  await garbage.gone();
  const noJson = await call(at);
  noJson.socket.write(Buffer.from([8, 0, 0, 0, 4, 0, 0, 0, ...Buffer.from('nope')]));
  await noJson.gone();
  const after = await isolate(at, `Deno.serve(() => new Response('still'))`);
  assert.equal((await after.ask()).text, 'still');
  assert.equal(at.child.exitCode, null);
});

test('a thread hears whoever calls it first, and nobody after; what is no frame ends it', { timeout: 60_000 }, async () => {
  const at = await host();
  const one = await isolate(at, `Deno.serve(() => new Response('one'))`);
  assert.equal((await one.ask()).text, 'one');
  const late = await call({ port: one.port });
  await late.gone();
  assert.deepEqual(late.heard, []);
  assert.equal((await one.ask()).text, 'one');
  one.socket.write(Buffer.alloc(64, 255));
  await Promise.all([one.gone(), one.host.gone()]);
  assert.equal(at.child.exitCode, null);
});

test('nobody but the gateway is heard', { timeout: 60_000 }, async () => {
  const stranger = await call(await host('10.0.2.2'));
  stranger.tell({ kind: 'hello', protocol: 3, runtime: 'x', memory: 64, cpu: 1000 });
  await stranger.gone();
  assert.deepEqual(stranger.heard, []);
});
