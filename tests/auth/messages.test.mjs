// Everything that goes by a message: auth-js from npm and bare requests, with links and codes out of the outbox.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { address, app, fragment, gateway, number, ok, refused, site } from './mailbox.mjs';

const password = 'correct horse';
let auth;
before(async () => { auth = await gateway({ after }, { 'auth.sms.test_otp.4915199999999': '123456' }); });
after(() => auth?.server.end('SIGKILL'));

/** A user who proved the address. */
async function confirmed(client = auth.client()) {
  const email = address();
  ok(await client.signUp({ email, password }));
  const { code } = await auth.message(email, 'confirmation');
  const { user } = ok(await client.verifyOtp({ email, token: code, type: 'signup' }));
  return { client, email, user };
}


test('who signs up proves the address with a code, once', async () => {
  const client = auth.client();
  const email = address();
  const { user, session } = ok(await client.signUp({ email, password, options: { data: { name: '<b>Ann</b>' }, emailRedirectTo: app } }));
  assert.equal(session, null);
  assert.equal(user.email, email);
  assert.ok(user.confirmation_sent_at);
  assert.equal(user.email_confirmed_at, undefined);
  refused(await client.signInWithPassword({ email, password }), 400, 'email_not_confirmed');
  const message = await auth.message(email, 'confirmation');
  assert.match(message.code, /^\d{6}$/);
  assert.equal(message.subject, 'Confirm your email address');
  assert.equal(new URL(message.link).searchParams.get('redirect_to'), app);
  assert.ok(message.html.includes(message.link.replaceAll('&', '&amp;')));
  assert.equal(message.user_id, user.id);
  refused(await client.verifyOtp({ email, token: '000000', type: 'signup' }), 403, 'otp_expired', 'Token has expired or is invalid');
  const verified = ok(await client.verifyOtp({ email, token: message.code, type: 'signup' }));
  assert.ok(verified.session.access_token);
  assert.ok(verified.user.email_confirmed_at);
  assert.equal(verified.user.user_metadata.email_verified, true);
  assert.equal(verified.user.identities[0].identity_data.email_verified, true);
  refused(await client.verifyOtp({ email, token: message.code, type: 'signup' }), 403, 'otp_expired');
  ok(await client.signInWithPassword({ email, password }));
});

test('a code is good for any mail as type email, and a hash by itself', async () => {
  const client = auth.client();
  const email = address();
  ok(await client.signUp({ email, password }));
  const first = await auth.message(email, 'confirmation');
  ok(await client.verifyOtp({ email, token: first.code, type: 'email' }));
  ok(await client.signInWithOtp({ email }));
  const second = await auth.message(email, 'magic_link');
  ok(await client.verifyOtp({ email, token: second.code, type: 'email' }));
  ok(await client.signInWithOtp({ email }));
  const third = await auth.message(email, 'magic_link');
  const token_hash = new URL(third.link).searchParams.get('token');
  ok(await client.verifyOtp({ token_hash, type: 'email' }));
  refused(await client.verifyOtp({ token_hash, type: 'email' }), 403, 'otp_expired', 'Email link is invalid or has expired');
});

test('a link signs in and leads back, once', async () => {
  const client = auth.client();
  const email = address();
  ok(await client.signUp({ email, password, options: { emailRedirectTo: `${app}?next=1&more=2` } }));
  const { link } = await auth.message(email, 'confirmation');
  const location = await auth.follow(link);
  assert.ok(location.startsWith(`${app}?next=1&more=2#access_token=`), location);
  const { access_token, refresh_token, type, token_type, sb, expires_in, expires_at } = fragment(location);
  assert.deepEqual([type, token_type, sb, expires_in], ['signup', 'bearer', '', '3600']);
  assert.ok(Number(expires_at) > Date.now() / 1000);
  const { user } = ok(await client.setSession({ access_token, refresh_token }));
  assert.equal(user.email, email);
  const again = await auth.follow(link);
  assert.deepEqual(fragment(again), { error: 'access_denied', error_code: 'otp_expired', error_description: 'Email link is invalid or has expired', sb: '' });
});

test('links lead only where the project allows', async () => {
  for (const [redirect_to, expected] of [
    [undefined, site], ['http://evil.test/', site], ['http://site.test.evil.test', site], ['//evil.test', site], ['javascript:alert(1)', site],
    [`${site}/deep?a=b`, `${site}/deep?a=b`], [app, app], ['http://app.test.evil.test/x', site], ['http://127.0.0.1:9/x', 'http://127.0.0.1:9/x'],
  ]) {
    const email = address();
    const query = redirect_to === undefined ? '' : `?${new URLSearchParams({ redirect_to })}`;
    assert.equal((await auth.ask(`/otp${query}`, { body: { email } })).status, 200);
    const { link } = await auth.message(email, 'confirmation');
    assert.equal(new URL(link).searchParams.get('redirect_to'), expected, redirect_to);
    // What was changed in the link on its way does not matter either.
    const changed = new URL(link);
    changed.searchParams.set('redirect_to', redirect_to ?? '');
    assert.ok((await auth.follow(changed)).startsWith(`${expected}#access_token=`), redirect_to);
  }
});

test('a link does not lead to the host that a request names', async () => {
  const { port } = auth.server;
  const http = await import('node:http');
  const email = address();
  const status = await new Promise((resolve, reject) => {
    const request = http.request({ host: '127.0.0.1', port, path: '/auth/v1/otp', method: 'POST', headers: { host: 'evil.test', apikey: auth.server.keys.publishable, 'content-type': 'application/json' } }, (response) => resolve(response.resume().statusCode));
    request.on('error', reject);
    request.end(JSON.stringify({ email }));
  });
  assert.equal(status, 200);
  const { link, html } = await auth.message(email, 'confirmation');
  assert.ok(!`${link}${html}`.includes('evil.test'), link);
});

test('a link without its parts is a bad request', async () => {
  for (const [query, message] of [['', 'Verify requires a verification type'], ['?type=signup', 'Verify requires a token or a token hash']]) {
    const { status, body } = await auth.ask(`/verify${query}`);
    assert.deepEqual([status, body], [400, { code: 'validation_failed', message }]);
  }
  const location = await auth.follow(`${auth.url}/verify?type=nonsense&token=x&redirect_to=${app}`);
  assert.ok(location.startsWith(`${app}#`));
  assert.deepEqual(fragment(location), { error: 'invalid_request', error_code: 'validation_failed', error_description: 'Invalid email verification type', sb: '' });
});

test('verify says what it lacks', async () => {
  const email = address();
  for (const [body, status, message] of [
    [{}, 400, 'Verify requires a verification type'],
    [{ type: 'signup' }, 400, 'Verify requires either a token or a token hash'],
    [{ type: 'signup', token: '1', token_hash: '2' }, 400, 'Verify requires either a token or a token hash'],
    [{ type: 'signup', token: '1' }, 400, 'Only an email address or phone number should be provided on verify'],
    [{ type: 'signup', token: '1', email, phone: '49151' }, 400, 'Only an email address or phone number should be provided on verify'],
    [{ type: 'signup', token: '1', email: 'nobody' }, 422, 'Invalid email format'],
    [{ type: 'sms', token: '1', phone: 'abc' }, 400, 'Invalid phone number format (E.164 required)'],
    [{ type: 'email', token_hash: '1', email }, 400, 'Only the token_hash and type should be provided'],
    [{ type: 'nonsense', token_hash: '1' }, 400, 'Invalid email verification type'],
  ]) {
    const answer = await auth.ask('/verify', { body });
    assert.deepEqual([answer.status, answer.body], [status, { code: 'validation_failed', message }], JSON.stringify(body));
  }
  for (const body of [{ type: 'signup', token: '1', email }, { type: 'sms', token: '1', phone: '4915' }, { type: 'email_change', token: '1', email }, { type: 'phone_change', token: '1', phone: '4915' }, { type: 'nonsense', token: '1', email }]) {
    const answer = await auth.ask('/verify', { body });
    assert.deepEqual([answer.status, answer.body], [403, { code: 'otp_expired', message: 'Token has expired or is invalid' }], JSON.stringify(body));
  }
});

test('of two that come with the same token one is let in', async () => {
  const email = address();
  await auth.ask('/otp', { body: { email } });
  const { code: token } = await auth.message(email, 'confirmation');
  const answers = await Promise.all(Array.from({ length: 8 }, () => auth.ask('/verify', { body: { type: 'email', email, token } })));
  const statuses = answers.map(({ status }) => status).sort();
  assert.deepEqual(statuses, [200, 403, 403, 403, 403, 403, 403, 403]);
  const [{ count }] = await auth.server.sql(`select count(*)::int from auth.sessions s join auth.users u on u.id = s.user_id where u.email = '${email}'`);
  assert.equal(count, 1);
});

test('a token is of one user, one kind and one hour', async () => {
  const [one, other] = [await confirmed(), await confirmed()];
  ok(await one.client.signInWithOtp({ email: one.email }));
  const { code: token, link } = await auth.message(one.email, 'magic_link');
  refused(await other.client.verifyOtp({ email: other.email, token, type: 'email' }), 403, 'otp_expired');
  refused(await one.client.verifyOtp({ email: one.email, token, type: 'signup' }), 403, 'otp_expired');
  refused(await one.client.verifyOtp({ token_hash: new URL(link).searchParams.get('token'), type: 'signup' }), 403, 'otp_expired');
  await auth.server.sql(`update auth.users set recovery_sent_at = now() - interval '61 minutes' where email = '${one.email}'`);
  refused(await one.client.verifyOtp({ email: one.email, token, type: 'email' }), 403, 'otp_expired');
  assert.equal(fragment(await auth.follow(link)).error_code, 'otp_expired');
  await auth.server.sql(`update auth.users set recovery_sent_at = now() where email = '${one.email}'`);
  await auth.server.sql(`update auth.users set banned_until = now() + interval '1 hour' where email = '${one.email}'`);
  refused(await one.client.verifyOtp({ email: one.email, token, type: 'email' }), 403, 'user_banned', 'User is banned');
  await auth.server.sql(`update auth.users set banned_until = null where email = '${one.email}'`);
  ok(await one.client.verifyOtp({ email: one.email, token, type: 'email' }));
});

test('otp makes users, unless it may not', async () => {
  const client = auth.client();
  const email = address();
  refused(await client.signInWithOtp({ email, options: { shouldCreateUser: false } }), 422, 'otp_disabled', 'Signups not allowed for otp');
  assert.deepEqual(ok(await client.signInWithOtp({ email, options: { data: { name: 'Ann' } } })), { user: null, session: null });
  const { code: token } = await auth.message(email, 'confirmation');
  const { user } = ok(await client.verifyOtp({ email, token, type: 'email' }));
  assert.equal(user.user_metadata.name, 'Ann');
  ok(await client.signInWithOtp({ email, options: { shouldCreateUser: false } }));
  await auth.message(email, 'magic_link');
  for (const [body, message] of [
    [{}, 'One of email or phone must be set'],
    [{ email, phone: '49151' }, 'Only an email address or phone number should be provided'],
    [{ email, channel: 'sms' }, 'Channel should only be specified with Phone OTP'],
    [{ email: 'no' }, 'Unable to validate email address: invalid format'],
    [{ email, code_challenge: 'x' }, 'PKCE flow requires code_challenge_method and code_challenge'],
    [{ email, code_challenge: 'x', code_challenge_method: 's256' }, 'code challenge has to be between 43 and 128 characters'],
  ]) {
    const answer = await auth.ask('/otp', { body });
    assert.deepEqual([answer.status, answer.body.message], [400, message]);
  }
  assert.deepEqual((await auth.ask('/magiclink', { body: { email } })).body, {});
  assert.equal((await auth.ask('/magiclink', { body: {} })).status, 422);
});

test('who is not there is answered like who is', async () => {
  const { email } = await confirmed();
  const unconfirmed = address();
  ok(await auth.client().signUp({ email: unconfirmed, password }));
  const stranger = address();
  for (const [path, body] of [['/recover', {}], ['/resend', { type: 'signup' }], ['/resend', { type: 'email_change' }], ['/otp', {}], ['/magiclink', {}]]) {
    const answers = [];
    for (const name of [email, unconfirmed, stranger]) {
      const { status, body: answer, headers } = await auth.ask(path, { body: { ...body, email: name } });
      answers.push({ status, answer, headers: [...headers.keys()] });
    }
    assert.deepEqual(answers[1], answers[0], path);
    assert.deepEqual(answers[2], answers[0], path);
    assert.deepEqual([answers[0].status, answers[0].answer], [200, {}]);
  }
  // Signing up again with a confirmed address looks like the first time, with nothing of the user in it.
  const shape = (user) => Object.keys(user).sort();
  const fresh = (await auth.ask('/signup', { body: { email: address(), password } })).body;
  const repeated = (await auth.ask('/signup', { body: { email, password } })).body;
  assert.deepEqual(shape(repeated), shape(fresh));
  const [{ id }] = await auth.server.sql(`select id from auth.users where email = '${email}'`);
  assert.notEqual(repeated.id, id);
  assert.deepEqual(repeated.identities, []);
});

test('a forgotten password is reset', async () => {
  const { email } = await confirmed();
  const client = auth.client();
  ok(await client.resetPasswordForEmail(email, { redirectTo: app }));
  const { link, code: token } = await auth.message(email, 'recovery');
  const location = await auth.follow(link);
  assert.equal(fragment(location).type, 'recovery');
  const { access_token, refresh_token } = fragment(location);
  ok(await client.setSession({ access_token, refresh_token }));
  ok(await client.updateUser({ password: 'another horse' }));
  ok(await auth.client().signInWithPassword({ email, password: 'another horse' }));
  refused(await client.verifyOtp({ email, token, type: 'recovery' }), 403, 'otp_expired');
  refused(await auth.client().resetPasswordForEmail(''), 400, 'validation_failed', 'Password recovery requires an email');
});

test('proof keys hand the session over by a code', async () => {
  for (const [begin, kind, type] of [
    [(client, email) => client.signUp({ email, password, options: { emailRedirectTo: app } }), 'confirmation', 'signup'],
    [(client, email) => client.signInWithOtp({ email, options: { emailRedirectTo: app } }), 'magic_link', 'magiclink'],
    [(client, email) => client.resetPasswordForEmail(email, { redirectTo: app }), 'recovery', 'recovery'],
  ]) {
    const email = kind === 'confirmation' ? address() : (await confirmed()).email;
    const client = auth.client({ flowType: 'pkce' });
    ok(await begin(client, email));
    const { link } = await auth.message(email, kind);
    assert.ok(new URL(link).searchParams.get('token').startsWith('pkce_'));
    assert.equal(new URL(link).searchParams.get('type'), type);
    const location = new URL(await auth.follow(link));
    assert.equal(location.hash, '');
    const authCode = location.searchParams.get('code');
    const verifier = 'a'.repeat(43);
    const wrong = await auth.ask('/token?grant_type=pkce', { body: { auth_code: authCode, code_verifier: verifier } });
    assert.deepEqual([wrong.status, wrong.body], [400, { code: 'bad_code_verifier', message: 'code challenge does not match previously saved code verifier' }]);
    const { session, user } = ok(await client.exchangeCodeForSession(authCode));
    assert.equal(user.email, email);
    const claims = JSON.parse(Buffer.from(session.access_token.split('.')[1], 'base64url'));
    assert.equal(claims.amr[0].method, kind === 'confirmation' ? 'email/signup' : type);
    const used = await auth.ask('/token?grant_type=pkce', { body: { auth_code: authCode, code_verifier: verifier } });
    assert.deepEqual([used.status, used.body.code], [404, 'flow_state_not_found']);
    // The link was used up by the first who followed it; the error stands in the query, too.
    const again = new URL(await auth.follow(link));
    assert.equal(again.searchParams.get('error_code'), 'otp_expired');
    assert.equal(fragment(again.href).error_code, 'otp_expired');
  }
});

test('plain proof keys, codes that are too old, and codes typed in a PKCE flow', async () => {
  const code_challenge = 'plain-challenge-plain-challenge-plain-challenge';
  const begin = async () => {
    const { email } = await confirmed();
    assert.equal((await auth.ask('/otp', { body: { email, code_challenge, code_challenge_method: 'plain' } })).status, 200);
    return { email, ...(await auth.message(email, 'magic_link')) };
  };
  const exchange = (auth_code) => auth.ask('/token?grant_type=pkce', { body: { auth_code, code_verifier: code_challenge } });
  const first = await begin();
  const authCode = new URL(await auth.follow(first.link)).searchParams.get('code');
  assert.equal((await exchange(authCode)).status, 200);
  const second = await begin();
  const late = new URL(await auth.follow(second.link)).searchParams.get('code');
  await auth.server.sql(`update auth.flow_state set auth_code_issued_at = now() - interval '6 minutes' where auth_code = '${late}'`);
  const expired = await exchange(late);
  assert.deepEqual([expired.status, expired.body], [422, { code: 'flow_state_expired', message: 'invalid flow state, flow state has expired' }]);
  assert.deepEqual((await exchange('nonsense')).body, { code: 'flow_state_not_found', message: 'invalid flow state, no valid flow state found' });
  assert.equal((await exchange('')).body.message, 'invalid request: both auth code and code verifier should be non-empty');
  const third = await begin();
  ok(await auth.client().verifyOtp({ email: third.email, token: third.code, type: 'email' }));
  const fourth = await begin();
  await auth.server.sql(`delete from auth.flow_state where user_id = '${fourth.user_id}'`);
  const lost = await auth.follow(fourth.link);
  assert.equal(fragment(lost).error_description, 'No associated flow state found. No valid flow state found for user.');
  // What failed used nothing up.
  ok(await auth.client().verifyOtp({ email: fourth.email, token: fourth.code, type: 'email' }));
  const many = await begin();
  const code = new URL(await auth.follow(many.link)).searchParams.get('code');
  const statuses = await Promise.all(Array.from({ length: 5 }, async () => (await exchange(code)).status));
  assert.deepEqual(statuses.sort(), [200, 404, 404, 404, 404]);
});

test('messages are sent again', async () => {
  const client = auth.client();
  const email = address();
  ok(await client.signUp({ email, password }));
  const first = await auth.message(email, 'confirmation');
  ok(await client.resend({ type: 'signup', email, options: { emailRedirectTo: app } }));
  const second = await auth.message(email, 'confirmation');
  assert.notEqual(second.id, first.id);
  refused(await client.verifyOtp({ token_hash: new URL(first.link).searchParams.get('token'), type: 'signup' }), 403, 'otp_expired');
  ok(await client.verifyOtp({ email, token: second.code, type: 'signup' }));
  const before = (await auth.messages(email)).length;
  ok(await client.resend({ type: 'signup', email }));
  assert.equal((await auth.messages(email)).length, before);
  for (const [body, message] of [
    [{ type: 'recovery', email }, 'Missing one of these types: signup, email_change, sms, phone_change'],
    [{ type: 'signup' }, 'Type provided requires an email address'],
    [{ type: 'sms', email }, 'Type provided requires a phone number'],
    [{ type: 'email_change' }, 'Missing email address or phone number'],
    [{ type: 'email_change', email, phone: '49151' }, 'Only an email address or phone number should be provided.'],
  ]) {
    const answer = await auth.ask('/resend', { body });
    assert.deepEqual([answer.status, answer.body.message], [400, message], JSON.stringify(body));
  }
});

test('both addresses agree to a change', async () => {
  for (const order of [['new', 'old'], ['old', 'new']]) {
    const { client, email } = await confirmed();
    const wanted = address();
    const { user } = ok(await client.updateUser({ email: wanted }));
    assert.equal(user.email, email);
    assert.equal(user.new_email, wanted);
    const mails = { new: await auth.message(wanted, 'email_change'), old: await auth.message(email, 'email_change') };
    assert.notEqual(mails.new.code, mails.old.code);
    const half = await auth.ask('/verify', { body: { type: 'email_change', token: mails[order[0]].code, email: order[0] === 'new' ? wanted : email } });
    assert.deepEqual([half.status, half.body], [200, { msg: 'Confirmation link accepted. Please proceed to confirm link sent to the other email', code: '200' }]);
    assert.equal(ok(await client.getUser()).user.email, email);
    assert.equal(fragment(await auth.follow(mails[order[0]].link)).error_code, 'otp_expired');
    const location = await auth.follow(mails[order[1]].link);
    assert.equal(fragment(location).type, 'email_change');
    const changed = ok(await client.getUser()).user;
    assert.equal(changed.email, wanted);
    assert.equal(changed.new_email, undefined);
    assert.equal(changed.identities[0].identity_data.email, wanted);
    ok(await auth.client().signInWithPassword({ email: wanted, password }));
  }
});

test('the first half of a change by link says so, and a change can be sent again', async () => {
  const { client, email } = await confirmed();
  const wanted = address();
  ok(await client.updateUser({ email: wanted }, { emailRedirectTo: app }));
  const { link } = await auth.message(wanted, 'email_change');
  const location = await auth.follow(link);
  assert.deepEqual(fragment(location), { message: 'Confirmation link accepted. Please proceed to confirm link sent to the other email', sb: '' });
  ok(await client.resend({ type: 'email_change', email }));
  const again = await auth.message(wanted, 'email_change');
  assert.notEqual(again.link, link);
  const pkce = auth.client({ flowType: 'pkce' });
  ok(await pkce.signInWithPassword({ email, password }));
  ok(await pkce.updateUser({ email: wanted }, { emailRedirectTo: app }));
  const first = new URL(await auth.follow((await auth.message(email, 'email_change')).link));
  assert.match(first.searchParams.get('message'), /^Confirmation link accepted/);
  const second = new URL(await auth.follow((await auth.message(wanted, 'email_change')).link));
  const { user } = ok(await pkce.exchangeCodeForSession(second.searchParams.get('code')));
  assert.equal(user.email, wanted);
});

test('an address that was taken meanwhile is not given away', async () => {
  const { client } = await confirmed();
  const wanted = address();
  const other = await confirmed();
  refused(await client.updateUser({ email: other.email }), 422, 'email_exists');
  ok(await client.updateUser({ email: wanted }));
  const [first, second] = [await auth.message(wanted, 'email_change'), (await auth.messages('')).find(({ kind, recipient }) => kind === 'email_change' && recipient !== wanted)];
  await auth.follow(first.link);
  await auth.server.sql(`update auth.users set email = '${wanted}' where email = '${other.email}'`);
  assert.equal(fragment(await auth.follow(second.link)).error_code, 'email_exists');
});

test('phones sign up and in by codes', async () => {
  const client = auth.client();
  const phone = number();
  ok(await client.signUp({ phone, password }));
  const { code: token, channel, text } = await auth.message(phone, 'confirmation');
  assert.deepEqual([channel, text], ['sms', `Your code is ${token}`]);
  const { user } = ok(await client.verifyOtp({ phone: `+${phone}`, token, type: 'sms' }));
  assert.ok(user.phone_confirmed_at);
  const { messageId } = ok(await client.signInWithOtp({ phone, options: { channel: 'whatsapp' } }));
  const second = await auth.message(phone, 'confirmation');
  assert.deepEqual([second.id, second.channel], [messageId, 'whatsapp']);
  ok(await client.verifyOtp({ phone, token: second.code, type: 'sms' }));
  refused(await client.verifyOtp({ phone, token: second.code, type: 'sms' }), 403, 'otp_expired');
  const fresh = number();
  assert.deepEqual((await auth.ask('/otp', { body: { phone: fresh } })).body, {});
  ok(await client.resend({ type: 'sms', phone: fresh }));
  ok(await client.verifyOtp({ phone: fresh, token: (await auth.message(fresh, 'confirmation')).code, type: 'sms' }));
  refused(await client.signInWithOtp({ phone: number(), options: { shouldCreateUser: false } }), 422, 'otp_disabled');
  assert.equal((await auth.ask('/otp', { body: { phone, channel: 'pigeon' } })).status, 400);
  await auth.server.sql(`update auth.users set confirmation_sent_at = now() - interval '61 seconds' where phone = '${phone}'`);
  refused(await client.verifyOtp({ phone, token: '000000', type: 'sms' }), 403, 'otp_expired');
});

test('numbers that tests use have their codes', async () => {
  const client = auth.client();
  const phone = '4915199999999';
  for (let time = 0; time < 2; time++) {
    ok(await client.signInWithOtp({ phone }));
    refused(await client.verifyOtp({ phone, token: '654321', type: 'sms' }), 403, 'otp_expired');
    ok(await client.verifyOtp({ phone, token: '123456', type: 'sms' }));
  }
  assert.deepEqual(await auth.messages(phone), []);
});

test('a number is changed by a code', async () => {
  const { client } = await confirmed();
  const phone = number();
  const { user } = ok(await client.updateUser({ phone }));
  assert.equal(user.new_phone, phone);
  ok(await client.resend({ type: 'phone_change', email: user.email }));
  const { code: token } = await auth.message(phone, 'phone_change');
  const changed = ok(await client.verifyOtp({ phone, token, type: 'phone_change' })).user;
  assert.equal(changed.phone, phone);
  assert.deepEqual(changed.app_metadata.providers.sort(), ['email', 'phone']);
  assert.equal(changed.identities.find(({ provider }) => provider === 'phone').identity_data.phone, phone);
});

test('admins invite', async () => {
  const email = address();
  refused(await auth.client().admin.inviteUserByEmail(email), 403, 'not_admin');
  const { user } = ok(await auth.admin().admin.inviteUserByEmail(email, { data: { team: 'A' }, redirectTo: app }));
  assert.deepEqual([user.email, user.user_metadata.team, user.email_confirmed_at], [email, 'A', undefined]);
  assert.ok(user.invited_at);
  const { link, subject } = await auth.message(email, 'invite');
  assert.equal(subject, "You've been invited");
  const location = await auth.follow(link);
  assert.equal(fragment(location).type, 'invite');
  const client = auth.client();
  ok(await client.setSession(fragment(location)));
  ok(await client.updateUser({ password }));
  ok(await auth.client().signInWithPassword({ email, password }));
  refused(await auth.admin().admin.inviteUserByEmail(email), 422, 'email_exists', 'A user with this email address has already been registered');
});

test('admins make links of every type without a mail', async () => {
  const { admin } = auth.admin();
  const before = (await auth.messages('')).length;
  const known = await confirmed();
  const sent = (await auth.messages('')).length - before;
  for (const [type, email, options, verification_type] of [
    ['signup', address(), { password }, 'signup'],
    ['invite', address(), { data: { a: 1 } }, 'invite'],
    ['magiclink', address(), {}, 'signup'],
    ['magiclink', known.email, {}, 'magiclink'],
    ['recovery', known.email, {}, 'recovery'],
  ]) {
    const { user, properties } = ok(await admin.generateLink({ type, email, ...options, options: { redirectTo: app, ...(options.data && { data: options.data }) } }));
    assert.equal(user.email, email);
    assert.deepEqual([properties.verification_type, properties.redirect_to], [verification_type, app]);
    assert.match(properties.email_otp, /^\d{6}$/);
    const link = new URL(properties.action_link);
    assert.deepEqual([link.searchParams.get('token'), link.searchParams.get('type')], [properties.hashed_token, verification_type]);
    const location = await auth.follow(link);
    assert.ok(location.startsWith(`${app}#access_token=`), location);
  }
  const wanted = address();
  const old = ok(await admin.generateLink({ type: 'email_change_current', email: known.email, newEmail: wanted })).properties;
  const fresh = ok(await admin.generateLink({ type: 'email_change_new', email: known.email, newEmail: wanted })).properties;
  assert.equal(new URL(old.action_link).searchParams.get('type'), 'email_change');
  await auth.follow(old.action_link);
  ok(await known.client.verifyOtp({ email: wanted, token: fresh.email_otp, type: 'email_change' }));
  assert.equal(ok(await known.client.getUser()).user.email, wanted);
  assert.equal((await auth.messages('')).length - before, sent);
  refused(await admin.generateLink({ type: 'recovery', email: address() }), 404, 'user_not_found', 'User with this email not found');
  refused(await admin.generateLink({ type: 'nonsense', email: wanted }), 400, 'validation_failed', 'Invalid email action link type requested: nonsense');
  refused(await admin.generateLink({ type: 'invite', email: wanted }), 422, 'email_exists');
  refused(await admin.generateLink({ type: 'signup', email: wanted, password }), 422, 'email_exists');
  refused(await auth.client().admin.generateLink({ type: 'magiclink', email: wanted }), 403, 'not_admin');
});

test('what was done stands in the audit log', async () => {
  const { email, client } = await confirmed();
  ok(await client.signInWithOtp({ email }));
  const { code: token } = await auth.message(email, 'magic_link');
  ok(await client.verifyOtp({ email, token, type: 'email' }));
  const rows = await auth.server.sql(`select payload ->> 'action' as action from auth.audit_log_entries where payload ->> 'actor_username' = '${email}' order by created_at`);
  const actions = rows.map(({ action }) => action);
  for (const action of ['user_confirmation_requested', 'user_signedup', 'user_recovery_requested', 'login']) assert.ok(actions.includes(action), `${action} in ${actions}`);
});
