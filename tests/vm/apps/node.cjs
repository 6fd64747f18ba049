// One server for what the tests ask of an application: every path is one behaviour.
const { createHash, randomBytes } = require('node:crypto');
const { createServer } = require('node:http');
const { appendFileSync, closeSync, fsyncSync, openSync, readFileSync, rmSync, writeSync } = require('node:fs');

const started = randomBytes(8).toString('hex');
const cancelled = [];

const read = async (request) => {
  const parts = [];
  for await (const part of request) parts.push(part);
  return Buffer.concat(parts);
};

const answers = {
  '/': (request, response) => response.setHeader('content-type', 'text/html').end('<!doctype html><html><head><title>node</title></head><body><a href="/next">next</a></body></html>'),
  '/json': (request, response) => response.setHeader('content-type', 'application/json').end(JSON.stringify({ started })),
  '/echo': async (request, response) => {
    const body = await read(request);
    response.setHeader('content-type', 'application/json').end(JSON.stringify({
      method: request.method, url: request.url, headers: request.headers, length: body.length, sha256: createHash('sha256').update(body).digest('hex'),
    }));
  },
  '/bytes': (request, response, url) => {
    const length = Number(url.searchParams.get('length'));
    const chunk = Buffer.alloc(16384, url.searchParams.get('fill') ?? 'x');
    let left = length;
    response.setHeader('content-length', length);
    const more = () => {
      while (left > 0) {
        const part = chunk.subarray(0, Math.min(left, chunk.length));
        left -= part.length;
        if (!response.write(part)) return response.once('drain', more);
      }
      response.end();
    };
    more();
  },
  '/sink': async (request, response) => {
    let length = 0;
    for await (const part of request) length += part.length;
    response.end(String(length));
  },
  '/forever': (request, response, url) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    const timer = setInterval(() => response.write(`data: ${Date.now()}\n\n`), 50);
    response.on('close', () => { clearInterval(timer); cancelled.push(url.searchParams.get('id')); });
  },
  '/cancelled': (request, response) => response.setHeader('content-type', 'application/json').end(JSON.stringify(cancelled)),
  '/crash': () => process.exit(3),
  '/cut': (request, response) => {
    response.writeHead(200, { 'content-length': '1000' });
    response.write('half');
    setTimeout(() => response.destroy(), 100);
  },
  '/cookie': (request, response) => response.setHeader('set-cookie', ['seen=yes; Path=/; HttpOnly', 'deep=1; Path=/echo']).end('set'),
  '/redirect': (request, response) => response.writeHead(302, { location: '/echo?from=redirect' }).end(),
  '/status': (request, response, url) => response.writeHead(Number(url.searchParams.get('of'))).end(),
  '/write': (request, response, url) => { appendFileSync('kept.txt', `${url.searchParams.get('line')}\n`); response.end('written'); },
  '/kept': (request, response) => response.end(readFileSync('kept.txt')),
  '/fill': (request, response, url) => {
    const file = openSync('filled', 'a');
    const chunk = randomBytes(1 << 20);
    let written = 0;
    let code;
    try {
      for (; written < Number(url.searchParams.get('mib')); written += 1) writeSync(file, chunk);
      fsyncSync(file);
    } catch (error) {
      ({ code } = error);
      console.error(`cannot write: ${error.message}`);
    } finally {
      closeSync(file);
    }
    response.setHeader('content-type', 'application/json').end(JSON.stringify({ written, code }));
  },
  '/empty': (request, response) => { rmSync('filled', { force: true }); response.end('empty'); },
  '/env': (request, response) => response.setHeader('content-type', 'application/json').end(JSON.stringify(process.env)),
  '/rest': async (request, response, url) => {
    const answer = await fetch(`${process.env.SUPABASE_URL}/rest/v1/${url.searchParams.get('of')}`, { headers: { apikey: process.env.SUPABASE_ANON_KEY, ...(request.headers.authorization && { authorization: request.headers.authorization }) } });
    response.writeHead(answer.status, { 'content-type': 'application/json' }).end(await answer.text());
  },
  '/flood': (request, response, url) => {
    // In one write: a call of console.log for each may be too slow to be a flood.
    const lines = Array.from({ length: Number(url.searchParams.get('lines')) }, (_, count) => `${count} ${'x'.repeat(20)}\n`);
    process.stdout.write(lines.join(''), () => response.end('flooded'));
  },
};

const server = createServer((request, response) => {
  const url = new URL(request.url, 'http://localhost');
  const answer = answers[url.pathname];
  if (!answer) return response.writeHead(404).end('no such path');
  Promise.resolve(answer(request, response, url)).catch((error) => response.headersSent ? response.destroy(error) : response.writeHead(500).end(String(error)));
});

server.on('upgrade', (request, socket) => {
  const accept = createHash('sha1').update(`${request.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
  socket.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`);
  let buffer = Buffer.alloc(0);
  socket.on('data', (data) => {
    buffer = Buffer.concat([buffer, data]);
    for (;;) {
      if (buffer.length < 6) return;
      let length = buffer[1] & 127;
      let at = 2;
      if (length === 126) { if (buffer.length < 8) return; length = buffer.readUInt16BE(2); at = 4; } else if (length === 127) { if (buffer.length < 14) return; length = Number(buffer.readBigUInt64BE(2)); at = 10; }
      if (buffer.length < at + 4 + length) return;
      const mask = buffer.subarray(at, at + 4);
      const payload = Buffer.from(buffer.subarray(at + 4, at + 4 + length)).map((byte, index) => byte ^ mask[index % 4]);
      const opcode = buffer[0] & 15;
      buffer = buffer.subarray(at + 4 + length);
      const head = payload.length < 126 ? Buffer.from([128 | opcode, payload.length]) : payload.length < 65536 ? Buffer.from([128 | opcode, 126, payload.length >> 8, payload.length & 255]) : (() => { const long = Buffer.alloc(10); long[0] = 128 | opcode; long[1] = 127; long.writeBigUInt64BE(BigInt(payload.length), 2); return long; })();
      socket.write(Buffer.concat([head, payload]));
      if (opcode === 8) return socket.end();
    }
  });
  socket.on('error', () => {});
});

if (process.env.LATE_MS) setTimeout(() => server.listen(Number(process.env.PORT)), Number(process.env.LATE_MS));
else server.listen(Number(process.env.PORT), () => console.log(`listening on ${process.env.PORT}`));
