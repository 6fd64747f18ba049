// A gateway in Chromium with a VM behind it, and the few things that the tests of guest applications do with them.
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { zipSync } from 'fflate';
import { dist, launch, openGateway } from '../browser/harness.mjs';

/** Why nothing here can run, or `false`. */
export const absent = existsSync(path.join(dist, 'vm/manifest.json')) ? false : 'SKIPPED: there is no guest image; `cargo xtask image` builds it on x86-64 Linux with apt';

/** The files of a folder, by their paths in it. */
export function filesOf(folder) {
  const names = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile()).map((entry) => path.join(entry.parentPath, entry.name));
  return Object.fromEntries(names.map((file) => [path.relative(folder, file), readFileSync(file)]));
}

/** An application of these tests, by its file's name. */
export const program = (name) => readFileSync(path.join(import.meta.dirname, 'apps', name));

/** A gateway whose page can deploy. */
export async function openMachine({ profile, storage = 'memory', server, project } = {}) {
  const browser = await launch({ profile });
  const gateway = await openGateway(browser, { storage, server, project });
  return { browser, gateway, ...over(gateway), close: async () => { await gateway.close(); await browser.close(); } };
}

/** What a test asks of a gateway that is open. */
export function over(gateway) {
  const { page } = gateway;
  const call = (address, init = {}) => page.evaluate(async ([address, init]) => {
    const start = performance.now();
    const response = await fetch(address, init);
    const body = await response.text();
    return { status: response.status, headers: Object.fromEntries(response.headers), body, redirected: response.redirected, url: response.url, took: performance.now() - start };
  }, [address, init]);
  const api = async (method, address, body) => {
    const answer = await call(`/gateway${address}`, { method, ...(body !== undefined && { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }) });
    if (answer.status >= 400) throw Object.assign(new Error(`${method} ${address}: ${answer.status} ${answer.body}`), { answer });
    return answer.body === '' ? undefined : JSON.parse(answer.body);
  };
  /** Deploys files, given as texts or bytes by their paths. */
  const deploy = async (name, files, settings) => {
    const zip = zipSync(Object.fromEntries(Object.entries(files).map(([file, content]) => [file, typeof content === 'string' ? new TextEncoder().encode(content) : new Uint8Array(content)])));
    const answer = await page.evaluate(async ([name, zip, settings]) => {
      const bytes = Uint8Array.from(atob(zip), (character) => character.charCodeAt(0));
      const form = new FormData();
      form.set('app', JSON.stringify(settings));
      form.set('bundle', new Blob([bytes], { type: 'application/zip' }), 'bundle.zip');
      const response = await fetch(`/gateway/apps/${name}`, { method: 'PUT', body: form });
      return { status: response.status, body: await response.text() };
    }, [name, Buffer.from(zip).toString('base64'), settings]);
    if (answer.status >= 400) throw Object.assign(new Error(`deploy ${name}: ${answer.status} ${answer.body}`), { answer });
    return JSON.parse(answer.body);
  };
  /** Waits until an application is in one of these states. */
  const until = async (name, ...states) => {
    const deadline = Date.now() + 240_000;
    for (;;) {
      const app = await api('GET', `/apps/${name}`);
      if (states.includes(app.state)) return app;
      if (Date.now() > deadline) throw new Error(`${name} is ${app.state}, not ${states.join(' or ')}: ${JSON.stringify(app)}`);
      await page.waitForTimeout(200);
    }
  };
  /** Starts an application that the tests after this one need, however long that takes on a busy machine. */
  const start = async (name) => {
    await api('POST', `/apps/${name}/start`).catch(() => undefined);
    const app = await until(name, 'running', 'crashed');
    if (app.state !== 'running') throw new Error(`${name} did not start: ${JSON.stringify(app)}`);
    return app;
  };
  /** Has these runtimes from the next boot on, or from now on. */
  const install = async (...names) => { for (const name of names) await api('PUT', `/vm/runtimes/${name}`); };
  /** Runs a command in the guest, in an application's place or beside all of them. */
  const exec = (command, app) => api('POST', '/vm/exec', { command, ...(app && { app }) });
  const shell = (line, app) => exec(['/bin/sh', '-c', line], app);
  return { call, api, deploy, until, start, install, exec, shell };
}

/** How many threads of the guest wait for a function to run: as the user of their host, it listens on every address. */
export async function inAdvance({ shell }) {
  const listed = await shell(`awk '$2 ~ /^00000000:/ && $4 == "0A" && $8 == 9000' /proc/net/tcp | wc -l`);
  return Number(listed.stdout);
}
