// The same request in other words: curl and supabase-js.
import { projectUrl } from '../gateway/project.ts';
import type { Keys } from '../gateway/status.ts';
import type { Draft, Outgoing } from './request.ts';

const shell = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`;

export function curl({ url, method, headers, body }: Outgoing): string {
  const words = method === 'HEAD' ? ['curl --head'] : method === 'GET' ? ['curl'] : [`curl -X ${method}`];
  words[0] += ` ${shell(url)}`;
  for (const [name, value] of headers) words.push(`-H ${shell(`${name}: ${value}`)}`);
  if (body !== undefined) words.push(`--data-raw ${shell(body)}`);
  return words.join(' \\\n  ');
}

const quote = (text: string) => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'").replaceAll('\n', '\\n')}'`;
/** A filter's value: numbers, booleans and null bare, as one would write them. */
const literal = (text: string) => (/^-?(0|[1-9]\d{0,14})(\.\d{1,9})?$/.test(text) || text === 'true' || text === 'false' || text === 'null' ? text : quote(text));
const plain = new Set(['eq', 'neq', 'gt', 'gte', 'lt', 'lte', 'like', 'ilike', 'is']);
const byRange: Record<string, string> = { sl: 'rangeLt', sr: 'rangeGt', nxl: 'rangeGte', nxr: 'rangeLte', adj: 'rangeAdjacent' };
const containment: Record<string, string> = { cs: 'contains', cd: 'containedBy', ov: 'overlaps' };
const search: Record<string, string> = { fts: '', plfts: 'plain', phfts: 'phrase', wfts: 'websearch' };

/** One query parameter as a call of the filter builder. */
function filter(name: string, value: string): string {
  const [, operator = '', config, operand = ''] = /^([a-z]+)(?:\(([^)]*)\))?\.([\s\S]*)$/.exec(value) ?? [];
  const column = quote(name);
  if (config === undefined) {
    if (plain.has(operator)) return `.${operator}(${column}, ${literal(operand)})`;
    if (operator === 'in') return `.in(${column}, [${listed(operand).map(literal).join(', ')}])`;
    if (containment[operator]) return `.${containment[operator]}(${column}, ${quote(operand)})`;
    if (byRange[operator]) return `.${byRange[operator]}(${column}, ${quote(operand)})`;
    const negated = operator === 'not' ? /^([a-z]+)\.([\s\S]*)$/.exec(operand) : null;
    if (negated) return `.not(${column}, ${quote(negated[1]!)}, ${literal(negated[2]!)})`;
  }
  if (operator in search) {
    const options = [search[operator] && `type: ${quote(search[operator]!)}`, config && `config: ${quote(config)}`].filter(Boolean);
    return `.textSearch(${column}, ${quote(operand)}${options.length ? `, { ${options.join(', ')} }` : ''})`;
  }
  return `.filter(${column}, ${quote(operator + (config === undefined ? '' : `(${config})`))}, ${quote(operand)})`;
}

/** The members of `(a,"b,c")`. */
function listed(list: string): string[] {
  return [...list.replace(/^\(|\)$/g, '').matchAll(/"((?:\\.|[^"\\])*)"|[^,]+/g)].map(([whole, inner]) => inner?.replace(/\\(.)/g, '$1') ?? whole);
}

function order(value: string, table?: string): string[] {
  return value.split(/,(?![^(]*\))/).map((term) => {
    const [, column = term, rest = ''] = /^(.*?)((?:\.(?:asc|desc|nullsfirst|nullslast))*)$/.exec(term) ?? [];
    const options = [
      rest.includes('desc') && 'ascending: false',
      rest.includes('nullsfirst') && 'nullsFirst: true',
      rest.includes('nullslast') && 'nullsFirst: false',
      table && `referencedTable: ${quote(table)}`,
    ].filter(Boolean);
    return `.order(${quote(column)}${options.length ? `, { ${options.join(', ')} }` : ''})`;
  });
}

/** Calls for all parameters but those the verb itself takes. */
function modifiers(parameters: URLSearchParams): string[] {
  const calls: string[] = [];
  const limit = parameters.get('limit');
  const offset = parameters.get('offset');
  for (const [name, value] of parameters) {
    if (['select', 'limit', 'offset', 'columns', 'on_conflict'].includes(name)) continue;
    const [last, ...path] = name.split('.').reverse();
    const table = path.reverse().join('.');
    if (last === 'order') calls.push(...order(value, table));
    else if (last === 'limit' && table) calls.push(`.limit(${value}, { referencedTable: ${quote(table)} })`);
    else if (last === 'or') calls.push(`.or(${quote(value.replace(/^\(|\)$/g, ''))}${table ? `, { referencedTable: ${quote(table)} }` : ''})`);
    else if (last === 'and') calls.push(`.or(${quote(`and${value}`)}${table ? `, { referencedTable: ${quote(table)} }` : ''})`);
    else calls.push(filter(name, value));
  }
  if (offset !== null) calls.push(`.range(${offset}, ${Number(offset) + Number(limit ?? 1000) - 1})`);
  else if (limit !== null) calls.push(`.limit(${limit})`);
  return calls;
}

function header(draft: Draft, name: string): string {
  return draft.headers.split('\n').filter((line) => line.toLowerCase().startsWith(`${name.toLowerCase()}:`)).map((line) => line.slice(name.length + 1).trim()).join(',');
}

function client(draft: Draft, outgoing: Outgoing, project: string, keys: Keys): string {
  const key = draft.role === 'service_role' ? keys.secret : keys.publishable;
  const token = draft.role === 'user' ? outgoing.headers.find(([name]) => name === 'Authorization')?.[1] : undefined;
  const options = token ? `, {\n  global: { headers: { Authorization: ${quote(token)} } },\n}` : '';
  return `const supabase = createClient(${quote(projectUrl(project))}, ${quote(key)}${options})`;
}

/** The builder's chain, or nothing when supabase-js has no words for the request. */
function chain(draft: Draft): string | undefined {
  const url = new URL(draft.path, 'http://project');
  const target = /^\/rest\/v1\/(rpc\/)?([^/]+)$/.exec(url.pathname);
  if (!target) return undefined;
  const name = quote(decodeURIComponent(target[2]!));
  const parameters = url.searchParams;
  const prefer = header(draft, 'Prefer');
  const count = /count=(exact|planned|estimated)/.exec(prefer)?.[1];
  const select = parameters.get('select');
  const profile = header(draft, draft.method === 'GET' || draft.method === 'HEAD' ? 'Accept-Profile' : 'Content-Profile');
  const root = profile ? `supabase.schema(${quote(profile)})` : 'supabase';
  const accept = header(draft, 'Accept');
  const shape = [/vnd\.pgrst\.object/.test(accept) && '.single()', /text\/csv/.test(accept) && '.csv()'].filter((call) => call !== false);
  const options = (...pairs: (string | false | null | undefined)[]) => {
    const kept = pairs.filter(Boolean);
    return kept.length ? `, { ${kept.join(', ')} }` : '';
  };
  const counted = count && `count: ${quote(count)}`;
  const head = draft.method === 'HEAD' && 'head: true';
  const body = draft.body.trim() || '{}';

  if (target[1]) {
    if (draft.method === 'POST') {
      const calls = [...(select ? [`.select(${quote(select)})`] : []), ...modifiers(parameters), ...shape];
      return [`${root}.rpc(${name}, ${body}${options(counted)})`, ...calls].join('\n  ');
    }
    if (draft.method !== 'GET' && draft.method !== 'HEAD') return undefined;
    // By GET, a parameter without an operator is an argument.
    const args = [...parameters].filter(([key, value]) => /^\w+$/.test(key) && !['select', 'limit', 'offset', 'order', 'or', 'and'].includes(key) && !/^(not|eq|neq|gte?|lte?|i?like|is|in|cs|cd|ov|w?fts|plfts|phfts)[.(]/.test(value));
    for (const [key] of args) parameters.delete(key);
    const object = args.length ? `{ ${args.map(([key, value]) => `${key}: ${literal(value)}`).join(', ')} }` : '{}';
    const calls = [...(select ? [`.select(${quote(select)})`] : []), ...modifiers(parameters), ...shape];
    return [`${root}.rpc(${name}, ${object}${options(head || 'get: true', counted)})`, ...calls].join('\n  ');
  }

  const from = `${root}.from(${name})`;
  const returned = /return=representation/.test(prefer) ? [`.select(${select ? quote(select) : ''})`] : [];
  switch (draft.method) {
    case 'GET':
    case 'HEAD':
      return [from, `.select(${select || counted || head ? quote(select ?? '*') : ''}${options(head, counted)})`, ...modifiers(parameters), ...shape].join('\n  ');
    case 'POST': {
      const resolution = /resolution=(merge|ignore)-duplicates/.exec(prefer)?.[1];
      const conflict = parameters.get('on_conflict');
      const verb = resolution
        ? `.upsert(${body}${options(conflict && `onConflict: ${quote(conflict)}`, resolution === 'ignore' && 'ignoreDuplicates: true', counted)})`
        : `.insert(${body}${options(counted)})`;
      return [from, verb, ...returned, ...shape].join('\n  ');
    }
    case 'PATCH':
      return [from, `.update(${body}${options(counted)})`, ...modifiers(parameters), ...returned, ...shape].join('\n  ');
    case 'DELETE':
      return [from, `.delete(${counted ? `{ ${counted} }` : ''})`, ...modifiers(parameters), ...returned, ...shape].join('\n  ');
    default:
      return undefined;
  }
}

export function supabaseJs(draft: Draft, outgoing: Outgoing, project: string, keys: Keys): string {
  const calls = chain(draft);
  if (calls) return `${client(draft, outgoing, project, keys)}\n\nconst { data, error } = await ${calls}`;
  const headers = outgoing.headers.map(([name, value]) => `    ${quote(name)}: ${quote(value)},`).join('\n');
  const body = outgoing.body === undefined ? '' : `\n  body: ${quote(outgoing.body)},`;
  return `// supabase-js has no call for this request; fetch has.\nconst response = await fetch(${quote(outgoing.url)}, {\n  method: ${quote(outgoing.method)},\n  headers: {\n${headers}\n  },${body}\n})`;
}
