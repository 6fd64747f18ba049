// The project as a provider: applications that sign their users in with it.
import { bad, good, matches, ok, same } from '../clients/expect.mjs';
import { claims } from './people.mjs';

/** A verifier, and the challenge that is made of it (RFC 7636). */
async function proof() {
  const text = (bytes) => btoa(String.fromCharCode(...bytes)).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
  const verifier = text(crypto.getRandomValues(new Uint8Array(32)));
  return { verifier, challenge: text(new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(verifier)))) };
}

export const providing = {
  'oauth: a user lets an application in, and takes it back': async ({ admin, user, client, url, site, landing, follow }) => {
    const app = await good('createClient', admin.oauth.createClient({ client_name: 'Other app', client_uri: 'https://app.test', redirect_uris: [landing], token_endpoint_auth_method: 'none' }));
    const { auth, email, id } = await user();
    const { verifier, challenge } = await proof();
    /** The application sends the user; which request the project's page is then to ask about. */
    const ask = async (scope) => {
      const query = new URLSearchParams({ client_id: app.client_id, redirect_uri: landing, response_type: 'code', state: 'a state', code_challenge: challenge, code_challenge_method: 'S256', ...(scope && { scope }) });
      const landed = await follow(`${url}/oauth/authorize?${query}`);
      ok(landed.startsWith(`${site}/oauth/consent?authorization_id=`), landed);
      return new URL(landed).searchParams.get('authorization_id');
    };
    const token = async (parameters) => {
      const answer = await fetch(`${url}/oauth/token`, { method: 'POST', body: new URLSearchParams({ client_id: app.client_id, ...parameters }) });
      return { status: answer.status, ...await answer.json() };
    };
    const asked = await ask();
    same(await good('getAuthorizationDetails', auth.oauth.getAuthorizationDetails(asked)), {
      authorization_id: asked, redirect_uri: landing, client: { id: app.client_id, name: 'Other app', uri: 'https://app.test' }, user: { id, email }, scope: 'email',
    }, 'getAuthorizationDetails');
    await bad('of another user', (await user()).auth.oauth.getAuthorizationDetails(asked), { status: 404, code: 'oauth_authorization_not_found' });
    await bad('nobody', client().oauth.getAuthorizationDetails(asked), { name: 'AuthSessionMissingError' });
    const { redirect_url } = await good('approveAuthorization', auth.oauth.approveAuthorization(asked, { skipBrowserRedirect: true }));
    const [at, { code, state }] = [redirect_url.split('?')[0], Object.fromEntries(new URL(redirect_url).searchParams)];
    same([at, state], [landing, 'a state'], redirect_url);
    await bad('twice', auth.oauth.approveAuthorization(asked, { skipBrowserRedirect: true }), { status: 400, code: 'validation_failed' });

    const tokens = await token({ grant_type: 'authorization_code', code, redirect_uri: landing, code_verifier: verifier });
    same([tokens.status, Object.keys(tokens).toSorted()], [200, ['access_token', 'expires_in', 'refresh_token', 'status', 'token_type']], 'token');
    const said = claims(tokens.access_token);
    same([said.sub, said.client_id, said.scope, said.amr.map(({ method }) => method)], [id, app.client_id, 'email', ['oauth_provider/authorization_code']], 'the token');
    same((await token({ grant_type: 'authorization_code', code, code_verifier: verifier })).error, 'invalid_grant', 'a code is for once');
    const refreshed = await token({ grant_type: 'refresh_token', refresh_token: tokens.refresh_token });
    same([refreshed.status, claims(refreshed.access_token).session_id], [200, said.session_id], 'refresh');
    await bad('without the application', client().refreshSession({ refresh_token: refreshed.refresh_token }), { status: 400 });

    const [grant] = await good('listGrants', auth.oauth.listGrants());
    same([grant.client.id, grant.scopes, Math.abs(new Date(grant.granted_at) - Date.now()) < 60_000], [app.client_id, ['email'], true], 'listGrants');
    ok((await good('once consented', auth.oauth.getAuthorizationDetails(await ask()))).redirect_url.includes('code='), 'no more asked');
    const more = await ask('email profile');
    ok((await good('for more', auth.oauth.getAuthorizationDetails(more))).scope === 'email profile', 'asked for more');
    const denied = new URL((await good('denyAuthorization', auth.oauth.denyAuthorization(more, { skipBrowserRedirect: true }))).redirect_url).searchParams;
    same([denied.get('error'), denied.get('state'), denied.get('code')], ['access_denied', 'a state', null], 'denyAuthorization');

    await good('revokeGrant', auth.oauth.revokeGrant({ clientId: app.client_id }).then(({ error }) => ({ data: {}, error })));
    same(await good('listGrants', auth.oauth.listGrants()), [], 'taken back');
    await bad('its session is over', client().getUser(refreshed.access_token), { name: 'AuthSessionMissingError' });
    await bad('revokeGrant, again', auth.oauth.revokeGrant({ clientId: app.client_id }), { status: 404, code: 'oauth_consent_not_found' });
  },
  'admin.customProviders: providers are added, read, changed, listed, taken away': async ({ admin, client }) => {
    const identifier = `custom:mine-${Date.now().toString(36)}`;
    const secret = 'not for anybody';
    const made = await good('createProvider', admin.customProviders.createProvider({
      provider_type: 'oidc', identifier, name: 'Mine', client_id: 'us', client_secret: secret, issuer: 'https://provider.test', scopes: ['email'], attribute_mapping: { full_name: 'nickname' },
    }));
    same([made.identifier, made.scopes, made.enabled, made.pkce_enabled, made.email_optional, made.attribute_mapping], [identifier, ['openid', 'email'], true, true, false, { full_name: 'nickname' }], 'createProvider');
    await bad('again', admin.customProviders.createProvider({ provider_type: 'oidc', identifier, name: 'Mine', client_id: 'us', client_secret: secret, issuer: 'https://provider.test' }), { status: 400, code: 'conflict' });
    const known = await good('getProvider', admin.customProviders.getProvider(identifier));
    same([known, JSON.stringify(known).includes(secret)], [made, false], 'getProvider');
    const changed = await good('updateProvider', admin.customProviders.updateProvider(identifier, { name: 'Ours', enabled: false, scopes: ['profile'] }));
    same([changed.name, changed.enabled, changed.scopes, changed.client_id, changed.issuer], ['Ours', false, ['openid', 'profile'], 'us', 'https://provider.test'], 'updateProvider');
    const named = async (type) => (await good('listProviders', admin.customProviders.listProviders(type && { type }))).providers.map(({ identifier }) => identifier);
    same([(await named()).includes(identifier), (await named('oidc')).includes(identifier), (await named('oauth2')).includes(identifier)], [true, true, false], 'listProviders');
    const off = await fetch((await good('one that is off', client().signInWithOAuth({ provider: identifier, options: { skipBrowserRedirect: true } }))).url);
    same([off.status, (await off.json()).msg], [400, 'Unsupported provider: provider is not enabled'], 'one that is off');
    same((await admin.customProviders.deleteProvider(identifier)).error, null, 'deleteProvider');
    await bad('getProvider, gone', admin.customProviders.getProvider(identifier), { status: 404, code: 'provider_not_found' });
    for (const [more, message] of [
      [{ issuer: 'http://provider.test' }, /https/], [{ issuer: '' }, /issuer is required/], [{ identifier: 'custom:google' }, /reserved/], [{ provider_type: 'saml' }, /provider_type/],
      [{ attribute_mapping: { role: 'groups' } }, /protected system field: role/], [{ authorization_params: { state: 'x' } }, /reserved OAuth parameter: state/], [{ identifier: 'custom:Ä b' }, /identifier_format/],
    ]) await bad(JSON.stringify(more), admin.customProviders.createProvider({ provider_type: 'oidc', identifier, name: 'Mine', client_id: 'us', client_secret: secret, issuer: 'https://provider.test', ...more }), { status: 400, code: 'validation_failed', message });
    await bad('by anybody', client().admin.customProviders.listProviders(), { status: 403, code: 'not_admin' });
  },
  'admin.oauth: applications are registered, read, changed, listed, deleted': async ({ admin, client }) => {
    const made = await good('createClient', admin.oauth.createClient({ client_name: 'App', redirect_uris: ['https://app.test/callback'], client_uri: 'https://app.test' }));
    matches(made.client_secret, /^[\w-]{43}$/, 'client_secret');
    same([made.client_type, made.registration_type, made.grant_types], ['confidential', 'manual', ['authorization_code', 'refresh_token']], 'createClient');
    const known = await good('getClient', admin.oauth.getClient(made.client_id));
    same([known.client_name, 'client_secret' in known], ['App', false], 'getClient');
    ok((await good('listClients', admin.oauth.listClients({ page: 1, perPage: 100 }))).clients.some(({ client_id }) => client_id === made.client_id), 'listClients');
    same((await good('updateClient', admin.oauth.updateClient(made.client_id, { client_name: 'Renamed' }))).client_name, 'Renamed', 'updateClient');
    const fresh = await good('regenerateClientSecret', admin.oauth.regenerateClientSecret(made.client_id));
    ok(fresh.client_secret && fresh.client_secret !== made.client_secret, 'regenerateClientSecret');
    same((await admin.oauth.deleteClient(made.client_id)).error, null, 'deleteClient');
    await bad('getClient, gone', admin.oauth.getClient(made.client_id), { status: 404, code: 'oauth_client_not_found' });
    await bad('a bad address', admin.oauth.createClient({ client_name: 'App', redirect_uris: ['javascript://x'] }), { status: 400, code: 'validation_failed' });
    await bad('by anybody', client().admin.oauth.listClients(), { status: 403, code: 'not_admin' });
  },
};
