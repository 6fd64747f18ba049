// Captchas: who is asked, about what, and who never is. A server here keeps the contract that hCaptcha and Turnstile document:
// a form with `secret`, `response` and `remoteip`, answered by `success` and `error-codes`; a token is good once.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';
import { address, gateway, ok, refused } from './mailbox.mjs';

const password = 'correct horse';
const secret = '0x4AAAA-only-these-two-know';

/** A provider; `good` are the tokens that people got from its widget. */
async function captcha() {
  const good = new Set();
  const asked = [];
  let answer;
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    const form = new URLSearchParams(body);
    asked.push({ method: request.method, type: request.headers['content-type'], form: Object.fromEntries(form) });
    if (answer) return answer(response);
    const errors = [];
    if (!form.get('secret')) errors.push('missing-input-secret');
    else if (form.get('secret') !== secret) errors.push('invalid-input-secret');
    if (!form.get('response')) errors.push('missing-input-response');
    else if (!good.delete(form.get('response'))) errors.push('timeout-or-duplicate');
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ success: errors.length === 0, 'error-codes': errors, hostname: 'app.test' }));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  let count = 0;
  return {
    url: `http://127.0.0.1:${server.address().port}/siteverify`,
    asked,
    /** A token as the widget gives one. */
    token() {
      const token = `token-${count += 1}`;
      good.add(token);
      return token;
    },
    /** Answers otherwise, until this is called without anything. */
    answers(otherwise) { answer = otherwise; },
    close: () => { server.closeAllConnections(); server.close(); },
  };
}

let provider, auth;
before(async () => {
  provider = await captcha();
  auth = await gateway({ after }, {
    'auth.captcha.enabled': 'true', 'auth.captcha.provider': 'turnstile', 'auth.captcha.secret': secret, 'auth.captcha.verify_url': provider.url,
    'auth.enable_anonymous_sign_ins': 'true',
  });
});
after(async () => {
  provider?.close();
  await auth?.server.end('SIGKILL');
});

/** Makes a user without a captcha, as an admin may. */
async function known() {
  const email = address();
  ok(await auth.admin().admin.createUser({ email, password, email_confirm: true }));
  return email;
}
const none = 'captcha protection: request disallowed (no captcha_token found)';

test('auth-js gets in with a token, once', async () => {
  const email = await known();
  const client = auth.client();
  refused(await client.signInWithPassword({ email, password }), 400, 'captcha_failed', none);
  const captchaToken = provider.token();
  ok(await client.signInWithPassword({ email, password, options: { captchaToken } }));
  assert.deepEqual(provider.asked.at(-1), { method: 'POST', type: 'application/x-www-form-urlencoded', form: { secret, response: captchaToken } });
  refused(await client.signInWithPassword({ email, password, options: { captchaToken } }), 400, 'captcha_failed', 'captcha protection: request disallowed (timeout-or-duplicate)');
});

test('everything that makes users or sends messages is protected', async () => {
  const email = await known();
  const asks = (captchaToken) => ({
    signUp: (client) => client.signUp({ email: address(), password, options: { captchaToken } }),
    anonymous: (client) => client.signInAnonymously({ options: { captchaToken } }),
    otp: (client) => client.signInWithOtp({ email, options: { captchaToken } }),
    recover: (client) => client.resetPasswordForEmail(email, { captchaToken }),
    resend: (client) => client.resend({ type: 'signup', email, options: { captchaToken } }),
  });
  for (const name of Object.keys(asks())) {
    const before = provider.asked.length;
    refused(await asks()[name](auth.client()), 400, 'captcha_failed', none);
    assert.equal(provider.asked.length, before, `${name}: nobody is asked about nothing`);
    refused(await asks('made up')[name](auth.client()), 400, 'captcha_failed');
    assert.equal((await asks(provider.token())[name](auth.client())).error, null, name);
  }
  for (const [path, body] of [['/magiclink', { email }], ['/token?grant_type=web3', {}], ['/token?grant_type=other', {}], ['/sso', {}], ['/passkeys/authentication/options', {}]]) {
    const { status, body: { code } } = await auth.ask(path, { body });
    assert.deepEqual([status, code], [400, 'captcha_failed'], path);
  }
});

test('a message that was refused is not sent', async () => {
  const email = await known();
  refused(await auth.client().resetPasswordForEmail(email), 400, 'captcha_failed');
  refused(await auth.client().resetPasswordForEmail(email, { captchaToken: 'made up' }), 400, 'captcha_failed');
  assert.deepEqual(await auth.messages(email), []);
});

test('what was proved otherwise, and admins, need none', async () => {
  const email = await known();
  const before = provider.asked.length;
  const client = auth.client();
  ok(await client.signInWithPassword({ email, password, options: { captchaToken: provider.token() } }));
  ok(await client.refreshSession());
  ok(await client.getUser());
  ok(await client.updateUser({ data: { name: 'Ada' } }));
  ok(await client.signOut());
  for (const [grant, code] of [['pkce', 'flow_state_not_found'], ['id_token', undefined]]) {
    const { body } = await auth.ask(`/token?grant_type=${grant}`, { body: { auth_code: crypto.randomUUID(), code_verifier: 'x'.repeat(43) } });
    assert.notEqual(body.code, 'captcha_failed', grant);
    if (code) assert.equal(body.code, code);
  }
  assert.equal(provider.asked.length, before + 1);
  ok(await auth.admin().admin.inviteUserByEmail(address()));
  ok(await auth.admin().signInWithOtp({ email }));
  assert.equal(provider.asked.length, before + 1);
});

test('the provider hears of the address that a proxy names', async () => {
  const token = provider.token();
  const { status } = await auth.ask('/recover', { body: { email: address(), gotrue_meta_security: { captcha_token: ` ${token} ` } }, headers: { 'x-forwarded-for': '203.0.113.7, 10.0.0.1' } });
  assert.equal(status, 200);
  assert.deepEqual(provider.asked.at(-1).form, { secret, response: token, remoteip: '203.0.113.7' });
});

test('a body of another shape is refused', async () => {
  for (const gotrue_meta_security of ['token', 5, { captcha_token: 5 }, []]) {
    const { status, body } = await auth.ask('/recover', { body: { email: address(), gotrue_meta_security } });
    assert.equal(status, 400);
    assert.ok(['bad_json', 'captcha_failed'].includes(body.code), JSON.stringify(body));
  }
  assert.equal((await auth.ask('/recover', { method: 'POST', body: 'no object' })).status, 400);
});

test('a provider that is no provider is a fault, and lets nobody in', async () => {
  const email = await known();
  const signIn = () => auth.client().signInWithPassword({ email, password, options: { captchaToken: provider.token() } });
  for (const [answer, words] of [
    [(response) => response.end('<html>'), /^captcha verification process failed: .* answered no JSON/],
    [(response) => response.socket.destroy(), /^captcha verification process failed: of http:\S+ it cannot be reached/],
    [(response) => response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end(), /^captcha verification process failed/],
    [(response) => response.end('{"success":"yes"}'), /^captcha verification process failed/],
  ]) {
    provider.answers(answer);
    const { error } = await signIn();
    assert.equal(error.status, 500);
    assert.match(error.message, words);
    assert.ok(!error.message.includes(secret));
  }
  provider.answers((response) => response.end('{}'));
  refused(await signIn(), 400, 'captcha_failed', 'captcha protection: request disallowed ()');
  provider.answers();
  ok(await signIn());
});

test('a wrong secret is the provider’s to say', async (t) => {
  const wrong = await gateway(t, { 'auth.captcha.enabled': 'true', 'auth.captcha.secret': 'another', 'auth.captcha.verify_url': provider.url });
  t.after(() => wrong.server.end('SIGKILL'));
  const asked = await wrong.client().resetPasswordForEmail(address(), { captchaToken: provider.token() });
  refused(asked, 400, 'captcha_failed', 'captcha protection: request disallowed (invalid-input-secret)');
});
