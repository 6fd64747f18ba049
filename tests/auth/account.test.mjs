// The signed-in user's own account, anonymous users, and passwords that came from elsewhere.
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { address, atEnd, claims, password, refusal, serve } from './harness.mjs';

let server;
const end = atEnd();
before(async () => { server = await serve(end, { 'auth.enable_anonymous_sign_ins': true }); });

const put = (session, body) => server.raw('/user', { method: 'PUT', token: session.access_token, body });

test('data is merged, and a null takes a key away', async () => {
  const session = await server.user(address(), { data: { a: 1, b: { c: 2 } } });
  const answer = await put(session, { data: { a: null, b: 3, d: [4] } });
  const { a, b, d } = answer.json.user_metadata;
  assert.deepEqual([a, b, d], [undefined, 3, [4]]);
  const refreshed = await server.refresh(session.refresh_token);
  assert.deepEqual(claims(refreshed.json.access_token).user_metadata.d, [4]);
  assert.equal(refusal(await put(session, { app_metadata: { admin: true } })), '403 not_admin');
});

test('a new password ends the other sessions, and the old one is no more', async () => {
  const email = address();
  const session = await server.user(email);
  const other = (await server.signIn(email)).json;
  assert.equal(refusal(await put(session, { password })), '422 same_password');
  assert.equal(refusal(await put(session, { password: '123' })), '422 weak_password');
  assert.equal((await put(session, { password: 'another one 43' })).status, 200);
  assert.equal((await server.raw('/user', { method: 'GET', token: session.access_token })).status, 200);
  assert.equal(refusal(await server.raw('/user', { method: 'GET', token: other.access_token })), '403 session_not_found');
  assert.equal(refusal(await server.signIn(email)), '400 invalid_credentials');
  assert.equal((await server.signIn(email, 'another one 43')).status, 200);
});

test('nobody takes another\'s address or number', async () => {
  const [a, b] = [address(), address()];
  await server.user(a);
  const session = await server.user(b);
  assert.equal(refusal(await put(session, { email: a })), '422 email_exists');
  const phone = await server.raw('/signup', { body: { phone: '+1 555 000 1111', password } });
  assert.equal(phone.status, 200);
  assert.equal(phone.json.user.phone, '15550001111');
  assert.ok(phone.json.user.phone_confirmed_at);
  assert.equal(refusal(await put(session, { phone: '15550001111' })), '422 phone_exists');
  const signedIn = await server.raw('/token?grant_type=password', { body: { phone: '+15550001111', password } });
  assert.equal(signedIn.json.user.id, phone.json.user.id);
  assert.equal(claims(signedIn.json.access_token).phone, '15550001111');
});

test('a phone is changed at once where numbers need no proof', async () => {
  const session = await server.user();
  const answer = await put(session, { phone: '15550002222' });
  assert.equal(answer.json.phone, '15550002222');
  assert.deepEqual(answer.json.app_metadata.providers, ['email', 'phone']);
  assert.equal(answer.json.identities.find(({ provider }) => provider === 'phone').identity_data.phone, '15550002222');
});

test('an anonymous user gets a name later and stays the same user', async () => {
  const { json: session } = await server.raw('/signup', { body: { data: { color: 'blue' } } });
  assert.equal(session.user.is_anonymous, true);
  assert.equal(session.user.email, '');
  assert.deepEqual(session.user.identities, []);
  const said = claims(session.access_token);
  assert.equal(said.is_anonymous, true);
  assert.deepEqual(said.amr.map(({ method }) => method), ['anonymous']);
  assert.equal(refusal(await put(session, { password })), '422 validation_failed');
  const email = address();
  const named = await put(session, { email, password });
  assert.equal(named.status, 200, named.text);
  assert.equal(named.json.id, session.user.id);
  assert.equal(named.json.is_anonymous, false);
  assert.equal(named.json.email, email);
  assert.ok(named.json.email_confirmed_at);
  assert.equal(named.json.user_metadata.color, 'blue');
  assert.deepEqual(named.json.identities.map(({ provider }) => provider), ['email']);
  assert.equal((await server.signIn(email)).json.user.id, session.user.id);
});

test('passwords of pgcrypto, argon2, Firebase and PBKDF2 records let in; a costly hash is made anew', async () => {
  const cases = {
    pgcrypto: ["extensions.crypt('test', extensions.gen_salt('bf'))", 'test'],
    costly: ["extensions.crypt('test', extensions.gen_salt('bf', 11))", 'test'],
    argon2: ["'$argon2id$v=19$m=32,t=3,p=2$SFVpOWJ0eXhjRzVkdGN1RQ$RXnb8rh7LaDcn07xsssqqulZYXOM/EUCEFMVcAcyYVk'", 'test'],
    firebase: ["'$fbscrypt$v=1,n=14,r=8,p=1,ss=Bw==,sk=jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA==$42xEC+ixf3L2lw==$lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ=='", 'user1password'],
    pbkdf2: [`'{"algorithm":"PBKDF2","iterations":1000,"salt":"c2FsdHNhbHQ=","hash":"${(await derived()).toString('base64')}"}'`, 'test'],
  };
  for (const [name, [hash, secret]] of Object.entries(cases)) {
    const email = address(name);
    const { user } = await server.user(email);
    await server.sql(`update auth.users set encrypted_password = ${hash} where id = '${user.id}'`);
    assert.equal(refusal(await server.signIn(email, 'other')), '400 invalid_credentials', name);
    const answer = await server.signIn(email, secret);
    assert.equal(answer.status, 200, `${name}: ${answer.text}`);
    if (name === 'costly') {
      const [{ kept }] = await server.sql(`select encrypted_password as kept from auth.users where id = '${user.id}'`);
      assert.match(kept, /^\$2a\$10\$/);
      assert.equal((await server.signIn(email, secret)).status, 200);
    }
    if (name === 'pgcrypto') assert.deepEqual(answer.json.weak_password.reasons, ['length']);
  }
});

async function derived() {
  const { pbkdf2Sync } = await import('node:crypto');
  return pbkdf2Sync('test', 'saltsalt', 1000, 32, 'sha256');
}

test('what pgcrypto checks, we have made', async () => {
  const { user } = await server.user();
  const rows = await server.sql(`select encrypted_password = extensions.crypt('${password}', encrypted_password) as same from auth.users where id = '${user.id}'`);
  assert.deepEqual(rows, [{ same: true }]);
});

test('auth-js: sign up, sign in, read, change, refresh, sign out', async () => {
  const client = server.client();
  const email = address();
  const up = await client.signUp({ email, password, options: { data: { first: 'Ann' } } });
  assert.equal(up.error, null);
  assert.equal(up.data.user.user_metadata.first, 'Ann');
  const again = await client.signUp({ email, password });
  assert.equal(again.error.code, 'user_already_exists');
  const wrong = await client.signInWithPassword({ email, password: 'wrong' });
  assert.deepEqual([wrong.error.status, wrong.error.code, wrong.error.message], [400, 'invalid_credentials', 'Invalid login credentials']);
  const weak = await client.signUp({ email: address(), password: 'a' });
  assert.deepEqual([weak.error.name, weak.error.reasons], ['AuthWeakPasswordError', ['length']]);
  const signedIn = await client.signInWithPassword({ email, password });
  assert.equal(signedIn.error, null);
  assert.equal((await client.getUser()).data.user.email, email);
  const updated = await client.updateUser({ data: { last: 'Bee' } });
  assert.deepEqual([updated.data.user.user_metadata.first, updated.data.user.user_metadata.last], ['Ann', 'Bee']);
  const refreshed = await client.refreshSession();
  assert.equal(refreshed.error, null);
  assert.notEqual(refreshed.data.session.refresh_token, signedIn.data.session.refresh_token);
  const { data: { claims: said } } = await client.getClaims();
  assert.equal(said.email, email);
  assert.equal((await client.signOut()).error, null);
  assert.equal((await client.getSession()).data.session, null);
  const anonymous = await client.signInAnonymously();
  assert.equal(anonymous.data.user.is_anonymous, true);
});
