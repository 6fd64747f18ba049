// A process that is killed: what was acknowledged stays, what was not leaves nothing behind for long.
import assert from 'node:assert/strict';
import { existsSync, readdirSync, utimesSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { CreateMultipartUploadCommand, S3Client, UploadPartCommand } from '@aws-sdk/client-s3';
import { folder } from '../node/server.mjs';
import { pattern, stack } from './stack.mjs';

const text = { 'content-type': 'text/plain' };

test('kill -9 between bytes and row', async (t) => {
  const data = path.join(folder(t), 'data');
  const files = () => (existsSync(path.join(data, 'storage')) ? readdirSync(path.join(data, 'storage')) : []);
  let project = await stack(t, ['--data', data]);
  const id = await project.bucket({ public: true });
  const acknowledged = new Map();

  // Uploads of all sizes, one after the other and several at a time, until the process is gone.
  for (let round = 0; round < 3; round++) {
    const uploads = Array.from({ length: 4 }, async (_, lane) => {
      for (let index = 0; ; index++) {
        const name = `${round}/${lane}/${index % 5}`;
        const bytes = pattern(1 + ((round * 7919 + lane * 104729 + index * 15485863) % 3_000_000), index + 1);
        const { status } = await project.ask(`/object/${id}/${name}`, { method: 'POST', body: bytes, headers: { ...text, 'x-upsert': 'true' } });
        if (status === 200) acknowledged.set(name, bytes);
        else throw new Error(`answered ${status}`);
      }
    });
    const failed = Promise.allSettled(uploads);
    while (acknowledged.size < (round + 1) * 8) await new Promise((resolve) => setTimeout(resolve, 10));
    assert.equal(await project.end('SIGKILL'), 'SIGKILL');
    await failed;
    project = await stack(t, ['--data', data]);
    for (const [name, bytes] of acknowledged) {
      const response = await project.storage(`/object/public/${id}/${name}`, { as: null });
      assert.equal(response.status, 200, name);
      const got = Buffer.from(await response.arrayBuffer());
      // The last upload of a name may have been made and not answered.
      if (got.length === bytes.length) assert.ok(got.equals(bytes), name);
      else assert.equal(Number((await project.ask(`/object/info/${id}/${name}`)).body.size), got.length, name);
    }
  }

  // Each row has its bytes; what no row names is swept when it has rested for an hour.
  const rows = await project.sql('select version from storage.objects');
  const versions = new Set(rows.map(({ version }) => version));
  const named = (file) => versions.has(file.split('.')[0]);
  for (const version of versions) assert.ok(files().includes(`${version}.0`));
  const young = '00000000-0000-4000-8000-000000000001.0.part';
  writeFileSync(path.join(data, 'storage', young), 'an upload that is under way');
  for (const [file, content] of [['00000000-0000-4000-8000-000000000002.0', 'nobody\'s'], ['00000000-0000-4000-8000-000000000003.0.part', 'half'], ['a-note.txt', 'not a blob']]) {
    writeFileSync(path.join(data, 'storage', file), content);
  }
  const orphans = files().filter((file) => !named(file) && file !== young && file !== 'a-note.txt');
  t.diagnostic(`${orphans.length} files without a row, ${versions.size} with one`);
  const old = new Date(Date.now() - 2 * 60 * 60 * 1000);
  for (const file of files()) if (file !== young) utimesSync(path.join(data, 'storage', file), old, old);
  await project.end('SIGKILL');
  project = await stack(t, ['--data', data]);
  await project.sql("delete from gateway.settings where name = 'storage-swept-at'");
  await project.storage('/bucket');
  while (files().some((file) => orphans.includes(file))) await new Promise((resolve) => setTimeout(resolve, 20));
  assert.deepEqual(files().filter((file) => !named(file)).toSorted(), [young, 'a-note.txt'].toSorted());
  for (const name of acknowledged.keys()) assert.equal((await project.storage(`/object/public/${id}/${name}`, { as: null, method: 'HEAD' })).status, 200);
});

test('an old version\'s bytes go when its row does', async (t) => {
  const data = path.join(folder(t), 'data');
  const files = () => readdirSync(path.join(data, 'storage'));
  const project = await stack(t, ['--data', data]);
  const id = await project.bucket();
  const upload = (name, body) => project.ask(`/object/${id}/${name}`, { method: 'POST', body, headers: { ...text, 'x-upsert': 'true' } });
  await upload('a', 'one');
  await upload('b', 'two');
  const [first] = files();
  await upload('a', 'three');
  assert.equal(files().length, 2);
  assert.ok(!files().includes(first) || files().length === 2);
  await project.ask('/object/move', { method: 'POST', body: { bucketId: id, sourceKey: 'a', destinationKey: 'c' } });
  assert.equal(files().length, 2);
  await project.ask('/object/copy', { method: 'POST', body: { bucketId: id, sourceKey: 'c', destinationKey: 'd' } });
  assert.equal(files().length, 3);
  await project.ask(`/object/${id}`, { method: 'DELETE', body: { prefixes: ['c', 'd'] } });
  assert.equal(files().length, 1);
  await project.ask(`/bucket/${id}/empty`, { method: 'POST' });
  assert.deepEqual(files(), []);
});

test('what was begun in pieces or in parts and left for a day is given up', async (t) => {
  const data = path.join(folder(t), 'data');
  const files = () => readdirSync(path.join(data, 'storage')).toSorted();
  let project = await stack(t, ['--data', data]);
  const id = await project.bucket();
  const encode = (value) => Buffer.from(value).toString('base64');
  const begin = async (name) => {
    const piece = await project.storage('/upload/resumable', {
      method: 'POST', body: 'half',
      headers: { 'tus-resumable': '1.0.0', 'upload-length': '8', 'upload-metadata': `bucketName ${encode(id)},objectName ${encode(name)}`, 'content-type': 'application/offset+octet-stream' },
    });
    assert.equal(piece.status, 201, await piece.text());
    const { accessKeyId, secretAccessKey } = project.keys.s3;
    const client = new S3Client({ endpoint: `${project.url}/storage/v1/s3`, region: 'local', forcePathStyle: true, credentials: { accessKeyId, secretAccessKey } });
    const { UploadId } = await client.send(new CreateMultipartUploadCommand({ Bucket: id, Key: name }));
    await client.send(new UploadPartCommand({ Bucket: id, Key: name, UploadId, PartNumber: 1, Body: 'a part' }));
    return files();
  };
  const old = await begin('old');
  for (const table of ['gateway.resumable_uploads', 'storage.s3_multipart_uploads']) await project.sql(`update ${table} set created_at = now() - interval '25 hours'`);
  const young = (await begin('young')).filter((file) => !old.includes(file));
  assert.deepEqual([old.length, young.length], [2, 2]);
  const rested = new Date(Date.now() - 2 * 60 * 60 * 1000);
  for (const file of files()) utimesSync(path.join(data, 'storage', file), rested, rested);
  await project.end('SIGKILL');
  project = await stack(t, ['--data', data]);
  await project.sql("delete from gateway.settings where name = 'storage-swept-at'");
  await project.storage('/bucket');
  while (files().some((file) => old.includes(file))) await new Promise((resolve) => setTimeout(resolve, 20));
  assert.deepEqual(files(), young);
  assert.deepEqual(await project.sql('select name from gateway.resumable_uploads union all select key from storage.s3_multipart_uploads union all select key from storage.s3_multipart_uploads_parts'), [{ name: 'young' }, { name: 'young' }, { name: 'young' }]);
});
