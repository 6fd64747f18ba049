// `cargo xtask functions` against `serve`: from a folder to an answer.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { folder, start } from '../node/server.mjs';

const program = path.join(import.meta.dirname, '../../static/dist/node/functions.mjs');

test('a project is deployed, answers, is watched, and is taken away', async (t) => {
  const server = await start(t);
  const root = folder(t);
  const files = (named) => {
    for (const [name, text] of Object.entries(named)) {
      mkdirSync(path.dirname(path.join(root, name)), { recursive: true });
      writeFileSync(path.join(root, name), text);
    }
  };
  const functions = (...args) => new Promise((resolve) => {
    const child = spawn(process.execPath, [program, ...args], { env: { ...process.env, XDG_CACHE_HOME: path.join(root, 'cache'), SUPABASE_URL: server.url, SUPABASE_SECRET_KEY: server.keys.secret } });
    const said = { out: '', err: '' };
    child.stdout.on('data', (text) => { said.out += text; });
    child.stderr.on('data', (text) => { said.err += text; });
    child.on('close', (code) => resolve({ code, ...said }));
  });
  const ask = async (rest, headers = {}) => {
    const response = await fetch(`${server.url}/functions/v1/${rest}`, { headers });
    return `${response.status} ${await response.text()}`;
  };
  files({
    'supabase/config.toml': '[functions.hello]\nverify_jwt = false\nstatic_files = ["./functions/hello/*.txt"]\n',
    'supabase/functions/_shared/greet.ts': 'export const greet = (name: string) => `Hello ${name}`;',
    'supabase/functions/hello/index.ts': 'import { greet } from "../_shared/greet.ts";\nconst text = await Deno.readTextFile(new URL("./a.txt", import.meta.url));\nDeno.serve((request) => {\n  console.log("asked");\n  return new Response(greet(text + new URL(request.url).pathname + Deno.env.get("WORD")));\n});\n',
    'supabase/functions/hello/a.txt': 'static ',
    // Two at once, each of which waits with the other's store set meanwhile.
    'supabase/functions/stores/index.ts': 'import { AsyncLocalStorage } from "node:async_hooks";\nconst store = new AsyncLocalStorage();\nlet met = () => {};\nconst both = new Promise((resolve) => { let here = 0; met = () => { here += 1; if (here === 2) resolve(undefined); }; });\nDeno.serve((request) => store.run(new URL(request.url).search, async () => {\n  met();\n  await both;\n  return new Response(String(store.getStore()));\n}));\n',
    'supabase/functions/closed/index.ts': 'import { Hono } from "jsr:@hono/hono@4";\nexport default new Hono().get("*", (c) => c.text("closed"));\n',
  });
  assert.equal((await functions('secrets', 'set', 'WORD=!')).code, 0);
  const deployed = await functions('deploy', root);
  assert.equal(deployed.code, 0, deployed.err);
  assert.match(deployed.out, /^closed: version 1, .*\nhello: version 1, .*\nstores: version 1, .*\n$/);
  assert.equal(await ask('hello/x'), '200 Hello static /hello/x!');
  assert.equal((await ask('closed')).slice(0, 3), '401');
  const stored = (name) => ask(`stores?${name}`, { authorization: `Bearer ${server.keys.anon}` });
  assert.deepEqual(await Promise.all([stored('one'), stored('two')]), ['200 ?one', '200 ?two']);
  assert.equal(await ask('closed', { authorization: `Bearer ${server.keys.anon}` }), '200 closed');

  files({ 'supabase/functions/_shared/greet.ts': 'export const greet = (name: string) => `Bye ${name}`;' });
  const again = await functions('deploy', root, '--name', 'hello');
  assert.match(again.out, /^hello: version 2, /, again.err);
  assert.equal(await ask('hello'), '200 Bye static /hello!');
  assert.match((await functions('logs', 'hello', '--search', 'asked')).out, /Z log   asked\n/);
  assert.match((await functions('list')).out, /^closed .* version 1 .*\nhello .* version 2 .*for anyone/);
  assert.equal((await functions('delete', 'hello')).out, 'hello is deleted.\n');
  assert.equal(await ask('hello'), '404 Function not found');
});
