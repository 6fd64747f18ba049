// rpc: every option, kinds of arguments and of results.
import { good, refused, same } from './expect.mjs';

export const calling = {
  'rpc by POST, GET and HEAD, of scalars and sets': async ({ anon }) => {
    same((await good('scalar', anon.rpc('add', { a: 2, b: 3 }))).data, 5, 'scalar');
    same((await good('get', anon.rpc('add', { a: 2, b: 3 }, { get: true }))).data, 5, 'get');
    same((await good('no arguments', anon.rpc('whoami'))).data.user, 'anon', 'no arguments');
    same((await good('array', anon.rpc('joined', { words: ['a', 'b,c'] }))).data, 'a-b,c', 'variadic');
    same((await good('array by GET', anon.rpc('joined', { words: ['a', 'b'] }, { get: true }))).data, '{a,b}', 'variadic by GET: one word, because the client writes an array as one literal');
    same((await good('unnamed', anon.rpc('echo', { any: [1, { thing: null }] }))).data, { any: [1, { thing: null }] }, 'one unnamed parameter');
    const head = await good('head', anon.rpc('films_of_year', { wanted: 1985 }, { count: 'exact', head: true }));
    same([head.data, head.count], [null, 2], 'head');
    await refused('unknown function', anon.rpc('no_such_function'), 'PGRST202', 404);
    await refused('unknown argument', anon.rpc('add', { a: 1, c: 2 }), 'PGRST202', 404);
  },
  'rpc of rows: filters, order, embeds, counts of every kind, single, csv': async ({ anon }) => {
    same((await good('set', anon.rpc('films_of_year', { wanted: 1985 }).select('title, directors(name)').order('title'))).data, [
      { title: 'Ran', directors: { name: 'Akira Kurosawa' } }, { title: 'Vagabond', directors: { name: 'Agnès Varda' } },
    ], 'set');
    same((await good('filter', anon.rpc('films_of_year', { wanted: 1985 }).eq('title', 'Ran').select('id'))).data, [{ id: 3 }], 'filter');
    same((await good('single', anon.rpc('films_of_year', { wanted: 1952 }).select('title').single())).data, { title: 'Ikiru' }, 'single');
    same((await good('range', anon.rpc('films_of_year', { wanted: 1985 }).select('id').order('id').range(1, 1))).data, [{ id: 3 }], 'range');
    same((await good('csv', anon.rpc('films_of_year', { wanted: 1985 }, { get: true }).select('id').order('id').csv())).data, 'id\n2\n3', 'csv');
    for (const count of ['exact', 'planned', 'estimated']) {
      const result = await good(count, anon.rpc('better_than', { floor: 4 }, { count }).select('id'));
      same(result.data.length, 2, count);
      if (!(result.count >= 0)) throw new Error(`${count}: ${result.count}`);
    }
  },
  'rpc that writes: not by GET, and no more than maxAffected': async ({ service }) => {
    await refused('get', service.rpc('drop_ratings_of', { critic_name: 'ann' }, { get: true }), '25006', 405);
    await refused('maxAffected', service.rpc('drop_ratings_of', { critic_name: 'ann' }).maxAffected(1), 'PGRST124', 400);
    same((await good('rollback', service.rpc('drop_ratings_of', { critic_name: 'ann' }).maxAffected(3).rollback())).data.length, 3, 'rows');
    same((await good('kept', service.from('ratings').select('id', { count: 'exact', head: true }))).count, 4, 'kept');
  },
  'roles are what the keys say': async ({ anon, service }) => {
    same((await good('anon', anon.rpc('whoami'))).data, { role: 'anon', uid: null, user: 'anon' }, 'anon');
    same((await good('service', service.rpc('whoami'))).data, { role: 'service_role', uid: null, user: 'service_role' }, 'service_role');
  },
};
