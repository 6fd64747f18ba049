// insert, upsert, update, delete: every option, with and without the rows as an answer.
import { good, refused, same } from './expect.mjs';

const counts = ['exact', 'planned', 'estimated'];
const byId = ({ data }) => data.toSorted((one, other) => one.id - other.id);

export const writing = {
  'insert: one, many, columns of their own, defaults, counts': async ({ service }) => {
    const inserted = await good('insert', service.from('actors').insert({ id: 10, name: 'Ten' }));
    same([inserted.status, inserted.data, inserted.count], [201, null, null], 'status');
    same((await good('many', service.from('actors').insert([{ id: 11, name: 'Eleven' }, { id: 12, name: 'Twelve' }]).select('id'))).data, [{ id: 11 }, { id: 12 }], 'many');
    same((await good('single', service.from('actors').insert({ id: 13, name: 'Thirteen' }).select().single())).data, { id: 13, name: 'Thirteen' }, 'single');
    await refused('twice', service.from('actors').insert({ id: 10, name: 'again' }), '23505', 409);
    await refused('no such column', service.from('actors').insert({ id: 14, nome: 'x' }), 'PGRST204', 400);
    for (const count of counts) same((await good(count, service.from('actors').insert([{ id: 20, name: 'a' }, { id: 21, name: 'b' }], { count }).rollback())).count, 2, count);
    same((await good('empty', service.from('actors').insert([]).select())).data, [], 'none');
    // Rows that differ in their columns name all of them; what a row lacks is null, or its default.
    const mixed = [{ film_id: 5, critic: 'ann', stars: 1 }, { film_id: 5, critic: 'bob', note: 'good' }];
    const shown = (result) => result.data.map(({ stars, note }) => [stars, note]);
    same(shown(await good('null', service.from('ratings').insert(mixed).select('stars, note').rollback())), [[1, null], [null, 'good']], 'defaultToNull');
    same(shown(await good('default', service.from('ratings').insert(mixed, { defaultToNull: false }).select('stars, note').rollback())), [[1, 'none'], [3, 'good']], 'not defaultToNull');
    same((await good('embed', service.from('ratings').insert({ film_id: 3, critic: 'cat' }).select('critic, films(title)').rollback())).data, [{ critic: 'cat', films: { title: 'Ran' } }], 'embed');
    await good('clean', service.from('actors').delete().gte('id', 10));
  },
  'upsert: onConflict, ignoreDuplicates, defaults, counts': async ({ service }) => {
    const actors = (values, options) => service.from('actors').upsert(values, options);
    same(byId(await good('merge', actors([{ id: 1, name: 'X' }, { id: 60, name: 'LX' }]).select().rollback())), [{ id: 1, name: 'X' }, { id: 60, name: 'LX' }], 'merge');
    same((await good('ignore', actors([{ id: 1, name: 'Y' }, { id: 60, name: 'LX' }], { ignoreDuplicates: true }).select().rollback())).data, [{ id: 60, name: 'LX' }], 'ignoreDuplicates');
    same((await good('status', actors({ id: 1, name: 'X' }).rollback())).status, 200, 'nothing is new');
    const ratings = (values, options) => service.from('ratings').upsert(values, options).select('film_id, critic, stars, note').rollback();
    same((await good('onConflict', ratings({ film_id: 1, critic: 'bob', stars: 1 }, { onConflict: 'film_id,critic' }))).data, [{ film_id: 1, critic: 'bob', stars: 1, note: 'none' }], 'onConflict');
    await refused('no such constraint', service.from('ratings').upsert({ film_id: 1, critic: 'bob' }, { onConflict: 'stars' }), '42P10', 400);
    const mixed = [{ film_id: 5, critic: 'ann', stars: 1 }, { film_id: 5, critic: 'bob', note: 'good' }];
    same((await good('default', ratings(mixed, { defaultToNull: false, onConflict: 'film_id,critic' }))).data.map(({ stars, note }) => [stars, note]), [[1, 'none'], [3, 'good']], 'not defaultToNull');
    for (const count of counts) same((await good(count, service.from('actors').upsert([{ id: 1, name: 'a' }, { id: 21, name: 'b' }], { count }).rollback())).count, 2, count);
  },
  'update: filters, the rows, counts, maxAffected': async ({ service }) => {
    same((await good('update', service.from('actors').update({ name: 'One' }).eq('id', 1).select().rollback())).data, [{ id: 1, name: 'One' }], 'update');
    same((await good('minimal', service.from('actors').update({ name: 'One' }).eq('id', 1).rollback())).status, 204, 'status');
    same((await good('none', service.from('actors').update({ name: 'One' }).eq('id', 99).select())).data, [], 'no row');
    for (const count of counts) same((await good(count, service.from('actors').update({ name: 'One' }, { count }).lte('id', 2).rollback())).count, 2, count);
    const error = await refused('maxAffected', service.from('actors').update({ name: 'One' }).lte('id', 3).maxAffected(2), 'PGRST124', 400);
    same(error.details, 'The query affects 3 rows', 'details');
    same((await good('kept', service.from('actors').select('name').eq('id', 1))).data, [{ name: 'Corinne Marchand' }], 'kept');
    same((await good('within', service.from('actors').update({ name: 'One' }).eq('id', 1).maxAffected(1).select('name').rollback())).data, [{ name: 'One' }], 'within');
    await refused('single of many', service.from('actors').update({ name: 'One' }).lte('id', 2).select().single(), 'PGRST116', 406);
    same((await good('json', service.from('films').update({ facts: { minutes: 1 }, tags: ['a', 'b,"c'] }).eq('id', 1).select('facts, tags').rollback())).data, [{ facts: { minutes: 1 }, tags: ['a', 'b,"c'] }], 'json and arrays');
  },
  'delete: filters, the rows, counts, maxAffected': async ({ service }) => {
    await good('insert', service.from('actors').insert([{ id: 30, name: 'a' }, { id: 31, name: 'b' }, { id: 32, name: 'c' }]));
    await refused('maxAffected', service.from('actors').delete().gte('id', 30).maxAffected(2), 'PGRST124', 400);
    for (const count of counts) same((await good(count, service.from('actors').delete({ count }).gte('id', 30).rollback())).count, 3, count);
    same((await good('status', service.from('actors').delete().eq('id', 30))).status, 204, 'status');
    same(byId(await good('rows', service.from('actors').delete().gte('id', 30).select('id'))), [{ id: 31 }, { id: 32 }], 'rows');
    await refused('referenced', service.from('directors').delete().eq('id', 1), '23503', 409);
    same((await good('left', service.from('actors').select('*', { count: 'exact', head: true }))).count, 4, 'what is left');
  },
};
