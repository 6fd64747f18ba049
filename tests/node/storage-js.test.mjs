// storage-js from npm, unmodified, over the `serve` command.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { StorageClient } from '@supabase/storage-js';
import { userToken } from '../browser/jwt.mjs';
import { hiddenIn, uncovered } from '../clients/recorded.mjs';
import { cases, clients, excused, methods } from '../storage-js/exercise.mjs';
import { start } from './server.mjs';

const ids = { ada: '00000000-0000-4000-8000-00000000000a', ben: '00000000-0000-4000-8000-00000000000b' };
const called = new Set();
let server, context;
before(async () => {
  server = await start();
  await server.sql(readFileSync(path.join(import.meta.dirname, '../storage-js/policies.sql'), 'utf8'));
  const storageUrl = `${server.url}/storage/v1`;
  const tokens = Object.fromEntries(Object.entries(ids).map(([name, id]) => [name, userToken(server.keys.jwt_secret, id)]));
  context = { ...clients({ StorageClient, storageUrl, keys: server.keys, tokens, called }), storageUrl, ids };
  await context.service.createBucket('private');
  await context.service.createBucket('open');
});
after(() => server?.end('SIGKILL'));

for (const [name, run] of Object.entries(cases)) test(name, () => run(context));

test('every method was called', () => {
  const hidden = hiddenIn(readFileSync(createRequire(import.meta.url).resolve('@supabase/storage-js').replace(/\.cjs$/, '.d.cts'), 'utf8'));
  const all = methods(new StorageClient('http://localhost/storage/v1'), hidden);
  assert.ok(all.includes('file.upload') && all.includes('storage.createBucket'), all.join());
  assert.deepEqual(uncovered(all, called, excused), { missing: [], needless: [] });
});

test('the process ends when it is told to', async () => {
  assert.equal(await server.end('SIGTERM'), 0);
  assert.equal(server.said.stderr, '');
});
