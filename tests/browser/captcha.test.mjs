// A captcha's provider as the service worker reaches it: it answers no browser, unless it lets it.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';
import { settingsSql } from '../auth-js/settings.mjs';
import { launch, openGateway } from './harness.mjs';

const secret = 'only the provider and the project know this';

let browser, gateway, provider;
const asked = [];
let allows = false;
before(async () => {
  provider = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    const form = new URLSearchParams(body);
    asked.push(Object.fromEntries(form));
    if (allows) response.setHeader('access-control-allow-origin', '*');
    const success = form.get('secret') === secret && form.get('response') === 'from the widget';
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ success, ...(success ? {} : { 'error-codes': ['invalid-input-response'] }) }));
  }).listen(0, '127.0.0.1');
  await once(provider, 'listening');
  browser = await launch();
  gateway = await openGateway(browser);
  await gateway.sql(`${settingsSql({
    'auth.captcha.enabled': 'true', 'auth.captcha.provider': 'turnstile', 'auth.captcha.secret': secret,
    'auth.captcha.verify_url': `http://127.0.0.1:${provider.address().port}/siteverify`,
  })}; notify pgrst, 'reload config'`);
});
after(async () => { await gateway?.close(); await browser?.close(); provider?.close(); });

/** Signs up with this token. */
const signUp = (captcha_token) => gateway.page.evaluate(async ([key, captcha_token]) => {
  const response = await fetch('/auth/v1/signup', {
    method: 'POST', headers: { apikey: key, 'content-type': 'application/json', 'x-supabase-api-version': '2024-01-01' },
    body: JSON.stringify({ email: `${crypto.randomUUID()}@example.com`, password: 'correct horse', gotrue_meta_security: { captcha_token } }),
  });
  return { status: response.status, body: await response.json() };
}, [gateway.keys.publishable, captcha_token]);

test('without a token nobody is asked', async () => {
  const { status, body } = await signUp('');
  assert.deepEqual([status, body.code], [400, 'captcha_failed']);
  assert.deepEqual(asked, []);
});

test('a provider that answers no browser is said to be one', async () => {
  const { status, body } = await signUp('from the widget');
  assert.deepEqual([status, body.code], [500, 'unexpected_failure']);
  assert.match(body.message, /^captcha verification process failed: of http:\S+siteverify: it cannot be reached: .*\(CORS\).*auth\.captcha\.verify_url/);
  assert.ok(!body.message.includes(secret));
  assert.equal(await gateway.sql('select count(*)::int as count from auth.users').then(([{ count }]) => count), 0);
});

test('one that lets browsers read its answers is believed', async () => {
  allows = true;
  const refused = await signUp('made up');
  assert.deepEqual([refused.status, refused.body.message], [400, 'captcha protection: request disallowed (invalid-input-response)']);
  const { status, body } = await signUp('from the widget');
  assert.equal(status, 200, JSON.stringify(body));
  assert.deepEqual(asked.at(-1), { secret, response: 'from the widget' });
});
