-- A view with the caller's rights, two functions, and who may see what.
create or replace view public.product_ratings with (security_invoker = true) as
select product_id, count(*) as reviews, round(avg(stars), 2) as stars
from public.reviews
group by product_id;
comment on view public.product_ratings is 'Sample shop: reviews summed up for each product';

create or replace function public.search_products(term text)
returns setof public.products
language sql stable
begin atomic
  select p.* from public.products as p
  where p.name ilike '%' || term || '%' or p.description ilike '%' || term || '%'
  order by p.name, p.id;
end;
comment on function public.search_products is 'Sample shop: products by a part of their name or description';

-- Runs as the caller, so that row-level security decides whose order it may be.
create or replace function public.place_order(product_id int, quantity int default 1)
returns public.orders
language plpgsql
as $$
declare
  placed public.orders;
begin
  if auth.uid() is null then
    raise exception 'sign in to place an order' using errcode = '42501', hint = 'Send a user''s token.';
  end if;
  insert into public.orders default values returning * into placed;
  insert into public.order_items (order_id, product_id, quantity, unit_price)
  select placed.id, p.id, place_order.quantity, p.price from public.products as p where p.id = place_order.product_id;
  if not found then
    raise exception 'no product %', place_order.product_id using errcode = 'P0002';
  end if;
  return placed;
end
$$;
comment on function public.place_order is 'Sample shop: one order of one product, for the user who calls';

alter table public.customers enable row level security;
alter table public.categories enable row level security;
alter table public.products enable row level security;
alter table public.product_categories enable row level security;
alter table public.orders enable row level security;
alter table public.order_items enable row level security;
alter table public.reviews enable row level security;

drop policy if exists "everybody reads categories" on public.categories;
create policy "everybody reads categories" on public.categories for select using (true);
drop policy if exists "everybody reads products" on public.products;
create policy "everybody reads products" on public.products for select using (true);
drop policy if exists "everybody reads product categories" on public.product_categories;
create policy "everybody reads product categories" on public.product_categories for select using (true);
drop policy if exists "everybody reads reviews" on public.reviews;
create policy "everybody reads reviews" on public.reviews for select using (true);

drop policy if exists "users read themselves" on public.customers;
create policy "users read themselves" on public.customers for select to authenticated using (id = (select auth.uid()));
drop policy if exists "users change themselves" on public.customers;
create policy "users change themselves" on public.customers for update to authenticated using (id = (select auth.uid())) with check (id = (select auth.uid()));

drop policy if exists "users read their orders" on public.orders;
create policy "users read their orders" on public.orders for select to authenticated using (customer_id = (select auth.uid()));
drop policy if exists "users place their orders" on public.orders;
create policy "users place their orders" on public.orders for insert to authenticated with check (customer_id = (select auth.uid()));
drop policy if exists "users read their order items" on public.order_items;
create policy "users read their order items" on public.order_items for select to authenticated
  using (exists (select from public.orders as o where o.id = order_id and o.customer_id = (select auth.uid())));
drop policy if exists "users add their order items" on public.order_items;
create policy "users add their order items" on public.order_items for insert to authenticated
  with check (exists (select from public.orders as o where o.id = order_id and o.customer_id = (select auth.uid())));

drop policy if exists "users write their reviews" on public.reviews;
create policy "users write their reviews" on public.reviews for insert to authenticated with check (customer_id = (select auth.uid()));
drop policy if exists "users change their reviews" on public.reviews;
create policy "users change their reviews" on public.reviews for update to authenticated using (customer_id = (select auth.uid())) with check (customer_id = (select auth.uid()));
drop policy if exists "users delete their reviews" on public.reviews;
create policy "users delete their reviews" on public.reviews for delete to authenticated using (customer_id = (select auth.uid()));

-- Supabase's default privileges gave anon every right on them; here it has none, so that it is refused and not shown nothing.
revoke all on public.customers, public.orders, public.order_items from anon;
grant select on public.categories, public.products, public.product_categories, public.reviews, public.product_ratings to anon, authenticated;
grant select, insert, update, delete on public.customers, public.orders, public.order_items, public.reviews to authenticated;
grant all on public.customers, public.categories, public.products, public.product_categories, public.orders, public.order_items, public.reviews, public.product_ratings to service_role;
grant usage on all sequences in schema public to authenticated, service_role;
grant execute on function public.search_products, public.place_order to anon, authenticated, service_role;

analyze;
notify pgrst, 'reload schema';
