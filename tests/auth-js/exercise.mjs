// auth-js from npm, unmodified: every method that its declarations show, run against one project. The same cases run in
// Chromium through the service worker and in Node over `cargo xtask serve`; they expect `settings.mjs`.
import { documented, recorded } from '../clients/recorded.mjs';
import { good } from '../clients/expect.mjs';
import { administering } from './administering.mjs';
import { factors } from './factors.mjs';
import { outbox } from './outbox.mjs';
import { passkeys } from './passkeys.mjs';
import { address, password } from './people.mjs';
import { proving } from './proving.mjs';
import { providing } from './providing.mjs';
import { session } from './session.mjs';
import { signing } from './signing.mjs';

export { inPage } from './page.mjs';

/** Cases by name; each gets what `clients` gives. */
export const cases = { ...signing, ...proving, ...session, ...factors, ...passkeys, ...providing, ...administering };

const parts = {
  admin: { parts: { mfa: {}, oauth: {}, customProviders: {}, passkey: {} } },
  mfa: { parts: { webauthn: {}, recoveryCodes: {} } },
  oauth: {},
  passkey: {},
};
/** What an instance holds that is no method of it. */
const held = ['fetch', 'lock', 'logger', 'initializePromise'];

/** The methods that no case calls, and why. */
export const excused = Object.fromEntries(Object.entries({
  'mfa.recoveryCodes': [['getStatus', 'generate', 'verify', 'regenerate', 'unenroll'], 'hidden in the declarations, "not yet publicly available to projects": off in every Auth server'],
}).flatMap(([part, [names, why]]) => names.map((name) => [`auth.${part}.${name}`, why])));

/** The methods that ask for `navigator.credentials`, which Node has not: cases of `page.mjs` call them. */
export const ofPages = ['auth.signInWithPasskey', 'auth.registerPasskey', 'auth.mfa.webauthn.enroll', 'auth.mfa.webauthn.challenge', 'auth.mfa.webauthn.verify', 'auth.mfa.webauthn.authenticate', 'auth.mfa.webauthn.register'];

/** Every method, as a run notes them. */
export const methods = (client, hidden) => documented(client, 'auth', { parts, hidden: new Set([...hidden, ...held]) });

let number = 0;
function memory() {
  const items = new Map();
  return { getItem: (key) => items.get(key) ?? null, setItem: (key, value) => void items.set(key, value), removeItem: (key) => void items.delete(key) };
}

/**
 * What a case gets. `base` is the gateway's address, `site` the application's; `follow(link)` opens a link as a person
 * does and gives where it ends; `device()` is a new authenticator, `{ create(options), get(options) }` in JSON;
 * `provider` is the one named keycloak: `signIn(person)` and `tokens(person, nonce)`.
 */
export function clients({ AuthClient, base, site, keys, called, follow, device, provider }) {
  const url = `${base}/auth/v1`;
  const messages = outbox(base, keys.secret);
  /** A client with a memory of its own. */
  const client = (options = {}, key = keys.publishable) => recorded(new AuthClient({
    url, headers: { apikey: key, Authorization: `Bearer ${key}` }, storageKey: `case-${number += 1}`, storage: memory(),
    autoRefreshToken: false, detectSessionInUrl: false, ...options,
  }), 'auth', called, { parts });
  const admin = client({}, keys.service_role).admin;
  return {
    url, base, site, keys, client, admin, follow, device, provider, mail: messages.mail, sms: messages.sms,
    landing: `${site}/landing`,
    /** A client that a new user with a proven address is signed in with. */
    async user(options) {
      const email = address();
      const { user } = await good('createUser', admin.createUser({ email, password, email_confirm: true }));
      const auth = client(options);
      const { session } = await good('signInWithPassword', auth.signInWithPassword({ email, password }));
      return { auth, email, id: user.id, session };
    },
  };
}
