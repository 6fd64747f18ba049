// auth-js from npm, unmodified, over the `serve` command.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { AuthClient } from '@supabase/auth-js';
import { authenticator } from '../auth/authenticator.mjs';
import { CLIENT, follow, provider } from '../auth/provider.mjs';
import { cases, clients, excused, methods, ofPages } from '../auth-js/exercise.mjs';
import { settingsFor } from '../auth-js/settings.mjs';
import { hiddenIn, uncovered } from '../clients/recorded.mjs';
import { configured } from './server.mjs';

const site = 'http://localhost:3000';
const called = new Set();
let server, oidc, context;
before(async () => {
  oidc = await provider();
  server = await configured(settingsFor({ site, issuer: oidc.issuer, client: CLIENT }));
  const callback = `${server.url}/auth/v1/callback`;
  oidc.serve([callback]);
  context = clients({
    AuthClient, base: server.url, site, keys: server.keys, called,
    follow: async (link) => (await follow(link, ({ origin }) => origin === site)).href,
    device: () => authenticator(site),
    provider: {
      signIn: (person) => oidc.signIn(person),
      tokens: (person, nonce) => oidc.tokens(person, { nonce: createHash('sha256').update(nonce).digest('hex'), callback }),
    },
  });
});
after(async () => {
  oidc?.close();
  await server?.end('SIGKILL');
});

for (const [name, run] of Object.entries(cases)) test(name, () => run(context));

test('every method was called', () => {
  const folder = path.dirname(createRequire(import.meta.url).resolve('@supabase/auth-js'));
  const hidden = new Set(['GoTrueClient', 'GoTrueAdminApi', 'lib/webauthn'].flatMap((name) => [...hiddenIn(readFileSync(path.join(folder, `${name}.d.ts`), 'utf8'))]));
  const all = methods(new AuthClient({ url: 'http://localhost/auth/v1', autoRefreshToken: false }), hidden);
  for (const name of ['auth.signUp', 'auth.mfa.enroll', 'auth.admin.mfa.listFactors', 'auth.passkey.list', 'auth.mfa.webauthn.register']) assert.ok(all.includes(name), all.join());
  const elsewhere = Object.fromEntries(ofPages.map((name) => [name, 'tests/browser/auth-js.test.mjs']));
  assert.deepEqual(uncovered(all, called, { ...excused, ...elsewhere }), { missing: [], needless: [] });
});

test('the process ends when it is told to', async () => {
  assert.equal(await server.end('SIGTERM'), 0);
  assert.equal(server.said.stderr, '');
});
