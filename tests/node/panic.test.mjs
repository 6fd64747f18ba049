// A panic in Rust: its request is told, nothing hangs, and the next request meets a fresh instance.
import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';

const { createHost } = await import(pathToFileURL(path.join(import.meta.dirname, '../../static/dist/node/host.mjs')).href);

test('a panic answers 500 with an id, to everybody who waits, and the next request is answered', async (t) => {
  const host = await createHost();
  t.after(() => host.close());
  const keys = await host.keys();
  const query = (sql) => host.handle(new Request('http://localhost/pg/query', {
    method: 'POST', headers: { apikey: keys.secret, 'content-type': 'application/json' }, body: JSON.stringify({ query: sql }),
  }));
  assert.equal((await query('create table kept (id int); insert into kept values (1);')).status, 200);
  for (let round = 0; round < 3; round++) {
    await host.fault();
    const answers = await Promise.all([query('select 1'), host.handle(new Request('http://localhost/health')), query('select 2')]);
    const bodies = await Promise.all(answers.map((answer) => answer.json()));
    assert.deepEqual(answers.map((answer) => answer.status), [500, 500, 500]);
    assert.match(bodies[0].message, /\([0-9a-f-]{36}\)/);
    assert.equal(new Set(bodies.map((body) => body.message)).size, 1, 'one id for one panic');
    const after = await query('select id from kept');
    assert.equal(after.status, 200);
    assert.deepEqual(await after.json(), [{ id: 1 }]);
    assert.deepEqual(await host.keys(), keys);
  }
});
