// Users as somebody sees them who holds the secret key.
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { address, atEnd, password, refusal, serve } from './harness.mjs';

let server;
const end = atEnd();
before(async () => { server = await serve(end); });

const admin = (method, target, body, key = server.keys.secret) => server.raw(`/admin${target}`, { method, body, key });

test('only the secret key opens it', async () => {
  const { access_token } = await server.user();
  for (const target of ['/users', '/audit']) {
    assert.equal(refusal(await admin('GET', target, undefined, server.keys.publishable)), '403 not_admin');
    assert.equal(refusal(await server.raw(`/admin${target}`, { method: 'GET', token: access_token })), '403 not_admin');
    assert.equal((await fetch(`${server.base}/admin${target}`)).status, 401);
    assert.equal((await admin('GET', target)).status, 200);
  }
});

test('users are made, read, changed and deleted', async () => {
  const email = address();
  const id = crypto.randomUUID();
  const made = await server.admin.createUser({
    id, email, password, email_confirm: true, user_metadata: { name: 'Dora' }, app_metadata: { plan: 'pro' },
  });
  assert.equal(made.error, null);
  assert.equal(made.data.user.id, id);
  assert.deepEqual(made.data.user.app_metadata, { plan: 'pro', provider: 'email', providers: ['email'] });
  assert.equal(made.data.user.user_metadata.name, 'Dora');
  assert.ok(made.data.user.email_confirmed_at);
  assert.equal((await server.signIn(email)).status, 200);
  assert.equal((await server.admin.createUser({ email, password })).error.code, 'email_exists');
  assert.equal((await server.admin.getUserById(id)).data.user.email, email);
  const renamed = address();
  const changed = await server.admin.updateUserById(id, { email: renamed, phone: '+15550003333', role: 'service', app_metadata: { plan: null }, password: 'changed 4444' });
  assert.equal(changed.error, null);
  const { user } = changed.data;
  assert.deepEqual([user.email, user.phone, user.role, user.app_metadata], [renamed, '15550003333', 'service', { provider: 'email', providers: ['email', 'phone'] }]);
  assert.equal(user.identities.find(({ provider }) => provider === 'email').identity_data.email, renamed);
  assert.equal((await server.signIn(renamed, 'changed 4444')).status, 200);
  assert.equal((await server.admin.deleteUser(id)).error, null);
  const gone = await server.admin.getUserById(id);
  assert.deepEqual([gone.error.status, gone.error.code], [404, 'user_not_found']);
});

test('what cannot be made is said', async () => {
  for (const [body, expected] of [
    [{}, '400 validation_failed'],
    [{ email: 'x' }, '400 validation_failed'],
    [{ email: address(), id: 'x' }, '400 validation_failed'],
    [{ email: address(), id: '00000000-0000-0000-0000-000000000000' }, '400 validation_failed'],
    [{ email: address(), password_hash: 'plain' }, '400 validation_failed'],
    [{ email: address(), password, password_hash: '$2a$10$x' }, '400 validation_failed'],
    [{ email: address(), ban_duration: '1d' }, '400 validation_failed'],
  ]) assert.equal(refusal(await admin('POST', '/users', body)), expected, JSON.stringify(body));
  assert.equal(refusal(await admin('GET', '/users/me')), '404 validation_failed');
  assert.equal(refusal(await admin('PUT', `/users/${crypto.randomUUID()}`, {})), '404 user_not_found');
});

test('a hash that is brought along lets in', async () => {
  const [{ hash }] = await server.sql("select extensions.crypt('brought along', extensions.gen_salt('bf', 6)) as hash");
  const email = address();
  const { error } = await server.admin.createUser({ email, email_confirm: true, password_hash: hash });
  assert.equal(error, null);
  assert.equal((await server.signIn(email, 'brought along')).status, 200);
});

test('an unconfirmed user does not get in', async () => {
  const email = address();
  const { data } = await server.admin.createUser({ email, password });
  assert.equal(data.user.email_confirmed_at, undefined);
  assert.equal(refusal(await server.signIn(email)), '400 email_not_confirmed');
  await server.admin.updateUserById(data.user.id, { email_confirm: true });
  assert.equal((await server.signIn(email)).status, 200);
});

test('a banned user stays outside until the ban is lifted', async () => {
  const email = address();
  const session = await server.user(email);
  const { data } = await server.admin.updateUserById(session.user.id, { ban_duration: '1h30m' });
  assert.ok(Math.abs(new Date(data.user.banned_until) - Date.now() - 5_400_000) < 60_000);
  assert.equal(refusal(await server.signIn(email)), '400 user_banned');
  assert.equal(refusal(await server.signIn(email, 'wrong')), '400 invalid_credentials');
  assert.equal(refusal(await server.refresh(session.refresh_token)), '400 user_banned');
  await server.admin.updateUserById(session.user.id, { ban_duration: 'none' });
  assert.equal((await server.signIn(email)).status, 200);
});

test('a soft deletion keeps the row and nothing personal', async () => {
  const email = address();
  const { user, access_token } = await server.user(email, { data: { name: 'Eve' } });
  assert.equal((await server.admin.deleteUser(user.id, true)).error, null);
  const [row] = await server.sql(`select u.email, u.encrypted_password, u.raw_user_meta_data, u.deleted_at is not null as deleted, i.identity_data, i.provider_id
    from auth.users u join auth.identities i on i.user_id = u.id where u.id = '${user.id}'`);
  assert.equal(row.deleted, true);
  assert.doesNotMatch(JSON.stringify(row), /Eve|@|\$2a/);
  assert.notEqual(row.provider_id, user.id);
  assert.equal(refusal(await server.raw('/user', { method: 'GET', token: access_token })), '403 session_not_found');
  assert.equal((await server.raw('/signup', { body: { email, password } })).status, 200);
});

test('users are listed a page at a time', async () => {
  await server.sql(`insert into auth.users (id, instance_id, aud, role, email, created_at)
    select gen_random_uuid(), '00000000-0000-0000-0000-000000000000', 'authenticated', 'authenticated', 'page-' || n || '@list.test', now() + n * interval '1 second'
    from generate_series(1, 120) as n`);
  const [{ total }] = await server.sql('select count(*)::int as total from auth.users');
  const first = await server.admin.listUsers();
  assert.equal(first.data.users.length, 50);
  assert.equal(first.data.users[0].email, 'page-120@list.test');
  assert.deepEqual([first.data.total, first.data.nextPage, first.data.lastPage], [total, 2, Math.ceil(total / 50)]);
  assert.equal(first.data.aud, 'authenticated');
  const second = await server.admin.listUsers({ page: 2, perPage: 7 });
  assert.equal(second.data.users[0].email, 'page-113@list.test');
  assert.equal(second.data.nextPage, 3);
  // auth-js reads one digit of the last page.
  assert.match((await admin('GET', '/users?page=2&per_page=7')).headers.get('link'), new RegExp(`page=3&per_page=7>; rel="next", <[^>]*page=${Math.ceil(total / 7)}&per_page=7>; rel="last"`));
  assert.match((await admin('GET', '/users')).headers.get('access-control-expose-headers'), /X-Total-Count, Link/);
  const behind = await admin('GET', '/users?page=1000');
  assert.deepEqual([behind.json.users, behind.headers.get('x-total-count')], [[], String(total)]);
  const filtered = await admin('GET', '/users?filter=PAGE-11&sort=created_at%20asc');
  assert.deepEqual(filtered.json.users.map(({ email }) => email.split('@')[0]), ['page-11', 'page-110', 'page-111', 'page-112', 'page-113', 'page-114', 'page-115', 'page-116', 'page-117', 'page-118', 'page-119']);
  assert.equal(refusal(await admin('GET', '/users?page=x')), '400 validation_failed');
});

test('the audit log can be searched', async () => {
  const email = address('audited');
  await server.user(email);
  const { json, headers } = await admin('GET', `/audit?query=author:${email}&per_page=1`);
  assert.equal(json.length, 1);
  assert.equal(json[0].payload.actor_username, email);
  assert.equal(headers.get('x-total-count'), '2');
  assert.equal(refusal(await admin('GET', '/audit?query=nothing')), '400 validation_failed');
});
