// auth-js from npm, unmodified, in the page, through the service worker; a person's links are opened in tabs of their own.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, test } from 'node:test';
import { build } from 'esbuild';
import { CLIENT, provider } from '../auth/provider.mjs';
import { cases, inPage, ofPages } from '../auth-js/exercise.mjs';
import { settingsFor, settingsSql } from '../auth-js/settings.mjs';
import { launch, openGateway } from './harness.mjs';

const here = import.meta.dirname;
let browser, gateway, oidc;
before(async () => {
  oidc = await provider();
  browser = await launch();
  gateway = await openGateway(browser);
  const { page, url: site, keys } = gateway;
  const callback = `${site}/auth/v1/callback`;
  oidc.serve([callback]);
  await gateway.sql(`${settingsSql(settingsFor({ site, issuer: oidc.issuer, client: CLIENT }))}; notify pgrst, 'reload config'`);
  const devtools = await browser.newCDPSession(page);
  await devtools.send('WebAuthn.enable');
  let device;
  const outside = {
    follow: async (link) => {
      const tab = await browser.newPage();
      await tab.goto(link);
      const landed = tab.url();
      await tab.close();
      return landed;
    },
    /** Plugs another key in, which says yes to everything. */
    plug: async () => {
      if (device) await devtools.send('WebAuthn.removeVirtualAuthenticator', { authenticatorId: device });
      const options = { protocol: 'ctap2', transport: 'usb', hasResidentKey: true, hasUserVerification: true, isUserVerified: true, automaticPresenceSimulation: true };
      device = (await devtools.send('WebAuthn.addVirtualAuthenticator', { options })).authenticatorId;
    },
    /** Another person, whom the provider does not know by a cookie. */
    signIn: async (person) => {
      await browser.clearCookies();
      oidc.signIn(person);
    },
    tokens: (person, nonce) => oidc.tokens(person, { nonce: createHash('sha256').update(nonce).digest('hex'), callback }),
  };
  await page.exposeFunction('outside', (name, ...args) => outside[name](...args));
  const bundle = await build({
    stdin: {
      contents: `import { AuthClient } from '@supabase/auth-js'; import { cases, clients, inPage } from '../auth-js/exercise.mjs';
        const ask = (name) => (...args) => window.outside(name, ...args);
        window.called = new Set();
        const device = async () => {
          await ask('plug')();
          return {
            create: async (options) => (await navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(options) })).toJSON(),
            get: async (options) => (await navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(options) })).toJSON(),
          };
        };
        let context;
        window.prepare = (keys) => {
          context = clients({
            AuthClient, base: location.origin, site: location.origin, keys, called, device,
            follow: ask('follow'), provider: { signIn: ask('signIn'), tokens: ask('tokens') },
          });
        };
        window.runCase = (name) => ({ ...cases, ...inPage })[name](context);`,
      resolveDir: here,
    },
    bundle: true, write: false, format: 'iife', platform: 'browser',
  });
  await page.evaluate(bundle.outputFiles[0].text);
  await page.evaluate((keys) => window.prepare(keys), keys);
});
after(async () => { await gateway?.close(); await browser?.close(); oidc?.close(); });

for (const name of [...Object.keys(cases), ...Object.keys(inPage)]) {
  test(name, () => gateway.page.evaluate((name) => window.runCase(name), name));
}

test('what only a page can call was called', async () => {
  const called = await gateway.page.evaluate(() => [...window.called]);
  assert.deepEqual(ofPages.filter((name) => !called.includes(name)), []);
});
