// The gateway beside its peers, in one Chromium, in one run: what a request costs.
//   node tests/bench/browser.mjs [--rounds N] [--report FILE]
//
// Peers: (a) a worker that answers a constant, (b) a worker that posts a ready-made wire message to
// the database worker, (c) the gateway, (d) MSW 2 with the same query in `pg.transaction`.
// Rounds take turns so that a slow spell of the machine meets all four; every figure is a ratio too.
import { readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { brotliCompressSync, constants } from 'node:zlib';
import { argument, bundle, ms, percentile, serve } from './peers/run.mjs';
import { launch, openGateway, stopServiceWorkers } from '../browser/harness.mjs';

const rounds = Number(argument('rounds', '6'));
const sequential = 60;
const parallel = 200;
const here = import.meta.dirname;
const request = '/rest/v1/bench_todos?select=id,title,done&done=is.false&owner=eq.user-7&order=id.desc&limit=20';

/** Milliseconds of each request, one after the other, measured in the page. */
const oneByOne = (page, url, headers, count) => page.evaluate(async ([url, headers, count]) => {
  const times = [];
  for (let i = 0; i < count; i++) {
    const start = performance.now();
    const response = await fetch(url, { headers });
    await response.arrayBuffer();
    if (!response.ok) throw new Error(`${response.status} for ${url}`);
    times.push(performance.now() - start);
  }
  return times;
}, [url, headers, count]);

const together = (page, url, headers, count) => page.evaluate(async ([url, headers, count]) => {
  const start = performance.now();
  await Promise.all(Array.from({ length: count }, async () => {
    const response = await fetch(url, { headers });
    await response.arrayBuffer();
    if (!response.ok) throw new Error(`${response.status} for ${url}`);
  }));
  return performance.now() - start;
}, [url, headers, count]);

const browser = await launch();
const servers = [];
async function peer(name, files) {
  const server = await serve(files);
  servers.push(server);
  const page = await browser.newPage();
  page.on('pageerror', (error) => console.error(name, String(error).slice(0, 300)));
  await page.goto(server.url);
  await page.evaluate(() => window.ready);
  return { name, page, headers: {}, sequential: [], parallel: [] };
}

const bundledPage = await bundle('page.ts', 'esm');
const peers = [
  await peer('constant', { 'index.html': '<script type="module" src="/page.js"></script>', 'page.js': bundledPage, 'sw.js': await bundle('constant-sw.ts') }),
  await peer('wire', { 'index.html': '<script type="module" data-database src="/page.js"></script>', 'page.js': bundledPage, 'sw.js': await bundle('wire-sw.ts'), 'database.js': (await bundle('wire-database.ts', 'esm')) }),
];
const gateway = await openGateway(browser, { storage: 'memory' });
await gateway.sql(readFileSync(path.join(here, 'peers/shared.ts'), 'utf8').match(/setup = `([^]*?)`;/)[1]);
peers.push({ name: 'gateway', page: gateway.page, headers: { apikey: gateway.keys.publishable }, sequential: [], parallel: [] });
peers.push(await peer('msw', { 'index.html': '<script type="module" src="/page.js"></script>', 'page.js': await bundle('msw-page.ts', 'esm'), 'mockServiceWorker.js': readFileSync(path.join(here, '../node_modules/msw/lib/mockServiceWorker.js')) }));

for (const { page, headers } of peers) await oneByOne(page, request, headers, 40); // until the engines have compiled it
for (let round = 0; round < rounds; round++) {
  for (const peer of peers) {
    await peer.page.bringToFront();
    peer.sequential.push(...await oneByOne(peer.page, request, peer.headers, sequential));
    peer.parallel.push(await together(peer.page, request, peer.headers, parallel));
  }
}

const cold = [];
await gateway.page.bringToFront();
for (let i = 0; i < 10; i++) {
  await stopServiceWorkers(gateway.page);
  cold.push(...await oneByOne(gateway.page, request, peers[2].headers, 1));
}

const figures = Object.fromEntries(peers.map((peer) => [peer.name, {
  p50: percentile(peer.sequential, 50), p95: percentile(peer.sequential, 95), parallel: percentile(peer.parallel, 50),
}]));
console.log(`one at a time (${rounds} rounds of ${sequential}), and ${parallel} at once (median of ${rounds}):`);
for (const [name, { p50, p95, parallel }] of Object.entries(figures)) {
  console.log(`  ${name.padEnd(9)} p50 ${ms(p50).padStart(9)}  p95 ${ms(p95).padStart(9)}  ${parallel.toFixed(0).padStart(5)} ms together`);
}
const ratio = (a, b, figure) => figures[a][figure] / figures[b][figure];
for (const [other, goal] of [['wire', 1.2], ['msw', 0.8]]) {
  console.log(`gateway / ${other}: ${ratio('gateway', other, 'p50').toFixed(2)} one at a time (p95 ${ratio('gateway', other, 'p95').toFixed(2)}), ${ratio('gateway', other, 'parallel').toFixed(2)} together; reach: ${goal}`);
}
console.log(`cold wake after a kill, to the whole answer: p50 ${ms(percentile(cold, 50))}, p95 ${ms(percentile(cold, 95))}`);

const dist = path.join(here, '../../static/dist');
const sizes = readdirSync(dist, { recursive: true }).filter((name) => name.endsWith('.wasm') && !/pglite|initdb/.test(name)).map((name) => {
  const bytes = readFileSync(path.join(dist, name));
  return { name, raw: statSync(path.join(dist, name)).size, brotli: brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } }).length };
});
for (const { name, raw, brotli } of sizes) console.log(`${name}: ${(raw / 1024).toFixed(0)} KB, ${(brotli / 1024).toFixed(0)} KB brotli`);
const memory = await gateway.memory();
console.log(`memory: ${Object.entries(memory).map(([name, bytes]) => `${name} ${(bytes / 1048576).toFixed(1)} MB`).join(', ')}`);

const report = argument('report');
if (report) writeFileSync(report, JSON.stringify({ figures, cold, sizes, memory }, null, 1));
for (const server of servers) server.close();
await gateway.close();
await browser.close();
