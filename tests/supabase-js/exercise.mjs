// supabase-js from npm, unmodified: what its documentation shows for the database, run against one
// project. The same function runs in Chromium through the service worker and in Node over
// `cargo xtask serve`; it expects `schema.sql` to be loaded.

const sorted = (value) => {
  if (Array.isArray(value)) return value.map(sorted);
  if (value && typeof value === 'object') return Object.fromEntries(Object.keys(value).toSorted().map((key) => [key, sorted(value[key])]));
  return value;
};
function same(actual, expected, what) {
  const [a, e] = [JSON.stringify(sorted(actual)), JSON.stringify(sorted(expected))];
  if (a !== e) throw new Error(`${what}: got ${a}, expected ${e}`);
}
const good = async (what, builder) => {
  const result = await builder;
  if (result.error) throw new Error(`${what}: ${JSON.stringify(result.error)} (${result.status})`);
  return result;
};

/** Cases by name; each gets a client with the anon key and one with the secret key. */
export const cases = {
  'select of columns, with every common filter': async ({ anon }) => {
    const titles = async (what, build) => (await good(what, build(anon.from('films').select('title')).order('id'))).data.map((film) => film.title);
    const [cleo, vagabond, ran, ikiru, nobody] = ['Cléo from 5 to 7', 'Vagabond', 'Ran', 'Ikiru', 'A Film, Unattributed'];
    const table = [
      ['eq', (q) => q.eq('year', 1985), [vagabond, ran]],
      ['neq', (q) => q.neq('year', 1985), [cleo, ikiru, nobody]],
      ['gt', (q) => q.gt('year', 1970), [vagabond, ran]],
      ['gte', (q) => q.gte('year', 1970), [vagabond, ran, nobody]],
      ['lt', (q) => q.lt('year', 1962), [ikiru]],
      ['lte', (q) => q.lte('year', 1962), [cleo, ikiru]],
      ['like', (q) => q.like('title', '%a%'), [vagabond, ran, nobody]],
      ['ilike', (q) => q.ilike('title', 'r%'), [ran]],
      ['likeAnyOf', (q) => q.likeAnyOf('title', ['R%', 'I%']), [ran, ikiru]],
      ['is null', (q) => q.is('director_id', null), [nobody]],
      ['not is null', (q) => q.not('director_id', 'is', null), [cleo, vagabond, ran, ikiru]],
      ['in', (q) => q.in('title', [ran, nobody]), [ran, nobody]],
      ['contains', (q) => q.contains('tags', ['war']), [ran]],
      ['containedBy', (q) => q.containedBy('tags', ['drama', 'war']), [vagabond, ran, ikiru, nobody]],
      ['overlaps', (q) => q.overlaps('tags', ['paris', 'war']), [cleo, ran]],
      ['contains json', (q) => q.contains('facts', { colour: true }), [vagabond, ran]],
      ['json path', (q) => q.gt('facts->minutes', 100), [vagabond, ran, ikiru]],
      ['textSearch', (q) => q.textSearch('title', 'vagabond', { type: 'websearch', config: 'english' }), [vagabond]],
      ['match', (q) => q.match({ year: 1985, director_id: 1 }), [vagabond]],
      ['or', (q) => q.or('year.eq.1952,and(year.eq.1985,director_id.eq.2)'), [ran, ikiru]],
      ['not', (q) => q.not('year', 'eq', 1985), [cleo, ikiru, nobody]],
      ['filter', (q) => q.filter('year', 'in', '(1952,1962)'), [cleo, ikiru]],
    ];
    for (const [what, build, expected] of table) same(await titles(what, build), expected, what);
  },
  'aliases, casts and JSON paths in select': async ({ anon }) => {
    const { data } = await good('select', anon.from('films').select('name:title, year::text, minutes:facts->minutes, colour:facts->>colour').eq('id', 1));
    same(data, [{ name: 'Cléo from 5 to 7', year: '1962', minutes: 90, colour: 'false' }], 'aliases');
  },
  'embeds: to-one, to-many, many-to-many, inner, spread, order and limit inside': async ({ anon }) => {
    same((await good('to-one', anon.from('films').select('title, directors(name)').eq('id', 3))).data, [{ title: 'Ran', directors: { name: 'Akira Kurosawa' } }], 'to-one');
    same((await good('to-one null', anon.from('films').select('title, directors(name)').eq('id', 5))).data, [{ title: 'A Film, Unattributed', directors: null }], 'to-one null');
    same((await good('to-many', anon.from('directors').select('name, films(title)').eq('id', 2).order('year', { referencedTable: 'films' }))).data, [{ name: 'Akira Kurosawa', films: [{ title: 'Ikiru' }, { title: 'Ran' }] }], 'to-many');
    same((await good('limit', anon.from('directors').select('name, films(title)').eq('id', 2).order('year', { referencedTable: 'films', ascending: false }).limit(1, { referencedTable: 'films' }))).data, [{ name: 'Akira Kurosawa', films: [{ title: 'Ran' }] }], 'limit');
    same((await good('many-to-many', anon.from('films').select('title, actors(name)').eq('id', 1))).data, [{ title: 'Cléo from 5 to 7', actors: [{ name: 'Corinne Marchand' }] }], 'many-to-many');
    same((await good('nested', anon.from('directors').select('name, films!inner(title, roles(role_name, actors(name)))').eq('films.year', 1985).order('id'))).data, [
      { name: 'Agnès Varda', films: [{ title: 'Vagabond', roles: [{ role_name: 'Mona', actors: { name: 'Sandrine Bonnaire' } }] }] },
      { name: 'Akira Kurosawa', films: [{ title: 'Ran', roles: [{ role_name: 'Hidetora', actors: { name: 'Tatsuya Nakadai' } }] }] },
    ], 'inner');
    same((await good('spread', anon.from('films').select('title, ...directors(director:name)').eq('id', 4))).data, [{ title: 'Ikiru', director: 'Akira Kurosawa' }], 'spread');
    same((await good('hint', anon.from('films').select('directors!films_director_id_fkey(name)').eq('id', 4))).data, [{ directors: { name: 'Akira Kurosawa' } }], 'hint');
  },
  'order, limit, range, count, head': async ({ anon }) => {
    same((await good('order', anon.from('films').select('id').order('year', { ascending: false }).order('title').limit(3))).data.map((film) => film.id), [3, 2, 5], 'order');
    const range = await good('range', anon.from('films').select('id', { count: 'exact' }).order('id').range(1, 2));
    same([range.data.map((film) => film.id), range.count, range.status], [[2, 3], 5, 206], 'range');
    const head = await good('head', anon.from('films').select('*', { count: 'exact', head: true }));
    same([head.data, head.count, head.status], [null, 5, 200], 'head');
    const planned = await good('planned', anon.from('films').select('id', { count: 'planned' }));
    if (!(planned.count >= 0)) throw new Error(`planned count: ${planned.count}`);
    const beyond = await anon.from('films').select('id', { count: 'exact' }).range(100, 110);
    same([beyond.error?.code, beyond.status], ['PGRST103', 416], 'beyond the end');
  },
  'single, maybeSingle, csv': async ({ anon }) => {
    same((await good('single', anon.from('films').select('title').eq('id', 1).single())).data, { title: 'Cléo from 5 to 7' }, 'single');
    const many = await anon.from('films').select('title').single();
    same([many.error?.code, many.status], ['PGRST116', 406], 'single of many');
    same((await good('maybeSingle', anon.from('films').select('title').eq('id', 99).maybeSingle())).data, null, 'maybeSingle');
    same((await good('csv', anon.from('films').select('id,title').in('id', [3, 5]).order('id').csv())).data, 'id,title\n3,Ran\n5,"A Film, Unattributed"', 'csv');
  },
  'insert, update, upsert, delete': async ({ service }) => {
    same((await good('insert', service.from('actors').insert({ id: 10, name: 'Ten' }))).status, 201, 'insert status');
    same((await good('insert many', service.from('actors').insert([{ id: 11, name: 'Eleven' }, { id: 12, name: 'Twelve' }]).select('id'))).data, [{ id: 11 }, { id: 12 }], 'insert many');
    const twice = await service.from('actors').insert({ id: 10, name: 'again' });
    same([twice.error?.code, twice.status], ['23505', 409], 'duplicate');
    same((await good('update', service.from('actors').update({ name: 'Zehn' }).eq('id', 10).select())).data, [{ id: 10, name: 'Zehn' }], 'update');
    same((await good('upsert', service.from('actors').upsert([{ id: 10, name: 'X' }, { id: 13, name: 'XIII' }]).select().order('id'))).data, [{ id: 10, name: 'X' }, { id: 13, name: 'XIII' }], 'upsert');
    same((await good('ignore', service.from('actors').upsert({ id: 10, name: 'Y' }, { ignoreDuplicates: true }).select())).data, [], 'ignore duplicates');
    same((await good('delete', service.from('actors').delete().gte('id', 10).select('id').order('id'))).data.map((actor) => actor.id).toSorted((a, b) => a - b), [10, 11, 12, 13], 'delete');
    same((await good('left', service.from('actors').select('*', { count: 'exact', head: true }))).count, 4, 'what is left');
  },
  'rpc by POST and GET, scalar and set, with filters and embeds': async ({ anon }) => {
    same((await good('scalar', anon.rpc('add', { a: 2, b: 3 }))).data, 5, 'scalar');
    same((await good('get', anon.rpc('add', { a: 2, b: 3 }, { get: true }))).data, 5, 'get');
    same((await good('set', anon.rpc('films_of_year', { wanted: 1985 }).select('title, directors(name)').order('title'))).data, [
      { title: 'Ran', directors: { name: 'Akira Kurosawa' } }, { title: 'Vagabond', directors: { name: 'Agnès Varda' } },
    ], 'set');
    same((await good('count', anon.rpc('films_of_year', { wanted: 1985 }, { count: 'exact', head: true }))).count, 2, 'count');
    same((await anon.rpc('no_such_function')).error?.code, 'PGRST202', 'unknown function');
  },
  'roles are what the keys say': async ({ anon, service }) => {
    same((await good('anon', anon.rpc('whoami'))).data, { role: 'anon', uid: null, user: 'anon' }, 'anon');
    same((await good('service', service.rpc('whoami'))).data, { role: 'service_role', uid: null, user: 'service_role' }, 'service_role');
  },
  'errors keep their codes': async ({ anon }) => {
    const table = await anon.from('no_such_table').select();
    same([table.error?.code, table.status], ['PGRST205', 404], 'unknown table');
    same((await anon.from('films').select('no_such_column')).error?.code, '42703', 'unknown column');
    same((await anon.schema('archive').from('papers').select()).error?.code, 'PGRST106', 'schema not exposed');
    same((await anon.from('films').select('title, actors(nope').eq('id', 1)).error?.code, 'PGRST100', 'malformed select');
  },
};

/** Runs every case; gives their names. */
export async function exercise({ createClient, url, keys }) {
  const options = { auth: { persistSession: false, autoRefreshToken: false } };
  const clients = { anon: createClient(url, keys.publishable, options), service: createClient(url, keys.secret, options) };
  for (const [name, run] of Object.entries(cases)) {
    try { await run(clients); } catch (error) { throw new Error(`${name}: ${error.message}`); }
  }
  return Object.keys(cases);
}
