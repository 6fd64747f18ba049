// The virtual machine: what it costs to have one, and what a request to an app in it costs, in one Chromium, in one run.
//   node tests/bench/vm.mjs [--rounds N] [--boots N] [--megabytes N] [--only PATTERN] [--report FILE]
//
// Peers: curl inside the guest, which asks the same programs without us, and v86 by itself, which boots the same kernel
// and disk and is reached through its own TCP adapter, from the worker that it runs in: no service worker, no page. They
// take turns, so that a slow spell of the machine meets all. `--only` is a pattern of: boot, first, warm, throughput,
// rest, memory, size.
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { brotliCompressSync, constants } from 'node:zlib';
import { launch, openGateway, serveDist, temporaryProfile } from '../browser/harness.mjs';
import { absent, over, program } from '../vm/harness.mjs';
import { argument, bundle, percentile } from './peers/run.mjs';

if (absent) {
  console.log(absent);
  process.exit(0);
}

const rounds = Number(argument('rounds', '6'));
const boots = Number(argument('boots', '3'));
const megabytes = Number(argument('megabytes', '20'));
const only = new RegExp(argument('only', '.'));
const wanted = (part) => only.test(part);
/** Small requests of one turn. */
const small = 40;
const bytes = megabytes * 1_000_000;
/** MiB of a machine that no snapshot fits, so that it boots cold. */
const unusual = 500;
const here = import.meta.dirname;
const dist = path.join(here, '../../static/dist');
const image = path.join(dist, 'vm');
const v86 = path.join(here, '../../static/node_modules/v86/build');
const manifest = JSON.parse(readFileSync(path.join(image, 'manifest.json'), 'utf8'));
const report = {};

const seconds = (milliseconds) => `${(milliseconds / 1000).toFixed(2)} s`;
const ms = (value) => `${value.toFixed(1)} ms`;
const size = (count) => (count < 1e6 ? `${(count / 1e3).toFixed(0)} KB` : `${(count / 1e6).toFixed(1)} MB`);
const median = (values) => percentile(values, 50);
const both = (times) => `p50 ${ms(median(times)).padStart(9)}  p95 ${ms(percentile(times, 95)).padStart(9)}`;
const line = (name, text) => console.log(`  ${name.padEnd(46)} ${text}`);
const show = (name, times) => line(name, both(times));

const apps = {
  site: { files: { small: 'small\n', large: randomBytes(bytes) }, settings: { runtime: 'static' }, path: '/small', name: 'nginx' },
  node: { files: { 'server.cjs': readFileSync(path.join(here, 'peers/guest-app.cjs')) }, settings: { runtime: 'node', entry: 'server.cjs' }, path: '/small', name: 'Node' },
  python: { files: { 'server.py': program('python.py') }, settings: { runtime: 'python', entry: 'server.py', start_deadline_s: 120 }, path: '/small', name: 'Python' },
};
const runtimes = ['nginx', 'node', 'python'];

/** What the page's status events tell of a boot: how long each stage was shown (they come every 100 ms at most), and how long all took. */
const boot = (page) => page.evaluate(async () => {
  const start = performance.now();
  const answer = await fetch('/gateway/vm/start', { method: 'POST' });
  if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`);
  const stages = {};
  let stage = 'starting the worker';
  let since = start;
  let text = '';
  const events = await fetch('/gateway/vm/events');
  for (const reader = events.body.pipeThrough(new TextDecoderStream()).getReader(); ;) {
    const { done, value } = await reader.read();
    if (done) throw new Error('the events ended');
    text += value;
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      const data = text.slice(0, end).match(/^data: ?(.*)$/m)?.[1];
      text = text.slice(end + 2);
      if (!data) continue;
      const status = JSON.parse(data);
      if (status.state === 'error') throw new Error(JSON.stringify(status.error));
      const now = performance.now();
      stages[stage] = (stages[stage] ?? 0) + now - since;
      [stage, since] = [status.stage || status.state, now];
      if (status.state !== 'ready') continue;
      await reader.cancel();
      return { took: now - start, boot: status.boot_ms, from: status.from, stages };
    }
  }
});

/** Milliseconds of each of some requests, one after the other, measured in the page. */
const oneByOne = (page, url, count, headers = {}) => page.evaluate(async ([url, count, headers]) => {
  const times = [];
  for (let i = 0; i < count; i++) {
    const start = performance.now();
    const response = await fetch(url, { headers });
    await response.arrayBuffer();
    if (!response.ok) throw new Error(`${response.status} for ${url}`);
    times.push(performance.now() - start);
  }
  return times;
}, [url, count, headers]);

/** Megabytes a second of a body to the page, and of one from it. */
const out = (page, url) => page.evaluate(async (url) => {
  const start = performance.now();
  const response = await fetch(url);
  let length = 0;
  for (const reader = response.body.getReader(); ;) {
    const { done, value } = await reader.read();
    if (done) break;
    length += value.length;
  }
  return length / 1000 / (performance.now() - start);
}, url);
const into = (page, url, bytes) => page.evaluate(async ([url, bytes]) => {
  const body = new Uint8Array(bytes);
  const start = performance.now();
  const response = await fetch(url, { method: 'POST', body });
  const text = await response.text();
  if (text !== String(bytes)) throw new Error(`${response.status} ${text.slice(0, 200)}`);
  return bytes / 1000 / (performance.now() - start);
}, [url, bytes]);

/** Milliseconds of each of some requests by curl in the guest, on one connection that was opened before. */
async function inside(machine, url, count, headers = '') {
  const answer = await machine.shell(`curl -sSf ${headers} -o /dev/null -w '%{time_total} %{num_connects}\\n' '${url}#[0-${count}]'`);
  if (answer.exit !== 0) throw new Error(`curl: ${answer.stderr}`);
  const times = answer.stdout.trim().split('\n').slice(1).map((text) => text.split(' ').map(Number));
  const dialled = times.filter(([, connects]) => connects > 0).length;
  if (dialled > 0) console.log(`  (${dialled} of ${count} of curl's requests needed a new connection)`);
  return times.map(([time]) => time * 1000);
}

const kilobytes = (name) => statSync(path.join(dist, name)).size;
const sum = (values) => values.reduce((total, value) => total + value, 0);
/** Bytes of the files that were fetched since `from`, by what they are. */
function fetched(requests, from) {
  const kinds = { 'engine and worker': /^\/vm-engine\/|^\/wasm\/machine|^\/assets\/.*v86/, snapshot: new RegExp(manifest.snapshots.map(({ path }) => path).join('|')), chunks: /^\/vm\/chunks\//, 'manifest, kernel, BIOS': /^\/vm\// };
  const found = {};
  for (const pathname of new Set(requests.slice(from))) {
    const kind = Object.keys(kinds).find((kind) => kinds[kind].test(pathname));
    if (kind && existsSync(path.join(dist, pathname))) found[kind] = (found[kind] ?? 0) + kilobytes(pathname);
  }
  return found;
}

const profile = temporaryProfile();
const browser = await launch({ profile });
const server = await serveDist();
let gateway = await openGateway(browser, { storage: 'auto', server });
let machine = over(gateway);
const settings = (memory) => machine.api('PUT', '/vm/settings', { memory, runtimes });
const deploy = async () => { for (const [name, { files, settings }] of Object.entries(apps)) await machine.deploy(name, files, settings); };
/** Milliseconds until an app answers; on a busy machine a start outlasts a request, which says so. */
async function untilAnswer(app) {
  for (let took = 0; ;) {
    const answer = await machine.call(`/app/${app}${apps[app].path}`);
    took += answer.took;
    if (answer.status === 200) return took;
    if (answer.status !== 503 || took > 600_000) throw new Error(`${app}: ${answer.status} ${answer.body}`);
  }
}
/** Another page in the first one's place; its VM is gone, its files are not. */
async function reload() {
  await gateway.page.close();
  gateway = await openGateway(browser, { storage: 'auto', server });
  machine = over(gateway);
}

await settings(512);
const before = server.requests.length;
const firstBoot = await boot(gateway.page);
const firstFetched = fetched(server.requests, before);

if (wanted('boot')) {
  const snapshot = [];
  const cold = [];
  for (let i = 0; i < boots; i++) {
    await reload();
    snapshot.push(await boot(gateway.page));
  }
  await settings(unusual);
  for (let i = 0; i < boots; i++) {
    await reload();
    cold.push(await boot(gateway.page));
  }
  await settings(512);
  report.boot = { first: firstBoot, snapshot, cold };
  console.log(`boot, until the guest's agent answers and its disk is mounted (median of ${boots}):`);
  const stages = (all) => Object.keys(all[0].stages).map((stage) => [stage, median(all.map(({ stages }) => stages[stage] ?? 0))]).filter(([, time]) => time >= 50);
  for (const [name, all] of [['from a snapshot, with nothing of it kept', [firstBoot]], ['from a snapshot, after a reload', snapshot], ['cold, after a reload', cold]]) {
    if (all.some(({ from }) => from !== (name.startsWith('cold') ? 'cold' : 'snapshot'))) throw new Error(`${name}: ${all.map(({ from }) => from)}`);
    line(name, `${seconds(median(all.map(({ took }) => took)))}  (${stages(all).map(([stage, time]) => `${stage} ${seconds(time)}`).join(', ')})`);
  }
}

await reload();
await deploy();

if (wanted('first')) {
  console.log(`first answer of an app, with nothing of the VM running (median of ${boots}; the first time of each has its files to bring):`);
  report.first = {};
  for (const [app, { name }] of Object.entries(apps)) {
    const times = [];
    for (let i = 0; i <= boots; i++) {
      await reload();
      times.push(await untilAnswer(app));
    }
    report.first[app] = times;
    line(name, `${seconds(median(times.slice(1)))}, the first time ${seconds(times[0])}`);
  }
}

const status = async () => Object.fromEntries((await machine.api('GET', '/apps')).map((app) => [app.name, app]));
for (const app of Object.keys(apps)) await untilAnswer(app);
const running = await status();
for (const app of Object.keys(apps)) apps[app].inside = `http://127.0.0.1:${running[app].port}`;

/** v86 by itself, in a page of its own; it boots when it is first needed. */
async function startPeer() {
  const worker = await bundle('v86-worker.ts', 'esm');
  const page = await bundle('v86-page.ts', 'esm');
  const files = {
    '/bench/index.html': '<!doctype html><title>v86</title><script type="module" src="v86-page.js"></script>',
    '/bench/v86-page.js': page,
    '/bench/v86-worker.js': worker,
    '/bench/libv86.mjs': readFileSync(path.join(v86, 'libv86.mjs')),
    '/bench/v86.wasm': readFileSync(path.join(v86, 'v86.wasm')),
    '/bench/server.cjs': readFileSync(path.join(here, 'peers/guest-app.cjs')),
  };
  // An origin of its own: no service worker is in its way.
  const own = await serveDist();
  own.intercept((pathname) => (files[pathname] ? { body: files[pathname] } : undefined));
  const tab = await browser.newPage();
  tab.on('pageerror', (error) => console.error('v86', String(error).slice(0, 300)));
  await tab.goto(`${own.url}/bench/index.html`);
  const ask = async (action, parameters) => {
    await tab.bringToFront();
    return tab.evaluate(([action, parameters]) => window.ask(action, parameters), [action, parameters]);
  };
  const started = await ask('boot', { image: `${own.url}/vm/`, wasm: `${own.url}/bench/v86.wasm`, memory: 512, program: `${own.url}/bench/server.cjs`, large: bytes });
  await ask('stop');
  const turn = async (action, parameters) => {
    await ask('run');
    try { return await ask(action, parameters); } finally { await ask('stop'); }
  };
  return { started, turn, close: async () => { await tab.close(); await own.close(); } };
}

const peers = wanted('warm') || wanted('throughput') ? { 'v86 by itself': await startPeer() } : {};

if (wanted('warm')) {
  const times = Object.fromEntries(Object.keys(apps).map((app) => [app, { whole: [], curl: [] }]));
  const plain = Object.fromEntries(Object.keys(peers).map((peer) => [peer, { nginx: [], node: [] }]));
  for (let round = -1; round < rounds; round++) {
    const keep = round >= 0; // before that, the engines compile it
    for (const [app, { path, inside: url }] of Object.entries(apps)) {
      await gateway.page.bringToFront();
      const whole = await oneByOne(gateway.page, `/app/${app}${path}`, small);
      const curl = await inside(machine, `${url}${path}`, small);
      if (keep) { times[app].whole.push(...whole); times[app].curl.push(...curl); }
    }
    for (const [peer, { turn }] of Object.entries(peers)) {
      for (const port of ['nginx', 'node']) {
        const measured = await turn('get', { port, path: '/small', count: small });
        if (keep) plain[peer][port].push(...measured);
      }
    }
  }
  report.warm = { times, plain };
  console.log(`a small GET, warm (${rounds} rounds of ${small}, one at a time):`);
  for (const [app, { name }] of Object.entries(apps)) {
    const { whole, curl } = times[app];
    show(`${name}, page to guest and back`, whole);
    show(`${name}, curl in the guest`, curl);
    line('  ours', `p50 ${ms(median(whole) - median(curl)).padStart(9)}  p95 ${ms(percentile(whole, 95) - percentile(curl, 95)).padStart(9)}  (reach: 5 ms p50${app === 'node' ? '; the whole under 50 ms' : ''})`);
    const kind = { site: 'nginx', node: 'node' }[app];
    if (kind) for (const peer of Object.keys(peers)) show(`${name}, ${peer}`, plain[peer][kind]);
  }
}

if (wanted('throughput')) {
  const repeats = Math.max(2, Math.round(rounds / 2));
  const ways = { 'nginx, out': { ours: () => out(gateway.page, '/app/site/large'), peer: ['out', { port: 'nginx', path: '/large' }] },
    'Node, out': { ours: () => out(gateway.page, `/app/node/large?bytes=${bytes}`), peer: ['out', { port: 'node', path: `/large?bytes=${bytes}` }] },
    'Node, into': { ours: () => into(gateway.page, '/app/node/sink', bytes), peer: ['into', { port: 'node', path: '/sink', bytes }] } };
  const rates = {};
  for (let round = -1; round < repeats; round++) {
    for (const [way, { ours, peer: [action, parameters] }] of Object.entries(ways)) {
      await gateway.page.bringToFront();
      const measured = { ours: await ours() };
      for (const [peer, { turn }] of Object.entries(peers)) measured[peer] = bytes / 1000 / await turn(action, parameters);
      if (round >= 0) for (const [who, rate] of Object.entries(measured)) ((rates[way] ??= {})[who] ??= []).push(rate);
    }
  }
  report.throughput = rates;
  console.log(`${megabytes} MB (median of ${repeats}), MB/s:`);
  for (const [way, measured] of Object.entries(rates)) {
    const ours = median(measured.ours);
    line(way, [`ours ${ours.toFixed(2)}`, ...Object.keys(peers).map((peer) => `${peer} ${median(measured[peer]).toFixed(2)} (ours / v86: ${(ours / median(measured[peer])).toFixed(2)})`)].join(', '));
  }
}
for (const { close } of Object.values(peers)) await close();

if (wanted('rest')) {
  await gateway.sql('create table if not exists bench (id int primary key); insert into bench select generate_series(1, 20) on conflict do nothing; alter table bench enable row level security; drop policy if exists everyone on bench; create policy everyone on bench using (true); grant select on bench to anon');
  const query = '/rest/v1/bench?select=id&order=id&limit=20';
  const times = { browser: [], curl: [], node: [] };
  for (let round = -1; round < rounds; round++) {
    await gateway.page.bringToFront();
    const measured = {
      browser: await oneByOne(gateway.page, query, small, { apikey: gateway.keys.publishable }),
      curl: await inside(machine, `http://localhost:5173${query}`, small, `-H 'apikey: ${gateway.keys.publishable}'`),
      node: JSON.parse((await machine.call(`/app/node/ask?count=${small}&path=${encodeURIComponent(query)}`)).body),
    };
    if (round >= 0) for (const [who, values] of Object.entries(measured)) times[who].push(...values);
  }
  report.rest = times;
  console.log(`20 rows from /rest/v1 (${rounds} rounds of ${small}, one at a time):`);
  show('the page', times.browser);
  show('curl in the guest', times.curl);
  show('fetch of Node in the guest', times.node);
}

if (wanted('memory')) {
  const parts = await gateway.page.evaluate(async () => (await performance.measureUserAgentSpecificMemory()).breakdown);
  const vm = await machine.api('GET', '/vm');
  report.memory = { parts, guest: vm.guest };
  console.log('memory:');
  for (const part of parts) if (part.bytes > 0) line(`${part.types.join(', ')} ${part.attribution.map(({ scope, url }) => `${scope} ${url}`).join('; ')}`, size(part.bytes));
  line('in use in the guest', `${size(vm.guest.memory_used)} of ${size(vm.guest.memory_total)}`);
}

if (wanted('size')) {
  console.log('sizes:');
  const chunk = (hash) => statSync(path.join(image, `chunks/${hash.slice(0, 2)}/${hash}.gz`)).size;
  for (const { name, offset, bytes, used } of manifest.layers) {
    const hashes = new Set(manifest.system.chunks.slice(offset / manifest.chunk, (offset + bytes) / manifest.chunk).filter(Boolean));
    line(`layer ${name}`, `${size(used)} of files, ${size(sum([...hashes].map(chunk)))} to download if all of it is read`);
  }
  for (const { layers, bytes } of manifest.snapshots) line(`snapshot of ${layers.join(', ')}`, size(bytes));
  line('fetched for the first boot', `${Object.entries(firstFetched).map(([kind, count]) => `${kind} ${size(count)}`).join(', ')}; together ${size(sum(Object.values(firstFetched)))}`);
  report.fetched = firstFetched;
  const built = JSON.parse(readFileSync(path.join(dist, 'build.json'), 'utf8')).files.filter(({ path }) => /machine.*\.wasm$|v86.*\.wasm$|vm-engine\/.*\.js$/.test(path));
  for (const { path: name } of built) {
    const content = readFileSync(path.join(dist, name));
    const brotli = brotliCompressSync(content, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } }).length;
    line(name, `${size(content.length)}, ${size(brotli)} as brotli`);
  }
}

const file = argument('report');
if (file) writeFileSync(file, JSON.stringify(report, null, 1));
await gateway.page.close();
await browser.close();
await server.close();
