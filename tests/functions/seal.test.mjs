// What secrets are sealed with: a file's key under Node, one of the browser's own in Chromium.
import assert from 'node:assert/strict';
import { statSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { test } from 'node:test';
import * as esbuild from 'esbuild';
import { launch, serveDist } from '../browser/harness.mjs';
import { folder } from '../node/server.mjs';

const sources = path.join(import.meta.dirname, '../../static/src');
const bundled = async (file, options) => {
  const { outputFiles } = await esbuild.build({ entryPoints: [path.join(sources, file)], bundle: true, format: 'esm', write: false, ...options });
  return outputFiles[0].text;
};

const bytes = (text) => new TextEncoder().encode(text);
const text = (bytes) => new TextDecoder().decode(bytes);

test('a key in a folder opens what it sealed, and nothing else', async (t) => {
  const place = folder(t);
  const module = path.join(place, 'secrets.mjs');
  await esbuild.build({ entryPoints: [path.join(sources, 'node/secrets.ts')], bundle: true, format: 'esm', platform: 'node', outfile: module });
  const { directorySeals, memorySeals } = await import(pathToFileURL(module).href);
  const made = directorySeals(place);
  const [first, second] = await Promise.all([made.seal('a', bytes('secret')), made.seal('a', bytes('secret'))]);
  assert.notDeepEqual(first, second, 'a nonce of its own for each');
  assert.equal(statSync(path.join(place, 'secrets.key')).mode & 0o777, 0o600);
  const again = directorySeals(place);
  for (const sealed of [first, second]) {
    for (const seals of [made, again]) assert.equal(text(await seals.open('a', sealed)), 'secret');
  }
  const changed = first.map((byte, index) => byte ^ (index === first.length - 1 ? 1 : 0));
  const memory = memorySeals();
  const table = [
    ['of another project', () => again.open('b', first)],
    ['changed', () => again.open('a', changed)],
    ['cut off', () => again.open('a', first.slice(0, 20))],
    ['nothing', () => again.open('a', new Uint8Array())],
    ['of another key', () => memory.open('a', first)],
  ];
  for (const [name, open] of table) await assert.rejects(open, undefined, name);
  assert.equal(text(await memory.open('a', await memory.seal('a', bytes('')))), '');
});

test('a key of the browser stays over a reload, and no script can copy it', async (t) => {
  const script = await bundled('secrets/browser.ts', { platform: 'browser' });
  const site = await serveDist();
  t.after(() => site.close());
  site.intercept((pathname) => ({ '/blank.html': { body: '<!doctype html><title>blank</title>' }, '/seals.js': { body: script, headers: { 'content-type': 'text/javascript' } } })[pathname]);
  const context = await launch();
  t.after(() => context.close());
  const page = await context.newPage();
  await page.goto(`${site.url}/blank.html`);
  const sealed = await page.evaluate(async () => {
    const { browserSeals } = await import('/seals.js');
    const sealed = await Promise.all(['a', 'a', 'b'].map((project) => browserSeals.seal(project, new TextEncoder().encode('secret'))));
    return sealed.map((bytes) => [...bytes]);
  });
  await page.reload();
  const opened = await page.evaluate(async (sealed) => {
    const { browserSeals } = await import('/seals.js');
    const open = (project, bytes) => browserSeals.open(project, new Uint8Array(bytes)).then((bytes) => new TextDecoder().decode(bytes), (error) => error.name);
    const [one, other, third] = sealed;
    return [await open('a', one), await open('a', other), await open('b', third), await open('b', one)];
  }, sealed);
  assert.deepEqual(opened, ['secret', 'secret', 'secret', 'OperationError']);
  const copied = await page.evaluate(async () => {
    const database = await new Promise((resolve) => { const asked = indexedDB.open('gateway-keys'); asked.onsuccess = () => resolve(asked.result); });
    const keys = await new Promise((resolve) => { const asked = database.transaction('keys').objectStore('keys').getAll(); asked.onsuccess = () => resolve(asked.result); });
    const formats = await Promise.all(keys.map((key) => crypto.subtle.exportKey('raw', key).then(() => 'copied', (error) => error.name)));
    return [keys.length, ...formats];
  });
  assert.deepEqual(copied, [2, 'InvalidAccessError', 'InvalidAccessError']);
});
