// What every peer has in common: the table, the query, and Postgres.
import { PGlite, protocol } from '@electric-sql/pglite';

export const setup = `
  do $$ begin create role anon nologin; exception when duplicate_object then null; end $$;
  create table bench_todos (id int primary key, title text not null, done boolean not null, owner text not null, created_at timestamptz not null default now());
  insert into bench_todos (id, title, done, owner) select n, 'todo number ' || n, n % 3 = 0, 'user-' || (n % 50) from generate_series(1, 5000) n;
  alter table bench_todos enable row level security;
  create policy everyone on bench_todos for select using (true);
  grant select on bench_todos to anon;
`;

export const claims = JSON.stringify({ role: 'anon', iss: 'bench' });

// One request's settings, and the query whose result is the JSON body.
export const settings = `select set_config('role', $1, true), set_config('request.jwt.claims', $2, true), set_config('request.method', 'GET', true), set_config('request.path', '/bench_todos', true), set_config('request.headers', '{}', true), set_config('search_path', 'public, extensions', true)`;
export const query = `select null::bigint as total_result_set, pg_catalog.count(_postgrest_t) as page_total, coalesce(json_agg(_postgrest_t), '[]') as body, nullif(current_setting('response.headers', true), '') as response_headers, nullif(current_setting('response.status', true), '') as response_status from (select "bench_todos"."id", "bench_todos"."title", "bench_todos"."done" from "public"."bench_todos" where "bench_todos"."done" is false and "bench_todos"."owner" = $1 order by "bench_todos"."id" desc limit $2) _postgrest_t`;

export async function open(): Promise<PGlite> {
  const pg = await PGlite.create('memory://');
  await pg.exec(setup);
  return pg;
}

/** The wire messages of one request, made once. */
export function message(): Uint8Array<ArrayBuffer> {
  const { serialize } = protocol;
  const parts = [
    serialize.parse({ text: settings }), serialize.bind({ values: ['anon', claims] }), serialize.execute(),
    serialize.parse({ text: query }), serialize.bind({ values: ['user-7', '20'] }), serialize.describe({ type: 'P' }), serialize.execute(),
    serialize.sync(),
  ];
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.byteLength, 0));
  let at = 0;
  for (const part of parts) { whole.set(new Uint8Array(part), at); at += part.byteLength; }
  return whole;
}
