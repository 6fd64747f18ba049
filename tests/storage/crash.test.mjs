// A process that is killed: what was acknowledged stays, what was not leaves nothing behind for long.
import assert from 'node:assert/strict';
import { existsSync, readdirSync, utimesSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
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
