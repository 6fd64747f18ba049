-- Uploads in pieces (TUS): what each is to become, and how far it is. The bytes are outside of the
-- database, under the upload's version.
create table gateway.resumable_uploads (
    version text primary key,
    bucket_id text not null,
    name text not null,
    -- Null while the client has not said how many bytes there will be.
    length bigint,
    -- What is stored for good; a piece that a crash cut off begins here again.
    received bigint not null default 0,
    metadata jsonb not null,
    -- The MD5 of each piece in hexadecimal, one after another: what the object's tag is made of.
    pieces text not null default '',
    created_at timestamptz not null default now(),
    completed_at timestamptz
);
create index resumable_uploads_created_at_idx on gateway.resumable_uploads (created_at);

grant usage on schema gateway to supabase_storage_admin;
grant all on gateway.resumable_uploads to supabase_storage_admin;
