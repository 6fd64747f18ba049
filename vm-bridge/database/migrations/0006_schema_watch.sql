-- Tells the gateway, on PostgREST's channel, that what it knows of the schema is out of date.
-- https://docs.postgrest.org/en/v14/references/schema_cache.html#automatic-schema-cache-reloading
-- Objects of one session and of Supabase's own schemas are nothing the API serves.
create function extensions.pgrst_ddl_watch() returns event_trigger
    language plpgsql as $function$
begin
    if exists (
        select from pg_event_trigger_ddl_commands() as command
        where command.command_tag in (
            'CREATE SCHEMA', 'ALTER SCHEMA',
            'CREATE TABLE', 'CREATE TABLE AS', 'SELECT INTO', 'ALTER TABLE',
            'CREATE FOREIGN TABLE', 'ALTER FOREIGN TABLE', 'IMPORT FOREIGN SCHEMA',
            'CREATE VIEW', 'ALTER VIEW',
            'CREATE MATERIALIZED VIEW', 'ALTER MATERIALIZED VIEW',
            'CREATE FUNCTION', 'ALTER FUNCTION', 'CREATE PROCEDURE', 'ALTER PROCEDURE',
            'CREATE AGGREGATE', 'ALTER AGGREGATE', 'ALTER ROUTINE',
            'CREATE TYPE', 'ALTER TYPE', 'CREATE DOMAIN', 'ALTER DOMAIN',
            'CREATE CAST', 'CREATE TRIGGER', 'CREATE RULE', 'CREATE EXTENSION', 'COMMENT'
        )
        and coalesce(command.schema_name, '') not in ('pg_temp', 'auth', 'storage', 'realtime', 'gateway')
        and command.object_identity not like '% pg\_temp.%'
    ) then
        notify pgrst, 'reload schema';
    end if;
end
$function$;

create function extensions.pgrst_drop_watch() returns event_trigger
    language plpgsql as $function$
begin
    if exists (
        select from pg_event_trigger_dropped_objects() as object
        where object.object_type in (
            'schema', 'table', 'foreign table', 'view', 'materialized view', 'function',
            'procedure', 'aggregate', 'type', 'domain', 'cast', 'trigger', 'rule',
            'table column', 'view column', 'table constraint', 'extension'
        )
        and not object.is_temporary
        and coalesce(object.schema_name, '') not in ('pg_temp', 'auth', 'storage', 'realtime', 'gateway')
        and object.object_identity not like '% pg\_temp.%'
    ) then
        notify pgrst, 'reload schema';
    end if;
end
$function$;

create event trigger pgrst_ddl_watch on ddl_command_end execute function extensions.pgrst_ddl_watch();
create event trigger pgrst_drop_watch on sql_drop execute function extensions.pgrst_drop_watch();
