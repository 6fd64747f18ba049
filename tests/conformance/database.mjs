// The database that PostgREST's own test cases assume, in PGlite.
//
// `../shared/conformance/postgrest/fixtures/nopostgis.sql` is loaded once, dumped, and kept in the user's cache
// directory under the hash of everything that made it. Every database that is handed out starts from that dump, so that
// a first and a second run see the same thing.
//
// PostGIS comes in a package of its own for one version of PGlite, and loads in no other: what needs it runs in that one.

import { createHash } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { postgis } from '@electric-sql/pglite-postgis';

const here = path.dirname(fileURLToPath(import.meta.url));

const settings = `
  CREATE SCHEMA gateway;
  CREATE TABLE gateway.settings (name text PRIMARY KEY, value text NOT NULL);
  GRANT USAGE ON SCHEMA gateway TO "Postgrest_Test_Authenticator";
  GRANT ALL ON gateway.settings TO "Postgrest_Test_Authenticator"`;

/** Where the corpus and its fixtures are, or `null` on a machine without them. */
export function corpusDirectory() {
  const directory = path.resolve(here, '../../../shared/conformance/postgrest');
  return fs.existsSync(path.join(directory, 'corpus.json')) ? directory : null;
}

/** What makes a session of PGlite's the corpus's: settings that Postgres applies at login, then the authenticator's rights. */
export const baseline = `
  SET search_path = public, test; SET timezone = 'UTC';
  SELECT set_config(split_part(setting, '=', 1), substr(setting, strpos(setting, '=') + 1), false)
  FROM pg_db_role_setting
  JOIN pg_database ON pg_database.oid = setdatabase AND datname = current_database(), unnest(setconfig) AS setting
  WHERE setrole IN (0, '"Postgrest_Test_Authenticator"'::regrole);
  SET SESSION AUTHORIZATION "Postgrest_Test_Authenticator"`;

/**
 * Opens a copy of the corpus's database: its session belongs to the corpus's authenticator (not a superuser), finds
 * names in `public` and `test`, and keeps time in UTC.
 *
 * One database may serve any number of gateways, as it does in PostgREST's own suite: each case leaves it as it was, and
 * a copy weighs 400 MB. Close it, or Node does not end.
 *
 * @param meta the corpus's `meta`; its `pg_major` must be the version of the Postgres in PGlite
 * @param {boolean} withPostgis
 * @returns {Promise<PGlite>}
 */
export async function openCorpusDatabase(meta, withPostgis = false) {
  const corpus = corpusDirectory();
  if (corpus === null) throw new Error('the corpus is not on this machine: ../shared/conformance/postgrest is missing');
  const fixture = (name) => split(fs.readFileSync(path.join(corpus, 'fixtures', name), 'utf8'));
  const engine = withPostgis ? 'pglite-of-postgis' : '@electric-sql/pglite';
  const statements = withPostgis ? merged(fixture('nopostgis.sql'), fixture('postgis-only.sql')) : fixture('nopostgis.sql');

  const { PGlite } = await import(engine);
  const database = await PGlite.create({
    extensions: await extensions(engine, statements),
    loadDataDir: new Blob([await dump(engine, statements)]),
    // Deeper than this JavaScript's own stack may end first, and a session does not survive that.
    startParams: [...PGlite.defaultStartParams, '-c', 'max_stack_depth=400kB'],
  });
  await database.exec('SET search_path = public, test');
  // That version says twice that it is ready after an error in a pipeline, and the gateway's first question would be one:
  // for its own settings, which this database has not.
  if (withPostgis) await database.exec(settings);
  // The dump holds the data directory alone: what a statement wrote elsewhere is written again.
  for (const statement of statements.filter(writesFile)) await run(database, statement);
  await database.exec(baseline);

  const { rows } = await database.query(`SELECT current_setting('server_version_num')::int / 10000 AS major`);
  if (meta?.pg_major !== undefined && rows[0].major !== meta.pg_major) {
    throw new Error(`the corpus is for Postgres ${meta.pg_major}, PGlite has Postgres ${rows[0].major}`);
  }
  return database;
}

/** A statement of the fixture and the `file:line` it came from. */
function split(text) {
  const marker = /^-- ([\w.-]+:\d+)$/m;
  const [before, ...pieces] = text.split(marker);
  if (before.trim() !== '') throw new Error('the fixture has a statement before its first file:line marker');
  const statements = [];
  for (let index = 0; index < pieces.length; index += 2) {
    statements.push({ place: pieces[index], sql: pieces[index + 1] });
  }
  return statements;
}

/** Both lists, each statement where its `file:line` puts it. */
function merged(statements, others) {
  const all = [...statements];
  for (const other of others) {
    const [file, line] = other.place.split(':');
    const after = all.findLastIndex(({ place }) => place.startsWith(`${file}:`) && Number(place.split(':')[1]) < Number(line));
    all.splice(after + 1, 0, other);
  }
  return all;
}

/** The extensions that the fixture creates, as PGlite wants them: by name, before it starts. */
async function extensions(engine, statements) {
  const names = new Set();
  for (const { sql } of statements) {
    const match = /^\s*(?:--.*\n\s*)*create\s+extension\s+(?:if\s+not\s+exists\s+)?"?([\w-]+)"?/i.exec(sql);
    if (match && match[1] !== 'plpgsql') names.add(match[1].replaceAll('-', '_'));
  }
  return Object.fromEntries(
    await Promise.all(
      [...names].map(async (name) => [name, name === 'postgis' ? postgis : (await import(`${engine}/contrib/${name}`))[name]]),
    ),
  );
}

/** The fixture's own last word. It is left out: see `dump`. */
function analyzesAll({ sql }) {
  return /^\s*ANALYZE;\s*$/i.test(sql);
}

function writesFile({ sql }) {
  return /^\s*(?:--.*\n\s*)*copy\b[\s\S]*\bto\s+'\//i.test(sql);
}

async function run(database, { place, sql }) {
  try {
    await database.exec(sql);
  } catch (error) {
    throw new Error(`${place}: ${error.message}\n${sql.trim().slice(0, 400)}`);
  }
}

/** The data directory with the fixture in it, from the cache if it is there. */
async function dump(engine, statements) {
  const hash = createHash('sha256')
    .update(fs.readFileSync(fileURLToPath(import.meta.url)))
    .update(fs.readFileSync(new URL('pglite.wasm', import.meta.resolve(engine))))
    .update(JSON.stringify(statements))
    .digest('hex');
  const cache = path.join(process.env.XDG_CACHE_HOME || path.join(os.homedir(), '.cache'), 'supabase-lite-gateway');
  const file = path.join(cache, `corpus-${hash.slice(0, 32)}.tar`);
  if (fs.existsSync(file)) return fs.readFileSync(file);

  const { PGlite } = await import(engine);
  const database = await PGlite.create({ extensions: await extensions(engine, statements) });
  for (const statement of statements.filter((statement) => !analyzesAll(statement))) await run(database, statement);
  await database.exec('RESET ALL');
  // PostgREST's suite analyzes these two and no other: the rows that its cases expect of an estimate, and their order
  // where nothing orders them, are those of plans without statistics.
  await database.exec('ANALYZE test.items, test.child_entities');
  const bytes = new Uint8Array(await (await database.dumpDataDir('none')).arrayBuffer());
  await database.close();

  // Two runs may do this at once: each writes a file of its own and the last rename wins.
  fs.mkdirSync(cache, { recursive: true });
  const unfinished = `${file}.${process.pid}`;
  fs.writeFileSync(unfinished, bytes);
  fs.renameSync(unfinished, file);
  return bytes;
}
