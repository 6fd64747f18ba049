create table directors (id int primary key, name text not null);
create table films (
  id int primary key,
  title text not null,
  year int not null,
  director_id int references directors (id),
  tags text[] not null default '{}',
  facts jsonb not null default '{}'
);
create table actors (id int primary key, name text not null);
create table roles (film_id int references films (id), actor_id int references actors (id), role_name text, primary key (film_id, actor_id));
insert into directors values (1, 'Agnès Varda'), (2, 'Akira Kurosawa'), (3, 'Chantal Akerman');
insert into films values
  (1, 'Cléo from 5 to 7', 1962, 1, '{new wave,paris}', '{"minutes": 90, "colour": false}'),
  (2, 'Vagabond', 1985, 1, '{drama}', '{"minutes": 105, "colour": true}'),
  (3, 'Ran', 1985, 2, '{drama,war}', '{"minutes": 162, "colour": true}'),
  (4, 'Ikiru', 1952, 2, '{drama}', '{"minutes": 143, "colour": false}'),
  (5, 'A Film, Unattributed', 1970, null, '{}', '{}');
insert into actors values (1, 'Corinne Marchand'), (2, 'Sandrine Bonnaire'), (3, 'Tatsuya Nakadai'), (4, 'Takashi Shimura');
insert into roles values (1, 1, 'Cléo'), (2, 2, 'Mona'), (3, 3, 'Hidetora'), (4, 4, 'Watanabe');
create function films_of_year(wanted int) returns setof films language sql stable as $$ select * from films where year = wanted $$;
create function add(a int, b int) returns int language sql immutable as $$ select a + b $$;
create function whoami() returns json language sql stable as $$ select json_build_object('role', auth.role(), 'uid', auth.uid(), 'user', current_user) $$;
create schema archive;
create table archive.papers (id int primary key, title text);
create table notes (id bigint generated always as identity primary key, owner uuid not null default auth.uid(), text text not null);
alter table notes enable row level security;
create policy "own notes" on notes for all to authenticated using (owner = auth.uid()) with check (owner = auth.uid());
