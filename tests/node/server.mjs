// `serve` as a person starts it: a process of its own, with what it prints as the only interface.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

const program = path.join(import.meta.dirname, '../../static/dist/node/serve.mjs');

/** A folder of its own for a test, gone when the test is. */
export function folder(t) {
  const directory = mkdtempSync(path.join(tmpdir(), 'serve-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** Runs `serve` until it ends by itself, which it does unless it prints that it serves; what it said, and its exit code. */
export async function refused(...args) {
  const serve = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  const said = listen(serve);
  serve.stdout.on('data', () => serve.kill('SIGKILL'));
  const [code, signal] = await once(serve, 'close');
  return { code: code ?? signal, ...said };
}

function listen(serve) {
  const said = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr']) serve[name].setEncoding('utf8').on('data', (text) => { said[name] += text; });
  return said;
}

/** Starts `serve` with these settings, as a `--config` file has them; the file is gone once it was read. */
export async function configured(settings) {
  const directory = mkdtempSync(path.join(tmpdir(), 'serve-'));
  try {
    const config = path.join(directory, 'gateway.conf');
    writeFileSync(config, Object.entries(settings).map(([name, value]) => `${name} = "${value}"\n`).join(''));
    return await start(undefined, ['--config', config]);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Starts `serve`; resolves when it is ready, with its address and keys as it printed them. */
export async function start(t, args = [], { cwd = tmpdir(), env = {} } = {}) {
  const serve = spawn(process.execPath, [program, '--port', '0', ...args], { cwd, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  const said = listen(serve);
  const ended = once(serve, 'close').then(([code, signal]) => code ?? signal);
  t?.after(() => serve.kill('SIGKILL'));
  await Promise.race([
    new Promise((resolve) => serve.stdout.on('data', () => said.stdout.includes('Ready in') && resolve())),
    ended.then((code) => { throw new Error(`serve ended (${code}) before it was ready: ${said.stderr}`); }),
  ]);
  const printed = Object.fromEntries([...said.stdout.matchAll(/^ *([^:\n]+): (.+)$/gm)].map(([, name, value]) => [name, value]));
  const server = {
    url: printed['API URL'],
    port: Number(new URL(printed['API URL']).port),
    keys: {
      publishable: printed['Publishable key'], secret: printed['Secret key'],
      anon: printed['anon key'], service_role: printed['service_role key'], jwt_secret: printed['JWT secret'],
      s3: { accessKeyId: printed['S3 access key'], secretAccessKey: printed['S3 secret key'] },
    },
    said,
    ended,
    signal: (name) => serve.kill(name),
    /** Ends it as SIGTERM or SIGKILL does; its exit code or signal. */
    end(name = 'SIGTERM') {
      serve.kill(name);
      return ended;
    },
    fetch: (target, { key = server.keys.publishable, headers, ...init } = {}) => fetch(new URL(target, server.url), { ...init, headers: { apikey: key, ...headers } }),
    /** Runs SQL as the database's owner; its rows. */
    async sql(query) {
      const response = await server.fetch('/pg/query', { method: 'POST', key: server.keys.secret, headers: { 'content-type': 'application/json' }, body: JSON.stringify({ query }) });
      const body = await response.json();
      if (!response.ok) throw new Error(`${query}: ${JSON.stringify(body)}`);
      return body;
    },
    /** Megabytes of memory that the process has now, and had at most. */
    memory() {
      const status = readFileSync(`/proc/${serve.pid}/status`, 'utf8');
      const megabytes = (name) => Math.round(Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)[1]) / 1024);
      return { now: megabytes('VmRSS'), most: megabytes('VmHWM') };
    },
    /** From now on `memory().most` is counted anew. */
    forgetPeak: () => writeFileSync(`/proc/${serve.pid}/clear_refs`, '5'),
  };
  return server;
}
