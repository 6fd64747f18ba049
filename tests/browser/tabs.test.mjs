// One session in two tabs: auth-js from npm, unmodified, keeps it in the origin's storage, and both refresh it.
import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { build } from 'esbuild';
import { launch, openGateway, stopServiceWorkers, untilReady } from './harness.mjs';

let browser, gateway, tabs, script;
before(async () => {
  browser = await launch();
  gateway = await openGateway(browser);
  const bundle = await build({
    stdin: {
      contents: `import { AuthClient } from '@supabase/auth-js';
        window.begin = (key, options) => {
          window.heard = [];
          window.auth = new AuthClient({ url: location.origin + '/auth/v1', headers: { apikey: key, Authorization: 'Bearer ' + key }, storageKey: 'session', autoRefreshToken: true, ...options });
          auth.onAuthStateChange((event) => heard.push(event));
          return auth.initialize();
        };`,
      resolveDir: import.meta.dirname,
    },
    bundle: true, write: false, format: 'iife', platform: 'browser',
  });
  script = bundle.outputFiles[0].text;
  const other = await browser.newPage();
  await other.goto(gateway.url);
  await untilReady(other);
  tabs = [gateway.page, other];
  for (const tab of tabs) await tab.evaluate(script);
});
after(async () => { await gateway?.close(); await browser?.close(); });

const begin = (tab, options) => tab.evaluate(([key, options]) => window.begin(key, options), [gateway.keys.publishable, options]);
const both = (work, argument) => Promise.all(tabs.map((tab) => tab.evaluate(work, argument)));
const claims = (token) => JSON.parse(Buffer.from(token.split('.')[1], 'base64url'));

/** The first tab signs a new user in; both have the session. */
let first;
let count = 0;
beforeEach(async () => {
  await both(async () => { await window.auth?.dispose(); localStorage.clear(); });
  for (const tab of tabs) await begin(tab);
  first = await tabs[0].evaluate(async (email) => (await auth.signUp({ email, password: 'correct horse 42' })).data.session, `tab${count += 1}@example.com`);
  assert.ok(first?.refresh_token);
});

/** What each tab has in the end: nobody was signed out, both are let in, and with one session. */
async function goOn() {
  const ends = await both(async () => ({ heard, session: (await auth.getSession()).data.session, user: (await auth.getUser()).data.user?.id }));
  for (const { heard, session, user } of ends) {
    assert.ok(!heard.includes('SIGNED_OUT'), heard.join());
    assert.equal(user, first.user.id);
    assert.equal(claims(session.access_token).session_id, claims(first.access_token).session_id);
  }
  return ends.map(({ session }) => session);
}

/** The session as it is kept, an hour later. */
const age = () => tabs[0].evaluate(() => {
  const kept = JSON.parse(localStorage.getItem('session'));
  localStorage.setItem('session', JSON.stringify({ ...kept, expires_at: Math.floor(Date.now() / 1000) - 1 }));
});

test('both come back at once to a session that is over', async () => {
  for (let round = 0; round < 5; round += 1) {
    await both(() => auth.dispose());
    await age();
    await Promise.all(tabs.map((tab) => begin(tab)));
    const [one, other] = await goOn();
    assert.notEqual(one.refresh_token, first.refresh_token);
    assert.equal(one.refresh_token, other.refresh_token);
  }
});

test('both refresh by themselves, at once, again and again', async () => {
  for (let round = 0; round < 5; round += 1) {
    await age();
    // A tick of the timer that every tab has.
    await both(async () => { await auth.startAutoRefresh(); await auth.getSession(); });
    await goOn();
  }
});

test('both are asked to refresh at once', async () => {
  for (let round = 0; round < 5; round += 1) {
    const errors = await both(async () => (await auth.refreshSession()).error?.message);
    // The client lets go of an answer where the other tab has kept a session meanwhile.
    for (const error of errors) assert.match(error ?? '', /^$|^Refresh result discarded/);
    await goOn();
  }
});

test('of requests that come at once each gets the next token, the same', async () => {
  const answers = await both(async ([token, key]) => Promise.all(Array.from({ length: 5 }, async () => {
    const answer = await fetch('/auth/v1/token?grant_type=refresh_token', { method: 'POST', headers: { apikey: key, 'content-type': 'application/json' }, body: JSON.stringify({ refresh_token: token }) });
    return [answer.status, (await answer.json()).refresh_token];
  })), [first.refresh_token, gateway.keys.publishable]);
  const [statuses, tokens] = [0, 1].map((at) => new Set(answers.flat().map((answer) => answer[at])));
  assert.deepEqual([[...statuses], tokens.size, tokens.has(first.refresh_token)], [[200], 1, false]);
});

test('an answer that was lost is asked for again, also over a kill of the service worker', async () => {
  const refreshed = tabs[1].evaluate(async ([token, key]) => {
    // The first answer does not arrive.
    let lost = false;
    const forgetful = async (...args) => {
      const answer = await fetch(...args);
      if (lost || !String(args[0]).includes('refresh_token')) return answer;
      lost = true;
      throw new TypeError('Failed to fetch');
    };
    await auth.dispose();
    await begin(key, { fetch: forgetful });
    const { data, error } = await auth.refreshSession({ refresh_token: token });
    return { token: data.session?.refresh_token, error: error?.message, lost };
  }, [first.refresh_token, gateway.keys.publishable]);
  await stopServiceWorkers(tabs[0]);
  const { token, error, lost } = await refreshed;
  assert.deepEqual([error, lost], [undefined, true]);
  assert.notEqual(token, first.refresh_token);
  await goOn();
});

test('who signs out in one tab is signed out in the other', async () => {
  await tabs[1].evaluate(() => auth.signOut());
  // What one process stores another one may see a moment later.
  await tabs[0].waitForFunction(() => heard.includes('SIGNED_OUT'));
  const kept = await both(async () => (await auth.getSession()).data.session);
  assert.deepEqual(kept, [null, null]);
});
