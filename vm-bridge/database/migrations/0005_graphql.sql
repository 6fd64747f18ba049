-- Where Supabase answers GraphQL. The extension that would do it does not exist for this Postgres,
-- so the answer is the one of a project that has not enabled it.
create function graphql_public.graphql(
    "operationName" text default null,
    query text default null,
    variables jsonb default null,
    extensions jsonb default null
) returns jsonb
    language sql
    return jsonb_build_object(
        'errors',
        jsonb_build_array(jsonb_build_object('message', 'pg_graphql extension is not enabled.'))
    );
