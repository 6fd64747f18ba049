// storage-js from npm, unmodified, in the page, through the service worker.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { build } from 'esbuild';
import { cases } from '../storage-js/exercise.mjs';
import { launch, openGateway } from './harness.mjs';
import { userToken } from './jwt.mjs';

const here = import.meta.dirname;
const ids = { ada: '00000000-0000-4000-8000-00000000000a', ben: '00000000-0000-4000-8000-00000000000b' };
let browser, gateway;
before(async () => {
  browser = await launch();
  gateway = await openGateway(browser);
  await gateway.sql(readFileSync(path.join(here, '../storage-js/policies.sql'), 'utf8'));
  const bundle = await build({
    stdin: {
      contents: `import { StorageClient } from '@supabase/storage-js'; import { cases, clients } from '../storage-js/exercise.mjs';
        let context;
        window.prepare = async (keys, tokens, ids) => {
          const storageUrl = location.origin + '/storage/v1';
          context = { ...clients({ StorageClient, storageUrl, keys, tokens, called: new Set() }), storageUrl, ids };
          for (const name of ['private', 'open']) {
            const { error } = await context.service.createBucket(name);
            if (error) throw error;
          }
        };
        window.runCase = (name) => cases[name](context);`,
      resolveDir: here,
    },
    bundle: true, write: false, format: 'iife', platform: 'browser',
  });
  await gateway.page.evaluate(bundle.outputFiles[0].text);
  const tokens = Object.fromEntries(Object.entries(ids).map(([name, id]) => [name, userToken(gateway.keys.jwt_secret, id)]));
  await gateway.page.evaluate(([keys, tokens, ids]) => window.prepare(keys, tokens, ids), [gateway.keys, tokens, ids]);
});
after(async () => { await gateway?.close(); await browser?.close(); });

for (const name of Object.keys(cases)) {
  test(name, () => gateway.page.evaluate((name) => window.runCase(name), name));
}
