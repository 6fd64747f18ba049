// Edge functions under `serve`: deployed by the command line, run in threads of Node.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { request } from 'node:http';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { createClient } from '@supabase/supabase-js';
import { WebSocket } from '../../static/node_modules/ws/wrapper.mjs';
import { folder, start } from '../node/server.mjs';
import { cases, completions, deployed, schema, secret } from './cases.mjs';
import { invoked } from './invoke.mjs';

const program = path.join(import.meta.dirname, '../../static/dist/node/functions.mjs');
const directories = [];
const cleaning = { after: (clean) => directories.push(clean) };
const data = folder(cleaning);
let server;
let host;

/** Deploys as a person does: a folder, a config.toml, one command. */
async function deploy(functions) {
  const root = folder(cleaning);
  let config = '';
  for (const [name, { files, verify_jwt = true, static_files = [] }] of Object.entries(functions)) {
    const base = path.join(root, 'supabase/functions', name);
    config += `[functions.${name}]\nverify_jwt = ${verify_jwt}\n`;
    if (static_files.length > 0) config += `static_files = ${JSON.stringify(static_files.map((file) => `./functions/${name}/${file.replace(/^\.\//, '')}`))}\n`;
    for (const [file, content] of Object.entries(files)) {
      await mkdir(path.dirname(path.join(base, file)), { recursive: true });
      await writeFile(path.join(base, file), content);
    }
  }
  await writeFile(path.join(root, 'supabase/config.toml'), config);
  const command = spawn(process.execPath, [program, 'deploy', path.join(root, 'supabase/functions'), '--url', server.url, '--key', server.keys.secret], { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  for (const stream of [command.stdout, command.stderr]) stream.on('data', (text) => { said += text; });
  const code = await new Promise((resolve) => command.on('close', resolve));
  assert.equal(code, 0, said);
}

async function open() {
  server = await start(undefined, ['--data', path.join(data, 'data')]);
  host.keys = server.keys;
}

before(async () => {
  const upstream = await completions();
  const init = ({ key, headers, ...rest } = {}) => ({ ...rest, headers: { ...((key ?? server.keys.publishable) && { apikey: key ?? server.keys.publishable }), ...headers } });
  host = {
    completions: upstream,
    deploy,
    sql: (text) => server.sql(text),
    async call(target, options) {
      const response = await fetch(new URL(target, server.url), init(options));
      return { status: response.status, headers: Object.fromEntries(response.headers), text: await response.text() };
    },
    async stream(target, options) {
      const response = await fetch(new URL(target, server.url), init(options));
      const pieces = [];
      let broken = false;
      try {
        for await (const piece of response.body) {
          pieces.push({ at: Date.now(), text: Buffer.from(piece).toString() });
          if (pieces.length === options?.pieces) break;
        }
      } catch {
        broken = true;
      }
      return { status: response.status, headers: Object.fromEntries(response.headers), pieces, broken };
    },
    async limit(name, limits) {
      const { status, text } = await host.call(`/gateway/functions/${name}`, { method: 'PATCH', key: server.keys.secret, headers: { 'content-type': 'application/json' }, body: JSON.stringify({ limits }) });
      assert.equal(status, 200, text);
    },
    async allow(allow) {
      const { status, text } = await host.call('/gateway/vm/settings', { method: 'PUT', key: server.keys.secret, headers: { 'content-type': 'application/json' }, body: JSON.stringify({ outbound: { allow } }) });
      assert.equal(status, 200, text);
    },
    invoke: () => invoked(createClient(server.url, server.keys.anon, { auth: { persistSession: false }, realtime: { transport: class {} } })),
  };
  await open();
  await server.sql(schema);
  const secrets = { STRIPE_WEBHOOK_SIGNING_SECRET: secret, OPENAI_BASE_URL: upstream.url, OPENAI_API_KEY: 'sk-test-0123' };
  const kept = await host.call('/gateway/secrets', { method: 'POST', key: server.keys.secret, headers: { 'content-type': 'application/json' }, body: JSON.stringify(secrets) });
  assert.ok(kept.status < 300, kept.text);
  await deploy(deployed);
});
after(async () => {
  await server?.end();
  host?.completions.close();
  for (const clean of directories) clean();
  await rm(data, { recursive: true, force: true });
});

for (const [name, exercise] of Object.entries(cases)) test(name, () => exercise(host));

test('a WebSocket is answered message by message; what nobody answers is refused with a status', async () => {
  const open = (target) => new WebSocket(new URL(target, server.url.replace('http', 'ws')));
  const client = open('/functions/v1/socket');
  client.binaryType = 'arraybuffer';
  const heard = [];
  await new Promise((resolve, reject) => {
    client.onerror = reject;
    client.onmessage = ({ data }) => {
      heard.push(typeof data === 'string' ? data : [...new Uint8Array(data)]);
      if (data === 'welcome') client.send('hello');
      else if (data === 'echo hello') client.send(new Uint8Array([1, 2]));
      else client.close(1000, 'enough');
    };
    client.onclose = ({ code, reason }) => resolve(heard.push(code, reason));
  });
  assert.deepEqual(heard, ['welcome', 'echo hello', [1, 2], 1000, 'enough']);
  for (const [target, status] of [['/functions/v1/nobody', /404/], ['/functions/v1/tasks', /401/], ['/rest/v1/tasks', /200/], ['/realtime/v1/websocket', /501/]]) {
    const { message } = await new Promise((resolve) => { open(target).onerror = resolve; });
    assert.match(message, status, target);
  }
  // A token opens what asks for one: in a header, or where a page can put it.
  const said = (client) => new Promise((resolve, reject) => {
    client.onerror = ({ message }) => reject(new Error(message));
    client.onmessage = ({ data }) => {
      client.close();
      resolve(data);
    };
  });
  const guarded = new URL('/functions/v1/guarded', server.url.replace('http', 'ws'));
  const token = server.keys.anon;
  assert.equal(await said(new WebSocket(guarded, { headers: { authorization: `Bearer ${token}` } })), `Bearer ${token}`);
  assert.equal(await said(new WebSocket(guarded, { headers: { apikey: server.keys.publishable } })), `Bearer ${token}`);
  assert.equal(await said(new WebSocket(`${guarded}?jwt=${token}`)), `Bearer ${token}`);
  assert.equal(await said(new WebSocket(guarded, [`jwt-${token}`])), `Bearer ${token}`);
  await assert.rejects(said(new WebSocket(guarded, { headers: { authorization: 'Bearer nonsense' } })), /401/);
  await assert.rejects(said(new WebSocket(guarded)), /401/);
  // Nothing else is upgraded to, and asking for it harms nobody.
  const [answered] = await once(request(new URL('/health', server.url), { headers: { connection: 'Upgrade', upgrade: 'h2c' } }).end(), 'response');
  assert.equal(answered.statusCode, 200);
  answered.resume();
});

test('what is deployed is there when the server is started again', async () => {
  assert.equal((await host.call('/functions/v1/router')).text, 'Hono!');
  await server.end();
  await open();
  assert.equal((await host.call('/functions/v1/router')).text, 'Hono!');
  const [{ version }] = JSON.parse((await host.call('/gateway/functions', { key: server.keys.secret })).text);
  assert.equal(version, 1);
});

test('a server ends while functions run', async () => {
  const asked = host.stream('/functions/v1/events?count=1000').catch(() => undefined);
  await host.call('/functions/v1/cors', { method: 'POST', body: '{"name":"x"}' });
  const loops = host.call('/functions/v1/loops', { method: 'POST' }).catch(() => undefined);
  await new Promise((resolve) => setTimeout(resolve, 300));
  server.signal('SIGTERM');
  server.signal('SIGINT');
  await Promise.race([server.ended, new Promise((_, reject) => setTimeout(() => reject(new Error('it does not end')), 30_000).unref())]);
  await Promise.all([asked, loops]);
  await open();
});
