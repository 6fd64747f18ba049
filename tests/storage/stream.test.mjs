// Large files pass through: 200 MB up and down, with a memory that does not grow with them.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { folder } from '../node/server.mjs';
import { pattern, stack } from './stack.mjs';

const megabyte = 1024 * 1024;
const size = 200 * megabyte;

/** 200 MB that nobody holds at once, and their hash. */
function large() {
  const piece = pattern(megabyte);
  const hash = createHash('md5');
  let sent = 0;
  const body = new ReadableStream({
    pull(controller) {
      if (sent === size) return controller.close();
      const chunk = piece.slice();
      new DataView(chunk.buffer).setUint32(0, sent);
      hash.update(chunk);
      sent += chunk.length;
      controller.enqueue(chunk);
    },
  }, { highWaterMark: 0 });
  return { body, md5: () => hash.digest('hex') };
}

/** The same as a form, whose boundary its content does not have. */
function form(body) {
  const head = new TextEncoder().encode('--boundary\r\nContent-Disposition: form-data; name="cacheControl"\r\n\r\n3600\r\n--boundary\r\nContent-Disposition: form-data; name=""; filename="blob"\r\nContent-Type: text/plain\r\n\r\n');
  const tail = new TextEncoder().encode('\r\n--boundary--\r\n');
  return body.pipeThrough(new TransformStream({
    start: (controller) => controller.enqueue(head),
    flush: (controller) => controller.enqueue(tail),
  }));
}

test('200 MB up and down in bounded memory', async (t) => {
  const directory = folder(t);
  const config = path.join(directory, 'gateway.conf');
  writeFileSync(config, 'storage.file_size_limit = "1GB"\n');
  const project = await stack(t, ['--data', path.join(directory, 'data'), '--config', config]);
  const { storage, ask } = project;
  const id = await project.bucket();
  // What is loaded lazily is loaded before it is measured.
  await ask(`/object/${id}/warm`, { method: 'POST', body: pattern(3 * megabyte), headers: { 'content-type': 'text/plain' } });
  await (await storage(`/object/${id}/warm`)).arrayBuffer();
  project.forgetPeak();
  const before = project.memory().most;

  for (const [name, wrap, type] of [['raw', (body) => body, 'text/plain'], ['form', form, 'multipart/form-data; boundary=boundary']]) {
    const { body, md5 } = large();
    const { status, body: answer } = await ask(`/object/${id}/${name}`, { method: 'POST', body: wrap(body), duplex: 'half', headers: { 'content-type': type } });
    assert.equal(status, 200, JSON.stringify(answer));
    const sent = md5();
    const info = (await ask(`/object/info/${id}/${name}`)).body;
    assert.deepEqual([info.size, info.etag], [size, `"${sent}"`]);
    const response = await storage(`/object/${id}/${name}`);
    assert.equal(response.headers.get('content-length'), String(size));
    const hash = createHash('md5');
    for await (const chunk of response.body) hash.update(chunk);
    assert.equal(hash.digest('hex'), sent);
  }
  const grown = project.memory().most - before;
  t.diagnostic(`resident memory grew by ${grown} MB at most`);
  assert.ok(grown < 120, `${grown} MB`);

  // A part of it is read without the rest.
  const begin = performance.now();
  for (let index = 0; index < 50; index++) {
    const from = size - 10 - index * megabyte;
    const response = await storage(`/object/${id}/raw`, { headers: { range: `bytes=${from}-${from + 9}` } });
    assert.equal((await response.arrayBuffer()).byteLength, 10);
  }
  const each = (performance.now() - begin) / 50;
  t.diagnostic(`ten bytes from the end of 200 MB: ${each.toFixed(1)} ms`);
  assert.ok(each < 200, `${each} ms`);

  // Who goes away in the middle of an upload leaves nothing.
  const files = () => readdirSync(path.join(directory, 'data/storage'));
  const known = files().length;
  const gone = new AbortController();
  const { body } = large();
  let pieces = 0;
  const leaving = body.pipeThrough(new TransformStream({
    transform(chunk, controller) {
      if (++pieces === 20) gone.abort();
      controller.enqueue(chunk);
    },
  }));
  await assert.rejects(storage(`/object/${id}/gone`, { method: 'POST', body: leaving, duplex: 'half', signal: gone.signal, headers: { 'content-type': 'text/plain' } }));
  while (files().length > known) await new Promise(setImmediate);
  assert.equal((await ask(`/object/${id}/gone`)).body.code, 'NoSuchKey');

  // One that is too large is refused before it is there.
  const small = await project.bucket({ file_size_limit: '1mb' });
  const refused = await ask(`/object/${small}/x`, { method: 'POST', body: large().body, duplex: 'half', headers: { 'content-type': 'text/plain' } }).catch((error) => error);
  // The connection may be cut while the client still sends.
  if (!(refused instanceof Error)) assert.equal(refused.body.statusCode, '413');
  while (files().length > known) await new Promise(setImmediate);
});
