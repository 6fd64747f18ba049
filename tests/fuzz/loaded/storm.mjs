// The gateway before the corpus's database, asked whatever `requests.mjs` thinks of. It runs as a process of its own,
// because Postgres in WASM holds up the process that it is in: `main.mjs` watches from outside.
//
// Messages out: { begun: number }, { finding }, { done }. In: what `process.argv` says.
import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { settings } from '../../conformance/handler.mjs';
import { baseline, corpusDirectory, openCorpusDatabase } from '../../conformance/database.mjs';
import { Dice } from './dice.mjs';
import { catalogTexts, readFacts } from './facts.mjs';
import { complaints } from './judge.mjs';
import { Requests, sent } from './requests.mjs';
import { Vocabulary, literals, statements } from './sql.mjs';

const root = path.resolve(import.meta.dirname, '../../..');
const { seed, from, to } = JSON.parse(process.argv[2]);

/** They sleep, fill the disk or end the session, or make SQL of what they are given: that is what they are for. */
const excluded = ['sleep', 'infinite_inserts', 'temp_file_limit', 'load_safeupdate', 'reset_sequence', 'reset_table'];

/** Folders and files whose texts become statements: the REST API's, and those that reset a session. */
const writers = [
  'routes/src/rest/sql', 'routes/src/rest/run.rs', 'routes/src/rest/media.rs', 'routes/src/rest/plan/spread.rs', 'routes/src/rest/plan/field.rs',
  'routes/src/schema', 'routes/src/project', 'vm-bridge/database/src',
];

/** Every piece of SQL in the modules that write it, and what Postgres's catalog says. */
function vocabulary(texts) {
  const known = new Vocabulary();
  for (const writer of writers.map((name) => path.join(root, name))) {
    const files = writer.endsWith('.rs') ? [''] : readdirSync(writer, { recursive: true, encoding: 'utf8' });
    for (const file of files.map((name) => path.join(writer, name))) {
      if (file.endsWith('.sql')) known.add(readFileSync(file, 'utf8'));
      if (!file.endsWith('.rs') || /tests(\.rs|\/)/.test(file)) continue;
      for (const text of literals(readFileSync(file, 'utf8').split('#[cfg(test)]\nmod tests {')[0])) known.add(text);
    }
  }
  for (const text of [...texts, baseline]) known.add(text);
  return known;
}

const corpus = JSON.parse(readFileSync(path.join(corpusDirectory(), 'corpus.json'), 'utf8'));
const database = await openCorpusDatabase(corpus.meta);
const known = vocabulary(await catalogTexts(database));
const requests = new Requests({
  facts: await readFacts(database, 'test'),
  roles: ['postgrest_test_anonymous', 'postgrest_test_author', 'postgrest_test_default_role'],
  secret: corpus.meta.jwt_secret,
  excluded,
});

let foreign = [];
let watching = false;
const exec = database.execProtocolRawSync.bind(database);
database.execProtocolRawSync = (messages) => {
  if (watching) {
    for (const sql of statements(messages)) {
      const found = known.foreign(sql);
      if (found.length > 0) foreign.push({ sql: sql.slice(0, 1000), tokens: found.map(({ kind, text }) => `${kind} ${text.slice(0, 80)}`) });
    }
  }
  return exec(messages);
};

const { createHost } = await import(pathToFileURL(path.join(root, 'static/dist/node/host.mjs')).href);
const config = { ...corpus.meta.base_config, configDbSchemas: ['test', 'v1', 'v2', 'SPECIAL "@/\\#~_-'], configDbTxAllowOverride: false, configDbPlanEnabled: true, configDbAggregates: true };
const host = await createHost({ pglite: database, config: settings(config), migrate: false, baseline });
// The schema is read by statements of another module.
const first = await host.handle(new Request('http://localhost/rest/v1/items?limit=0'));
if (!first.ok) throw new Error(await first.text());
await first.arrayBuffer();
watching = true;

const tally = {};
for (let number = from; number < to; number += 1) {
  process.send({ begun: number });
  const request = sent(requests.make(new Dice(Math.imul(seed, 0x9e3779b1) ^ Math.imul(number + 1, 0x85ebca6b))));
  let asked;
  try {
    asked = new Request(`http://localhost/rest/v1${request.target}`, { method: request.method, headers: request.headers, body: request.body });
  } catch {
    // Node refuses to send it: no HTTP client can.
    tally.unsendable = (tally.unsendable ?? 0) + 1;
    continue;
  }
  foreign = [];
  const begin = performance.now();
  const { said, status, code, text } = await complaints(request, await host.handle(asked));
  const took = performance.now() - begin;
  for (const { sql, tokens } of foreign) said.push(`text of nobody's in a statement: ${tokens.join(', ')} in ${sql}`);
  if (took > 10_000) said.push(`it took ${Math.round(took)} ms`);
  const key = code ?? String(status);
  tally[key] = (tally[key] ?? 0) + 1;
  if (said.length > 0) process.send({ finding: { number, said, request: { ...request, body: request.body?.slice(0, 2000) }, status, answer: text.slice(0, 1000) } });
}
process.send({ done: tally });
process.disconnect();
process.exit(0);
