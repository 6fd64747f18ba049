// Mails that tell users what changed in their account: each where the project asks for it, none where it does not.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { after, before, test } from 'node:test';
import { address, gateway, number, ok } from './mailbox.mjs';
import { CLIENT, follow, provider } from './provider.mjs';
import { code } from './totp.mjs';

const password = 'correct horse';
const kinds = ['password_changed', 'email_changed', 'phone_changed', 'identity_linked', 'identity_unlinked', 'mfa_factor_enrolled', 'mfa_factor_unenrolled'];
const all = Object.fromEntries(kinds.map((kind) => [`auth.email.notification.${kind}.enabled`, 'true']));

let auth, quiet, oidc;
before(async () => {
  oidc = await provider();
  const settings = {
    'auth.enable_manual_linking': 'true', 'auth.mfa.max_enrolled_factors': '3',
    'auth.external.keycloak.enabled': 'true', 'auth.external.keycloak.client_id': CLIENT.client_id,
    'auth.external.keycloak.secret': CLIENT.client_secret, 'auth.external.keycloak.url': oidc.issuer,
  };
  auth = await gateway({ after }, {
    ...settings, ...all,
    'auth.email.notification.password_changed.subject': 'New password, {{ .Data.name }}',
    'auth.email.notification.password_changed.content': '<p>{{ .Email }} at {{ .SiteURL }}</p>',
  });
  quiet = await gateway({ after }, settings);
  oidc.serve([auth, quiet].map(({ url }) => `${url}/callback`));
});
after(async () => {
  oidc?.close();
  for (const each of [auth, quiet]) await each?.server.end('SIGKILL');
});

/** A user who is signed in. */
async function user(at, more = {}) {
  const email = address();
  ok(await at.admin().admin.createUser({ email, password, email_confirm: true, user_metadata: { name: 'Ada <1>' }, ...more }));
  const client = at.client();
  ok(await client.signInWithPassword({ email, password }));
  return { client, email };
}

/** Kinds of the mails that told something, the oldest first. */
const told = async (at, email) => (await at.messages(email)).filter(({ recipient, kind }) => recipient === email && kind.endsWith('_notification')).reverse();
const kindsOf = (messages) => messages.map(({ kind }) => kind.replace('_notification', ''));

/** Everything that can be told, done once. */
async function change(at) {
  const phone = number();
  const { client, email } = await user(at, { phone, phone_confirm: true });
  ok(await client.updateUser({ password: 'another horse' }));
  const other = number();
  ok(await client.updateUser({ phone: other }));
  ok(await client.verifyOtp({ phone: other, token: (await at.message(other, 'phone_change')).code, type: 'phone_change' }));

  oidc.signIn({ sub: `of-${email}`, email: `other-${email}`, email_verified: true, name: 'Ada' });
  const { url } = ok(await client.linkIdentity({ provider: 'keycloak', options: { redirectTo: 'http://app.test/', scopes: 'openid', skipBrowserRedirect: true } }));
  await follow(url, ({ origin }) => origin === 'http://app.test');
  const { identities } = ok(await client.getUserIdentities());
  ok(await client.unlinkIdentity(identities.find(({ provider }) => provider === 'keycloak')));

  const factor = ok(await client.mfa.enroll({ factorType: 'totp' }));
  assert.ok(!kindsOf(await told(at, email)).includes('mfa_factor_enrolled'), 'a factor counts when it is proved');
  ok(await client.mfa.challengeAndVerify({ factorId: factor.id, code: code(factor.totp.secret) }));
  ok(await client.mfa.challengeAndVerify({ factorId: factor.id, code: code(factor.totp.secret, 1) }));
  ok(await client.mfa.unenroll({ factorId: factor.id }));

  const wanted = address();
  ok(await client.updateUser({ email: wanted }));
  for (const to of [wanted, email]) await at.follow((await at.message(to, 'email_change')).link);
  return { email, wanted, phone, other };
}

test('every change is told once, to the address that the user had', async () => {
  const { email, wanted, phone, other } = await change(auth);
  const messages = await told(auth, email);
  assert.deepEqual(kindsOf(messages), ['password_changed', 'phone_changed', 'identity_linked', 'identity_unlinked', 'mfa_factor_enrolled', 'mfa_factor_unenrolled', 'email_changed']);
  const text = Object.fromEntries(messages.map(({ kind, text }) => [kind.replace('_notification', ''), text]));
  assert.ok(text.phone_changed.includes(`from ${phone} to ${other}.`), text.phone_changed);
  assert.ok(text.email_changed.includes(`from ${email} to ${wanted}.`), text.email_changed);
  assert.match(text.identity_linked, /Your keycloak account was linked as a new sign-in method/);
  assert.match(text.identity_unlinked, /Your keycloak account was removed/);
  assert.match(text.mfa_factor_enrolled, /method totp was added/);
  assert.match(text.mfa_factor_unenrolled, /method totp was removed/);
  assert.equal(messages.at(-1).subject, 'Your email address was changed');
  for (const { code, link } of messages) assert.deepEqual([code, link], [null, null], 'no key is in it');
  assert.deepEqual(await told(auth, wanted), []);
});

test('the words may be the project’s own', async () => {
  const { client, email } = await user(auth);
  ok(await client.updateUser({ password: 'another horse' }));
  const [message] = await told(auth, email);
  assert.equal(message.subject, 'New password, Ada &lt;1&gt;');
  assert.equal(message.html, `<p>${email} at http://site.test</p>`);
});

test('nothing is told where nobody asked for it, nor of what did not happen', async () => {
  const { email } = await change(quiet);
  assert.deepEqual(await told(quiet, email), []);
  const { client, email: same } = await user(auth);
  assert.equal((await client.updateUser({ password })).error.code, 'same_password');
  ok(await client.updateUser({ data: { colour: 'blue' } }));
  assert.deepEqual(await told(auth, same), []);
});

test('a first number is a new way to sign in, not a change', async () => {
  const { client, email } = await user(auth);
  const phone = number();
  ok(await client.updateUser({ phone }));
  ok(await client.verifyOtp({ phone, token: (await auth.message(phone, 'phone_change')).code, type: 'phone_change' }));
  const messages = await told(auth, email);
  assert.deepEqual(kindsOf(messages), ['identity_linked']);
  assert.match(messages[0].text, /Your phone account/);
});

test('an identity that is linked by its token is told as well', async () => {
  const { client, email } = await user(auth);
  const who = { sub: `token-of-${email}`, email: `other-${email}`, email_verified: true, name: 'Ada' };
  const { id_token: token, access_token } = await oidc.tokens(who, { nonce: createHash('sha256').update('a nonce').digest('hex'), callback: `${auth.url}/callback` });
  ok(await client.linkIdentity({ provider: 'keycloak', token, access_token, nonce: 'a nonce' }));
  const messages = await told(auth, email);
  assert.deepEqual(kindsOf(messages), ['identity_linked']);
  assert.match(messages[0].text, /Your keycloak account/);
});

test('a change of address in a PKCE flow is told as well', async () => {
  const { email } = await user(auth);
  const client = auth.client({ flowType: 'pkce' });
  ok(await client.signInWithPassword({ email, password }));
  const wanted = address();
  ok(await client.updateUser({ email: wanted }));
  for (const to of [wanted, email]) await auth.follow((await auth.message(to, 'email_change')).link);
  assert.deepEqual(kindsOf(await told(auth, email)), ['email_changed']);
});

test('a change stands though its mail cannot leave', async (t) => {
  const gone = createServer().listen(0, '127.0.0.1');
  await once(gone, 'listening');
  const { port } = gone.address();
  await new Promise((resolve) => gone.close(resolve));
  const at = await gateway(t, { ...all, 'auth.email.smtp.host': '127.0.0.1', 'auth.email.smtp.port': String(port) });
  t.after(() => at.server.end('SIGKILL'));
  const { client, email } = await user(at);
  ok(await client.updateUser({ password: 'another horse' }));
  ok(await at.client().signInWithPassword({ email, password: 'another horse' }));
  const [message] = await told(at, email);
  assert.equal(message.delivery, 'failed');
});
