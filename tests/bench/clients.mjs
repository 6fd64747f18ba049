// auth-js and storage-js from npm before the gateway, beside the same SQL run by PGlite directly and beside the raw costs of
// the origin private file system, all in one Chromium and one run.
//   node tests/bench/clients.mjs [--rounds N] [--report FILE]
//
// The direct peer is a page that posts to a worker with PGlite in it. What it posts is what the gateway itself sends
// Postgres for that call, recorded in Node on a database of which the worker has a copy; after each exchange that wrote it
// makes durable, as the gateway does, and where the call has bytes it writes or reads a file. The peers take turns, so that
// a slow spell of the machine meets all; every figure is a ratio too. A sign-in hashes the password, which Postgres does not.
import { writeFileSync } from 'node:fs';
import { PGlite } from '@electric-sql/pglite';
import { pgcrypto } from '@electric-sql/pglite/contrib/pgcrypto';
import { uuid_ossp } from '@electric-sql/pglite/contrib/uuid_ossp';
import { AuthClient } from '@supabase/auth-js';
import { StorageClient } from '@supabase/storage-js';
import { build } from 'esbuild';
import { launch, openGateway } from '../browser/harness.mjs';
import { createHost } from '../../static/dist/node/host.mjs';
import { megabyte, prepare, rows } from './peers/calls.mjs';
import { argument, bundle, ms, percentile, serve } from './peers/run.mjs';

const rounds = Number(argument('rounds', '20'));
const warm = 3;
/** Which files the direct peer writes or reads for a call. */
const files = { 'upload of 1 MB': (round) => ({ write: [`up-${round}`, megabyte] }), 'download of 1 MB': () => ({ read: 'up-0' }) };

/** What the gateway sends Postgres for each call, round by round, and the database before the first. */
async function record() {
  const pglite = await PGlite.create({ dataDir: 'memory://', extensions: { pgcrypto, uuid_ossp } });
  const host = await createHost({ pglite });
  const keys = await host.keys();
  const fetched = (input, init) => host.handle(new Request(input, init));
  const calls = await prepare({ AuthClient, StorageClient, base: 'http://localhost', keys, fetch: fetched });
  await pglite.exec(rows);
  const data = Buffer.from(await (await pglite.dumpDataDir('gzip')).arrayBuffer());
  const run = pglite.execProtocolRawSync.bind(pglite);
  let exchanges = [];
  pglite.execProtocolRawSync = (messages) => {
    exchanges.push(Buffer.from(messages).toString('base64'));
    return run(messages);
  };
  const recorded = [];
  for (let round = 0; round < warm + rounds; round += 1) {
    for (const [name, call] of Object.entries(calls)) {
      exchanges = [];
      await call(round);
      recorded.push([`${name} ${round}`, exchanges]);
    }
  }
  const counts = Object.fromEntries(recorded.slice(-Object.keys(calls).length).map(([name, { length }]) => [name.replace(/ \d+$/, ''), length]));
  await host.close();
  await pglite.close();
  return { data, recorded, counts, names: Object.keys(calls) };
}

const { data, recorded, counts, names } = await record();
const browser = await launch();
const server = await serve({
  'index.html': '<script type="module" src="/page.js"></script>', 'data.tar.gz': data,
  'page.js': await bundle('stored-page.ts', 'esm'), 'database.js': await bundle('stored-database.ts', 'esm'),
});
const direct = await browser.newPage();
await direct.goto(server.url);
await direct.evaluate(() => window.ready);
for (const [name, exchanges] of recorded) await direct.evaluate(([name, exchanges]) => window.remember(name, exchanges), [name, exchanges]);

const gateway = await openGateway(browser, { storage: 'auto' });
if (gateway.status.storage.kind !== 'opfs') throw new Error(`the gateway is on ${gateway.status.storage.kind}`);
const page = await build({
  stdin: { contents: `import { AuthClient } from '@supabase/auth-js'; import { StorageClient } from '@supabase/storage-js'; import { prepare } from './peers/calls.mjs';
    window.begin = async (keys) => { window.calls = await prepare({ AuthClient, StorageClient, base: location.origin, keys }); };
    window.time = async (name, round) => { const start = performance.now(); await calls[name](round); return performance.now() - start; };`, resolveDir: import.meta.dirname },
  bundle: true, write: false, format: 'iife', platform: 'browser',
});
await gateway.page.evaluate(page.outputFiles[0].text);
await gateway.page.evaluate((keys) => window.begin(keys), gateway.keys);
await gateway.sql(rows);

const times = Object.fromEntries(names.map((name) => [name, { gateway: [], direct: [], opfs: [] }]));
for (let round = 0; round < warm + rounds; round += 1) {
  for (const name of names) {
    const beside = files[name]?.(round);
    const turns = {
      gateway: () => gateway.page.evaluate(([name, round]) => window.time(name, round), [name, round]),
      direct: () => direct.evaluate(([name, beside]) => window.time(name, beside), [`${name} ${round}`, beside]),
      ...(beside && { opfs: () => direct.evaluate((beside) => window.time(undefined, beside), beside.write ? { write: [`raw-${round}`, megabyte] } : beside) }),
    };
    for (const [peer, turn] of Object.entries(turns)) {
      await (peer === 'gateway' ? gateway.page : direct).bringToFront();
      const milliseconds = await turn();
      if (round >= warm) times[name][peer].push(milliseconds); // before that, the engines compile it
    }
  }
}

const shown = (values, p) => (values.length ? ms(percentile(values, p)) : '').padStart(11);
console.log(`${rounds} rounds`.padEnd(30), 'gateway p50'.padStart(11), 'p95'.padStart(11), 'directly p50'.padStart(13), 'p95'.padStart(11), 'OPFS p50'.padStart(11), ' ratio p50   p95  exchanges');
for (const [name, { gateway, direct, opfs }] of Object.entries(times)) {
  const [p50, p95] = [50, 95].map((p) => (percentile(gateway, p) / percentile(direct, p)).toFixed(2));
  console.log(name.padEnd(30), shown(gateway, 50), shown(gateway, 95), shown(direct, 50).padStart(13), shown(direct, 95), shown(opfs, 50), p50.padStart(10), p95.padStart(6), String(counts[name]).padStart(8));
}
const file = argument('report');
if (file) writeFileSync(file, JSON.stringify({ times, counts }, null, 1));
server.close();
await gateway.close();
await browser.close();
