// Requests by the grammar of PostgREST's pages, of names that the database has, with values that mean harm, and then
// some of them damaged.
import { createHmac } from 'node:crypto';

/** What breaks out of careless quoting, decoding, counting or parsing. */
const hostile = [
  "'", '"', '\\', "''", '""', '--', '/*', '*/', ';', '$$', '$1', '$tag$', '\0', "'); drop table zq; --", '" OR ""="', "\\' OR 1=1 --",
  'é', '😀', '‮', 'ｓｅｌｅｃｔ', '%', '%25', '%00', '%zz', '+', '&', '#', '?', '=', '{', '}', '(', ')', ',', '.', ':', '::', '->', '->>', '!',
  '...', '*', '@', '|', '~', '\r\n', '\n', '\t', '\b', ' ', '', 'null', 'NULL', 'default', 'true', 'pg_sleep(9)', 'current_user', 'zqword',
  "E'\\x27'", 'U&"\\0041"', '\\x00', '{}', '[]', '{"a":1}', '{a,"b', '[1,2)', '1e309', '-0', '-1', 'NaN', '9223372036854775808', '0x1f', '1_000',
  '2024-02-30', '24:61', 'infinity', '00000000-0000-0000-0000-00000000000g', '(a*)*$', '[[:<:]]', '(((((((((', 'a'.repeat(70), 'b,'.repeat(200),
];

const usual = {
  integer: ['0', '1', '2', '7'], bigint: ['1', '3', '12'], smallint: ['1'], numeric: ['1.5', '0'], 'double precision': ['1.25'], real: ['2'],
  text: ['a', 'Windows 7', 'one two', ''], boolean: ['true', 'false', 't'], json: ['{}', '{"a":[1]}', 'null'], jsonb: ['{"a":{"b":2}}', '[1]'],
  date: ['2017-12-08'], 'timestamp with time zone': ['2017-12-08T00:00:00Z'], uuid: ['22c2fb9e-6d0a-4a5c-8e0a-0b1d8a3f5a3c'],
  tsvector: ['fat & cat', 'amusant'], int4range: ['[1,5)'], 'integer[]': ['{1,2}'], 'text[]': ['{a,b}'], bytea: ['\\x00ff'], xml: ['<a/>'],
};

/** The first six suit every type; the first ten, but for `neq`, take `any` and `all`. */
const operators = ['eq', 'gt', 'gte', 'lt', 'lte', 'neq', 'like', 'ilike', 'match', 'imatch', 'cs', 'cd', 'ov', 'sl', 'sr', 'nxr', 'nxl', 'adj', 'isdistinct'];
const casts = ['text', 'int', 'integer', 'double precision', 'json', 'jsonb', 'timestamp with time zone', 'TEXT', 'int4range', 'zqword', 'and zqword', '"quoted"', 'numeric', 'char', 'user', 'select', 'bit varying'];
const preferences = [
  ['return=minimal', 'return=representation', 'return=headers-only'],
  ['count=exact', 'count=planned', 'count=estimated'],
  ['resolution=merge-duplicates', 'resolution=ignore-duplicates'],
  ['missing=default', 'missing=null'],
  ['handling=strict', 'handling=lenient'],
  ['max-affected=0', 'max-affected=1', 'max-affected=1000', 'max-affected=99999999999999999999', 'max-affected=-1'],
  ['timezone=UTC', 'timezone=America/Los_Angeles', 'timezone=zq'],
  ['tx=commit', 'tx=rollback'],
  ['zqword', 'return=zqword', 'return', '=', ',,', 'wait=10', 'respond-async'],
];
const accepts = [
  '*/*', 'application/json', 'text/csv', 'application/vnd.pgrst.object+json', 'application/vnd.pgrst.object+json;nulls=stripped',
  'application/vnd.pgrst.array+json;nulls=stripped', 'application/vnd.pgrst.array', 'application/geo+json', 'application/octet-stream', 'text/plain', 'text/xml',
  'application/openapi+json', 'application/vnd.pgrst.plan', 'application/vnd.pgrst.plan+json; for="application/vnd.pgrst.object"; options=analyze|verbose|settings|buffers|wal',
  'application/vnd.pgrst.plan+text; options=zq', 'image/png', 'text/tab-separated-values', 'application/vnd.geo2+json', 'zq/zq', 'text/*;q=0.1, */*;q=0', ';;', '',
];
const contentTypes = ['application/json', 'text/csv', 'application/x-www-form-urlencoded', 'text/plain', 'application/octet-stream', 'text/xml', 'application/json; charset=utf-8', 'zq/zq', ''];

/** Requests to one database, each by its number: the same number gives the same request. */
export class Requests {
  constructor({ facts, roles, secret, excluded = [] }) {
    this.relations = facts.relations;
    this.byName = new Map(facts.relations.map((relation) => [relation.name, relation]));
    this.routines = facts.routines.filter(({ name }) => !excluded.includes(name));
    this.tokens = roles.map((role) => token({ role, exp: 32503680000 }, secret));
    this.badTokens = ['', 'zq', 'a.b.c', token({ role: 'zq', exp: 32503680000 }, secret), token({ role: roles[0], exp: 1 }, secret), token({ role: roles[0] }, 'another secret')];
  }

  /** `{ method, target, headers, body }`. */
  make(dice) {
    const request = dice.once(3) ? this.#call(dice) : this.#table(dice);
    this.#headers(dice, request);
    if (dice.once(4)) damage(dice, request);
    return request;
  }

  #table(dice) {
    const method = dice.pick(['GET', 'GET', 'GET', 'GET', 'HEAD', 'POST', 'POST', 'PATCH', 'PATCH', 'PUT', 'DELETE', 'OPTIONS']);
    const relation = dice.pick(this.relations);
    const name = dice.once(60) ? this.#value(dice, 'text') : relation.name;
    const pairs = this.#reading(dice, relation, 3);
    if (method === 'PUT' && dice.once(2)) {
      pairs.length = 0;
      pairs.push([relation.columns[0].name, `eq.${this.#value(dice, relation.columns[0].type)}`]);
    }
    const columns = () => dice.some(0, 3, () => this.#name(dice, relation)).join(',');
    if (dice.once(6)) pairs.push(['columns', columns()]);
    if (dice.once(6)) pairs.push(['on_conflict', columns()]);
    return { method, path: `/${encodeURIComponent(name)}`, pairs, headers: {}, ...(/POST|PATCH|PUT/.test(method) ? this.#body(dice, relation.columns) : {}) };
  }

  #call(dice) {
    const routine = dice.pick(this.routines);
    const method = dice.pick(['GET', 'POST', 'POST', 'HEAD']);
    const relation = dice.pick(this.relations);
    const pairs = dice.once(2) ? this.#reading(dice, relation, 1) : [];
    const body = method === 'POST' ? this.#body(dice, routine.parameters, true) : {};
    if (method !== 'POST') for (const { name, type } of routine.parameters) if (!dice.once(8)) pairs.push([name, this.#value(dice, type)]);
    return { method, path: `/rpc/${encodeURIComponent(routine.name)}`, pairs, headers: {}, ...body };
  }

  #headers(dice, request) {
    const { headers } = request;
    if (dice.once(2)) headers.prefer = dice.some(1, 4, () => dice.pick(dice.pick(preferences))).join(dice.pick([', ', ',', '; ']));
    if (dice.once(4)) headers.accept = dice.pick(accepts);
    if (dice.once(6)) headers.range = dice.pick(['0-1', '1-', '3-1', '0-0', '99999999999999999999-', 'items=0-5', 'zq', '-5']);
    if (dice.once(8)) headers['accept-profile'] = dice.pick(['test', 'v1', 'v2', 'zq', 'SPECIAL "@/\\#~_-']);
    if (dice.once(8)) headers['content-profile'] = dice.pick(['test', 'v1', 'v2', 'zq']);
    if (dice.once(2)) headers.authorization = `Bearer ${dice.once(25) ? dice.pick(this.badTokens) : dice.pick(this.tokens)}`;
    if (dice.once(20)) headers.cookie = dice.pick(['a=b', 'a', '=', "a='; b=\"c", ';;;']);
    if (dice.once(20)) headers[`x-${'zq'.repeat(1 + dice.roll(3))}`] = header(dice.pick(hostile));
  }

  #body(dice, columns, forRoutine = false) {
    const named = (column) => (dice.once(20) ? { name: this.#value(dice, 'text'), type: 'text' } : column);
    const chosen = columns.filter(() => !dice.once(forRoutine ? 20 : 3)).map(named);
    const object = () => Object.fromEntries(chosen.filter(() => !dice.once(100)).map(({ name, type }) => [name, json(dice, this.#value(dice, type), type)]));
    const contentType = dice.once(4) ? dice.pick(contentTypes) : 'application/json';
    const headers = contentType ? { 'content-type': contentType } : {};
    const value = () => this.#value(dice, dice.pick(Object.keys(usual)));
    if (contentType === 'text/csv') {
      const cell = (text) => (/[",\n]/.test(text) || dice.once(4) ? `"${text.replaceAll('"', '""')}"` : text);
      const rows = dice.some(0, 3, () => chosen.map(({ type }) => (dice.once(8) ? 'NULL' : cell(this.#value(dice, type)))));
      return { headersOfBody: headers, body: [chosen.map(({ name }) => cell(name)), ...rows].map((row) => row.join(',')).join(dice.pick(['\n', '\r\n'])) };
    }
    if (contentType === 'application/x-www-form-urlencoded') {
      return { headersOfBody: headers, body: encoded(chosen.map(({ name, type }) => [name, this.#value(dice, type)])) };
    }
    if (!contentType.startsWith('application/json') && contentType !== '') return { headersOfBody: headers, body: value() };
    const tree = dice.pick([object, object, object, () => dice.some(0, 3, object), () => json(dice, value(), 'json'), () => (forRoutine ? deep(dice) : [deep(dice)])])();
    return { headersOfBody: headers, body: JSON.stringify(tree) };
  }

  /** Pairs of the query string that read rows of `relation`. */
  #reading(dice, relation, depth) {
    const pairs = [];
    const embeds = [];
    if (!dice.once(4)) pairs.push(['select', this.#select(dice, relation, depth, [], embeds)]);
    const targets = [{ path: [], relation }, ...embeds];
    const prefix = ({ path }) => path.map((name) => `${name}.`).join('');
    for (const target of dice.some(0, 3, () => dice.pick(targets))) {
      const [field, condition] = this.#filter(dice, target.relation);
      pairs.push([prefix(target) + field, condition]);
    }
    if (dice.once(4)) {
      const target = dice.pick(targets);
      pairs.push([`${prefix(target)}${dice.maybe('not.')}${dice.pick(['or', 'and'])}`, this.#tree(dice, target.relation, 3)]);
    }
    if (dice.once(8) && embeds.length > 0) pairs.push([embeds[0].path.join('.'), dice.pick(['is.null', 'not.is.null', 'eq.1'])]);
    if (dice.once(3)) {
      const target = dice.pick(targets);
      const related = embeds.find(({ path }) => path.length === target.path.length + 1);
      pairs.push([`${prefix(target)}order`, dice.some(1, 3, () => {
        const field = this.#field(dice, target.relation);
        const term = related && dice.once(3) ? `${related.path.at(-1)}(${this.#field(dice, related.relation)})` : field;
        return term + dice.pick(['', '.asc', '.desc']) + dice.pick(['', '.nullsfirst', '.nullslast']);
      }).join(',')]);
    }
    for (const name of ['limit', 'offset']) {
      if (dice.once(4)) pairs.push([prefix(dice.pick(targets)) + name, dice.pick(['0', '1', '2', '10', '-1', 'zq', '99999999999999999999', ''])]);
    }
    return pairs;
  }

  #select(dice, relation, depth, path, embeds) {
    return dice.some(1, 4, () => {
      if (depth > 0 && (relation.links.length > 0 ? dice.once(2) : dice.once(12))) return this.#embed(dice, relation, depth, path, embeds);
      if (dice.once(6)) return '*';
      if (dice.once(10)) return `${dice.maybe('n:')}count()${dice.maybe('::text')}`;
      const alias = dice.once(6) ? `${name(dice, dice.pick(hostile))}:` : '';
      const cast = dice.once(5) ? `::${dice.pick(casts)}` : '';
      const aggregate = dice.once(8) ? `.${dice.pick(['sum', 'avg', 'min', 'max', 'count'])}()${dice.maybe('::text')}` : '';
      return alias + this.#field(dice, relation) + cast + aggregate;
    }).join(',');
  }

  #embed(dice, relation, depth, path, embeds) {
    const link = relation.links.length > 0 && !dice.once(10) ? dice.pick(relation.links) : undefined;
    const other = link?.to ?? dice.pick(this.relations).name;
    const target = this.byName.get(other) ?? relation;
    const alias = dice.once(4) ? dice.pick(['zqalias', '"zq \\"alias"', other]) : '';
    const hint = dice.once(3) && link ? `!${name(dice, link.constraint)}` : '';
    const spread = dice.once(4) ? '...' : '';
    const here = [...path, alias || name(dice, other)];
    embeds.push({ path: here, relation: target });
    const inner = dice.once(10) ? '' : this.#select(dice, target, depth - 1, here, embeds);
    return `${spread}${alias && !spread ? `${alias}:` : ''}${name(dice, other)}${hint}${dice.pick(['', '', '!inner', '!left'])}(${inner})`;
  }

  #name(dice, relation) {
    return name(dice, dice.once(40) ? dice.pick(hostile) : dice.pick(relation.columns).name);
  }

  #field(dice, relation) {
    let field = this.#name(dice, relation);
    while (dice.once(8)) field += dice.pick(['->', '->>']) + dice.pick(['a', '0', 'key', '"zq \\" key"', dice.pick(['-1', "zq'key", '2147483648'])]);
    return field;
  }

  #value(dice, type) {
    if (dice.once(5)) return dice.some(1, 2, () => dice.pick(hostile)).join('');
    return dice.pick(usual[type] ?? usual.text);
  }

  /** A column's name and what it is asked for, as `join` puts them together. */
  #filter(dice, relation) {
    const { name: column, type } = dice.pick(relation.columns);
    const field = dice.once(6) ? this.#field(dice, relation) : name(dice, column);
    return [field, this.#condition(dice, type)];
  }

  #condition(dice, type) {
    const value = () => this.#value(dice, type);
    const not = dice.maybe('not.', 5);
    switch (dice.roll(8)) {
      case 0: return `${not}is.${dice.once(20) ? 'zq' : dice.pick(['null', 'not_null', 'true', 'false', 'unknown'])}`;
      case 1: return `${not}in.(${dice.some(0, 3, () => (dice.once(2) ? quoted(value()) : value())).join(',')})`;
      case 2: return `${not}${dice.pick(['fts', 'plfts', 'phfts', 'wfts'])}${dice.once(20) ? dice.pick(['(zq)', "(zq')", '()']) : dice.maybe('(english)')}.${value()}`;
      case 3: return `${not}${dice.pick(dice.once(20) ? operators : operators.slice(0, 10))}(${dice.pick(['any', 'all'])}).{${dice.some(0, 2, value).join(',')}}`;
      case 4: return `${not}${dice.pick(operators)}.${value()}`;
      default: return `${not}${dice.pick(operators.slice(0, 6))}.${value()}`;
    }
  }

  #tree(dice, relation, depth) {
    const members = dice.some(1, 3, () => {
      if (depth > 0 && dice.once(3)) return `${dice.maybe('not.')}${dice.pick(['and', 'or'])}${this.#tree(dice, relation, depth - 1)}`;
      const [field, condition] = this.#filter(dice, relation);
      const [, before, value] = /^((?:not\.)?\w+(?:\(\w*\))?\.)(.*)$/s.exec(condition) ?? [];
      return value !== undefined && /[,()"]/.test(value) && !/\bin\.$/.test(before) && !dice.once(8) ? `${field}.${before}${quoted(value)}` : `${field}.${condition}`;
    });
    return `(${members.join(',')})`;
  }
}

/** What is sent, of a request as it was made. */
export function sent({ method, path, pairs, headers, headersOfBody, body, query }) {
  return { method, target: `${path}?${query ?? encoded(pairs)}`, headers: { ...headersOfBody, ...headers }, body };
}

/** Changes what the grammar would never write: in the query string, a header or the body. */
function damage(dice, request) {
  for (const _ of dice.some(1, 3, () => 0)) {
    const what = dice.roll(4);
    if (what === 0 && request.body !== undefined) request.body = broken(dice, request.body);
    else if (what === 1 && request.headers.prefer) request.headers.prefer = header(broken(dice, request.headers.prefer));
    else if (what === 2 && request.headers.accept) request.headers.accept = header(broken(dice, request.headers.accept));
    else request.query = broken(dice, request.query ?? encoded(request.pairs)).replaceAll(/[#\r\n\t]/g, '');
  }
}

function broken(dice, text) {
  const at = dice.roll(text.length + 1);
  const length = 1 + dice.roll(8);
  const piece = text.slice(at, at + length);
  switch (dice.roll(5)) {
    case 0: return text.slice(0, at) + text.slice(at + length);
    case 1: return text.slice(0, at) + piece.repeat(1 + dice.roll(dice.once(20) ? 2000 : 4)) + text.slice(at);
    case 2: return text.slice(0, at) + dice.pick(hostile) + text.slice(at);
    case 3: return text.slice(0, at) + String.fromCharCode(1 + dice.roll(255)) + text.slice(at + 1);
    default: return text.slice(at) + text.slice(0, at);
  }
}

/** Depth that no honest body has. */
function deep(dice) {
  let tree = 'zq';
  for (let level = dice.roll(dice.once(10) ? 1000 : 20); level > 0; level -= 1) tree = dice.once(2) ? [tree] : { a: tree };
  return tree;
}

function json(dice, text, type) {
  if (dice.once(6)) return dice.pick([null, true, 0, -1.5, 1e308, [], {}, [[]], { a: null }]);
  if (/int|numeric|double|real/.test(type) && Number.isFinite(Number(text)) && text !== '') return Number(text);
  if (/json/.test(type)) try { return JSON.parse(text); } catch { return text; }
  return text;
}

/** A name, in double quotes where it needs them, and sometimes where it does not. */
function name(dice, text) {
  return /^[A-Za-z_]\w*$/.test(text) && !dice.once(8) ? text : quoted(text);
}

const quoted = (text) => `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;

const encoded = (pairs) => pairs.map(([key, value]) => `${encodeURIComponent(key)}=${encodeURIComponent(value)}`).join('&');

/** What a header may hold. */
// eslint-disable-next-line no-control-regex
const header = (text) => text.replaceAll(/[\0-\x08\x0a-\x1f\x7f]|[^\0-\xff]/g, '').trim();

function token(claims, secret) {
  const part = (value) => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');
  const signed = `${part({ alg: 'HS256', typ: 'JWT' })}.${part(claims)}`;
  return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`;
}
