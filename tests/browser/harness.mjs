// A real Chromium, the built page, and the few things the browser tests and benchmarks do with them.
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { chromium } from 'playwright-core';

export const dist = path.join(import.meta.dirname, '../../static/dist');
const candidates = [process.env.CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
const flags = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync', '--enable-features=SharedArrayBuffer'];
const types = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.mjs': 'text/javascript', '.css': 'text/css', '.wasm': 'application/wasm', '.json': 'application/json', '.svg': 'image/svg+xml' };

/**
 * A folder for a profile, deleted when this process ends: Chromium's processes write for a while after it says that it
 * is closed.
 */
export function temporaryProfile() {
  const folder = mkdtempSync(path.join(tmpdir(), 'gateway-profile-'));
  process.once('exit', () => {
    try { rmSync(folder, { recursive: true, force: true, maxRetries: 5 }); } catch { /* a leftover in the temporary folder */ }
  });
  return folder;
}

/** Starts Chromium with a profile: a new one, deleted on close, or the one at `profile`, which is kept. */
export async function launch({ profile } = {}) {
  const executablePath = candidates.find((file) => file && existsSync(file));
  if (!executablePath) throw new Error('no Chromium found: run `cargo xtask setup`, or name one in $CHROMIUM');
  const directory = profile ?? temporaryProfile();
  const context = await chromium.launchPersistentContext(directory, { executablePath, headless: true, args: flags, acceptDownloads: false });
  return context;
}

/**
 * Serves `static/dist`, or another build, on a port of its own, hence an origin of its own. Without `isolation` it sends
 * no COOP/COEP, as a static host does. `before` gives a script text that goes before its own.
 */
export async function serveDist({ isolation = true, port = 0, root = dist, before } = {}) {
  if (!existsSync(path.join(dist, 'index.html'))) throw new Error('static/dist is not built: run `cargo xtask build`');
  const requests = [];
  const served = { root, intercept: undefined };
  const server = createServer((incoming, outgoing) => {
    const { pathname } = new URL(incoming.url, 'http://localhost');
    requests.push(pathname);
    const file = path.join(served.root, pathname === '/' ? 'index.html' : path.normalize(pathname));
    if (isolation) {
      outgoing.setHeader('cross-origin-opener-policy', 'same-origin');
      outgoing.setHeader('cross-origin-embedder-policy', 'require-corp');
      outgoing.setHeader('cross-origin-resource-policy', 'same-origin');
    }
    outgoing.setHeader('cache-control', 'no-cache');
    const other = served.intercept?.(pathname, file);
    if (other) {
      outgoing.writeHead(other.status ?? 200, { 'content-type': types[path.extname(file)] ?? 'text/plain' }).end(other.body);
      return;
    }
    if (!file.startsWith(served.root) || !existsSync(file) || !statSync(file).isFile()) {
      outgoing.writeHead(404, { 'content-type': 'text/plain' }).end('not a file of static/dist');
      return;
    }
    outgoing.writeHead(200, { 'content-type': types[path.extname(file)] ?? 'application/octet-stream' }).end(Buffer.concat([Buffer.from(before?.(pathname) ?? ''), readFileSync(file)]));
  });
  await new Promise((resolve) => server.listen(port, '127.0.0.1', resolve));
  // A test that fails before it closes the server would keep its process for ever.
  server.unref();
  return {
    url: `http://localhost:${server.address().port}`,
    port: server.address().port,
    /** Paths that reached the network, in order. */
    requests,
    /** Another build from now on. */
    deploy: (directory) => { served.root = directory; },
    /** Answers with the `{ status, body }` that `intercept(pathname, file)` gives, where it gives one. */
    intercept: (intercept) => { served.intercept = intercept; },
    close: () => new Promise((resolve) => { server.closeAllConnections(); server.close(resolve); }),
  };
}

/** Kills every service worker of the browser, as Chromium itself does after 30 idle seconds. */
export async function stopServiceWorkers(page) {
  const session = await page.context().newCDPSession(page);
  await session.send('ServiceWorker.enable');
  await session.send('ServiceWorker.stopAllWorkers');
  await session.detach();
}

/** Opens the product's page and waits until its gateway answers. */
export async function openPage(context, url, { storage = 'memory', project } = {}) {
  const page = await context.newPage();
  const address = new URL(url);
  address.searchParams.set('storage', storage);
  if (project) address.searchParams.set('project', project);
  await page.goto(address.href);
  await untilReady(page, project);
  return page;
}

/** Waits until `/gateway/status` says that the database is open. */
export async function untilReady(page, project) {
  const path = project ? `/${project}/gateway/status` : '/gateway/status';
  // Not `waitForFunction`: to it, the promise of an answer is an answer.
  const deadline = Date.now() + 60_000;
  for (;;) {
    const ready = await page.evaluate(async (path) => {
      if (!navigator.serviceWorker.controller) return false;
      const response = await fetch(path).catch(() => undefined);
      return response?.ok === true;
    }, path).catch(() => false); // The page may be reloading itself.
    if (ready) return;
    if (Date.now() > deadline) throw new Error(`the gateway is not ready: ${await page.locator('main').textContent().catch(() => 'no page')}`);
    await page.waitForTimeout(200);
  }
}

/** A whole gateway on an origin of its own: server, page, keys, and SQL as the owner. */
export async function openGateway(context, { storage = 'memory', project, server } = {}) {
  const own = server ?? (await serveDist());
  const page = await openPage(context, own.url, { storage, project });
  const status = await page.evaluate(async (path) => (await fetch(path)).json(), project ? `/${project}/gateway/status` : '/gateway/status');
  return {
    page, url: own.url, server: own, status, keys: status.keys,
    sql: (text) => sql(page, status.keys.secret, text),
    memory: () => memory(page),
    close: async () => { await page.close(); if (!server) await own.close(); },
  };
}

/** Runs SQL as the owner through `/pg/query`; throws what Postgres said. */
export async function sql(page, secret, query) {
  const { ok, body } = await page.evaluate(async ([secret, query]) => {
    const response = await fetch('/pg/query', { method: 'POST', headers: { apikey: secret, 'content-type': 'application/json' }, body: JSON.stringify({ query }) });
    return { ok: response.ok, body: await response.text() };
  }, [secret, query]);
  if (!ok) throw new Error(body);
  return JSON.parse(body);
}

/** Bytes in use: what the gateway's WASM has taken in the service worker, and the page with its workers (PGlite among them). */
export const memory = (page) => page.evaluate(async () => ({
  'gateway WASM': (await (await fetch('/gateway/status')).json()).memory.wasm,
  'page and its workers': (await performance.measureUserAgentSpecificMemory?.())?.bytes,
}));
