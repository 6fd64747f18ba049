// The client: schemas, its options, the description of the API; and postgrest-js without supabase-js.
import { good, refused, same } from './expect.mjs';

export const connecting = {
  'schema(): tables and functions of another exposed schema': async ({ anon, service }) => {
    same((await good('table', anon.schema('library').from('books').select())).data, [{ id: 1, title: 'Notes on the Cinematograph' }], 'table');
    same((await good('function', anon.schema('library').rpc('shelf'))).data, 'A1', 'function');
    same((await good('write', service.schema('library').from('books').insert({ id: 2, title: 'x' }).select('id').rollback())).data, [{ id: 2 }], 'write');
    await refused('not here', anon.from('books').select(), 'PGRST205', 404);
  },
  'getOpenApiSpec(): what the role may use': async ({ anon }) => {
    const { data } = await good('description', anon.getOpenApiSpec());
    same([data.swagger, Object.keys(data.definitions.screenings.properties), '/rpc/films_of_year' in data.paths], ['2.0', ['id', 'film_id', 'seats'], true], 'description');
  },
  'options of the client: schema, headers, fetch, retries, time': async ({ connect }) => {
    same((await good('schema', connect({ db: { schema: 'library' } }).from('books').select('id'))).data, [{ id: 1 }], 'schema');
    same((await good('headers', connect({ global: { headers: { accept: 'text/csv' } } }).from('films').select('id').eq('id', 1))).data, 'id\n1', 'a header of every request');
    const asked = [];
    const counted = connect({ global: { fetch: (...args) => { asked.push(String(args[0])); return fetch(...args); } } });
    await good('fetch', counted.from('films').select('id').limit(1));
    same([asked.length, asked[0].includes('/rest/v1/films?select=id&limit=1')], [1, true], 'fetch');
    // A gateway whose database is away answers 503 with Retry-After: the client comes again.
    const failing = (options) => {
      let times = 0;
      const away = () => new Response(JSON.stringify({ code: 'GW503', message: 'away', details: null, hint: null }), { status: 503, headers: { 'retry-after': '0', 'content-type': 'application/json' } });
      return connect({ ...options, global: { fetch: (...args) => { times += 1; return times === 1 ? Promise.resolve(away()) : fetch(...args); } } });
    };
    same((await good('retries', failing({}).from('films').select('id').eq('id', 1))).data, [{ id: 1 }], 'retries');
    same((await failing({ db: { retry: false } }).from('films').select('id')).status, 503, 'no retries, by the client');
    same((await failing({}).from('films', { retry: false }).select('id')).status, 503, 'no retries, by the table');
    same((await failing({}).from('films').select('id').retry(false)).status, 503, 'no retries, by the request');
    same((await good('time', connect({ db: { timeout: 20_000, urlLengthLimit: 100 } }).from('films').select('id').eq('id', 1))).data, [{ id: 1 }], 'in time');
    const claims = connect({ accessToken: async () => null });
    same((await good('accessToken', claims.rpc('whoami'))).data.role, 'anon', 'accessToken');
  },
  'a list as long as a URL may be, and a longer one': async ({ anon }) => {
    const among = (length) => anon.from('films').select('id').in('id', Array.from({ length }, (_, index) => index)).order('id');
    same((await good('long', among(8_000))).data.map(({ id }) => id), [1, 2, 3, 4, 5], 'long');
    await refused('too long', among(12_000), 'GW400', 414);
  },
  'postgrest-js by itself': async ({ PostgrestClient, url, keys }) => {
    const client = new PostgrestClient(`${url}/rest/v1`, { headers: { apikey: keys.publishable }, schema: 'public', timeout: 20_000 });
    same((await good('from', client.from('films').select('title').eq('id', 3))).data, [{ title: 'Ran' }], 'from');
    same((await good('rpc', client.rpc('add', { a: 1, b: 1 }))).data, 2, 'rpc');
    same((await good('schema', client.schema('library').from('books').select('id'))).data, [{ id: 1 }], 'schema');
    same((await good('getOpenApiSpec', client.getOpenApiSpec())).data.swagger, '2.0', 'getOpenApiSpec');
  },
};
