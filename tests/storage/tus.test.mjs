// Uploads in pieces: the protocol by hand, then its clients, unmodified, against the real WASM.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { setTimeout as after } from 'node:timers/promises';
import Uppy from '@uppy/core';
import UppyTus from '@uppy/tus';
import * as tus from 'tus-js-client';
import { folder, start } from '../node/server.mjs';
import { bucket, bytes, download, info, token } from './files.mjs';

const path = '/storage/v1/upload/resumable';
const metadata = (fields) => Object.entries(fields).map(([name, value]) => `${name} ${Buffer.from(value).toString('base64')}`).join(',');

/** A request of the protocol; its answer with the body read. */
async function send(server, method, target, { key = server.keys.secret, headers = {}, ...init } = {}) {
  const given = Object.entries({ 'tus-resumable': '1.0.0', ...headers }).filter(([, value]) => value !== undefined);
  const answer = await server.fetch(target, { method, key, headers: Object.fromEntries(given), ...init });
  return { status: answer.status, text: await answer.text(), header: (name) => answer.headers.get(name) };
}

const create = (server, name, key, length, { headers, fields, ...init } = {}) => send(server, 'POST', path, {
  headers: { 'upload-length': String(length), 'upload-metadata': metadata({ bucketName: name, objectName: key, contentType: 'text/plain', ...fields }), ...headers }, ...init,
});
const piece = (server, location, offset, body, { headers, ...init } = {}) => send(server, 'PATCH', location, {
  headers: { 'upload-offset': String(offset), 'content-type': 'application/offset+octet-stream', ...headers }, body, ...init,
});

test('TUS', async (t) => {
  const server = await start(t);
  const name = await bucket(server);

  await t.test('says what it can', async () => {
    for (const target of [path, `${path}/x`, `${path}/sign`]) {
      const answer = await send(server, 'OPTIONS', target);
      assert.equal(answer.status, 204);
      assert.equal(answer.header('tus-version'), '1.0.0');
      assert.equal(answer.header('tus-resumable'), '1.0.0');
      assert.equal(answer.header('tus-max-size'), String(50 * 1024 * 1024));
      assert.equal(answer.header('tus-extension'), 'creation,creation-with-upload,creation-defer-length,termination,expiration');
    }
  });

  await t.test('takes pieces in their order, and makes an object of them', async () => {
    const created = await create(server, name, 'folder/hello.txt', 11, { fields: { cacheControl: '60', metadata: '{"a":1}' } });
    assert.equal(created.status, 201, created.text);
    const location = created.header('location');
    assert.match(location, /^\/storage\/v1\/upload\/resumable\/[\w-]+$/);
    assert.match(Buffer.from(location.split('/').at(-1), 'base64url').toString(), new RegExp(`^${name}/folder/hello.txt/[0-9a-f-]{36}$`));
    const day = Date.parse(created.header('upload-expires')) - Date.now();
    assert.ok(day > 86_300_000 && day <= 86_400_000, `${day}`);
    const begun = await send(server, 'HEAD', location);
    assert.deepEqual([begun.status, begun.header('upload-offset'), begun.header('upload-length'), begun.header('cache-control')], [200, '0', '11', 'no-store']);
    const first = await piece(server, location, 0, 'hello ');
    assert.deepEqual([first.status, first.header('upload-offset'), first.header('tus-complete')], [204, '6', null]);
    assert.equal((await piece(server, location, 0, 'hello ')).status, 409);
    assert.equal((await piece(server, location, 6, 'world and more')).status, 413);
    assert.equal((await server.fetch(`/storage/v1/object/authenticated/${name}/folder/hello.txt`, { key: server.keys.secret })).status, 400);
    const last = await piece(server, location, 6, 'world');
    assert.deepEqual([last.status, last.header('upload-offset'), last.header('tus-complete')], [204, '11', '1']);
    assert.equal((await download(server, name, 'folder/hello.txt')).toString(), 'hello world');
    const known = await info(server, name, 'folder/hello.txt');
    assert.deepEqual([known.size, known.content_type, known.cache_control, known.metadata], [11, 'text/plain', 'max-age=60', { a: 1 }]);
    assert.match(known.etag, /^"[0-9a-f]{32}-2"$/);
    // Whose last answer was lost asks how far it is, and cannot give up what is an object.
    assert.equal((await send(server, 'HEAD', location)).header('upload-offset'), '11');
    assert.equal((await send(server, 'DELETE', location, { headers: { 'x-upsert': 'true' } })).status, 400);
  });

  await t.test('refuses what is not the protocol', async () => {
    const { header } = await create(server, name, 'refused.txt', 5);
    const location = header('location');
    const rows = [
      [412, () => send(server, 'HEAD', location, { headers: { 'tus-resumable': undefined } })],
      [400, () => send(server, 'HEAD', location, { headers: { 'tus-resumable': '0.2.2' } })],
      [403, () => send(server, 'PATCH', location, { headers: { 'content-type': 'application/offset+octet-stream' }, body: 'x' })],
      [400, () => piece(server, location, 0, 'x', { headers: { 'content-type': 'text/plain' } })],
      [400, () => piece(server, location, -1, 'x')],
      [404, () => send(server, 'HEAD', `${path}/${Buffer.from(`${name}/refused.txt/0e5d9c36-5a3c-4c8a-9a3f-8a8a5d7b7c7d`).toString('base64url')}`)],
      [404, () => send(server, 'HEAD', `${path}/nonsense`)],
      [400, () => send(server, 'POST', path, { headers: { 'upload-length': '5' } })],
      [400, () => send(server, 'POST', path, { headers: { 'upload-metadata': metadata({ bucketName: name, objectName: 'x' }) } })],
      [400, () => create(server, name, 'a\\b', 5)],
      [404, () => create(server, 'nowhere', 'a', 5)],
      [413, () => create(server, name, 'large', 60 * 1024 * 1024)],
      [501, () => create(server, name, 'part', 5, { headers: { 'upload-concat': 'partial' } })],
      [400, () => server.fetch(path, { method: 'POST', headers: { apikey: 'nonsense', 'tus-resumable': '1.0.0', 'upload-length': '5', 'upload-metadata': metadata({ bucketName: name, objectName: 'x' }) } })],
    ];
    for (const [status, ask] of rows) assert.equal((await ask()).status, status, String(ask));
  });

  await t.test('keeps to the bucket', async () => {
    const small = await bucket(server, { file_size_limit: 10, allowed_mime_types: ['image/png'] });
    assert.equal((await create(server, small, 'a.png', 11, { fields: { contentType: 'image/png' } })).status, 413);
    assert.equal((await create(server, small, 'a.txt', 5)).status, 415);
    const deferred = await create(server, small, 'a.png', 0, { fields: { contentType: 'image/png' }, headers: { 'upload-length': undefined, 'upload-defer-length': '1' } });
    assert.equal(deferred.status, 201, deferred.text);
    const location = deferred.header('location');
    assert.equal((await send(server, 'HEAD', location)).header('upload-defer-length'), '1');
    assert.equal((await piece(server, location, 0, '12345678901')).status, 413);
    assert.equal((await piece(server, location, 0, '12345')).status, 204);
    assert.equal((await piece(server, location, 5, '67890', { headers: { 'upload-length': '10' } })).header('tus-complete'), '1');
    assert.equal((await download(server, small, 'a.png')).toString(), '1234567890');
  });

  await t.test('takes the first piece, or all of it, with the creation', async () => {
    const init = { headers: { 'content-type': 'application/offset+octet-stream' } };
    const part = await create(server, name, 'with.txt', 11, { ...init, body: 'hello ' });
    assert.deepEqual([part.status, part.header('upload-offset')], [201, '6']);
    assert.equal((await piece(server, part.header('location'), 6, 'world')).status, 204);
    const whole = await create(server, name, 'whole.txt', 5, { ...init, body: 'hello' });
    assert.deepEqual([whole.status, whole.header('upload-offset'), whole.header('tus-complete')], [201, '5', '1']);
    assert.equal((await create(server, name, 'empty.txt', 0)).status, 201);
    for (const [key, text] of [['with.txt', 'hello world'], ['whole.txt', 'hello'], ['empty.txt', '']]) {
      assert.equal((await download(server, name, key)).toString(), text);
    }
  });

  await t.test('gives up an upload, and replaces an object only where it may', async () => {
    const { header } = await create(server, name, 'given-up.txt', 5);
    assert.equal((await send(server, 'DELETE', header('location'))).status, 204);
    assert.equal((await send(server, 'HEAD', header('location'))).status, 404);
    const init = { headers: { 'content-type': 'application/offset+octet-stream' }, body: 'first' };
    await create(server, name, 'twice.txt', 5, init);
    const again = await create(server, name, 'twice.txt', 5, init);
    assert.deepEqual([again.status, again.text], [409, 'The resource already exists']);
    const replaced = await create(server, name, 'twice.txt', 6, { headers: { ...init.headers, 'x-upsert': 'true' }, body: 'second' });
    assert.equal(replaced.status, 201, replaced.text);
    assert.equal((await download(server, name, 'twice.txt')).toString(), 'second');
  });

  await t.test('lets one request at a time add to an upload', async () => {
    const content = bytes(200_000);
    const { header } = await create(server, name, 'locked.bin', content.length, { fields: { contentType: 'application/octet-stream' } });
    let release;
    const held = new Promise((resolve) => { release = resolve; });
    const slow = new ReadableStream({
      async start(controller) {
        controller.enqueue(content.subarray(0, 100_000));
        await held;
        controller.enqueue(content.subarray(100_000));
        controller.close();
      },
    });
    const first = piece(server, header('location'), 0, slow, { duplex: 'half' });
    let status = 204;
    // The first has its lock once its head was read; until then the second would be it.
    for (let tries = 0; status !== 423 && tries < 50; tries += 1) {
      await after(20);
      status = (await send(server, 'DELETE', `${header('location')}`, { headers: { 'x-upsert': 'true' } })).status;
      assert.ok([423].includes(status), `${status}`);
    }
    assert.equal(status, 423);
    release();
    assert.equal((await first).header('tus-complete'), '1');
    assert.ok((await download(server, name, 'locked.bin')).equals(content));
  });

  await t.test('asks the policies who may upload', async () => {
    await server.sql(`create policy "own folder" on storage.objects for insert to authenticated with check (bucket_id = '${name}' and (storage.foldername(name))[1] = auth.uid()::text)`);
    const user = token(server);
    const as = { key: server.keys.publishable, headers: { authorization: `Bearer ${user.jwt}` } };
    const refused = await create(server, name, 'elsewhere/a.txt', 5, as);
    assert.deepEqual([refused.status, refused.text], [403, 'new row violates row-level security policy']);
    assert.equal((await create(server, name, `${user.sub}/a.txt`, 5, { key: server.keys.publishable })).status, 403);
    const created = await create(server, name, `${user.sub}/a.txt`, 5, as);
    assert.equal(created.status, 201, created.text);
    const stranger = { key: server.keys.publishable, headers: { authorization: `Bearer ${token(server).jwt}` } };
    assert.equal((await piece(server, created.header('location'), 0, 'other', stranger)).status, 403);
    assert.equal((await piece(server, created.header('location'), 0, 'hello', as)).status, 204);
    const [[{ owner_id: owner }]] = [(await server.sql(`select owner_id from storage.objects where name = '${user.sub}/a.txt'`)).flatMap((part) => part.rows ?? part)];
    assert.equal(owner, user.sub);
  });

  await t.test('takes a signed address for its object and no other', async () => {
    const signed = await server.fetch(`/storage/v1/object/upload/sign/${name}/signed.txt`, { method: 'POST', key: server.keys.secret });
    const { token: signature } = await signed.json();
    const ask = (key, headers) => server.fetch(`${path}/sign`, {
      method: 'POST', key: '', headers: { 'tus-resumable': '1.0.0', 'upload-length': '5', 'upload-metadata': metadata({ bucketName: name, objectName: key }), ...headers },
    });
    assert.equal((await ask('signed.txt', {})).status, 400);
    assert.equal((await ask('other.txt', { 'x-signature': signature })).status, 400);
    assert.equal((await ask('signed.txt', { 'x-signature': `${signature}x` })).status, 400);
    const created = await ask('signed.txt', { 'x-signature': signature });
    assert.equal(created.status, 201, await created.text());
    const location = created.headers.get('location');
    assert.match(location, /\/resumable\/sign\/[\w-]+$/);
    const done = await piece(server, location, 0, 'hello', { key: '', headers: { 'x-signature': signature } });
    assert.equal(done.status, 204, done.text);
    assert.equal((await download(server, name, 'signed.txt')).toString(), 'hello');
  });

  await t.test('forgets an upload after a day', async () => {
    const { header } = await create(server, name, 'old.txt', 5);
    await server.sql(`update gateway.resumable_uploads set created_at = now() - interval '25 hours' where name = 'old.txt'`);
    assert.equal((await send(server, 'HEAD', header('location'))).status, 410);
    assert.equal((await piece(server, header('location'), 0, 'hello')).status, 410);
  });

  const options = (key, more) => ({
    endpoint: `${server.url}${path}`, headers: { authorization: `Bearer ${server.keys.service_role}`, 'x-upsert': 'true' },
    metadata: { bucketName: name, objectName: key, contentType: 'application/octet-stream', cacheControl: '3600' }, ...more,
  });

  await t.test('tus-js-client uploads in pieces', async () => {
    const content = bytes(3_000_000);
    await new Promise((resolve, reject) => {
      new tus.Upload(content, options('client.bin', { chunkSize: 1_000_000, onSuccess: resolve, onError: reject })).start();
    });
    assert.ok((await download(server, name, 'client.bin')).equals(content));
    assert.match((await info(server, name, 'client.bin')).etag, /-3"$/);
  });

  await t.test('tus-js-client goes on after it was stopped', async () => {
    const content = bytes(3_000_000, 7);
    const stopped = await new Promise((resolve, reject) => {
      const upload = new tus.Upload(content, options('resumed.bin', {
        chunkSize: 1_000_000, onError: reject, onSuccess: () => reject(new Error('it was not stopped')),
        onChunkComplete: () => upload.abort().then(() => resolve(upload), reject),
      }));
      upload.start();
    });
    const offsets = [];
    await new Promise((resolve, reject) => {
      new tus.Upload(content, options('resumed.bin', {
        chunkSize: 1_000_000, uploadUrl: stopped.url, onSuccess: resolve, onError: reject,
        onBeforeRequest: (request) => offsets.push(`${request.getMethod()} ${request.getHeader('Upload-Offset') ?? ''}`),
      })).start();
    });
    assert.deepEqual(offsets, ['HEAD ', 'PATCH 1000000', 'PATCH 2000000']);
    assert.ok((await download(server, name, 'resumed.bin')).equals(content));
  });

  await t.test("Uppy's plugin uploads", async () => {
    const content = bytes(1_500_000, 9);
    const uppy = new Uppy({ autoProceed: false }).use(UppyTus, {
      endpoint: `${server.url}${path}`, headers: { authorization: `Bearer ${server.keys.service_role}` }, chunkSize: 500_000,
      storeFingerprintForResuming: false, allowedMetaFields: ['bucketName', 'objectName', 'contentType', 'cacheControl'],
    });
    uppy.addFile({ name: 'uppy.bin', type: 'application/octet-stream', data: content, meta: { bucketName: name, objectName: 'uppy/a.bin', contentType: 'application/octet-stream' } });
    const result = await uppy.upload();
    assert.deepEqual(result.failed.map(({ error }) => error), []);
    assert.ok((await download(server, name, 'uppy/a.bin')).equals(content));
  });
});

test('an upload goes on after the server was killed', async (t) => {
  const data = folder(t);
  const content = bytes(2_500_000, 3);
  let server = await start(t, ['--data', data]);
  const name = await bucket(server);
  const { header } = await create(server, name, 'killed.bin', content.length);
  assert.equal((await piece(server, header('location'), 0, content.subarray(0, 1_000_000))).status, 204);
  // One piece more is on its way when the process ends.
  const cut = piece(server, header('location'), 1_000_000, new ReadableStream({ start: (controller) => controller.enqueue(content.subarray(1_000_000, 1_100_000)) }), { duplex: 'half' }).catch(() => undefined);
  await after(100);
  await server.end('SIGKILL');
  await cut;
  server = await start(t, ['--data', data]);
  assert.equal((await send(server, 'HEAD', header('location'))).header('upload-offset'), '1000000');
  assert.equal((await piece(server, header('location'), 1_000_000, content.subarray(1_000_000, 2_000_000))).status, 204);
  assert.equal((await piece(server, header('location'), 2_000_000, content.subarray(2_000_000))).header('tus-complete'), '1');
  assert.ok((await download(server, name, 'killed.bin')).equals(content));
});
