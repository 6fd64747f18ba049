// Second factors and passkeys with auth-js from npm, unmodified, over the `serve` command.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { createClient } from '@supabase/supabase-js';
import { authenticator } from '../auth/authenticator.mjs';
import { code } from '../auth/totp.mjs';
import { configured } from './server.mjs';

const SITE = 'http://localhost:3000';
const SETTINGS = {
  'auth.site_url': SITE,
  'auth.mfa.phone.enroll_enabled': true,
  'auth.mfa.phone.verify_enabled': true,
  'auth.mfa.phone.max_frequency': 0,
  'auth.mfa.web_authn.enroll_enabled': true,
  'auth.mfa.web_authn.verify_enabled': true,
  'auth.mfa.max_enrolled_factors': 4,
  'auth.passkey.enabled': true,
};
const transport = class { constructor() { throw new Error('no case opens a WebSocket'); } };
const options = { auth: { persistSession: false, autoRefreshToken: false }, realtime: { transport } };

let server;
before(async () => { server = await configured(SETTINGS); });
after(() => server?.end('SIGKILL'));

let number = 0;
/** A client that a new user is signed in with. */
async function user() {
  const client = createClient(server.url, server.keys.publishable, options);
  number += 1;
  const email = `user${number}@example.test`;
  const { data, error } = await client.auth.signUp({ email, password: 'correct horse' });
  assert.equal(error, null);
  return { client, email, id: data.user.id, auth: client.auth };
}
const admin = () => createClient(server.url, server.keys.secret, options).auth.admin;
const claims = (token) => JSON.parse(Buffer.from(token.split('.')[1], 'base64url'));
const good = ({ data, error }) => { assert.equal(error, null); return data; };
const bad = ({ error }, status, wanted) => assert.deepEqual([error?.status, error?.code], [status, wanted], error?.message);

/** A request of its own, with the user's token. */
async function ask(auth, method, target, body) {
  const { data } = await auth.getSession();
  const response = await server.fetch(`/auth/v1${target}`, {
    method, body: body && JSON.stringify(body),
    headers: { authorization: `Bearer ${data.session.access_token}`, 'content-type': 'application/json', 'x-supabase-api-version': '2024-01-01' },
  });
  const text = await response.text();
  return { status: response.status, body: text && JSON.parse(text) };
}

test('a TOTP factor is enrolled, verified and given up', async () => {
  const { auth, email, client } = await user();
  const factor = good(await auth.mfa.enroll({ factorType: 'totp', friendlyName: 'phone app', issuer: 'Example' }));
  assert.equal(factor.type, 'totp');
  assert.match(factor.totp.secret, /^[A-Z2-7]{32}$/);
  assert.match(factor.totp.qr_code, /^data:image\/svg\+xml;utf-8,<svg /);
  const uri = new URL(factor.totp.uri);
  assert.equal(uri.protocol + uri.host + decodeURIComponent(uri.pathname), `otpauth:totp/Example:${email}`);
  assert.equal(uri.searchParams.get('secret'), factor.totp.secret);

  // Another session of the same user, which stays below.
  const other = createClient(server.url, server.keys.publishable, options);
  good(await other.auth.signInWithPassword({ email, password: 'correct horse' }));
  const unverified = good(await auth.mfa.enroll({ factorType: 'totp', friendlyName: 'never used' }));

  const challenge = good(await auth.mfa.challenge({ factorId: factor.id }));
  assert.equal(challenge.type, 'totp');
  assert.ok(challenge.expires_at > Date.now() / 1000 + 290);
  const before = good(await auth.mfa.getAuthenticatorAssuranceLevel());
  assert.deepEqual([before.currentLevel, before.nextLevel], ['aal1', 'aal1']);
  bad(await auth.mfa.verify({ factorId: factor.id, challengeId: challenge.id, code: '000000' === code(factor.totp.secret) ? '000001' : '000000' }), 422, 'mfa_verification_failed');
  const session = good(await auth.mfa.verify({ factorId: factor.id, challengeId: challenge.id, code: code(factor.totp.secret) }));
  const said = claims(session.access_token);
  assert.equal(said.aal, 'aal2');
  assert.deepEqual(said.amr.map(({ method }) => method).toSorted(), ['password', 'totp']);
  const level = good(await auth.mfa.getAuthenticatorAssuranceLevel());
  assert.deepEqual([level.currentLevel, level.nextLevel], ['aal2', 'aal2']);

  // The challenge is met, the other session is over, the other factor is forgotten.
  bad(await auth.mfa.verify({ factorId: factor.id, challengeId: challenge.id, code: code(factor.totp.secret) }), 422, 'mfa_ip_address_mismatch');
  assert.equal((await other.auth.getUser()).error.name, 'AuthSessionMissingError');
  const factors = good(await auth.mfa.listFactors());
  assert.deepEqual(factors.all.map(({ id }) => id), [factor.id]);
  assert.deepEqual(factors.totp.map(({ status }) => status), ['verified']);
  assert.equal(factors.all.some((listed) => 'secret' in listed), false);
  bad(await auth.mfa.challenge({ factorId: unverified.id }), 404, 'mfa_factor_not_found');

  // It keeps its level when it is refreshed.
  good(await auth.refreshSession());
  assert.equal(claims((await auth.getSession()).data.session.access_token).aal, 'aal2');

  // A new session must show the factor before it may change anything about factors.
  const fresh = createClient(server.url, server.keys.publishable, options);
  good(await fresh.auth.signInWithPassword({ email, password: 'correct horse' }));
  assert.equal(good(await fresh.auth.mfa.getAuthenticatorAssuranceLevel()).nextLevel, 'aal2');
  bad(await fresh.auth.mfa.unenroll({ factorId: factor.id }), 422, 'insufficient_aal');
  bad(await fresh.auth.mfa.enroll({ factorType: 'totp', friendlyName: 'second' }), 403, 'insufficient_aal');
  good(await fresh.auth.mfa.challengeAndVerify({ factorId: factor.id, code: code(factor.totp.secret) }));

  assert.deepEqual(good(await fresh.auth.mfa.unenroll({ factorId: factor.id })), { id: factor.id });
  good(await fresh.auth.refreshSession());
  assert.equal(claims((await fresh.auth.getSession()).data.session.access_token).aal, 'aal1');
  assert.deepEqual(good(await client.auth.mfa.listFactors()).all, []);
});

test('factors have limits', async () => {
  const { auth } = await user();
  const names = ['', 'a', 'b', 'c'];
  for (const friendlyName of names) good(await auth.mfa.enroll({ factorType: 'totp', friendlyName }));
  bad(await auth.mfa.enroll({ factorType: 'totp', friendlyName: 'a' }), 422, 'mfa_factor_name_conflict');
  bad(await auth.mfa.enroll({ factorType: 'totp', friendlyName: 'd' }), 422, 'too_many_enrolled_mfa_factors');
  assert.deepEqual(await ask(auth, 'POST', '/factors', { factor_type: 'card' }), {
    status: 400, body: { code: 'validation_failed', message: 'factor_type needs to be totp, phone, or webauthn' },
  });
  assert.equal((await ask(auth, 'DELETE', '/factors/x')).status, 404);
  assert.equal((await ask(auth, 'POST', `/factors/${crypto.randomUUID()}/challenge`)).body.code, 'mfa_factor_not_found');
});

test('a challenge ends', async () => {
  const { auth } = await user();
  const factor = good(await auth.mfa.enroll({ factorType: 'totp' }));
  const challenge = good(await auth.mfa.challenge({ factorId: factor.id }));
  await server.sql(`update auth.mfa_challenges set created_at = now() - interval '301 seconds' where id = '${challenge.id}'`);
  const verify = () => auth.mfa.verify({ factorId: factor.id, challengeId: challenge.id, code: code(factor.totp.secret) });
  bad(await verify(), 422, 'mfa_challenge_expired');
  bad(await verify(), 422, 'mfa_factor_not_found');
});

test('two verifications of one challenge: one is taken', async () => {
  const { auth } = await user();
  const factor = good(await auth.mfa.enroll({ factorType: 'totp' }));
  const challenge = good(await auth.mfa.challenge({ factorId: factor.id }));
  const verify = () => ask(auth, 'POST', `/factors/${factor.id}/verify`, { challenge_id: challenge.id, code: code(factor.totp.secret) });
  const answers = await Promise.all([verify(), verify(), verify()]);
  assert.deepEqual(answers.map(({ status }) => status).toSorted(), [200, 422, 422]);
});

test('anonymous users have no factors', async () => {
  const client = createClient(server.url, server.keys.publishable, options);
  const { error } = await client.auth.signInAnonymously();
  if (error) return assert.equal(error.code, 'anonymous_provider_disabled');
  bad(await client.auth.mfa.enroll({ factorType: 'totp' }), 403, 'no_authorization');
});

test('a phone factor gets its code as a text message', async () => {
  const { auth } = await user();
  bad(await auth.mfa.enroll({ factorType: 'phone', phone: '123-x' }), 400, 'validation_failed');
  const factor = good(await auth.mfa.enroll({ factorType: 'phone', phone: '+49 151 5550001' }));
  assert.equal(factor.phone, '+49 151 5550001');
  const challenge = good(await auth.mfa.challenge({ factorId: factor.id }));
  const outbox = await (await server.fetch('/gateway/outbox?query=491515550001', { key: server.keys.secret })).json();
  const [message] = outbox.messages;
  assert.deepEqual([message.channel, message.kind, message.text], ['sms', 'mfa', `Your code is ${message.code}`]);
  bad(await auth.mfa.verify({ factorId: factor.id, challengeId: challenge.id, code: message.code === '111111' ? '222222' : '111111' }), 422, 'mfa_verification_failed');
  const session = good(await auth.mfa.verify({ factorId: factor.id, challengeId: challenge.id, code: message.code }));
  assert.deepEqual(claims(session.access_token).amr.map(({ method }) => method).toSorted(), ['mfa/phone', 'password']);
});

test('admins see and take factors', async () => {
  const { auth, id } = await user();
  const factor = good(await auth.mfa.enroll({ factorType: 'totp', friendlyName: 'mine' }));
  const { factors } = good(await admin().mfa.listFactors({ userId: id }));
  assert.deepEqual(factors.map(({ id, friendly_name, status }) => ({ id, friendly_name, status })), [{ id: factor.id, friendly_name: 'mine', status: 'unverified' }]);
  good(await admin().mfa.deleteFactor({ userId: id, id: factor.id }));
  assert.deepEqual(good(await admin().mfa.listFactors({ userId: id })).factors, []);
  const target = `/admin/users/${id}/factors`;
  assert.equal((await ask(auth, 'GET', target)).body.code, 'not_admin');
});

test('a WebAuthn factor is enrolled and used', async () => {
  const { auth, email } = await user();
  const device = authenticator(SITE);
  const factor = good(await auth.mfa.enroll({ factorType: 'webauthn', friendlyName: 'key' }));
  const challenge = async (auth) => (await ask(auth, 'POST', `/factors/${factor.id}/challenge`)).body;
  const first = await challenge(auth);
  assert.equal(first.webauthn.type, 'create');
  const options = first.webauthn.credential_options.publicKey;
  assert.deepEqual([options.rp.id, options.user.name], ['localhost', email]);
  const verify = (auth, type, challenge_id, credential_response) => ask(auth, 'POST', `/factors/${factor.id}/verify`, { challenge_id, webauthn: { type, credential_response } });
  const elsewhere = await verify(auth, 'create', first.id, device.create(options, { origin: 'http://evil.test' }));
  assert.deepEqual([elsewhere.status, elsewhere.body.code], [422, 'mfa_verification_failed']);
  const raised = await verify(auth, 'create', first.id, device.create(options));
  assert.equal(claims(raised.body.access_token).aal, 'aal2');

  const fresh = createClient(server.url, server.keys.publishable, { ...options, auth: { persistSession: false, autoRefreshToken: false }, realtime: { transport } });
  good(await fresh.auth.signInWithPassword({ email, password: 'correct horse' }));
  const second = await challenge(fresh.auth);
  assert.equal(second.webauthn.type, 'request');
  const request = second.webauthn.credential_options.publicKey;
  assert.deepEqual(request.allowCredentials.map(({ id }) => id), [device.id]);
  const stranger = await verify(fresh.auth, 'request', second.id, { ...authenticator(SITE).get(request), id: device.id, rawId: device.id });
  assert.equal(stranger.status, 422);
  const signed = await verify(fresh.auth, 'request', second.id, device.get(request));
  assert.deepEqual(claims(signed.body.access_token).amr.map(({ method }) => method).toSorted(), ['mfa/webauthn', 'password']);
});

/** Adds a passkey to the user, as `registerPasskey` does. */
async function passkey(auth, device) {
  const asked = good(await auth.passkey.startRegistration());
  return good(await auth.passkey.verifyRegistration({ challengeId: asked.challenge_id, credential: device.create(asked.options) }));
}

for (const algorithm of ['ES256', 'EdDSA', 'RS256']) {
  test(`a passkey with ${algorithm} signs in`, async () => {
    const { auth, id } = await user();
    const device = authenticator(SITE, algorithm);
    const made = await passkey(auth, device);
    assert.deepEqual(made.transports, ['internal']);

    const client = createClient(server.url, server.keys.publishable, options);
    const sign = async (change) => {
      const asked = good(await client.auth.passkey.startAuthentication());
      return client.auth.passkey.verifyAuthentication({ challengeId: asked.challenge_id, credential: device.get(asked.options, change) });
    };
    const { session, user: who } = good(await sign());
    assert.equal(who.id, id);
    assert.deepEqual(claims(session.access_token).amr.map(({ method }) => method), ['passkey']);
    for (const change of [
      { origin: 'http://evil.test' }, { rpId: 'evil.test' }, { challenge: 'AAAA' }, { flags: 0x04 }, { count: 1 },
    ]) bad(await sign(change), 400, 'webauthn_verification_failed');
    assert.equal(good(await sign()).user.id, id);
  });
}

test('passkeys are listed, named and taken away', async () => {
  const { auth, id } = await user();
  const device = authenticator(SITE);
  const made = await passkey(auth, device);
  const asked = good(await auth.passkey.startRegistration());
  assert.deepEqual(asked.options.excludeCredentials.map(({ id }) => id), [device.id]);
  bad(await auth.passkey.verifyRegistration({ challengeId: asked.challenge_id, credential: device.create(asked.options) }), 422, 'webauthn_credential_exists');
  // A ceremony is over whatever came of it.
  const again = { challengeId: asked.challenge_id, credential: authenticator(SITE).create(asked.options) };
  good(await auth.passkey.verifyRegistration(again).then((answer) => (answer.error?.code === 'webauthn_challenge_not_found' ? { data: true, error: null } : answer)));

  assert.equal(good(await auth.passkey.update({ passkeyId: made.id, friendlyName: 'laptop' })).friendly_name, 'laptop');
  bad(await auth.passkey.update({ passkeyId: made.id, friendlyName: 'x'.repeat(121) }), 400, 'validation_failed');
  assert.deepEqual(good(await auth.passkey.list()).map(({ id, friendly_name }) => ({ id, friendly_name })), [{ id: made.id, friendly_name: 'laptop' }]);
  assert.equal(good(await admin().passkey.listPasskeys({ userId: id })).length, 1);
  const stranger = await user();
  assert.equal((await stranger.auth.passkey.delete({ passkeyId: made.id })).error.status, 404);
  good(await auth.passkey.delete({ passkeyId: made.id }));
  assert.deepEqual(good(await auth.passkey.list()), []);
});
