// supabase-js from npm, unmodified, over the `serve` command.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { createClient } from '@supabase/supabase-js';
import { cases } from '../supabase-js/exercise.mjs';
import { start } from './server.mjs';

// Node before 22 has no WebSocket, and createClient wants one to hold; no case here opens it.
const transport = class { constructor() { throw new Error('no case opens a WebSocket'); } };
const options = { auth: { persistSession: false, autoRefreshToken: false }, realtime: { transport } };
let server;
before(async () => {
  server = await start();
  await server.sql(readFileSync(path.join(import.meta.dirname, '../supabase-js/schema.sql'), 'utf8'));
});
after(() => server?.end('SIGKILL'));

for (const [name, run] of Object.entries(cases)) {
  test(name, async () => {
    const { publishable, secret } = server.keys;
    await run({ anon: createClient(server.url, publishable, options), service: createClient(server.url, secret, options) });
  });
}

test('the keys that are JWTs do what the publishable and the secret key do', async () => {
  const { anon, service_role } = server.keys;
  await cases['roles are what the keys say']({ anon: createClient(server.url, anon, options), service: createClient(server.url, service_role, options) });
});

test('the process ends when it is told to', async () => {
  assert.equal(await server.end('SIGTERM'), 0);
  assert.equal(server.said.stderr, '');
});
