// Applications that sign their users in with the project, and wallets that sign in to it: with auth-js from npm, unmodified.
import assert from 'node:assert/strict';
import { generateKeyPairSync, sign } from 'node:crypto';
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
