-- Supabase's schema storage as storage-api leaves it: buckets, objects, uploads in parts.
-- https://supabase.com/docs/guides/storage/schema/design
-- Rows only. The bytes are outside of the database, under the name that objects.version has.
set local role supabase_storage_admin;

create type storage.buckettype as enum ('STANDARD', 'ANALYTICS', 'VECTOR');

create table storage.migrations (
    id integer primary key,
    name varchar(100) not null unique,
    hash varchar(40) not null,
    executed_at timestamp default current_timestamp
);

create table storage.buckets (
    id text not null,
    name text not null,
    owner uuid,
    created_at timestamptz default now(),
    updated_at timestamptz default now(),
    public boolean default false,
    avif_autodetection boolean default false,
    file_size_limit bigint,
    allowed_mime_types text[],
    owner_id text,
    type storage.buckettype not null default 'STANDARD',
    versioning_status text not null default 'DISABLED',
    constraint buckets_pkey primary key (id),
    constraint buckets_versioning_dark_check check (versioning_status = 'DISABLED'),
    constraint buckets_versioning_standard_only_check
        check (type = 'STANDARD' or versioning_status = 'DISABLED'),
    constraint buckets_versioning_status_check
        check (versioning_status in ('DISABLED', 'ENABLED', 'SUSPENDED'))
);
create unique index bname on storage.buckets (name);
comment on column storage.buckets.owner is 'Field is deprecated, use owner_id instead';

create table storage.objects (
    id uuid not null default gen_random_uuid(),
    bucket_id text,
    name text,
    owner uuid,
    created_at timestamptz default now(),
    updated_at timestamptz default now(),
    last_accessed_at timestamptz default now(),
    metadata jsonb,
    path_tokens text[] generated always as (string_to_array(name, '/')) stored,
    version text,
    owner_id text,
    user_metadata jsonb,
    archived_at timestamptz,
    is_delete_marker boolean not null default false,
    is_versioned boolean not null default false,
    constraint objects_pkey primary key (id),
    constraint "objects_bucketId_fkey" foreign key (bucket_id) references storage.buckets (id)
);
create unique index bucketid_objname on storage.objects (bucket_id, name);
create index idx_objects_bucket_id_name on storage.objects (bucket_id, name collate "C");
create index idx_objects_bucket_id_name_lower on storage.objects (bucket_id, lower(name) collate "C");
create index name_prefix_search on storage.objects (name text_pattern_ops);
comment on column storage.objects.owner is 'Field is deprecated, use owner_id instead';

create table storage.s3_multipart_uploads (
    id text primary key,
    in_progress_size bigint not null default 0,
    upload_signature text not null,
    bucket_id text not null references storage.buckets (id),
    key text collate "C" not null,
    version text not null,
    owner_id text,
    created_at timestamptz not null default now(),
    user_metadata jsonb,
    metadata jsonb
);
create index idx_multipart_uploads_list
    on storage.s3_multipart_uploads (bucket_id, key, created_at);

create table storage.s3_multipart_uploads_parts (
    id uuid primary key default gen_random_uuid(),
    upload_id text not null references storage.s3_multipart_uploads (id) on delete cascade,
    size bigint not null default 0,
    part_number integer not null,
    bucket_id text not null references storage.buckets (id),
    key text collate "C" not null,
    etag text not null,
    owner_id text,
    version text not null,
    created_at timestamptz not null default now()
);

create table storage.buckets_analytics (
    name text not null,
    type storage.buckettype not null default 'ANALYTICS',
    format text not null default 'ICEBERG',
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    id uuid primary key default gen_random_uuid(),
    deleted_at timestamptz
);
create unique index buckets_analytics_unique_name_idx
    on storage.buckets_analytics (name) where deleted_at is null;

create table storage.iceberg_namespaces (
    id uuid primary key default gen_random_uuid(),
    bucket_name text not null,
    name text collate "C" not null,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    metadata jsonb not null default '{}',
    catalog_id uuid not null references storage.buckets_analytics (id) on delete cascade
);
create unique index idx_iceberg_namespaces_bucket_id
    on storage.iceberg_namespaces (catalog_id, name);

create table storage.iceberg_tables (
    id uuid primary key default gen_random_uuid(),
    namespace_id uuid not null references storage.iceberg_namespaces (id) on delete cascade,
    bucket_name text not null,
    name text collate "C" not null,
    location text not null,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    remote_table_id text,
    shard_key text,
    shard_id text,
    catalog_id uuid not null references storage.buckets_analytics (id) on delete cascade
);
create unique index idx_iceberg_tables_location on storage.iceberg_tables (location);
create unique index idx_iceberg_tables_namespace_id
    on storage.iceberg_tables (catalog_id, namespace_id, name);

create table storage.buckets_vectors (
    id text primary key,
    type storage.buckettype not null default 'VECTOR',
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);

create table storage.vector_indexes (
    id text primary key default gen_random_uuid(),
    name text collate "C" not null,
    bucket_id text not null references storage.buckets_vectors (id),
    data_type text not null,
    dimension integer not null,
    distance_metric text not null,
    metadata_configuration jsonb,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);
create unique index vector_indexes_name_bucket_id_idx on storage.vector_indexes (name, bucket_id);

alter table storage.migrations enable row level security;
alter table storage.buckets enable row level security;
alter table storage.objects enable row level security;
alter table storage.s3_multipart_uploads enable row level security;
alter table storage.s3_multipart_uploads_parts enable row level security;
alter table storage.buckets_analytics enable row level security;
alter table storage.iceberg_namespaces enable row level security;
alter table storage.iceberg_tables enable row level security;
alter table storage.buckets_vectors enable row level security;
alter table storage.vector_indexes enable row level security;

grant all on storage.buckets, storage.objects
    to postgres, anon, authenticated, service_role with grant option;
grant all on storage.s3_multipart_uploads, storage.s3_multipart_uploads_parts,
    storage.buckets_analytics, storage.iceberg_namespaces, storage.iceberg_tables,
    storage.buckets_vectors, storage.vector_indexes
    to postgres, service_role;
grant select on storage.s3_multipart_uploads, storage.s3_multipart_uploads_parts,
    storage.buckets_analytics, storage.iceberg_namespaces, storage.iceberg_tables,
    storage.buckets_vectors, storage.vector_indexes
    to anon, authenticated;

-- What policies ask about an object's name.
create function storage.foldername(name text) returns text[]
    language sql immutable
    return (string_to_array(name, '/'))[: array_length(string_to_array(name, '/'), 1) - 1];

create function storage.filename(name text) returns text
    language sql immutable
    return (string_to_array(name, '/'))[array_length(string_to_array(name, '/'), 1)];

create function storage.extension(name text) returns text
    language sql immutable
    return reverse(split_part(reverse(storage.filename(name)), '.', 1));

-- What policies ask about the request: `storage.object.upload` and the like.
create function storage.operation() returns text
    language sql stable
    return current_setting('storage.operation', true);

create function storage.allow_any_operation(expected_operations text[]) returns boolean
    language sql stable
    return exists (
        select from unnest(expected_operations) as expected
        where expected <> ''
        and regexp_replace(expected, '^storage\.', '')
            = regexp_replace(storage.operation(), '^storage\.', '')
    );

create function storage.allow_only_operation(expected_operation text) returns boolean
    language sql stable
    return storage.allow_any_operation(array[expected_operation]);

-- Says by its error whether the caller may make such an object; it never stays.
create function storage.can_insert_object(bucketid text, name text, owner uuid, metadata jsonb)
returns void
language plpgsql as $function$
begin
    insert into storage.objects (bucket_id, name, owner, metadata)
    values (bucketid, name, owner, metadata);
    raise sqlstate 'PT200' using message = 'ROLLBACK', detail = 'rollback successful insert';
end
$function$;

create function storage.get_size_by_bucket() returns table (size bigint, bucket_id text)
language sql stable as $function$
    select sum((objects.metadata ->> 'size')::bigint)::bigint, objects.bucket_id
    from storage.objects
    group by objects.bucket_id
$function$;

-- The part of a key up to the first delimiter behind the prefix; null where there is none.
create function storage.get_common_prefix(p_key text, p_prefix text, p_delimiter text) returns text
    language sql immutable
    return left(
        p_key,
        length(p_prefix)
            + nullif(position(p_delimiter in substr(p_key, length(p_prefix) + 1)), 0)
            + length(p_delimiter) - 1
    );

-- Objects and folders below a prefix, in the order of their bytes. A folder costs one step however
-- much is in it. What starts with a prefix lies between it and itself with the last character behind.
create function storage.list_objects_with_delimiter(
    _bucket_id text,
    prefix_param text,
    delimiter_param text,
    max_keys integer default 100,
    start_after text default '',
    next_token text default '',
    sort_order text default 'asc'
) returns table (
    name text,
    id uuid,
    metadata jsonb,
    updated_at timestamptz,
    created_at timestamptz,
    last_accessed_at timestamptz
)
language plpgsql stable as $function$
declare
    last_character constant text := chr(1114111);
    descending constant boolean := lower(sort_order) = 'desc';
    prefix constant text := coalesce(prefix_param, '');
    after constant text := coalesce(nullif(next_token, ''), start_after, '');
    lower_bound text := prefix;
    upper_bound text := prefix || last_character;
    folder text;
    is_folder boolean;
    item record;
    items refcursor;
    given integer := 0;
begin
    if after <> '' then
        is_folder := exists (
            select from storage.objects as o
            where o.bucket_id = _bucket_id
            and o.name collate "C" >= after || delimiter_param
            and o.name collate "C" < after || delimiter_param || last_character
        );
        if descending then
            upper_bound := least(
                upper_bound collate "C",
                case when is_folder then after || delimiter_param else after end collate "C"
            );
        else
            lower_bound := greatest(
                lower_bound collate "C",
                case when is_folder then after || delimiter_param || last_character
                    else after || chr(1) end collate "C"
            );
        end if;
    end if;
    while given < max_keys loop
        if descending then
            open items no scroll for
                select o.name, o.id, o.metadata, o.updated_at, o.created_at, o.last_accessed_at
                from storage.objects as o
                where o.bucket_id = _bucket_id
                and o.name collate "C" >= lower_bound and o.name collate "C" < upper_bound
                order by o.name collate "C" desc;
        else
            open items no scroll for
                select o.name, o.id, o.metadata, o.updated_at, o.created_at, o.last_accessed_at
                from storage.objects as o
                where o.bucket_id = _bucket_id
                and o.name collate "C" >= lower_bound and o.name collate "C" < upper_bound
                order by o.name collate "C";
        end if;
        folder := null;
        while given < max_keys and folder is null loop
            fetch items into item;
            exit when not found;
            folder := storage.get_common_prefix(item.name, prefix, delimiter_param);
            if folder is null then
                name := item.name;
                id := item.id;
                metadata := item.metadata;
                updated_at := item.updated_at;
                created_at := item.created_at;
                last_accessed_at := item.last_accessed_at;
            else
                name := left(folder, -length(delimiter_param));
                id := null;
                metadata := null;
                updated_at := null;
                created_at := null;
                last_accessed_at := null;
            end if;
            return next;
            given := given + 1;
        end loop;
        close items;
        exit when folder is null;
        if descending then
            upper_bound := folder;
        else
            lower_bound := folder || last_character;
        end if;
    end loop;
end
$function$;

-- The same by time. A folder is as old as its oldest object. One page follows another by the time
-- and the name of its last entry.
create function storage.search_by_timestamp(
    p_prefix text,
    p_bucket_id text,
    p_limit integer,
    p_level integer,
    p_start_after text,
    p_sort_order text,
    p_sort_column text,
    p_sort_column_after text
) returns table (
    key text,
    name text,
    id uuid,
    updated_at timestamptz,
    created_at timestamptz,
    last_accessed_at timestamptz,
    metadata jsonb
)
language plpgsql stable as $function$
declare
    direction constant text := case when lower(p_sort_order) = 'desc' then 'desc' else 'asc' end;
    prefix constant text := coalesce(p_prefix, '');
begin
    return query execute format(
        $query$
        with found as (
            select o.*, storage.get_common_prefix(o.name, $1, '/') as folder
            from storage.objects as o
            where o.bucket_id = $2
            and o.name collate "C" >= $1 and o.name collate "C" < $1 || chr(1114111)
        ),
        entry as (
            select left(folder, -1) as name, null::uuid as id,
                min(created_at) as updated_at, min(created_at) as created_at,
                null::timestamptz as last_accessed_at, null::jsonb as metadata
            from found
            where folder is not null
            group by folder
            union all
            select name, id, updated_at, created_at, last_accessed_at, metadata
            from found
            where folder is null
        ),
        dated as (
            select entry.*, coalesce(date_trunc('milliseconds', %1$I), 'epoch') as dated_at from entry
        )
        select split_part(name, '/', $3), name, id, updated_at, created_at, last_accessed_at, metadata
        from dated
        where coalesce($5, '') = ''
        or (dated_at, name collate "C") %2$s (coalesce(nullif($6, '')::timestamptz, 'epoch'), $5)
        order by dated_at %3$s, name collate "C" %3$s
        limit $4
        $query$,
        case when lower(p_sort_column) = 'updated_at' then 'updated_at' else 'created_at' end,
        case direction when 'asc' then '>' else '<' end,
        direction
    ) using prefix, p_bucket_id, p_level, p_limit, p_start_after, p_sort_column_after;
end
$function$;

create function storage.search_v2(
    prefix text,
    bucket_name text,
    limits integer default 100,
    levels integer default 1,
    start_after text default '',
    sort_order text default 'asc',
    sort_column text default 'name',
    sort_column_after text default ''
) returns table (
    key text,
    name text,
    id uuid,
    updated_at timestamptz,
    created_at timestamptz,
    last_accessed_at timestamptz,
    metadata jsonb
)
language plpgsql stable as $function$
declare
    at_most constant integer := least(coalesce(limits, 100), 1500);
begin
    if lower(sort_column) in ('updated_at', 'created_at') then
        return query select * from storage.search_by_timestamp(
            prefix, bucket_name, at_most, levels, start_after, sort_order, sort_column, sort_column_after
        );
    else
        return query
            select split_part(entry.name, '/', levels), entry.name, entry.id, entry.updated_at,
                entry.created_at, entry.last_accessed_at, entry.metadata
            from storage.list_objects_with_delimiter(
                bucket_name, prefix, '/', at_most, start_after, '', sort_order
            ) as entry;
    end if;
end
$function$;

-- The first way of listing: whatever the case of the prefix, by number instead of by name, and each
-- entry named by the part of its path at the given level. Sorted by anything but the name, folders
-- come first, and prefix and search are patterns of ILIKE.
create function storage.search(
    prefix text,
    bucketname text,
    limits integer default 100,
    levels integer default 1,
    offsets integer default 0,
    search text default '',
    sortcolumn text default 'name',
    sortorder text default 'asc'
) returns table (
    name text,
    id uuid,
    updated_at timestamptz,
    created_at timestamptz,
    last_accessed_at timestamptz,
    metadata jsonb
)
language plpgsql stable as $function$
declare
    last_character constant text := chr(1114111);
    descending constant boolean := lower(sortorder) = 'desc';
    beginning constant text := coalesce(prefix, '') || coalesce(search, '');
    at_most constant integer := least(coalesce(limits, 100), 1500);
    lower_bound text := lower(beginning);
    upper_bound text := lower(beginning) || last_character;
    folder text;
    item record;
    items refcursor;
    to_skip integer := coalesce(offsets, 0);
    given integer := 0;
begin
    if lower(sortcolumn) in ('updated_at', 'created_at', 'last_accessed_at') then
        return query execute format(
            $query$
            (
                select path_tokens[$1], null::uuid, null::timestamptz, null::timestamptz,
                    null::timestamptz, null::jsonb
                from storage.objects
                where name ilike $2 || '%%' and bucket_id = $3 and array_length(path_tokens, 1) <> $1
                group by path_tokens[$1]
                order by path_tokens[$1] %1$s
            )
            union all
            (
                select path_tokens[$1], id, updated_at, created_at, last_accessed_at, metadata
                from storage.objects
                where name ilike $2 || '%%' and bucket_id = $3 and array_length(path_tokens, 1) = $1
                order by %2$I %1$s
            )
            limit $4 offset $5
            $query$,
            case when descending then 'desc' else 'asc' end,
            lower(sortcolumn)
        ) using levels, beginning, bucketname, at_most, to_skip;
        return;
    end if;
    while given < at_most loop
        if descending then
            open items no scroll for
                select o.name, o.id, o.updated_at, o.created_at, o.last_accessed_at, o.metadata
                from storage.objects as o
                where o.bucket_id = bucketname
                and lower(o.name) collate "C" >= lower_bound and lower(o.name) collate "C" < upper_bound
                order by lower(o.name) collate "C" desc;
        else
            open items no scroll for
                select o.name, o.id, o.updated_at, o.created_at, o.last_accessed_at, o.metadata
                from storage.objects as o
                where o.bucket_id = bucketname
                and lower(o.name) collate "C" >= lower_bound and lower(o.name) collate "C" < upper_bound
                order by lower(o.name) collate "C";
        end if;
        folder := null;
        while given < at_most and folder is null loop
            fetch items into item;
            exit when not found;
            folder := storage.get_common_prefix(lower(item.name), beginning, '/');
            if to_skip > 0 then
                to_skip := to_skip - 1;
                continue;
            end if;
            name := split_part(item.name, '/', levels);
            if folder is null then
                id := item.id;
                updated_at := item.updated_at;
                created_at := item.created_at;
                last_accessed_at := item.last_accessed_at;
                metadata := item.metadata;
            else
                id := null;
                updated_at := null;
                created_at := null;
                last_accessed_at := null;
                metadata := null;
            end if;
            return next;
            given := given + 1;
        end loop;
        close items;
        exit when folder is null;
        if descending then
            upper_bound := folder;
        else
            lower_bound := folder || last_character;
        end if;
    end loop;
end
$function$;

-- Uploads in parts that are under way, those of one folder as one.
create function storage.list_multipart_uploads_with_delimiter(
    bucket_id text,
    prefix_param text,
    delimiter_param text,
    max_keys integer default 100,
    next_key_token text default '',
    next_upload_token text default ''
) returns table (key text, id text, created_at timestamptz)
language sql stable as $function$
    select distinct on (entry.key collate "C") entry.key, entry.id, entry.created_at
    from (
        select coalesce(storage.get_common_prefix(upload.key, $2, $3), upload.key) as key,
            upload.id, upload.created_at
        from storage.s3_multipart_uploads as upload
        where upload.bucket_id = $1 and upload.key ilike $2 || '%'
        and ($6 = '' or upload.id collate "C" > $6)
    ) as entry
    where $5 = '' or $6 <> '' or entry.key collate "C" > $5
    order by entry.key collate "C", entry.created_at
    limit $4
$function$;

create function storage.update_updated_at_column() returns trigger
language plpgsql as $function$
begin
    new.updated_at = now();
    return new;
end
$function$;

create trigger update_objects_updated_at
    before update on storage.objects
    for each row execute function storage.update_updated_at_column();

create function storage.enforce_bucket_name_length() returns trigger
language plpgsql as $function$
begin
    if length(new.name) > 100 then
        raise exception 'bucket name "%" is too long (% characters). Max is 100.', new.name, length(new.name);
    end if;
    return new;
end
$function$;

create trigger enforce_bucket_name_length_trigger
    before insert or update of name on storage.buckets
    for each row execute function storage.enforce_bucket_name_length();

-- A row that is deleted behind the API's back leaves bytes that nobody finds again.
create function storage.protect_delete() returns trigger
language plpgsql as $function$
begin
    if coalesce(current_setting('storage.allow_delete_query', true), 'false') <> 'true' then
        raise exception 'Direct deletion from storage tables is not allowed. Use the Storage API instead.'
            using hint = 'This prevents accidental data loss from orphaned objects.', errcode = '42501';
    end if;
    return null;
end
$function$;

create trigger protect_buckets_delete
    before delete on storage.buckets
    for each statement execute function storage.protect_delete();
create trigger protect_objects_delete
    before delete on storage.objects
    for each statement execute function storage.protect_delete();

reset role;
