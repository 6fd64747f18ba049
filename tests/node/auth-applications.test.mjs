// Applications that sign their users in with the project, and wallets that sign in to it: with auth-js from npm, unmodified.
import assert from 'node:assert/strict';
import { createHash, generateKeyPairSync, randomBytes, sign, verify } from 'node:crypto';
import { after, before, test } from 'node:test';
import { createClient } from '@supabase/supabase-js';
import { configured } from './server.mjs';

const SITE = 'http://localhost:3000';
const SETTINGS = {
  'auth.site_url': SITE,
  'auth.oauth_server.enabled': true,
  'auth.web3.solana.enabled': true,
};
const transport = class { constructor() { throw new Error('no case opens a WebSocket'); } };
const options = { auth: { persistSession: false, autoRefreshToken: false }, realtime: { transport } };

let server;
before(async () => { server = await configured(SETTINGS); });
after(() => server?.end('SIGKILL'));

const admin = () => createClient(server.url, server.keys.secret, options).auth.admin.oauth;
const good = ({ data, error }) => { assert.equal(error, null); return data; };
const bad = ({ error }, status, code) => assert.deepEqual([error?.status, error?.code], [status, code], error?.message);
const claims = (token) => JSON.parse(Buffer.from(token.split('.')[1], 'base64url'));

test('applications are registered, changed and taken away', async () => {
  const made = good(await admin().createClient({ client_name: 'App', redirect_uris: ['https://app.test/callback', 'com.app://login'] }));
  assert.match(made.client_secret, /^[\w-]{43}$/);
  assert.deepEqual(
    [made.client_type, made.registration_type, made.token_endpoint_auth_method, made.grant_types, made.response_types],
    ['confidential', 'manual', 'client_secret_basic', ['authorization_code', 'refresh_token'], ['code']],
  );
  const known = good(await admin().getClient(made.client_id));
  assert.deepEqual([known.client_name, known.redirect_uris, 'client_secret' in known], ['App', ['https://app.test/callback', 'com.app://login'], false]);
  assert.deepEqual(good(await admin().listClients()).clients.map(({ client_id }) => client_id), [made.client_id]);
  const changed = good(await admin().updateClient(made.client_id, { client_name: 'Renamed' }));
  assert.deepEqual([changed.client_name, changed.redirect_uris.length], ['Renamed', 2]);
  const fresh = good(await admin().regenerateClientSecret(made.client_id));
  assert.notEqual(fresh.client_secret, made.client_secret);
  const [{ client_secret_hash }] = await server.sql('select client_secret_hash from auth.oauth_clients');
  assert.equal(client_secret_hash.includes(fresh.client_secret), false);
  good(await admin().deleteClient(made.client_id));
  bad(await admin().getClient(made.client_id), 404, 'oauth_client_not_found');
});

test('what no application may say is refused', async () => {
  for (const redirect_uris of [[], ['javascript://x'], ['http://app.test/'], ['https://app.test/#x'], ['/x'], ['https://a.test,https://b.test']]) {
    bad(await admin().createClient({ client_name: 'App', redirect_uris }), 400, 'validation_failed');
  }
  const stranger = createClient(server.url, server.keys.publishable, options);
  bad(await stranger.auth.admin.oauth.listClients(), 403, 'not_admin');
  const response = await server.fetch('/auth/v1/oauth/clients/register', { method: 'POST', body: '{}' });
  assert.deepEqual([response.status, (await response.json()).error_code], [403, 'oauth_dynamic_client_registration_disabled']);
});

/** A user's token, and what the user is asked by an application. */
async function asked(server, client, more = {}) {
  const { auth } = createClient(server.url, server.keys.publishable, options);
  const email = `user${Math.random()}@example.test`;
  const { session, user } = good(await auth.signUp({ email, password: 'correct horse', options: { data: { name: 'Ann', username: 'ann' } } }));
  const verifier = randomBytes(32).toString('base64url');
  const query = new URLSearchParams({
    client_id: client.client_id, redirect_uri: REDIRECT, state: 's&=', scope: 'email', code_challenge_method: 'S256',
    code_challenge: createHash('sha256').update(verifier).digest('base64url'), ...more,
  });
  const answer = await server.fetch(`/auth/v1/oauth/authorize?${query}`, { redirect: 'manual' });
  const location = answer.headers.get('location');
  return { auth, session, user, verifier, answer, location, id: location && new URL(location).searchParams.get('authorization_id') };
}
const REDIRECT = 'https://app.test/callback';
const basic = ({ client_id, client_secret }) => ({ authorization: `Basic ${btoa(`${client_id}:${client_secret}`)}` });
async function token(server, parameters, headers) {
  const answer = await fetch(`${server.url}/auth/v1/oauth/token`, { method: 'POST', headers, body: new URLSearchParams(parameters) });
  return { status: answer.status, cache: answer.headers.get('cache-control'), ...await answer.json() };
}
/** The user says yes; the code that the application gets. */
async function approve({ auth, id }) {
  good(await auth.oauth.getAuthorizationDetails(id));
  const { redirect_url } = good(await auth.oauth.approveAuthorization(id, { skipBrowserRedirect: true }));
  return new URL(redirect_url).searchParams.get('code');
}

test('what an application asks wrongly it is told, where it is known to be the application', async () => {
  const client = good(await admin().createClient({ client_name: 'App', redirect_uris: [REDIRECT] }));
  for (const [more, status, message] of [
    [{ client_id: '' }, 400, 'client_id is required'], [{ redirect_uri: '' }, 400, 'redirect_uri is required'],
    [{ client_id: 'x' }, 400, 'invalid client_id format'], [{ client_id: crypto.randomUUID() }, 400, 'invalid client_id'],
    [{ redirect_uri: `${REDIRECT}/` }, 400, 'invalid redirect_uri'], [{ redirect_uri: 'https://evil.test/' }, 400, 'invalid redirect_uri'],
  ]) {
    const { answer, location } = await asked(server, client, more);
    assert.deepEqual([answer.status, (await answer.json()).msg, location], [status, message, null]);
  }
  for (const [more, description] of [
    [{ response_type: 'token' }, 'only response_type=code is supported'], [{ scope: 'email admin' }, 'unsupported scope: admin'],
    [{ code_challenge: '' }, 'PKCE flow requires both code_challenge and code_challenge_method'], [{ code_challenge: 'short' }, 'code_challenge must be between 43 and 128 characters'],
    [{ code_challenge_method: 'S512' }, "code_challenge_method must be 'S256' or 'plain'"], [{ resource: '/x' }, 'resource must be an absolute URI'],
  ]) {
    const { answer, location } = await asked(server, client, more);
    const target = new URL(location);
    assert.deepEqual([answer.status, target.origin + target.pathname, target.searchParams.get('error'), target.searchParams.get('error_description'), target.searchParams.get('state')], [302, REDIRECT, 'invalid_request', description, 's&=']);
  }
  const { location } = await asked(server, client);
  assert.match(location, /^http:\/\/localhost:3000\/oauth\/consent\?authorization_id=[a-z2-7]{32}$/);
});

test('a request is for its user, for a while, and for the project\'s own pages', async () => {
  const client = good(await admin().createClient({ client_name: 'App', redirect_uris: [REDIRECT] }));
  const first = await asked(server, client);
  const consent = (of, action, headers = {}) => server.fetch(`/auth/v1/oauth/authorizations/${of.id}/consent`, {
    method: 'POST', body: JSON.stringify({ action }), headers: { authorization: `Bearer ${of.session.access_token}`, 'x-supabase-api-version': '2024-01-01', ...headers },
  });
  // Nobody was asked yet.
  assert.equal((await consent(first, 'approve')).status, 404);
  good(await first.auth.oauth.getAuthorizationDetails(first.id));
  assert.equal((await consent(first, 'perhaps')).status, 400);
  const elsewhere = await consent(first, 'approve', { origin: 'https://evil.test' });
  assert.deepEqual([elsewhere.status, (await elsewhere.json()).message], [400, 'unauthorized request origin']);
  assert.equal((await consent(first, 'approve', { origin: SITE })).status, 200);
  const late = await asked(server, client);
  good(await late.auth.oauth.getAuthorizationDetails(late.id));
  await server.sql(`update auth.oauth_authorizations set created_at = now() - interval '11 minutes', expires_at = now() - interval '1 minute' where authorization_id = '${late.id}'`);
  bad(await late.auth.oauth.approveAuthorization(late.id, { skipBrowserRedirect: true }), 404, 'oauth_authorization_not_found');
  assert.deepEqual(await server.sql(`select status from auth.oauth_authorizations where authorization_id = '${late.id}'`), [{ status: 'expired' }]);
});

test('a code is for its application, its verifier and once', async () => {
  const [client, other] = await Promise.all([1, 2].map(async () => good(await admin().createClient({ client_name: 'App', redirect_uris: [REDIRECT] }))));
  const request = await asked(server, client);
  const code = await approve(request);
  const right = { grant_type: 'authorization_code', code, code_verifier: request.verifier, redirect_uri: REDIRECT };
  for (const [parameters, headers, error, description] of [
    [right, {}, 'invalid_client', 'Client authentication required'],
    [{ ...right, client_id: client.client_id }, {}, 'invalid_client', 'confidential clients must provide client_secret'],
    [right, basic({ ...client, client_secret: 'guess' }), 'invalid_client', 'Invalid client credentials'],
    [right, basic({ ...client, client_id: crypto.randomUUID() }), 'invalid_client', 'Invalid client credentials'],
    [right, { authorization: 'Basic !' }, 'invalid_client', 'invalid basic auth encoding'],
    [right, basic(other), 'invalid_grant', 'Authorization code was not issued for this client'],
    [{ ...right, code_verifier: '' }, basic(client), 'invalid_grant', 'PKCE verification failed: code_verifier is required when PKCE challenge is present'],
    [{ ...right, code_verifier: 'x'.repeat(43) }, basic(client), 'invalid_grant', 'PKCE verification failed: code challenge does not match previously saved code verifier'],
    [{ ...right, redirect_uri: 'https://evil.test' }, basic(client), 'invalid_grant', 'Invalid redirect_uri'],
    [{ ...right, resource: 'https://api.test' }, basic(client), 'invalid_grant', 'Authorization code resource does not match the resource parameter'],
    [{ ...right, code: 'guess' }, basic(client), 'invalid_grant', 'Invalid authorization code'],
    [{ ...right, code: '' }, basic(client), 'invalid_request', 'code is required for authorization_code grant'],
    [{ ...right, grant_type: '' }, basic(client), 'invalid_request', 'grant_type is required'],
    [{ ...right, grant_type: 'password' }, basic(client), 'unsupported_grant_type', 'Client is not allowed to use grant type: password'],
  ]) assert.deepEqual(await token(server, parameters, headers), { status: 400, cache: null, error, error_description: description });
  const answers = await Promise.all(Array.from({ length: 5 }, () => token(server, { ...right, client_id: client.client_id, client_secret: client.client_secret })));
  assert.deepEqual(answers.map(({ status }) => status).toSorted(), [200, 400, 400, 400, 400]);
  const { access_token, refresh_token, cache } = answers.find(({ status }) => status === 200);
  assert.equal(cache, 'no-store');
  assert.equal(claims(access_token).client_id, client.client_id);

  // Its refresh token is the application's, and a user's own is none.
  const refresh = (of, parameters) => token(server, { grant_type: 'refresh_token', ...parameters }, basic(of));
  assert.equal((await refresh(other, { refresh_token })).error_description, "Client does not match the session's OAuth client");
  assert.equal((await refresh(client, { refresh_token: request.session.refresh_token })).error_description, 'Client authentication not allowed for non-OAuth session');
  assert.deepEqual((await refresh(client, { refresh_token: 'guess' })).error, 'invalid_grant');
  assert.equal((await refresh(client, { refresh_token })).status, 200);
});

test('an application learns what the user consented to', async () => {
  const client = good(await admin().createClient({ client_name: 'App', redirect_uris: [REDIRECT] }));
  const info = async (access_token) => (await server.fetch('/auth/v1/oauth/userinfo', { headers: { authorization: `Bearer ${access_token}` } })).json();
  for (const [scope, known] of [
    ['email', ['email', 'email_verified', 'sub']], ['phone', ['sub']],
    ['email profile', ['email', 'email_verified', 'name', 'preferred_username', 'sub', 'updated_at', 'user_metadata']],
  ]) {
    const request = await asked(server, client, { scope });
    const { access_token } = await token(server, { grant_type: 'authorization_code', code: await approve(request), code_verifier: request.verifier }, basic(client));
    const said = await info(access_token);
    assert.deepEqual([Object.keys(said).toSorted(), said.sub], [known, request.user.id], scope);
    assert.deepEqual(Object.keys(await info(request.session.access_token)), ['sub']);
  }
  assert.equal((await server.fetch('/auth/v1/oauth/userinfo', { headers: { authorization: 'Bearer x' } })).status, 403);
});

test('an ID token is signed with a key that applications can verify, or not at all', async (t) => {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const key = { ...privateKey.export({ format: 'jwk' }), kid: 'one', alg: 'ES256', key_ops: ['sign', 'verify'] };
  const signing = await configured({ ...SETTINGS, 'auth.signing_keys': JSON.stringify([key]).replaceAll('"', '\\"') });
  t.after(() => signing.end('SIGKILL'));
  const configuration = await (await signing.fetch('/auth/v1/.well-known/oauth-authorization-server')).json();
  assert.deepEqual([configuration.token_endpoint, configuration.registration_endpoint], [`${signing.url}/auth/v1/oauth/token`, undefined]);
  for (const [at, expected] of [[signing, 200], [server, 500]]) {
    const client = good(await createClient(at.url, at.keys.secret, options).auth.admin.oauth.createClient({ client_name: 'App', redirect_uris: [REDIRECT] }));
    const request = await asked(at, client, { scope: 'openid email profile', nonce: 'a nonce' });
    const answer = await token(at, { grant_type: 'authorization_code', code: await approve(request), code_verifier: request.verifier }, basic(client));
    assert.equal(answer.status, expected, JSON.stringify(answer));
    if (expected !== 200) continue;
    const [head, body, signature] = answer.id_token.split('.');
    assert.ok(verify('sha256', Buffer.from(`${head}.${body}`), { key: publicKey, dsaEncoding: 'ieee-p1363' }, Buffer.from(signature, 'base64url')));
    const said = claims(answer.id_token);
    assert.deepEqual(
      [said.iss, said.aud, said.sub, said.nonce, said.email, said.email_verified, said.name, said.preferred_username, said.exp - said.iat],
      [`${at.url}/auth/v1`, client.client_id, request.user.id, 'a nonce', request.user.email, true, 'Ann', 'ann', 3600],
    );
  }
});

const ALPHABET = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz';
function base58(bytes) {
  let number = BigInt(`0x${bytes.toString('hex')}`);
  let text = '';
  for (; number > 0n; number /= 58n) text = ALPHABET[Number(number % 58n)] + text;
  return text;
}

test('a wallet of Solana signs in', async () => {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const address = base58(Buffer.from(publicKey.export({ format: 'jwk' }).x, 'base64url'));
  const write = ({ uri = `${SITE}/`, issued = new Date() } = {}) => [
    `localhost:3000 wants you to sign in with your Solana account:`, address, '', 'Sign in, please', '',
    'Version: 1', `URI: ${uri}`, `Issued At: ${issued.toISOString()}`,
  ].join('\n');
  const signIn = (message, signature = sign(null, Buffer.from(message), privateKey)) => createClient(server.url, server.keys.publishable, options).auth
    .signInWithWeb3({ chain: 'solana', message, signature });
  const { user, session } = good(await signIn(write()));
  assert.deepEqual(claims(session.access_token).amr.map(({ method }) => method), ['web3']);
  assert.deepEqual([user.email, user.app_metadata.provider, user.user_metadata.custom_claims.address], ['', 'web3', address]);
  assert.equal(good(await signIn(write())).user.id, user.id);

  const refused = async (message, signature, reason) => {
    const { error } = await signIn(message, signature);
    assert.equal(error.status, 400);
    assert.match(error.message, reason);
  };
  await refused(write({ uri: 'https://evil.test/' }), undefined, /not allowed on this server|invalid_grant/);
  await refused(write({ issued: new Date(Date.now() - 3_600_000) }), undefined, /too long ago|invalid_grant/);
  await refused(write(), Buffer.alloc(64), /Signature does not match|invalid_grant/);
  const other = await server.fetch('/auth/v1/token?grant_type=web3', { method: 'POST', body: JSON.stringify({ chain: 'ethereum' }) });
  assert.deepEqual([other.status, (await other.json()).error_code], [422, 'web3_provider_disabled']);
});
