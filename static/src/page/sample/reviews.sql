insert into public.reviews (id, product_id, customer_id, stars, body, written_at)
select
  n,
  1 + (n * 37) % 480,
  ('00000000-0000-4000-8000-' || lpad((1 + (n * 11) % 119)::text, 12, '0'))::uuid,
  (array[5, 4, 5, 3, 4, 2, 5, 1])[1 + n % 8],
  (array['Does what it should.', 'Better than the picture.', null, 'Came late, works well.', 'I bought a second one.', 'Too small for me.'])[1 + n % 6],
  timestamptz '2025-02-01 12:00+00' + n * interval '5 hours'
from generate_series(1, 1500) as n
on conflict do nothing;

-- The numbers above were given by hand: the next row's must follow them.
select
  setval(pg_get_serial_sequence('public.categories', 'id'), (select max(id) from public.categories)),
  setval(pg_get_serial_sequence('public.products', 'id'), (select max(id) from public.products)),
  setval(pg_get_serial_sequence('public.orders', 'id'), (select max(id) from public.orders)),
  setval(pg_get_serial_sequence('public.reviews', 'id'), (select max(id) from public.reviews));
