// Buckets and objects, over the real WASM and a real Postgres, as storage-api answers.
import assert from 'node:assert/strict';
import { createHash, randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { StorageClient } from '@supabase/storage-js';
import { now, sign, stack } from './stack.mjs';

const project = await stack();
test.after(() => project.end());
const { ask, storage, bucket } = project;
const service = new StorageClient(`${project.url}/storage/v1`, { apikey: project.keys.secret });
const md5 = (bytes) => `"${createHash('md5').update(bytes).digest('hex')}"`;
const post = (body, more) => ({ method: 'POST', body, ...more });
const text = { 'content-type': 'text/plain' };

/** An error as a client sees it: HTTP status, the status in it, code, message. */
async function refused(answer, status, statusCode, code, message, error) {
  const { status: got, body } = await answer;
  assert.deepEqual([got, body.statusCode, body.code, body.message], [status, statusCode, code, message], JSON.stringify(body));
  if (error !== undefined) assert.equal(body.error, error);
}

test('buckets are made, shown, changed and removed', async () => {
  const id = `b-${randomUUID()}`;
  assert.deepEqual((await ask('/bucket', post({ name: id, file_size_limit: '20mb', allowed_mime_types: ['image/*'] }))).body, { name: id });
  const shown = (await ask(`/bucket/${id}`)).body;
  assert.deepEqual({ ...shown, created_at: 0, updated_at: 0 }, {
    id, name: id, owner: '', public: false, file_size_limit: 20_000_000, allowed_mime_types: ['image/*'], created_at: 0, updated_at: 0,
  });
  assert.match(shown.created_at, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  await refused(ask('/bucket', post({ name: id })), 400, '409', 'BucketAlreadyExists', 'The resource already exists', 'Duplicate');
  assert.deepEqual((await ask(`/bucket/${id}`, { method: 'PUT', body: { public: true, file_size_limit: null } })).body, { message: 'Successfully updated' });
  const changed = (await ask(`/bucket/${id}`)).body;
  assert.deepEqual([changed.public, changed.file_size_limit, changed.allowed_mime_types], [true, null, ['image/*']]);
  const listed = (await ask('/bucket')).body.find((one) => one.id === id);
  assert.equal(listed.type, 'STANDARD');
  assert.deepEqual((await ask(`/bucket/${id}`, { method: 'DELETE' })).body, { message: 'Successfully deleted' });
  for (const method of ['GET', 'DELETE']) {
    await refused(ask(`/bucket/${id}`, { method }), 400, '404', 'NoSuchBucket', 'Bucket not found', 'Bucket not found');
  }
  await refused(ask(`/bucket/${id}`, { method: 'PUT', body: { public: true } }), 400, '404', 'NoSuchBucket', 'Bucket not found');
});

test('buckets that cannot be are refused', async () => {
  for (const name of ['a/b', 'é', ' a', 'x'.repeat(101)]) {
    await refused(ask('/bucket', post({ name })), 400, '400', 'InvalidBucketName', 'Bucket name invalid', 'Invalid Input');
  }
  const create = (options) => ask('/bucket', post({ name: `b-${randomUUID()}`, ...options }));
  await refused(create({ file_size_limit: 'lots' }), 400, '400', 'InvalidRequest', 'Invalid file size format, hint: use 20GB / 20MB / 30KB / 3B');
  await refused(create({ file_size_limit: '51GB' }), 400, '413', 'EntityTooLarge', 'The object exceeded the maximum allowed size', 'Payload too large');
  await refused(create({ allowed_mime_types: ['thisisnotamimetype'] }), 400, '415', 'InvalidMimeType', 'mime type thisisnotamimetype is not supported', 'invalid_mime_type');
  await refused(create({ type: 'ANALYTICS' }), 400, '409', 'FeatureNotEnabled', 'The feature iceberg_catalog is not enabled for this resource');
  await refused(ask('/bucket', post({})), 400, '400', 'InvalidRequest', "body must have required property 'name'");
  await refused(ask('/bucket', post('{"name":', { headers: { 'content-type': 'application/json' } })), 400, '400', 'InvalidRequest', "Body is not valid JSON but content-type is set to 'application/json'");
});

test('lists of buckets are searched, sorted and cut', async () => {
  const mark = randomUUID().slice(0, 8);
  for (const name of ['c', 'a', 'b_x']) await ask('/bucket', post({ name: `${name}-${mark}` }));
  const names = async (query) => (await ask(`/bucket?search=${mark}&${query}`)).body.map(({ name }) => name[0]).join('');
  assert.equal(await names('sortColumn=name'), 'abc');
  assert.equal(await names('sortColumn=name&sortOrder=desc'), 'cba');
  assert.equal(await names('sortColumn=created_at'), 'cab');
  assert.equal(await names('sortColumn=name&limit=1&offset=1'), 'b');
  assert.deepEqual((await ask(`/bucket?search=b_x-${mark}`)).body.length, 1);
  assert.deepEqual((await ask(`/bucket?search=bax-${mark}`)).body.length, 0, '_ is a character, not a pattern');
  for (const query of ['limit=0', 'limit=x', 'offset=-1', 'sortColumn=owner', 'sortOrder=up']) {
    assert.equal((await ask(`/bucket?${query}`)).status, 400, query);
  }
});

test('a file is uploaded in every way and comes back as it was', async () => {
  const id = await bucket();
  const bytes = new TextEncoder().encode('hello\r\n--world');
  const form = new FormData();
  form.append('cacheControl', '60');
  form.append('metadata', JSON.stringify({ a: 1 }));
  form.append('', new Blob([bytes], { type: 'text/css' }), 'x');
  const ways = {
    form: { method: 'POST', body: form },
    raw: { method: 'POST', body: bytes, headers: { 'content-type': 'text/css', 'cache-control': 'max-age=60', 'x-metadata': btoa('{"a":1}') } },
    put: { method: 'PUT', body: bytes, headers: { 'content-type': 'text/css', 'cache-control': 'max-age=60', 'x-metadata': btoa('{"a":1}') } },
  };
  for (const [way, init] of Object.entries(ways)) {
    const { status, body } = await ask(`/object/${id}/${way}/file.css`, init);
    assert.equal(status, 200, JSON.stringify(body));
    assert.equal(body.Key, `${id}/${way}/file.css`);
    const info = (await ask(`/object/info/${id}/${way}/file.css`)).body;
    assert.deepEqual([info.id, info.name, info.bucket_id, info.size, info.content_type, info.cache_control, info.etag, info.metadata],
      [body.Id, `${way}/file.css`, id, bytes.length, 'text/css', 'max-age=60', md5(bytes), { a: 1 }]);
    const response = await storage(`/object/${id}/${way}/file.css`);
    assert.deepEqual(new Uint8Array(await response.arrayBuffer()), bytes);
    const header = (name) => response.headers.get(name);
    assert.deepEqual(['content-type', 'content-length', 'cache-control', 'etag', 'accept-ranges', 'x-robots-tag'].map(header),
      ['text/css', String(bytes.length), 'max-age=60', md5(bytes), 'bytes', 'none']);
    assert.ok(Math.abs(Date.parse(header('last-modified')) - Date.now()) < 60_000);
  }
  const empty = await ask(`/object/${id}/empty`, { method: 'POST', body: new Uint8Array(), headers: text });
  assert.equal(empty.status, 200);
  assert.equal((await ask(`/object/${id}/empty`)).body, '');
});

test('what is there is replaced only on request, and its bytes are removed', async () => {
  const id = await bucket();
  const upload = (body, headers) => ask(`/object/${id}/a`, { method: 'POST', body, headers: { ...text, ...headers } });
  assert.equal((await upload('first')).status, 200);
  await refused(upload('second'), 400, '409', 'KeyAlreadyExists', 'The resource already exists', 'Duplicate');
  assert.equal((await ask(`/object/${id}/a`)).body, 'first');
  const before = (await ask(`/object/info/${id}/a`)).body;
  assert.equal((await upload('third', { 'x-upsert': 'true' })).status, 200);
  assert.equal((await ask(`/object/${id}/a`)).body, 'third');
  const after = (await ask(`/object/info/${id}/a`)).body;
  assert.equal(after.id, before.id);
  assert.notEqual(after.version, before.version);
});

test('limits of size and of kind hold, for forms and for bytes', async () => {
  const id = await bucket({ file_size_limit: 10, allowed_mime_types: ['text/plain', 'image/*'] });
  const form = (size, type) => {
    const body = new FormData();
    body.append('', new Blob([new Uint8Array(size)], { type }), 'x');
    return { method: 'POST', body };
  };
  const raw = (size, type) => ({ method: 'POST', body: new Uint8Array(size), headers: { 'content-type': type } });
  for (const [index, make] of [form, raw].entries()) {
    assert.equal((await ask(`/object/${id}/fits-${index}`, make(10, 'image/png'))).status, 200);
    await refused(ask(`/object/${id}/large-${index}`, make(11, 'image/png')), 400, '413', 'EntityTooLarge', 'The object exceeded the maximum allowed size', 'Payload too large');
    await refused(ask(`/object/${id}/kind-${index}`, make(1, 'text/html')), 400, '415', 'InvalidMimeType', 'mime type text/html is not supported', 'invalid_mime_type');
    for (const name of [`large-${index}`, `kind-${index}`]) await refused(ask(`/object/${id}/${name}`), 400, '404', 'NoSuchKey', 'Object not found', 'not_found');
  }
  const rows = await project.sql(`select count(*)::int as count from storage.objects where bucket_id = '${id}'`);
  assert.equal(rows[0].count, 2);
  await refused(ask(`/object/${id}/nothing`, { method: 'POST', body: '--x--\r\n', headers: { 'content-type': 'multipart/form-data; boundary=x' } }), 400, '400', 'InvalidRequest', 'No content provided');
});

test('names are checked, and no name leads out of its bucket', async () => {
  const [id, other] = [await bucket(), await bucket()];
  await ask(`/object/${other}/secret`, { method: 'POST', body: 'secret', headers: text });
  for (const key of ['%C3%A9', 'a%5Cb', 'a%23b', 'a%00b', 'a%0Ab', '%7Ba%7D']) {
    const { status, body } = await ask(`/object/${id}/${key}`, { method: 'POST', body: 'x', headers: text });
    assert.deepEqual([status, body.code], [400, 'InvalidKey'], key);
  }
  for (const key of ['a%20b', "it's%20(1)%20&%20$@=;:+,%3F!-_.*", 'deep/er/and/deeper', 'a//b']) {
    assert.equal((await ask(`/object/${id}/${key}`, { method: 'POST', body: key, headers: text })).status, 200, key);
    assert.equal((await ask(`/object/${id}/${key}`)).body, key);
  }
  // Encoded, because a URL is tidied up before it is sent.
  const escape = `..%2F${other}%2Fsecret`;
  await refused(ask(`/object/${id}/${escape}`), 400, '404', 'NoSuchKey', 'Object not found');
  assert.equal((await ask(`/object/${id}/${escape}`, { method: 'POST', body: 'mine', headers: text })).status, 200);
  assert.equal((await ask(`/object/${other}/secret`)).body, 'secret');
  assert.equal((await ask(`/object/${id}/${escape}`)).body, 'mine');
});

test('parts of a file, and nothing where the client has it', async () => {
  const id = await bucket({ public: true });
  await ask(`/object/${id}/digits`, { method: 'POST', body: '0123456789', headers: text });
  const get = async (headers, path = `/object/public/${id}/digits`) => {
    const response = await storage(path, { as: null, headers });
    return [response.status, response.headers.get('content-range'), response.headers.get('content-length'), await response.text()];
  };
  assert.deepEqual(await get({ range: 'bytes=2-4' }), [206, 'bytes 2-4/10', '3', '234']);
  assert.deepEqual(await get({ range: 'bytes=7-' }), [206, 'bytes 7-9/10', '3', '789']);
  assert.deepEqual(await get({ range: 'bytes=-2' }), [206, 'bytes 8-9/10', '2', '89']);
  assert.deepEqual(await get({ range: 'bytes=0-99' }), [206, 'bytes 0-9/10', '10', '0123456789']);
  const [status, range] = await get({ range: 'bytes=10-' });
  assert.deepEqual([status, range], [416, 'bytes */10']);
  const { headers } = await storage(`/object/public/${id}/digits`, { as: null });
  assert.equal((await get({ 'if-none-match': headers.get('etag') }))[0], 304);
  assert.equal((await get({ 'if-none-match': '"other"' }))[0], 200);
  assert.equal((await get({ 'if-modified-since': headers.get('last-modified') }))[0], 304);
  assert.equal((await get({ 'if-modified-since': 'Thu, 01 Jan 1970 00:00:00 GMT' }))[0], 200);
  const head = await storage(`/object/public/${id}/digits`, { as: null, method: 'HEAD' });
  assert.deepEqual([head.status, head.headers.get('content-length'), head.headers.get('etag'), await head.text()], [200, '10', headers.get('etag'), '']);
  assert.equal((await storage(`/object/public/${id}/nothing`, { as: null, method: 'HEAD' })).status, 400);
  // Wherever storage-api answers GET it answers HEAD, with the same and no body.
  const { signedURL } = (await ask(`/object/sign/${id}/digits`, post({ expiresIn: 60 }))).body;
  for (const path of [signedURL, `/bucket/${id}`, `/object/info/${id}/digits`, '/version']) {
    const [got, seen] = [await storage(path, { method: 'GET' }), await storage(path, { method: 'HEAD' })];
    const [length, type] = [got, seen].map(({ headers }) => [headers.get('content-length'), headers.get('content-type')]);
    assert.deepEqual([seen.status, type, await seen.text()], [200, length, ''], path);
    await got.text();
  }
  assert.equal((await storage(`${signedURL}x`, { as: null, method: 'HEAD' })).status, 400);
  const disposition = async (query) => (await storage(`/object/public/${id}/digits?${query}`, { as: null })).headers.get('content-disposition');
  assert.equal(await disposition('download'), 'attachment;');
  assert.equal(await disposition('download=a%20%C3%A9.txt'), "attachment; filename=a%20%C3%A9.txt; filename*=UTF-8''a%20%C3%A9.txt;");
  await ask(`/object/${id}/page`, { method: 'POST', body: '<script>', headers: { 'content-type': 'text/html' } });
  assert.equal((await storage(`/object/public/${id}/page`, { as: null })).headers.get('content-type'), 'text/plain', 'no page of somebody\'s runs here');
});

test('objects are moved and copied, between buckets too', async () => {
  const [id, other] = [await bucket(), await bucket()];
  await ask(`/object/${id}/a`, { method: 'POST', body: 'alpha', headers: { ...text, 'x-metadata': btoa('{"m":1}') } });
  const moved = (await ask('/object/move', post({ bucketId: id, sourceKey: 'a', destinationKey: 'b/c' }))).body;
  assert.equal(moved.message, 'Successfully moved');
  assert.equal((await ask(`/object/${id}/b/c`)).body, 'alpha');
  await refused(ask(`/object/${id}/a`), 400, '404', 'NoSuchKey', 'Object not found');
  await refused(ask('/object/move', post({ bucketId: id, sourceKey: 'a', destinationKey: 'x' })), 400, '404', 'NoSuchKey', 'Object not found');

  const copied = (await ask('/object/copy', post({ bucketId: id, sourceKey: 'b/c', destinationKey: 'd', destinationBucket: other }))).body;
  assert.deepEqual([copied.Key, copied.name, copied.bucket_id, copied.user_metadata], [`${other}/d`, 'd', other, { m: 1 }]);
  assert.equal((await ask(`/object/${other}/d`)).body, 'alpha');
  await refused(ask('/object/copy', post({ bucketId: id, sourceKey: 'b/c', destinationKey: 'd', destinationBucket: other })), 400, '409', 'KeyAlreadyExists', 'The resource already exists', 'Duplicate');
  const replaced = post({ bucketId: id, sourceKey: 'b/c', destinationKey: 'd', destinationBucket: other, copyMetadata: false, metadata: { mimetype: 'image/png' } }, { headers: { 'x-upsert': 'true', 'x-metadata': btoa('{"n":2}') } });
  assert.equal((await ask('/object/copy', replaced)).status, 200);
  const info = (await ask(`/object/info/${other}/d`)).body;
  assert.deepEqual([info.content_type, info.metadata, info.etag], ['image/png', { n: 2 }, md5('alpha')]);
  await refused(ask('/object/move', post({ bucketId: id, sourceKey: 'b/c', destinationBucket: other, destinationKey: 'd' })), 400, '409', 'KeyAlreadyExists', 'The resource already exists');
  // The copy has bytes of its own.
  await ask(`/object/${id}/b/c`, { method: 'DELETE' });
  assert.equal((await ask(`/object/${other}/d`)).body, 'alpha');
});

test('objects are removed one by one and together', async () => {
  const id = await bucket();
  for (const name of ['a', 'b', 'c/d']) await ask(`/object/${id}/${name}`, { method: 'POST', body: name, headers: text });
  assert.deepEqual((await ask(`/object/${id}/a`, { method: 'DELETE' })).body, { message: 'Successfully deleted' });
  await refused(ask(`/object/${id}/a`, { method: 'DELETE' }), 400, '404', 'NoSuchKey', 'Object not found');
  const { body } = await ask(`/object/${id}`, { method: 'DELETE', body: { prefixes: ['b', 'c/d', 'nothing'] } });
  assert.deepEqual(body.map(({ name }) => name).toSorted(), ['b', 'c/d']);
  assert.equal(body[0].bucket_id, id);
  for (const prefixes of [[], Array.from({ length: 1001 }, String)]) {
    assert.equal((await ask(`/object/${id}`, { method: 'DELETE', body: { prefixes } })).status, 400);
  }
});

test('a bucket with something in it stays until it is emptied', async () => {
  const id = await bucket();
  for (const name of ['a', 'b/c']) await ask(`/object/${id}/${name}`, { method: 'POST', body: name, headers: text });
  await refused(ask(`/bucket/${id}`, { method: 'DELETE' }), 400, '409', 'ResourceNotEmpty', 'The bucket you tried to delete is not empty');
  assert.deepEqual((await ask(`/bucket/${id}/empty`, { method: 'POST' })).body, { message: 'Empty bucket has been queued. Completion may take up to an hour.' });
  assert.deepEqual((await ask(`/object/list/${id}`, post({ prefix: '' }))).body, []);
  assert.equal((await ask(`/bucket/${id}`, { method: 'DELETE' })).status, 200);
});

test('the first list: folders have no id, pages count', async () => {
  const id = await bucket();
  for (const name of ['b.txt', 'a/1', 'a/2', 'a/deep/3', 'C.txt', '5_x/y']) await ask(`/object/${id}/${name}`, { method: 'POST', body: name, headers: text });
  const list = async (body) => (await ask(`/object/list/${id}`, post({ prefix: '', ...body }))).body;
  const names = async (body) => (await list(body)).map(({ name, id: object }) => (object ? name : `${name}/`)).join(' ');
  assert.equal(await names(), '5_x/ a/ b.txt C.txt');
  assert.equal(await names({ sortBy: { column: 'name', order: 'desc' } }), 'C.txt b.txt a/ 5_x/');
  assert.equal(await names({ limit: 2, offset: 1 }), 'a/ b.txt');
  assert.equal(await names({ prefix: 'a' }), '1 2 deep/');
  assert.equal(await names({ prefix: 'a/' }), '1 2 deep/');
  assert.equal(await names({ search: 'b' }), 'b.txt');
  assert.equal(await names({ sortBy: { column: 'created_at', order: 'desc' } }), 'a/ 5_x/ C.txt b.txt');
  assert.equal(await names({ prefix: '5_x', sortBy: { column: 'updated_at', order: 'asc' } }), 'y');
  const [folder, , file] = await list();
  assert.deepEqual(folder, { name: '5_x', id: null, updated_at: null, created_at: null, last_accessed_at: null, metadata: null });
  assert.deepEqual([file.metadata.size, file.metadata.mimetype, file.metadata.eTag], [5, 'text/plain', md5('b.txt')]);
  assert.equal((await ask(`/object/list/${id}`, post({}))).status, 400);
  assert.equal((await ask(`/object/list/${id}`, post({ prefix: '', limit: 0 }))).status, 400);
  assert.equal((await ask(`/object/list/${id}`, post({ prefix: '', sortBy: { column: 'owner' } }))).status, 400);
});

test('the second list: page after page, whole or by folder', async () => {
  const id = await bucket();
  for (const name of ['a/1', 'a/2', 'b', 'c/3', 'd', 'e']) await ask(`/object/${id}/${name}`, { method: 'POST', body: name, headers: text });
  const all = async (options) => {
    const pages = [];
    for (let cursor; ;) {
      const { body } = await ask(`/object/list-v2/${id}`, post({ ...options, ...(cursor && { cursor }) }));
      pages.push([...body.folders, ...body.objects].map(({ name }) => name).toSorted().join(' '));
      assert.equal(body.hasNext, body.nextCursor !== undefined);
      if (!body.hasNext) return pages;
      cursor = body.nextCursor;
    }
  };
  assert.deepEqual(await all({ limit: 4 }), ['a/1 a/2 b c/3', 'd e']);
  assert.deepEqual(await all({ limit: 2, with_delimiter: true }), ['a/ b', 'c/ d', 'e']);
  assert.deepEqual(await all({ limit: 2, with_delimiter: true, sortBy: { column: 'name', order: 'desc' } }), ['d e', 'b c/', 'a/']);
  assert.deepEqual(await all({ limit: 4, sortBy: { column: 'created_at', order: 'desc' } }), ['b c/3 d e', 'a/1 a/2']);
  assert.deepEqual(await all({ limit: 2, with_delimiter: true, sortBy: { column: 'created_at' } }), ['a/ b', 'c/ d', 'e']);
  assert.deepEqual(await all({ prefix: 'a/' }), ['a/1 a/2']);
  await refused(ask(`/object/list-v2/${id}`, post({ cursor: 'nonsense' })), 400, '400', 'InvalidParameter', 'Invalid Parameter cursor');
});

test('row-level security decides, on every path', async () => {
  const id = await bucket();
  const [mine, theirs] = [project.user(), project.user()];
  await project.sql(`
    create policy "own folder, ${id}" on storage.objects for all to authenticated
    using (bucket_id = '${id}' and (storage.foldername(name))[1] = auth.uid()::text)
    with check (bucket_id = '${id}' and (storage.foldername(name))[1] = auth.uid()::text)`);
  const path = `${id}/${mine.id}/file`;
  const denied = ['403', 'AccessDenied', 'new row violates row-level security policy', 'Unauthorized'];
  const upload = (as, headers) => ask(`/object/${path}`, { as, method: 'POST', body: 'mine', headers: { ...text, ...headers } });
  await refused(upload('anon'), 400, ...denied);
  await refused(upload(theirs.token), 400, ...denied);
  assert.equal((await upload(mine.token)).status, 200);
  await refused(upload(theirs.token, { 'x-upsert': 'true' }), 400, ...denied);
  const [row] = await project.sql(`select owner, owner_id from storage.objects where bucket_id = '${id}'`);
  assert.deepEqual(row, { owner: mine.id, owner_id: mine.id });

  for (const [as, sees] of [[mine.token, true], [theirs.token, false], ['anon', false], ['service', true]]) {
    const statuses = [
      (await ask(`/object/${path}`, { as })).status,
      (await ask(`/object/authenticated/${path}`, { as })).status,
      (await ask(`/object/info/${path}`, { as })).status,
      (await storage(`/object/${path}`, { as, method: 'HEAD' })).status,
      (await ask(`/object/sign/${path}`, { as, ...post({ expiresIn: 60 }) })).status,
      (await ask('/object/copy', { as, ...post({ bucketId: id, sourceKey: `${mine.id}/file`, destinationKey: `${mine.id}/copy` }, { headers: { 'x-upsert': 'true' } }) })).status,
    ];
    assert.deepEqual(new Set(statuses), new Set([sees ? 200 : 400]), `${as}: ${statuses}`);
    const listed = (await ask(`/object/list/${id}`, { as, ...post({ prefix: mine.id }) })).body;
    assert.equal(listed.length > 0, sees);
    const [signed] = (await ask(`/object/sign/${id}`, { as, ...post({ expiresIn: 60, paths: [`${mine.id}/file`] }) })).body;
    assert.equal(signed.error === null, sees);
  }
  // A row that one does not see one neither moves nor removes.
  await refused(ask('/object/move', { as: theirs.token, ...post({ bucketId: id, sourceKey: `${mine.id}/file`, destinationKey: `${theirs.id}/file` }) }), 400, '404', 'NoSuchKey', 'Object not found');
  await refused(ask('/object/move', { as: mine.token, ...post({ bucketId: id, sourceKey: `${mine.id}/file`, destinationKey: `${theirs.id}/file` }) }), 400, ...denied);
  await refused(ask(`/object/${path}`, { as: theirs.token, method: 'DELETE' }), 400, '404', 'NoSuchKey', 'Object not found');
  assert.deepEqual((await ask(`/object/${id}`, { as: theirs.token, method: 'DELETE', body: { prefixes: [`${mine.id}/file`] } })).body, []);
  assert.equal((await ask(`/object/${path}`, { as: mine.token })).body, 'mine');
  await refused(ask(`/object/upload/sign/${id}/${mine.id}/new`, { as: theirs.token, method: 'POST' }), 400, ...denied);

  // Buckets are rows too.
  await refused(ask('/bucket', { as: mine.token, ...post({ name: `b-${randomUUID()}` }) }), 400, ...denied);
  assert.deepEqual((await ask('/bucket', { as: mine.token })).body, []);
  await refused(ask(`/bucket/${id}`, { as: mine.token }), 400, '404', 'NoSuchBucket', 'Bucket not found');
  await refused(ask(`/bucket/${id}`, { as: mine.token, method: 'PUT', body: { public: true } }), 400, '404', 'NoSuchBucket', 'Bucket not found');
  // Policies may ask what the request is about.
  const only = await bucket();
  await project.sql(`create policy "list only, ${only}" on storage.objects for select to anon using (bucket_id = '${only}' and storage.allow_only_operation('object.list'))`);
  await ask(`/object/${only}/x`, { method: 'POST', body: 'x', headers: text });
  assert.equal((await ask(`/object/list/${only}`, { as: 'anon', ...post({ prefix: '' }) })).body.length, 1);
  await refused(ask(`/object/${only}/x`, { as: 'anon' }), 400, '404', 'NoSuchKey', 'Object not found');
});

test('who is nobody, and who is not who they say', async () => {
  const id = await bucket();
  await ask(`/object/${id}/x`, { method: 'POST', body: 'x', headers: text });
  await refused(ask('/bucket', { as: null }), 400, '400', 'InvalidRequest', "headers must have required property 'authorization'");
  await refused(ask(`/object/${id}/x`, { as: null }), 400, '404', 'NoSuchBucket', 'Bucket not found');
  for (const path of [`/object/authenticated/${id}/x`, `/object/info/authenticated/${id}/x`]) {
    await refused(ask(path, { as: null }), 400, '400', 'InvalidRequest', "headers must have required property 'authorization'");
  }
  await refused(ask(`/object/public/${id}/x`, { as: null }), 400, '404', 'NoSuchBucket', 'Bucket not found');
  const claims = { role: 'service_role', exp: now() + 60 };
  for (const [token, message] of [
    ['nonsense', 'Invalid Compact JWS'],
    [sign(claims, 'another-secret-with-at-least-32-characters'), 'signature verification failed'],
    [sign({ ...claims, exp: now() - 60 }, project.keys.jwt_secret), '"exp" claim timestamp check failed'],
    [`${sign(claims, '', { alg: 'none', typ: 'JWT' }).split('.').slice(0, 2).join('.')}.`, '"alg" (Algorithm) Header Parameter value not allowed'],
  ]) {
    await refused(ask('/bucket', { as: token }), 400, '403', 'AccessDenied', message, 'Unauthorized');
  }
  const nobody = await ask('/bucket', { as: sign({ ...claims, role: 'nobody' }, project.keys.jwt_secret) });
  assert.deepEqual([nobody.status, nobody.body.statusCode], [403, '403']);
  for (const [path, method] of [['/nowhere', 'GET'], ['/object', 'PATCH'], ['/bucket/x/y/z', 'GET']]) assert.equal((await ask(path, { method })).status, 404);
});

test('signed addresses show one object, do one thing, and end', async () => {
  const id = await bucket();
  await ask(`/object/${id}/a b.txt`, { method: 'POST', body: 'signed', headers: text });
  const { signedURL } = (await ask(`/object/sign/${id}/a b.txt`, post({ expiresIn: 60 }))).body;
  assert.match(signedURL, new RegExp(`^/object/sign/${id}/a b\\.txt\\?token=`));
  const response = await storage(signedURL, { as: null });
  assert.equal(await response.text(), 'signed');
  assert.ok(Math.abs(Date.parse(response.headers.get('expires')) - Date.now() - 60_000) < 5000);
  const token = new URL(signedURL, 'http://x').searchParams.get('token');
  const claims = JSON.parse(Buffer.from(token.split('.')[1], 'base64url'));
  assert.deepEqual([claims.url, claims.scope, claims.exp - claims.iat, claims.role], [`${id}/a b.txt`, 'download', 60, undefined]);

  await ask(`/object/${id}/other`, { method: 'POST', body: 'other', headers: text });
  const at = (path, value) => ask(`/object/sign/${id}/${path}?token=${value}`, { as: null });
  await refused(at('other', token), 400, '400', 'InvalidSignature', 'Invalid signature');
  await refused(at('a b.txt', `${token.slice(0, -3)}AAA`), 400, '400', 'InvalidJWT', 'signature verification failed');
  await refused(at('a b.txt', 'x'), 400, '400', 'InvalidJWT', 'Invalid Compact JWS');
  await refused(ask(`/object/sign/${id}/other`, { as: null }), 400, '400', 'InvalidRequest', "querystring must have required property 'token'");
  const own = (more) => sign({ url: `${id}/other`, exp: now() + 60, ...more }, project.keys.jwt_secret);
  assert.equal((await at('other', own({ scope: 'download' }))).body, 'other');
  await refused(at('other', own({ scope: 'download', exp: now() - 1 })), 400, '400', 'InvalidJWT', '"exp" claim timestamp check failed');
  await refused(at('other', own({ scope: 'upload' })), 400, '400', 'InvalidSignature', 'Invalid signature');
  await refused(at('other', project.keys.service_role), 400, '400', 'InvalidSignature', 'Invalid signature');
  // A signed address is no token for the rest of the API.
  assert.equal((await ask('/bucket', { as: token })).body.length, 0, 'nobody\'s role');

  const many = (await ask(`/object/sign/${id}`, post({ expiresIn: 60, paths: ['other', 'nothing'] }))).body;
  assert.deepEqual(many.map(({ path, error }) => [path, error]), [['other', null], ['nothing', 'Either the object does not exist or you do not have access to it']]);
  assert.equal((await ask(many[0].signedURL, { as: null })).body, 'other');
  for (const expiresIn of [0, -1, 1.5, 'x', null]) assert.equal((await ask(`/object/sign/${id}/other`, post({ expiresIn }))).status, 400, String(expiresIn));
  await refused(ask(`/object/sign/${id}/nothing`, post({ expiresIn: 60 })), 400, '404', 'NoSuchKey', 'Object not found');

  const upload = (await ask(`/object/upload/sign/${id}/new`, { method: 'POST' })).body;
  const put = (value, path = 'new') => ask(`/object/upload/sign/${id}/${path}?token=${value}`, { as: null, method: 'PUT', body: 'uploaded', headers: text });
  await refused(put(token, 'a b.txt'), 400, '400', 'InvalidSignature', 'Invalid signature');
  await refused(put(upload.token, 'elsewhere'), 400, '400', 'InvalidSignature', 'Invalid signature');
  await refused(at('new', upload.token), 400, '400', 'InvalidSignature', 'Invalid signature');
  assert.deepEqual((await put(upload.token)).body, { Key: `${id}/new` });
  await refused(put(upload.token), 400, '409', 'KeyAlreadyExists', 'The resource already exists');
  assert.equal((await ask(`/object/${id}/new`)).body, 'uploaded');
});

test('a row whose bytes are gone says so', async () => {
  const id = await bucket({ public: true });
  await project.sql(`insert into storage.objects (bucket_id, name, version, metadata) values ('${id}', 'gone', '${randomUUID()}', '{"size": 3}')`);
  for (const path of [`/object/public/${id}/gone`, `/object/${id}/gone`]) {
    const { status, body, headers } = await ask(path);
    assert.deepEqual([status, body.statusCode, body.error, body.message, headers.get('cache-control')], [400, '404', 'Not found', 'The resource was not found', 'no-store']);
  }
});

test('storage-js from npm finds what it expects', async () => {
  const name = `js-${randomUUID()}`;
  const good = async (answer) => {
    const { data, error } = await answer;
    assert.equal(error, null, JSON.stringify(error));
    return data;
  };
  assert.deepEqual(await good(service.createBucket(name, { public: false, fileSizeLimit: '1mb' })), { name });
  assert.equal((await good(service.getBucket(name))).file_size_limit, 1_000_000);
  assert.ok((await good(service.listBuckets({ search: name }))).length === 1);
  const files = service.from(name);
  const uploaded = await good(files.upload('a/b.txt', new Blob(['hi'], { type: 'text/plain' }), { cacheControl: '5', metadata: { m: 1 } }));
  assert.deepEqual([uploaded.path, uploaded.fullPath], ['a/b.txt', `${name}/a/b.txt`]);
  const { error } = await files.upload('a/b.txt', 'again');
  assert.deepEqual([error.statusCode, error.message], ['409', 'The resource already exists']);
  await good(files.update('a/b.txt', 'changed', { contentType: 'text/plain' }));
  assert.equal(await (await good(files.download('a/b.txt'))).text(), 'changed');
  assert.equal((await good(files.info('a/b.txt'))).contentType, 'text/plain');
  assert.equal(await good(files.exists('a/b.txt')), true);
  assert.equal((await files.exists('nothing')).data, false);
  await good(files.copy('a/b.txt', 'c.txt'));
  await good(files.move('c.txt', 'd.txt'));
  assert.deepEqual((await good(files.list())).map((file) => file.name), ['a', 'd.txt']);
  assert.deepEqual((await good(files.listV2({ with_delimiter: true }))).folders.map((folder) => folder.name), ['a/']);
  const { signedUrl } = await good(files.createSignedUrl('d.txt', 60, { download: 'x.txt' }));
  assert.equal(await (await fetch(signedUrl)).text(), 'changed');
  assert.equal((await good(files.createSignedUrls(['d.txt'], 60))).length, 1);
  const { token, path } = await good(files.createSignedUploadUrl('e.txt'));
  await good(files.uploadToSignedUrl(path, token, new Blob(['signed'])));
  await good(service.updateBucket(name, { public: true }));
  assert.equal(await (await fetch(files.getPublicUrl('e.txt').data.publicUrl)).text(), 'signed');
  assert.equal((await good(files.remove(['a/b.txt', 'd.txt']))).length, 2);
  assert.match((await good(service.emptyBucket(name))).message, /queued/);
  assert.deepEqual(await good(service.deleteBucket(name)), { message: 'Successfully deleted' });
});
