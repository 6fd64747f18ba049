// Every modifier: order, windows, forms of the answer, plans, errors as exceptions.
import { good, refused, same } from './expect.mjs';

const ids = ({ data }) => data.map(({ id }) => id);

export const shaping = {
  'order: directions, nulls, embeds by either name, by a to-one embed': async ({ anon }) => {
    const films = (build) => good('order', build(anon.from('films').select('id')));
    same(ids(await films((q) => q.order('year', { ascending: false }).order('title').limit(3))), [3, 2, 5], 'two terms');
    same(ids(await films((q) => q.order('director_id', { nullsFirst: true }).order('id'))), [5, 1, 2, 3, 4], 'nullsFirst');
    same(ids(await films((q) => q.order('director_id', { ascending: false, nullsFirst: false }).order('id'))), [3, 4, 1, 2, 5], 'nulls last');
    const inside = (options) => good('inside', anon.from('directors').select('films(id)').eq('id', 2).order('year', options));
    same((await inside({ referencedTable: 'films' })).data, [{ films: [{ id: 4 }, { id: 3 }] }], 'referencedTable');
    same((await inside({ foreignTable: 'films', ascending: false })).data, [{ films: [{ id: 3 }, { id: 4 }] }], 'foreignTable');
    const related = await good('related', anon.from('films').select('id, directors(name)').order('directors(name)', { ascending: false, nullsFirst: false }).order('id'));
    same(ids(related), [3, 4, 1, 2, 5], 'by an embed');
    same(ids(await good('json', anon.from('films').select('id').order('facts->minutes', { nullsFirst: true }))), [5, 1, 2, 4, 3], 'by a path');
  },
  'limit and range, of the rows and of embeds by either name': async ({ anon }) => {
    const range = await good('range', anon.from('films').select('id', { count: 'exact' }).order('id').range(1, 2));
    same([ids(range), range.count, range.status], [[2, 3], 5, 206], 'range');
    same(ids(await good('limit', anon.from('films').select('id').order('id').limit(2))), [1, 2], 'limit');
    same((await good('none', anon.from('films').select('id').limit(0))).data, [], 'limit 0');
    await refused('beyond the end', anon.from('films').select('id', { count: 'exact' }).range(100, 110), 'PGRST103', 416);
    for (const name of ['referencedTable', 'foreignTable']) {
      const inside = (build) => good(name, build(anon.from('directors').select('films(id)').eq('id', 2).order('id', { referencedTable: 'films' })));
      same((await inside((q) => q.limit(1, { [name]: 'films' }))).data, [{ films: [{ id: 3 }] }], `limit, ${name}`);
      same((await inside((q) => q.range(1, 1, { [name]: 'films' }))).data, [{ films: [{ id: 4 }] }], `range, ${name}`);
    }
  },
  'single and maybeSingle': async ({ anon }) => {
    same((await good('single', anon.from('films').select('title').eq('id', 1).single())).data, { title: 'Cléo from 5 to 7' }, 'single');
    const many = await refused('single of many', anon.from('films').select('title').single(), 'PGRST116', 406);
    same(many.details, 'The result contains 5 rows', 'details');
    await refused('single of none', anon.from('films').select('title').eq('id', 99).single(), 'PGRST116', 406);
    same((await good('maybeSingle', anon.from('films').select('title').eq('id', 99).maybeSingle())).data, null, 'maybeSingle of none');
    same((await good('maybeSingle', anon.from('films').select('title').eq('id', 3).maybeSingle())).data, { title: 'Ran' }, 'maybeSingle of one');
    await refused('maybeSingle of many', anon.from('films').select('title').maybeSingle(), 'PGRST116', 406);
  },
  'csv, stripNulls, geojson': async ({ anon }) => {
    same((await good('csv', anon.from('films').select('id,title').in('id', [3, 5]).order('id').csv())).data, 'id,title\n3,Ran\n5,"A Film, Unattributed"', 'csv');
    same((await good('csv of none', anon.from('films').select('id').eq('id', 99).csv())).data, '\n', 'csv of none');
    same((await good('stripNulls', anon.from('films').select('id, director_id').in('id', [4, 5]).order('id').stripNulls())).data, [{ id: 4, director_id: 2 }, { id: 5 }], 'stripNulls');
    same((await good('stripNulls', anon.from('films').select('id, director_id').eq('id', 5).stripNulls().single())).data, { id: 5 }, 'stripNulls of one');
    // PostGIS makes it; a database without says what it lacks.
    await refused('geojson', anon.from('films').select('id').geojson(), '42883', 404);
  },
  'explain, in both formats and with every option': async ({ anon }) => {
    const text = await good('text', anon.from('films').select('id').eq('id', 1).explain());
    if (typeof text.data !== 'string' || !text.data.includes('films')) throw new Error(`explain: ${JSON.stringify(text.data)}`);
    same((await good('format text', anon.from('films').select('id').explain({ format: 'text' }))).data.startsWith('Aggregate'), true, 'text');
    const json = await good('json', anon.from('films').select('id').explain({ format: 'json', analyze: true, verbose: true, settings: true, buffers: true, wal: true }));
    const [{ Plan: plan }] = json.data;
    same([typeof plan['Total Cost'], typeof plan['Actual Rows'], Array.isArray(plan.Output), typeof plan['Shared Hit Blocks']], ['number', 'number', true, 'number'], 'json');
  },
  'abortSignal, setHeader, throwOnError, retry, then': async ({ anon }) => {
    const gone = new AbortController();
    gone.abort();
    const aborted = await anon.from('films').select().abortSignal(gone.signal);
    same([aborted.data, aborted.error === null], [null, false], 'aborted');
    same((await good('not aborted', anon.from('films').select('id').eq('id', 1).abortSignal(new AbortController().signal))).data, [{ id: 1 }], 'not aborted');
    same((await good('setHeader', anon.from('films').select('id').eq('id', 1).setHeader('Accept', 'text/csv'))).data, 'id\n1', 'setHeader');
    same((await anon.from('films').select('id').eq('id', 1).throwOnError()).data, [{ id: 1 }], 'throwOnError');
    const thrown = await anon.from('nothing').select().throwOnError().then(() => undefined, (error) => error);
    same([thrown.name, thrown.code, thrown instanceof Error], ['PostgrestError', 'PGRST205', true], 'thrown');
    same(ids(await good('retry', anon.from('films').select('id').limit(1).order('id').retry(false))), [1], 'retry');
    same(await anon.from('films').select('id').eq('id', 2).then(({ data }) => data[0].id), 2, 'then');
  },
  'returns and overrideTypes change no answer': async ({ anon }) => {
    same((await good('returns', anon.from('films').select('id').eq('id', 1).returns())).data, [{ id: 1 }], 'returns');
    same((await good('overrideTypes', anon.from('films').select('id').eq('id', 1).overrideTypes())).data, [{ id: 1 }], 'overrideTypes');
    same((await good('both', anon.from('films').select('id').eq('id', 1).single().overrideTypes())).data, { id: 1 }, 'after single');
  },
  'rollback leaves nothing behind': async ({ service }) => {
    const tried = await good('rollback', service.from('actors').insert({ id: 50, name: 'Nobody' }).select().rollback());
    same(tried.data, [{ id: 50, name: 'Nobody' }], 'what would be');
    same((await good('after', service.from('actors').select().eq('id', 50))).data, [], 'what is');
  },
};
