-- Refuses to touch tables that are somebody else's: the sample's carry its mark as their comment.
do $$
declare
  stranger text;
begin
  select string_agg(format('public.%I', c.relname), ', ' order by c.relname) into stranger
  from pg_class c
  join pg_namespace n on n.oid = c.relnamespace
  where n.nspname = 'public'
    and c.relname in ('customers', 'categories', 'products', 'product_categories', 'orders', 'order_items', 'reviews', 'product_ratings')
    and coalesce(obj_description(c.oid, 'pg_class'), '') not like 'Sample shop:%';
  if stranger is not null then
    raise exception 'already taken: %', stranger
      using hint = 'The sample shop uses these names. Load it into a new project, or rename what is there.';
  end if;
end
$$;
