// A project as one file: made in a browser, restored in it, in another project of it, by another tab, through crashes, and not
// at all where it is damaged.
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { launch, openGateway, openPage, serveDist, stopServiceWorkers, untilReady } from './harness.mjs';

const folder = mkdtempSync(path.join(tmpdir(), 'backup-'));
after(() => rmSync(folder, { recursive: true, force: true }));

/** The gateway's own API in a page, which may be reloaded between two calls. */
async function running(page, project) {
  await page.evaluate(async (project) => {
    const { startGateway } = await import('/gateway.js');
    window.running ??= await startGateway({ project, storage: new URL(location).searchParams.get('storage') ?? 'auto' });
  }, project);
}

const base64 = (page) => page.evaluate(async () => {
  const bytes = new Uint8Array(await window.made.arrayBuffer());
  let text = '';
  for (let at = 0; at < bytes.length; at += 32_768) text += String.fromCharCode(...bytes.subarray(at, at + 32_768));
  return btoa(text);
});

/** Makes a backup in the page; its bytes. */
async function make(page, project) {
  await running(page, project);
  await page.evaluate(async () => { window.made = await window.running.backup.make(); });
  return Buffer.from(await base64(page), 'base64');
}

/** Restores bytes; the manifest, or why not. */
async function restore(page, bytes, project) {
  await running(page, project);
  return page.evaluate(async (text) => {
    const blob = await (await fetch(`data:application/gzip;base64,${text}`)).blob();
    return window.running.backup.restore(blob).catch((error) => error.message);
  }, bytes.toString('base64'));
}

const call = (page, address, init = {}) => page.evaluate(async ([address, init]) => {
  const response = await fetch(address, init);
  return { status: response.status, text: await response.text() };
}, [address, init]);

/** Runs SQL as the owner of the project's database, whose keys may be others than before. */
async function sql(page, query, prefix = '') {
  const { keys } = JSON.parse((await call(page, `${prefix}/gateway/status`)).text);
  const { status, text } = await call(page, `${prefix}/pg/query`, { method: 'POST', headers: { apikey: keys.secret, 'content-type': 'application/json' }, body: JSON.stringify({ query }) });
  assert.equal(status, 200, text);
  return JSON.parse(text);
}

async function fill(page) {
  await running(page);
  await sql(page, "create table notes (id int primary key, body text); insert into notes select n, repeat('x', 500) || n from generate_series(1, 2000) as n; notify pgrst, 'reload schema'");
  await page.evaluate(async () => {
    await window.running.secrets.set({ TOKEN: 'hunter22' });
    await window.running.functions.deploy('told', { 'index.ts': 'Deno.serve(() => new Response(String(Deno.env.get("TOKEN"))))' }, { verify_jwt: false });
  });
  const { keys } = JSON.parse((await call(page, '/gateway/status')).text);
  const headers = { apikey: keys.secret };
  assert.equal((await call(page, '/storage/v1/bucket', { method: 'POST', headers: { ...headers, 'content-type': 'application/json' }, body: '{"name":"files"}' })).status, 200);
  assert.equal((await call(page, '/storage/v1/object/files/a.txt', { method: 'POST', headers, body: 'a stored text' })).status, 200);
  assert.deepEqual(await call(page, '/functions/v1/told'), { status: 200, text: 'hunter22' });
  return keys;
}

/** Says what of `fill` is there. */
async function found(page, prefix = '') {
  const { keys } = JSON.parse((await call(page, `${prefix}/gateway/status`)).text);
  const headers = { apikey: keys.secret };
  const [{ notes }] = await sql(page, "select (select count(*) from pg_class where relname = 'notes') as notes", prefix);
  return {
    rows: Number(notes) ? Number((await sql(page, 'select count(*) from notes', prefix))[0].count) : undefined,
    rest: (await call(page, `${prefix}/rest/v1/notes?select=id&limit=1`, { headers })).status,
    stored: (await call(page, `${prefix}/storage/v1/object/files/a.txt`, { headers })).text,
    told: (await call(page, `${prefix}/functions/v1/told`)).text,
    keys,
  };
}

async function spoil(page) {
  const { keys } = JSON.parse((await call(page, '/gateway/status')).text);
  await sql(page, "drop table notes; create table others (id int); notify pgrst, 'reload schema'");
  assert.equal((await call(page, '/storage/v1/object/files/a.txt', { method: 'DELETE', headers: { apikey: keys.secret } })).status, 200);
  await page.evaluate(async () => {
    await window.running.functions.delete('told');
    await window.running.secrets.unset('TOKEN');
  });
}

describe('a backup in a browser', () => {
  let browser;
  let server;
  let page;
  let backup;
  let keys;
  after(async () => {
    await browser?.close();
    await server?.close();
  });

  const whole = () => ({ rows: 2000, rest: 200, stored: 'a stored text', told: 'hunter22', keys });

  test('takes the place of all that was, keys, files, functions and secrets', async (t) => {
    browser = await launch();
    server = await serveDist();
    ({ page } = await openGateway(browser, { storage: 'auto', server }));
    keys = await fill(page);
    let began = performance.now();
    backup = await make(page);
    t.diagnostic(`made in ${Math.round(performance.now() - began)} ms: ${backup.length} bytes, ${gunzipSync(backup).length} unpacked`);
    assert.ok(!gunzipSync(backup).includes('hunter22'), 'a secret is in it as it is');
    await spoil(page);
    assert.equal((await found(page)).rows, undefined);
    began = performance.now();
    const manifest = await restore(page, backup);
    t.diagnostic(`restored in ${Math.round(performance.now() - began)} ms`);
    assert.equal(manifest.project, 'default');
    assert.deepEqual(manifest.secrets, { held: true, sealed: true, names: ['TOKEN'] });
    assert.deepEqual(await found(page), whole());
    // The schema that is known is the restored one.
    assert.equal((await call(page, '/rest/v1/others', { headers: { apikey: keys.secret } })).status, 404);
  });

  test('stays over a reload and the end of the worker, and can be restored again', async () => {
    await sql(page, "delete from notes where id > 10");
    await stopServiceWorkers(page);
    await page.reload();
    await untilReady(page);
    assert.deepEqual(await found(page), { ...whole(), rows: 10 });
    assert.equal((await restore(page, backup)).project, 'default');
    assert.deepEqual(await found(page), whole());
    await page.reload();
    await untilReady(page);
    assert.deepEqual(await found(page), whole());
    // One database is there, in one of its two places.
    const places = await page.evaluate(async () => {
      const names = [];
      for await (const name of (await navigator.storage.getDirectory()).keys()) names.push(name);
      return names.filter((name) => name.startsWith('gateway-default'));
    });
    assert.equal(places.length, 1, places.join());
  });

  test('is restored by a tab that does not own the database', async () => {
    await sql(page, 'delete from notes');
    const other = await openPage(browser, server.url, { storage: 'auto' });
    assert.equal((await restore(other, backup)).project, 'default');
    assert.deepEqual(await found(other), whole());
    assert.deepEqual(await found(page), whole());
    await other.close();
  });

  test('that is damaged, or none, changes nothing', async () => {
    await sql(page, 'delete from notes where id > 7');
    const before = await found(page);
    assert.equal(before.rows, 7);
    const tar = gunzipSync(backup);
    assert.match(await restore(page, Buffer.from('no backup, but long enough for a first look')), /no backup, or a damaged one/);
    assert.match(await restore(page, gzipSync(tar.subarray(0, tar.length - 700_000))), /damaged|not whole/);
    const control = tar.indexOf('global/pg_control\0');
    tar.fill(1, control + 512, control + 712);
    assert.match(await restore(page, gzipSync(tar)), /^The copy of the database cannot be opened\. .* Nothing was changed\.$/s);
    assert.deepEqual(await found(page), before);
    await page.reload();
    await untilReady(page);
    assert.deepEqual(await found(page), before);
    assert.equal((await restore(page, backup)).project, 'default');
    assert.deepEqual(await found(page), whole());
  });

  test('is restored whole where the tab dies meanwhile', async () => {
    await sql(page, 'delete from notes');
    await running(page);
    const crashed = page.waitForEvent('crash');
    await page.evaluate(async (text) => {
      const blob = await (await fetch(`data:application/gzip;base64,${text}`)).blob();
      void window.running.backup.restore(blob).catch(() => undefined);
      // Until it is remembered that the copy is to be taken.
      for (;;) {
        const cache = await caches.open('gateway-projects');
        const known = await (await cache.match('/gateway-projects/default'))?.json();
        if (known?.restore) return;
        await new Promise((resolve) => setTimeout(resolve));
      }
    }, backup.toString('base64'));
    page.goto('chrome://crash').catch(() => undefined);
    await crashed;
    ({ page } = await openGateway(browser, { storage: 'auto', server }));
    assert.deepEqual(await found(page), whole());
  });

  test('makes another project of the same browser, whose secrets are to be set again', async () => {
    const other = await openPage(browser, server.url, { storage: 'auto', project: 'copy' });
    const manifest = await restore(other, backup, 'copy');
    assert.equal(manifest.project, 'default');
    const { told, keys: others, ...rest } = await found(other, '/copy');
    assert.deepEqual(rest, { rows: 2000, rest: 200, stored: 'a stored text' });
    assert.equal(told, 'undefined');
    assert.equal(others.secret, keys.secret);
    await other.evaluate(() => window.running.secrets.set({ TOKEN: 'another' }));
    assert.equal((await call(other, '/copy/functions/v1/told')).text, 'another');
    // The project that it was made of is as it was.
    assert.deepEqual(await found(page), whole());
    await other.close();
  });

  test('is made and restored by a person', async () => {
    await page.evaluate(() => { location.hash = '#/backup'; });
    const place = page.locator('section.place[aria-label="Backup"]');
    await place.getByText('It holds 1 secret of functions, sealed').waitFor();
    const download = page.waitForEvent('download');
    await place.getByRole('button', { name: 'Download backup' }).click();
    assert.match((await download).suggestedFilename(), /^default-\d{4}-\d\d-\d\d\.tar\.gz$/);
    await place.getByText(/default-.*\.tar\.gz, \d/).waitFor();

    const wrong = path.join(folder, 'wrong.tar.gz');
    writeFileSync(wrong, 'this is none');
    const choose = async (file) => {
      const chooser = page.waitForEvent('filechooser');
      await place.getByRole('button', { name: 'Choose a backup…' }).click();
      await (await chooser).setFiles(file);
    };
    await choose(wrong);
    await place.getByRole('alert').getByText(/no backup, or a damaged one/).waitFor();
    const file = path.join(folder, 'good.tar.gz');
    writeFileSync(file, backup);
    await sql(page, 'delete from notes');
    await choose(file);
    await place.getByText('1 secret, sealed').waitFor();
    await place.getByText('Set again unless it was made here: TOKEN').waitFor();
    await place.getByRole('button', { name: 'Restore it' }).click();
    const question = page.getByRole('dialog', { name: 'Replace project default?' });
    const reloaded = page.waitForEvent('framenavigated');
    await question.getByRole('button', { name: 'Replace' }).click();
    await reloaded;
    await untilReady(page);
    assert.deepEqual(await found(page), whole());
  });
});

test('a backup of a database in memory is restored into one', async () => {
  const browser = await launch();
  try {
    const { page } = await openGateway(browser);
    const keys = await fill(page);
    const backup = await make(page);
    await spoil(page);
    assert.equal((await restore(page, backup)).project, 'default');
    const { told, ...rest } = await found(page);
    assert.deepEqual(rest, { rows: 2000, rest: 200, stored: 'a stored text', keys });
    assert.equal(told, 'hunter22');
  } finally {
    await browser.close();
  }
});

test('where the browser has no access handles, the copy takes its place in IndexedDB', async () => {
  const lacking = 'delete FileSystemFileHandle.prototype.createSyncAccessHandle;';
  const browser = await launch();
  const server = await serveDist({ before: (pathname) => (/^\/database-[^/]*\.js$/.test(pathname) ? lacking : '') });
  try {
    const { page, status } = await openGateway(browser, { storage: 'auto', server });
    assert.equal(status.storage.kind, 'indexeddb');
    const keys = await fill(page);
    const backup = await make(page);
    for (let time = 0; time < 2; time++) {
      await sql(page, 'delete from notes');
      assert.equal((await restore(page, backup)).project, 'default');
      await page.reload();
      await untilReady(page);
      assert.deepEqual(await found(page), { rows: 2000, rest: 200, stored: 'a stored text', told: 'hunter22', keys });
    }
    const places = await page.evaluate(async () => (await indexedDB.databases()).map(({ name }) => name).filter((name) => name.startsWith('/pglite/')));
    assert.equal(places.length, 1, places.join());
  } finally {
    await browser.close();
    await server.close();
  }
});
