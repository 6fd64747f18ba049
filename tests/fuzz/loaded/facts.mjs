// What a database has, as requests may name it.

/** Tables with columns and what they can be joined to, and routines with their parameters, of one schema. */
export async function readFacts(database, schema) {
  const rows = async (sql) => (await database.query(sql, [schema])).rows;
  const columns = await rows(`
    SELECT c.relname AS relation, a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
    WHERE c.relnamespace = $1::regnamespace AND c.relkind IN ('r', 'v', 'm', 'f', 'p') AND a.attnum > 0 AND NOT a.attisdropped
    ORDER BY c.relname, a.attnum`);
  const links = await rows(`
    SELECT t.relname AS relation, f.relname AS other, k.conname AS constraint
    FROM pg_constraint k JOIN pg_class t ON t.oid = k.conrelid JOIN pg_class f ON f.oid = k.confrelid
    WHERE k.contype = 'f' AND t.relnamespace = $1::regnamespace ORDER BY 1, 2, 3`);
  const routines = await rows(`
    SELECT p.proname AS name, coalesce(p.proargnames, '{}') AS names,
      ARRAY(SELECT format_type(t, NULL) FROM unnest(p.proargtypes) t) AS types
    FROM pg_proc p WHERE p.pronamespace = $1::regnamespace AND p.prokind = 'f' ORDER BY p.proname, p.oid`);

  const relations = new Map();
  for (const { relation, name, type } of columns) {
    if (!relations.has(relation)) relations.set(relation, { name: relation, columns: [], links: [] });
    relations.get(relation).columns.push({ name, type });
  }
  for (const { relation, other, constraint } of links) {
    for (const [from, to] of [[relation, other], [other, relation]]) {
      if (relations.has(to)) relations.get(from)?.links.push({ to, constraint });
    }
  }
  return {
    relations: [...relations.values()],
    routines: routines.map(({ name, names, types }) => ({ name, parameters: types.map((type, index) => ({ name: names[index] ?? '', type })) })),
  };
}

/** What Postgres itself writes into statements: types, defaults and the sequences of identity columns, on the session's search path and on none. */
export async function catalogTexts(database) {
  const read = (session) => session.query(`
    SELECT format_type(atttypid, atttypmod) AS text FROM pg_attribute
    UNION SELECT format_type(oid, NULL) FROM pg_type
    UNION SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef
    UNION SELECT quote_literal(oid::regclass) FROM pg_class WHERE relkind = 'S'`);
  const { rows: found } = await read(database);
  const { rows: qualified } = await database.transaction(async (transaction) => {
    await transaction.query(`SET LOCAL search_path = ''`);
    return read(transaction);
  });
  return [...found, ...qualified].map(({ text }) => text);
}
