// select: columns, embeds, aggregates, counts.
import { good, refused, same } from './expect.mjs';

export const reading = {
  'aliases, casts, JSON paths and computed columns in select': async ({ anon }) => {
    const { data } = await good('select', anon.from('films').select('name:title, year::text, minutes:facts->minutes, colour:facts->>colour, length_of').eq('id', 1));
    same(data, [{ name: 'Cléo from 5 to 7', year: '1962', minutes: 90, colour: 'false', length_of: 16 }], 'aliases');
    same((await good('all', anon.from('directors').select().eq('id', 1))).data, [{ id: 1, name: 'Agnès Varda' }], 'select()');
    same((await good('line breaks', anon.from('directors').select(`
      id,
      name
    `).eq('id', 1))).data, [{ id: 1, name: 'Agnès Varda' }], 'white space');
  },
  'embeds: to-one, to-many, many-to-many, nested, inner, spread, hints': async ({ anon }) => {
    same((await good('to-one', anon.from('films').select('title, directors(name)').eq('id', 3))).data, [{ title: 'Ran', directors: { name: 'Akira Kurosawa' } }], 'to-one');
    same((await good('to-one null', anon.from('films').select('title, directors(name)').eq('id', 5))).data, [{ title: 'A Film, Unattributed', directors: null }], 'to-one null');
    same((await good('alias', anon.from('films').select('by:directors(name)').eq('id', 3))).data, [{ by: { name: 'Akira Kurosawa' } }], 'alias');
    same((await good('many-to-many', anon.from('films').select('title, actors(name)').eq('id', 1))).data, [{ title: 'Cléo from 5 to 7', actors: [{ name: 'Corinne Marchand' }] }], 'many-to-many');
    same((await good('nested', anon.from('directors').select('name, films!inner(title, roles(role_name, actors(name)))').eq('films.year', 1985).order('id'))).data, [
      { name: 'Agnès Varda', films: [{ title: 'Vagabond', roles: [{ role_name: 'Mona', actors: { name: 'Sandrine Bonnaire' } }] }] },
      { name: 'Akira Kurosawa', films: [{ title: 'Ran', roles: [{ role_name: 'Hidetora', actors: { name: 'Tatsuya Nakadai' } }] }] },
    ], 'inner');
    same((await good('spread', anon.from('films').select('title, ...directors(director:name)').eq('id', 4))).data, [{ title: 'Ikiru', director: 'Akira Kurosawa' }], 'spread');
    same((await good('spread of many', anon.from('directors').select('name, ...films(titles:title)').eq('id', 2).order('year', { referencedTable: 'films' }))).data, [{ name: 'Akira Kurosawa', titles: ['Ikiru', 'Ran'] }], 'spread of many');
    same((await good('hint', anon.from('films').select('directors!films_director_id_fkey(name)').eq('id', 4))).data, [{ directors: { name: 'Akira Kurosawa' } }], 'hint');
    same((await good('by column', anon.from('films').select('director_id(name)').eq('id', 4))).data, [{ director_id: { name: 'Akira Kurosawa' } }], 'by column');
  },
  'aggregates, of rows, of groups and of embeds': async ({ anon }) => {
    same((await good('count', anon.from('films').select('count()'))).data, [{ count: 5 }], 'count');
    same((await good('groups', anon.from('films').select('year, count(), least:id.min(), most:id.max(), id.sum(), mean:id.avg()::int').order('year'))).data, [
      { year: 1952, count: 1, least: 4, most: 4, sum: 4, mean: 4 }, { year: 1962, count: 1, least: 1, most: 1, sum: 1, mean: 1 },
      { year: 1970, count: 1, least: 5, most: 5, sum: 5, mean: 5 }, { year: 1985, count: 2, least: 2, most: 3, sum: 5, mean: 3 },
    ], 'groups');
    same((await good('embed', anon.from('directors').select('name, films(count)').order('id'))).data.map(({ films }) => films[0].count), [2, 2, 0], 'embed');
    same((await good('spread', anon.from('films').select('...directors(name), id.count()').not('director_id', 'is', null).order('directors(name)'))).data, [{ name: 'Agnès Varda', count: 2 }, { name: 'Akira Kurosawa', count: 2 }], 'spread');
  },
  'count of every kind, with rows and with the head alone': async ({ anon }) => {
    for (const count of ['exact', 'planned', 'estimated']) {
      for (const head of [false, true]) {
        const what = `${count}, head ${head}`;
        const result = await good(what, anon.from('films').select('id', { count, head }));
        same([result.data?.length ?? 0, result.status], [head ? 0 : 5, count === 'planned' && result.count > 5 ? 206 : 200], what);
        if (count === 'planned' ? !(result.count >= 0) : result.count !== 5) throw new Error(`${what}: ${result.count}`);
      }
    }
  },
  'errors keep their codes': async ({ anon }) => {
    await refused('unknown table', anon.from('no_such_table').select(), 'PGRST205', 404);
    await refused('unknown column', anon.from('films').select('no_such_column'), '42703', 400);
    await refused('schema not exposed', anon.schema('archive').from('papers').select(), 'PGRST106', 406);
    await refused('malformed select', anon.from('films').select('title, actors(nope').eq('id', 1), 'PGRST100', 400);
    const near = await refused('a name almost right', anon.from('film').select(), 'PGRST205', 404);
    same(near.hint, `Perhaps you meant the table 'public.films'`, 'hint');
    await refused('no relationship', anon.from('films').select('library(*)'), 'PGRST200', 400);
    await refused('not a number', anon.from('films').select().eq('id', 'x'), '22P02', 400);
  },
};
