// Every filter, each with what it leaves.
import { good, same } from './expect.mjs';

const [cleo, vagabond, ran, ikiru, nobody] = ['Cléo from 5 to 7', 'Vagabond', 'Ran', 'Ikiru', 'A Film, Unattributed'];

const films = [
  ['eq', (q) => q.eq('year', 1985), [vagabond, ran]],
  ['eq of a value with commas, quotes and a backslash', (q) => q.eq('title', 'a,"b"\\(c)'), []],
  ['neq', (q) => q.neq('year', 1985), [cleo, ikiru, nobody]],
  ['gt', (q) => q.gt('year', 1970), [vagabond, ran]],
  ['gte', (q) => q.gte('year', 1970), [vagabond, ran, nobody]],
  ['lt', (q) => q.lt('year', 1962), [ikiru]],
  ['lte', (q) => q.lte('year', 1962), [cleo, ikiru]],
  ['like', (q) => q.like('title', '%a%'), [vagabond, ran, nobody]],
  ['likeAllOf', (q) => q.likeAllOf('title', ['%a%', '%b%']), [vagabond, nobody]],
  ['likeAnyOf', (q) => q.likeAnyOf('title', ['R%', 'I%']), [ran, ikiru]],
  ['ilike', (q) => q.ilike('title', 'r%'), [ran]],
  ['ilikeAllOf', (q) => q.ilikeAllOf('title', ['%A%', '%N']), [ran]],
  ['ilikeAnyOf', (q) => q.ilikeAnyOf('title', ['r%', 'i%']), [ran, ikiru]],
  ['regexMatch', (q) => q.regexMatch('title', '^R.n$'), [ran]],
  ['regexIMatch', (q) => q.regexIMatch('title', '^r.n$|^I'), [ran, ikiru]],
  ['is null', (q) => q.is('director_id', null), [nobody]],
  ['is true, of a computed field', (q) => q.is('facts->colour', null), [nobody]],
  ['isDistinct', (q) => q.isDistinct('director_id', 1), [ran, ikiru, nobody]],
  ['in', (q) => q.in('title', [ran, nobody]), [ran, nobody]],
  ['in nothing', (q) => q.in('id', []), []],
  ['notIn', (q) => q.notIn('title', [ran, nobody]), [cleo, vagabond, ikiru]],
  ['contains, an array', (q) => q.contains('tags', ['war']), [ran]],
  ['contains, an object', (q) => q.contains('facts', { colour: true }), [vagabond, ran]],
  ['contains, a text', (q) => q.contains('tags', '{new wave}'), [cleo]],
  ['containedBy, an array', (q) => q.containedBy('tags', ['drama', 'war']), [vagabond, ran, ikiru, nobody]],
  ['containedBy, an object', (q) => q.containedBy('facts', { minutes: 90, colour: false, sound: true }), [cleo, nobody]],
  ['overlaps', (q) => q.overlaps('tags', ['paris', 'war']), [cleo, ran]],
  ['a path into JSON', (q) => q.gt('facts->minutes', 100), [vagabond, ran, ikiru]],
  ['a path into JSON as text', (q) => q.eq('facts->>minutes', '90'), [cleo]],
  ['textSearch', (q) => q.textSearch('title', `'vagabond'`), [vagabond]],
  ['textSearch, config', (q) => q.textSearch('title', `'film' & 'unattribut'`, { config: 'english' }), [nobody]],
  ['textSearch, plain', (q) => q.textSearch('title', 'film unattributed', { type: 'plain', config: 'english' }), [nobody]],
  ['textSearch, phrase', (q) => q.textSearch('title', 'unattributed film', { type: 'phrase', config: 'english' }), []],
  ['textSearch, websearch', (q) => q.textSearch('title', 'vagabond or ran', { type: 'websearch', config: 'simple' }), [vagabond, ran]],
  ['match', (q) => q.match({ year: 1985, director_id: 1 }), [vagabond]],
  ['not', (q) => q.not('year', 'eq', 1985), [cleo, ikiru, nobody]],
  ['not is null', (q) => q.not('director_id', 'is', null), [cleo, vagabond, ran, ikiru]],
  ['not in', (q) => q.not('id', 'in', '(1,2)'), [ran, ikiru, nobody]],
  ['or', (q) => q.or('year.eq.1952,and(year.eq.1985,director_id.eq.2)'), [ran, ikiru]],
  ['or, negated inside', (q) => q.or('id.eq.1,not.and(year.gte.1952,year.lte.1985)'), [cleo]],
  ['filter', (q) => q.filter('year', 'in', '(1952,1962)'), [cleo, ikiru]],
  ['filter, negated', (q) => q.filter('title', 'not.ilike', '%a%'), [cleo, ikiru]],
  ['several filters', (q) => q.gt('year', 1960).lt('year', 1980).not('director_id', 'is', null), [cleo]],
  ['a computed column', (q) => q.eq('length_of', 3), [ran]],
];

const seats = [
  ['rangeGt', (q) => q.rangeGt('seats', '[1,8)'), [2]],
  ['rangeGte', (q) => q.rangeGte('seats', '[5,8)'), [2, 3]],
  ['rangeLt', (q) => q.rangeLt('seats', '[12,20)'), [1]],
  ['rangeLte', (q) => q.rangeLte('seats', '[1,15)'), [1, 3]],
  ['rangeAdjacent', (q) => q.rangeAdjacent('seats', '[15,30)'), [3]],
  ['overlaps, a range', (q) => q.overlaps('seats', '[14,16)'), [2, 3]],
  ['contains, a range', (q) => q.contains('seats', '[11,13)'), [2, 3]],
];

export const filtering = {
  'every filter': async ({ anon }) => {
    for (const [what, build, expected] of films) {
      const { data } = await good(what, build(anon.from('films').select('title')).order('id'));
      same(data.map(({ title }) => title), expected, what);
    }
    for (const [what, build, expected] of seats) {
      const { data } = await good(what, build(anon.from('screenings').select('id')).order('id'));
      same(data.map(({ id }) => id), expected, what);
    }
  },
  'filters on embeds, by either name of the option': async ({ anon }) => {
    const of = async (what, build) => (await good(what, build(anon.from('directors').select('id, films!inner(title)')).order('id'))).data.map(({ id }) => id);
    same(await of('eq', (q) => q.eq('films.title', ran)), [2], 'eq');
    same(await of('referencedTable', (q) => q.or('year.eq.1952,title.eq.Vagabond', { referencedTable: 'films' })), [1, 2], 'referencedTable');
    same(await of('foreignTable', (q) => q.or('year.eq.1952', { foreignTable: 'films' })), [2], 'foreignTable');
    const without = await good('anti-join', anon.from('directors').select('name, films()').is('films', null));
    same(without.data, [{ name: 'Chantal Akerman' }], 'anti-join');
  },
};
