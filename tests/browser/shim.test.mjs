// The WebSocket of applications' pages, in a real Chromium. What answers it is written out by hand here; against an
// application in the VM it is tested in `apps.test.mjs`.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { launch } from './harness.mjs';

const shim = readFileSync(path.join(import.meta.dirname, '../../routes/src/apps/shim.js'), 'utf8');
let browser;
let server;

before(async () => {
  browser = await launch();
  server = createServer((_request, response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<!doctype html>'));
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
});
after(async () => {
  await browser?.close();
  server?.closeAllConnections();
  server?.close();
});

/** A page of an application with the shim in it; each tunnel it asks for is in `tunnels`. */
async function appPage(t) {
  const page = await browser.newPage();
  t.after(() => page.close());
  const { port } = server.address();
  await page.addInitScript(() => {
    window.tunnels = [];
    window.NativeWebSocket = WebSocket;
    const controller = { postMessage: (message) => window.tunnels.push(message) };
    Object.defineProperty(ServiceWorkerContainer.prototype, 'controller', { get: () => controller });
    /** Everything that a socket tells, in order. */
    window.watch = (socket) => {
      const told = [];
      for (const type of ['open', 'message', 'error', 'close']) {
        socket.addEventListener(type, (event) => {
          const { data, origin, code, reason, wasClean } = event;
          if (type === 'message') told.push(['message', data instanceof Blob ? 'blob' : data instanceof ArrayBuffer ? [...new Uint8Array(data)] : data, origin]);
          else if (type === 'close') told.push(['close', code, reason, wasClean, event instanceof CloseEvent, socket.readyState]);
          else told.push([type, socket.readyState]);
        });
      }
      return told;
    };
    /** What the other end of a tunnel hears from now on. */
    window.heard = (tunnel) => {
      const heard = [];
      tunnel.port.onmessage = ({ data }) => data.kind !== 'life' && heard.push(data.data instanceof ArrayBuffer ? { ...data, data: [...new Uint8Array(data.data)] } : data);
      return heard;
    };
    window.settled = () => new Promise((resolve) => setTimeout(resolve, 50));
  });
  await page.addInitScript(shim);
  await page.goto(`http://localhost:${port}/app/shop/cart?x=1`);
  return page;
}

test('it has the interface that the standard gives it', async (t) => {
  const page = await appPage(t);
  const found = await page.evaluate(() => {
    const own = Object.getOwnPropertyNames(NativeWebSocket.prototype).filter((name) => name !== 'constructor');
    const described = (target, name) => {
      const { get, set, value, enumerable } = Object.getOwnPropertyDescriptor(target, name) ?? {};
      return [name, Boolean(get), Boolean(set), typeof value, enumerable];
    };
    const socket = new WebSocket('/socket');
    return {
      native: own.map((name) => described(NativeWebSocket.prototype, name)).sort(),
      ours: own.map((name) => described(WebSocket.prototype, name)).sort(),
      statics: ['CONNECTING', 'OPEN', 'CLOSING', 'CLOSED'].map((name) => [WebSocket[name], NativeWebSocket[name]]),
      name: WebSocket.name,
      instances: [socket instanceof WebSocket, socket instanceof EventTarget, new NativeWebSocket('ws://localhost:9/') instanceof WebSocket, {} instanceof WebSocket, String(socket)],
      begins: [socket.readyState, socket.binaryType, socket.bufferedAmount, socket.protocol, socket.extensions, socket.onopen],
    };
  });
  assert.deepEqual(found.ours, found.native);
  assert.deepEqual(found.statics, [[0, 0], [1, 1], [2, 2], [3, 3]]);
  assert.equal(found.name, 'WebSocket');
  assert.deepEqual(found.instances, [true, true, true, false, '[object WebSocket]']);
  assert.deepEqual(found.begins, [0, 'blob', 0, '', '', null]);
});

test('sockets to this origin are tunnelled, and no others', async (t) => {
  const page = await appPage(t);
  const { port } = server.address();
  const cases = [
    ['socket', `ws://localhost:${port}/app/shop/socket`, '/app/shop/socket'],
    ['/socket?a=b', `ws://localhost:${port}/socket?a=b`, '/socket?a=b'],
    [`ws://localhost:${port}/app/shop/`, `ws://localhost:${port}/app/shop/`, '/app/shop/'],
    [`http://localhost:${port}/x`, `ws://localhost:${port}/x`, '/x'],
    [`ws://127.0.0.1:${port}/x`, `ws://127.0.0.1:${port}/x`, '/x'],
    ['ws://localhost:9/x', 'ws://localhost:9/x', undefined],
    ['ws://other.test/x', 'ws://other.test/x', undefined],
  ];
  for (const [given, url, target] of cases) {
    const found = await page.evaluate((given) => {
      tunnels.length = 0;
      const socket = new WebSocket(given, ['a', 'b']);
      const [tunnel] = tunnels;
      const found = [socket.url, tunnel?.url, tunnel?.kind, tunnel?.protocols];
      socket.close();
      return found;
    }, given);
    const tunnelled = target && [`http://localhost:${port}${target}`, 'tunnel', ['a', 'b']];
    assert.deepEqual(found, [url, ...(tunnelled ?? [undefined, undefined, undefined])], given);
  }
});

test('what the standard refuses is refused', async (t) => {
  const page = await appPage(t);
  const found = await page.evaluate(async () => {
    const refusal = (act) => { try { act(); return 'accepted'; } catch (error) { return error.name; } };
    const both = (act) => [refusal(() => act(WebSocket)), refusal(() => act(NativeWebSocket))];
    const closed = (code, reason) => both((Socket) => { const socket = new Socket('ws://localhost:9/'); socket.close(code, reason); });
    const ours = new WebSocket('/socket');
    return [
      both((Socket) => new Socket('ftp://localhost/')),
      both((Socket) => new Socket('/socket#fragment')),
      both((Socket) => new Socket('http://[')),
      both((Socket) => new Socket('/socket', ['a', 'a'])),
      both((Socket) => new Socket('/socket', 'not a token')),
      both((Socket) => Socket('/socket')),
      both((Socket) => new Socket('/socket').send('x')),
      closed(1001), closed(999), closed(5000), closed(1000), closed(3000), closed(4999), closed(), closed(1000, 'x'.repeat(124)), closed(1000, 'x'.repeat(123)),
      [refusal(() => ours.close(1001)), refusal(() => ours.close(1000, 'é'.repeat(62)))],
      [ours.readyState, 0],
    ];
  });
  for (const [ours, native] of found.slice(0, -2)) assert.equal(ours, native);
  assert.deepEqual(found.slice(-2), [['InvalidAccessError', 'SyntaxError'], [0, 0]]);
});

test('messages go both ways in order, and it closes cleanly', async (t) => {
  const page = await appPage(t);
  const { port } = server.address();
  const found = await page.evaluate(async () => {
    const socket = new WebSocket('/socket', 'chat');
    const told = watch(socket);
    const [tunnel] = tunnels;
    const heard = window.heard(tunnel);
    tunnel.port.postMessage({ kind: 'open', protocol: 'chat' });
    await settled();
    const bytes = new Uint8Array([1, 2, 3, 4]);
    socket.send('text');
    socket.send(new Blob(['blob']));
    socket.send(bytes.subarray(1, 3));
    socket.send(bytes.buffer);
    socket.send(7);
    const buffered = socket.bufferedAmount;
    bytes.fill(9);
    tunnel.port.postMessage({ kind: 'message', data: 'hello' });
    tunnel.port.postMessage({ kind: 'message', data: new Uint8Array([5]).buffer });
    await settled();
    socket.binaryType = 'arraybuffer';
    socket.binaryType = 'nonsense';
    tunnel.port.postMessage({ kind: 'message', data: new Uint8Array([6]).buffer });
    await settled();
    const emptied = socket.bufferedAmount;
    socket.close(4001, 'done');
    const closing = socket.readyState;
    socket.send('late');
    tunnel.port.postMessage({ kind: 'message', data: 'not heard any more' });
    tunnel.port.postMessage({ kind: 'close', code: 4001, reason: 'done', clean: true });
    await settled();
    return { told, heard, buffered, emptied, closing, protocol: socket.protocol, late: socket.bufferedAmount };
  });
  const origin = `ws://localhost:${port}`;
  assert.deepEqual(found.told, [
    ['open', 1],
    ['message', 'hello', origin], ['message', 'blob', origin], ['message', [6], origin],
    ['close', 4001, 'done', true, true, 3],
  ]);
  const text = (data) => ({ kind: 'message', data });
  assert.deepEqual(found.heard, [
    text('text'), text([...Buffer.from('blob')]), text([2, 3]), text([1, 2, 3, 4]), text('7'),
    { kind: 'close', code: 4001, reason: 'done' },
  ]);
  assert.deepEqual([found.buffered, found.emptied, found.closing, found.protocol, found.late], [4 + 4 + 2 + 4 + 1, 0, 2, 'chat', 4]);
});

test('a connection that fails, or breaks, says so', async (t) => {
  const page = await appPage(t);
  const found = await page.evaluate(async () => {
    const fails = new WebSocket('/1');
    const breaks = new WebSocket('/2');
    const dies = new WebSocket('/3');
    const given = new WebSocket('/4');
    const told = [fails, breaks, dies, given].map(watch);
    tunnels[0].port.postMessage({ kind: 'close', code: 1006, reason: 'no such app', clean: false });
    tunnels[1].port.postMessage({ kind: 'open', protocol: '' });
    tunnels[1].port.postMessage({ kind: 'close', code: 1011, reason: 'broken', clean: false });
    // The lock that the worker holds while it lives.
    const release = await new Promise((held) => navigator.locks.request('its life', () => new Promise(held)));
    tunnels[2].port.postMessage({ kind: 'open', protocol: '', life: 'its life' });
    await settled();
    release();
    given.close();
    await settled();
    return told;
  });
  assert.deepEqual(found, [
    [['error', 3], ['close', 1006, 'no such app', false, true, 3]],
    [['open', 1], ['error', 3], ['close', 1011, 'broken', false, true, 3]],
    [['open', 1], ['error', 3], ['close', 1006, '', false, true, 3]],
    [['error', 3], ['close', 1006, '', false, true, 3]],
  ]);
});

test('handlers keep their place among the listeners', async (t) => {
  const page = await appPage(t);
  const found = await page.evaluate(async () => {
    const socket = new WebSocket('/socket');
    const told = [];
    socket.addEventListener('close', () => told.push('first'));
    socket.onclose = () => told.push('replaced');
    socket.addEventListener('close', () => told.push('last'));
    socket.onclose = function () { told.push(this === socket ? 'handler' : 'another this'); };
    socket.onerror = () => told.push('never');
    socket.onerror = null;
    tunnels[0].port.postMessage({ kind: 'close', code: 1006, reason: '', clean: false });
    await settled();
    return [told, typeof socket.onclose, socket.onerror];
  });
  // HTML standard, "event handlers": the place is that of the first handler.
  assert.deepEqual(found, [['first', 'handler', 'last'], 'function', null]);
});

test('whoever is at the other end can hear of the death of the page', async (t) => {
  const page = await appPage(t);
  const [held, released] = await page.evaluate(async () => {
    new WebSocket('/socket');
    const life = await new Promise((said) => { tunnels[0].port.onmessage = ({ data }) => said(data.life); });
    const isHeld = async () => (await navigator.locks.query()).held.some(({ name }) => name === life);
    return [await isHeld(), life.startsWith('gateway:page:')];
  });
  assert.deepEqual([held, released], [true, true]);
});

test('a page that goes says so on every socket', async (t) => {
  const page = await appPage(t);
  const said = await page.evaluate(async () => {
    new WebSocket('/socket');
    const heard = window.heard(tunnels[0]);
    dispatchEvent(new PageTransitionEvent('pagehide', { persisted: false }));
    await settled();
    return heard;
  });
  assert.deepEqual(said, [{ kind: 'close', code: 1001, reason: '' }]);
});
