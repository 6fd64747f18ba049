// What nobody may get out of storage, or into it: over `serve`, by plain requests, some of which no client library makes.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { forged, sign, userToken } from '../browser/jwt.mjs';
import { start } from '../node/server.mjs';

const ada = '00000000-0000-4000-8000-00000000000a';
const secretText = 'the text that only Ada may read';
let server, data, outer, tokens;
before(async () => {
  outer = mkdtempSync(path.join(tmpdir(), 'serve-'));
  data = path.join(outer, 'data');
  mkdirSync(data);
  server = await start(undefined, ['--data', data]);
  await server.sql(readFileSync(path.join(import.meta.dirname, '../storage-js/policies.sql'), 'utf8'));
  tokens = { ada: userToken(server.keys.jwt_secret, ada), ben: userToken(server.keys.jwt_secret, '00000000-0000-4000-8000-00000000000b') };
  for (const [name, open] of [['private', false], ['open', true], ['other', false]]) assert.equal((await storage('/bucket', { key: server.keys.secret, json: { name, public: open } })).status, 200);
  assert.equal((await storage(`/object/private/${ada}/diary.txt`, { token: tokens.ada, body: secretText, type: 'text/plain' })).status, 200);
});
after(async () => {
  await server?.end('SIGKILL');
  rmSync(outer, { recursive: true, force: true });
});

async function storage(target, { token, key, json, body, type, ...init } = {}) {
  const answer = await server.fetch(`/storage/v1${target}`, {
    key, ...init, ...((json !== undefined || body !== undefined) && { method: init.method ?? 'POST', body: json === undefined ? body : JSON.stringify(json) }),
    headers: { ...(json !== undefined && { 'content-type': 'application/json' }), ...(type && { 'content-type': type }), ...(token && { authorization: `Bearer ${token}` }), ...init.headers },
  });
  const text = await answer.text();
  let read;
  try { read = JSON.parse(text); } catch { read = undefined; }
  return { status: answer.status, text, json: read, headers: Object.fromEntries(answer.headers) };
}

/** A request whose path goes out exactly as it is written. */
const raw = (target, { method = 'GET', headers = {}, body } = {}) => new Promise((resolve, reject) => {
  const outgoing = httpRequest({ host: '127.0.0.1', port: server.port, method, path: target, headers: { apikey: server.keys.publishable, ...headers } }, (answer) => {
    let text = '';
    answer.setEncoding('utf8').on('data', (part) => { text += part; }).on('end', () => resolve({ status: answer.statusCode, text }));
  });
  outgoing.on('error', reject).end(body);
});

const files = (directory) => readdirSync(directory, { recursive: true }).map(String).filter((name) => statSync(path.join(directory, name)).isFile());

test('paths that climb read nothing of another bucket and nothing of the disk', async () => {
  const climbs = ['../private', '..%2fprivate', '%2e%2e/private', '%2e%2e%2fprivate', '..%252fprivate', '..\\private', '..%5cprivate', './../private', 'x/../../private', '//private', '%00/../private', '..;/private'];
  for (const climb of climbs) {
    for (const kind of ['public/open', 'open', 'authenticated/open', 'info/open', 'info/public/open', 'sign/open']) {
      const { status, text } = await raw(`/storage/v1/object/${kind}/${climb}/${ada}/diary.txt`);
      assert.ok(status >= 400 && status < 500 && !text.includes(secretText), `${kind}/${climb}: ${status} ${text.slice(0, 200)}`);
    }
  }
  for (const climb of ['../../../../../../etc/passwd', '..%2f..%2f..%2f..%2fetc%2fpasswd', '/etc/passwd', '%2fetc%2fpasswd', 'file:%2f%2f%2fetc%2fpasswd']) {
    const { status, text } = await raw(`/storage/v1/object/authenticated/open/${climb}`, { headers: { apikey: server.keys.secret } });
    assert.ok(status >= 400 && status < 500 && !text.includes('root:'), `${climb}: ${status}`);
  }
});

test('odd keys are refused, or are kept as exactly what they are', async () => {
  const before = files(outer).filter((name) => !name.startsWith('data/'));
  const keys = ['../escape.txt', '../../escape.txt', 'a/../../escape.txt', '..', '.', './x', 'a//b', 'a/./b', 'a/../b', '/lead', 'trail/', 'a\\b', 'a\u0000b', 'a\nb', 'ünïcode', '☃', 'a b', "q'uote", 'semi;colon', 'per%cent', 'hash#', 'quest?ion', 'x'.repeat(1100), 'con', 'nul.txt', '~', '$HOME', '`id`', '<b>', '"q"', '|', 'a:b', '*', '!', '(x)', '@', '=', '+', ','];
  const kept = [];
  for (const key of keys) {
    const { status, text, json } = await storage(`/object/other/${encodeURIComponent(key)}`, { key: server.keys.secret, body: `of ${key}`, type: 'text/plain' });
    assert.ok(status === 200 || (status >= 400 && status < 500), `${JSON.stringify(key)}: ${status} ${text}`);
    if (status !== 200) continue;
    kept.push(key);
    assert.equal(json.Key, `other/${key}`);
    const back = await storage(`/object/authenticated/other/${encodeURIComponent(key)}`, { key: server.keys.secret });
    assert.equal(back.text, `of ${key}`, JSON.stringify(key));
  }
  const names = (await server.sql(`select name from storage.objects where bucket_id = 'other'`)).map(({ name }) => name);
  assert.deepEqual(names.toSorted(), kept.toSorted(), 'what was refused left no row, what was taken has its own name');
  for (const key of ['a b', "q'uote", '!', '(x)', '@', '=', '+', ',', 'a:b', '*']) assert.ok(kept.includes(key), `${key} is a key that storage-api takes`);
  for (const key of ['ünïcode', '☃', 'a\\b', 'a\u0000b', 'hash#', '<b>', '~', '`id`', '|', 'per%cent', '"q"']) assert.ok(!kept.includes(key), `${key} is no key of storage-api`);
  assert.deepEqual(files(outer).filter((name) => !name.startsWith('data/')), before, 'nothing outside the data folder');
  assert.ok(!files(data).some((name) => /escape|quote|x{50}/.test(name)), 'no file on the disk has a name that a caller chose');
});

test('bucket names that are no names', async () => {
  for (const name of ['', ' ', '../x', 'a/b', 'x'.repeat(101), 'a\u0000b', '☃', ' lead', 'trail ']) {
    const { status, text } = await storage('/bucket', { key: server.keys.secret, json: { name } });
    assert.ok(status >= 400 && status < 500, `${JSON.stringify(name)}: ${status} ${text}`);
  }
});

test('forged tokens and no tokens', async () => {
  for (const [what, token] of Object.entries(forged(server.keys.jwt_secret, ada))) {
    for (const target of [`/object/private/${ada}/diary.txt`, `/object/authenticated/private/${ada}/diary.txt`, '/bucket']) {
      const { status, text } = await storage(target, { token });
      assert.ok(status >= 400 && status < 500 && !text.includes(secretText), `${what}, ${target}: ${status} ${text}`);
    }
  }
  for (const token of [undefined, tokens.ben]) {
    const { status, text } = await storage(`/object/private/${ada}/diary.txt`, { token });
    assert.ok(status === 400 && !text.includes(secretText), text);
  }
});

const signed = async (key, body = { expiresIn: 60 }) => (await storage(`/object/sign/private/${key}`, { token: tokens.ada, json: body })).json.signedURL;
const open = (url) => server.fetch(`/storage/v1${url}`, {}).then(async (answer) => ({ status: answer.status, text: await answer.text() }));

test('a signed URL is for its object, its bucket and its time; tampering is seen', async () => {
  assert.equal((await storage(`/object/private/${ada}/second.txt`, { token: tokens.ada, body: 'the second', type: 'text/plain' })).status, 200);
  const url = await signed(`${ada}/diary.txt`);
  assert.equal((await open(url)).text, secretText);
  const token = new URL(url, 'http://x').searchParams.get('token');
  const [head, payload, signature] = token.split('.');
  const claims = JSON.parse(Buffer.from(payload, 'base64url'));
  const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const path1 = `/object/sign/private/${ada}`;
  const bad = {
    'another object': `${path1}/second.txt?token=${token}`,
    'another bucket': `/object/sign/other/${ada}/diary.txt?token=${token}`,
    'another object in the claims': `${path1}/second.txt?token=${head}.${encode({ ...claims, url: `private/${ada}/second.txt` })}.${signature}`,
    'a longer time': `${path1}/diary.txt?token=${head}.${encode({ ...claims, exp: claims.exp + 1e6 })}.${signature}`,
    'no signature': `${path1}/diary.txt?token=${head}.${payload}.`,
    'no algorithm': `${path1}/diary.txt?token=${encode({ alg: 'none', typ: 'JWT' })}.${payload}.`,
    'another secret': `${path1}/diary.txt?token=${sign('another-secret-that-is-32-characters-long', claims)}`,
    'an expired one': `${path1}/diary.txt?token=${sign(server.keys.jwt_secret, { ...claims, exp: claims.iat - 10 })}`,
    'a token to sign in with': `${path1}/diary.txt?token=${tokens.ada}`,
    'the service key': `${path1}/diary.txt?token=${server.keys.service_role}`,
    'no token': `${path1}/diary.txt`,
    'as an upload': `/object/upload/sign/private/${ada}/diary.txt?token=${token}`,
  };
  for (const [what, target] of Object.entries(bad)) {
    const { status, text } = await open(target);
    assert.ok(status >= 400 && status < 500 && !text.includes(secretText) && !text.includes('the second'), `${what}: ${status} ${text}`);
  }
  const written = await storage(`/object/upload/sign/private/${ada}/diary.txt?token=${token}`, { method: 'PUT', body: 'overwritten' });
  assert.ok(written.status >= 400, 'a URL to read is no URL to write');
  for (const target of ['/bucket', `/object/private/${ada}/diary.txt`]) {
    const { text } = await storage(target, { token });
    assert.ok(!text.includes(secretText) && !text.includes('"private"'), `a signed URL’s token signs nobody in: ${target} ${text}`);
  }
  const rest = await server.fetch('/rest/v1/', { headers: { authorization: `Bearer ${token}` } });
  assert.ok(rest.status === 200 || rest.status === 401, `REST treats it as anon at most: ${rest.status}`);
});

test('an upload URL writes its one key, once, under the limits of its bucket', async () => {
  const { json } = await storage(`/object/upload/sign/private/${ada}/inbox.txt`, { token: tokens.ada, json: {} });
  const put = (key, token, body = 'x') => storage(`/object/upload/sign/private/${key}?token=${token}`, { method: 'PUT', body, type: 'text/plain' });
  assert.ok((await put(`${ada}/else.txt`, json.token)).status >= 400, 'another key');
  assert.ok((await put(`${ada}/../x.txt`, json.token)).status >= 400, 'a climb');
  assert.ok((await put(`${ada}/inbox.txt`, `${json.token}x`)).status >= 400, 'a broken signature');
  assert.equal((await put(`${ada}/inbox.txt`, json.token)).status, 200);
  assert.ok((await put(`${ada}/inbox.txt`, json.token, 'again')).status >= 400, 'without upsert, once');
  const read = await open(`/object/sign/private/${ada}/inbox.txt?token=${json.token}`);
  assert.ok(read.status >= 400, 'a URL to write is no URL to read');
  for (const token of [undefined, tokens.ben]) assert.ok((await storage(`/object/upload/sign/private/${ada}/other.txt`, { token, json: {} })).status >= 400, 'nobody signs for a folder that is not theirs');
});

test('policies hold on every path that reads, writes, moves or removes', async () => {
  const key = `${ada}/diary.txt`;
  const others = { anon: undefined, ben: tokens.ben };
  for (const [who, token] of Object.entries(others)) {
    const attempts = {
      read: () => storage(`/object/private/${key}`, { token }),
      'read, authenticated': () => storage(`/object/authenticated/private/${key}`, { token }),
      head: () => storage(`/object/private/${key}`, { token, method: 'HEAD' }),
      info: () => storage(`/object/info/private/${key}`, { token }),
      'info, authenticated': () => storage(`/object/info/authenticated/private/${key}`, { token }),
      public: () => storage(`/object/public/private/${key}`, { token }),
      sign: () => storage(`/object/sign/private/${key}`, { token, json: { expiresIn: 60 } }),
      overwrite: () => storage(`/object/private/${key}`, { token, body: 'x', type: 'text/plain', headers: { 'x-upsert': 'true' } }),
      update: () => storage(`/object/private/${key}`, { token, method: 'PUT', body: 'x', type: 'text/plain' }),
      delete: () => storage(`/object/private/${key}`, { token, method: 'DELETE' }),
      move: () => storage('/object/move', { token, json: { bucketId: 'private', sourceKey: key, destinationKey: 'mine.txt' } }),
      'move out': () => storage('/object/move', { token, json: { bucketId: 'private', sourceKey: key, destinationBucket: 'open', destinationKey: 'mine.txt' } }),
      copy: () => storage('/object/copy', { token, json: { bucketId: 'private', sourceKey: key, destinationBucket: 'open', destinationKey: 'mine.txt' } }),
      render: () => storage(`/render/image/authenticated/private/${key}?width=10`, { token }),
      'empty bucket': () => storage('/bucket/private/empty', { token, json: {} }),
      'delete bucket': () => storage('/bucket/private', { token, method: 'DELETE' }),
      'open bucket': () => storage('/bucket/private', { token, method: 'PUT', json: { public: true } }),
    };
    for (const [what, attempt] of Object.entries(attempts)) {
      const { status, text } = await attempt();
      assert.ok(status >= 400 && status < 500 && !text.includes(secretText), `${who}, ${what}: ${status} ${text}`);
    }
    for (const body of [{ prefixes: [key] }]) {
      const { json } = await storage('/object/private', { token, method: 'DELETE', json: body });
      assert.ok(!Array.isArray(json) || json.length === 0, `${who}, delete many: ${JSON.stringify(json)}`);
    }
    const { json: many } = await storage('/object/sign/private', { token, json: { expiresIn: 60, paths: [key] } });
    assert.ok(!Array.isArray(many) || many.every(({ signedURL }) => !signedURL), `${who}, sign many: ${JSON.stringify(many)}`);
    for (const list of ['list', 'list-v2']) {
      const { text } = await storage(`/object/${list}/private`, { token, json: { prefix: list === 'list' ? ada : `${ada}/` } });
      assert.ok(!text.includes('diary'), `${who}, ${list}: ${text}`);
    }
  }
  const { text } = await storage(`/object/private/${key}`, { token: tokens.ada });
  assert.equal(text, secretText, 'the file is as it was');
  const [bucket] = await server.sql(`select public from storage.buckets where id = 'private'`);
  assert.equal(bucket.public, false);
});

test('what a caller uploads cannot run on this origin', async () => {
  await storage('/object/open/page.html', { key: server.keys.secret, body: '<script>parent.stolen = 1</script>', type: 'text/html' });
  await storage('/object/open/picture.svg', { key: server.keys.secret, body: '<svg xmlns="http://www.w3.org/2000/svg"><script>parent.stolen = 1</script></svg>', type: 'image/svg+xml' });
  await storage('/object/open/page.xhtml', { key: server.keys.secret, body: '<html xmlns="http://www.w3.org/1999/xhtml"/>', type: 'application/xhtml+xml' });
  const page = await storage('/object/public/open/page.html');
  assert.deepEqual([page.status, page.headers['content-type'], page.headers['x-content-type-options']], [200, 'text/plain', 'nosniff'], 'a page is shown as its text');
  for (const name of ['picture.svg', 'page.xhtml']) assert.equal((await storage(`/object/public/open/${name}`)).headers['content-security-policy'], 'sandbox', `${name}: its scripts would read the project’s keys`);
});

test('headers are not written by what a caller names', async () => {
  for (const name of ['x\r\nset-cookie: a=b', 'x"; evil="1', 'ü☃.txt']) {
    const { status, headers } = await storage(`/object/public/open/page.html?download=${encodeURIComponent(name)}`);
    assert.ok(status < 500 && headers['set-cookie'] === undefined, `${name}: ${status}`);
  }
  const typed = await storage('/object/open/typed', { key: server.keys.secret, body: 'x', headers: { 'content-type': 'text/plain; x="a\tb"', 'cache-control': 'max-age=1, evil' } });
  assert.ok(typed.status < 500);
});

test('no answer holds a key that was sent or a secret', async () => {
  const secrets = [server.keys.secret, server.keys.service_role, server.keys.jwt_secret];
  for (const [target, init] of [['/bucket'], ['/bucket/nothing'], ['/bucket', { json: { name: 'private' } }], ['/nothing'], ['/object/private/nothing'], ['/object/list/private', { json: { prefix: '' } }], ['/object/sign/private', { json: { expiresIn: 60, paths: [`${ada}/diary.txt`] } }], ['/status'], ['/version'], ['/upload/resumable', { body: 'x', headers: { 'tus-resumable': '1.0.0' } }], ['/s3/private']]) {
    for (const key of [server.keys.secret, server.keys.service_role]) {
      const { text, headers, status } = await storage(target, { key, ...init });
      for (const secret of secrets) assert.ok(!`${text}${JSON.stringify(headers)}`.includes(secret), `${target}: ${status} ${text}`);
    }
  }
});
