// supabase-js and postgrest-js from npm, unmodified, over the `serve` command.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { PostgrestClient } from '@supabase/postgrest-js';
import { createClient } from '@supabase/supabase-js';
import { documented } from '../supabase-js/documented.mjs';
import { cases, clients } from '../supabase-js/exercise.mjs';
import { start } from './server.mjs';

// Node before 22 has no WebSocket, and createClient wants one to hold; no case here opens it.
const transport = class { constructor() { throw new Error('no case opens a WebSocket'); } };
const options = { realtime: { transport } };
const used = new Set();
const own = () => clients({ createClient, PostgrestClient, url: server.url, keys: server.keys, options, used });
let server;
before(async () => {
  server = await start();
  await server.sql(readFileSync(path.join(import.meta.dirname, '../supabase-js/schema.sql'), 'utf8'));
});
after(() => server?.end('SIGKILL'));

for (const [name, run] of Object.entries(cases)) test(name, () => run(own()));

test('each method and option that the declarations have was used', () => {
  const unused = [...documented()].filter((name) => !used.has(name));
  assert.deepEqual(unused, []);
});

test('the keys that are JWTs do what the publishable and the secret key do', async () => {
  const { connect } = own();
  const { anon, service_role } = server.keys;
  await cases['roles are what the keys say']({ anon: connect({}, anon), service: connect({}, service_role) });
});

test('the process ends when it is told to', async () => {
  assert.equal(await server.end('SIGTERM'), 0);
  assert.equal(server.said.stderr, '');
});
