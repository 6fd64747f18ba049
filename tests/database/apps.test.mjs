// What an application may do in the database, and what is left of it when it is deleted.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Client, answer, concat, extended, openPostgres, serve, sync } from './harness.mjs';

describe('an application\'s role', () => {
  let pglite, client;
  before(async () => {
    pglite = await openPostgres({ dataDir: 'memory://' });
    client = new Client(serve(pglite).database);
    await client.opened;
    await client.query(`create table todos (id int, owner uuid default auth.uid());
      alter table todos enable row level security;
      create policy first on todos to authenticated using (id = 1);
      insert into todos values (1), (2);
      create table secrets (id int);
      revoke all on secrets from authenticated`);
  });
  after(async () => {
    client.goodbye();
    await pglite.close();
  });

  const value = async (sql) => (await client.query(sql)).rows[0]?.[0];
  /** As whoever signed in as the application. */
  const as = (role, ...statements) => client.exchange(concat([
    extended(`select set_config('session_authorization', '${role}', true), set_config('search_path', '"${role}", public', true)`),
    ...statements.map((sql) => extended(sql)), sync(),
  ])).then(answer);

  test('is made with a password, twice as well, and with names that have to be quoted', async () => {
    for (const password of ['it\'\'s', 'secret']) {
      const made = await client.query(`select gateway.create_app_role('app_my-shop', '${password}')`);
      assert.equal(made.error, undefined);
    }
    const role = await client.query(`select rolcanlogin, rolinherit, rolsuper, rolcreaterole, rolbypassrls, rolpassword is not null
      from pg_authid where rolname = 'app_my-shop'`);
    assert.deepEqual(role.rows, [['t', 't', 'f', 'f', 'f', 't']]);
    assert.equal(await value("select pg_has_role('app_my-shop', 'service_role', 'member')"), 'f');
  });

  test('reads what row-level security lets it, and nothing of the gateway\'s', async () => {
    const read = await as('app_my-shop', 'select id from todos');
    assert.deepEqual(read.rows.slice(1), [['1']]);
    for (const sql of [
      'select * from secrets',
      'select * from gateway.apps',
      'select * from gateway.app_cookies',
      'select * from gateway.settings',
      "select gateway.create_app_role('app_other', 'x')",
      "select gateway.drop_app_role('app_my-shop')",
      'create table public.theirs (id int)',
      'set role service_role',
      'set role postgres',
      'alter role "app_my-shop" superuser',
    ]) {
      assert.equal((await as('app_my-shop', sql)).error?.C, '42501', sql);
    }
  });

  test('has a schema of its own, which outlives it where there is something in it', async () => {
    assert.equal((await as('app_my-shop', 'create table orders (id serial, total int)', 'insert into orders (total) values (5)')).error, undefined);
    assert.equal(await value("select gateway.drop_app_role('app_my-shop')"), '{"\\"app_my-shop\\".orders"}');
    assert.equal(await value("select gateway.drop_app_role('app_my-shop')"), '{}');
    const owner = () => value("select string_agg(distinct relowner::regrole::text, ',') from pg_class where relname like 'orders%' and relkind in ('r', 'S')");
    assert.equal(await owner(), 'postgres');
    // It is deployed again, and has again what was its own.
    await client.query("select gateway.create_app_role('app_my-shop', 'x')");
    assert.equal(await owner(), '"app_my-shop"');
    assert.deepEqual((await as('app_my-shop', 'insert into orders (total) values (6)', 'select sum(total) from orders')).rows.at(-1), ['11']);
    await as('app_my-shop', 'drop table orders');
    await client.query("select gateway.drop_app_role('app_my-shop')");
    assert.equal(await value("select to_regnamespace('\"app_my-shop\"') is null"), 't');
  });

  test('is not what any other role can read', async () => {
    for (const role of ['anon', 'authenticated', 'service_role']) {
      for (const table of ['apps', 'app_cookies']) {
        const sql = `select has_table_privilege('${role}', (select oid from pg_class where relname = '${table}' and relnamespace = 'gateway'::regnamespace), 'select')`;
        assert.equal(await value(sql), 'f', `${role} ${table}`);
      }
    }
  });
});
