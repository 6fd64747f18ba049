// Sign-in by providers that an admin added, with auth-js from npm, unmodified: a real OpenID Connect provider on this
// machine, at an https address whose certificate the gateway's process is told to trust.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { createClient } from '@supabase/supabase-js';
import { certificate } from '../auth/certificate.mjs';
import { CLIENT, follow, provider } from '../auth/provider.mjs';
import { folder, start } from './server.mjs';

const SITE = 'http://localhost:3000';
const transport = class { constructor() { throw new Error('no case opens a WebSocket'); } };
const options = (auth = {}) => ({ auth: { persistSession: false, autoRefreshToken: false, ...auth }, realtime: { transport } });

let server, oidc, callback;
before(async () => {
  const tls = certificate();
  const files = folder({ after });
  writeFileSync(path.join(files, 'authority.pem'), tls.cert);
  writeFileSync(path.join(files, 'config'), `auth.site_url = "${SITE}"\n`);
  oidc = await provider(tls);
  // Only this process, which plays the browser, takes any certificate.
  server = await start(undefined, ['--config', path.join(files, 'config')], { env: { NODE_EXTRA_CA_CERTS: path.join(files, 'authority.pem') } });
  process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0';
  callback = `${server.url}/auth/v1/callback`;
  oidc.serve([callback]);
});
after(async () => {
  oidc?.close();
  await server?.end('SIGKILL');
});

const client = (auth) => createClient(server.url, server.keys.publishable, options(auth));
const providers = () => createClient(server.url, server.keys.secret, options()).auth.admin.customProviders;
const good = ({ data, error }) => { assert.equal(error, null); return data; };
let number = 0;
const person = (more = {}) => ({ sub: `person-${number += 1}`, email: `person${number}@example.test`, email_verified: true, name: `Person ${number}`, ...more });
const add = async (more) => good(await providers().createProvider({ name: 'Mine', client_id: CLIENT.client_id, client_secret: CLIENT.client_secret, scopes: ['openid', 'email', 'profile'], ...more }));

/** Signs in by proof keys; the user. */
async function signIn(identifier, who) {
  oidc.signIn(who);
  const kept = new Map();
  const storage = { getItem: (key) => kept.get(key) ?? null, setItem: (key, value) => void kept.set(key, value), removeItem: (key) => void kept.delete(key) };
  const supabase = client({ flowType: 'pkce', persistSession: true, storage });
  const { url } = good(await supabase.auth.signInWithOAuth({ provider: identifier, options: { redirectTo: SITE, skipBrowserRedirect: true } }));
  const landed = await follow(url, ({ origin }) => origin === SITE);
  const code = landed.searchParams.get('code');
  assert.ok(code, landed.href);
  return good(await supabase.auth.exchangeCodeForSession(code)).user;
}

test('one that describes itself', async () => {
  await add({ provider_type: 'oidc', identifier: 'custom:described', issuer: oidc.issuer, authorization_params: { prompt: 'login' }, attribute_mapping: { preferred_username: 'sub', picture: 'nothing' } });
  const who = person();
  const user = await signIn('custom:described', who);
  assert.deepEqual([user.email, user.app_metadata, user.identities.map(({ provider, id }) => [provider, id])], [who.email, { provider: 'custom:described', providers: ['custom:described'] }, [['custom:described', who.sub]]]);
  assert.deepEqual([user.user_metadata.full_name, user.user_metadata.preferred_username, user.user_metadata.iss], [who.name, who.sub, oidc.issuer]);
  assert.equal((await signIn('custom:described', { ...who, name: 'Renamed' })).id, user.id);
});

test('one whose addresses an admin knows, and whose words are its own', async () => {
  await add({ provider_type: 'oauth2', identifier: 'addressed', authorization_url: oidc.authorize, token_url: oidc.token, userinfo_url: oidc.userinfo, attribute_mapping: { nickname: 'name', email_verified: true } });
  const who = person({ email_verified: false });
  const user = await signIn('custom:addressed', who);
  assert.deepEqual([user.email, Boolean(user.email_confirmed_at), user.identities[0].provider], [who.email, true, 'custom:addressed']);
});

test('an ID token of one signs in, for its applications alone', async () => {
  await add({ provider_type: 'oidc', identifier: 'custom:tokens', issuer: oidc.issuer });
  const who = person();
  const { id_token: token, access_token } = await oidc.tokens(who, { nonce: createHash('sha256').update('n').digest('hex'), callback });
  const ask = (more) => client().auth.signInWithIdToken({ provider: 'custom:tokens', token, access_token, nonce: 'n', ...more });
  const { user } = good(await ask());
  assert.deepEqual([user.email, user.app_metadata.provider], [who.email, 'custom:tokens']);
  assert.equal((await ask({ nonce: 'other' })).error.status, 400);
  assert.equal((await ask({ provider: 'custom:nobody' })).error.status, 400);
  good(await providers().updateProvider('custom:tokens', { client_id: 'another' }));
  assert.equal((await ask()).error.status, 400);
  good(await providers().updateProvider('custom:tokens', { acceptable_client_ids: [CLIENT.client_id] }));
  assert.equal(good(await ask()).user.id, user.id);
});

test('one that is taken away, or calls itself something else, lets nobody in', async () => {
  await add({ provider_type: 'oidc', identifier: 'custom:other', issuer: `${oidc.issuer}/elsewhere`, discovery_url: `${oidc.issuer}/.well-known/openid-configuration` });
  const location = async (name) => (await server.fetch(`/auth/v1/authorize?provider=${name}`, { redirect: 'manual' })).json();
  assert.match((await location('custom:other')).msg, /^Unsupported provider: .* calls itself /);
  assert.equal((await providers().deleteProvider('custom:other')).error, null);
  assert.equal((await location('custom:other')).msg, 'Unsupported provider: Provider custom:other could not be found');
});
