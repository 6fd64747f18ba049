// supabase-js and postgrest-js from npm, unmodified, in the page, through the service worker.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { build } from 'esbuild';
import { cases } from '../supabase-js/exercise.mjs';
import { launch, openGateway } from './harness.mjs';

const here = import.meta.dirname;
let browser, gateway;
before(async () => {
  browser = await launch();
  gateway = await openGateway(browser);
  await gateway.sql(readFileSync(path.join(here, '../supabase-js/schema.sql'), 'utf8'));
  const bundle = await build({
    stdin: {
      contents: `import { PostgrestClient } from '@supabase/postgrest-js'; import { createClient } from '@supabase/supabase-js';
        import { cases, clients } from '../supabase-js/exercise.mjs';
        window.createClient = createClient;
        window.runCase = (name, keys) => cases[name](clients({ createClient, PostgrestClient, url: location.origin, keys }));`,
      resolveDir: here,
    },
    bundle: true, write: false, format: 'iife', platform: 'browser',
  });
  await gateway.page.evaluate(bundle.outputFiles[0].text);
});
after(async () => { await gateway?.close(); await browser?.close(); });

for (const name of Object.keys(cases)) {
  test(name, async () => { await gateway.page.evaluate(([name, keys]) => window.runCase(name, keys), [name, gateway.keys]); });
}

test('the schema cache follows DDL at once', async () => {
  await gateway.sql('create table fresh (id int primary key, film_id int references films (id)); insert into fresh values (1, 3)');
  const { data, error } = await gateway.page.evaluate((key) => window.createClient(location.origin, key).from('fresh').select('id, films(title)'), gateway.keys.publishable);
  assert.equal(error, null);
  assert.deepEqual(data, [{ id: 1, films: { title: 'Ran' } }]);
  await gateway.sql('drop table fresh');
  const gone = await gateway.page.evaluate((key) => window.createClient(location.origin, key).from('fresh').select('id'), gateway.keys.publishable);
  assert.equal(gone.error?.code, 'PGRST205');
});
