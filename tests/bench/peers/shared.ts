// What every peer has in common: the table, the query, and Postgres.
import { PGlite, protocol } from '@electric-sql/pglite';

export const setup = `
  do $$ begin create role anon nologin; create role authenticator; grant anon to authenticator; exception when duplicate_object then null; end $$;
  create table bench_todos (id int primary key, title text not null, done boolean not null, owner text not null, created_at timestamptz not null default now());
  insert into bench_todos (id, title, done, owner) select n, 'todo number ' || n, n % 3 = 0, 'user-' || (n % 50) from generate_series(1, 5000) n;
  alter table bench_todos enable row level security;
  create policy everyone on bench_todos for select using (true);
  grant select on bench_todos to anon;
`;

export const claims = JSON.stringify({ role: 'anon', iss: 'bench' });

// What the gateway sends for the request of the benchmark, so that all peers ask Postgres the same:
// one request's settings, and the query whose result is the JSON body.
const pairs = [
  ['session_authorization', 'authenticator'],
  ['transaction_read_only', 'on'],
  ['search_path', '"public", "public", "extensions"'],
  ['role', 'anon'],
  ['request.jwt.claims', claims],
  ['request.method', 'GET'],
  ['request.path', '/bench_todos'],
  ['request.headers', '{"apikey":"sb_publishable_0000000000000000000000_00000000"}'],
  ['request.cookies', '{}'],
];
export const settings = `SELECT ${pairs.map((_, i) => `set_config($${2 * i + 1}, $${2 * i + 2}, true)`).join(', ')}`;
export const settingValues = pairs.flat();
export const query = `SELECT null::bigint AS total, pg_catalog.count(*) AS page, null AS location, nullif(current_setting('response.headers', true), '') AS headers, nullif(current_setting('response.status', true), '') AS status, null AS inserted, coalesce(json_agg(_postgrest_t), '[]') AS body FROM (SELECT "public"."bench_todos"."id", "public"."bench_todos"."title", "public"."bench_todos"."done" FROM "public"."bench_todos" WHERE "public"."bench_todos"."done" IS FALSE AND "public"."bench_todos"."owner" = $1 ORDER BY "public"."bench_todos"."id" DESC LIMIT $2) _postgrest_t`;

export async function open(): Promise<PGlite> {
  const pg = await PGlite.create('memory://');
  await pg.exec(setup);
  // Named once, the session's user comes back at the end of each transaction.
  await pg.exec('set session authorization postgres');
  return pg;
}

/** The wire messages of one request, made once. */
export function message(): Uint8Array<ArrayBuffer> {
  const { serialize } = protocol;
  const parts = [
    serialize.parse({ text: settings }), serialize.bind({ values: settingValues }), serialize.execute(),
    serialize.parse({ text: query }), serialize.bind({ values: ['user-7', '20'] }), serialize.describe({ type: 'P' }), serialize.execute(),
    serialize.sync(),
  ];
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.byteLength, 0));
  let at = 0;
  for (const part of parts) { whole.set(new Uint8Array(part), at); at += part.byteLength; }
  return whole;
}
