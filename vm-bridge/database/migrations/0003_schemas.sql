-- Supabase's schemas, who may enter them, and what new objects grant.
create schema extensions;
create schema auth authorization supabase_admin;
create schema storage authorization supabase_admin;
create schema realtime authorization supabase_admin;
create schema graphql_public;

create extension pgcrypto with schema extensions;
create extension "uuid-ossp" with schema extensions;

-- What users' own migrations add their tables to.
create publication supabase_realtime;

grant usage on schema public, extensions, auth, storage, realtime, graphql_public
    to postgres, anon, authenticated, service_role;
grant all on schema extensions, auth, storage, realtime to postgres, dashboard_user;
grant all on schema auth to supabase_auth_admin;
grant all on schema storage to supabase_storage_admin;
grant create on database postgres to supabase_auth_admin, supabase_storage_admin;
grant all on database postgres to dashboard_user;
grant all on all routines in schema extensions to postgres, dashboard_user;

-- The API roles may use whatever postgres or supabase_admin creates here; row-level security is
-- what keeps them apart.
alter default privileges in schema public, graphql_public
    grant all on tables to postgres, anon, authenticated, service_role;
alter default privileges in schema public, graphql_public
    grant all on routines to postgres, anon, authenticated, service_role;
alter default privileges in schema public, graphql_public
    grant all on sequences to postgres, anon, authenticated, service_role;
alter default privileges for role supabase_admin in schema public, graphql_public
    grant all on tables to postgres, anon, authenticated, service_role;
alter default privileges for role supabase_admin in schema public, graphql_public
    grant all on routines to postgres, anon, authenticated, service_role;
alter default privileges for role supabase_admin in schema public, graphql_public
    grant all on sequences to postgres, anon, authenticated, service_role;
alter default privileges for role supabase_auth_admin in schema auth
    grant all on tables to postgres, dashboard_user;
alter default privileges for role supabase_auth_admin in schema auth
    grant all on routines to postgres, dashboard_user;
alter default privileges for role supabase_auth_admin in schema auth
    grant all on sequences to postgres, dashboard_user;
alter default privileges in schema storage
    grant all on tables to postgres, anon, authenticated, service_role;
alter default privileges in schema storage
    grant all on routines to postgres, anon, authenticated, service_role;
alter default privileges in schema storage
    grant all on sequences to postgres, anon, authenticated, service_role;

alter role postgres set search_path to "$user", public, extensions;
alter role supabase_admin set search_path to "$user", public, auth, extensions;
alter role supabase_auth_admin set search_path to auth;
alter role supabase_storage_admin set search_path to storage;
