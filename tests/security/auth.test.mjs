// What nobody may get out of auth: over `serve`, by plain requests.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { settings, configFile } from '../auth-js/settings.mjs';
import { outbox } from '../auth-js/outbox.mjs';
import { forged, sign, userToken } from '../browser/jwt.mjs';
import { start } from '../node/server.mjs';

const nobody = '00000000-0000-4000-8000-00000000dead';
let server, mail, folder;
before(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'serve-'));
  const file = path.join(folder, 'project.conf');
  writeFileSync(file, configFile({ ...settings, 'auth.site_url': 'http://site.example', 'auth.additional_redirect_urls': 'http://site.example/welcome, http://*.site.example/**', 'auth.refresh_token_reuse_interval': '0' }));
  server = await start(undefined, ['--config', file]);
  ({ mail } = outbox(server.url, server.keys.secret));
});
after(async () => {
  await server?.end('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});

/** A request to auth; its status, body and headers. */
async function auth(target, { token, key, body, ...init } = {}) {
  const answer = await server.fetch(`/auth/v1${target}`, {
    key, redirect: 'manual', ...init, ...(body !== undefined && { method: init.method ?? 'POST', body: JSON.stringify(body) }),
    headers: { 'x-supabase-api-version': '2024-01-01', ...(body !== undefined && { 'content-type': 'application/json' }), ...(token && { authorization: `Bearer ${token}` }), ...init.headers },
  });
  const text = await answer.text();
  let json;
  try { json = JSON.parse(text); } catch { json = undefined; }
  return { status: answer.status, text, json, code: json?.code, headers: Object.fromEntries(answer.headers) };
}

let number = 0;
const password = 'correct horse battery staple';
async function person(attributes = {}) {
  const email = `person-${number += 1}@example.com`;
  const { json } = await auth('/admin/users', { key: server.keys.secret, body: { email, password, email_confirm: true, ...attributes } });
  assert.equal(json.email, email, JSON.stringify(json));
  return { email, id: json.id };
}
async function signIn({ email }, secret = password) {
  const answer = await auth('/token?grant_type=password', { body: { email, password: secret } });
  assert.equal(answer.status, 200, answer.text);
  return answer.json;
}
const refresh = (token) => auth('/token?grant_type=refresh_token', { body: { refresh_token: token } });

test('forged tokens open nothing', async () => {
  const { id } = await person();
  for (const [what, token] of Object.entries(forged(server.keys.jwt_secret, id))) {
    for (const target of ['/user', '/admin/users']) {
      const { status, text } = await auth(target, { token });
      assert.ok(status === 401 || status === 403, `${what}, ${target}: ${status} ${text}`);
      assert.ok(!text.includes('example.com'), `${what}: ${text}`);
    }
    const { status } = await auth('/user', { token, method: 'PUT', body: { data: { forged: true } } });
    assert.ok(status === 401 || status === 403, `${what}, PUT: ${status}`);
  }
  assert.deepEqual(await server.sql(`select count(*)::int as n from auth.users where raw_user_meta_data ? 'forged'`), [{ n: 0 }]);
});

test('a token that is signed well is nobody’s without its user and its session', async () => {
  const { id } = await person();
  const secret = server.keys.jwt_secret;
  assert.equal((await auth('/user', { token: userToken(secret, nobody) })).code, 'user_not_found');
  assert.equal((await auth('/user', { token: userToken(secret, id, { session_id: nobody }) })).code, 'session_not_found');
  assert.equal((await auth('/user', { token: sign(secret, { role: 'authenticated', exp: 4e9 }) })).code, 'bad_jwt');
  assert.equal((await auth('/user', { token: userToken(secret, 'no uuid') })).code, 'bad_jwt');
  assert.equal((await auth('/user', { key: server.keys.publishable })).status, 403);
  assert.equal((await auth('/admin/users', { token: userToken(secret, id) })).code, 'not_admin');
  assert.equal((await auth('/admin/users')).code, 'not_admin');
});

test('what a user may not say of themselves is not taken', async () => {
  const email = 'assigner@example.com';
  await auth('/signup', { body: { email, password, role: 'service_role', aud: 'else', app_metadata: { admin: true }, is_super_admin: true, email_confirm: true, data: { mine: 1 } } });
  const [row] = await server.sql(`select role, aud, is_super_admin, email_confirmed_at, raw_app_meta_data, raw_user_meta_data->'mine' as mine from auth.users where email = '${email}'`);
  assert.deepEqual([row.role, row.aud, row.is_super_admin, row.email_confirmed_at, row.raw_app_meta_data, row.mine], ['authenticated', 'authenticated', row.is_super_admin, null, { provider: 'email', providers: ['email'] }, 1]);
  assert.ok(row.is_super_admin !== true);
  const known = await person();
  const { access_token: token } = await signIn(known);
  await auth('/user', { token, method: 'PUT', body: { role: 'service_role', app_metadata: { admin: true }, email_confirm: true } });
  const [after] = await server.sql(`select role, raw_app_meta_data from auth.users where id = '${known.id}'`);
  assert.deepEqual(after, { role: 'authenticated', raw_app_meta_data: { provider: 'email', providers: ['email'] } });
});

test('a refresh token that is replayed ends its whole family', async () => {
  const first = await signIn(await person());
  const second = (await refresh(first.refresh_token)).json;
  const third = (await refresh(second.refresh_token)).json;
  const replay = await refresh(first.refresh_token);
  assert.equal(replay.status, 400);
  assert.equal(replay.code, 'refresh_token_already_used');
  const after = await refresh(third.refresh_token);
  assert.equal(after.status, 400, `the thief and the owner are both out: ${after.text}`);
});

test('the token whose answer was lost is not a replay', async () => {
  const first = await signIn(await person());
  const second = (await refresh(first.refresh_token)).json;
  const again = await refresh(first.refresh_token);
  assert.equal(again.status, 200, again.text);
  assert.equal(again.json.refresh_token, second.refresh_token, 'the active one is given again');
});

test('many refreshes of one token at once leave one session that goes on', async () => {
  const person1 = await person();
  const first = await signIn(person1);
  const answers = await Promise.all(Array.from({ length: 20 }, () => refresh(first.refresh_token)));
  const good = answers.filter(({ status }) => status === 200);
  assert.ok(good.length >= 1, answers[0].text);
  for (const { status, code } of answers) assert.ok(status === 200 || code === 'conflict', `${status} ${code}`);
  assert.equal(new Set(good.map(({ json }) => json.refresh_token)).size, 1, 'all get the same token');
  assert.equal((await refresh(good[0].json.refresh_token)).status, 200, 'it goes on');
  assert.deepEqual(await server.sql(`select count(*)::int as n from auth.sessions where user_id = '${person1.id}'`), [{ n: 1 }]);
});

test('after sign-out and deletion nothing of a session is good', async () => {
  const one = await person();
  const session = await signIn(one);
  assert.equal((await auth('/logout?scope=global', { token: session.access_token, method: 'POST' })).status, 204);
  assert.equal((await auth('/user', { token: session.access_token })).code, 'session_not_found');
  assert.equal((await refresh(session.refresh_token)).status, 400);
  const other = await person();
  const second = await signIn(other);
  await auth(`/admin/users/${other.id}`, { key: server.keys.secret, method: 'DELETE', body: {} });
  assert.equal((await auth('/user', { token: second.access_token })).code, 'user_not_found');
  assert.equal((await refresh(second.refresh_token)).status, 400);
});

test('a ban holds for refreshes too', async () => {
  const one = await person();
  const session = await signIn(one);
  await auth(`/admin/users/${one.id}`, { key: server.keys.secret, method: 'PUT', body: { ban_duration: '1h' } });
  assert.equal((await refresh(session.refresh_token)).code, 'user_banned');
});

/** What a stranger sees of an answer: not its time and not what is random in it. */
const seen = ({ status, json, headers }) => JSON.stringify([status, json, Object.keys(headers).toSorted()], (name, value) => {
  if (['id', 'sub', 'user_id', 'identity_id', 'message_id'].includes(name)) return 'an id';
  if (/_at$/.test(name)) return 'a time';
  return typeof value === 'string' ? value.replace(/known-\d+|unknown-\d+|person-\d+/g, 'somebody') : value;
});

test('nobody learns who has an account', async () => {
  const asks = {
    recover: (email) => auth('/recover', { body: { email } }),
    otp: (email) => auth('/otp', { body: { email, create_user: true } }),
    magiclink: (email) => auth('/magiclink', { body: { email } }),
    signup: (email) => auth('/signup', { body: { email, password: 'another long password' } }),
    'resend signup': (email) => auth('/resend', { body: { type: 'signup', email } }),
    'resend email_change': (email) => auth('/resend', { body: { type: 'email_change', email } }),
    'wrong password': (email) => auth('/token?grant_type=password', { body: { email, password: 'a wrong one' } }),
    'wrong code': (email) => auth('/verify', { body: { type: 'email', email, token: '123456' } }),
    'wrong recovery code': (email) => auth('/verify', { body: { type: 'recovery', email, token: '123456' } }),
  };
  for (const [what, ask] of Object.entries(asks)) {
    const { email } = await person();
    const [known, unknown] = [await ask(email), await ask(`unknown-${number += 1}@example.com`)];
    // A fake user must look like a new one, whose identity is the one difference that GoTrue leaves.
    if (what === 'signup') for (const { json } of [known, unknown]) delete json.identities;
    assert.equal(seen(known), seen(unknown), what);
  }
});

test('an unknown user takes as long as a wrong password', async () => {
  const { email } = await person();
  const time = async (address) => {
    const began = performance.now();
    const { code } = await auth('/token?grant_type=password', { body: { email: address, password: 'a wrong one' } });
    assert.equal(code, 'invalid_credentials');
    return performance.now() - began;
  };
  const times = { known: [], unknown: [] };
  await time(email);
  // In turns, so that what else the machine does meets both.
  for (let turn = 0; turn < 9; turn += 1) {
    times.known.push(await time(email));
    times.unknown.push(await time(`unknown-${turn}@example.com`));
  }
  const median = (all) => all.toSorted((a, b) => a - b)[Math.floor(all.length / 2)];
  const ratio = median(times.unknown) / median(times.known);
  assert.ok(ratio > 0.5 && ratio < 2, `unknown/known = ${ratio.toFixed(2)}: ${JSON.stringify(times)}`);
});

test('a code is for one address, one purpose and one time', async () => {
  const [one, two] = [await person(), await person()];
  await auth('/recover', { body: { email: one.email } });
  const { code, link } = await mail(one.email);
  const verify = (body) => auth('/verify', { body });
  assert.equal((await verify({ type: 'recovery', email: two.email, token: code })).code, 'otp_expired', 'of another');
  assert.equal((await verify({ type: 'invite', email: one.email, token: code })).code, 'otp_expired', 'for another purpose');
  assert.equal((await verify({ type: 'recovery', token_hash: `${new URL(link).searchParams.get('token')}0` })).code, 'otp_expired', 'a longer hash');
  assert.equal((await verify({ type: 'recovery', email: one.email, token: code })).status, 200, 'as it is meant');
  assert.equal((await verify({ type: 'recovery', email: one.email, token: code })).code, 'otp_expired', 'twice');
  await auth('/recover', { body: { email: two.email } });
  const first = (await mail(two.email)).code;
  await auth('/recover', { body: { email: two.email } });
  if (first !== (await mail(two.email)).code) assert.equal((await verify({ type: 'recovery', email: two.email, token: first })).code, 'otp_expired', 'a newer one takes its place');
});

test('neither codes nor passwords nor tokens are kept as they are', async () => {
  const one = await person();
  const { refresh_token: token } = await signIn(one);
  await auth('/recover', { body: { email: one.email } });
  const { code } = await mail(one.email);
  const [{ dump }] = await server.sql(`select (select json_agg(u) from auth.users u)::text || (select json_agg(t) from auth.one_time_tokens t)::text || coalesce((select json_agg(a) from auth.audit_log_entries a)::text, '') as dump`);
  assert.ok(!dump.includes(password) && !dump.includes(`"${code}"`) && !dump.includes(token));
  assert.match(dump, /\$2a\$10\$/);
});

test('a link leads only where it may', async () => {
  const one = await person();
  const leads = async (redirect) => {
    await auth(`/recover?redirect_to=${encodeURIComponent(redirect)}`, { body: { email: one.email } });
    const { link } = await mail(one.email);
    const answer = await fetch(link, { redirect: 'manual', headers: { apikey: server.keys.publishable } });
    return new URL(answer.headers.get('location'));
  };
  assert.equal((await leads('http://site.example/welcome')).href.split('#')[0], 'http://site.example/welcome');
  assert.equal((await leads('http://a.site.example/any/where')).host, 'a.site.example');
  for (const evil of ['http://evil.example/', 'http://site.example.evil.example/', 'http://evil.example/http://site.example', 'http://evil.example#.site.example/', 'http://site.example@evil.example/', '//evil.example', 'javascript:alert(1)', 'http://evil.example\\.site.example/', 'data:text/html,x', 'http://evil.example%2f.site.example/']) {
    assert.equal((await leads(evil)).host, 'site.example', evil);
  }
  const wrong = await fetch(`${server.url}/auth/v1/verify?type=recovery&token=wrong&redirect_to=${encodeURIComponent('http://evil.example/')}`, { redirect: 'manual' });
  assert.equal(new URL(wrong.headers.get('location')).host, 'site.example');
  const authorize = await fetch(`${server.url}/auth/v1/authorize?provider=github&redirect_to=${encodeURIComponent('http://evil.example/')}`, { redirect: 'manual' });
  assert.ok(!authorize.headers.get('location').includes('evil.example'), authorize.headers.get('location'));
});

test('a second factor is not passed by', async () => {
  const one = await person();
  const { access_token: token } = await signIn(one);
  const { json: factor } = await auth('/factors', { token, body: { factor_type: 'totp', friendly_name: 'A' } });
  const [{ secret }] = await server.sql(`select secret from auth.mfa_factors where id = '${factor.id}'`);
  const { totp } = await import('../auth-js/totp.mjs');
  const challenge = async (bearer) => (await auth(`/factors/${factor.id}/challenge`, { token: bearer, body: {} })).json.id;
  assert.equal((await auth(`/factors/${factor.id}/verify`, { token, body: { challenge_id: await challenge(token), code: await totp(secret) } })).status, 200);
  const { access_token: low } = await signIn(one);
  assert.equal((await auth('/factors', { token: low, body: { factor_type: 'totp', friendly_name: 'B' } })).status, 403, 'another factor');
  assert.equal((await auth(`/factors/${factor.id}`, { token: low, method: 'DELETE' })).code, 'insufficient_aal', 'unenroll');
  assert.equal((await auth('/user', { token: low, method: 'PUT', body: { password: 'changed at aal1, no' } })).code, 'insufficient_aal', 'password');
  assert.equal((await auth('/user', { token: low, method: 'PUT', body: { email: 'else@example.com' } })).code, 'insufficient_aal', 'email');
  const id = await challenge(low);
  for (const code of ['000000', '', '1', 'abcdef', '0000000', null, { a: 1 }]) {
    const { status } = await auth(`/factors/${factor.id}/verify`, { token: low, body: { challenge_id: id, code } });
    assert.ok(status >= 400 && status < 500, `${JSON.stringify(code)}: ${status}`);
  }
});

test('no answer holds a key that was sent or a secret', async () => {
  const { id } = await person();
  const secrets = [server.keys.secret, server.keys.service_role, server.keys.jwt_secret];
  const asks = [['/admin/users'], [`/admin/users/${id}`], ['/admin/audit'], ['/settings'], ['/health'], ['/.well-known/jwks.json'], ['/.well-known/openid-configuration'], ['/user'], ['/nothing'], ['/admin/users', { body: { email: 'no' } }], ['/admin/generate_link', { body: { type: 'magiclink', email: 'x@example.com' } }], ['/verify?token=x'], ['/token?grant_type=password', { body: {} }], ['/signup', { body: { email: `${server.keys.secret.slice(0, 10)}` } }]];
  for (const [target, init] of asks) {
    for (const key of [server.keys.secret, server.keys.service_role]) {
      const { text, headers, status } = await auth(target, { key, ...init });
      for (const secret of secrets) assert.ok(!`${text}${JSON.stringify(headers)}`.includes(secret), `${target}: ${status} ${text}`);
    }
  }
});

test('what is no JSON, too much, or of another shape is refused, never a fault of the server', async () => {
  const bodies = ['', '{', 'null', '[]', '"x"', '{"email":1}', '{"email":{"a":1},"password":[]}', `{"email":"${'x'.repeat(300)}@example.com","password":"${'y'.repeat(100)}"}`, '{"email":"a@b.c\\u0000","password":"long enough"}', `{"data":${'['.repeat(5000)}${']'.repeat(5000)}}`];
  const targets = ['/signup', '/token?grant_type=password', '/token?grant_type=refresh_token', '/token?grant_type=pkce', '/token?grant_type=id_token', '/token', '/otp', '/recover', '/verify', '/resend', '/magiclink'];
  for (const target of targets) {
    for (const body of bodies) {
      const answer = await server.fetch(`/auth/v1${target}`, { method: 'POST', body, headers: { 'content-type': 'application/json' } });
      assert.ok(answer.status < 500, `${target} ${body.slice(0, 60)}: ${answer.status} ${await answer.text()}`);
    }
  }
  const large = await server.fetch('/auth/v1/signup', { method: 'POST', body: JSON.stringify({ data: 'x'.repeat(2_000_000) }), headers: { 'content-type': 'application/json' } });
  assert.ok(large.status >= 400 && large.status < 500, `2 MB: ${large.status}`);
});
