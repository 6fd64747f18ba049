-- Everything the REST API needs to know of a database, as one JSON object of facts (`facts.rs` names them).
--
-- $1 the exposed schemas, $2 the schemas of the extra search path, $3 the settings that a function may bring to its
-- whole transaction, $4 the authenticator (NULL or unknown: the session's user).
--
-- The search path must be empty, so that every type, function and sequence is printed with its schema. Relations are
-- told apart by oid and columns by number: names are put together by whoever reads the facts, and what is only in
-- schemas that are not exposed has none.
WITH RECURSIVE
exposed AS MATERIALIZED (
  SELECT oid, nspname FROM pg_namespace WHERE nspname = ANY ($1::text[])
),
authenticator AS MATERIALIZED (
  SELECT oid, rolname FROM pg_roles
  WHERE rolname = coalesce((SELECT rolname FROM pg_roles WHERE rolname = $4::text), session_user)
),
relation AS MATERIALIZED (
  SELECT
    c.oid, c.reltype, c.relname, c.relkind, c.relispartition, s.nspname,
    -- A bit mask of commands, by their number in Postgres' source: 2 is UPDATE, 3 INSERT, 4 DELETE.
    CASE
      WHEN c.relkind IN ('r', 'p') THEN 28
      WHEN c.relkind IN ('v', 'f') THEN pg_relation_is_updatable(c.oid, true)
      ELSE 0
    END AS commands
  FROM pg_class c
  JOIN exposed s ON s.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'v', 'm', 'f', 'p')
),
attribute AS MATERIALIZED (
  SELECT
    a.attrelid, a.attnum, a.attname, a.attnotnull, a.atttypid, a.atttypmod,
    CASE
      WHEN a.attgenerated <> '' THEN NULL
      WHEN a.atthasdef THEN (
        SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef WHERE adrelid = a.attrelid AND adnum = a.attnum
      )
      WHEN a.attidentity = 'd' THEN (
        SELECT format('nextval(%L)', objid::regclass) FROM pg_depend
        WHERE refclassid = 'pg_class'::regclass AND refobjid = a.attrelid AND refobjsubid = a.attnum
          AND classid = 'pg_class'::regclass AND deptype = 'i'
      )
    END AS default_value,
    a.attgenerated <> '' OR a.attidentity = 'a' AS is_generated
  FROM relation r
  JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
),
domain (oid, base) AS (
  SELECT oid, typbasetype FROM pg_type WHERE typtype = 'd'
  UNION ALL
  SELECT d.oid, t.typbasetype FROM domain d JOIN pg_type t ON t.oid = d.base AND t.typtype = 'd'
),
media_type AS MATERIALIZED (
  SELECT t.oid, t.typname, s.nspname
  FROM pg_type t
  JOIN pg_namespace s ON s.oid = t.typnamespace
  WHERE t.typtype = 'd' AND (t.typname ~ '^[A-Za-z0-9.-]+/[A-Za-z0-9.+-]+$' OR t.typname = '*/*')
)
SELECT json_build_object(
  'schemas', (
    SELECT json_agg(json_build_array(nspname, obj_description(oid, 'pg_namespace'))) FROM exposed
  ),
  -- Columns field by field: one array of them costs less than an array for each.
  'relations', (
    SELECT json_agg(json_build_array(
      r.oid::int8, r.nspname, r.relname, r.relkind, r.relispartition, d.description, r.commands,
      columns.numbers, columns.names, columns.descriptions, columns.not_null, columns.types, columns.modifiers,
      columns.defaults, columns.generated
    ))
    FROM relation r
    LEFT JOIN pg_description d ON d.objoid = r.oid AND d.classoid = 'pg_class'::regclass AND d.objsubid = 0
    LEFT JOIN (
      SELECT
        a.attrelid,
        array_agg(a.attnum ORDER BY a.attnum) AS numbers,
        array_agg(a.attname ORDER BY a.attnum) AS names,
        array_agg(d.description ORDER BY a.attnum) AS descriptions,
        array_agg(a.attnotnull ORDER BY a.attnum) AS not_null,
        array_agg(a.atttypid::int8 ORDER BY a.attnum) AS types,
        array_agg(a.atttypmod ORDER BY a.attnum) AS modifiers,
        array_agg(a.default_value ORDER BY a.attnum) AS defaults,
        array_agg(a.is_generated ORDER BY a.attnum) AS generated
      FROM attribute a
      LEFT JOIN pg_description d
        ON d.objoid = a.attrelid AND d.classoid = 'pg_class'::regclass AND d.objsubid = a.attnum
      GROUP BY a.attrelid
    ) columns ON columns.attrelid = r.oid
  ),
  -- Of columns, each with every modifier it is used with.
  'types', (
    SELECT json_agg(json_build_array(
      t.oid::int8,
      used.atttypmod,
      -- Of a domain over a type of Postgres' own, that type; neither shows a length.
      CASE
        WHEN coalesce(b.typnamespace, t.typnamespace) = 'pg_catalog'::regnamespace
          THEN format_type(coalesce(b.oid, t.oid), NULL)
        ELSE format_type(t.oid, used.atttypmod)
      END,
      format_type(t.oid, used.atttypmod),
      CASE
        WHEN modifier.value < 0 THEN NULL
        WHEN coalesce(b.oid, t.oid) IN ('bpchar'::regtype, 'varchar'::regtype) THEN modifier.value - 4
        WHEN coalesce(b.oid, t.oid) IN ('bit'::regtype, 'varbit'::regtype) THEN modifier.value
      END,
      CASE WHEN b.oid IS NOT NULL THEN pg_get_expr(t.typdefaultbin, 0) END,
      t.typnotnull,
      CASE WHEN coalesce(b.typtype, t.typtype) = 'e' THEN (
        SELECT json_agg(enumlabel ORDER BY enumsortorder) FROM pg_enum WHERE enumtypid = coalesce(b.oid, t.oid)
      ) END
    ))
    FROM (SELECT DISTINCT atttypid, atttypmod FROM attribute) used
    JOIN pg_type t ON t.oid = used.atttypid
    LEFT JOIN pg_type b ON t.typtype = 'd' AND b.oid = t.typbasetype
    CROSS JOIN LATERAL (
      SELECT CASE WHEN t.typtype = 'd' THEN t.typtypmod ELSE used.atttypmod END AS value
    ) modifier
  ),
  -- Of every schema: a view may show the columns of a table that is not exposed.
  'keys', (
    SELECT json_agg(json_build_array(
      contype, conname, conrelid::int8, conkey, confrelid::int8, confkey, conparentid <> 0
    ))
    FROM pg_constraint
    WHERE contype IN ('p', 'u', 'f')
  ),
  'views', (
    SELECT json_agg(json_build_array(c.oid::int8, w.ev_action::text))
    FROM pg_class c
    JOIN pg_namespace s ON s.oid = c.relnamespace
    JOIN pg_rewrite w ON w.ev_class = c.oid AND w.rulename = '_RETURN'
    WHERE c.relkind IN ('v', 'm') AND s.nspname = ANY ($1::text[] || $2::text[])
  ),
  'computed', (
    SELECT json_agg(json_build_array(s.nspname, p.proname, source.oid::int8, target.oid::int8, NOT p.proretset OR p.prorows = 1))
    FROM pg_proc p
    JOIN pg_namespace s ON s.oid = p.pronamespace
    JOIN relation source ON source.reltype = p.proargtypes[0]
    JOIN relation target ON target.reltype = p.prorettype
    WHERE p.pronargs = 1 AND p.prokind = 'f'
  ),
  'routines', (
    SELECT json_agg(json_build_array(
      p.oid::int8,
      s.nspname,
      p.proname,
      described.description,
      coalesce(parameter.list, '[]'),
      returned_schema.nspname,
      returned.typname,
      -- A row of columns: a composite type, or TABLE, OUT and INOUT parameters.
      returned.typtype = 'c' OR coalesce(p.proargmodes && '{t,o,b}'::"char"[], false),
      domain.oid IS NOT NULL,
      p.proretset,
      p.provolatile,
      (
        SELECT json_agg(json_build_array(split_part(setting, '=', 1), substr(setting, strpos(setting, '=') + 1)))
        FROM unnest(p.proconfig) AS setting
        WHERE split_part(setting, '=', 1) = ANY ($3::text[])
      )
    ) ORDER BY p.oid)
    FROM pg_proc p
    JOIN exposed s ON s.oid = p.pronamespace
    LEFT JOIN domain ON domain.oid = p.prorettype AND NOT EXISTS (SELECT FROM domain d WHERE d.oid = domain.base)
    JOIN pg_type returned ON returned.oid = coalesce(domain.base, p.prorettype)
    JOIN pg_namespace returned_schema ON returned_schema.oid = returned.typnamespace
    LEFT JOIN pg_description described
      ON described.objoid = p.oid AND described.classoid = 'pg_proc'::regclass AND described.objsubid = 0
    LEFT JOIN LATERAL (
      SELECT json_agg(
        json_build_array(input.name, format_type(input.type, NULL), input.place <= p.pronargs - p.pronargdefaults, input.mode = 'v')
        ORDER BY input.place
      ) AS list
      FROM (
        SELECT name, type, mode, row_number() OVER (ORDER BY place) AS place
        FROM unnest(p.proargnames, coalesce(p.proallargtypes, p.proargtypes::oid[]), p.proargmodes)
          WITH ORDINALITY AS argument (name, type, mode, place)
        WHERE type IS NOT NULL AND (mode IS NULL OR mode IN ('i', 'b', 'v'))
      ) input
    ) parameter ON true
    WHERE p.prokind = 'f' AND p.prorettype <> 'trigger'::regtype
  ),
  'representations', (
    SELECT json_agg(json_build_array(format_type(c.castsource, NULL), format_type(c.casttarget, NULL), s.nspname, p.proname))
    FROM pg_cast c
    JOIN pg_type source ON source.oid = c.castsource
    JOIN pg_type target ON target.oid = c.casttarget
    JOIN pg_proc p ON p.oid = c.castfunc
    JOIN pg_namespace s ON s.oid = p.pronamespace
    WHERE c.castcontext = 'i' AND c.castmethod = 'f'
      AND (
        source.typtype = 'd' AND target.oid IN ('json'::regtype, 'text'::regtype)
        OR target.typtype = 'd' AND source.oid IN ('json'::regtype, 'text'::regtype)
      )
      AND has_function_privilege((SELECT rolname FROM authenticator), p.oid, 'execute')
  ),
  -- An aggregate over a relation's rows (or any rows), or a function whose result already is the answer: that one's
  -- handler is the domain itself.
  'media_handlers', (
    SELECT json_agg(json_build_array(
      CASE WHEN p.prokind = 'a' THEN s.nspname ELSE m.nspname END,
      CASE WHEN p.prokind = 'a' THEN p.proname ELSE m.typname END,
      CASE WHEN p.prokind = 'f' THEN s.nspname WHEN argument.typname <> 'anyelement' THEN argument_schema.nspname END,
      CASE WHEN p.prokind = 'f' THEN p.proname WHEN argument.typname <> 'anyelement' THEN argument.typname END,
      m.typname,
      p.prokind = 'f'
    ) ORDER BY p.oid)
    FROM media_type m
    JOIN pg_proc p ON p.prorettype = m.oid
    JOIN exposed s ON s.oid = p.pronamespace
    LEFT JOIN pg_type argument ON argument.oid = p.proargtypes[0]
    LEFT JOIN pg_namespace argument_schema ON argument_schema.oid = argument.typnamespace
    WHERE p.prokind = 'f' AND NOT p.proretset
      OR p.prokind = 'a' AND p.pronargs = 1 AND (argument.oid = 'anyelement'::regtype OR argument.typrelid <> 0)
  ),
  -- Only those that the authenticator may set.
  'role_settings', (
    SELECT json_agg(json_build_array(r.rolname, o.name, o.value))
    FROM authenticator
    JOIN pg_auth_members m ON m.member = authenticator.oid
    JOIN pg_roles r ON r.oid = m.roleid
    CROSS JOIN LATERAL unnest(r.rolconfig) AS setting
    CROSS JOIN LATERAL (
      SELECT split_part(setting, '=', 1) AS name, substr(setting, strpos(setting, '=') + 1) AS value
    ) o
    WHERE EXISTS (
      SELECT FROM pg_settings
      WHERE pg_settings.name = o.name
        AND (context = 'user' OR has_parameter_privilege(authenticator.rolname, o.name, 'set'))
    )
  )
) AS facts
