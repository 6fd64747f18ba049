// A short walk of what `loaded/main.mjs` does for an hour: the same requests on every run.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { corpusDirectory } from '../conformance/database.mjs';
import { storm } from './loaded/main.mjs';
import { Vocabulary, tokens } from './loaded/sql.mjs';

const skip = corpusDirectory() === null && 'no corpus on this machine';

test('6,000 requests, honest and damaged: none panics, hangs, answers no JSON, or writes into a statement', { skip }, async () => {
  const { findings, tally, next } = await storm({ seed: 1, from: 0, to: 6_000 });
  assert.deepEqual(findings, []);
  assert.equal(next, 6_000);
  // They reach the database, and not only the parser.
  for (const code of ['200', '201', '204', '206', 'PGRST100', 'PGRST200', 'PGRST102', '42703', '22P02', '23505']) assert.ok(tally[code] > 0, `${code}: ${JSON.stringify(tally)}`);
});

test('what is no text of ours is seen in a statement', () => {
  const known = new Vocabulary();
  known.add(`SELECT coalesce(json_agg(x), '[]') FROM WHERE = `);
  const foreign = (sql) => known.foreign(sql).map(({ kind, text }) => `${kind} ${text}`);
  assert.deepEqual(foreign('SELECT "any ""thing" FROM "t" WHERE "a" = $1'), []);
  assert.deepEqual(foreign(`SELECT "a" FROM "t" WHERE "a" = 'it'`), [`string 'it'`]);
  assert.deepEqual(foreign('SELECT "a" FROM "t"; DROP TABLE "t" --'), ['other ;', 'word DROP', 'word TABLE', 'comment --']);
  assert.deepEqual(foreign('SELECT "a FROM'), ['other "', 'word a']);
  assert.deepEqual(tokens(`E'\\'' "a" $1::int`).map(({ kind }) => kind), ['escaped string', 'identifier', 'parameter', 'operator', 'word']);
});
