// The outbox over the `serve` command: who may see it, and what it shows.
import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { start } from './server.mjs';

let server;
before(async () => { server = await start(); });
after(() => server?.end('SIGKILL'));
beforeEach(() => server.sql('delete from gateway.outbox'));

/** A request as the holder of the secret key; the answer's status and body. */
async function outbox(path = '', { method = 'GET', key = server.keys.secret } = {}) {
  const response = await server.fetch(`/gateway/outbox${path}`, { method, key });
  const text = await response.text();
  return { status: response.status, body: text && JSON.parse(text), headers: response.headers };
}

/** Writes messages as Auth does, one second apart, the last one newest. */
async function write(...messages) {
  const rows = messages.map(({ to, subject = '', html = null, text = '', link = null, code = null, channel = 'email', kind = 'magic_link' }, index) => {
    const values = [channel, kind, 'admin@email.com', to, subject, html, text, link, code].map((value) => (value === null ? 'null' : `'${value.replaceAll("'", "''")}'`));
    return `(now() + interval '${index} seconds', ${values.join(', ')})`;
  });
  return server.sql(`insert into gateway.outbox (created_at, channel, kind, sender, recipient, subject, html, body, link, code) values ${rows.join(', ')} returning id`);
}

test('only the secret key opens it', async () => {
  const [{ id }] = await write({ to: 'a@x.test' });
  const { publishable, anon, secret, service_role } = server.keys;
  for (const path of ['', `/${id}`]) {
    for (const method of ['GET', 'DELETE']) {
      for (const key of [publishable, anon]) {
        const { status, body } = await outbox(path, { method, key });
        assert.deepEqual([status, body.code], [403, 'GW403']);
      }
    }
    const bare = await fetch(`${server.url}/gateway/outbox${path}`);
    assert.deepEqual([bare.status, (await bare.json()).code], [401, 'GW401']);
    for (const key of [secret, service_role]) assert.equal((await outbox(path, { key })).status, 200);
  }
});

test('no role of the API reads its table', async () => {
  for (const role of ['anon', 'authenticated', 'service_role', 'authenticator', 'supabase_storage_admin']) {
    await assert.rejects(server.sql(`begin; set local role ${role}; select * from gateway.outbox; commit`), /permission denied/, role);
    await server.sql('rollback');
  }
  await assert.rejects(server.sql('begin; set local role supabase_auth_admin; select body from gateway.outbox; commit'), /permission denied/);
  await server.sql('rollback');
});

test('messages are listed, newest first, a page at a time', async () => {
  const count = 60;
  await write(...Array.from({ length: count }, (_, index) => ({ to: `user${index}@x.test`, text: `Message ${index}`, code: String(100_000 + index) })));
  const { status, body, headers } = await outbox();
  assert.equal(status, 200);
  assert.equal(headers.get('cache-control'), 'no-store');
  assert.deepEqual([body.total, body.start, body.messages.length], [count, 0, 50]);
  assert.equal(body.messages[0].recipient, 'user59@x.test');
  const next = (await outbox('?start=50&limit=7')).body;
  assert.deepEqual([next.total, next.start, next.messages.map(({ recipient }) => recipient)], [count, 50, [9, 8, 7, 6, 5, 4, 3].map((n) => `user${n}@x.test`)]);
  assert.deepEqual((await outbox('?limit=0')).body, { total: count, start: 0, messages: [] });
  assert.equal((await outbox('?limit=many')).status, 400);
});

test('messages are searched by words', async () => {
  await write(
    { to: 'ann@x.test', subject: 'Confirm your email address', text: 'Follow', code: '123456', kind: 'confirmation' },
    { to: 'bob@x.test', subject: 'Reset your password', text: 'Follow', code: '654321', kind: 'recovery' },
    { to: '4915112345', channel: 'sms', kind: 'confirmation', text: 'Your "code" is {a\\b,%_} 777777' },
  );
  for (const [query, expected] of [
    ['', ['4915112345', 'bob@x.test', 'ann@x.test']],
    ['ANN', ['ann@x.test']],
    ['your follow', ['bob@x.test', 'ann@x.test']],
    ['your follow 123', ['ann@x.test']],
    ['recovery', ['bob@x.test']],
    ['{a\\b,%_}', ['4915112345']],
    ['"code"', ['4915112345']],
    ["' or true --", []],
  ]) {
    const { body } = await outbox(`?${new URLSearchParams({ query })}`);
    assert.deepEqual(body.messages.map(({ recipient }) => recipient), expected, query);
    assert.equal(body.total, expected.length, query);
  }
});

test('one message is shown whole, and deleted', async () => {
  const link = 'http://localhost/auth/v1/verify?token=1&type=magiclink';
  const [{ id }] = await write({ to: 'a@x.test', subject: 'Hi', html: '<p>Hi</p>', text: 'Hi', link, code: '1' });
  const { status, body } = await outbox(`/${id}`);
  assert.equal(status, 200);
  const { created_at, ...rest } = body;
  assert.ok(Math.abs(Date.parse(created_at) - Date.now()) < 60_000);
  assert.deepEqual(rest, {
    id, channel: 'email', kind: 'magic_link', sender: 'admin@email.com', recipient: 'a@x.test', subject: 'Hi', html: '<p>Hi</p>', text: 'Hi',
    link, code: '1', user_id: null, delivery: 'kept', delivered_at: null, failure: null,
  });
  assert.equal((await outbox(`/${id}`, { method: 'DELETE' })).status, 204);
  for (const method of ['GET', 'DELETE']) {
    const { status, body } = await outbox(`/${id}`, { method });
    assert.deepEqual([status, body.code], [404, 'GW404']);
  }
  assert.equal((await outbox('/nonsense')).status, 404);
  assert.equal((await outbox('', { method: 'POST' })).status, 405);
});

test('what a query finds is deleted, or all', async () => {
  await write({ to: 'ann@x.test' }, { to: 'bob@x.test' }, { to: 'cid@x.test' });
  assert.equal((await outbox('?query=bob', { method: 'DELETE' })).status, 204);
  assert.deepEqual((await outbox()).body.messages.map(({ recipient }) => recipient), ['cid@x.test', 'ann@x.test']);
  assert.equal((await outbox('', { method: 'DELETE' })).status, 204);
  assert.equal((await outbox()).body.total, 0);
});
