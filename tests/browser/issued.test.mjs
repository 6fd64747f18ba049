// The gateway knows which session it issued to which page, and forgets what ended.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import { launch, openGateway } from './harness.mjs';

let browser, gateway;
before(async () => {
  browser = await launch();
  gateway = await openGateway(browser);
});
after(async () => { await gateway?.close(); await browser?.close(); });

/** A request of the page's to Auth; the body of its answer. */
const auth = (target, body, token) => gateway.page.evaluate(async ([target, body, token, apikey]) => {
  const headers = { apikey, 'content-type': 'application/json', ...(token && { authorization: `Bearer ${token}` }) };
  const response = await fetch(`/auth/v1${target}`, { method: 'POST', headers, body: JSON.stringify(body) });
  return response.status === 204 ? undefined : response.json();
}, [target, body, token, gateway.keys.publishable]);
const known = () => gateway.sql('select client, session_id from gateway.client_sessions');
const sessionOf = ({ access_token }) => JSON.parse(Buffer.from(access_token.split('.')[1], 'base64url')).session_id;

test('the session that a page got is known until it ends', async () => {
  const email = `${randomUUID()}@example.com`;
  const first = await auth('/signup', { email, password: 'correct horse 42' });
  const [row, ...others] = await known();
  assert.deepEqual([row.session_id, others.length], [sessionOf(first), 0]);
  const second = await auth('/token?grant_type=password', { email, password: 'correct horse 42' });
  assert.deepEqual(await known(), [{ client: row.client, session_id: sessionOf(second) }], 'the last one counts');
  await auth('/token?grant_type=refresh_token', { refresh_token: first.refresh_token });
  assert.deepEqual(await known(), [{ client: row.client, session_id: sessionOf(first) }]);
  await auth('/logout?scope=global', {}, first.access_token);
  assert.deepEqual(await known(), []);
});
