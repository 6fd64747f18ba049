// What is deployed and kept through the service worker: over its death, over a reload, in the browser's own storage.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { unzipSync, zipSync } from 'fflate';
import { launch, openGateway, stopServiceWorkers, untilReady } from '../browser/harness.mjs';

let browser, gateway;
before(async () => { browser = await launch(); gateway = await openGateway(browser, { storage: 'opfs' }); });
after(async () => { await gateway?.close(); await browser?.close(); });

const ask = (method, path, body) => gateway.page.evaluate(async ([method, path, body]) => {
  const response = await fetch(path, { method, ...(body !== undefined && { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }) });
  return { status: response.status, body: await response.json() };
}, [method, path, body]);

test('deployments and secrets outlive the service worker and the page', async () => {
  const zip = zipSync({ 'bundle/index.js': Buffer.from('1'), 'bundle/meta.json': Buffer.from('{"entrypoint":"main.ts"}'), 'source/main.ts': Buffer.from('1') });
  const deployed = await gateway.page.evaluate(async (zip) => {
    const form = new FormData();
    form.set('function', '{"verify_jwt":true}');
    form.set('bundle', new Blob([new Uint8Array(zip)], { type: 'application/zip' }), 'function.zip');
    const response = await fetch('/gateway/functions/hello', { method: 'PUT', body: form });
    return { status: response.status, body: await response.json() };
  }, [...zip]);
  assert.deepEqual([deployed.status, deployed.body.version, deployed.body.entrypoint], [201, 1, 'main.ts']);
  const set = await ask('POST', '/gateway/secrets', { PHRASE: 'correct horse battery staple' });
  assert.deepEqual(set.body.map(({ name, digest }) => [name, digest]), [['PHRASE', 'c4bbcb1f']]);

  const kept = async () => {
    const { body } = await ask('GET', '/gateway/functions');
    const source = await gateway.page.evaluate(async () => [...new Uint8Array(await (await fetch('/gateway/functions/hello/source')).arrayBuffer())]);
    const secrets = await ask('GET', '/gateway/secrets');
    return [body, Object.keys(unzipSync(new Uint8Array(source))), secrets.body];
  };
  const first = await kept();
  assert.deepEqual(first[0], [deployed.body]);
  assert.deepEqual(first[1], ['bundle/index.js', 'bundle/meta.json', 'source/main.ts']);
  await stopServiceWorkers(gateway.page);
  assert.deepEqual(await kept(), first);
  await gateway.page.reload();
  await untilReady(gateway.page);
  assert.deepEqual(await kept(), first);
});

test('what is in the database opens with the browser’s key alone, for its own project and name', async () => {
  const [{ sealed }] = await gateway.sql("select sealed from gateway.secrets where name = 'PHRASE'");
  const opened = await gateway.page.evaluate(async (sealed) => {
    const database = await new Promise((resolve) => { const asked = indexedDB.open('gateway-keys'); asked.onsuccess = () => resolve(asked.result); });
    const key = await new Promise((resolve) => { const asked = database.transaction('keys').objectStore('keys').get('default'); asked.onsuccess = () => resolve(asked.result); });
    database.close();
    const bytes = Uint8Array.from(atob(sealed), (letter) => letter.charCodeAt(0));
    const open = (project) => crypto.subtle.decrypt({ name: 'AES-GCM', iv: bytes.slice(0, 12), additionalData: new TextEncoder().encode(project) }, key, bytes.slice(12));
    return [key.extractable, new TextDecoder().decode(await open('default')), await open('other').catch((error) => error.name)];
  }, sealed);
  assert.deepEqual(opened, [false, 'PHRASE\0correct horse battery staple', 'OperationError']);
});

test('a function asks for a token, and what is none is not found', async () => {
  const table = [
    ['/functions/v1/_internal/health', {}, 200, '{"message":"ok"}'],
    ['/functions/v1/gone', {}, 404, 'Function not found'],
    ['/functions/v1/hello', {}, 401, '{"msg":"Error: Missing authorization header"}'],
    ['/functions/v1/hello/x?y', { authorization: 'Basic eDp5' }, 401, '{"msg":"Error: Auth header is not \'Bearer {token}\'"}'],
    ['/functions/v1/hello', { apikey: 'x.y.z' }, 401, '{"msg":"Invalid JWT"}'],
  ];
  for (const [path, headers, status, body] of table) {
    const answer = await gateway.page.evaluate(async ([path, headers]) => {
      const response = await fetch(path, { headers });
      return [response.status, await response.text()];
    }, [path, headers]);
    assert.deepEqual(answer, [status, body], `${path} ${JSON.stringify(headers)}`);
  }
});

test('a log is followed, and its stream ends with its function', async () => {
  const told = await gateway.page.evaluate(async () => {
    const response = await fetch('/gateway/functions/hello/logs?follow=true');
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    const first = await reader.read();
    const deleted = await fetch('/gateway/functions/hello', { method: 'DELETE' });
    const rest = await reader.read();
    return [response.headers.get('content-type'), first.value, deleted.status, rest.done];
  });
  assert.deepEqual(told, ['text/event-stream', 'retry: 2000\n\n', 200, true]);
});
