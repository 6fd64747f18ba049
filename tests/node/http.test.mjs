// HTTP between a server that is left running and clients of every kind: preflights, malformed requests, slow readers, clients
// that leave. One server takes it all, and is alive and silent at the end.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import net from 'node:net';
import { after, before, test } from 'node:test';
import { start } from './server.mjs';

const json = { 'content-type': 'application/json' };

/** Sends bytes as they are; everything that comes back until the server closes. */
async function raw(port, bytes) {
  const socket = net.connect(port, '127.0.0.1');
  socket.on('error', () => undefined);
  let said = '';
  socket.setEncoding('latin1').on('data', (text) => { said += text; });
  socket.write(Buffer.from(bytes, 'latin1'));
  await new Promise((resolve) => socket.once('close', resolve));
  return said;
}

/** A request on a connection of its own, which the test may drop or read slowly. */
function connection(server, target, { method = 'GET', key = server.keys.publishable, body, headers } = {}) {
  const request = http.request(new URL(target, server.url), { method, agent: false, headers: { apikey: key, ...(body && json), ...headers } });
  request.on('error', () => undefined);
  request.end(body);
  return request;
}

let server;
before(async () => {
  server = await start();
  await server.sql(`create table todos (id int primary key, title text); grant all on todos to anon;
    insert into todos select i, 'todo ' || i from generate_series(1, 1000) i;
    create table wide as select i as id, repeat(md5(i::text), 1600) as text from generate_series(1, 1000) i; grant all on wide to anon;
    create function busy(rows int) returns int language sql as $$ select count(*)::int from generate_series(1, rows) $$;`);
});
after(() => server?.end('SIGKILL'));

test('a preflight is granted on every route, served or not', async () => {
  for (const route of ['/rest/v1/todos', '/rest/v1/', '/rest/v1/rpc/busy', '/pg/query', '/health', '/graphql/v1', '/auth/v1/token', '/storage/v1/object/a/b', '/functions/v1/hello', '/realtime/v1/websocket', '/rest/v2/todos', '/other/rest/v1/todos']) {
    // fetch may not send these headers itself.
    const said = await raw(server.port, `OPTIONS ${route} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nOrigin: http://example.com\r\nAccess-Control-Request-Method: PATCH\r\nAccess-Control-Request-Headers: apikey, prefer, x-client-info\r\n\r\n`);
    assert.match(said, /^HTTP\/1\.1 200 /, route);
    assert.match(said, /^access-control-allow-origin: \*\r$/m, route);
    assert.match(said, /^access-control-allow-methods: .*PATCH/m, route);
    assert.match(said, /^access-control-allow-headers: .*apikey, prefer, x-client-info/m, route);
  }
  for (const [route, status, text] of [['/functions/v1/hello', 404, 'Function not found'], ['/realtime/v1/websocket', 501, '"message":"Realtime is not part of this gateway yet"']]) {
    const response = await server.fetch(route);
    assert.equal(response.status, status, route);
    assert.equal(response.headers.get('access-control-allow-origin'), '*', route);
    assert.ok((await response.text()).includes(text), route);
  }
});

test('HEAD has the headers of GET and no body', async () => {
  for (const route of ['/rest/v1/todos?limit=2', '/health', '/rest/v1/none', '/functions/v1/hello']) {
    const [head, get] = await Promise.all(['HEAD', 'GET'].map((method) => raw(server.port, `${method} ${route} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\napikey: ${server.keys.publishable}\r\nPrefer: count=exact\r\n\r\n`)));
    const [line, ...headers] = head.slice(0, head.indexOf('\r\n\r\n')).split('\r\n');
    assert.equal(line, get.split('\r\n')[0], route);
    assert.equal(head.slice(head.indexOf('\r\n\r\n')), '\r\n\r\n', `${route}: no body`);
    assert.ok(headers.some((header) => /^content-type: /i.test(header)), route);
  }
});

test('a project that this server does not have is refused', async () => {
  const response = await server.fetch('/other/rest/v1/todos');
  assert.deepEqual([response.status, (await response.json()).message], [404, 'There is no project other']);
});

test('malformed requests are answered, each with what it deserves', async () => {
  const host = 'Host: localhost\r\nConnection: close\r\n';
  const key = `apikey: ${server.keys.publishable}\r\n`;
  for (const [what, request, status] of [
    ['two slashes name no host', `GET //evil/health HTTP/1.1\r\n${host}\r\n`, 404],
    ['nor a port', `GET //evil:99999/x HTTP/1.1\r\n${host}\r\n`, 404],
    ['an address in full', `GET http://other.example/health HTTP/1.1\r\n${host}\r\n`, 200],
    ['with a user', `GET http://u:p@x/health HTTP/1.1\r\n${host}\r\n`, 200],
    ['of nothing', `GET http:// HTTP/1.1\r\n${host}\r\n`, 400],
    ['the server itself', `OPTIONS * HTTP/1.1\r\n${host}\r\n`, 404],
    ['a Host that is a path', 'GET /health HTTP/1.1\r\nHost: x/y?z#q@\r\nConnection: close\r\n\r\n', 200],
    ['a Host that is none', 'GET /health HTTP/1.1\r\nHost: a b<>[\r\nConnection: close\r\n\r\n', 400],
    ['an empty Host', 'GET /health HTTP/1.1\r\nHost:\r\nConnection: close\r\n\r\n', 200],
    ['no Host', 'GET /health HTTP/1.1\r\nConnection: close\r\n\r\n', 400],
    ['dots', `GET /a/../health HTTP/1.1\r\n${host}\r\n`, 200],
    ['no target', `GET  HTTP/1.1\r\n${host}\r\n`, 400],
    ['a percent sign', `GET /rest/v1/todos?title=%zz HTTP/1.1\r\n${host}${key}\r\n`, 400],
    ['a byte that is no UTF-8', `GET /rest/v1/%ff HTTP/1.1\r\n${host}${key}\r\n`, 404],
    ['raw bytes in the target', `GET /rest/v1/t\xff HTTP/1.1\r\n${host}\r\n`, 400],
    ['Latin-1 in a key', `GET /rest/v1/todos HTTP/1.1\r\n${host}apikey: \xff\xe9\r\n\r\n`, 401],
    ['Latin-1 in a preference', `GET /rest/v1/todos?limit=1 HTTP/1.1\r\n${host}${key}Prefer: \xe9\xff\r\n\r\n`, 200],
    ['a control byte in a header', `GET /health HTTP/1.1\r\n${host}x-a: a\x01b\r\n\r\n`, 400],
    ['a long target', `GET /rest/v1/todos?x=${'a'.repeat(70_000)} HTTP/1.1\r\n${host}${key}\r\n`, 414],
    ['a longer one', `GET /rest/v1/todos?x=${'a'.repeat(200_000)} HTTP/1.1\r\n${host}${key}\r\n`, 431],
    ['TRACE', `TRACE /health HTTP/1.1\r\n${host}\r\n`, 400],
    ['a method of WebDAV', `PROPFIND /rest/v1/todos HTTP/1.1\r\n${host}${key}\r\n`, 405],
    ['a method of nobody', `FOO /rest/v1/todos HTTP/1.1\r\n${host}\r\n`, 400],
    ['a body of GET', `GET /health HTTP/1.1\r\n${host}Content-Length: 5\r\n\r\nhello`, 200],
    ['a body without a key', `POST /pg/query HTTP/1.1\r\n${host}Content-Length: 2\r\n\r\n{}`, 401],
    ['which waits to be asked', `POST /pg/query HTTP/1.1\r\n${host}Expect: 100-continue\r\nContent-Length: 2\r\n\r\n{}`, 100],
    ['two lengths', `POST /rest/v1/todos HTTP/1.1\r\n${host}${key}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`, 400],
    ['a chunk without a size', `POST /rest/v1/todos HTTP/1.1\r\n${host}${key}Transfer-Encoding: chunked\r\n\r\nZZ\r\n`, 400],
    ['an upgrade', `GET /realtime/v1/websocket HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade, close\r\nUpgrade: websocket\r\n\r\n`, 501],
    ['no HTTP', '\x00\x01\x02\r\n\r\n', 400],
  ]) {
    const said = await raw(server.port, request);
    assert.equal(said.slice(0, 12), `HTTP/1.1 ${status}`, `${what}: ${said.slice(0, 200)}`);
  }
  // No answer at all is the only one that a tunnel gets.
  assert.equal(await raw(server.port, `CONNECT localhost:80 HTTP/1.1\r\n${host}\r\n`), '');
});

test('a client that leaves amid its body costs nothing', async () => {
  for (const key of [server.keys.publishable, 'wrong']) {
    const request = connection(server, '/rest/v1/todos', { method: 'POST', key, headers: { ...json, 'content-length': 1000 } });
    await once(request, 'socket');
    await new Promise((resolve) => request.socket.once('connect', resolve));
    request.write('[{"id":');
    await new Promise((resolve) => setImmediate(resolve));
    request.destroy();
  }
  assert.equal((await server.fetch('/rest/v1/todos?limit=1')).status, 200);
});

test('a body that is too large is 413, by its length or by its bytes', async () => {
  const large = 70 * 1024 * 1024;
  const whole = await server.fetch('/rest/v1/todos', { method: 'POST', headers: json, body: Buffer.alloc(large, 32) });
  assert.equal(whole.status, 413);
  assert.match((await whole.json()).message, /larger than \d+ bytes/);
  const piece = Buffer.alloc(1024 * 1024, 32);
  let left = 70;
  const stream = new ReadableStream({ pull: (controller) => (left-- > 0 ? controller.enqueue(piece) : controller.close()) });
  const streamed = await server.fetch('/rest/v1/todos', { method: 'POST', headers: json, body: stream, duplex: 'half' });
  assert.equal(streamed.status, 413);
  assert.equal((await server.fetch('/rest/v1/todos?limit=1')).status, 200);
});

test('one connection carries one request after the other', async () => {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  const ports = new Set();
  for (let at = 0; at < 50; at++) {
    const request = http.get(new URL(`/rest/v1/todos?id=eq.${at + 1}`, server.url), { agent, headers: { apikey: at % 10 === 9 ? 'wrong' : server.keys.publishable } });
    const [response] = await once(request, 'response');
    ports.add(response.socket.localPort);
    const text = (await response.toArray()).join('');
    if (at % 10 === 9) assert.equal(response.statusCode, 401);
    else assert.deepEqual(JSON.parse(text), [{ id: at + 1, title: `todo ${at + 1}` }]);
  }
  agent.destroy();
  assert.equal(ports.size, 1);
});

test('what is still being sent of a body that was answered without it is read, and the connection goes on', async (t) => {
  const socket = net.connect(server.port, '127.0.0.1');
  t.after(() => socket.destroy());
  let said = '';
  socket.setEncoding('utf8').on('data', (text) => { said += text; });
  const answers = async (count) => {
    while (said.split('HTTP/1.1 ').length <= count) {
      const closed = once(socket, 'close').then(() => { throw new Error(`the connection was closed after ${JSON.stringify(said)}`); });
      await Promise.race([once(socket, 'data'), closed]);
    }
  };
  const length = 3_000_000;
  socket.write(`POST /rest/v1/todos HTTP/1.1\r\nhost: localhost\r\napikey: wrong\r\ncontent-type: application/json\r\ncontent-length: ${length}\r\n\r\n[`);
  await answers(1);
  assert.match(said, /^HTTP\/1\.1 401 /);
  // The rest comes only now that the answer is here, in two pieces with a turn of the loop between them.
  socket.write(Buffer.alloc(length / 2, 32));
  await new Promise((resolve) => setImmediate(resolve));
  socket.write(Buffer.alloc(length / 2 - 1, 32));
  socket.write(`GET /rest/v1/todos?id=eq.1 HTTP/1.1\r\nhost: localhost\r\napikey: ${server.keys.publishable}\r\n\r\n`);
  await answers(2);
  assert.match(said, /HTTP\/1\.1 200 /);
});

test('400 requests at once are each answered with their own', async () => {
  await Promise.all(Array.from({ length: 400 }, async (_, at) => {
    const response = await server.fetch(`/rest/v1/todos?id=eq.${at + 1}&select=id`);
    assert.deepEqual([response.status, await response.json()], [200, [{ id: at + 1 }]]);
  }));
});

test('a client that leaves before its turn does not hold others up, and its write is dropped', async () => {
  const busy = server.fetch('/rest/v1/rpc/busy', { method: 'POST', headers: json, body: '{"rows":3000000}' });
  const leaving = [2001, 2002, 2003].map((id) => connection(server, '/rest/v1/todos', { method: 'POST', body: JSON.stringify({ id, title: 'left' }) }));
  // Their bodies are in the server's hands, or in its socket's, when they leave.
  await Promise.all(leaving.map((request) => once(request, 'finish')));
  for (const request of leaving) request.destroy();
  assert.equal(await (await busy).json(), 3_000_000);
  assert.deepEqual(await (await server.fetch('/rest/v1/todos?id=gt.2000')).json(), []);
});

test('50 MB go out as they are read: nobody waits for a slow reader, nor for one that left', async () => {
  const whole = await server.fetch('/rest/v1/wide?select=id,text');
  const size = (await whole.arrayBuffer()).byteLength;
  assert.ok(size > 50_000_000, `${size} bytes`);
  server.forgetPeak();
  const before = server.memory();
  const rounds = 16;
  for (let round = 0; round < rounds; round++) {
    const [response] = await once(connection(server, '/rest/v1/wide?select=id,text'), 'response');
    // Others are answered while this one is not read at all.
    response.pause();
    assert.equal((await server.fetch('/rest/v1/todos?limit=1')).status, 200);
    if (round % 4 === 3) {
      response.destroy();
      continue;
    }
    let read = 0;
    for await (const piece of response) {
      read += piece.length;
      // A turn of the event loop for each piece, which is slower than they come.
      await new Promise((resolve) => setImmediate(resolve));
    }
    assert.equal(read, size);
  }
  assert.equal((await server.fetch('/rest/v1/todos?limit=1')).status, 200);
  const { most } = server.memory();
  // Postgres hands an answer over whole, and a copy or two is under way; never one for each, which would be 800 MB.
  assert.ok(most - before.now < 500, `${before.now} MB before, ${most} MB at most`);
});

test('after all this the server has said nothing and ends as it should', async () => {
  assert.equal((await server.fetch('/health')).status, 200);
  assert.equal(server.said.stderr, '');
  const begin = performance.now();
  assert.equal(await server.end(), 0);
  assert.ok(performance.now() - begin < 5_000, 'idle connections do not hold it up');
});
