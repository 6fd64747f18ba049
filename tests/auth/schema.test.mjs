// The schema `auth` is Supabase's: what `schema.json` describes is there as it says, and users' SQL may lean on it.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { start } from '../node/server.mjs';
import { described } from '../schema/described.mjs';

const expected = JSON.parse(readFileSync(path.join(import.meta.dirname, 'schema.json'), 'utf8'));

let server;
before(async () => { server = await start(); });
after(() => server?.end('SIGKILL'));

test('tables, enums, indexes and functions are as Supabase has them', () => described(server.sql, 'auth', expected));

/** A value of an expression as a role sees it, with these claims. */
async function as(role, claims, expression) {
  const rows = await server.sql(`begin; set local role ${role}; select set_config('request.jwt.claims', '${JSON.stringify(claims)}', true); select ${expression} as value; commit`);
  return rows.flat().find((row) => row && 'value' in row)?.value;
}

test('its functions say who asks', async () => {
  const sub = crypto.randomUUID();
  const claims = { sub, role: 'authenticated', email: 'ada@example.com', aal: 'aal2' };
  assert.equal(await as('authenticated', claims, 'auth.uid()'), sub);
  assert.equal(await as('authenticated', claims, 'auth.role()'), 'authenticated');
  assert.equal(await as('authenticated', claims, 'auth.email()'), 'ada@example.com');
  assert.equal(await as('authenticated', claims, "auth.jwt() ->> 'aal'"), 'aal2');
  assert.equal(await as('anon', { role: 'anon' }, 'auth.uid()'), null);
});

test('users’ tables refer to users, and go with them', async () => {
  await server.sql(`
    create table public.profiles (id uuid primary key references auth.users on delete cascade, name text);
    create function public.welcome() returns trigger language plpgsql security definer set search_path = '' as $$
      begin insert into public.profiles (id, name) values (new.id, new.raw_user_meta_data ->> 'name'); return new; end $$;
    create trigger welcome after insert on auth.users for each row execute function public.welcome()`);
  const admin = (target, method, body) => server.fetch(`/auth/v1/admin/users${target}`, { method, key: server.keys.secret, headers: { 'content-type': 'application/json' }, ...(body && { body: JSON.stringify(body) }) });
  const { id } = await (await admin('', 'POST', { email: 'ada@example.com', user_metadata: { name: 'Ada' } })).json();
  assert.deepEqual(await server.sql('select id, name from public.profiles'), [{ id, name: 'Ada' }]);
  assert.equal((await admin(`/${id}`, 'DELETE')).status, 200);
  assert.deepEqual(await server.sql('select id from public.profiles'), []);
});

test('nobody of the API reads or writes it', async () => {
  for (const role of ['anon', 'authenticated']) {
    for (const table of Object.keys(expected.tables)) {
      await assert.rejects(server.sql(`begin; set local role ${role}; select 1 from auth.${table} limit 1; commit`), /permission denied/, `${role} ${table}`);
      await server.sql('rollback');
    }
  }
});
