// Who may see what: row-level security holds, and no bad token gets past the door.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { launch, openGateway } from './harness.mjs';
import { forged, sign, userToken } from './jwt.mjs';

let browser, gateway, secret;
const [alice, bob] = [randomUUID(), randomUUID()];
before(async () => {
  browser = await launch();
  gateway = await openGateway(browser);
  secret = gateway.keys.jwt_secret;
  await gateway.sql(readFileSync(path.join(import.meta.dirname, '../supabase-js/schema.sql'), 'utf8'));
});
after(async () => { await gateway?.close(); await browser?.close(); });

/** A fetch in the page: status, headers, and the body as text. */
const call = (path, init = {}) => gateway.page.evaluate(async ([path, init]) => {
  const response = await fetch(path, init);
  return { status: response.status, headers: Object.fromEntries(response.headers), body: await response.text() };
}, [path, init]);
const bearer = (token) => ({ apikey: gateway.keys.publishable, authorization: `Bearer ${token}` });

test('two users are kept apart, and anon sees nothing', async () => {
  for (const [user, text] of [[alice, 'of alice'], [bob, 'of bob']]) {
    const answer = await call('/rest/v1/notes', { method: 'POST', headers: { ...bearer(userToken(secret, user)), 'content-type': 'application/json' }, body: JSON.stringify({ text }) });
    assert.equal(answer.status, 201, answer.body);
  }
  assert.equal((await call('/rest/v1/notes?select=text', { headers: bearer(userToken(secret, alice)) })).body, '[{"text":"of alice"}]');
  assert.equal((await call('/rest/v1/notes?select=text', { headers: bearer(userToken(secret, bob)) })).body, '[{"text":"of bob"}]');
  assert.equal((await call('/rest/v1/notes?select=text', { headers: { apikey: gateway.keys.publishable } })).body, '[]');
  assert.equal((await call('/rest/v1/notes?select=text')).body, '[]', 'without any key the request is anon');
  const theft = await call('/rest/v1/notes', { method: 'POST', headers: { ...bearer(userToken(secret, alice)), 'content-type': 'application/json' }, body: JSON.stringify({ text: 'x', owner: bob }) });
  assert.equal(theft.status, 403);
  assert.equal(JSON.parse(theft.body).code, '42501');
});

test('200 concurrent requests of mixed users: none crossed', async () => {
  const users = Array.from({ length: 20 }, () => randomUUID());
  await gateway.sql(users.map((user) => `insert into notes (owner, text) values ('${user}', 'secret of ${user}');`).join('\n'));
  const plan = Array.from({ length: 200 }, (_, i) => {
    if (i % 10 === 9) return { who: 'anon', headers: { apikey: gateway.keys.publishable }, expected: '[]' };
    const user = users[(i * 7) % users.length];
    return { who: user, headers: bearer(userToken(secret, user)), expected: `[{"text":"secret of ${user}","owner":"${user}"}]` };
  });
  const bodies = await gateway.page.evaluate((plan) => Promise.all(plan.map(async ({ headers }) => (await fetch('/rest/v1/notes?select=text,owner', { headers })).text())), plan);
  plan.forEach(({ who, expected }, i) => assert.equal(bodies[i], expected, who));
});

test('a refused token is refused by every route that reads one', async () => {
  for (const [what, token] of Object.entries(forged(secret, alice))) {
    const answer = await call('/rest/v1/notes', { headers: bearer(token) });
    assert.equal(answer.status, 401, `${what}: ${answer.status} ${answer.body}`);
    const error = JSON.parse(answer.body);
    assert.match(error.code, /^PGRST30[123]$/, what);
    assert.deepEqual(Object.keys(error).toSorted(), ['code', 'details', 'hint', 'message'], what);
    assert.match(answer.headers['www-authenticate'], /^Bearer/, what);
    const console = await call('/pg/query', { method: 'POST', headers: { ...bearer(token), 'content-type': 'application/json' }, body: '{"query":"select 1"}' });
    assert.ok([401, 403].includes(console.status), `${what} at /pg/query: ${console.status}`);
  }
});

test('a wrong apikey is a bad token, not anon', async () => {
  assert.equal((await call('/rest/v1/notes', { headers: { apikey: 'nonsense' } })).status, 401);
  assert.equal((await call('/rest/v1/notes', { headers: { apikey: 'sb_publishable_nonsense' } })).status, 401);
});

test('keys: secret is service_role, publishable is anon, a user token beats both', async () => {
  const role = async (headers) => JSON.parse((await call('/rest/v1/rpc/whoami', { headers })).body);
  assert.equal((await role({ apikey: gateway.keys.secret })).user, 'service_role');
  assert.equal((await role({ apikey: gateway.keys.publishable })).user, 'anon');
  assert.equal((await role({ apikey: gateway.keys.publishable, authorization: `Bearer ${gateway.keys.publishable}` })).user, 'anon');
  assert.equal((await role({ apikey: gateway.keys.secret, authorization: `Bearer ${gateway.keys.secret}` })).user, 'service_role');
  assert.equal((await role({ apikey: gateway.keys.anon })).user, 'anon');
  assert.equal((await role({ apikey: gateway.keys.service_role })).user, 'service_role');
  assert.deepEqual(await role({ apikey: gateway.keys.secret, authorization: `Bearer ${userToken(secret, alice)}` }), { role: 'authenticated', uid: alice, user: 'authenticated' });
});

test('a role that the authenticator may not take is refused, whatever signed it', async () => {
  for (const role of ['postgres', 'supabase_admin', 'no_such_role', 'anon"; drop table films; --']) {
    const answer = await call('/rest/v1/films', { headers: bearer(sign(secret, { role, exp: Math.floor(Date.now() / 1000) + 60 })) });
    assert.ok([401, 403].includes(answer.status), `${role}: ${answer.status} ${answer.body}`);
  }
  assert.equal((await call('/rest/v1/films?select=id', { headers: { apikey: gateway.keys.publishable } })).status, 200);
});

test('only the secret key runs SQL', async () => {
  const query = (headers) => call('/pg/query', { method: 'POST', headers: { ...headers, 'content-type': 'application/json' }, body: '{"query":"select current_user"}' });
  assert.equal((await query({ apikey: gateway.keys.secret })).status, 200);
  assert.ok([401, 403].includes((await query({ apikey: gateway.keys.publishable })).status));
  assert.ok([401, 403].includes((await query(bearer(userToken(secret, alice)))).status));
  assert.ok([401, 403].includes((await query({})).status));
});
