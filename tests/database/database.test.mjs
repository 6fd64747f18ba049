import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Client, answer, concat, extended, message, opening, openPostgres, query, serve, sync } from './harness.mjs';

const tick = () => new Promise((resolve) => setTimeout(resolve, 20));
const value = async (result) => (await result).rows[0]?.[0];

describe('a new database in memory', () => {
  let pglite, served, one, two;
  before(async () => {
    pglite = await openPostgres({ dataDir: 'memory://' });
    served = serve(pglite);
    [one, two] = [new Client(served.database), new Client(served.database)];
    await Promise.all([one.opened, two.opened]);
  });
  after(async () => {
    one.goodbye();
    two.goodbye();
    await pglite.close();
  });

  test('is made by migrations and says so', async () => {
    assert.equal(one.welcome.created, true);
    assert.equal(one.welcome.storage, 0);
    const numbers = await one.query('select array_agg(number order by number) from gateway.migrations');
    const run = numbers.rows[0][0].slice(1, -1).split(',').map(Number);
    assert.equal(run[0], 1);
    assert.equal(run.at(-1), one.welcome.migration);
  });

  test('has Supabase\'s schemas, roles and memberships', async () => {
    const schemas = await value(one.query(`select string_agg(nspname, ',' order by nspname) from pg_namespace where nspname in
      ('auth', 'storage', 'extensions', 'graphql_public', 'realtime', 'gateway')`));
    assert.equal(schemas, 'auth,extensions,gateway,graphql_public,realtime,storage');
    const roles = await one.query(`select rolname, rolcanlogin, rolinherit, rolbypassrls, rolsuper from pg_roles
      where rolname in ('anon', 'authenticated', 'service_role', 'authenticator', 'supabase_admin') order by 1`);
    assert.deepEqual(roles.rows, [
      ['anon', 'f', 't', 'f', 'f'],
      ['authenticated', 'f', 't', 'f', 'f'],
      ['authenticator', 't', 'f', 'f', 'f'],
      ['service_role', 'f', 't', 't', 'f'],
      ['supabase_admin', 't', 't', 't', 't'],
    ]);
    for (const role of ['anon', 'authenticated', 'service_role']) {
      assert.equal(await value(one.query(`select pg_has_role('authenticator', '${role}', 'set')`)), 't', role);
    }
    assert.equal(await value(one.query("select has_schema_privilege('service_role', 'gateway', 'usage')")), 'f');
  });

  test('keeps anon and two users apart by row-level security', async () => {
    await one.query(`create table notes (id int primary key, owner uuid default auth.uid(), text text);
      alter table notes enable row level security;
      create policy own on notes to authenticated using (owner = (select auth.uid())) with check (owner = (select auth.uid()))`);
    const ann = '11111111-1111-1111-1111-111111111111';
    const bob = '22222222-2222-2222-2222-222222222222';
    const as = (role, sub, sql) => one.exchange(concat([
      extended(`select set_config('session_authorization', 'authenticator', true)`),
      extended(`select set_config('role', '${role}', true), set_config('request.jwt.claims', '${JSON.stringify({ role, sub, email: 'a@b.c' })}', true)`),
      extended(sql), sync(),
    ])).then(answer);
    assert.equal((await as('authenticated', ann, "insert into notes (id, text) values (1, 'a')")).error, undefined);
    assert.equal((await as('authenticated', bob, "insert into notes (id, text) values (2, 'b')")).error, undefined);
    assert.deepEqual((await as('authenticated', ann, 'select text from notes')).rows.slice(2), [['a']]);
    assert.deepEqual((await as('authenticated', bob, 'select text from notes')).rows.slice(2), [['b']]);
    assert.deepEqual((await as('anon', null, 'select text from notes')).rows.slice(2), []);
    assert.deepEqual((await as('service_role', null, 'select text from notes order by id')).rows.slice(2), [['a'], ['b']]);
    assert.equal((await as('anon', null, "insert into notes values (3, null, 'c')")).error.C, '42501');
    assert.equal((await as('anon', null, 'select * from gateway.settings')).error.C, '42501');
    assert.equal((await as('authenticated', bob, "select set_config('role', 'postgres', true)")).error.C, '42501');
    const who = await as('authenticated', ann, "select auth.uid(), auth.role(), auth.email(), auth.jwt() ->> 'sub'");
    assert.deepEqual(who.rows.at(-1), [ann, 'authenticated', 'a@b.c', ann]);
    assert.equal(await value(one.query('select auth.uid()')), null);
    assert.equal(await value(one.query('select current_user')), 'postgres');
  });

  test('has extensions where Supabase has them, and its answer to GraphQL', async () => {
    assert.match(await value(one.query('select uuid_generate_v4()')), /^[0-9a-f-]{36}$/);
    assert.equal(await value(one.query("select extensions.crypt('x', extensions.gen_salt('bf', 4)) like '$2a$04$%'")), 't');
    assert.deepEqual(JSON.parse(await value(one.query('select graphql_public.graphql()'))), { errors: [{ message: 'pg_graphql extension is not enabled.' }] });
  });

  test('tells every client of DDL, once, and of nothing else', async () => {
    for (const [sql, told] of [
      ['create table seen (id int)', true],
      ['create temp table unseen (id int)', false],
      ['create table auth.unseen (id int)', false],
      ['insert into seen values (1)', false],
      ["comment on table seen is 'x'", true],
      ['begin; drop table seen; rollback', false],
      ['alter table seen drop column id', true],
      ['drop table seen, auth.unseen', true],
      ["notify pgrst, 'reload config'", 'reload config'],
    ]) {
      one.notifications.length = two.notifications.length = 0;
      const done = await one.query(sql);
      await two.query('select 1');
      assert.equal(done.error, undefined, sql);
      const expected = told ? [['pgrst', told === true ? 'reload schema' : told]] : [];
      assert.deepEqual(one.notifications, expected, sql);
      assert.deepEqual(two.notifications, expected, sql);
    }
  });

  test('never interleaves two open transactions', async () => {
    await one.query('create table counter (n int); insert into counter values (0)');
    const rounds = 20;
    const increments = async (client) => {
      for (let round = 0; round < rounds; round++) {
        const read = client.query('begin; select n from counter', { hold: true });
        const n = Number(await value(read));
        await client.query(`update counter set n = ${n + 1}; commit`, { continues: read.conversation });
      }
    };
    await Promise.all([increments(one), increments(two), ...Array.from({ length: 50 }, () => two.query('select 1'))]);
    assert.equal(await value(one.query('select n from counter')), String(2 * rounds));
  });

  test('rolls back what is left open: not held, client gone, idle too long', { timeout: 20_000 }, async () => {
    await one.query('create table open (n int)');
    assert.equal((await one.query('begin; insert into open values (1)')).status, 'T');
    assert.equal(await value(one.query('select count(*) from open')), '0');

    const gone = new Client(served.database);
    await gone.opened;
    await gone.query('begin; insert into open values (2)', { hold: true });
    gone.goodbye();
    assert.equal(await value(one.query('select count(*) from open')), '0');

    const idle = one.query('begin; insert into open values (3)', { hold: true });
    await idle;
    assert.equal(await value(two.query('select count(*) from open')), '0');
    await assert.rejects(one.query('commit', { continues: idle.conversation }), { failure: 'transaction-lost' });

    const cancelled = one.query('begin; insert into open values (4)', { hold: true });
    await cancelled;
    one.cancel(cancelled.conversation);
    assert.equal(await value(two.query('select count(*) from open')), '0');
  });

  test('does not run what was cancelled while it waited', async () => {
    await one.query('create table cancelled (n int)');
    const held = one.query('begin', { hold: true });
    await held;
    const waiting = two.query('insert into cancelled values (1)');
    two.cancel(waiting.conversation);
    // What is malformed is answered without the session: then the cancel has arrived too.
    await two.exchange(message('X'));
    await one.query('commit', { continues: held.conversation });
    assert.equal(await value(two.query('select count(*) from cancelled')), '0');
  });

  test('leaves nothing of one exchange to the next', async () => {
    await one.query(`create function leak() returns void language plpgsql as $$ begin
      perform set_config('leak.value', 'secret', false), set_config('role', 'anon', false), set_config('search_path', 'auth', false); end $$`);
    await one.exchange(concat([extended('select public.leak()'), sync()]));
    for (const sql of ['set role anon', 'set session authorization authenticator', "set timezone = 'Asia/Tokyo'", 'listen elsewhere',
      'prepare p as select 1', 'create temp table t (n int)', 'declare c cursor with hold for select 1', 'select pg_advisory_lock(1)']) {
      assert.equal((await one.query(sql)).error, undefined, sql);
    }
    await one.exchange(concat([extended('select 1', 'named'), sync()]));
    const left = await two.query(`select current_user, session_user, current_setting('search_path'), current_setting('leak.value', true) is distinct from 'secret',
      current_setting('timezone') <> 'Asia/Tokyo', (select string_agg(c, ',') from pg_listening_channels() as c),
      (select count(*) from pg_prepared_statements where name <> ''), to_regclass('pg_temp.t'), (select count(*) from pg_cursors where name = 'c'),
      (select count(*) from pg_locks where locktype = 'advisory' and objid <> 1)`);
    assert.deepEqual(left.rows[0], ['postgres', 'postgres', '"$user", public, extensions', 't', 't', 'pgrst', '0', null, '0', '0']);
  });

  test('answers malformed messages itself and lives on', async () => {
    for (const [name, bytes, code] of [
      ['nothing', new Uint8Array(), '08P01'],
      ['start-up', Uint8Array.of(0, 0, 0, 8, 4, 210, 22, 47), '08P01'],
      ['Terminate', message('X'), '08P01'],
      ['COPY data', concat([message('d', [1, 2, 3]), sync()]), '08P01'],
      ['function call', concat([message('F', [0, 0, 0, 0]), sync()]), '08P01'],
      ['cut short', query('select 1').subarray(0, 8), '08P01'],
      ['no end', extended('select 1'), '08P01'],
      ['bad Bind', concat([message('B', '', '', [0, 0, 0, 1, 0, 0, 0, 99, 0, 0]), sync()]), '08P01'],
    ]) {
      const read = answer(await one.exchange(bytes));
      assert.equal(read.error?.C, code, name);
      assert.equal(read.status, 'I', name);
    }
    for (const sql of ['copy counter from stdin', 'copy counter from stdin; select 1']) {
      assert.equal((await one.query(sql)).error.C, '57014');
      assert.equal(answer(await one.exchange(concat([extended('copy counter from stdin'), sync()]))).error.C, '57014');
    }
    const copied = await one.query('copy (select 1) to stdout');
    assert.ok(copied.messages.some(({ kind, text }) => kind === 'd' && text === '1\n'));
    assert.equal(await value(one.query('select 1')), '1');
  });

  test('survives a recursion without end', async () => {
    await one.query('create function deep(i int) returns int language plpgsql as $$ begin return public.deep(i + 1); end $$');
    assert.equal((await one.query('select deep(1)')).error.C, '54001');
    assert.equal(await value(one.query('select 1')), '1');
  });

  test('sends a long answer only as far as its reader allows', async () => {
    const long = one.exchange(query("select repeat('x', 1000) from generate_series(1, 3000)"), { credit: false });
    long.catch(() => undefined);
    assert.equal(await value(two.query('select 1')), '1', 'nobody else waits for it');
    await tick();
    assert.equal(one.arrived(long.conversation), 1024 * 1024);
    one.cancel(long.conversation);
    const whole = await one.query("select repeat('x', 1000) from generate_series(1, 3000)");
    assert.equal(whole.rows.length, 3000);
  });

  test('syncs only what wrote', async () => {
    served.log.length = 0;
    await one.query('select count(*) from counter');
    await one.exchange(concat([extended('select * from counter'), sync()]));
    assert.ok(!served.log.includes('sync'));
    await one.query('update counter set n = 0');
    assert.equal(served.log.filter((entry) => entry === 'sync').length, 1);
    served.log.length = 0;
    await Promise.all(Array.from({ length: 40 }, () => one.query('update counter set n = n + 1')));
    const syncs = served.log.filter((entry) => entry === 'sync').length;
    assert.ok(syncs >= 1 && syncs <= 10, `${syncs} syncs for 40 writes that came together`);
  });

  test('refuses what is no frame, politely', async () => {
    for (const [bytes, reason] of [
      [Uint8Array.of(9, 0, 1).buffer, 'version'],
      [Uint8Array.of(1, 0, 99).buffer, 'malformed'],
      [new ArrayBuffer(0), 'malformed'],
      [{ kind: 'port' }, 'malformed'],
    ]) {
      const client = new Client(served.database, false);
      client.post(bytes);
      await assert.rejects(client.opened, { reason });
    }
  });
});

describe('a database in a folder', () => {
  const root = mkdtempSync(path.join(os.tmpdir(), 'gateway-database-'));
  const made = path.join(root, 'made');
  const copy = (name) => {
    const folder = path.join(root, name);
    cpSync(made, folder, { recursive: true });
    return folder;
  };
  before(async () => {
    const pglite = await openPostgres({ dataDir: made });
    const client = new Client(serve(pglite).database);
    await client.opened;
    await client.query("create table kept (text text); insert into kept values ('yes')");
    client.goodbye();
    await pglite.close();
  });
  after(() => rmSync(root, { recursive: true }));

  test('is opened again with everything in it, and migrates once', async () => {
    const pglite = await openPostgres({ dataDir: copy('again') });
    const client = new Client(serve(pglite).database);
    assert.equal((await client.opened).created, false);
    assert.equal(await value(client.query('select text from kept')), 'yes');
    client.goodbye();
    await pglite.close();
  });

  test('that a newer version made is refused and not touched', async () => {
    const pglite = await openPostgres({ dataDir: copy('newer') });
    await pglite.exec("insert into gateway.migrations values (999, 'future', 'x')");
    const { database, broken } = serve(pglite);
    await assert.rejects(new Client(database).opened, { reason: 'broken', message: /newer version of the gateway \(its migration 999; this version knows \d+\)/ });
    assert.equal(broken.length, 1);
    assert.equal((await pglite.query('select count(*)::int as n from gateway.migrations where number < 999')).rows[0].n > 0, true);
    await pglite.close();
  });

  test('whose migrations are others is refused', async () => {
    const pglite = await openPostgres({ dataDir: copy('others') });
    await pglite.exec("update gateway.migrations set checksum = 'x' where number = 2");
    await assert.rejects(new Client(serve(pglite).database).opened, { message: /its migration 2 \(roles\) is not the one we know/ });
    await pglite.close();
  });

  test('in which a migration fails is as it was before', async () => {
    const folder = path.join(root, 'half');
    const pglite = await openPostgres({ dataDir: folder });
    await pglite.exec('create role service_role');
    await assert.rejects(new Client(serve(pglite).database).opened, { message: /Migration roles could not be applied and was rolled back: role "service_role" already exists/ });
    await pglite.exec('rollback');
    assert.deepEqual((await pglite.query("select rolname from pg_roles where rolname in ('anon', 'service_role')")).rows, [{ rolname: 'service_role' }]);
    assert.equal((await pglite.query('select max(number) as n from gateway.migrations')).rows[0].n, 1);
    await pglite.close();
  });

  test('that is damaged is an error a person can read, for everybody who asks', async () => {
    const folder = copy('damaged');
    writeFileSync(path.join(folder, 'global/pg_control'), new Uint8Array(8192));
    const failure = await openPostgres({ dataDir: folder }).then(() => assert.fail('it opened'), (error) => error);
    assert.match(failure.message, /PGlite failed to initialize properly/);
    const database = opening();
    const early = new Client(database);
    await tick();
    assert.deepEqual(early.frames, ['opening']);
    database.fail(failure.message);
    await assert.rejects(early.opened, { reason: 'broken', message: failure.message });
    await assert.rejects(new Client(database).opened, { reason: 'broken', message: failure.message });
  });
});

test('a session that breaks fails its culprit and nobody twice', async () => {
  const pglite = await openPostgres({ dataDir: 'memory://' });
  const { database, broken } = serve(pglite);
  const [one, two] = [new Client(database), new Client(database)];
  await Promise.all([one.opened, two.opened]);
  // Postgres measures its own stack only; SQL functions grow the engine's.
  await one.query('create function deep(i int) returns int language sql as $$ select case when i > 1000000 then 1 else public.deep(i + 1) end $$');
  const read = await one.query('select deep(1)').catch((error) => error);
  if (read.status) {
    assert.equal(read.error.C, '54001');
  } else {
    assert.equal(read.failure, 'broken');
    await assert.rejects(two.query('select 1'), { reason: 'closing' });
    await assert.rejects(new Client(database).opened, { reason: 'closing' });
    assert.deepEqual(broken, ['The database session stopped answering.']);
  }
});
