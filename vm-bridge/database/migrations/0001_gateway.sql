-- What the gateway keeps for itself: which of these files were run, and the project's secrets.
-- No role of the API may see any of it, so nothing is granted.
create schema gateway;
revoke all on schema gateway from public;

create table gateway.migrations (
    number int primary key,
    name text not null,
    checksum text not null,
    applied_at timestamptz not null default now()
);

create table gateway.settings (
    name text primary key,
    value text not null
);
