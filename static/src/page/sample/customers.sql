-- The first three are the users that the examples sign in as.
insert into public.customers (id, name, email, city, joined_at)
select
  ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid,
  name,
  lower(replace(name, ' ', '.')) || '@example.com',
  (array['Lisbon', 'Osaka', 'Tartu', 'Accra', 'Valdivia', 'Ghent'])[1 + n % 6],
  timestamptz '2024-01-01 09:00+00' + n * interval '3 days 5 hours'
from generate_series(1, 120) as n
cross join lateral (
  select case n
    when 1 then 'Ada Quist'
    when 2 then 'Ben Okoro'
    when 3 then 'Chie Mori'
    else (array['Dora', 'Emil', 'Femi', 'Greta', 'Hugo', 'Ines', 'Jun', 'Kofi', 'Lena', 'Milo'])[1 + n % 10] || ' '
      || (array['Aalto', 'Bento', 'Costa', 'Duarte', 'Endo', 'Fofie', 'Gomes', 'Hara', 'Ilves', 'Jansen', 'Kask', 'Lopes', 'Mensah'])[1 + n % 13]
  end as name
) as people
on conflict do nothing;
