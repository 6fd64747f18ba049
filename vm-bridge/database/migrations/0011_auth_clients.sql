-- Which session Auth issued to which of its clients, a page or a worker: what they ask of apps and functions without a token
-- of their own is asked as that session's user. A session that ends is forgotten here as well.
create table gateway.client_sessions (
    client text primary key,
    session_id uuid not null references auth.sessions(id) on delete cascade,
    issued_at timestamptz not null default now()
);
create index client_sessions_session_id_idx on gateway.client_sessions (session_id);

-- Auth writes it; nothing else of the gateway's own is opened to it.
grant usage on schema gateway to supabase_auth_admin;
grant select, insert, update, delete on gateway.client_sessions to supabase_auth_admin;
