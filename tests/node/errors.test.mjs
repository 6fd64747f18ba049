// Every error that PostgREST has a code for, as a client meets it: status, message, details and hint.
//
// Source: PostgREST's page "Errors". Not here: PGRST000 to PGRST003, which say that the database is away (tests/browser),
// and PGRST300, PGRST301 and PGRST303 of tokens, which `routes/src/identity/tests.rs` has one by one.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { start } from './server.mjs';

let server;
before(async () => {
  server = await start();
  await server.sql(`
    create table clients (id int primary key, name text not null);
    create table projects (id int primary key, name text, client_id int references clients (id), owner_id int references clients (id));
    create table tasks (id int primary key, project_id int references projects (id));
    insert into clients values (1, 'one'), (2, 'two');
    insert into projects values (1, 'a', 1, 1), (2, 'b', 2, 1);
    create function add(a int, b int) returns int language sql immutable as 'select a + b';
    create function same(a int) returns int language sql immutable as 'select a';
    create function same(a text) returns text language sql immutable as 'select a';
    create function bad_headers() returns void language plpgsql as $$ begin perform set_config('response.headers', 'no', true); end $$;
    create function bad_status() returns void language plpgsql as $$ begin perform set_config('response.status', 'no', true); end $$;
    create function bad_raise() returns void language plpgsql as $$ begin raise sqlstate 'PGRST' using message = 'no', detail = '{}'; end $$;
    create function own_answer() returns void language plpgsql as $$ begin
      raise sqlstate 'PGRST' using message = '{"code": "teapot", "message": "short", "details": "and stout", "hint": "pour"}', detail = '{"status": 418, "headers": {"x-handle": "here"}}';
    end $$;
    grant all on all tables in schema public to anon`);
});
after(() => server?.end('SIGKILL'));

const unsatisfiable = 'Requested range not satisfiable';
const cannotEmbed = (from, to) => `Could not find a relationship between '${from}' and '${to}' in the schema cache`;
const choices = [
  { cardinality: 'many-to-one', embedding: 'projects with clients', relationship: 'projects_client_id_fkey using projects(client_id) and clients(id)' },
  { cardinality: 'many-to-one', embedding: 'projects with clients', relationship: 'projects_owner_id_fkey using projects(owner_id) and clients(id)' },
];

const post = (body, headers = {}) => ({ method: 'POST', body: typeof body === 'string' ? body : JSON.stringify(body), headers: { 'content-type': 'application/json', ...headers } });
const only = (method, body, headers = {}) => ({ method, body, headers: { 'content-type': 'application/json', ...headers } });
const headed = (headers) => ({ headers });

const errors = [
  ['PGRST100', 400, 'clients?id=what.1', {}, '"failed to parse filter (what.1)" (line 1, column 1)', 'unexpected "w" expecting "not" or operator (eq, gt, ...)', null],
  ['PGRST101', 405, 'rpc/add', only('DELETE'), 'Cannot use the DELETE method on RPC', null, null],
  ['PGRST102', 400, 'clients', post('{'), 'Empty or invalid json', null, null],
  ['PGRST102', 400, 'clients', post([{ id: 3 }, { name: 'x' }]), 'All object keys must match', null, null],
  ['PGRST102', 400, 'clients', post('x', { 'content-type': 'a/b' }), 'Content-Type not acceptable: a/b', null, null],
  ['PGRST103', 416, 'clients', headed({ range: '5-2' }), unsatisfiable, 'The lower boundary must be lower than or equal to the upper boundary in the Range header.', null],
  ['PGRST103', 416, 'clients?limit=-1', {}, unsatisfiable, 'Limit should be greater than or equal to zero.', null],
  ['PGRST103', 416, 'clients?offset=9', headed({ prefer: 'count=exact' }), unsatisfiable, 'An offset of 9 was requested, but there are only 2 rows.', null],
  ['PGRST105', 405, 'clients?id=gt.1', only('PUT', '{"id": 1, "name": "x"}'), `Filters must include all and only primary key columns with 'eq' operators`, null, null],
  ['PGRST106', 406, 'clients', headed({ 'accept-profile': 'secret' }), 'Invalid schema: secret', null, 'Only the following schemas are exposed: public, graphql_public'],
  ['PGRST107', 406, 'clients', headed({ accept: 'image/png' }), 'None of these media types are available: image/png', null, null],
  ['PGRST108', 400, 'projects?tasks.id=eq.1', {}, `'tasks' is not an embedded resource in this request`, null, `Verify that 'tasks' is included in the 'select' query parameter.`],
  ['PGRST111', 500, 'rpc/bad_headers', post({}), 'response.headers guc must be a JSON array composed of objects with a single key and a string value', null, null],
  ['PGRST112', 500, 'rpc/bad_status', post({}), 'response.status guc must be a valid status code', null, null],
  ['PGRST114', 400, 'clients?id=eq.1&limit=1', only('PUT', '{"id": 1, "name": "x"}'), 'limit/offset querystring parameters are not allowed for PUT', null, null],
  ['PGRST115', 400, 'clients?id=eq.1', only('PUT', '{"id": 2, "name": "x"}'), 'Payload values do not match URL in primary key column(s)', null, null],
  ['PGRST116', 406, 'clients', headed({ accept: 'application/vnd.pgrst.object+json' }), 'Cannot coerce the result to a single JSON object', 'The result contains 2 rows', null],
  ['PGRST117', 405, 'clients', only('PROPFIND'), 'Unsupported HTTP method: PROPFIND', null, null],
  ['PGRST118', 400, 'clients?select=id,projects!projects_client_id_fkey(id)&order=projects(id)', {}, `A related order on 'projects' is not possible`, `'clients' and 'projects' do not form a many-to-one or one-to-one relationship`, null],
  ['PGRST121', 500, 'rpc/bad_raise', post({}), `Could not parse JSON in the "RAISE SQLSTATE 'PGRST'" error`, `Invalid JSON value for MESSAGE: 'no'`, `MESSAGE must be a JSON object with obligatory keys: 'code', 'message' and optional keys: 'details', 'hint'.`],
  ['PGRST122', 400, 'clients', headed({ prefer: 'handling=strict, whatever' }), 'Invalid preferences given with handling=strict', 'Invalid preferences: whatever', null],
  ['PGRST123', 400, 'clients?select=id.sum()', {}, 'Use of aggregate functions is not allowed', null, null],
  ['PGRST124', 400, 'projects?id=gt.0', only('PATCH', '{"name": "x"}', { prefer: 'handling=strict, max-affected=1' }), 'Query result exceeds max-affected preference constraint', 'The query affects 2 rows', null],
  ['PGRST125', 404, 'clients/1', {}, 'Invalid path specified in request URL', null, null],
  ['PGRST128', 400, 'rpc/add', post({ a: 1, b: 2 }, { prefer: 'handling=strict, max-affected=1' }), 'Function must return SETOF or TABLE when max-affected preference is used with handling=strict', null, null],
  ['PGRST200', 400, 'clients?select=tasks(id)', {}, cannotEmbed('clients', 'tasks'), `Searched for a foreign key relationship between 'clients' and 'tasks' in the schema 'public', but no matches were found.`, null],
  ['PGRST200', 400, 'projects?select=task(id)', {}, cannotEmbed('projects', 'task'), `Searched for a foreign key relationship between 'projects' and 'task' in the schema 'public', but no matches were found.`, `Perhaps you meant 'tasks' instead of 'task'.`],
  ['PGRST201', 300, 'projects?select=clients(id)', {}, `Could not embed because more than one relationship was found for 'projects' and 'clients'`, choices, `Try changing 'clients' to one of the following: 'clients!projects_client_id_fkey', 'clients!projects_owner_id_fkey'. Find the desired relationship in the 'details' key.`],
  ['PGRST202', 404, 'rpc/bad_header', {}, 'Could not find the function public.bad_header without parameters in the schema cache', 'Searched for the function public.bad_header without parameters, but no matches were found in the schema cache.', 'Perhaps you meant to call the function public.bad_headers'],
  ['PGRST202', 404, 'rpc/add', post({ a: 1 }), 'Could not find the function public.add(a) in the schema cache', 'Searched for the function public.add with parameter a or with a single unnamed json/jsonb parameter, but no matches were found in the schema cache.', 'Perhaps you meant to call the function public.add(a, b)'],
  ['PGRST203', 300, 'rpc/same?a=1', {}, 'Could not choose the best candidate function between: public.same(a => integer), public.same(a => text)', null, 'Try renaming the parameters or the function itself in the database so function overloading can be resolved'],
  ['PGRST204', 400, 'clients', post({ nome: 1 }), `Could not find the 'nome' column of 'clients' in the schema cache`, null, null],
  ['PGRST205', 404, 'client', {}, `Could not find the table 'public.client' in the schema cache`, null, `Perhaps you meant the table 'public.clients'`],
  ['teapot', 418, 'rpc/own_answer', post({}), 'short', 'and stout', 'pour'],
];

for (const [code, status, target, init, message, details, hint] of errors) {
  test(`${code}: ${init.method ?? 'GET'} ${target}`, async () => {
    const response = await server.fetch(`/rest/v1/${target}`, init);
    assert.deepEqual([response.status, await response.json()], [status, { code, message, details, hint }]);
    assert.equal(response.headers.get('proxy-status'), `PostgREST; error=${code}`);
    assert.match(response.headers.get('content-type'), /^application\/json/);
  });
}

/** What settings in the database bring about, and what it was before. */
async function within(settings, ask) {
  const names = Object.keys(settings);
  await server.sql(`${names.map((name) => `alter role authenticator set pgrst.${name} = '${settings[name]}';`).join(' ')} notify pgrst, 'reload config'`);
  try {
    await ask();
  } finally {
    await server.sql(`${names.map((name) => `alter role authenticator reset pgrst.${name};`).join(' ')} notify pgrst, 'reload config'`);
  }
}

test('PGRST126 and PGRST127, where settings bring them about', async () => {
  await within({ openapi_mode: 'disabled', db_aggregates_enabled: 'true' }, async () => {
    const root = await server.fetch('/rest/v1/');
    assert.deepEqual([root.status, await root.json()], [404, { code: 'PGRST126', message: 'Root endpoint metadata is disabled', details: null, hint: null }]);
    const spread = await server.fetch('/rest/v1/projects?select=...tasks(id.sum())');
    assert.deepEqual([spread.status, await spread.json()], [400, { code: 'PGRST127', message: 'Feature not implemented', details: 'Aggregates are not implemented for one-to-many or many-to-many spreads.', hint: null }]);
  });
});

test('PGRST302, where nobody may come without a token', async () => {
  await within({ db_anon_role: '' }, async () => {
    const response = await fetch(`${server.url}/rest/v1/clients`);
    assert.deepEqual([response.status, (await response.json()).code], [401, 'PGRST302']);
    assert.equal(response.headers.get('www-authenticate'), 'Bearer');
  });
});
