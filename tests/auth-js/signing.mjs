// Signing up and in: with a password, without a name, with a provider's token, with a wallet.
import { bad, good, matches, ok, same } from '../clients/expect.mjs';
import { address, claims, fragment, methods, password, phoneNumber, stranger } from './people.mjs';

const ALPHABET = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz';
function base58(bytes) {
  let number = bytes.reduce((number, byte) => number * 256n + BigInt(byte), 0n);
  let text = '';
  for (; number > 0n; number /= 58n) text = ALPHABET[Number(number % 58n)] + text;
  return text;
}

export const signing = {
  'signUp, signInWithPassword: an address that must be proven first': async ({ client, mail, landing }) => {
    const [auth, email] = [client(), address()];
    const { user, session } = await good('signUp', auth.signUp({ email, password, options: { data: { first: 'Ann' }, emailRedirectTo: landing } }));
    same([session, user.email, user.user_metadata.first, user.email_confirmed_at], [null, email, 'Ann', undefined], 'signUp');
    ok(user.confirmation_sent_at && user.identities.length === 1, 'a confirmation was sent');
    await bad('not proven', auth.signInWithPassword({ email, password }), { status: 400, code: 'email_not_confirmed' });
    const { code } = await mail(email);
    const proven = await good('verifyOtp', auth.verifyOtp({ email, token: code, type: 'signup' }));
    ok(proven.session.access_token && proven.user.email_confirmed_at, 'verifyOtp');
    const signedIn = await good('signInWithPassword', auth.signInWithPassword({ email, password }));
    same([signedIn.user.id, signedIn.session.token_type, signedIn.weakPassword ?? null], [user.id, 'bearer', null], 'signInWithPassword');
    same(methods(signedIn.session.access_token), ['password'], 'amr');
    await bad('wrong', auth.signInWithPassword({ email, password: 'wrong' }), { name: 'AuthApiError', status: 400, code: 'invalid_credentials', message: 'Invalid login credentials' });
    await bad('unknown', auth.signInWithPassword({ email: address(), password }), { status: 400, code: 'invalid_credentials', message: 'Invalid login credentials' });
    const weak = await bad('weak', auth.signUp({ email: address(), password: 'a' }), { name: 'AuthWeakPasswordError', status: 422, code: 'weak_password' });
    same(weak.reasons, ['length'], 'weak');
    const again = await good('signUp again', auth.signUp({ email, password }));
    same([again.user.identities, again.user.id === user.id], [[], false], 'a known address is answered like a new one');
  },
  'signUp, signInWithPassword: a phone': async ({ client, sms }) => {
    const [auth, phone] = [client(), phoneNumber()];
    const { user, session } = await good('signUp', auth.signUp({ phone: `+${phone}`, password, options: { channel: 'sms' } }));
    same([session, user.phone], [null, phone], 'signUp');
    const { code } = await sms(phone);
    const proven = await good('verifyOtp', auth.verifyOtp({ phone: `+${phone}`, token: code, type: 'sms' }));
    same([proven.user.id, claims(proven.session.access_token).phone], [user.id, phone], 'verifyOtp');
    same((await good('signInWithPassword', auth.signInWithPassword({ phone: `+${phone}`, password }))).user.id, user.id, 'signInWithPassword');
  },
  'signInAnonymously': async ({ client, mail }) => {
    const auth = client();
    const { user, session } = await good('signInAnonymously', auth.signInAnonymously({ options: { data: { colour: 'blue' } } }));
    same([user.is_anonymous, user.user_metadata.colour, claims(session.access_token).is_anonymous], [true, 'blue', true], 'anonymous');
    const email = address();
    await good('updateUser', auth.updateUser({ email }));
    const named = await good('verifyOtp', auth.verifyOtp({ email, token: (await mail(email)).code, type: 'email_change' }));
    same([named.user.id, named.user.is_anonymous, named.user.email], [user.id, false, email], 'the same user, with a name');
  },
  'signInWithOAuth, exchangeCodeForSession: a provider': async ({ client, provider, follow, landing, url }) => {
    const [auth, who] = [client({ flowType: 'pkce' }), stranger()];
    await provider.signIn(who);
    const asked = await good('signInWithOAuth', auth.signInWithOAuth({ provider: 'keycloak', options: { redirectTo: landing, scopes: 'openid', queryParams: { prompt: 'login' }, skipBrowserRedirect: true } }));
    same(asked.provider, 'keycloak', 'provider');
    const target = new URL(asked.url);
    same([target.origin + target.pathname, target.searchParams.get('code_challenge_method'), target.searchParams.get('prompt')], [`${url}/authorize`, 's256', 'login'], 'url');
    const landed = await follow(asked.url);
    const code = new URL(landed).searchParams.get('code');
    ok(code, landed);
    const { user, session } = await good('exchangeCodeForSession', auth.exchangeCodeForSession(code));
    same([user.email, user.user_metadata.full_name, methods(session.access_token)], [who.email, who.name, ['oauth']], 'the user');
    ok(session.provider_token, 'the provider’s own token');
    await bad('twice', auth.exchangeCodeForSession(code), { name: /PKCE/ });
    await provider.signIn(who);
    const implicit = await good('signInWithOAuth', client().signInWithOAuth({ provider: 'keycloak', options: { redirectTo: landing, scopes: 'openid', skipBrowserRedirect: true } }));
    same(claims(fragment(await follow(implicit.url)).access_token).sub, user.id, 'the implicit way, the same user');
    const off = await fetch((await good('one that is off', client().signInWithOAuth({ provider: 'google', options: { skipBrowserRedirect: true } }))).url);
    same([off.status, (await off.json()).msg], [400, 'Unsupported provider: provider is not enabled'], 'one that is off');
  },
  'signInWithIdToken': async ({ client, provider }) => {
    const [auth, who] = [client(), stranger()];
    const { id_token: token, access_token } = await provider.tokens(who, 'a nonce');
    const { user, session } = await good('signInWithIdToken', auth.signInWithIdToken({ provider: 'keycloak', token, access_token, nonce: 'a nonce' }));
    same([user.email, methods(session.access_token)], [who.email, ['oauth']], 'the user');
    await bad('another nonce', auth.signInWithIdToken({ provider: 'keycloak', token, access_token, nonce: 'another' }), { status: 400 });
    await bad('forged', auth.signInWithIdToken({ provider: 'keycloak', token: `${token.slice(0, -4)}AAAA`, access_token, nonce: 'a nonce' }), { status: 400 });
    await bad('one that is off', auth.signInWithIdToken({ provider: 'google', token }), { status: 400, code: 'provider_disabled' });
  },
  'linkIdentity, getUserIdentities, unlinkIdentity': async ({ user, provider, follow, landing, client }) => {
    const { auth, email } = await user();
    const who = stranger();
    await provider.signIn(who);
    const { url } = await good('linkIdentity', auth.linkIdentity({ provider: 'keycloak', options: { redirectTo: landing, scopes: 'openid', skipBrowserRedirect: true } }));
    const landed = await follow(url);
    ok(fragment(landed).access_token, landed);
    const { identities } = await good('getUserIdentities', auth.getUserIdentities());
    same(identities.map(({ provider }) => provider).toSorted(), ['email', 'keycloak'], 'getUserIdentities');
    await good('unlinkIdentity', auth.unlinkIdentity(identities.find(({ provider }) => provider === 'keycloak')));
    const left = (await good('getUserIdentities', auth.getUserIdentities())).identities;
    same(left.map(({ provider }) => provider), ['email'], 'one is left');
    await bad('the last one', auth.unlinkIdentity(left[0]), { status: 422, code: 'single_identity_not_deletable' });
    const other = stranger();
    const { id_token: token, access_token } = await provider.tokens(other, 'n');
    const linked = await good('linkIdentity, by a token', auth.linkIdentity({ provider: 'keycloak', token, access_token, nonce: 'n' }));
    same([linked.user.email, linked.user.identities.map(({ provider }) => provider).toSorted()], [email, ['email', 'keycloak']], 'by a token');
    await bad('nobody', client().linkIdentity({ provider: 'keycloak', options: { skipBrowserRedirect: true } }), { status: 403, code: 'bad_jwt' });
  },
  'signInWithWeb3: a wallet of Solana': async ({ client, site }) => {
    const { publicKey, privateKey } = await crypto.subtle.generateKey('Ed25519', true, ['sign', 'verify']);
    const key = base58([...new Uint8Array(await crypto.subtle.exportKey('raw', publicKey))]);
    const sign = async (message) => new Uint8Array(await crypto.subtle.sign('Ed25519', privateKey, message));
    const wallet = { publicKey: { toBase58: () => key }, signMessage: sign };
    const auth = client();
    const { user, session } = await good('wallet', auth.signInWithWeb3({ chain: 'solana', wallet, statement: 'Sign in, please', options: { url: `${site}/` } }));
    same([user.app_metadata.provider, user.user_metadata.custom_claims.address, methods(session.access_token)], ['web3', key, ['web3']], 'the user');
    const message = [`${new URL(site).host} wants you to sign in with your Solana account:`, key, '', 'Version: 1', `URI: ${site}/`, `Issued At: ${new Date().toISOString()}`].join('\n');
    const signature = await sign(new TextEncoder().encode(message));
    same((await good('message', auth.signInWithWeb3({ chain: 'solana', message, signature }))).user.id, user.id, 'message');
    await bad('another signature', auth.signInWithWeb3({ chain: 'solana', message, signature: new Uint8Array(64) }), { status: 400 });
    await bad('another chain', auth.signInWithWeb3({ chain: 'ethereum', message: 'x', signature: '0x00' }), { status: 400 });
  },
  'signInWithSSO is off': async ({ client }) => {
    await bad('by domain', client().signInWithSSO({ domain: 'example.com' }), { status: 404, code: 'saml_provider_disabled', message: 'SAML 2.0 is disabled' });
    await bad('by provider', client().signInWithSSO({ providerId: crypto.randomUUID(), options: { redirectTo: 'http://x.test' } }), { status: 404, code: 'saml_provider_disabled' });
  },
  'a captcha’s token is not minded where none is asked for': async ({ client, user }) => {
    const { email } = await user();
    const options = { captchaToken: 'solved' };
    const auth = client();
    await good('signUp', auth.signUp({ email: address(), password, options }));
    await good('signInWithPassword', auth.signInWithPassword({ email, password, options }));
    await good('signInAnonymously', auth.signInAnonymously({ options }));
    await good('signInWithOtp', auth.signInWithOtp({ email, options }));
    await good('resend', auth.resend({ type: 'signup', email, options }));
    await good('resetPasswordForEmail', auth.resetPasswordForEmail(email, options));
    await bad('verifyOtp', auth.verifyOtp({ email, token: '000000', type: 'email', options }), { code: 'otp_expired' });
    await bad('signInWithSSO', auth.signInWithSSO({ domain: 'example.com', options }), { code: 'saml_provider_disabled' });
    ok((await good('startAuthentication', auth.passkey.startAuthentication({ options }))).challenge_id, 'startAuthentication');
  },
  'a client that throws': async ({ client }) => {
    const [throwing, quiet] = [client({ throwOnError: true }), client()];
    same([throwing.isThrowOnErrorEnabled(), quiet.isThrowOnErrorEnabled()], [true, false], 'isThrowOnErrorEnabled');
    const error = await throwing.signInWithPassword({ email: address(), password }).then(() => undefined, (error) => error);
    matches(error?.message, /Invalid login credentials/, 'thrown');
  },
};
