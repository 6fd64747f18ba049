-- Every third order is one of the three example users'.
insert into public.orders (id, customer_id, status, placed_at)
select
  n,
  ('00000000-0000-4000-8000-' || lpad((case when n % 3 = 0 then 1 + (n / 3) % 3 else 1 + (n * 17) % 120 end)::text, 12, '0'))::uuid,
  (array['placed', 'paid', 'shipped', 'delivered', 'delivered', 'delivered', 'returned'])[1 + n % 7],
  timestamptz '2025-01-01 08:00+00' + n * interval '4 hours 13 minutes'
from generate_series(1, 2000) as n
on conflict do nothing;

insert into public.order_items (order_id, product_id, quantity, unit_price)
select o.n, p.id, 1 + (o.n + k) % 4, p.price
from generate_series(1, 2000) as o (n)
cross join generate_series(1, 4) as k
join public.products as p on p.id = 1 + (o.n * 13 + k * 97) % 480
where k <= 1 + o.n % 4 and exists (select from public.orders where id = o.n)
on conflict do nothing;
