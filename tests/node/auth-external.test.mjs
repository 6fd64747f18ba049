// Sign-in by another provider, with auth-js from npm, unmodified: a real OpenID Connect provider on this machine.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, test } from 'node:test';
import { createClient } from '@supabase/supabase-js';
import { CLIENT, follow, provider } from '../auth/provider.mjs';
import { configured } from './server.mjs';

const SITE = 'http://localhost:3000';
const transport = class { constructor() { throw new Error('no case opens a WebSocket'); } };
const options = (auth = {}) => ({ auth: { persistSession: false, autoRefreshToken: false, ...auth }, realtime: { transport } });

let server;
let oidc;
before(async () => {
  oidc = await provider();
  const settings = {
    'auth.site_url': SITE,
    'auth.enable_manual_linking': true,
    'auth.email.enable_confirmations': true,
    'auth.external.keycloak.enabled': true,
    'auth.external.keycloak.client_id': CLIENT.client_id,
    'auth.external.keycloak.secret': CLIENT.client_secret,
    'auth.external.keycloak.url': oidc.issuer,
  };
  server = await configured(settings);
  oidc.serve([`${server.url}/auth/v1/callback`]);
});
after(async () => {
  oidc?.close();
  await server?.end('SIGKILL');
});

const client = (auth) => createClient(server.url, server.keys.publishable, options(auth));
const admin = () => createClient(server.url, server.keys.secret, options()).auth.admin;
const good = ({ data, error }) => { assert.equal(error, null); return data; };
const claims = (token) => JSON.parse(Buffer.from(token.split('.')[1], 'base64url'));
const atSite = (url) => url.origin === SITE;
const fragment = (url) => Object.fromEntries(new URLSearchParams(url.hash.slice(1)));
let number = 0;
/** A person at the provider whom nobody knows yet. */
function person(more = {}) {
  number += 1;
  return { sub: `person-${number}`, email: `person${number}@example.test`, email_verified: true, name: `Person ${number}`, ...more };
}
const memory = () => {
  const items = new Map();
  return { getItem: (key) => items.get(key) ?? null, setItem: (key, value) => { items.set(key, value); }, removeItem: (key) => { items.delete(key); } };
};

/** Signs in the implicit way; what stands in the fragment in the end. */
async function signIn(who, redirectTo = `${SITE}/welcome`) {
  oidc.signIn(who);
  const { url } = good(await client().auth.signInWithOAuth({ provider: 'keycloak', options: { redirectTo, scopes: 'openid', skipBrowserRedirect: true } }));
  return follow(url, atSite);
}

test('a stranger becomes a user, with the session in the fragment', async () => {
  const who = person();
  const landed = await signIn(who);
  assert.equal(landed.pathname, '/welcome');
  const session = fragment(landed);
  assert.deepEqual(Object.keys(session).toSorted(), ['access_token', 'expires_at', 'expires_in', 'provider_token', 'refresh_token', 'sb', 'token_type']);
  const said = claims(session.access_token);
  assert.equal(said.email, who.email);
  assert.deepEqual(said.app_metadata, { provider: 'keycloak', providers: ['keycloak'] });
  assert.deepEqual(said.amr.map(({ method }) => method), ['oauth']);
  assert.equal(said.user_metadata.full_name, who.name);
  const supabase = client();
  good(await supabase.auth.setSession(session));
  const { user } = good(await supabase.auth.getUser());
  assert.ok(user.email_confirmed_at);
  assert.deepEqual(user.identities.map(({ provider, id }) => ({ provider, id })), [{ provider: 'keycloak', id: who.sub }]);

  // Again: the same user, and what the provider says now.
  const again = claims(fragment(await signIn({ ...who, name: 'Renamed' })).access_token);
  assert.equal(again.sub, said.sub);
  assert.equal(again.user_metadata.full_name, 'Renamed');
});

test('with a proof key the client gets a code', async () => {
  const who = person();
  oidc.signIn(who);
  const supabase = client({ flowType: 'pkce', storage: memory(), persistSession: true });
  const { url } = good(await supabase.auth.signInWithOAuth({ provider: 'keycloak', options: { redirectTo: SITE, scopes: 'openid', skipBrowserRedirect: true } }));
  const landed = await follow(url, atSite);
  assert.deepEqual([...landed.searchParams.keys()], ['code']);
  const { session } = good(await supabase.auth.exchangeCodeForSession(landed.searchParams.get('code')));
  assert.equal(session.user.email, who.email);
  assert.ok(session.provider_token);
  const twice = await server.fetch('/auth/v1/token?grant_type=pkce', {
    method: 'POST', headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ auth_code: landed.searchParams.get('code'), code_verifier: 'x'.repeat(43) }),
  });
  assert.equal(twice.status, 404);
});

test('a callback is good once', async () => {
  oidc.signIn(person());
  const { url } = good(await client().auth.signInWithOAuth({ provider: 'keycloak', options: { scopes: 'openid', skipBrowserRedirect: true } }));
  const callback = await follow(url, ({ pathname }) => pathname === '/auth/v1/callback');
  const first = await fetch(callback, { redirect: 'manual' });
  assert.ok(fragment(new URL(first.headers.get('location'))).access_token);
  const second = await fetch(callback, { redirect: 'manual' });
  assert.equal(second.status, 303);
  assert.equal(new URL(second.headers.get('location')).searchParams.get('error_code'), 'bad_oauth_state');
});

test('what a callback brings is checked', async () => {
  const location = async (query) => {
    const response = await server.fetch(`/auth/v1/callback?${query}`, { redirect: 'manual' });
    const { origin, searchParams } = new URL(response.headers.get('location'));
    return [response.status, origin, searchParams.get('error'), searchParams.get('error_code')];
  };
  assert.deepEqual(await location(''), [303, SITE, 'invalid_request', 'bad_oauth_callback']);
  assert.deepEqual(await location('state=x'), [303, SITE, 'invalid_request', 'bad_oauth_state']);
  assert.deepEqual(await location(`state=${crypto.randomUUID()}`), [303, SITE, 'invalid_request', 'bad_oauth_state']);
  const { url } = good(await client().auth.signInWithOAuth({ provider: 'keycloak', options: { skipBrowserRedirect: true } }));
  const sent = await fetch(url, { redirect: 'manual' });
  assert.equal(sent.status, 302);
  const asked = new URL(sent.headers.get('location'));
  assert.equal(asked.origin + asked.pathname, oidc.authorize);
  assert.equal(asked.searchParams.get('redirect_uri'), `${server.url}/auth/v1/callback`);
  const state = asked.searchParams.get('state');
  assert.deepEqual(await location(`state=${state}&error=access_denied&error_description=no`), [302, SITE, 'access_denied', null]);
  assert.deepEqual(await location(`state=${state}&code=forged`), [302, SITE, 'server_error', 'unexpected_failure']);
});

test('nobody is sent where the project does not allow it', async () => {
  const landed = await signIn(person(), 'https://evil.test/take');
  assert.equal(landed.origin, SITE);
});

test('a client cannot speak in the gateway\'s name', async () => {
  const response = await server.fetch('/auth/v1/authorize?provider=keycloak&state=mine&redirect_uri=https://evil.test&client_id=x&prompt=login', { redirect: 'manual' });
  const asked = new URL(response.headers.get('location'));
  assert.deepEqual(
    ['redirect_uri', 'client_id', 'prompt'].map((name) => asked.searchParams.getAll(name)),
    [[`${server.url}/auth/v1/callback`], ['gateway'], ['login']],
  );
  assert.deepEqual(asked.searchParams.getAll('state').filter((state) => state === 'mine'), []);
});

test('unknown and disabled providers are refused', async () => {
  for (const [name, reason] of [['google', 'provider is not enabled'], ['nobody', 'Provider nobody could not be found']]) {
    const response = await server.fetch(`/auth/v1/authorize?provider=${name}`, { redirect: 'manual' });
    assert.deepEqual([response.status, (await response.json()).msg], [400, `Unsupported provider: ${reason}`]);
  }
});

test('a verified address leads to the account that has it', async () => {
  const who = person();
  const { user } = good(await admin().createUser({ email: who.email, password: 'correct horse', email_confirm: true }));
  assert.equal(claims(fragment(await signIn(who)).access_token).sub, user.id);
  const { user: linked } = good(await admin().getUserById(user.id));
  assert.deepEqual(linked.identities.map(({ provider }) => provider).toSorted(), ['email', 'keycloak']);
  assert.deepEqual(linked.app_metadata.providers.toSorted(), ['email', 'keycloak']);
  good(await client().auth.signInWithPassword({ email: who.email, password: 'correct horse' }));
});

test('who never confirmed an account does not keep its password', async () => {
  const who = person();
  const { user } = good(await admin().createUser({ email: who.email, password: 'of a stranger' }));
  assert.equal(claims(fragment(await signIn(who)).access_token).sub, user.id);
  assert.equal((await client().auth.signInWithPassword({ email: who.email, password: 'of a stranger' })).error.code, 'invalid_credentials');
  const { user: taken } = good(await admin().getUserById(user.id));
  assert.deepEqual(taken.identities.map(({ provider }) => provider), ['keycloak']);
});

test('an address that is not verified leads to nobody\'s account', async () => {
  const who = person({ email_verified: false });
  const { user } = good(await admin().createUser({ email: who.email, password: 'correct horse', email_confirm: true }));
  const landed = fragment(await signIn(who));
  assert.deepEqual([landed.error, landed.error_code, landed.access_token], ['access_denied', 'provider_email_needs_verification', undefined]);
  const { user: untouched } = good(await admin().getUserById(user.id));
  assert.deepEqual(untouched.identities.map(({ provider }) => provider), ['email']);
});

test('banned users stay out', async () => {
  const who = person();
  const { sub } = claims(fragment(await signIn(who)).access_token);
  good(await admin().updateUserById(sub, { ban_duration: '1h' }));
  assert.equal(fragment(await signIn(who)).error_code, 'user_banned');
});

test('an identity is linked and given up', async () => {
  const email = 'linker@example.test';
  good(await admin().createUser({ email, password: 'correct horse', email_confirm: true }));
  const supabase = client();
  good(await supabase.auth.signInWithPassword({ email, password: 'correct horse' }));
  const who = person();
  oidc.signIn(who);
  const { url } = good(await supabase.auth.linkIdentity({ provider: 'keycloak', options: { redirectTo: SITE, scopes: 'openid', skipBrowserRedirect: true } }));
  assert.ok(fragment(await follow(url, atSite)).access_token);
  const { identities } = good(await supabase.auth.getUserIdentities());
  assert.deepEqual(identities.map(({ provider }) => provider).toSorted(), ['email', 'keycloak']);
  assert.equal(good(await supabase.auth.getUser()).user.email, email);

  // It is taken now, for others and for the user.
  const { url: twice } = good(await supabase.auth.linkIdentity({ provider: 'keycloak', options: { redirectTo: SITE, scopes: 'openid', skipBrowserRedirect: true } }));
  assert.equal(fragment(await follow(twice, atSite)).error_code, 'identity_already_exists');

  const linked = identities.find(({ provider }) => provider === 'keycloak');
  good(await supabase.auth.unlinkIdentity(linked));
  const left = good(await supabase.auth.getUserIdentities()).identities;
  assert.deepEqual(left.map(({ provider }) => provider), ['email']);
  assert.equal((await supabase.auth.unlinkIdentity(left[0])).error.code, 'single_identity_not_deletable');
});

/** The provider's tokens for an application that signs in by itself. */
const tokens = (who, nonce) => oidc.tokens(who, { nonce, callback: `${server.url}/auth/v1/callback` });
const hashed = (nonce) => createHash('sha256').update(nonce).digest('hex');

test('an ID token signs in', async () => {
  const who = person();
  const { id_token: token, access_token } = await tokens(who, hashed('a nonce'));
  const ask = (more) => client().auth.signInWithIdToken({ provider: 'keycloak', token, access_token, nonce: 'a nonce', ...more });
  const { user, session } = good(await ask());
  assert.equal(user.email, who.email);
  assert.deepEqual(claims(session.access_token).amr.map(({ method }) => method), ['oauth']);
  for (const [more, reason] of [
    [{ nonce: 'another' }, 'Nonces mismatch'],
    [{ nonce: undefined }, 'Passed nonce and nonce in id_token should either both exist or not.'],
    [{ access_token: 'another' }, 'Bad ID token'],
    [{ token: `${token.slice(0, -4)}AAAA` }, 'Bad ID token'],
    [{ token: 'none' }, 'Bad ID token'],
  ]) {
    const { error } = await ask(more);
    assert.equal(error.status, 400);
    const said = await (await server.fetch('/auth/v1/token?grant_type=id_token', {
      method: 'POST', headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ provider: 'keycloak', id_token: more.token ?? token, access_token: more.access_token ?? access_token, nonce: 'nonce' in more ? more.nonce : 'a nonce' }),
    })).json();
    assert.equal(said.error_description, reason);
  }
  assert.equal((await ask({ provider: 'google' })).error.code, 'provider_disabled');
});

test('single sign-on says that it is off', async () => {
  const { error } = await client().auth.signInWithSSO({ domain: 'example.test' });
  assert.deepEqual([error.status, error.code], [404, 'saml_provider_disabled']);
  assert.equal((await server.fetch('/auth/v1/sso/saml/metadata')).status, 404);
});
