-- Every mail and text message that Auth wrote, with its link and its code: where nothing can be sent,
-- this is where a person finds them. No role of the API may see it; who signs in as somebody else's
-- user would only have to read here.
create table gateway.outbox (
    id uuid primary key default gen_random_uuid(),
    created_at timestamptz not null default now(),
    -- email, sms or whatsapp.
    channel text not null,
    -- What it is about: confirmation, recovery, magic_link …
    kind text not null,
    sender text not null,
    recipient text not null,
    subject text not null,
    html text,
    body text not null,
    -- The address that does what the message asks for, and the code that does the same typed in.
    link text,
    code text,
    user_id uuid,
    -- Where it is to go on from here, as to a mail server: when it did, or why it did not.
    delivered_at timestamptz,
    failure text
);

create index outbox_newest on gateway.outbox (created_at desc, id desc);
revoke all on gateway.outbox from public;

-- Auth writes a message in the transaction that makes its token. It cannot read any back: it sees how
-- many there are, says what became of one, and lets go of the oldest.
grant usage on schema gateway to supabase_auth_admin;
grant insert, update (delivered_at, failure), delete, select (id, created_at, channel) on gateway.outbox
    to supabase_auth_admin;
