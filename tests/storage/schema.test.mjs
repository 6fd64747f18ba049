// The schema `storage` is Supabase's: what `schema.json` describes is there as it says.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { stack } from './stack.mjs';

const expected = JSON.parse(readFileSync(path.join(import.meta.dirname, 'schema.json'), 'utf8'));

test('tables, functions and triggers are as Supabase has them', async (t) => {
  const project = await stack(t);
  const columns = await project.sql(`
    select relname as table, attname as name, format_type(atttypid, atttypmod) as type, attnotnull as not_null, attgenerated <> '' as generated,
      pg_get_expr(adbin, adrelid) as expression, relrowsecurity as rls
    from pg_attribute join pg_class on pg_class.oid = attrelid left join pg_attrdef on adrelid = attrelid and adnum = attnum
    where relnamespace = 'storage'::regnamespace and relkind = 'r' and attnum > 0 and not attisdropped
    order by relname, attnum`);
  const constraints = await project.sql("select conrelid::regclass::text as table, conname as name, pg_get_constraintdef(oid) as definition from pg_constraint where connamespace = 'storage'::regnamespace and contype <> 'n'");
  const indexes = await project.sql("select tablename as table, indexname as name from pg_indexes where schemaname = 'storage'");
  for (const [name, table] of Object.entries(expected.tables)) {
    const own = columns.filter((column) => column.table === name);
    assert.ok(own.length > 0, `${name} is there`);
    assert.ok(own.every((column) => column.rls === table.rls), `${name}: row-level security`);
    const found = own.map((column) => ({
      name: column.name,
      type: column.type,
      ...(column.not_null && { not_null: true }),
      ...(column.generated ? { generated: column.expression } : column.expression !== null && { default: column.expression }),
    }));
    assert.deepEqual(found, table.columns, name);
    const plain = (text) => text.replaceAll('storage.', '');
    for (const constraint of table.constraints) {
      const same = constraints.find((one) => plain(one.table) === name && one.name === constraint.name);
      assert.equal(plain(same?.definition ?? 'missing'), plain(constraint.definition), `${name}: ${constraint.name}`);
    }
    assert.deepEqual(indexes.filter((index) => index.table === name).map((index) => index.name).toSorted(), table.indexes.toSorted(), name);
  }
  const enums = await project.sql("select typname as name, array_agg(enumlabel order by enumsortorder) as labels from pg_enum join pg_type on pg_type.oid = enumtypid where typnamespace = 'storage'::regnamespace group by typname");
  for (const [name, labels] of Object.entries(expected.enums)) assert.deepEqual(enums.find((one) => one.name === name)?.labels, labels);
  const functions = await project.sql(`
    select proname || '(' || pg_get_function_identity_arguments(oid) || ') returns ' || pg_get_function_result(oid) as signature
    from pg_proc where pronamespace = 'storage'::regnamespace`);
  const signatures = new Set(functions.map(({ signature }) => signature));
  for (const signature of expected.functions) assert.ok(signatures.has(signature), signature);
  const triggers = await project.sql(`
    select relname || '.' || tgname || ' -> ' || proname as trigger from pg_trigger
    join pg_class on pg_class.oid = tgrelid join pg_proc on pg_proc.oid = tgfoid
    where relnamespace = 'storage'::regnamespace and not tgisinternal`);
  const fired = new Set(triggers.map(({ trigger }) => trigger));
  for (const trigger of expected.triggers) assert.ok(fired.has(trigger), trigger);
  const owners = await project.sql("select distinct pg_get_userbyid(relowner) as owner from pg_class where relnamespace = 'storage'::regnamespace and relkind = 'r'");
  assert.deepEqual(owners, [{ owner: 'supabase_storage_admin' }]);
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
