// Keys that anybody may verify with, their rotation, settings that forbid, and what outlives a restart.
import assert from 'node:assert/strict';
import { createPublicKey, generateKeyPairSync, verify } from 'node:crypto';
import { test } from 'node:test';
import { folder } from '../node/server.mjs';
import { address, claims, header, password, refusal, serve } from './harness.mjs';

const pair = (kid, alg) => {
  const { privateKey } = alg === 'ES256' ? generateKeyPairSync('ec', { namedCurve: 'P-256' }) : generateKeyPairSync('rsa', { modulusLength: 2048 });
  return { ...privateKey.export({ format: 'jwk' }), kid, alg, use: 'sig', key_ops: ['sign', 'verify'] };
};
const rest = (server, token) => fetch(`${server.url}/rest/v1/`, { headers: { apikey: server.keys.publishable, authorization: `Bearer ${token}` } });

test('a public key verifies what the private one signed, after rotation as well', async (t) => {
  const [ec, rsa] = [pair('one', 'ES256'), pair('two', 'RS256')];
  const data = folder(t);
  const first = await serve((end) => t.after(end), { 'auth.signing_keys': JSON.stringify([ec]) }, ['--data', data]);
  const session = await first.user();
  assert.deepEqual(header(session.access_token), { alg: 'ES256', typ: 'JWT', kid: 'one' });
  const published = await first.raw('/.well-known/jwks.json', { method: 'GET' });
  assert.equal(published.headers.get('cache-control'), 'public, max-age=600');
  assert.deepEqual(published.json.keys.map(({ kid, d }) => [kid, d]), [['one', undefined]]);
  const [signed, signature] = [session.access_token.slice(0, session.access_token.lastIndexOf('.')), session.access_token.split('.')[2]];
  const key = { key: createPublicKey({ key: published.json.keys[0], format: 'jwk' }), dsaEncoding: 'ieee-p1363' };
  assert.ok(verify('sha256', signed, key, Buffer.from(signature, 'base64url')));
  assert.equal((await rest(first, session.access_token)).status, 200);
  const client = first.client();
  await client.setSession(session);
  const said = await client.getClaims();
  assert.equal(said.error, null);
  assert.equal(said.data.header.kid, 'one');
  assert.equal((await first.raw('/admin/users', { method: 'GET', key: first.keys.secret })).status, 200);
  await first.end();

  const second = await serve((end) => t.after(end), { 'auth.signing_keys': JSON.stringify([rsa, ec]) }, ['--data', data]);
  assert.equal((await second.raw('/user', { method: 'GET', token: session.access_token })).json.id, session.user.id, 'the session outlives the restart');
  const refreshed = await second.refresh(session.refresh_token);
  assert.deepEqual(header(refreshed.json.access_token), { alg: 'RS256', typ: 'JWT', kid: 'two' });
  assert.equal((await rest(second, refreshed.json.access_token)).status, 200);
  assert.equal((await rest(second, session.access_token)).status, 200);
  assert.deepEqual((await second.raw('/.well-known/jwks.json', { method: 'GET' })).json.keys.map(({ kid }) => kid), ['two', 'one']);
  await second.end();
});

test('without keys of its own a project signs with its secret and publishes none', async (t) => {
  const server = await serve((end) => t.after(end), { 'auth.enable_signup': false, 'auth.jwt_expiry': 120 });
  assert.deepEqual((await server.raw('/.well-known/jwks.json', { method: 'GET' })).json, { keys: [] });
  const discovered = (await server.raw('/.well-known/openid-configuration', { method: 'GET' })).json;
  assert.equal(discovered.issuer, server.base);
  assert.equal(discovered.jwks_uri, `${server.base}/.well-known/jwks.json`);
  assert.equal((await server.raw('/health', { method: 'GET' })).json.name, 'GoTrue');
  const { json: settings } = await server.raw('/settings', { method: 'GET' });
  assert.deepEqual([settings.disable_signup, settings.mailer_autoconfirm, settings.external.email, settings.external.github], [true, true, true, false]);
  assert.equal(refusal(await server.raw('/signup', { body: { email: address(), password } })), '422 signup_disabled');
  const email = address();
  await server.admin.createUser({ email, password, email_confirm: true });
  const session = (await server.signIn(email)).json;
  assert.equal(session.expires_in, 120);
  const { exp, iat } = claims(session.access_token);
  assert.equal(exp - iat, 120);
  for (const target of ['/nothing', '/token/x', '']) assert.equal((await server.raw(target, { method: 'GET' })).status, 404, target);
});

test('a setting in the database counts, and says no when it is wrong', async (t) => {
  const server = await serve((end) => t.after(end));
  const set = (name, value) => server.sql(`insert into gateway.settings values ('${name}', '${value}') on conflict (name) do update set value = excluded.value; notify pgrst, 'reload config'`);
  assert.equal(refusal(await server.raw('/signup', { body: {} })), '422 anonymous_provider_disabled');
  await set('auth.enable_anonymous_sign_ins', 'true');
  assert.equal((await server.raw('/signup', { body: {} })).status, 200);
  await set('auth.minimum_password_length', '12');
  assert.equal(refusal(await server.raw('/signup', { body: { email: address(), password: 'only11chars' } })), '422 weak_password');
  await set('auth.password_requirements', 'letters_digits');
  const weak = await server.raw('/signup', { body: { email: address(), password: 'onlylettershere' } });
  assert.deepEqual(weak.json.weak_password.reasons, ['characters']);
});

test('GoTrue\'s own names are read from the environment, and win', async (t) => {
  const server = await serve((end) => t.after(end), { 'auth.jwt_expiry': 120 }, [], {
    GOTRUE_JWT_EXP: '60', GOTRUE_EXTERNAL_ANONYMOUS_USERS_ENABLED: 'true', GOTRUE_DB_DRIVER: 'postgres', API_EXTERNAL_URL: 'https://auth.example.com',
  });
  const { json } = await server.raw('/signup', { body: {} });
  assert.equal(json.expires_in, 60);
  assert.equal(claims(json.access_token).iss, 'https://auth.example.com');
});

test('whoever a proxy names is limited; nobody else is', async (t) => {
  const server = await serve((end) => t.after(end), { 'auth.rate_limit.header': 'x-forwarded-for', 'auth.rate_limit.token_refresh': 1 });
  const ask = (from) => server.raw('/token?grant_type=refresh_token', { body: { refresh_token: 'none' }, headers: from ? { 'x-forwarded-for': `${from}, 10.0.0.1` } : {} });
  for (let count = 0; count < 30; count += 1) assert.equal((await ask('203.0.113.1')).status, 400);
  const over = await ask('203.0.113.1');
  assert.equal(refusal(over), '429 over_request_rate_limit');
  assert.equal(over.json.message, 'Request rate limit reached');
  assert.equal((await ask('203.0.113.2')).status, 400);
  for (let count = 0; count < 35; count += 1) assert.equal((await ask()).status, 400);
});

test('a session has its times: timebox, inactivity, one for each user', async (t) => {
  const server = await serve((end) => t.after(end), {
    'auth.sessions.timebox': '1h', 'auth.sessions.inactivity_timeout': '10m', 'auth.sessions.single_per_user': true,
  });
  const age = (session, column, by) => server.sql(`update auth.sessions set ${column} = coalesce(${column}, now()) - interval '${by}' where id = '${claims(session.access_token).session_id}'`);
  const message = async (session) => (await server.refresh(session.refresh_token)).json.message;
  const boxed = await server.user();
  await age(boxed, 'created_at', '61 minutes');
  assert.equal(await message(boxed), 'Invalid Refresh Token: Session Expired');
  const idle = await server.user();
  const next = (await server.refresh(idle.refresh_token)).json;
  await age(next, 'refreshed_at', '11 minutes');
  assert.equal(await message(next), 'Invalid Refresh Token: Session Expired (Inactivity)');
  const email = address();
  const old = await server.user(email);
  await age(old, 'created_at', '1 minute');
  await server.sql(`update auth.refresh_tokens set updated_at = updated_at - interval '1 minute' where token = '${old.refresh_token}'`);
  const current = (await server.signIn(email)).json;
  assert.equal(await message(old), 'Invalid Refresh Token: Session Expired (Revoked by Newer Login)');
  assert.equal((await server.refresh(current.refresh_token)).status, 200);
});
