// The gateway on data and schemas of a grown-up size, beside the same messages run by PGlite directly.
//   node tests/bench/scale.mjs [--rounds N] [--rows N] [--only PATTERN] [--report FILE]
//
// The direct peer is a page that posts to a worker with PGlite in it, and what it posts is what the gateway itself sends
// Postgres for that request, recorded in Node. Both end when the answer is there as text. What the direct peer does not pay
// is a fetch through a service worker, which a third peer shows by itself: one that does nothing, given a body of the same
// size and answering as many bytes. They take turns, so that a slow spell of the machine meets all; every figure is a ratio
// too, the second one beside both peers together.
import { writeFileSync } from 'node:fs';
import { PGlite } from '@electric-sql/pglite';
import { launch, openGateway, sql as runSql, stopServiceWorkers } from '../browser/harness.mjs';
import { createHost } from '../../static/dist/node/host.mjs';
import { largeSchema } from './large-schema.mjs';
import { argument, bundle, ms, percentile, serve } from './peers/run.mjs';

const rounds = Number(argument('rounds', '15'));
const rows = Number(argument('rows', '100000'));
const only = new RegExp(argument('only', '.'));
const reach = 1.3;

const roles = 'create role anon nologin; create role authenticated nologin; create role service_role nologin bypassrls; create role authenticator noinherit; grant anon, authenticated, service_role to authenticator;';
const tables = `
  create table big (id int primary key, owner text not null, name text not null, amount numeric(12, 2) not null, tags text[] not null,
    settings jsonb not null, is_active boolean not null, created_at timestamptz not null);
  create index on big (owner);
  create table regions (id int primary key, name text not null);
  create table countries (id int primary key, name text not null, region_id int not null references regions);
  create table cities (id int primary key, name text not null, country_id int not null references countries);
  create table shops (id int primary key, name text not null, city_id int not null references cities);
  create table orders (id int primary key, total numeric(12, 2) not null, shop_id int not null references shops);
  create index on countries (region_id); create index on cities (country_id); create index on shops (city_id); create index on orders (shop_id);
  create table bulk (id int primary key, name text not null, amount numeric(12, 2), settings jsonb, created_at timestamptz not null default now());
  do $$ declare name text; begin
    foreach name in array array['big', 'regions', 'countries', 'cities', 'shops', 'orders', 'bulk'] loop
      execute format('alter table %I enable row level security; create policy everyone on %I using (true) with check (true); grant all on %I to anon', name, name, name);
    end loop;
  end $$;
`;
const data = `
  insert into big select n, 'user-' || n % 1000, 'row number ' || n, n % 977, array['tag-' || n % 7, 'tag-' || n % 11],
    jsonb_build_object('theme', 'dark', 'size', n % 13, 'nested', jsonb_build_object('flag', n % 2 = 0)), n % 3 = 0, '2026-01-01'::timestamptz + n * interval '1 minute'
    from generate_series(1, ${rows}) n;
  insert into regions select n, 'region ' || n from generate_series(1, 10) n;
  insert into countries select n, 'country ' || n, 1 + n % 10 from generate_series(1, 100) n;
  insert into cities select n, 'city ' || n, 1 + n % 100 from generate_series(1, 1000) n;
  insert into shops select n, 'shop ' || n, 1 + n % 1000 from generate_series(1, 10000) n;
  insert into orders select n, n % 500, 1 + n % 10000 from generate_series(1, ${rows}) n;
  vacuum analyze;
`;
const bulk = JSON.stringify(Array.from({ length: 5000 }, (_, n) => ({ id: n, name: `row number ${n}`, amount: n % 977, settings: { theme: 'dark', size: n % 13 } })));
const csv = ['id,name,amount', ...Array.from({ length: 5000 }, (_, n) => `${n},row number ${n},${n % 977}`)].join('\n');

const requests = [
  { name: 'one row of 100,000 by key', path: '/rest/v1/big?select=*&id=eq.77777' },
  { name: '20 of 100,000 by an index', path: '/rest/v1/big?select=id,name,amount&owner=eq.user-77&is_active=is.true&order=id.desc&limit=20' },
  { name: 'search through 100,000', path: '/rest/v1/big?select=id,name&name=ilike.*9999*&limit=20' },
  { name: '20 of 100,000, counted', path: '/rest/v1/big?select=id,name&order=id&limit=20', headers: { prefer: 'count=exact' } },
  { name: 'embed of 5 levels', path: '/rest/v1/regions?select=id,name,countries(id,name,cities(id,name,shops(id,name,orders(id,total))))&id=eq.1&countries.limit=3&countries.cities.limit=5&countries.cities.shops.orders.limit=3' },
  { name: 'page of 10,000 rows', path: '/rest/v1/big?select=*&order=id&limit=10000' },
  { name: 'page of 10,000 rows as CSV', path: '/rest/v1/big?select=id,owner,name,amount&order=id&limit=10000', headers: { accept: 'text/csv' } },
  { name: 'insert of 5,000 rows', path: '/rest/v1/bulk', method: 'POST', body: bulk, headers: { 'content-type': 'application/json' }, after: 'truncate bulk' },
  { name: 'insert of 5,000 rows, returned', path: '/rest/v1/bulk?select=id,name', method: 'POST', body: bulk, headers: { 'content-type': 'application/json', prefer: 'return=representation' }, after: 'truncate bulk' },
  { name: 'insert of 5,000 rows of CSV', path: '/rest/v1/bulk', method: 'POST', body: csv, headers: { 'content-type': 'text/csv' }, after: 'truncate bulk' },
  { name: 'update of 1,000 rows', path: '/rest/v1/big?id=lte.1000', method: 'PATCH', body: '{"amount":7}', headers: { 'content-type': 'application/json' } },
].filter(({ name }) => only.test(name));

/** What the gateway sends Postgres for each request. */
async function record() {
  const pglite = await PGlite.create('memory://');
  const run = pglite.execProtocolRawSync.bind(pglite);
  let last;
  pglite.execProtocolRawSync = (messages) => {
    // The gateway asks for other things too.
    if (Buffer.from(messages).includes('request.method')) last = messages.slice();
    return run(messages);
  };
  await pglite.exec(roles + tables);
  const host = await createHost({ pglite, migrate: false, baseline: 'set session authorization postgres', config: { 'db-max-rows': '20000', 'db-extra-search-path': 'public' } });
  const recorded = new Map();
  for (const { name, path, method, body, headers, after } of requests) {
    const response = await host.handle(new Request(`http://localhost${path}`, { method, body, headers }));
    const text = await response.text();
    if (!response.ok) throw new Error(`${name}: ${response.status} ${text}`);
    recorded.set(name, last);
    if (after) await host.handle(new Request(`http://localhost${path.split('?')[0]}?id=gte.0`, { method: 'DELETE' }));
  }
  await host.close();
  await pglite.close();
  return recorded;
}

const recorded = await record();
const browser = await launch();
const server = await serve({ 'index.html': '<script type="module" src="/page.js"></script>', 'page.js': await bundle('direct-page.ts', 'esm'), 'database.js': await bundle('direct-database.ts', 'esm') });
const direct = await browser.newPage();
await direct.goto(server.url);
for (const sql of [roles, tables, ...data.split(/(?=vacuum)/), 'set session authorization postgres']) await direct.evaluate((sql) => window.exec(sql), sql);
for (const [name, bytes] of recorded) await direct.evaluate(([name, bytes]) => window.remember(name, bytes), [name, Buffer.from(bytes).toString('base64')]);

const workerServer = await serve({ 'index.html': '<script type="module" src="/page.js"></script>', 'page.js': await bundle('page.ts', 'esm'), 'sw.js': await bundle('empty-sw.ts') });
const worker = await browser.newPage();
await worker.goto(workerServer.url);
await worker.evaluate(() => window.ready);

const gateway = await openGateway(browser, { storage: 'memory' });
for (const sql of [tables, ...data.split(/(?=vacuum)/), "alter role authenticator set pgrst.db_max_rows = '20000'; notify pgrst, 'reload config'"]) await gateway.sql(sql);

const fetchedBy = (page, request) => page.evaluate(async ([{ path, method, body, headers }, apikey]) => {
  const start = performance.now();
  const response = await fetch(path, { method, body, headers: { apikey, ...headers } });
  const text = await response.text();
  const milliseconds = performance.now() - start;
  if (!response.ok) throw new Error(`${response.status} ${text.slice(0, 400)}`);
  return [milliseconds, text.length];
}, [request, gateway.keys.publishable]);
const fetched = (request) => fetchedBy(gateway.page, request);

const report = {};
const column = (text) => text.padStart(11);
console.log(`${'p50 of ' + rounds}`.padEnd(34), ...['gateway', 'directly', 'empty SW'].map(column), ' ratio p50  p95   to both');
for (const request of requests) {
  const times = { gateway: [], direct: [], worker: [] };
  let length = 0;
  const peers = [
    ['gateway', async () => { const [milliseconds, answered] = await fetched(request); length = answered; return [milliseconds]; }],
    ['direct', () => direct.evaluate((name) => window.time(name), request.name)],
    ['worker', () => fetchedBy(worker, { ...request, headers: { ...request.headers, 'x-answer-bytes': String(length) } })],
  ];
  for (let round = -3; round < rounds; round++) {
    for (const [peer, time] of peers) {
      const [milliseconds] = await time();
      if (round >= 0) times[peer].push(milliseconds); // before that, the engines compile it
    }
    if (request.after) await Promise.all([gateway.sql(request.after), direct.evaluate((sql) => window.exec(sql), request.after)]);
  }
  const [p50, p95] = [50, 95].map((p) => percentile(times.gateway, p) / percentile(times.direct, p));
  const both = percentile(times.gateway, 50) / (percentile(times.direct, 50) + percentile(times.worker, 50));
  report[request.name] = { ...times, p50, p95, both };
  const marked = (ratio) => `${ratio.toFixed(2)}${ratio > reach ? '!' : ' '}`.padStart(9);
  console.log(request.name.padEnd(34), ...[times.gateway, times.direct, times.worker].map((of) => column(ms(percentile(of, 50)))), marked(p50), p95.toFixed(2).padStart(6), marked(both));
}
console.log(`reach: ${reach}`);

// A schema of 500 tables: what reading it costs, beside the one query that does; a wake with it and without.
await direct.close();
await worker.close();
workerServer.close();
const woken = async () => {
  const times = [];
  for (let i = 0; i < 10; i++) {
    await stopServiceWorkers(gateway.page);
    times.push((await fetched({ path: '/rest/v1/big?select=id&limit=1' }))[0]);
  }
  return times;
};
const wasm = async () => (await gateway.page.evaluate(async () => (await fetch('/gateway/status')).json())).memory.wasm / 1048576;
const wakes = { small: await woken() };
const memory = { small: await wasm() };
await runSql(gateway.page, gateway.keys.secret, largeSchema(500));
const reading = [];
for (let i = 0; i < 10; i++) {
  await gateway.sql("notify pgrst, 'reload schema'");
  reading.push((await fetched({ path: '/rest/v1/big?select=id&limit=1' }))[0]);
}
await gateway.sql("alter role authenticator set pgrst.db_schemas = 'public, large'; grant usage on schema large to anon; notify pgrst, 'reload config'");
await fetched({ path: '/rest/v1/big?select=id&limit=1' });
const large = [];
for (let i = 0; i < 10; i++) {
  await gateway.sql("notify pgrst, 'reload schema'");
  large.push((await fetched({ path: '/rest/v1/big?select=id&limit=1' }))[0]);
}
memory.large = await wasm();
wakes.large = await woken();
const shown = (times) => `p50 ${ms(percentile(times, 50))}, p95 ${ms(percentile(times, 95))}`;
console.log(`first request after a reload: 500 tables that are not exposed ${shown(reading)}; exposed ${shown(large)}`);
console.log(`cold wake to the whole answer: 7 tables ${shown(wakes.small)}; 500 tables ${shown(wakes.large)}`);
console.log(`memory of the gateway: ${memory.small.toFixed(1)} MB with 7 tables, ${memory.large.toFixed(1)} MB with 500`);

const file = argument('report');
if (file) writeFileSync(file, JSON.stringify({ report, reading, large, wakes, memory }, null, 1));
server.close();
await gateway.close();
await browser.close();
