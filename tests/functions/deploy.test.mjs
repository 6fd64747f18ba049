// `cargo xtask functions`, by the program that it becomes, against a server that records what it is sent.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createServer } from 'node:http';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';
import { opened, run } from './bundling.mjs';

const program = path.join(import.meta.dirname, '../../static/dist/node/functions.mjs');
const root = await mkdtemp(path.join(tmpdir(), 'deploy-'));
let server;
let url;
let sent = [];
/** Answers by `METHOD path`; deployed archives by name. */
let answers = {};
let archives = {};

before(async () => {
  server = createServer(async (request, response) => {
    const parts = [];
    for await (const part of request) parts.push(part);
    const body = Buffer.concat(parts);
    const { pathname, search } = new URL(request.url, url);
    const type = request.headers['content-type'] ?? '';
    const form = type.startsWith('multipart/') ? await new Response(body, { headers: { 'content-type': type } }).formData() : undefined;
    const zip = form && new Uint8Array(await form.get('bundle').arrayBuffer());
    sent.push({ line: `${request.method} ${pathname}${search}`, key: request.headers.apikey, ...(form && { settings: JSON.parse(form.get('function')), zip }), ...(!form && body.length && { body: JSON.parse(body) }) });
    const name = decodeURIComponent(pathname.split('/')[3] ?? '');
    const answer = answers[`${request.method} ${pathname}`];
    if (answer) return response.writeHead(answer.status ?? 200, { 'content-type': answer.type ?? 'application/json' }).end(answer.text ?? JSON.stringify(answer.body));
    if (pathname.endsWith('/source')) return archives[name] ? response.end(archives[name]) : response.writeHead(404).end('{"message":"none"}');
    if (request.method === 'PUT') {
      archives[name] = zip;
      return response.writeHead(201, { 'content-type': 'application/json' }).end(JSON.stringify({ name, version: 1, bytes: zip.length }));
    }
    return response.end('[]');
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${server.address().port}`;
});
after(async () => {
  server.close();
  await rm(root, { recursive: true });
});
beforeEach(() => {
  sent = [];
  answers = {};
  archives = {};
});

/** Runs it; the code it ends with and what it says. */
function functions(args, { env = {} } = {}) {
  const child = spawn(process.execPath, [program, ...args], { env: { PATH: process.env.PATH, XDG_CACHE_HOME: path.join(root, 'cache'), SUPABASE_URL: url, SUPABASE_SECRET_KEY: 'sb_secret_x', ...env } });
  const said = { out: '', err: '' };
  child.stdout.on('data', (text) => { said.out += text; });
  child.stderr.on('data', (text) => { said.err += text; });
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, ...said })));
}

let projects = 0;
async function project(files) {
  const folder = path.join(root, `project-${(projects += 1)}`);
  for (const [name, text] of Object.entries(files)) {
    await mkdir(path.dirname(path.join(folder, name)), { recursive: true });
    await writeFile(path.join(folder, name), text);
  }
  return folder;
}

const two = {
  'supabase/config.toml': '[functions.hello]\nverify_jwt = false\nstatic_files = ["./functions/hello/*.html", "./mail/**"]\n\n[functions.off]\nenabled = false\n\n[functions.mapped]\nimport_map = "./maps/map.json"\nentrypoint = "./functions/mapped/start.ts"\n',
  'supabase/mail/a.txt': 'mail', 'supabase/maps/map.json': '{"imports":{"who":"../functions/_shared/who.ts"}}', 'supabase/migrations/1.sql': 'select 1',
  'supabase/functions/_shared/who.ts': 'export const who = "shared";',
  'supabase/functions/hello/index.ts': 'import { who } from "../_shared/who.ts"; Deno.serve(async () => new Response(who + new TextDecoder().decode(await Deno.readFile(new URL("./a.html", import.meta.url))) + new TextDecoder().decode(await Deno.readFile("mail/a.txt"))));',
  'supabase/functions/hello/a.html': '<p>', 'supabase/functions/hello/.env': 'A=1', 'supabase/functions/hello/node_modules/x/index.js': '',
  'supabase/functions/mapped/start.ts': 'import { who } from "who"; import { Hono } from "jsr:@hono/hono@4"; export default new Hono().get("/", (c) => c.text(who));',
  'supabase/functions/off/index.ts': 'broken(', 'supabase/functions/plain/index.js': 'Deno.serve(() => new Response("plain"));',
  'supabase/functions/empty/README.md': '',
};

describe('deploy', () => {
  test('a project: settings, shared modules, static files, an import map; what is off or empty stays out', async () => {
    const { code, out, err } = await functions(['deploy', await project(two)]);
    assert.equal(code, 0, err);
    assert.deepEqual(sent.map(({ line }) => line), ['hello', 'mapped', 'plain'].flatMap((name) => [`GET /gateway/functions/${name}/source`, `PUT /gateway/functions/${name}`]));
    assert.ok(sent.every(({ key }) => key === 'sb_secret_x'));
    const [hello, mapped, plain] = sent.filter(({ zip }) => zip);
    assert.deepEqual(hello.settings, { verify_jwt: false, entrypoint: 'functions/hello/index.ts' });
    assert.deepEqual(mapped.settings, { entrypoint: 'functions/mapped/start.ts' });
    assert.deepEqual(plain.settings, { entrypoint: 'functions/plain/index.js' });
    const names = (zip) => Object.keys(opened(zip).files).filter((name) => !/^bundle\/(index|packages|meta)/.test(name)).sort();
    assert.deepEqual(names(hello.zip), ['bundle/files/functions/hello/a.html', 'bundle/files/mail/a.txt', 'source/functions/_shared/who.ts', 'source/functions/hello/a.html', 'source/functions/hello/index.ts', 'source/mail/a.txt']);
    assert.deepEqual(names(mapped.zip), ['source/functions/_shared/who.ts', 'source/functions/mapped/start.ts', 'source/maps/map.json']);
    const read = { 'functions/hello/a.html': Buffer.from('<p>'), 'mail/a.txt': Buffer.from('mail') };
    assert.equal((await run(opened(hello.zip), { files: read })).answer, 'shared<p>mail');
    assert.equal((await run(opened(mapped.zip))).answer, 'shared');
    assert.match(out, new RegExp(`^hello: version 1, \\d+\\.\\d KB, in \\d+\\.\\d\\d s: ${url}/functions/v1/hello\nmapped: .*\nplain: .*\n$`));
    assert.equal(err, 'hello: functions/hello/.env is not deployed: what is secret is set as a secret.\n');
  });

  for (const [name, at] of [['the folder supabase', 'supabase'], ['the folder functions', 'supabase/functions']]) {
    test(`${name}, one function of it, for anyone`, async () => {
      const { code, err } = await functions(['deploy', path.join(await project(two), at), '--name', 'plain', '--no-verify-jwt']);
      assert.equal(code, 0, err);
      assert.deepEqual(sent.map(({ line, settings }) => [line, settings]).at(-1), ['PUT /gateway/functions/plain', { verify_jwt: false, entrypoint: 'functions/plain/index.js' }]);
    });
  }

  test('one function\'s folder, under another name', async () => {
    const folder = await project({ 'index.ts': 'Deno.serve(() => new Response("alone"));', 'deno.json': '{}', 'more/x.txt': '' });
    const { code, err } = await functions(['deploy', folder, '--name', 'other', '--key', 'sb_secret_y']);
    assert.equal(code, 0, err);
    const { line, key, settings, zip } = sent.at(-1);
    assert.deepEqual([line, key, settings], ['PUT /gateway/functions/other', 'sb_secret_y', { entrypoint: 'index.ts' }]);
    assert.deepEqual(Object.keys(opened(zip).files).filter((file) => file.startsWith('source/')), ['source/deno.json', 'source/index.ts', 'source/more/x.txt']);
  });

  test('the lock of the version before holds', async () => {
    const folder = await project({ 'index.ts': 'import { Hono } from "npm:hono"; export default new Hono();' });
    await functions(['deploy', folder, '--name', 'locked']);
    const first = opened(sent.at(-1).zip).meta.imports;
    assert.match(first[0].resolved, /^npm:hono@4/);
    const again = await functions(['deploy', folder, '--name', 'locked']);
    assert.equal(again.code, 0, again.err);
    assert.deepEqual(opened(sent.at(-1).zip).meta.imports, first);
    assert.equal(sent.filter(({ line }) => line.startsWith('GET')).length, 2);
    await functions(['deploy', folder, '--name', 'locked', '--reload']);
    assert.equal(sent.at(-1).line, 'PUT /gateway/functions/locked');
    assert.equal(sent.filter(({ line }) => line.startsWith('GET')).length, 2);
  });

  test('one that is wrong is told of with its line, and the others are deployed', async () => {
    const { code, err } = await functions(['deploy', await project({ 'supabase/functions/a/index.ts': '\tconst b: = 1;', 'supabase/functions/c/index.ts': 'Deno.serve(() => new Response());' })]);
    assert.equal(code, 1);
    assert.deepEqual(sent.map(({ line }) => line).filter((line) => line.startsWith('PUT')), ['PUT /gateway/functions/c']);
    assert.equal(err, 'a is not deployed:\nfunctions/a/index.ts:1:11: Unexpected "="\n    \tconst b: = 1;\n    \t         ^\n');
  });

  test('what the gateway refuses is told in its words', async () => {
    answers['PUT /gateway/functions/plain'] = { status: 413, body: { message: 'Too large.' } };
    const { code, err } = await functions(['deploy', await project(two), '--name', 'plain']);
    assert.deepEqual([code, err], [1, 'plain is not deployed: Too large.\n']);
  });

  for (const [name, args, files, expected] of [
    ['no folder', ['deploy'], {}, /^which folder\?\n\ncargo xtask functions/],
    ['a folder that is not there', ['deploy', '/nowhere/at/all'], {}, /^There is no folder \/nowhere\/at\/all\.\n$/],
    ['a folder of something else', ['deploy', '.'], { 'a.txt': '' }, /has neither supabase\/functions nor functions in it, and no index\.ts\.\n$/],
    ['an unknown function', ['deploy', '.', '--name', 'x'], two, /^There is no function x in .*: there are hello, mapped, off, plain\.\n$/],
    ['a name that is none', ['deploy', '.'], { 'functions/1a/index.ts': '' }, /^A function's name begins with a letter, .*: not 1a\.\n$/],
    ['broken TOML', ['deploy', '.'], { 'supabase/config.toml': '[x', 'supabase/functions/a/index.ts': '' }, /config\.toml: Invalid TOML/],
    ['TOML of the wrong kind', ['deploy', '.'], { 'supabase/config.toml': '[functions.a]\nverify_jwt = "no"', 'supabase/functions/a/index.ts': '' }, /config\.toml: \[functions\.a\] verify_jwt is not what it should be: "no"\n$/],
    ['an unknown option', ['deploy', '.', '--what'], {}, /Unknown option '--what'/],
    ['an unknown command', ['destroy'], {}, /^There is no command "destroy"\./],
  ]) {
    test(`refused: ${name}`, async () => {
      const folder = await project({ 'other.txt': '', ...files });
      const { code, err } = await functions(args.map((one) => (one === '.' ? folder : one)));
      assert.equal(code, 1);
      assert.match(err, expected);
      assert.deepEqual(sent, []);
    });
  }

  test('no key, and no gateway', async () => {
    const folder = await project(two);
    assert.deepEqual(await functions(['list'], { env: { SUPABASE_SECRET_KEY: '' } }), { code: 1, out: '', err: 'Whose secret key? --key has it, or $SUPABASE_SECRET_KEY.\n' });
    assert.match((await functions(['deploy', folder, '--url', 'http://127.0.0.1:1234'])).err, /^The gateway cannot be reached: connect ECONNREFUSED 127/);
  });
});

test('list, delete, logs, secrets', async () => {
  answers['GET /gateway/functions'] = { body: [{ name: 'hello', version: 3, verify_jwt: true, bytes: 2048, updated_at: '2026-01-01T00:00:00Z' }] };
  assert.equal((await functions(['list'])).out, `hello                    version 3         2.0 KB  2026-01-01T00:00:00Z  with a token  ${url}/functions/v1/hello\n`);
  assert.equal((await functions(['delete', 'hello'])).out, 'hello is deleted.\n');
  answers['GET /gateway/functions/hello/logs'] = { type: 'application/x-ndjson', text: '{"at":0,"level":"log","message":"one"}\n{"at":1000,"level":"error","message":"two","stack":"Error: two\\n    at index.ts:1:1"}\n' };
  assert.equal((await functions(['logs', 'hello', '--tail', '5', '--level', 'log', '--search', 'o'])).out, '1970-01-01T00:00:00.000Z log   one\n1970-01-01T00:00:01.000Z error Error: two\n    at index.ts:1:1\n');
  assert.equal((await functions(['logs', 'hello', '--level', 'loud'])).err, 'A level is one of debug, info, log, warn, error, not loud.\n');
  answers['GET /gateway/secrets'] = { body: [{ name: 'KEY', digest: '01234567', updated_at: 'then' }] };
  assert.equal((await functions(['secrets'])).out, 'KEY                              01234567  then\n');
  assert.equal((await functions(['secrets', 'set', 'A=1', 'B=x=y'])).out, '2 set.\n');
  assert.equal((await functions(['secrets', 'unset', 'A'])).out, '1 unset.\n');
  assert.match((await functions(['secrets', 'set', 'A'])).err, /^Secrets are NAME=VALUE\./);
  assert.deepEqual(sent.map(({ line, body }) => (body ? [line, body] : [line])), [
    ['GET /gateway/functions'], ['DELETE /gateway/functions/hello'], ['GET /gateway/functions/hello/logs?tail=5&follow=false&level=log&search=o'], ['GET /gateway/secrets'],
    ['POST /gateway/secrets', { A: '1', B: 'x=y' }], ['DELETE /gateway/secrets', ['A']],
  ]);
});
