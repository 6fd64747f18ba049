// A database that an earlier gateway made gets what it lacks, and keeps what it has.
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { PGlite } from '@electric-sql/pglite';
import { pgcrypto } from '@electric-sql/pglite/contrib/pgcrypto';
import { uuid_ossp } from '@electric-sql/pglite/contrib/uuid_ossp';
import { folder } from '../node/server.mjs';
import { stack } from './stack.mjs';

const migrations = path.join(import.meta.dirname, '../../vm-bridge/database/migrations');

/** FNV-1a, as the migrations' records have it. */
function checksum(text) {
  let hash = 0xcbf29ce484222325n;
  for (const byte of Buffer.from(text)) hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  return hash.toString(16).padStart(16, '0');
}

test('a database from before Auth and Storage', async (t) => {
  const data = path.join(folder(t), 'data');
  mkdirSync(data);
  const before = await PGlite.create({ dataDir: path.join(data, 'postgres'), extensions: { pgcrypto, uuid_ossp } });
  for (const file of readdirSync(migrations).toSorted().filter((name) => name < '0007')) {
    const sql = readFileSync(path.join(migrations, file), 'utf8');
    const [number, name] = [Number(file.slice(0, 4)), file.slice(5, -4)];
    await before.exec(`begin; ${sql}; insert into gateway.migrations (number, name, checksum) values (${number}, '${name}', '${checksum(sql)}'); commit`);
  }
  await before.exec("create table todos (id int primary key, title text); insert into todos values (1, 'kept')");
  await before.close();

  const project = await stack(t, ['--data', data]);
  assert.deepEqual(await project.sql('select title from todos'), [{ title: 'kept' }]);
  const id = await project.bucket();
  const { status } = await project.ask(`/object/${id}/a`, { method: 'POST', body: 'new', headers: { 'content-type': 'text/plain' } });
  assert.equal(status, 200);
  assert.equal((await project.ask(`/object/${id}/a`)).body, 'new');
  // A policy of the users' own holds for storage as for their tables.
  await project.sql(`create policy all_see on storage.objects for select to anon using (bucket_id = '${id}')`);
  assert.equal((await project.ask(`/object/${id}/a`, { as: 'anon' })).body, 'new');
});
