// Row-level security as the database has it: each table, whether it is on, and its policies.
import { literal, type Api } from '../gateway/call.ts';

export interface Policy { name: string; command: string; permissive: boolean; roles: string[]; using: string | null; check: string | null }

export interface Table {
  schema: string;
  name: string;
  enabled: boolean;
  forced: boolean;
  /** Roles of the API that hold some privilege on the table itself. */
  granted: string[];
  policies: Policy[];
}

const query = (schema: string) => `
select n.nspname as schema, c.relname as name, c.relrowsecurity::int as enabled, c.relforcerowsecurity::int as forced,
  (select coalesce(json_agg(r.rolname order by r.rolname), '[]')
   from pg_roles r where r.rolname in ('anon', 'authenticated') and has_table_privilege(r.oid, c.oid, 'select, insert, update, delete')) as granted,
  (select coalesce(json_agg(json_build_object('name', p.policyname, 'command', p.cmd, 'permissive', p.permissive = 'PERMISSIVE', 'roles', p.roles, 'using', p.qual, 'check', p.with_check) order by p.cmd, p.policyname), '[]')
   from pg_policies p where p.schemaname = n.nspname and p.tablename = c.relname) as policies
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p') and n.nspname = ${literal(schema)} and not c.relispartition
order by c.relname`;

export async function tables(api: Api, schema: string): Promise<Table[]> {
  const rows = await api.rows(query(schema));
  return rows.map(({ schema, name, enabled, forced, granted, policies }) => ({
    schema: schema!, name: name!, enabled: enabled === '1', forced: forced === '1',
    granted: JSON.parse(granted!) as string[], policies: JSON.parse(policies!) as Policy[],
  }));
}

/** The schemas that have tables of a person's or of an API: not Postgres's own. */
export async function schemas(api: Api): Promise<string[]> {
  const rows = await api.rows(`select n.nspname as name from pg_namespace n
    where n.nspname !~ '^(pg_|information_schema$)' and exists (select from pg_class c where c.relnamespace = n.oid and c.relkind in ('r', 'p'))
    order by n.nspname <> 'public', n.nspname <> 'auth', n.nspname <> 'storage', n.nspname`);
  return rows.map(({ name }) => name!);
}
