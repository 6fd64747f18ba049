insert into public.categories (id, name)
select ordinality, name
from unnest(array['Kitchen', 'Garden', 'Office', 'Bath', 'Lighting', 'Textiles', 'Storage', 'Outdoors', 'Toys', 'Books', 'Repair', 'Gifts']) with ordinality as c (name, ordinality)
on conflict do nothing;

insert into public.products (id, name, description, price, stock, tags, details)
select
  n,
  initcap(adjective || ' ' || material || ' ' || noun),
  case when n % 7 <> 0 then format('A %s %s of %s, made to last.', adjective, noun, material) end,
  round((4 + (n * 7919 % 19600) / 100.0)::numeric, 2),
  (n * 31) % 120,
  array[adjective, material],
  jsonb_build_object('weight_g', 50 + (n * 131) % 4000, 'colour', colour, 'made_in', jsonb_build_object('country', country, 'year', 2019 + n % 7))
from generate_series(1, 480) as n
cross join lateral (
  select
    (array['folding', 'sturdy', 'small', 'large', 'quiet', 'bright', 'plain', 'striped'])[1 + n % 8] as adjective,
    (array['oak', 'steel', 'linen', 'glass', 'cork'])[1 + (n / 8) % 5] as material,
    (array['lamp', 'basket', 'kettle', 'chair', 'notebook', 'rug', 'shelf', 'mug', 'lantern', 'toolbox', 'tray', 'clock'])[1 + (n / 40) % 12] as noun,
    (array['green', 'black', 'white', 'red', 'blue'])[1 + n % 5] as colour,
    (array['Portugal', 'Japan', 'Estonia', 'Ghana', 'Chile'])[1 + (n / 3) % 5] as country
) as words
on conflict do nothing;

insert into public.product_categories (product_id, category_id)
select p.id, 1 + (p.id * k + k) % 12
from public.products as p
cross join generate_series(1, 3) as k
where p.id <= 480 and (k = 1 or (p.id + k) % 3 = 0)
on conflict do nothing;
