// The schema `storage` is Supabase's: what `schema.json` describes is there as it says.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { described } from '../schema/described.mjs';
import { stack } from './stack.mjs';

const expected = JSON.parse(readFileSync(path.join(import.meta.dirname, 'schema.json'), 'utf8'));

test('tables, functions and triggers are as Supabase has them', async (t) => {
  const project = await stack(t);
  await described(project.sql, 'storage', expected);
});

test('its functions do what policies and users expect', async (t) => {
  const project = await stack(t);
  const one = async (expression) => (await project.sql(`select ${expression} as value`))[0].value;
  assert.deepEqual(await one("storage.foldername('a/b/c.tar.gz')"), ['a', 'b']);
  assert.deepEqual(await one("storage.foldername('c')"), []);
  assert.equal(await one("storage.filename('a/b/c.tar.gz')"), 'c.tar.gz');
  assert.equal(await one("storage.extension('a/b/c.tar.gz')"), 'gz');
  assert.equal(await one("storage.get_common_prefix('a/b/c', 'a/', '/')"), 'a/b/');
  assert.equal(await one("storage.get_common_prefix('a/b', 'a/', '/')"), null);
  for (const table of ['buckets', 'objects']) {
    await assert.rejects(project.sql(`delete from storage.${table}`), /Direct deletion from storage tables is not allowed/);
  }
  await assert.rejects(project.sql(`insert into storage.buckets (id, name) values ('x', '${'x'.repeat(101)}')`), /is too long \(101 characters\)/);
  await assert.rejects(project.sql("select storage.can_insert_object('nothing', 'a', null, null)"), /foreign key/);
});
