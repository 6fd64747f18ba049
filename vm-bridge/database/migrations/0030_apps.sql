-- Guest applications: what is deployed, the role that each has in this database, and the cookies that
-- the gateway keeps for its pages. The files are outside of the database, as one bundle for each.
-- No role of the API may see any of it: there are passwords in it, and what people are signed in with.
create table gateway.apps (
    name text primary key check (name ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
    -- static, node, nextjs, python or command.
    runtime text not null,
    -- The file of the bundle that a runtime begins with; empty where it needs none.
    entry text not null default '',
    -- What is run instead, for the runtime command: an array of texts.
    command jsonb not null default '[]',
    -- The port that it listens at, inside of the virtual machine.
    port int not null unique check (port between 1024 and 65535),
    env jsonb not null default '{}',
    -- memory_mib, processes, nice.
    limits jsonb not null,
    autostart boolean not null default false,
    -- Seconds within which it has to listen after it was started.
    start_deadline_s int not null,
    role text not null unique,
    role_password text not null,
    -- The file that holds the bundle, and what is in it: a tar of so many bytes with so many files.
    bundle_file text not null unique,
    bundle_sha256 text not null,
    bundle_bytes bigint not null,
    bundle_files int not null,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);

create table gateway.app_cookies (
    app text not null references gateway.apps(name) on delete cascade,
    name text not null,
    path text not null,
    value text not null,
    -- Milliseconds since the Unix epoch; null where the cookie ends with the browser's session, which
    -- the gateway does not see end.
    expires_at bigint,
    -- strict, lax or none; null where the application did not say.
    same_site text,
    created_at bigint not null,
    primary key (app, name, path)
);

-- Makes an application's role, or gives it a new password: it may sign in, has the rights of
-- authenticated, so that row-level security holds for it, and a schema of its own name to write in.
-- What an application of that name left behind is its own again.
create function gateway.create_app_role(role text, password text) returns void
    language plpgsql as $function$
declare
    relation record;
begin
    if exists (select from pg_catalog.pg_roles where rolname = role) then
        execute format('alter role %I login inherit password %L', role, password);
    else
        execute format('create role %I login inherit password %L', role, password);
    end if;
    execute format('grant authenticated to %I', role);
    execute format('create schema if not exists %I', role);
    execute format('alter schema %I owner to %I', role, role);
    execute format('alter role %I set search_path to %I, public, extensions', role, role);
    for relation in
        select relname from pg_catalog.pg_class as class
        where relnamespace = to_regnamespace(quote_ident(role))
        and relkind in ('r', 'p', 'v', 'm', 'f', 'S')
        and not exists (
            select from pg_catalog.pg_depend
            where classid = 'pg_catalog.pg_class'::regclass and objid = class.oid
            and refclassid = 'pg_catalog.pg_class'::regclass and deptype in ('a', 'i')
        )
    loop
        execute format('alter table %I.%I owner to %I', role, relation.relname, role);
    end loop;
end
$function$;

-- Drops an application's role. What it owns belongs to the database's owner from then on, and is what
-- this returns: tables and such, by name. Its schema goes where nothing is left in it.
create function gateway.drop_app_role(role text) returns text[]
    language plpgsql as $function$
declare
    kept text[];
begin
    if not exists (select from pg_catalog.pg_roles where rolname = role) then
        return '{}';
    end if;
    select coalesce(array_agg(format('%I.%I', nspname, relname) order by nspname, relname), '{}')
        into kept
        from pg_catalog.pg_class as class
        join pg_catalog.pg_namespace as namespace on namespace.oid = relnamespace
        where relowner = (select oid from pg_catalog.pg_roles where rolname = role)
        and relkind in ('r', 'p', 'v', 'm', 'f');
    execute format('reassign owned by %I to current_user', role);
    execute format('drop owned by %I', role);
    execute format('drop role %I', role);
    begin
        execute format('drop schema if exists %I restrict', role);
    exception when dependent_objects_still_exist then
        null;
    end;
    return kept;
end
$function$;

revoke all on function gateway.create_app_role(text, text), gateway.drop_app_role(text) from public;
