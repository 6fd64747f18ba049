// A project as one file: made over HTTP, read by a tar that is not ours, restored into folders and into memory.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, readdirSync, truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { createClient } from '@supabase/supabase-js';
import { folder, refused, start } from './server.mjs';

const transport = class { constructor() { throw new Error('no case opens a WebSocket'); } };
const options = { auth: { persistSession: false, autoRefreshToken: false }, realtime: { transport } };
const person = { email: 'ada@example.com', password: 'correct horse battery' };
const picture = Buffer.from(Array.from({ length: 300_000 }, (_, at) => (at * 7919) % 251));
const digest = (bytes) => createHash('sha256').update(bytes).digest('hex');

/** Fills a project with something of each kind. */
async function fill(server) {
  await server.sql(`create table notes (id int primary key, body text, owner uuid default auth.uid());
    alter table notes enable row level security;
    create policy own on notes for all to authenticated using (owner = auth.uid()) with check (owner = auth.uid());
    insert into notes (id, body) select n, repeat('x', 2000) || n from generate_series(1, 3000) as n;
    notify pgrst, 'reload schema'`);
  const admin = createClient(server.url, server.keys.secret, options);
  assert.ifError((await admin.auth.admin.createUser({ ...person, email_confirm: true })).error);
  assert.ifError((await admin.storage.createBucket('pictures')).error);
  assert.ifError((await admin.storage.from('pictures').upload('a/b.bin', picture)).error);
  assert.ifError((await admin.storage.from('pictures').upload('empty', Buffer.alloc(0))).error);
  const secrets = await server.fetch('/gateway/secrets', { method: 'POST', key: server.keys.secret, body: JSON.stringify({ TOKEN: 'hunter22-in-plain' }) });
  assert.equal(secrets.status, 200);
  const user = createClient(server.url, server.keys.publishable, options);
  assert.ifError((await user.auth.signInWithPassword(person)).error);
  assert.ifError((await user.from('notes').insert({ id: 5000, body: 'my own' })).error);
}

/** That a server has what `fill` put there. */
async function holds(server) {
  const user = createClient(server.url, server.keys.publishable, options);
  assert.ifError((await user.auth.signInWithPassword(person)).error);
  assert.deepEqual((await user.from('notes').select('id, body')).data, [{ id: 5000, body: 'my own' }]);
  const [{ count, sum }] = await server.sql('select count(*), sum(length(body)) from notes');
  assert.deepEqual([Number(count), Number(sum)], [3001, 3000 * 2000 + Array.from({ length: 3000 }, (_, at) => String(at + 1).length).reduce((all, one) => all + one) + 'my own'.length]);
  const admin = createClient(server.url, server.keys.secret, options);
  const { data, error } = await admin.storage.from('pictures').download('a/b.bin');
  assert.ifError(error);
  assert.equal(digest(Buffer.from(await data.arrayBuffer())), digest(picture));
  assert.equal((await admin.storage.from('pictures').download('empty')).data.size, 0);
  const listed = await (await server.fetch('/gateway/secrets', { key: server.keys.secret })).json();
  assert.deepEqual(listed.map(({ name }) => name), ['TOKEN']);
}

/** A tar whose first entry with a name that begins so has another one. */
function renamed(tar, beginning, name) {
  const changed = Buffer.from(tar);
  const at = changed.indexOf(beginning);
  assert.equal(at % 512, 0);
  const header = changed.subarray(at, at + 512);
  header.fill(0, 0, 100).write(name);
  header.fill(' ', 148, 156);
  header.write(`${header.reduce((sum, byte) => sum + byte).toString(8).padStart(6, '0')}\0 `, 148);
  return changed;
}

const get = (server, key = server.keys.secret) => server.fetch('/gateway/backup', { key });

describe('a backup', () => {
  let backup;
  let keys;

  test('is made of all that a project has, by who holds the secret key', async (t) => {
    const directory = folder(t);
    const server = await start(t, ['--data', directory]);
    await fill(server);
    assert.equal((await fetch(new URL('/gateway/backup', server.url))).status, 401);
    assert.equal((await get(server, server.keys.publishable)).status, 403);
    const answer = await get(server);
    assert.equal(answer.status, 200);
    assert.equal(answer.headers.get('content-type'), 'application/x-tar');
    assert.match(answer.headers.get('content-disposition'), /^attachment; filename="default-\d{4}-\d\d-\d\d\.tar"$/);
    backup = Buffer.from(await answer.arrayBuffer());
    assert.equal(backup.length, Number(answer.headers.get('content-length')));
    keys = server.keys;
    // Whoever reads it needs nothing of ours.
    const listed = spawnSync('tar', ['-t'], { input: backup, encoding: 'utf8' });
    assert.equal(listed.status, 0, listed.stderr);
    const names = listed.stdout.trim().split('\n');
    assert.deepEqual(names.slice(0, 2), ['manifest.json', 'database.tar']);
    assert.equal(names.length, 4, listed.stdout);
    const manifest = JSON.parse(spawnSync('tar', ['-xO', 'manifest.json'], { input: backup, encoding: 'utf8' }).stdout);
    assert.equal(manifest.project, 'default');
    assert.deepEqual(manifest.storage, { files: 2, bytes: picture.length });
    assert.deepEqual(manifest.secrets, { held: true, sealed: true, names: ['TOKEN'] });
    assert.ok(!backup.includes('hunter22-in-plain'), 'a secret is in it as it is');
    // The copy that it was sent from is gone, and what comes then is answered as before.
    await holds(server);
    const stored = readdirSync(path.join(directory, 'storage'));
    assert.equal(stored.length, 2, stored.join());
  });

  test('changes nothing for those who write meanwhile, and is of one moment', async (t) => {
    const server = await start(t);
    await server.sql('create table pairs (a int, b int); insert into pairs values (0, 0)');
    let over = false;
    const writing = (async () => {
      for (let n = 1; !over; n++) await server.sql(`update pairs set a = ${n}; update pairs set b = ${n}`);
    })();
    const backups = [];
    for (let n = 0; n < 3; n++) backups.push(await (await get(server)).blob());
    over = true;
    await writing;
    for (const one of backups) {
      const file = path.join(folder(t), 'backup.tar');
      writeFileSync(file, Buffer.from(await one.arrayBuffer()));
      const restored = await start(t, ['--restore', file]);
      const [{ a, b }] = await restored.sql('select a, b from pairs');
      assert.equal(a, b);
      await restored.end();
    }
  });

  test('begins a database in memory, and one in a folder, as it was, keys and all', async (t) => {
    const file = path.join(folder(t), 'backup.tar');
    writeFileSync(file, backup);
    const memory = await start(t, ['--restore', file]);
    assert.deepEqual(memory.keys, keys);
    assert.match(memory.said.stdout, /Restored: project default as of \d{4}-/);
    assert.match(memory.said.stdout, /Set again: the secrets TOKEN$/m);
    await holds(memory);
    await memory.end();

    const packed = `${file}.gz`;
    writeFileSync(packed, gzipSync(backup));
    const directory = path.join(folder(t), 'data');
    const first = await start(t, ['--data', directory, '--restore', packed]);
    assert.deepEqual(first.keys, keys);
    await holds(first);
    await first.sql("insert into notes values (6000, 'after', null)");
    await first.end('SIGKILL');
    const second = await start(t, ['--data', directory]);
    assert.equal((await second.sql('select 1 from notes where id = 6000')).length, 1);
    // Its secret was sealed where it was made, and a function is told that it is not to be had here.
    const key = second.keys.secret;
    const listed = await (await second.fetch('/gateway/secrets', { key })).json();
    assert.deepEqual(listed.map(({ name }) => name), ['TOKEN']);
    const set = await second.fetch('/gateway/secrets', { method: 'POST', key, body: JSON.stringify({ TOKEN: 'again' }) });
    assert.equal(set.status, 200);
  });

  test('replaces no database', async (t) => {
    const directory = folder(t);
    const file = path.join(folder(t), 'backup.tar');
    writeFileSync(file, backup);
    await (await start(t, ['--data', directory])).end();
    const { code, stderr } = await refused('--data', directory, '--restore', file);
    assert.equal(code, 1);
    assert.match(stderr, /has a database already/);
    assert.equal(existsSync(path.join(directory, 'storage')), false);
  });

  test('that is none, or not whole, is refused in a sentence and leaves nothing', async (t) => {
    const place = folder(t);
    const file = path.join(place, 'backup.tar');
    const cases = [
      [Buffer.from('no backup at all, and longer than nothing'), /is no backup, or a damaged one|is no backup/],
      [Buffer.alloc(0), /empty/],
      [backup.subarray(0, backup.length >> 1), /damaged|not whole/],
      [backup.subarray(0, 4096), /damaged|not whole/],
      [gzipSync(backup).subarray(0, 100_000), /damaged|not whole/],
      [Buffer.concat([backup.subarray(512 * 2), Buffer.alloc(1024)]), /no backup/],
    ];
    for (const [bytes, expected] of cases) {
      writeFileSync(file, bytes);
      const directory = path.join(place, 'data');
      const { code, stderr } = await refused('--data', directory, '--restore', file);
      assert.equal(code, 1, stderr);
      assert.match(stderr, expected);
      assert.ok(!stderr.includes('    at '), stderr);
      assert.equal(existsSync(path.join(directory, 'postgres')), false);
    }
    // A file that would be written beside the folder.
    for (const name of ['storage/..', 'storage/../../x', '/etc/x', 'storage/.hidden']) {
      writeFileSync(file, renamed(backup, 'storage/', name));
      const { code, stderr } = await refused('--restore', file);
      assert.equal(code, 1, stderr);
      assert.ok(stderr.includes(`it has ${JSON.stringify(name)} in it`), stderr);
    }
    // One of a gateway that knows more: it is refused before anything gives way to it.
    writeFileSync(file, Buffer.from(backup.toString('latin1').replace(/"migration": \d\d/, '"migration": 99'), 'latin1'));
    const newer = await refused('--restore', file);
    assert.match(newer.stderr, /made by a newer gateway/);
    // A database that Postgres does not open.
    const damaged = Buffer.from(backup);
    const version = damaged.indexOf('global/pg_control\0');
    damaged.fill(1, version + 512, version + 512 + 200);
    writeFileSync(file, damaged);
    const directory = path.join(place, 'damaged');
    const { code, stderr } = await refused('--data', directory, '--restore', file);
    assert.equal(code, 1, stderr);
    assert.match(stderr, /^Nothing was restored into .*(database|pg_control|PANIC|FATAL)/s);
    assert.deepEqual(readdirSync(directory).filter((name) => name.startsWith('postgres')), []);
    truncateSync(file, 0);
    const missing = await refused('--restore', path.join(place, 'nowhere.tar'));
    assert.match(missing.stderr, /--restore .*nowhere\.tar cannot be read/);
  });
});
