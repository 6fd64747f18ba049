-- What functions asked of the database by the gateway's APIs, for whoever audits them. It outlives the
-- function and its log; the newest calls are kept, for a month. Nothing is granted.
create table gateway.function_calls (
    id bigint generated always as identity primary key,
    function text not null,
    version int,
    -- Of the request that led to the call, where it is known whose it was; else of the isolate's life.
    execution_id text,
    -- Of that request: what its client was told as sb-request-id. Null where it is not known.
    trace text,
    -- Milliseconds since the Unix epoch.
    at bigint not null,
    method text not null,
    -- Without the query.
    path text not null,
    -- As whom; null where its token proved nobody.
    role text,
    -- Null where there was no answer.
    status int,
    ms double precision
);

create index function_calls_newest on gateway.function_calls (function, id desc);
