// How messages leave: mail servers, limits, words of the project's own, nonces. Each with a gateway of its own settings.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { SMTPServer } from 'smtp-server';
import { address, fragment, gateway, number, ok, refused } from './mailbox.mjs';

const password = 'correct horse';

/** A mail server that keeps what it is sent. */
async function mailServer(t, options = {}) {
  const mails = [];
  const server = new SMTPServer({
    disabledCommands: ['STARTTLS'], authOptional: true, allowInsecureAuth: true, logger: false,
    onData(stream, session, done) {
      const chunks = [];
      stream.on('data', (chunk) => chunks.push(chunk));
      stream.on('end', () => {
        mails.push({ from: session.envelope.mailFrom.address, to: session.envelope.rcptTo.map(({ address }) => address), user: session.user, text: Buffer.concat(chunks).toString() });
        done();
      });
    },
    ...options,
  });
  server.listen(0, '127.0.0.1');
  await once(server.server, 'listening');
  t.after(() => new Promise((resolve) => server.close(resolve)));
  return { port: server.server.address().port, mails };
}

const run = async (t, settings) => {
  const auth = await gateway(t, settings);
  t.after(() => auth.server.end('SIGKILL'));
  return auth;
};

test('mails go to the mail server of the settings', async (t) => {
  const { port, mails } = await mailServer(t, {
    authOptional: false,
    onAuth: ({ username, password }, _session, done) => (username === 'me' && password === 'secret' ? done(null, { user: username }) : done(new Error('no'))),
  });
  const auth = await run(t, {
    'auth.email.smtp.host': '127.0.0.1', 'auth.email.smtp.port': String(port), 'auth.email.smtp.user': 'me', 'auth.email.smtp.pass': 'secret',
    'auth.email.smtp.admin_email': 'team@x.test', 'auth.email.smtp.sender_name': 'The Team',
  });
  const email = address();
  ok(await auth.client().signUp({ email, password }));
  assert.equal(mails.length, 1);
  const [{ from, to, user, text }] = mails;
  assert.deepEqual([from, to, user], ['team@x.test', [email], 'me']);
  assert.match(text, /^From: "?The Team"? <team@x\.test>\r$/m);
  assert.match(text, /^Subject: Confirm your email address\r$/m);
  assert.match(text, /text\/plain/);
  const message = await auth.message(email, 'confirmation');
  assert.ok(text.replaceAll(/=\r\n/g, '').includes(new URL(message.link).searchParams.get('token')));
  assert.equal(message.delivery, 'sent');
  assert.ok(Date.parse(message.delivered_at) > 0);
  assert.equal(message.sender, '"The Team" <team@x.test>');
});

test('an address with signs of its own is one recipient', async (t) => {
  const { port, mails } = await mailServer(t);
  const auth = await run(t, { 'auth.email.smtp.host': '127.0.0.1', 'auth.email.smtp.port': String(port) });
  const email = "o'neil+{x}=`y`@x.test";
  ok(await auth.client().signUp({ email, password }));
  assert.deepEqual(mails.map(({ to }) => to), [[email]]);
});

test('what the mail server refuses is said, and stays in the outbox', async (t) => {
  const { port } = await mailServer(t, { onRcptTo: (_address, _session, done) => done(Object.assign(new Error('No such mailbox here'), { responseCode: 550 })) });
  const auth = await run(t, { 'auth.email.smtp.host': '127.0.0.1', 'auth.email.smtp.port': String(port) });
  const email = address();
  const { status, body } = await auth.ask('/signup', { body: { email, password } });
  assert.deepEqual([status, body], [500, { code: 'unexpected_failure', message: 'Error sending confirmation email' }]);
  const message = await auth.message(email, 'confirmation');
  assert.equal(message.delivery, 'failed');
  assert.match(message.failure, /No such mailbox here/);
  ok(await auth.client().verifyOtp({ email, token: message.code, type: 'email' }));
});

test('a mail server that is not there keeps nobody waiting for long', async (t) => {
  const closed = createServer().listen(0, '127.0.0.1');
  await once(closed, 'listening');
  const { port } = closed.address();
  closed.close();
  const auth = await run(t, { 'auth.email.smtp.host': '127.0.0.1', 'auth.email.smtp.port': String(port) });
  const { status } = await auth.ask('/otp', { body: { email: address() } });
  assert.equal(status, 500);
});

test('the mails of an hour are counted where they leave', async (t) => {
  const { port, mails } = await mailServer(t);
  const auth = await run(t, { 'auth.email.smtp.host': '127.0.0.1', 'auth.email.smtp.port': String(port), 'auth.rate_limit.email_sent': '2', 'auth.rate_limit.sms_sent': '1' });
  for (let count = 0; count < 2; count++) ok(await auth.client().signInWithOtp({ email: address() }));
  refused(await auth.client().signInWithOtp({ email: address() }), 429, 'over_email_send_rate_limit', 'email rate limit exceeded');
  assert.equal(mails.length, 2);
  ok(await auth.client().signInWithOtp({ phone: number() }));
  refused(await auth.client().signInWithOtp({ phone: number() }), 429, 'over_sms_send_rate_limit', 'SMS rate limit exceeded');
});

test('a user waits between two messages', async (t) => {
  const auth = await run(t, { 'auth.email.max_frequency': '1m', 'auth.sms.max_frequency': '1m' });
  const client = auth.client();
  const email = address();
  const phone = number();
  ok(await client.signUp({ email, password }));
  ok(await client.signUp({ phone, password }));
  const wait = /^For security purposes, you can only request this after \d+ seconds\.$/;
  for (const [again, code] of [
    [() => client.resend({ type: 'signup', email }), 'over_email_send_rate_limit'],
    [() => client.signInWithOtp({ email }), 'over_email_send_rate_limit'],
    [() => client.resend({ type: 'sms', phone }), 'over_sms_send_rate_limit'],
    [() => client.signInWithOtp({ phone }), 'over_sms_send_rate_limit'],
  ]) {
    const answer = await again();
    refused(answer, 429, code);
    assert.match(answer.error.message, wait);
  }
  const { code: token } = await auth.message(email, 'confirmation');
  ok(await client.verifyOtp({ email, token, type: 'email' }));
  ok(await client.resetPasswordForEmail(email));
  refused(await client.signInWithOtp({ email }), 429, 'over_email_send_rate_limit');
  ok(await client.reauthenticate());
  refused(await client.reauthenticate(), 429, 'over_email_send_rate_limit');
  const wanted = address();
  ok(await client.updateUser({ email: wanted }));
  refused(await client.updateUser({ email: wanted }), 429, 'over_email_send_rate_limit');
  await auth.server.sql("update auth.users set recovery_sent_at = now() - interval '1 minute'");
  ok(await client.signInWithOtp({ email }));
});

test('mails have the words of the project', async (t) => {
  const auth = await run(t, {
    'auth.email.otp_length': '8',
    'auth.email.template.confirmation.subject': 'Welcome {{ .Data.name }}: {{ .Token }}',
    'auth.email.template.confirmation.content': '<a href="{{ .SiteURL }}/confirm?token_hash={{ .TokenHash }}&type=email">{{ if .Data.name }}{{ .Data.name }}{{ else }}you{{ end }}</a>',
    'auth.email.template.magic_link.content': '{{ if }',
    'auth.sms.template': '{{ .Code }} is it',
  });
  const client = auth.client();
  const email = address();
  ok(await client.signUp({ email, password, options: { data: { name: '<i>Ann' } } }));
  const { subject, html, text, code } = await auth.message(email, 'confirmation');
  assert.match(code, /^\d{8}$/);
  assert.equal(subject, `Welcome &lt;i&gt;Ann: ${code}`);
  const token_hash = /token_hash=([0-9a-f]{56})&/.exec(html)[1];
  assert.equal(html, `<a href="http://site.test/confirm?token_hash=${token_hash}&type=email">&lt;i&gt;Ann</a>`);
  assert.equal(text, `<i>Ann [http://site.test/confirm?token_hash=${token_hash}&type=email]`);
  ok(await client.verifyOtp({ token_hash, type: 'email' }));
  ok(await client.signInWithOtp({ email }));
  assert.equal((await auth.message(email, 'magic_link')).subject, 'Your sign-in link');
  const phone = number();
  ok(await client.signInWithOtp({ phone }));
  const message = await auth.message(phone, 'confirmation');
  assert.equal(message.text, `${message.code} is it`);
});

test('a new password after a day needs a nonce', async (t) => {
  const auth = await run(t, { 'auth.email.secure_password_change': 'true' });
  for (const [name, kind] of [[{ email: address() }, 'email'], [{ phone: number() }, 'sms']]) {
    const client = auth.client();
    const [to] = Object.values(name);
    ok(await client.signUp({ ...name, password }));
    ok(await client.verifyOtp({ ...name, token: (await auth.message(to, 'confirmation')).code, type: kind }));
    ok(await client.updateUser({ password: 'another horse 1' }));
    await auth.server.sql("update auth.sessions set created_at = now() - interval '25 hours'");
    refused(await client.updateUser({ password: 'another horse 2' }), 400, 'reauthentication_needed', 'Password update requires reauthentication');
    ok(await client.reauthenticate());
    const { code: nonce, link } = await auth.message(to, 'reauthentication');
    assert.equal(link, null);
    refused(await client.updateUser({ password: 'another horse 2', nonce: '000000' }), 422, 'reauthentication_not_valid', 'Nonce has expired or is invalid');
    ok(await client.updateUser({ password: 'another horse 2', nonce }));
    refused(await client.updateUser({ password: 'another horse 3', nonce }), 422, 'reauthentication_not_valid');
    ok(await auth.client().signInWithPassword({ ...name, password: 'another horse 2' }));
  }
  const bare = await auth.ask('/reauthenticate');
  assert.equal(bare.status, 403);
});

test('where nothing has to be proved, otp still sends what signs in', async (t) => {
  const auth = await run(t, { 'auth.email.enable_confirmations': 'false', 'auth.sms.enable_confirmations': 'false', 'auth.enable_signup': 'true' });
  const client = auth.client();
  const email = address();
  ok(await client.signInWithOtp({ email }));
  const { link } = await auth.message(email, 'magic_link');
  assert.equal(fragment(await auth.follow(link)).type, 'magiclink');
  const phone = number();
  const { messageId } = ok(await client.signInWithOtp({ phone }));
  const message = await auth.message(phone, 'confirmation');
  assert.equal(message.id, messageId);
  ok(await client.verifyOtp({ phone, token: message.code, type: 'sms' }));
  const wanted = address();
  ok(await client.signInWithOtp({ email }));
  ok(await client.verifyOtp({ email, token: (await auth.message(email, 'magic_link')).code, type: 'email' }));
  ok(await client.updateUser({ email: wanted }));
  // One of the two addresses is enough.
  ok(await client.verifyOtp({ email: wanted, token: (await auth.message(wanted, 'email_change')).code, type: 'email_change' }));
  assert.equal(ok(await client.getUser()).user.email, wanted);
});

test('nobody signs up by otp where nobody may', async (t) => {
  const auth = await run(t, { 'auth.enable_signup': 'false' });
  refused(await auth.client().signInWithOtp({ email: address() }), 422, 'signup_disabled', 'Signups not allowed for this instance');
  refused(await auth.client().signInWithOtp({ phone: number() }), 422, 'signup_disabled');
  const email = address();
  ok(await auth.admin().admin.inviteUserByEmail(email));
  await auth.message(email, 'invite');
});
