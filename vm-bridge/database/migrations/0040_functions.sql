-- Edge Functions: what is deployed and in which versions, the project's secrets, and what functions
-- said. The files are outside of the database, one for each version. No role of the API may see any of
-- it: nothing is granted.
create table gateway.functions (
    name text primary key check (name ~ '^[A-Za-z][A-Za-z0-9_-]{0,47}$'),
    -- The version that answers.
    version int not null,
    verify_jwt boolean not null,
    -- isolate, vm or vm-or-isolate.
    host text not null,
    -- memory_mib, wall_clock_ms, cpu_ms, timeout_ms, concurrency, queue.
    limits jsonb not null,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);

create table gateway.function_versions (
    function text not null references gateway.functions(name) on delete cascade,
    version int not null check (version > 0),
    -- The file of the source that it was bundled from, as it is shown.
    entrypoint text not null,
    -- The file that holds the ZIP, and what is in it.
    file text not null unique,
    sha256 text not null,
    bytes bigint not null,
    files int not null,
    created_at timestamptz not null default now(),
    primary key (function, version)
);

-- Sealed with a key that is not in the database: AES-GCM, in base64.
create table gateway.secrets (
    name text primary key check (name ~ '^[A-Za-z_][A-Za-z0-9_]*$'),
    sealed text not null,
    -- The first eight digits of the value's SHA-256, by which a person tells one value from another.
    digest text not null,
    updated_at timestamptz not null default now()
);

-- The newest lines of each function; what is older than a week goes too.
create table gateway.function_logs (
    id bigint generated always as identity primary key,
    function text not null references gateway.functions(name) on delete cascade,
    version int,
    execution_id text,
    trace text,
    -- Milliseconds since the Unix epoch.
    at bigint not null,
    -- debug, info, log, warn or error.
    level text not null,
    -- log, boot, request, error, shutdown or fetch.
    event text not null,
    message text not null,
    stack text,
    -- Of a request or a fetch: the status, the milliseconds that it took, and why it failed.
    status int,
    ms double precision,
    failure text
);

create index function_logs_newest on gateway.function_logs (function, id desc);
