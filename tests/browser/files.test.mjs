// Files in a browser: they outlive the page, the worker, and the browser's own idea of either.
import assert from 'node:assert/strict';
import test from 'node:test';
import { settingsSql } from '../auth-js/settings.mjs';
import { launch, openGateway, openPage, serveDist, sql, stopServiceWorkers } from './harness.mjs';

const megabyte = 1024 * 1024;

/** What a page asks of Storage; a body of `size` bytes is made there. */
const ask = (page, key, path, { method = 'GET', json, size, type, headers } = {}) => page.evaluate(async ([key, path, method, json, size, type, headers]) => {
  const body = json ? JSON.stringify(json) : size === null ? undefined : new Blob([Uint8Array.from({ length: size }, (_, index) => index * 7 + (index >> 16))]);
  const response = await fetch(`/storage/v1${path}`, {
    method, body, headers: { apikey: key, ...(json ? { 'content-type': 'application/json' } : body && { 'content-type': type ?? 'application/octet-stream' }), ...headers },
  });
  const bytes = new Uint8Array(await response.arrayBuffer());
  const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes)).toHex?.() ?? [...new Uint8Array(await crypto.subtle.digest('SHA-256', bytes))].join(' ');
  return { status: response.status, size: bytes.length, hash, text: bytes.length < 4096 ? new TextDecoder().decode(bytes) : undefined, range: response.headers.get('content-range') };
}, [key, path, method, json ?? null, size ?? null, type ?? null, headers ?? {}]);

async function gateway(t, storage) {
  const context = await launch();
  t.after(() => context.close());
  const server = await serveDist();
  t.after(() => server.close());
  const opened = await openGateway(context, { storage, server });
  const key = opened.keys.secret;
  assert.equal((await ask(opened.page, key, '/bucket', { method: 'POST', json: { name: 'b', public: true } })).status, 200);
  return { context, server, key, page: opened.page };
}

test('a file survives a killed worker, a reload and a new page', async (t) => {
  const { context, server, key, page } = await gateway(t, 'opfs');
  const uploaded = await ask(page, key, '/object/b/large', { method: 'POST', size: 5 * megabyte });
  assert.equal(uploaded.status, 200, uploaded.text);
  const first = await ask(page, key, '/object/b/large');
  assert.equal(first.size, 5 * megabyte);
  for (let kill = 0; kill < 3; kill++) {
    await stopServiceWorkers(page);
    assert.equal((await ask(page, key, '/object/public/b/large')).hash, first.hash);
  }
  await page.reload();
  const other = await openPage(context, server.url, { storage: 'opfs' });
  assert.equal((await ask(other, key, '/object/b/large')).hash, first.hash);
  const part = await ask(other, key, '/object/b/large', { headers: { range: `bytes=${3 * megabyte}-${3 * megabyte + 99}` } });
  assert.deepEqual([part.status, part.size, part.range], [206, 100, `bytes ${3 * megabyte}-${3 * megabyte + 99}/${5 * megabyte}`]);
  assert.equal((await ask(other, key, '/object/b/large', { method: 'DELETE' })).status, 200);
  const left = await other.evaluate(async () => {
    const folder = await (await navigator.storage.getDirectory()).getDirectoryHandle('storage-default');
    return (await Array.fromAsync(folder.keys())).length;
  });
  assert.equal(left, 0, 'its bytes are gone with it');
});

test('a worker that is killed under uploads loses nothing that it acknowledged', async (t) => {
  const { key, page } = await gateway(t, 'opfs');
  const acknowledged = [];
  for (let kill = 0; kill < 5; kill++) {
    const uploads = Array.from({ length: 4 }, async (_, lane) => {
      const name = `${kill}-${lane}`;
      const { status } = await ask(page, key, `/object/b/${name}`, { method: 'POST', size: megabyte + lane }).catch(() => ({}));
      if (status === 200) acknowledged.push([name, megabyte + lane]);
    });
    await Promise.race([...uploads, page.waitForTimeout(50 * kill)]);
    await stopServiceWorkers(page);
    await Promise.all(uploads);
  }
  for (const [name, size] of acknowledged) {
    const got = await ask(page, key, `/object/b/${name}`);
    assert.deepEqual([got.status, got.size], [200, size], name);
  }
  // A row without its bytes would be a promise that was not kept.
  const listed = JSON.parse((await ask(page, key, '/object/list/b', { method: 'POST', json: { prefix: '' } })).text ?? '[]');
  for (const { name } of listed) assert.equal((await ask(page, key, `/object/b/${name}`)).status, 200, name);
  t.diagnostic(`${acknowledged.length} of 20 uploads were acknowledged`);
});

test('where the worker has no files of its own, IndexedDB keeps them', async (t) => {
  const context = await launch();
  t.after(() => context.close());
  // As in a browser whose workers cannot write files.
  const own = await serveDist({ before: (pathname) => (pathname === '/sw.js' ? 'delete FileSystemFileHandle.prototype.createWritable;' : '') });
  t.after(() => own.close());
  const opened = await openGateway(context, { storage: 'opfs', server: own });
  const { page, keys: { secret: key } } = opened;
  assert.equal((await ask(page, key, '/bucket', { method: 'POST', json: { name: 'b', public: true } })).status, 200);
  assert.equal((await ask(page, key, '/object/b/x', { method: 'POST', size: 3 * megabyte + 5 })).status, 200);
  const whole = await ask(page, key, '/object/b/x');
  assert.equal(whole.size, 3 * megabyte + 5);
  await stopServiceWorkers(page);
  assert.equal((await ask(page, key, '/object/b/x')).hash, whole.hash);
  const part = await ask(page, key, '/object/b/x', { headers: { range: `bytes=${megabyte - 1}-${2 * megabyte}` } });
  assert.deepEqual([part.status, part.size], [206, megabyte + 2]);
  const kept = await page.evaluate(async () => (await indexedDB.databases()).map(({ name }) => name));
  assert.ok(kept.includes('storage-default'), String(kept));
  assert.equal((await ask(page, key, '/object/b/x', { method: 'DELETE' })).status, 200);
});

test('200 MB pass through: neither the worker nor the page holds them, and parts are read alone', async (t) => {
  const { page, key } = await gateway(t, 'opfs');
  await sql(page, key, `${settingsSql({ 'storage.file_size_limit': '500MB' })}; notify pgrst, 'reload config'`);
  const wasm = async () => (await page.evaluate(async () => (await fetch('/gateway/status')).json())).memory.wasm;
  const before = await wasm();
  const size = 200 * megabyte;
  const seen = await page.evaluate(async ([key, size]) => {
    // Blobs of the browser's own, which are not in the page's memory; every megabyte says which it is.
    const piece = (index) => { const bytes = new Uint8Array(1024 * 1024).fill(index % 251); new DataView(bytes.buffer).setUint32(0, index); return bytes; };
    const body = new Blob(Array.from({ length: size / (1024 * 1024) }, (_, index) => new Blob([piece(index)])));
    const begun = performance.now();
    const up = await fetch('/storage/v1/object/b/huge', { method: 'POST', headers: { apikey: key, 'content-type': 'application/octet-stream' }, body });
    const uploaded = { status: up.status, text: await up.text(), took: performance.now() - begun };
    const again = performance.now();
    const down = await fetch('/storage/v1/object/b/huge', { headers: { apikey: key } });
    let bytes = 0, wrong = 0, largest = 0, head = [];
    const reader = down.body.getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      largest = Math.max(largest, value.length);
      for (let at = 0; at < value.length; at++) {
        const place = (bytes + at) % (1024 * 1024);
        if (place < 4) { head.push(value[at]); if (place === 3) { const index = (bytes + at - 3) / (1024 * 1024); if (new DataView(Uint8Array.from(head).buffer).getUint32(0) !== index) wrong += 1; head = []; } }
        else { at += Math.min(1024 * 1024 - place, value.length - at) - 1; }
      }
      bytes += value.length;
    }
    const downloaded = { status: down.status, bytes, wrong, largest, took: performance.now() - again };
    const since = performance.now();
    const part = await fetch('/storage/v1/object/b/huge', { headers: { apikey: key, range: `bytes=${size - 10}-` } });
    const ranged = { status: part.status, bytes: (await part.arrayBuffer()).byteLength, took: performance.now() - since };
    return { uploaded, downloaded, ranged };
  }, [key, size]);
  const grown = await wasm() - before;
  t.diagnostic(`up ${(seen.uploaded.took / 1000).toFixed(1)} s, down ${(seen.downloaded.took / 1000).toFixed(1)} s, ten bytes from the end ${seen.ranged.took.toFixed(0)} ms; WASM memory grew by ${grown}`);
  assert.equal(seen.uploaded.status, 200, seen.uploaded.text);
  assert.deepEqual([seen.downloaded.status, seen.downloaded.bytes, seen.downloaded.wrong], [200, size, 0]);
  assert.deepEqual([seen.ranged.status, seen.ranged.bytes], [206, 10]);
  assert.ok(seen.ranged.took < seen.downloaded.took / 4, 'a part does not read the whole');
  assert.ok(grown < 24 * megabyte, `the worker's memory grew by ${grown} bytes`);
});
