// The `serve` command as a server that people leave running: what it prints, keeps, refuses and survives.
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { test } from 'node:test';
import { folder, refused, start } from './server.mjs';

const json = { 'content-type': 'application/json' };
const sign = (claims, secret) => {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const text = `${part({ alg: 'HS256', typ: 'JWT' })}.${part(claims)}`;
  return `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`;
};
const post = (body, more) => ({ method: 'POST', body: JSON.stringify(body), ...more, headers: { ...json, ...more?.headers } });

test('what it prints is what `supabase start` prints', async (t) => {
  const server = await start(t);
  const { publishable, secret, anon, service_role, jwt_secret } = server.keys;
  assert.match(server.url, /^http:\/\/127\.0\.0\.1:\d+$/);
  assert.match(publishable, /^sb_publishable_\S+$/);
  assert.match(secret, /^sb_secret_\S+$/);
  for (const [token, role] of [[anon, 'anon'], [service_role, 'service_role']]) {
    const claims = JSON.parse(Buffer.from(token.split('.')[1], 'base64url').toString());
    assert.equal(claims.role, role);
    assert.equal(createHmac('sha256', jwt_secret).update(token.split('.').slice(0, 2).join('.')).digest('base64url'), token.split('.')[2]);
  }
  assert.match(server.said.stdout, /Database: in memory/);
  assert.equal(await server.end(), 0);
  assert.equal(server.said.stderr, '');
});

test('what it cannot do it refuses with a sentence and an exit code', async (t) => {
  const directory = folder(t);
  let files = 0;
  const config = (text) => {
    const file = path.join(directory, `${++files}.conf`);
    writeFileSync(file, text);
    return ['--config', file];
  };
  const taken = net.createServer().listen(0, '127.0.0.1');
  t.after(() => taken.close());
  await once(taken, 'listening');
  const { port } = taken.address();
  writeFileSync(path.join(directory, 'file'), 'not a folder');
  for (const [args, sentence] of [
    [['--port', String(port)], new RegExp(`^Port ${port} is in use: .*--port`)],
    [['--port', 'http'], /^--port http is no port/],
    [['--port', '65536'], /^--port 65536 is no port/],
    [['--port', ''], /^--port  is no port/],
    [['--host', '192.0.2.1', '--port', '0'], /^This machine has no address 192\.0\.2\.1/],
    [['--host', 'no.such.host.invalid', '--port', '0'], /^There is no address no\.such\.host\.invalid/],
    [['--speed', '9'], /--speed[\s\S]*cargo xtask serve \[--port/],
    [['extra'], /extra[\s\S]*cargo xtask serve \[--port/],
    [['--data', path.join(directory, 'file')], /^The folder .*file cannot be made/],
    [['--config', path.join(directory, 'none.conf')], /^--config .*none\.conf: there is no such file/],
    [['--config', directory], /^--config .*cannot be read/],
    [config('db-shemas = "public"'), /db-shemas: there is no such setting/],
    [config('db-max-rows = "many"'), /db-max-rows/],
    [config('db-tx-end = "sometimes"'), /db-tx-end/],
    [config('openapi-mode = "loud"'), /openapi-mode/],
    [config('db-schemas "public"'), /line 1/],
  ]) {
    const { code, stdout, stderr } = await refused(...args);
    assert.match(stderr, sentence, `${args}`);
    assert.equal(code, 1, `${args}`);
    assert.equal(stdout, '', `${args}`);
    assert.doesNotMatch(stderr, /\n\s+at .*:\d+:\d+/, 'no stack');
  }
});

test('a --config file takes effect', async (t) => {
  const directory = folder(t);
  const file = path.join(directory, 'postgrest.conf');
  const secret = 'a-secret-that-is-at-least-32-characters-long';
  const settings = (text) => { writeFileSync(file, text); return ['--data', path.join(directory, 'data'), '--config', file]; };
  let server = await start(t, settings(`
    # as PostgREST has it
    db-schemas = "shop, public"
    db-anon-role = "visitor"
    db-max-rows = 3
    jwt-secret = "${secret}"
    jwt-aud = "here"
  `));
  await server.sql(`create role visitor; grant visitor to authenticator; create schema shop; grant usage on schema shop to visitor, anon, authenticated;
    create table shop.things as select i as id from generate_series(1, 10) i; grant all on shop.things to visitor, anon, authenticated;
    create function shop.me() returns text language sql stable as 'select current_user::text';`);
  const rows = async (response) => (await response.json()).length;
  assert.equal(await rows(await server.fetch('/rest/v1/things')), 3, 'the first schema is the default, and rows are limited');
  assert.equal((await server.fetch('/rest/v1/things', { headers: { 'accept-profile': 'graphql_public' } })).status, 406);
  const me = await fetch(new URL('/rest/v1/rpc/me', server.url));
  assert.deepEqual([me.status, await me.json()], [200, 'visitor']);
  const token = (claims, key = secret) => server.fetch('/rest/v1/rpc/me', { headers: { authorization: `Bearer ${sign(claims, key)}` } });
  assert.equal(await (await token({ role: 'authenticated', aud: 'here' })).json(), 'authenticated');
  assert.equal((await token({ role: 'authenticated', aud: 'elsewhere' })).status, 401);
  assert.equal((await token({ role: 'authenticated', aud: 'here' }, 'another-secret-of-at-least-32-characters')).status, 401);
  assert.equal(await server.end(), 0);

  server = await start(t, settings('db-schemas = "shop"\ndb-anon-role = "visitor"\ndb-tx-end = "rollback"'));
  const insert = await server.fetch('/rest/v1/things', post({ id: 11 }, { headers: { prefer: 'return=representation' } }));
  assert.deepEqual([insert.status, await insert.json()], [201, [{ id: 11 }]]);
  assert.equal(await rows(await server.fetch('/rest/v1/things')), 10, 'rolled back, and no limit');
  assert.equal(await server.end(), 0);
});

test('--data keeps what was acknowledged, and the keys, over every end; one process has it at a time', async (t) => {
  const data = path.join(folder(t), 'not', 'there', 'yet');
  let server = await start(t, ['--data', data]);
  await server.sql('create table kept (id int primary key); grant all on kept to anon;');
  const { keys } = server;
  const second = await refused('--data', data, '--port', '0');
  assert.equal(second.code, 1);
  assert.match(second.stderr, /is in use by process \d+: stop it, or choose another --data folder/);
  let acknowledged = 0;
  const ids = async () => (await (await server.fetch('/rest/v1/kept?order=id')).json()).map((row) => row.id);
  for (let round = 0; round < 3; round++) {
    // Killed in the middle of writes: every one that got its 201 is there afterwards.
    let killed = false;
    let first = acknowledged;
    const writes = async (lane) => {
      for (let at = 0; !killed; at++) {
        const id = round * 100_000 + lane * 10_000 + at;
        const response = await server.fetch('/rest/v1/kept', post({ id })).catch(() => undefined);
        if (response?.status !== 201) return;
        expected.push(id);
        if (++acknowledged - first === 40) {
          killed = true;
          server.signal('SIGKILL');
        }
      }
    };
    const expected = await ids();
    await Promise.all([0, 1, 2, 3].map(writes));
    assert.equal(await server.ended, 'SIGKILL');
    // The lock of the killed process is still there, and is no obstacle.
    assert.match(readFileSync(path.join(data, 'lock'), 'utf8'), /^\d+/);
    server = await start(t, ['--data', data]);
    assert.deepEqual(server.keys, keys);
    const found = new Set(await ids());
    assert.deepEqual(expected.filter((id) => !found.has(id)), [], 'acknowledged writes are there');
  }
  const all = await ids();
  assert.equal(await server.end('SIGINT'), 0);
  server = await start(t, ['--data', data]);
  assert.deepEqual([server.keys, await ids()], [keys, all]);
  assert.equal(await server.end(), 0);
});

test('SIGTERM finishes what is under way and takes nothing new', async (t) => {
  const server = await start(t);
  await server.sql('create table counted (id int primary key); grant all on counted to anon; create function slow(id int) returns int language sql as $$ insert into counted values ($1); select count(*)::int from generate_series(1, 2000000) $$;');
  const arrived = Array.from({ length: 8 }, (_, id) => server.fetch('/rest/v1/rpc/slow', post({ id })));
  await Promise.race(arrived);
  server.signal('SIGTERM');
  const answers = await Promise.all(arrived);
  assert.deepEqual(await Promise.all(answers.map((answer) => answer.json())), Array(8).fill(2_000_000));
  const before = performance.now();
  assert.equal(await server.ended, 0);
  assert.ok(performance.now() - before < 4_000, 'kept-alive connections do not hold it up');
  await assert.rejects(server.fetch('/health'));
  assert.equal(server.said.stderr, '');
});

