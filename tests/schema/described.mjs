// Whether a schema of Postgres is as a description of Supabase's own says: tables with their columns, constraints, indexes and
// row-level security, enums, functions, triggers.
import assert from 'node:assert/strict';

/** `sql` runs as the owner and gives rows; `expected` is what `conformance/schemas` describes. */
export async function described(sql, schema, expected) {
  const columns = await sql(`
    select relname as table, attname as name, format_type(atttypid, atttypmod) as type, attnotnull as not_null, attgenerated <> '' as generated,
      pg_get_expr(adbin, adrelid) as expression, relrowsecurity as rls
    from pg_attribute join pg_class on pg_class.oid = attrelid left join pg_attrdef on adrelid = attrelid and adnum = attnum
    where relnamespace = '${schema}'::regnamespace and relkind = 'r' and attnum > 0 and not attisdropped
    order by relname, attnum`);
  const constraints = await sql(`select conrelid::regclass::text as table, conname as name, pg_get_constraintdef(oid) as definition from pg_constraint where connamespace = '${schema}'::regnamespace and contype <> 'n'`);
  const indexes = await sql(`select tablename as table, indexname as name from pg_indexes where schemaname = '${schema}'`);
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
    const plain = (text) => text.replaceAll(`${schema}.`, '');
    for (const constraint of table.constraints) {
      const same = constraints.find((one) => plain(one.table) === name && one.name === constraint.name);
      assert.equal(plain(same?.definition ?? 'missing'), plain(constraint.definition), `${name}: ${constraint.name}`);
    }
    assert.deepEqual(indexes.filter((index) => index.table === name).map((index) => index.name).toSorted(), table.indexes.toSorted(), name);
  }
  const enums = await sql(`select typname as name, array_agg(enumlabel order by enumsortorder) as labels from pg_enum join pg_type on pg_type.oid = enumtypid where typnamespace = '${schema}'::regnamespace group by typname`);
  for (const [name, labels] of Object.entries(expected.enums)) assert.deepEqual(enums.find((one) => one.name === name)?.labels, labels, name);
  const functions = await sql(`
    select proname || '(' || pg_get_function_identity_arguments(oid) || ') returns ' || pg_get_function_result(oid) as signature
    from pg_proc where pronamespace = '${schema}'::regnamespace`);
  const signatures = new Set(functions.map(({ signature }) => signature));
  for (const signature of expected.functions) assert.ok(signatures.has(signature), signature);
  const triggers = await sql(`
    select relname || '.' || tgname || ' -> ' || proname as trigger from pg_trigger
    join pg_class on pg_class.oid = tgrelid join pg_proc on pg_proc.oid = tgfoid
    where relnamespace = '${schema}'::regnamespace and not tgisinternal`);
  const fired = new Set(triggers.map(({ trigger }) => trigger));
  for (const trigger of expected.triggers) assert.ok(fired.has(trigger), trigger);
  const owners = await sql(`select distinct pg_get_userbyid(relowner) as owner from pg_class where relnamespace = '${schema}'::regnamespace and relkind = 'r'`);
  assert.deepEqual(owners, [{ owner: `supabase_${schema}_admin` }]);
}
