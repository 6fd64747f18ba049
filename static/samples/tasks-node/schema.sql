-- What the app reads: open tasks are for everybody, the others for whoever owns them. May be run again.
create table if not exists public.sample_tasks (
  id bigint generated always as identity primary key,
  title text not null check (length(title) between 1 and 200),
  open boolean not null default false,
  owner uuid default auth.uid(),
  created_at timestamptz not null default now()
);
alter table public.sample_tasks enable row level security;
grant select, insert on public.sample_tasks to anon, authenticated;
grant all on public.sample_tasks to service_role;
drop policy if exists "open tasks, and one's own" on public.sample_tasks;
create policy "open tasks, and one's own" on public.sample_tasks for select to anon, authenticated using (open or owner = auth.uid());
drop policy if exists "tasks of one's own" on public.sample_tasks;
create policy "tasks of one's own" on public.sample_tasks for insert to authenticated with check (owner = auth.uid());
insert into public.sample_tasks (title, open, owner)
select * from (values ('Read the source of this app', true, null::uuid), ('Sign in, and add a task', true, null), ('A secret that nobody is shown', false, null)) as first (title, open, owner)
where not exists (select from public.sample_tasks);
notify pgrst, 'reload schema';
