// Uploads in pieces, the S3 protocol and scaled pictures in Chromium: tus-js-client, Uppy and Amazon's client from npm,
// unmodified, in the page, through the service worker, to the browser's own files.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { build } from 'esbuild';
import { launch, openGateway, stopServiceWorkers, untilReady } from './harness.mjs';

const entry = `
  import Uppy from '@uppy/core';
  import UppyTus from '@uppy/tus';
  import * as tus from 'tus-js-client';
  import * as s3 from '@aws-sdk/client-s3';
  import { Upload } from '@aws-sdk/lib-storage';
  import { createPresignedPost } from '@aws-sdk/s3-presigned-post';
  import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
  Object.assign(window, { Uppy, UppyTus, tus, s3, Upload, createPresignedPost, getSignedUrl });
  window.prepare = (keys) => {
    const headers = { apikey: keys.secret, authorization: 'Bearer ' + keys.service_role };
    window.ask = (path, init) => fetch('/storage/v1' + path, { ...init, headers: { ...headers, ...init?.headers } });
    window.options = (objectName, more) => ({
      endpoint: location.origin + '/storage/v1/upload/resumable', headers: { authorization: headers.authorization, 'x-upsert': 'true' }, chunkSize: 1_000_000,
      metadata: { bucketName: 'files', objectName, contentType: 'application/octet-stream', cacheControl: '3600' }, ...more,
    });
    window.clientWith = (secretAccessKey) => new s3.S3Client({
      endpoint: location.origin + '/storage/v1/s3', region: 'local', forcePathStyle: true, maxAttempts: 1,
      credentials: { accessKeyId: keys.s3_access_key_id, secretAccessKey },
    });
    window.client = clientWith(keys.s3_secret_access_key);
    window.send = (name, input = {}) => client.send(new s3[name + 'Command'](input));
  };
  // Bytes that are never the same at two places.
  window.bytes = (size, seed = 1) => {
    const words = new Uint32Array(Math.ceil(size / 4));
    for (let index = 0, state = seed; index < words.length; index += 1) words[index] = state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return new Uint8Array(words.buffer, 0, size);
  };
  window.same = async (path, content) => {
    const answer = await ask('/object/authenticated/files/' + path);
    if (!answer.ok) throw new Error(await answer.text());
    const got = new Uint8Array(await answer.arrayBuffer());
    return got.length === content.length && got.every((byte, index) => byte === content[index]);
  };`;

let browser, gateway, script;
before(async () => {
  browser = await launch();
  gateway = await openGateway(browser, { storage: 'auto' });
  assert.equal(gateway.status.storage.kind, 'opfs');
  const bundle = await build({ stdin: { contents: entry, resolveDir: import.meta.dirname }, bundle: true, write: false, format: 'iife', platform: 'browser', define: { global: 'globalThis' } });
  script = bundle.outputFiles[0].text;
  await prepare();
  for (const [name, open] of [['files', false], ['pictures', true]]) {
    const status = await gateway.page.evaluate(async ([name, open]) => (await ask('/bucket', { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ name, public: open }) })).status, [name, open]);
    assert.equal(status, 200);
  }
});
after(async () => { await gateway?.close(); await browser?.close(); });

async function prepare() {
  await gateway.page.evaluate(script);
  await gateway.page.evaluate((keys) => prepare(keys), gateway.keys);
}
const run = (work, argument) => gateway.page.evaluate(work, argument);

test('tus-js-client uploads a file in pieces and says how far it is', async () => {
  const { same, progress } = await run(async () => {
    const content = bytes(3_500_000);
    const progress = [];
    await new Promise((resolve, reject) => {
      new tus.Upload(new File([content], 'a.bin'), options('tus/a.bin', { onSuccess: resolve, onError: reject, onChunkComplete: (_size, done) => progress.push(done) })).start();
    });
    return { same: await window.same('tus/a.bin', content), progress };
  });
  assert.deepEqual([same, progress], [true, [1_000_000, 2_000_000, 3_000_000, 3_500_000]]);
});

test('tus-js-client goes on after the service worker was killed and the page reloaded', async () => {
  await run(() => new Promise((resolve, reject) => {
    const content = bytes(3_500_000, 7);
    const upload = new tus.Upload(new File([content], 'b.bin', { lastModified: 1 }), options('tus/b.bin', {
      onError: reject, onSuccess: () => reject(new Error('it was not stopped')),
      onChunkComplete: () => upload.abort().then(resolve, reject),
    }));
    upload.start();
  }));
  await stopServiceWorkers(gateway.page);
  await gateway.page.reload();
  await untilReady(gateway.page);
  await prepare();
  const { same, asked } = await run(async () => {
    const content = bytes(3_500_000, 7);
    const asked = [];
    await new Promise((resolve, reject) => {
      const upload = new tus.Upload(new File([content], 'b.bin', { lastModified: 1 }), options('tus/b.bin', {
        onSuccess: resolve, onError: reject, onBeforeRequest: (request) => asked.push((request.getMethod() + ' ' + (request.getHeader('Upload-Offset') ?? '')).trim()),
      }));
      upload.findPreviousUploads().then(([previous]) => { upload.resumeFromPreviousUpload(previous); upload.start(); }, reject);
    });
    return { same: await window.same('tus/b.bin', content), asked };
  });
  assert.deepEqual([same, asked], [true, ['HEAD', 'PATCH 1000000', 'PATCH 2000000', 'PATCH 3000000']]);
});

test('tus-js-client tries again when the service worker is killed under it', async () => {
  const done = run(async () => {
    const content = bytes(6_000_000, 11);
    await new Promise((resolve, reject) => {
      new tus.Upload(new File([content], 'c.bin'), options('tus/c.bin', { chunkSize: 500_000, retryDelays: [0, 200, 1000, 3000, 5000], onSuccess: resolve, onError: reject })).start();
    });
    return window.same('tus/c.bin', content);
  });
  for (let kill = 0; kill < 3; kill += 1) await stopServiceWorkers(gateway.page);
  assert.equal(await done, true);
});

test("Uppy's plugin uploads", async () => {
  const { same, failed } = await run(async () => {
    const content = bytes(1_500_000, 9);
    const { headers, endpoint } = options('');
    const uppy = new Uppy().use(UppyTus, { endpoint, headers, chunkSize: 500_000, allowedMetaFields: ['bucketName', 'objectName', 'contentType', 'cacheControl'] });
    uppy.addFile({ name: 'uppy.bin', type: 'application/octet-stream', data: new File([content], 'uppy.bin'), meta: { bucketName: 'files', objectName: 'uppy/a.bin', contentType: 'application/octet-stream' } });
    const { failed } = await uppy.upload();
    return { same: await window.same('uppy/a.bin', content), failed: failed.map(({ error }) => String(error)) };
  });
  assert.deepEqual([failed, same], [[], true]);
});

test("Amazon's client: objects, parts of them, lists, copies, deletion", async () => {
  const seen = await run(async () => {
    const [Bucket, Key, content] = ['files', "s3/test!$&'() *+,;=@ing.bin", bytes(300_000)];
    await send('PutObject', { Bucket, Key, Body: content, ContentType: 'text/plain', Metadata: { one: '1' } });
    const got = await send('GetObject', { Bucket, Key });
    const whole = await got.Body.transformToByteArray();
    const part = await send('GetObject', { Bucket, Key, Range: 'bytes=4-7' });
    const head = await send('HeadObject', { Bucket, Key });
    await send('CopyObject', { Bucket, Key: 's3/copy.bin', CopySource: Bucket + '/' + encodeURIComponent(Key) });
    const listed = await send('ListObjectsV2', { Bucket, Prefix: 's3/' });
    const removed = await send('DeleteObjects', { Bucket, Delete: { Objects: listed.Contents.map(({ Key }) => ({ Key })) } });
    const missing = await send('GetObject', { Bucket, Key }).catch((error) => [error.name, error.$metadata.httpStatusCode]);
    return {
      whole: whole.every((byte, index) => byte === content[index]) && whole.length === content.length, type: got.ContentType, metadata: head.Metadata, length: head.ContentLength,
      part: [...await part.Body.transformToByteArray()].join() === [...content.subarray(4, 8)].join(), range: part.ContentRange,
      listed: listed.Contents.map(({ Key }) => Key), removed: removed.Deleted.length, missing,
    };
  });
  assert.deepEqual(seen, {
    whole: true, type: 'text/plain', metadata: { one: '1' }, length: 300_000, part: true, range: 'bytes 4-7/300000',
    listed: ['s3/copy.bin', "s3/test!$&'() *+,;=@ing.bin"], removed: 2, missing: ['NoSuchKey', 404],
  });
});

test("Amazon's client: many parts, a signed address, a form, no other key", async () => {
  const seen = await run(async () => {
    const [Bucket, content] = ['files', bytes(11_000_000, 5)];
    const progress = [];
    const upload = new Upload({ client, params: { Bucket, Key: 's3/parts.bin', Body: new Blob([content]) }, partSize: 5 * 1024 * 1024 });
    upload.on('httpUploadProgress', ({ loaded }) => progress.push(loaded));
    await upload.done();
    const parts = await window.same('s3/parts.bin', content);
    const url = await getSignedUrl(client, new s3.PutObjectCommand({ Bucket, Key: 's3/signed.txt', ContentType: 'text/plain' }), { expiresIn: 60 });
    const put = await fetch(url, { method: 'PUT', headers: { 'content-type': 'text/plain' }, body: 'by its address' });
    const read = await fetch(await getSignedUrl(client, new s3.GetObjectCommand({ Bucket, Key: 's3/signed.txt' }), { expiresIn: 60 }));
    const signed = await createPresignedPost(client, { Bucket, Key: 's3/form.txt', Expires: 60, Fields: { 'Content-Type': 'text/plain' }, Conditions: [['content-length-range', 1, 20]] });
    const post = (text) => {
      const form = new FormData();
      for (const [name, value] of Object.entries(signed.fields)) form.set(name, value);
      form.set('file', new Blob([text], { type: 'text/plain' }), 'a.txt');
      return fetch(signed.url, { method: 'POST', body: form });
    };
    const [form, long] = [await post('from a form'), await post('x'.repeat(21))];
    const refused = await clientWith('other').send(new s3.ListBucketsCommand({})).catch((error) => [error.name, error.$metadata.httpStatusCode]);
    return { parts, progress: progress.at(-1), put: put.status, read: await read.text(), form: form.status, long: [long.status, /<Code>(\w+)/.exec(await long.text())?.[1]], refused };
  });
  assert.deepEqual(seen, { parts: true, progress: 11_000_000, put: 200, read: 'by its address', form: 200, long: [400, 'EntityTooLarge'], refused: ['SignatureDoesNotMatch', 403] });
});

test('pictures are scaled: as images of the page, in other formats, by a signed address, and for nobody else', async () => {
  const seen = await run(async () => {
    const canvas = new OffscreenCanvas(400, 200);
    const paint = canvas.getContext('2d');
    paint.fillStyle = 'red';
    paint.fillRect(0, 0, 200, 200);
    for (const [type, name] of [['image/png', 'a.png'], ['image/jpeg', 'a.jpg'], ['image/webp', 'a.webp']]) {
      const answer = await ask('/object/pictures/' + name, { method: 'POST', body: await canvas.convertToBlob({ type }) });
      if (!answer.ok) throw new Error(await answer.text());
      await ask('/object/files/' + name, { method: 'POST', body: await canvas.convertToBlob({ type }) });
    }
    const size = async (address) => {
      const image = new Image();
      image.src = address;
      await image.decode();
      return [image.naturalWidth, image.naturalHeight];
    };
    const base = '/storage/v1/render/image/public/pictures/';
    const sizes = [];
    for (const query of ['a.png?width=100', 'a.jpg?width=100&height=100', 'a.webp?width=100&height=100&resize=contain', 'a.png?width=100&format=webp&quality=50']) sizes.push(await size(base + query));
    // What an <img> of Chromium accepts is WebP, so that is what it gets.
    const kinds = [];
    for (const [query, accept] of [['a.png?width=100', 'image/webp,*/*'], ['a.png?width=100&format=origin', 'image/webp,*/*'], ['a.jpg?width=100', '*/*']]) kinds.push((await fetch(base + query, { headers: { accept } })).headers.get('content-type'));
    const { signedURL } = await (await ask('/object/sign/files/a.png', { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ expiresIn: 60, transform: { width: 50, height: 50 } }) })).json();
    return {
      sizes, kinds, signed: await size('/storage/v1' + signedURL), hidden: (await fetch('/storage/v1/render/image/public/files/a.png?width=10')).status,
      head: await fetch(base + 'a.png?width=100', { method: 'HEAD' }).then(({ status }) => status),
    };
  });
  assert.deepEqual(seen, {
    sizes: [[100, 50], [100, 100], [100, 50], [100, 50]], kinds: ['image/webp', 'image/png', 'image/jpeg'], signed: [50, 50], hidden: 400, head: 200,
  });
});
