// Edge functions: what a call costs warm and cold, many at once, a deployment, and the memory of one; in one Chromium, in
// one run.
//   node tests/bench/functions.mjs [--rounds N] [--cold N] [--only PATTERN] [--report FILE]
//
// Hosts: the isolate of the browser, the virtual machine (where functions run in it), and the isolate of `serve`. Beside
// them: a bare Web Worker that the page posts to, the same worker behind the least of service workers, which is the least
// that a `fetch` of a page can cost, and plain Node. Every call is a `fetch` of a page of that Chromium but the bare
// worker's. They take turns, so that a slow spell of the machine meets all. `--only` is a pattern of: warm, cold,
// together, deploy, memory.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { launch, openGateway } from '../browser/harness.mjs';
import { start } from '../node/server.mjs';
import { absent, inAdvance, over } from '../vm/harness.mjs';
import { argument, bundle, ms, percentile, serve } from './peers/run.mjs';

const rounds = Number(argument('rounds', '6'));
const colds = Number(argument('cold', '20'));
const only = new RegExp(argument('only', '.'));
const wanted = (part) => only.test(part);
/** Calls of one turn. */
const sequential = 60;
const parallel = 64;
const here = import.meta.dirname;
const report = {};

const p50 = (values) => percentile(values, 50);
const p95 = (values) => percentile(values, 95);
const line = (name, text) => console.log(`  ${name.padEnd(40)} ${text}`);
const show = (name, values, more = '') => line(name, `p50 ${ms(p50(values)).padStart(10)}  p95 ${ms(p95(values)).padStart(10)}${more}`);
const size = (bytes) => `${(bytes / 1048576).toFixed(1)} MB`;

/** Milliseconds of each of some calls, one after the other, measured in the page. */
const oneByOne = (page, name, count) => page.evaluate(async ([url, count]) => {
  const times = [];
  for (let i = 0; i < count; i++) {
    const start = performance.now();
    const response = await fetch(url, { cache: 'no-store' });
    const text = await response.text();
    times.push(performance.now() - start);
    if (text !== 'hello') throw new Error(`${response.status} ${text} for ${url}`);
  }
  return times;
}, [`/functions/v1/${name}`, count]);

const together = (page, names) => page.evaluate(async (names) => {
  const start = performance.now();
  await Promise.all(names.map(async (name) => {
    const response = await fetch(`/functions/v1/${name}`, { cache: 'no-store' });
    const text = await response.text();
    if (text !== 'hello') throw new Error(`${response.status} ${text} for ${name}`);
  }));
  return performance.now() - start;
}, names);

const source = (word = 'hello') => `Deno.serve(() => new Response('${word}'))\n`;
/** As people write them: 200 KB of supabase-js and Hono in it. */
const large = `import { createClient } from 'npm:@supabase/supabase-js@2'
import { Hono } from 'npm:hono@4'
createClient(Deno.env.get('SUPABASE_URL')!, Deno.env.get('SUPABASE_ANON_KEY')!)
const app = new Hono()
app.all('*', (c) => c.text('hello'))
Deno.serve(app.fetch)
`;

const browser = await launch();
const gateway = await openGateway(browser, { storage: 'memory' });
const { page, keys } = gateway;
await page.evaluate(async () => {
  const { startGateway } = await import('/gateway.js');
  window.running = await startGateway();
});
const deploy = (name, text, settings = {}) => page.evaluate(async ([name, text, settings]) => {
  await window.running.functions.deploy(name, { 'index.ts': text }, { verify_jwt: false, ...settings });
}, [name, text, settings]);

/** `serve` gets what the browser bundled. */
const copy = async (name) => {
  const zip = await page.evaluate(async (name) => {
    const bytes = new Uint8Array(await (await fetch(`/gateway/functions/${name}/source`)).arrayBuffer());
    return Array.from(bytes);
  }, name);
  const form = new FormData();
  form.set('function', '{"verify_jwt":false}');
  form.set('bundle', new Blob([new Uint8Array(zip)], { type: 'application/zip' }), 'function.zip');
  const answer = await fetch(`${server.url}/gateway/functions/${name}`, { method: 'PUT', body: form, headers: { apikey: server.keys.secret } });
  if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`);
};

/** Plain Node: a process of its own, and how long it took from nothing to its first answer. */
async function plainNode() {
  const begun = performance.now();
  const child = spawn(process.execPath, [path.join(here, 'peers/plain-server.cjs')], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [port] = await once(child.stdout.setEncoding('utf8'), 'data');
  const url = `http://127.0.0.1:${port.trim()}`;
  await (await fetch(`${url}/functions/v1/hello`)).text();
  return { url, took: performance.now() - begun, memory: () => resident(child.pid), end: () => child.kill() };
}

/** Bytes of memory that a process has of its own. */
const resident = (pid) => 1024 * Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? NaN);

/** Bytes that the browser's processes have for themselves alone. */
function chromiumMemory() {
  const parents = new Map();
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const status = readFileSync(`/proc/${pid}/status`, 'utf8');
      const field = (name) => new RegExp(`^${name}:\\s+(\\S+)`, 'm').exec(status)?.[1];
      parents.set(Number(pid), { parent: Number(field('PPid')), name: field('Name'), own: 1024 * Number(field('RssAnon') ?? 0) });
    } catch {
      // It has ended meanwhile.
    }
  }
  const isOurs = (pid) => pid === process.pid || (parents.has(pid) && isOurs(parents.get(pid).parent));
  return [...parents].reduce((sum, [pid, { name, own }]) => (/^chrom/.test(name) && isOurs(pid) ? sum + own : sum), 0);
}

const floor = await serve({ 'index.html': '<script type="module" src="/page.js"></script>', 'page.js': await bundle('worker-page.ts', 'esm'), 'sw.js': await bundle('worker-sw.ts') });
const bare = await browser.newPage();
await bare.goto(floor.url);
await bare.evaluate(() => window.ready);
const node = await plainNode();
const server = await start(undefined, []);
const tab = async (url) => {
  const opened = await browser.newPage();
  await opened.goto(url);
  return opened;
};

await deploy('hello', source());
await copy('hello');
const hosts = {
  'the isolate, in Chromium': { page, name: 'hello' },
  'the isolate, under serve': { page: await tab(`${server.url}/health`), name: 'hello' },
  'plain Node': { page: await tab(`${node.url}/`), name: 'hello' },
  'a Web Worker behind a service worker': { page: bare, name: 'hello' },
};
const isolate = 'the isolate, in Chromium';
const machine = 'the virtual machine';
const hurried = 'the virtual machine, one upon the other';
const worker = 'a bare Web Worker';
const throughService = 'a Web Worker behind a service worker';

/** The virtual machine is measured where there is an image of it. */
if (!absent) await over(gateway).api('PUT', '/vm/settings', { memory: 512, runtimes: ['node'] });
await deploy('guest', source(), { host: 'vm' });
const tried = await page.evaluate(async () => {
  const response = await fetch('/functions/v1/guest');
  return { status: response.status, host: response.headers.get('x-gateway-function-host'), text: await response.text() };
});
if (tried.status === 200 && tried.host === 'vm') hosts[machine] = { page, name: 'guest' };
else {
  report.skipped = { [machine]: `${tried.status} ${tried.text}` };
  console.log(`${machine} is skipped: ${tried.status} ${tried.text}`);
}
/** Six threads that the guest starts for new functions in advance, whenever nothing else is done. */
const spares = 6;
/** Until so many of them wait. */
async function rested(count = 1) {
  while (await inAdvance(over(gateway)) < count) await page.waitForTimeout(1_000);
}
const turn = async ({ page: of }, work) => {
  await of.bringToFront();
  return work(of);
};

if (wanted('warm')) {
  // Isolates are reached through the worker that has the machine, too.
  if (hosts[machine]) await rested(spares);
  const times = Object.fromEntries([...Object.keys(hosts), worker].map((name) => [name, []]));
  for (let round = -1; round < rounds; round++) {
    for (const [name, host] of Object.entries(hosts)) {
      const measured = await turn(host, (of) => oneByOne(of, host.name, sequential));
      if (round >= 0) times[name].push(...measured); // before that, the engines compile it
    }
    const measured = await turn({ page: bare }, (of) => of.evaluate((count) => window.roundTrips(count), sequential));
    if (round >= 0) times[worker].push(...measured);
  }
  report.warm = times;
  console.log(`a call, warm (${rounds} rounds of ${sequential}, one at a time):`);
  for (const [name, values] of Object.entries(times)) show(name, values, name === machine ? '  (reach: 50 ms p50)' : '');
  const ratio = (other) => [50, 95].map((p) => (percentile(times[isolate], p) / percentile(times[other], p)).toFixed(2));
  for (const [other, reach] of [[throughService, '2'], [worker, 'none: no fetch of a page is as short'], ['plain Node', 'none']]) {
    const [middle, late] = ratio(other);
    line(`the isolate / ${other}`, `${middle} p50, ${late} p95; reach: ${reach}`);
  }
}

if (wanted('cold')) {
  const times = { 'the isolate, one by one': [], 'the isolate, with 200 KB of packages': [], 'the isolate, under serve': [], [worker]: [], 'plain Node, a process': [] };
  if (hosts[machine]) times[machine] = [];
  for (let at = 0; at < colds; at++) {
    const first = async (host, name) => (await turn(host, (of) => oneByOne(of, name, 1)))[0];
    // A deployment begins anew: its isolate is another.
    await deploy('hello', source());
    await copy('hello');
    times['the isolate, one by one'].push(await first(hosts[isolate], 'hello'));
    times['the isolate, under serve'].push(await first(hosts['the isolate, under serve'], 'hello'));
    await deploy('large', large);
    times['the isolate, with 200 KB of packages'].push(await first(hosts[isolate], 'large'));
    if (hosts[machine]) {
      await rested();
      await deploy('guest', source(), { host: 'vm' });
      times[machine].push(await first(hosts[machine], 'guest'));
    }
    times[worker].push(await turn({ page: bare }, (of) => of.evaluate(() => window.cold())));
    const another = await plainNode();
    times['plain Node, a process'].push(another.took);
    another.end();
  }
  if (hosts[machine]) {
    times[hurried] = [];
    for (let at = 0; at < colds; at++) {
      await deploy('guest', source(), { host: 'vm' });
      times[hurried].push(await turn(hosts[machine], async (of) => (await oneByOne(of, 'guest', 1))[0]));
    }
  }
  report.cold = times;
  console.log(`a first answer (${colds} new deployments, the runtime running):`);
  for (const [name, values] of Object.entries(times)) show(name, values, name === machine ? '  (reach: 500 ms, with a thread in advance)' : name.startsWith('the isolate,') ? '  (reach: 100 ms)' : '');
}

if (wanted('together')) {
  const times = Object.fromEntries([...Object.keys(hosts), worker].map((name) => [name, []]));
  for (let round = -1; round < rounds; round++) {
    for (const [name, host] of Object.entries(hosts)) {
      const took = await turn(host, (of) => together(of, Array(parallel).fill(host.name)));
      if (round >= 0) times[name].push(took);
    }
    const took = await turn({ page: bare }, (of) => of.evaluate((count) => window.together(count), parallel));
    if (round >= 0) times[worker].push(took);
  }
  report.together = times;
  console.log(`${parallel} calls at once, until the last answer (${rounds} rounds):`);
  for (const [name, values] of Object.entries(times)) show(name, values);
}

if (wanted('deploy')) {
  const kinds = [
    ['a word', (word) => source(word), 'isolate'],
    ['with 200 KB of packages', (word) => large.replace("'hello'", `'${word}'`), 'isolate'],
  ];
  if (hosts[machine]) kinds.push(...kinds.map(([name, text]) => [`${name}, in the virtual machine`, text, 'vm']));
  const times = Object.fromEntries(kinds.map(([name]) => [name, []]));
  for (let at = -1; at < colds / 2; at++) {
    for (const [kind, text, host] of kinds) {
      const word = `word-${at}`;
      // As for somebody who reads the answer before the next save: the guest's threads are back, and its processor idle.
      if (hosts[machine]) await rested(spares);
      const took = await turn({ page }, () => page.evaluate(async ([text, word, host]) => {
        const start = performance.now();
        await window.running.functions.deploy('saved', { 'index.ts': text }, { verify_jwt: false, host });
        const said = await (await fetch('/functions/v1/saved', { cache: 'no-store' })).text();
        if (said !== word) throw new Error(`${said} after ${word} was saved`);
        return performance.now() - start;
      }, [text(word), word, host]));
      if (at >= 0) times[kind].push(took);
      else report.first_deploy = { ...report.first_deploy, [kind]: took };
    }
  }
  report.deploy = times;
  console.log(`from a save to the new answer (${times['a word'].length} each; reach: 2 s):`);
  for (const [name, values] of Object.entries(times)) show(name, values, `  the first, which loads the bundler: ${ms(report.first_deploy[name])}`);
}

if (wanted('memory')) {
  const many = 24;
  const names = Array.from({ length: many }, (_, at) => `memory${at}`);
  for (const name of names) await deploy(name, source());
  for (const name of names) await copy(name);
  // Garbage of what was measured before would be taken for it.
  const collector = await page.context().newCDPSession(page);
  const now = async () => {
    await collector.send('HeapProfiler.collectGarbage');
    return { chromium: chromiumMemory(), serve: server.memory().now * 1048576 };
  };
  const before = await now();
  await turn({ page }, (of) => together(of, names));
  await turn(hosts['the isolate, under serve'], (of) => together(of, names));
  // What the engine says of each comes after a garbage collection; a browser that does not say it is not asked for ever.
  const told = await page.evaluate(async (names) => {
    const deadline = performance.now() + 60_000;
    const memory = async (name) => (await (await fetch(`/gateway/functions/${name}/metrics`)).json()).memory_bytes;
    for (;;) {
      await fetch(`/functions/v1/${names[0]}`);
      const bytes = await memory(names[0]);
      if (bytes || performance.now() > deadline) return bytes;
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
  }, names);
  const after = await now();
  report.memory = { told, isolate: (after.chromium - before.chromium) / many, serve: (after.serve - before.serve) / many, node: node.memory() };
  console.log(`memory of one that answers a word (of ${many}):`);
  line('the isolate, in Chromium', `${size(report.memory.isolate)} of all its processes' own memory; ${told === null ? 'the engine does not say' : `the engine says ${size(told)}`}`);
  line('the isolate, under serve', size(report.memory.serve));
  line('plain Node, a process', size(report.memory.node));
  if (hosts[machine]) {
    const metrics = await page.evaluate(async () => (await fetch('/gateway/functions/guest/metrics')).json());
    report.memory.guest = metrics.memory_bytes;
    line(machine, metrics.memory_bytes === null ? 'not known' : size(metrics.memory_bytes));
  }
}

const file = argument('report');
if (file) writeFileSync(file, JSON.stringify(report, null, 1));
node.end();
floor.close();
await server.end();
await gateway.close();
await browser.close();
