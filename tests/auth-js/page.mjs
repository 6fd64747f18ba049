// What needs a page: `navigator.credentials`, and an address that somebody came back to.
import { bad, good, ok, same } from '../clients/expect.mjs';
import { claims, fragment, methods, password } from './people.mjs';

export const inPage = {
  'registerPasskey, signInWithPasskey': async ({ user, client, device }) => {
    await device();
    const { auth, id } = await user();
    const made = await good('registerPasskey', auth.registerPasskey());
    same((await good('list', auth.passkey.list())).map(({ id }) => id), [made.id], 'registerPasskey');
    const other = client();
    const { user: who, session } = await good('signInWithPasskey', other.signInWithPasskey());
    same([who.id, methods(session.access_token)], [id, ['passkey']], 'signInWithPasskey');
    await good('delete', auth.passkey.delete({ passkeyId: made.id }));
    await bad('a key that was taken away', client().signInWithPasskey(), {});
  },
  'mfa.webauthn: registered at once, used at once': async ({ user, client, device }) => {
    await device();
    const { auth, email } = await user();
    const { session } = await good('register', auth.mfa.webauthn.register({ friendlyName: 'key' })).then((data) => ({ session: data }));
    same([claims(session.access_token).aal, methods(session.access_token)], ['aal2', ['mfa/webauthn', 'password']], 'register');
    const fresh = client();
    await good('signInWithPassword', fresh.signInWithPassword({ email, password }));
    const [factor] = (await good('listFactors', fresh.mfa.listFactors())).webauthn;
    const raised = await good('authenticate', fresh.mfa.webauthn.authenticate({ factorId: factor.id }));
    same([claims(raised.access_token).aal, methods(raised.access_token)], ['aal2', ['mfa/webauthn', 'password']], 'authenticate');
  },
  'mfa.webauthn: enroll, challenge, verify': async ({ user, device }) => {
    await device();
    const { auth } = await user();
    const webauthn = { rpId: location.hostname, rpOrigins: [location.origin] };
    const factor = await good('enroll', auth.mfa.webauthn.enroll({ friendlyName: 'key' }));
    same(factor.type, 'webauthn', 'enroll');
    const asked = await good('challenge', auth.mfa.webauthn.challenge({ factorId: factor.id, webauthn, friendlyName: 'key' }));
    same([asked.factorId, asked.webauthn.type], [factor.id, 'create'], 'challenge');
    const session = await good('verify', auth.mfa.webauthn.verify({ ...asked, webauthn: { ...webauthn, ...asked.webauthn } }));
    same(claims(session.access_token).aal, 'aal2', 'verify');
  },
  'initialize: the session in the address of a page': async ({ user, client, mail, follow, landing }) => {
    const { email, id } = await user();
    await good('signInWithOtp', client().signInWithOtp({ email, options: { emailRedirectTo: landing } }));
    const landed = fragment(await follow((await mail(email)).link));
    const before = location.href;
    try {
      history.replaceState(null, '', `${location.pathname}#${new URLSearchParams(landed)}`);
      const auth = client({ detectSessionInUrl: true });
      same(await auth.initialize(), { error: null }, 'initialize');
      same(claims((await good('getSession', auth.getSession())).session.access_token).sub, id, 'getSession');
      ok(!location.hash.includes('access_token'), 'the address says it no more');
    } finally {
      history.replaceState(null, '', before);
    }
  },
};
