// Signing up and in, what a session says, and how long it lasts.
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { before, test } from 'node:test';
import { address, atEnd, claims, header, password, refusal, serve } from './harness.mjs';

let server;
const end = atEnd();
before(async () => { server = await serve(end, { 'auth.refresh_token_reuse_interval': 10 }); });

test('signing up gives a session whose claims are GoTrue\'s', async () => {
  const email = address('Ann');
  const session = await server.user(email.toUpperCase(), { data: { name: 'Ann' } });
  assert.deepEqual(Object.keys(session), ['access_token', 'token_type', 'expires_in', 'expires_at', 'refresh_token', 'user']);
  assert.equal(session.token_type, 'bearer');
  assert.equal(session.expires_in, 3600);
  assert.match(session.refresh_token, /^[a-z0-9]{12}$/);
  const { user } = session;
  const lower = email.toLowerCase();
  assert.equal(user.email, lower);
  assert.equal(user.phone, '');
  assert.equal(user.role, 'authenticated');
  assert.ok(user.email_confirmed_at && user.confirmed_at && user.last_sign_in_at);
  assert.deepEqual(user.app_metadata, { provider: 'email', providers: ['email'] });
  assert.deepEqual(user.user_metadata, { name: 'Ann', sub: user.id, email: lower, email_verified: true, phone_verified: false });
  assert.equal(user.identities.length, 1);
  const [identity] = user.identities;
  assert.equal(identity.provider, 'email');
  assert.equal(identity.id, user.id);
  assert.equal(identity.user_id, user.id);
  assert.equal(identity.email, lower);
  const said = claims(session.access_token);
  assert.deepEqual(header(session.access_token), { alg: 'HS256', typ: 'JWT' });
  assert.equal(said.iss, server.base);
  assert.equal(said.sub, user.id);
  assert.equal(said.aud, 'authenticated');
  assert.equal(said.exp - said.iat, 3600);
  assert.equal(said.exp, session.expires_at);
  assert.equal(said.aal, 'aal1');
  assert.equal(said.is_anonymous, false);
  assert.deepEqual(said.amr.map(({ method }) => method), ['password']);
  assert.match(said.session_id, /^[0-9a-f-]{36}$/);
  assert.deepEqual(said.user_metadata, user.user_metadata);
});

test('what is wrong with a sign-up is said', async () => {
  const email = address();
  await server.user(email);
  const cases = [
    [{ email, password }, '422 user_already_exists'],
    [{ email: email.toUpperCase(), password }, '422 user_already_exists'],
    [{ email: address() }, '400 validation_failed'],
    [{ email: address(), password: '12345' }, '422 weak_password'],
    [{ email: address(), password: 'x'.repeat(73) }, '400 validation_failed'],
    [{ email: 'nobody', password }, '400 validation_failed'],
    [{ email: address(), phone: '15551234567', password }, '400 validation_failed'],
    [{}, '422 anonymous_provider_disabled'],
    ['{', '400 bad_json'],
  ];
  for (const [body, expected] of cases) assert.equal(refusal(await server.raw('/signup', { body })), expected, JSON.stringify(body));
  const weak = await server.raw('/signup', { body: { email: address(), password: 'a' } });
  assert.deepEqual(weak.json.weak_password, { reasons: ['length'] });
  assert.equal(weak.headers.get('x-sb-error-code'), 'weak_password');
});

test('of many who sign up with one address at once, one does', async () => {
  const email = address();
  const answers = await Promise.all([1, 2, 3, 4].map(() => server.raw('/signup', { body: { email, password } })));
  assert.deepEqual(answers.map(({ status }) => status).toSorted(), [200, 422, 422, 422]);
  for (const answer of answers.filter(({ status }) => status === 422)) assert.match(answer.json.code, /^(email_exists|user_already_exists)$/);
});

test('the version of the request decides the shape of an error', async () => {
  const ask = (version) => server.raw('/token?grant_type=password', { body: { email: 'a@b.test', password: 'x' }, version });
  const current = await ask('2024-01-01');
  assert.deepEqual(current.json, { code: 'invalid_credentials', message: 'Invalid login credentials' });
  assert.equal(current.headers.get('x-supabase-api-version'), '2024-01-01');
  const first = await ask(null);
  assert.deepEqual(first.json, { code: 400, error_code: 'invalid_credentials', msg: 'Invalid login credentials' });
  for (const answer of [current, first]) {
    assert.equal(answer.status, 400);
    assert.equal(answer.headers.get('x-sb-error-code'), 'invalid_credentials');
  }
});

test('a body of more than a megabyte is refused', async () => {
  assert.equal((await server.raw('/signup', { body: { email: address(), password, data: { x: 'x'.repeat(1024 * 1024) } } })).status, 413);
});

test('an unknown user and a wrong password are answered alike, and take as long', async () => {
  const email = address();
  await server.user(email);
  const timed = async (name, pass) => {
    const begin = performance.now();
    const answer = await server.signIn(name, pass);
    return [performance.now() - begin, answer.text];
  };
  const [[, wrong], [, unknown]] = [await timed(email, 'wrong'), await timed(address(), 'wrong')];
  assert.equal(wrong, unknown);
  const median = (times) => times.toSorted((a, b) => a - b)[times.length >> 1];
  const times = { wrong: [], unknown: [] };
  for (let round = 0; round < 7; round += 1) {
    times.wrong.push((await timed(email, 'wrong'))[0]);
    times.unknown.push((await timed(address(), 'wrong'))[0]);
  }
  const ratio = median(times.wrong) / median(times.unknown);
  assert.ok(ratio > 0.6 && ratio < 1.7, `wrong/unknown = ${ratio.toFixed(2)}`);
});

test('other requests are answered while a password is hashed', async () => {
  const email = address();
  await server.user(email);
  const order = [];
  const hashing = server.signIn(email).then(() => order.push('signed in'));
  await server.raw('/health', { method: 'GET' }).then(() => order.push('health'));
  await hashing;
  assert.deepEqual(order, ['health', 'signed in']);
});

test('a refresh token is swapped for the next; its parent gets that one again', async () => {
  const first = await server.user();
  const second = await server.refresh(first.refresh_token);
  assert.equal(second.status, 200);
  assert.notEqual(second.json.refresh_token, first.refresh_token);
  assert.equal(claims(second.json.access_token).session_id, claims(first.access_token).session_id);
  assert.deepEqual(claims(second.json.access_token).amr, claims(first.access_token).amr);
  // The client lost the answer.
  const again = await server.refresh(first.refresh_token);
  assert.equal(again.json.refresh_token, second.json.refresh_token);
});

test('a used refresh token is taken again within the interval, as by two tabs', async () => {
  const first = await server.user();
  const second = (await server.refresh(first.refresh_token)).json;
  await server.refresh(second.refresh_token);
  const again = await server.refresh(first.refresh_token);
  assert.equal(again.status, 200);
  assert.notEqual(again.json.refresh_token, second.refresh_token);
});

test('a stolen refresh token ends the session for everybody, though the request fails', async () => {
  const first = await server.user();
  const second = (await server.refresh(first.refresh_token)).json;
  const third = (await server.refresh(second.refresh_token)).json;
  const later = (token) => server.sql(`update auth.refresh_tokens set updated_at = updated_at - interval '11 seconds' where token = '${token}'`);
  await later(first.refresh_token);
  const stolen = await server.refresh(first.refresh_token);
  assert.equal(refusal(stolen), '400 refresh_token_already_used');
  assert.equal(stolen.json.message, 'Invalid Refresh Token: Already Used');
  const [{ alive }] = await server.sql(`select count(*)::int as alive from auth.refresh_tokens where session_id = '${claims(first.access_token).session_id}' and not revoked`);
  assert.equal(alive, 0);
  await later(third.refresh_token);
  assert.equal(refusal(await server.refresh(third.refresh_token)), '400 refresh_token_already_used');
});

test('two tabs refresh at once: both go on, with tokens of one family', async () => {
  const session = await server.user();
  const both = await Promise.all([1, 2, 3, 4].map(() => server.refresh(session.refresh_token)));
  assert.deepEqual(both.map(({ status }) => status), [200, 200, 200, 200]);
  assert.equal(new Set(both.map(({ json }) => json.refresh_token)).size, 1);
  const next = await server.refresh(both[0].json.refresh_token);
  assert.equal(next.status, 200);
});

test('tokens that are none are refused', async () => {
  assert.equal(refusal(await server.refresh('nosuchtoken1')), '400 refresh_token_not_found');
  const empty = await server.raw('/token?grant_type=refresh_token', { body: {} });
  assert.equal(empty.status, 400);
  assert.deepEqual(empty.json, { error: 'invalid_request', error_description: 'refresh_token required' });
  assert.equal(refusal(await server.raw('/token?grant_type=other', { body: {} })), '400 invalid_credentials');
  assert.equal((await server.raw('/token?grant_type=password', { body: { email: "a'b\u0000@c.test", password } })).status, 400);
});

test('a session that is over is over', async () => {
  const session = await server.user();
  const id = claims(session.access_token).session_id;
  await server.sql(`update auth.sessions set not_after = now() - interval '1 second' where id = '${id}'`);
  const ended = await server.refresh(session.refresh_token);
  assert.equal(refusal(ended), '400 session_expired');
  assert.equal(ended.json.message, 'Invalid Refresh Token: Session Expired');
});

test('who calls without a good token is told why', async () => {
  const session = await server.user();
  const get = (token, more) => server.raw('/user', { method: 'GET', token, ...more });
  assert.equal((await get(session.access_token)).json.id, session.user.id);
  const bare = await fetch(`${server.base}/user`, { headers: { 'x-supabase-api-version': '2024-01-01' } });
  assert.equal(bare.status, 401);
  assert.deepEqual(await bare.json(), { code: 'no_authorization', message: 'This endpoint requires a valid Bearer token' });
  assert.equal(refusal(await get('x')), '403 bad_jwt');
  assert.equal(refusal(await get(`${session.access_token.slice(0, -3)}AAA`)), '403 bad_jwt');
  assert.equal(refusal(await get(server.keys.anon)), '403 bad_jwt');
  const sign = (said) => {
    const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const text = `${part({ alg: 'HS256', typ: 'JWT' })}.${part(said)}`;
    return `${text}.${createHmac('sha256', server.keys.jwt_secret).update(text).digest('base64url')}`;
  };
  const said = claims(session.access_token);
  const now = Math.floor(Date.now() / 1000);
  const expired = await get(sign({ ...said, exp: now - 1 }));
  assert.equal(refusal(expired), '403 bad_jwt');
  assert.equal(expired.json.message, 'invalid JWT: unable to parse or verify signature, token has invalid claims: token is expired');
  assert.equal(refusal(await get(sign({ ...said, sub: '00000000-0000-4000-8000-000000000000' }))), '403 user_not_found');
  assert.equal(refusal(await get(sign({ ...said, session_id: '00000000-0000-4000-8000-000000000000' }))), '403 session_not_found');
  assert.equal(refusal(await get(sign({ ...said, sub: 'me' }))), '400 bad_jwt');
  // Signed elsewhere, without a session: as good as any.
  assert.equal((await get(sign({ sub: said.sub, aud: 'authenticated', role: 'authenticated', exp: now + 60 }))).status, 200);
});

test('signing out ends this session, all others, or all', async () => {
  const email = address();
  const a = await server.user(email);
  const [b, c] = [(await server.signIn(email)).json, (await server.signIn(email)).json];
  const alive = async (session) => (await server.raw('/user', { method: 'GET', token: session.access_token })).status === 200;
  const out = (session, scope) => server.raw(`/logout?scope=${scope}`, { token: session.access_token });
  assert.equal((await out(a, 'local')).status, 204);
  assert.deepEqual([await alive(a), await alive(b), await alive(c)], [false, true, true]);
  assert.equal(refusal(await server.refresh(a.refresh_token)), '400 refresh_token_not_found');
  assert.equal((await out(b, 'others')).status, 204);
  assert.deepEqual([await alive(b), await alive(c)], [true, false]);
  assert.equal(refusal(await out(b, 'nowhere')), '400 validation_failed');
  assert.equal((await out(b, 'global')).status, 204);
  assert.equal(await alive(b), false);
  assert.equal(refusal(await out(b, 'global')), '403 session_not_found');
});

test('the session is known to REST and to policies', async () => {
  await server.sql(`create table public.notes (id int generated always as identity primary key, owner uuid default auth.uid() references auth.users on delete cascade, text text);
    grant all on public.notes to authenticated; alter table public.notes enable row level security;
    create policy own on public.notes for all to authenticated using (owner = (select auth.uid())) with check (owner = (select auth.uid()))`);
  const [ann, bob] = [await server.user(), await server.user()];
  const rest = (session, init) => fetch(`${server.url}/rest/v1/notes`, {
    ...init, headers: { apikey: server.keys.publishable, authorization: `Bearer ${session.access_token}`, 'content-type': 'application/json' },
  });
  assert.equal((await rest(ann, { method: 'POST', body: JSON.stringify({ text: 'mine' }) })).status, 201);
  assert.deepEqual((await (await rest(ann)).json()).map(({ text }) => text), ['mine']);
  assert.deepEqual(await (await rest(bob)).json(), []);
});

test('a trigger of the user\'s own runs with the sign-up, and may refuse it', async () => {
  await server.sql(`create table public.profiles (id uuid primary key references auth.users on delete cascade, name text);
    create function public.welcome() returns trigger language plpgsql security definer set search_path = '' as $$
    begin
      if new.raw_user_meta_data ->> 'name' = 'refuse' then raise exception 'not you'; end if;
      insert into public.profiles values (new.id, new.raw_user_meta_data ->> 'name');
      return new;
    end $$;
    create trigger welcome after insert on auth.users for each row execute function public.welcome()`);
  const { user } = await server.user(address(), { data: { name: 'Carl' } });
  assert.deepEqual(await server.sql(`select name from public.profiles where id = '${user.id}'`), [{ name: 'Carl' }]);
  const email = address();
  const refused = await server.raw('/signup', { body: { email, password, data: { name: 'refuse' } } });
  assert.equal(refusal(refused), '500 unexpected_failure');
  assert.equal(refused.json.message, 'Database error saving new user');
  assert.deepEqual(await server.sql(`select 1 from auth.users where email = '${email}'`), []);
});

test('the audit log says who did what', async () => {
  const email = address();
  const { user, access_token } = await server.user(email);
  await server.raw('/logout', { token: access_token });
  const rows = await server.sql(`select payload ->> 'action' as action, payload ->> 'actor_username' as who, payload -> 'traits' as traits
    from auth.audit_log_entries where payload ->> 'actor_id' = '${user.id}' order by created_at, payload ->> 'action' desc`);
  assert.deepEqual(rows.map(({ action }) => action), ['user_signedup', 'login', 'logout']);
  assert.equal(rows[0].who, email);
  assert.deepEqual(rows[0].traits, { provider: 'email' });
});
