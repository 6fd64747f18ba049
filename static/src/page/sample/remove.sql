drop view if exists public.product_ratings;
drop function if exists public.search_products, public.place_order;
drop table if exists public.reviews, public.order_items, public.orders, public.product_categories, public.products, public.categories, public.customers;
notify pgrst, 'reload schema';
