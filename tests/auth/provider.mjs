// A provider of identities on this machine: `oidc-provider` from npm, with endpoints where Keycloak has them. Whoever comes
// is signed in at once as the account that the test names.
import { once } from 'node:events';
import { createServer } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import Provider from 'oidc-provider';

const PLACE = '/protocol/openid-connect';
export const CLIENT = { client_id: 'gateway', client_secret: 'a secret that only these two know' };

/** Opens the provider, with `{ key, cert }` at an https address; `serve(redirectUris)` makes it answer. */
export async function provider(tls) {
  const listener = (request, response) => answer(request, response);
  const http = tls ? createSecureServer(tls, listener) : createServer(listener);
  let answer = (_request, response) => response.writeHead(503).end();
  http.listen(0, '127.0.0.1');
  await once(http, 'listening');
  const issuer = `${tls ? 'https' : 'http'}://127.0.0.1:${http.address().port}`;
  const accounts = new Map();
  let current;
  return {
    issuer,
    token: `${issuer}${PLACE}/token`,
    authorize: `${issuer}${PLACE}/auth`,
    userinfo: `${issuer}${PLACE}/userinfo`,
    close: () => { http.closeAllConnections(); http.close(); },
    /** Whoever comes next is this: `{ sub, email, email_verified, name }`. */
    signIn(account) { accounts.set(account.sub, account); current = account.sub; },
    /** What an application gets that signs somebody in by itself: `{ id_token, access_token, … }`. */
    async tokens(account, { nonce, callback }) {
      this.signIn(account);
      const query = new URLSearchParams({ client_id: CLIENT.client_id, redirect_uri: callback, response_type: 'code', scope: 'openid email profile', nonce });
      const back = await follow(`${this.authorize}?${query}`, ({ origin, pathname }) => `${origin}${pathname}` === callback);
      const response = await fetch(this.token, {
        method: 'POST',
        headers: { authorization: `Basic ${btoa(`${CLIENT.client_id}:${encodeURIComponent(CLIENT.client_secret)}`)}` },
        body: new URLSearchParams({ grant_type: 'authorization_code', code: back.searchParams.get('code'), redirect_uri: callback }),
      });
      return response.json();
    },
    serve(redirectUris) {
      const oidc = new Provider(issuer, {
        clients: [{ ...CLIENT, redirect_uris: redirectUris }],
        claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name'] },
        conformIdTokenClaims: false,
        pkce: { required: () => false },
        // A gateway that is a service worker asks as pages do.
        clientBasedCORS: () => true,
        cookies: { keys: ['only for tests'] },
        features: { devInteractions: { enabled: false } },
        routes: { authorization: `${PLACE}/auth`, token: `${PLACE}/token`, userinfo: `${PLACE}/userinfo` },
        interactions: { url: (_context, { uid }) => `/interaction/${uid}` },
        findAccount: (_context, sub) => accounts.has(sub) && { accountId: sub, claims: () => accounts.get(sub) },
        async loadExistingGrant({ oidc: { client, session, provider } }) {
          const grant = new provider.Grant({ clientId: client.clientId, accountId: session.accountId });
          grant.addOIDCScope('openid profile email');
          await grant.save();
          return grant;
        },
      });
      oidc.use(async (context, next) => {
        if (!context.path.startsWith('/interaction/')) return next();
        context.respond = false;
        await oidc.interactionFinished(context.req, context.res, { login: { accountId: current } });
      });
      answer = oidc.callback();
    },
  };
}

/** Follows redirects as a browser does, cookies and all, until one leads to where `stop` says; that address. */
export async function follow(address, stop) {
  const cookies = new Map();
  for (let step = 0; step < 20; step += 1) {
    if (stop(new URL(address))) return new URL(address);
    const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const response = await fetch(address, { redirect: 'manual', headers: cookie ? { cookie } : {} });
    for (const set of response.headers.getSetCookie()) {
      const [pair] = set.split(';');
      cookies.set(pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1));
    }
    const location = response.headers.get('location');
    if (!location) throw new Error(`${address} answers ${response.status}: ${(await response.text()).slice(0, 300)}`);
    address = new URL(location, address).href;
  }
  throw new Error('it leads in circles');
}
