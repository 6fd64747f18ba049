-- What the facts of `introspect.sql` rest on, as one short text that is another one when any of it changed.
--
-- A catalog's rows are counted, and the newest transaction that wrote one is named: a row that was added or changed is newer than
-- every other, and one that was only removed is missing in the count. Frozen rows are as old as the database. Names and
-- settings of roles stand in a catalog that not everybody may read, so they are looked at themselves. The time at which
-- this Postgres began tells one database, and one life of it, from the next.
SELECT concat_ws(' ',
  pg_postmaster_start_time(),
  (SELECT md5(string_agg(r::text, ' ' ORDER BY r.oid)) FROM pg_roles r),
  string_agg(concat(catalog.rows, ':', age('3'::xid) - catalog.age), ' ' ORDER BY catalog.number)
) AS state
FROM (
  SELECT 1, count(*), min(age(xmin)) FILTER (WHERE age(xmin) < 2147483647) FROM pg_namespace UNION ALL
  SELECT 2, count(*), min(age(xmin)) FILTER (WHERE age(xmin) < 2147483647) FROM pg_class UNION ALL
  SELECT 3, count(*), min(age(xmin)) FILTER (WHERE age(xmin) < 2147483647) FROM pg_attribute UNION ALL
  SELECT 4, count(*), min(age(xmin)) FILTER (WHERE age(xmin) < 2147483647) FROM pg_attrdef UNION ALL
  SELECT 5, count(*), min(age(xmin)) FILTER (WHERE age(xmin) < 2147483647) FROM pg_type UNION ALL
  SELECT 6, count(*), min(age(xmin)) FILTER (WHERE age(xmin) < 2147483647) FROM pg_enum UNION ALL
  SELECT 7, count(*), min(age(xmin)) FILTER (WHERE age(xmin) < 2147483647) FROM pg_constraint UNION ALL
  SELECT 8, count(*), min(age(xmin)) FILTER (WHERE age(xmin) < 2147483647) FROM pg_rewrite UNION ALL
  SELECT 9, count(*), min(age(xmin)) FILTER (WHERE age(xmin) < 2147483647) FROM pg_trigger UNION ALL
  SELECT 10, count(*), min(age(xmin)) FILTER (WHERE age(xmin) < 2147483647) FROM pg_proc UNION ALL
  SELECT 11, count(*), min(age(xmin)) FILTER (WHERE age(xmin) < 2147483647) FROM pg_cast UNION ALL
  SELECT 12, count(*), min(age(xmin)) FILTER (WHERE age(xmin) < 2147483647) FROM pg_collation UNION ALL
  SELECT 13, count(*), min(age(xmin)) FILTER (WHERE age(xmin) < 2147483647) FROM pg_description UNION ALL
  SELECT 14, count(*), min(age(xmin)) FILTER (WHERE age(xmin) < 2147483647) FROM pg_auth_members UNION ALL
  SELECT 15, count(*), min(age(xmin)) FILTER (WHERE age(xmin) < 2147483647) FROM pg_db_role_setting UNION ALL
  SELECT 16, count(*), min(age(xmin)) FILTER (WHERE age(xmin) < 2147483647) FROM pg_parameter_acl UNION ALL
  SELECT 17, count(*), min(age(xmin)) FILTER (WHERE age(xmin) < 2147483647) FROM pg_foreign_table UNION ALL
  SELECT 18, count(*), min(age(xmin)) FILTER (WHERE age(xmin) < 2147483647) FROM pg_foreign_server
) AS catalog (number, rows, age)
