// How long, deep and many a request may be: each limit has an answer of its own, and what is at the limit works.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { start } from './server.mjs';

let server;
before(async () => {
  server = await start();
  await server.sql(`
    create table things (id int primary key, name text, facts jsonb);
    create table parts (id int primary key, thing_id int references things (id));
    insert into things values (1, 'one', '{"a": 1}');
    create function read_as_json(words text) returns jsonb language sql volatile as $$ insert into things (id, facts) values (7, words::jsonb) returning facts $$;
    grant all on all tables in schema public to anon`);
});
after(() => server?.end('SIGKILL'));

const many = (length, item) => Array.from({ length }, (_, index) => item(index)).join(',');
const nested = (levels, open, close, inside) => open.repeat(levels) + inside + close.repeat(levels);

async function ask(target, { method = 'GET', body, headers } = {}) {
  const response = await server.fetch(`/rest/v1/${target}`, { method, body, headers: { 'content-type': 'application/json', ...headers } });
  const text = await response.text();
  let said;
  try { said = JSON.parse(text); } catch { said = undefined; }
  return { status: response.status, code: said?.code, message: said?.message, details: said?.details };
}

const post = (body, headers) => ({ method: 'POST', body, headers });
const json = (levels) => `{"id": 2, "facts": ${nested(levels - 1, '[', ']', '')}}`;

for (const [what, target, request, expected] of [
  ['a URL of 60 KB', `things?select=id&name=neq.${'a'.repeat(60_000)}`, {}, { status: 200 }],
  ['a URL of 70 KB', `things?select=id&name=neq.${'a'.repeat(70_000)}`, {}, { status: 414, code: 'GW400' }],
  ['8,000 values in a list', `things?select=id&id=in.(${many(8_000, String)})`, {}, { status: 200 }],
  ['5,000 filters', `things?select=id&${Array.from({ length: 5_000 }, () => 'id=gt.0').join('&')}`, {}, { status: 200 }],
  ['5,000 conditions in a group', `things?select=id&or=(${many(5_000, (id) => `id.eq.${id}`)})`, {}, { status: 200 }],
  ['60 levels of groups', `things?select=id&or=(${nested(60, 'and(', ')', 'id.eq.1')})`, {}, { status: 200 }],
  ['65 levels of groups', `things?select=id&or=(${nested(65, 'and(', ')', 'id.eq.1')})`, {}, { status: 400, code: 'PGRST100', details: 'more than 64 levels of nesting' }],
  ['64 steps into JSON', `things?select=facts${'->a'.repeat(64)}`, {}, { status: 200 }],
  ['65 steps into JSON', `things?select=facts${'->a'.repeat(65)}`, {}, { status: 400, code: 'PGRST100', details: 'more than 64 levels of nesting' }],
  ['65 levels of embeds', `things?select=${nested(65, 'parts(', ')', 'id')}`, {}, { status: 400, code: 'PGRST100', details: 'more than 64 levels of nesting' }],
  ['128 embeds', `things?select=${many(128, (index) => `p${index}:parts(id)`)}`, {}, { status: 200 }],
  ['129 embeds', `things?select=${many(129, (index) => `p${index}:parts(id)`)}`, {}, { status: 400, code: 'PGRST100', message: 'The select parameter has more than 128 embedded resources' }],
  ['1,664 columns', `things?select=${many(1_664, (index) => `c${index}:id`)}`, {}, { status: 200 }],
  ['1,665 columns', `things?select=${many(1_665, (index) => `c${index}:id`)}`, {}, { status: 500, code: '54011' }],
  ['a body of 1,000 levels', 'things', post(json(1_000)), { status: 201 }],
  ['a body of 1,001 levels', 'things', post(json(1_001)), { status: 400, code: 'PGRST102', message: 'The json nests deeper than 1000 levels' }],
  ['a body of 1,001 levels, with columns named', 'things?columns=id,facts', post(json(1_001)), { status: 400, code: 'PGRST102' }],
  ['a text that a filter reads as 1,000 levels of JSON', `things?select=id&facts=eq.${nested(1_000, '[', ']', '')}`, {}, { status: 200 }],
  ['a text that a filter reads as 1,001 levels of JSON', `things?select=id&facts=eq.${nested(1_001, '[', ']', '')}`, {}, { status: 400, code: 'PGRST100', message: 'A value nests deeper than 1000 levels' }],
  ['a text that a function reads as 1,001 levels of JSON', 'rpc/read_as_json', post(JSON.stringify({ words: nested(1_001, '[', ']', '') })), { status: 400, code: 'PGRST102' }],
  ['a body of 65 MB', 'things', post(`{"id": 3, "name": "${'a'.repeat(65 * 1024 * 1024)}"}`), { status: 413, code: 'GW413' }],
  ['a preference of 100 KB', 'things?limit=1', { headers: { prefer: `handling=strict, ${'a'.repeat(100_000)}` } }, { status: 400, code: 'PGRST122' }],
]) {
  test(what, async () => {
    const said = await ask(target, request);
    assert.deepEqual(Object.fromEntries(Object.keys(expected).map((key) => [key, said[key]])), expected, JSON.stringify(said).slice(0, 500));
  });
}

test('after all that the database is as it was', async () => {
  await server.sql('delete from things where id = 2');
  assert.deepEqual(await server.sql('select id from things'), [{ id: 1 }]);
});
