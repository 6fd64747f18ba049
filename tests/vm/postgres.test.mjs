// Postgres as the guest's programs meet it at localhost:5432: npm's `pg`, under an application's role.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { build } from 'esbuild';
import { absent, openMachine, program } from './harness.mjs';

/** npm's `pg` as one module, because a guest has no network to install it with. */
async function pgPackage() {
  const bundled = await build({
    stdin: { contents: 'module.exports = require("pg")', resolveDir: import.meta.dirname }, bundle: true, write: false,
    format: 'cjs', platform: 'node', target: 'node20', external: ['pg-native'], logLevel: 'warning',
  });
  return { 'node_modules/pg/index.js': bundled.outputFiles[0].contents, 'node_modules/pg/package.json': '{"name":"pg","main":"index.js"}' };
}

describe("npm's pg in the guest", { skip: absent, timeout: 900_000 }, () => {
  let machine;
  before(async () => {
    machine = await openMachine();
    await machine.gateway.sql(`
      create table notes (id int primary key, owner text not null default current_user, title text not null unique);
      alter table notes enable row level security;
      create policy own on notes to authenticated using (owner = current_user) with check (owner = current_user);
      grant select, insert, update, delete on notes to authenticated;
      insert into notes values (1, 'somebody', 'theirs');
      create table closed (id int);
      revoke all on closed from anon, authenticated;`);
    await machine.install('node');
    const files = { ...(await pgPackage()), 'server.cjs': program('pg.cjs') };
    for (const name of ['notes', 'other']) {
      await machine.deploy(name, files, { runtime: 'node', entry: 'server.cjs', start_deadline_s: 240 });
      await machine.start(name);
    }
  });
  after(() => machine?.close());

  /** Runs statements on one connection; text alone, or `[text, values]`. */
  const run = async (statements, app = 'notes') => {
    const body = JSON.stringify(statements.map((statement) => (Array.isArray(statement) ? { text: statement[0], values: statement[1], name: statement[2] } : { text: statement })));
    const answer = await machine.call(`/app/${app}/`, { method: 'POST', body });
    assert.equal(answer.status, 200, answer.body);
    return JSON.parse(answer.body);
  };
  const rows = async (text, values, app) => (await run([[text, values]], app))[0].rows;

  test('a query, under the role of the application', async () => {
    assert.deepEqual(await rows('select current_user as role, session_user as session, current_schema as schema'), [{ role: 'app_notes', session: 'app_notes', schema: 'app_notes' }]);
    assert.deepEqual(await rows('select current_user as role', [], 'other'), [{ role: 'app_other' }]);
  });

  test('values of many types are parameters, and come back as what they were', async () => {
    const when = new Date('2026-01-02T03:04:05.678Z').toISOString();
    const [row] = await rows(
      `select $1::int as number, $2::text as text, $3::timestamptz as time, $4::jsonb as json, $5::text[] as list, $6::bool as yes, $7::text as nothing, $8::bigint as large`,
      [42, `it's "quoted" \\ and ü`, when, { deep: [1, null] }, ['a', 'b,c'], true, null, '9007199254740993'],
    );
    assert.deepEqual(row, { number: 42, text: `it's "quoted" \\ and ü`, time: when, json: { deep: [1, null] }, list: ['a', 'b,c'], yes: true, nothing: null, large: '9007199254740993' });
  });

  test('a statement that is prepared once is run with other values', async () => {
    const add = (a, b) => ['select $1::int + $2::int as sum', [a, b], 'add'];
    const sums = await run([add(1, 2), add(3, 4), 'select 1 as between', add(5, 6)]);
    assert.deepEqual(sums.flatMap(({ rows }) => rows), [{ sum: 3 }, { sum: 7 }, { between: 1 }, { sum: 11 }]);
  });

  test('a transaction that is committed is there, for others too; one that is rolled back is not', async () => {
    const insert = (id, title) => ['insert into notes (id, title) values ($1, $2) returning id', [id, title]];
    const kept = await run(['begin', insert(10, 'kept'), insert(11, 'kept too'), 'select count(*)::int from notes', 'commit']);
    assert.deepEqual(kept.map(({ command }) => command), ['BEGIN', 'INSERT', 'INSERT', 'SELECT', 'COMMIT']);
    assert.deepEqual(kept[1].rows, [{ id: 10 }]);
    assert.deepEqual(kept[3].rows, [{ count: 2 }]);
    const dropped = await run(['begin', insert(12, 'dropped'), 'savepoint here', insert(13, 'dropped too'), 'rollback to here', 'select count(*)::int from notes', 'rollback']);
    assert.deepEqual(dropped.map(({ command }) => command), ['BEGIN', 'INSERT', 'SAVEPOINT', 'INSERT', 'ROLLBACK', 'SELECT', 'ROLLBACK']);
    assert.deepEqual(dropped[5].rows, [{ count: 3 }]);
    const outside = await machine.gateway.sql("select id, owner from notes where owner = 'app_notes' order by id");
    assert.match(JSON.stringify(outside), /"id":10.*"id":11/);
    assert.doesNotMatch(JSON.stringify(outside), /"id":1[23]/);
  });

  test('what breaks a rule is an error with its SQLSTATE, and ends the transaction', async () => {
    const cases = [
      ['insert into notes (id, title) values (10, $1)', ['another'], '23505'],
      ['insert into notes (id, title) values (20, $1)', [null], '23502'],
      ['select * from no_such_table', [], '42P01'],
      ['select 1 / $1::int', [0], '22012'],
      ['selec 1', [], '42601'],
      ['select $1::int', ['no number'], '22P02'],
    ];
    for (const [text, values, code] of cases) {
      const [begun, inserted, failed] = await run(['begin', ['insert into notes (id, title) values ($1, $2)', [30, 'beside an error']], [text, values]]);
      assert.deepEqual([begun.command, inserted.command, failed.severity, failed.code], ['BEGIN', 'INSERT', 'ERROR', code], JSON.stringify(failed));
    }
    const [unique] = await run([[cases[0][0], cases[0][1]]]);
    assert.deepEqual([unique.table, unique.constraint], ['notes', 'notes_pkey']);
    assert.deepEqual(await rows('select id from notes where id = 30'), []);
  });

  test('row-level security and grants hold for the role', async () => {
    assert.deepEqual(await rows('select id from notes order by id'), [{ id: 10 }, { id: 11 }], 'its own rows');
    assert.deepEqual(await rows('select id from notes', [], 'other'), [], "another application's");
    const [[foreign], [closed], [escalated]] = [
      await run([['insert into notes (id, owner, title) values (40, $1, $2)', ['app_other', 'forged']]]),
      await run(['select * from closed']),
      await run(['set role service_role']),
    ];
    assert.deepEqual([foreign.code, closed.code, escalated.code], ['42501', '42501', '42501'], JSON.stringify([foreign, closed, escalated]));
  });

  test('its own tables are its own', async () => {
    await run(['create table counters (name text primary key, value int)', "insert into counters values ('visits', 1)"]);
    assert.deepEqual(await rows('select value from counters'), [{ value: 1 }]);
    const [seen] = await run(['select value from app_notes.counters'], 'other');
    assert.equal(seen.code, '42501');
  });

  test('several connections at once keep their transactions apart', async () => {
    const results = await Promise.all(Array.from({ length: 8 }, (_, index) => run([
      'begin', ['insert into notes (id, title) values ($1, $2)', [100 + index, `at once ${index}`]], ['select title from notes where id >= 100 and id = $1', [100 + index]], index % 2 ? 'commit' : 'rollback',
    ])));
    results.forEach(([, , read], index) => assert.deepEqual(read.rows, [{ title: `at once ${index}` }]));
    assert.deepEqual((await rows('select id from notes where id >= 100 order by id')).map(({ id }) => id), [101, 103, 105, 107]);
  });
});
