// A project's data is opened with everything in it, or refused in words; never replaced, never silently older.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import path from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';
import { launch, openGateway, serveDist } from './harness.mjs';

const esbuild = createRequire(path.join(import.meta.dirname, '../../static/package.json'))('esbuild');

/** The product's own reading of PGlite's table of files. */
const reader = esbuild.buildSync({ entryPoints: [path.join(import.meta.dirname, '../../static/src/database/table.ts')], bundle: true, format: 'iife', globalName: 'reader', write: false }).outputFiles[0].text;

let browser, server;
/** Text before the database worker's own script: what the browser lacks. */
let lacking = '';
before(async () => {
  browser = await launch();
  server = await serveDist({ before: (pathname) => (/^\/database-[^/]*\.js$/.test(pathname) ? lacking : '') });
});
beforeEach(() => { lacking = ''; });
after(async () => { await browser?.close(); await server?.close(); });

const noOpfs = 'delete FileSystemFileHandle.prototype.createSyncAccessHandle;';

/** A page of the gateway's origin that runs no gateway. */
async function bystander() {
  const page = await browser.newPage();
  await page.goto(`${server.url}/build.json`);
  await page.evaluate(`${reader}; window.reader = reader;`);
  return page;
}

/** A closed database with one acknowledged row. */
async function made(project, { storage = 'opfs', more } = {}) {
  lacking = storage === 'indexeddb' ? noOpfs : '';
  const gateway = await openGateway(browser, { storage: 'auto', project, server });
  assert.equal(gateway.status.storage.kind, storage);
  await query(gateway.page, project, gateway.keys.secret, 'create table kept (n int); insert into kept values (77); grant all on kept to service_role');
  // So that the gateway knows the table: of one that it does not know it says so, without the database.
  const { status } = await gateway.page.evaluate(async ([project, key]) => ({ status: (await fetch(`/${project}/rest/v1/kept`, { headers: { apikey: key } })).status }), [project, gateway.keys.secret]);
  assert.equal(status, 200);
  for (const text of more ?? []) await query(gateway.page, project, gateway.keys.secret, text);
  await gateway.close();
  return gateway.keys.secret;
}

async function query(page, project, key, text) {
  const { ok, body } = await page.evaluate(async ([project, key, query]) => {
    const response = await fetch(`/${project}/pg/query`, { method: 'POST', headers: { apikey: key, 'content-type': 'application/json' }, body: JSON.stringify({ query }) });
    return { ok: response.ok, body: await response.text() };
  }, [project, key, text]);
  assert.ok(ok, body);
  return JSON.parse(body);
}

/** What the project's folder in OPFS holds, file by file. */
const digest = (page, project) => page.evaluate(async (project) => {
  const files = {};
  const walk = async (directory, at) => {
    for await (const [name, handle] of directory.entries()) {
      if (handle.kind === 'directory') { await walk(handle, `${at}${name}/`); continue; }
      const bytes = await (await handle.getFile()).arrayBuffer();
      files[at + name] = [...new Uint8Array(await crypto.subtle.digest('SHA-256', bytes))].join();
    }
  };
  const root = await navigator.storage.getDirectory();
  const folder = await root.getDirectoryHandle(`gateway-${project}`).catch(() => undefined);
  if (folder) await walk(folder, '');
  return files;
}, project);

/** Opens the project's page and asks: both must say why not, in the same words. */
async function refused(project, key, words) {
  const page = await browser.newPage();
  try {
    await page.goto(`${server.url}/?project=${project}`);
    await page.getByText(words).first().waitFor({ timeout: 40_000 });
    const answer = await page.evaluate(async ([project, key]) => {
      const response = await fetch(`/${project}/rest/v1/kept`, { headers: { apikey: key }, signal: AbortSignal.timeout(20_000) });
      return { status: response.status, body: await response.json() };
    }, [project, key]);
    assert.ok([500, 503].includes(answer.status), JSON.stringify(answer));
    assert.match(JSON.stringify(answer.body), words);
  } finally {
    await page.close();
  }
}

/** Opens the project's page and finds the row. */
async function kept(project, key, expected = [{ n: 77 }]) {
  const gateway = await openGateway(browser, { storage: 'auto', project, server });
  assert.deepEqual(await query(gateway.page, project, key, 'select n from kept order by n'), expected);
  await gateway.close();
}

/** Runs `damage(folder, table)` on the project's folder. */
async function damaged(project, damage) {
  const page = await bystander();
  await page.evaluate(`(async () => {
    const write = async (folder, name, text) => { const file = await (await folder.getFileHandle(name, { create: true })).createWritable(); await file.write(text); await file.close(); };
    const read = async (folder, name) => (await (await folder.getFileHandle(name)).getFile()).text();
    const folder = await (await navigator.storage.getDirectory()).getDirectoryHandle(${JSON.stringify(`gateway-${project}`)});
    const table = JSON.parse((await read(folder, 'state.txt')).split('\\n')[0]);
    const data = await folder.getDirectoryHandle('data');
    // The worker may still be ending, and its files with it. What is held refuses before it changes.
    await navigator.locks.request(${JSON.stringify(`gateway:files:${project}`)}, async () => {
      for (;;) {
        try { return await (${damage.toString()})({ folder, table, read, write, data }); } catch (error) { if (error.name !== 'NoModificationAllowedError') throw error; }
      }
    });
  })()`);
  return page;
}

async function refusedUntouched(project, damage, words) {
  const key = await made(project);
  const page = await damaged(project, damage);
  const before = await digest(page, project);
  await refused(project, key, words);
  assert.deepEqual(await digest(page, project), before);
  await page.close();
}

describe('a database in OPFS', () => {
  test('is opened again, also after its pool of files shrank', async () => {
    const tables = Array.from({ length: 100 }, (_, i) => `create table filler${i} (id int primary key, t text)`).join(';');
    const drops = Array.from({ length: 100 }, (_, i) => `drop table filler${i}`).join(';');
    const key = await made('reopened', { more: [tables, drops, 'checkpoint', 'insert into kept values (78)'] });
    await kept('reopened', key, [{ n: 77 }, { n: 78 }]);
    await kept('reopened', key, [{ n: 77 }, { n: 78 }]);
  });

  test('whose table was being rewritten is opened with everything in it', async () => {
    const key = await made('rewritten');
    const page = await damaged('rewritten', async ({ folder, read, write }) => {
      const [first, ...journal] = (await read(folder, 'state.txt')).split('\n');
      const table = window.reader.parseTable(first);
      window.reader.replay(table, journal);
      const whole = JSON.stringify(table);
      await write(folder, 'rewrite.txt', whole);
      await write(folder, 'state.txt', whole.slice(0, 1000));
    });
    await page.close();
    await kept('rewritten', key);
  });

  test('whose table is empty, with no rewrite under way, is refused', () =>
    refusedUntouched('emptied', ({ folder, write }) => write(folder, 'state.txt', ''), /table of its files is damaged/));

  test('whose table is empty, with another table’s end beside it, is refused', () =>
    refusedUntouched('mixed', async ({ folder, table, write }) => {
      await write(folder, 'rewrite.txt', JSON.stringify(table));
      await write(folder, 'state.txt', '{"root":{"type":"file"');
    }, /table of its files is damaged/));

  test('whose table names no database is refused', () =>
    refusedUntouched('nameless', async ({ folder, table, write }) => {
      delete table.root.children.PG_VERSION;
      await write(folder, 'state.txt', JSON.stringify(table));
    }, /files are gone/));

  test('that lacks one file is refused, by its name', () =>
    refusedUntouched('holed', ({ table, data }) => data.removeEntry(table.root.children.global.children.pg_control.backingFilename), /1 of its \d+ files is gone, global\/pg_control/));

  test('whose data folder is gone is refused', () =>
    refusedUntouched('hollow', ({ folder }) => folder.removeEntry('data', { recursive: true }), /files are gone/));

  test('that is gone whole is refused, and no new one is made', async () => {
    const key = await made('gone');
    const page = await bystander();
    await page.evaluate(async () => {
      const root = await navigator.storage.getDirectory();
      // The worker may still be ending, and its files with it.
      await navigator.locks.request('gateway:files:gone', async () => {
        for (;;) {
          try { return await root.removeEntry('gateway-gone', { recursive: true }); } catch (error) { if (error.name !== 'NoModificationAllowedError') throw error; }
        }
      });
    });
    await refused('gone', key, /files are gone/);
    assert.deepEqual(await digest(page, 'gone'), {});
    await page.close();
  });

  test('is refused where the browser does not offer OPFS any more, and opened when it does again', async () => {
    const key = await made('withdrawn');
    lacking = noOpfs;
    await refused('withdrawn', key, /does not give access to its files now/);
    lacking = '';
    await kept('withdrawn', key);
  });
});

describe('a database in IndexedDB', () => {
  const stored = (project) => `/pglite/gateway-${project}`;
  const change = async (project, work) => {
    const page = await bystander();
    await page.evaluate(`new Promise((resolve, reject) => {
      const name = ${JSON.stringify(stored(project))};
      const done = { name, resolve, reject };
      (${work.toString()})(done);
    })`);
    await page.close();
  };
  const without = (file) => `({ name, resolve, reject }) => {
    const opening = indexedDB.open(name);
    opening.onerror = () => reject(opening.error);
    opening.onsuccess = () => {
      const transaction = opening.result.transaction('FILE_DATA', 'readwrite');
      transaction.objectStore('FILE_DATA').delete(name + ${JSON.stringify(file)});
      transaction.oncomplete = () => { opening.result.close(); resolve(); };
    };
  }`;

  test('is opened again', async () => {
    const key = await made('indexed', { storage: 'indexeddb' });
    await kept('indexed', key);
  });

  for (const [project, file] of [['versionless', '/PG_VERSION'], ['uncontrolled', '/global/pg_control']]) {
    test(`without its ${file} is refused`, async () => {
      const key = await made(project, { storage: 'indexeddb' });
      await change(project, without(file));
      await refused(project, key, /cannot be opened/);
      await refused(project, key, /cannot be opened/);
    });
  }

  test('that the browser dropped is refused, and no new one is made', async () => {
    const key = await made('dropped', { storage: 'indexeddb' });
    // As Chromium does where it finds its files damaged: everything in IndexedDB goes, the registry of databases too.
    await change('dropped', ({ name, resolve, reject }) => {
      const deleting = indexedDB.deleteDatabase(name);
      deleting.onsuccess = () => resolve();
      deleting.onerror = () => reject(deleting.error);
    });
    await refused('dropped', key, /files are gone/);
  });
});

describe('a database worker that dies', () => {
  test('is followed by another: who waited is told to come again, who comes again is answered', async () => {
    const key = await made('mortal');
    const page = await browser.newPage();
    await page.addInitScript(() => {
      const Native = Worker;
      window.Worker = class extends Native { constructor(...parameters) { super(...parameters); window.databaseWorker = this; } };
    });
    await page.goto(`${server.url}/?project=mortal`);
    await page.waitForFunction(async () => (await fetch('/mortal/gateway/status')).ok || undefined, undefined, { timeout: 60_000, polling: 500 });
    const outcome = await page.evaluate(async (key) => {
      const headers = { apikey: key, 'content-type': 'application/json' };
      const insert = (n) => fetch('/mortal/rest/v1/kept', { method: 'POST', headers, body: JSON.stringify({ n }) });
      const status = (await insert(1)).status;
      const slow = fetch('/mortal/pg/query', { method: 'POST', headers, body: JSON.stringify({ query: 'select pg_sleep(20)' }) });
      const waiting = insert(2);
      await new Promise((resolve) => setTimeout(resolve, 300));
      window.databaseWorker.terminate(); // Chromium lets what runs go on for two seconds
      const answers = [];
      for (const response of [await slow, await waiting]) answers.push([response.status, response.headers.has('retry-after')]);
      const begun = performance.now();
      let next;
      do next = await fetch('/mortal/rest/v1/kept?select=n&order=n', { headers }); while (next.status === 503 && performance.now() - begun < 30_000);
      return { status, answers, next: await next.json() };
    }, key);
    await page.close();
    assert.equal(outcome.status, 201);
    assert.deepEqual(outcome.answers, [[503, true], [503, true]]);
    assert.deepEqual(outcome.next, [{ n: 1 }, { n: 77 }]);
  });
});
