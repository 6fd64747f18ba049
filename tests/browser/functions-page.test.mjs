// The page's edge functions: one is made, run, changed, watched, rolled back and deleted; secrets; a folder; the JS API.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { openAsPerson } from './person.mjs';

/** What esbuild's WebAssembly may take to start, on a busy machine. */
const patience = 90_000;

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

const { gateway, page, faults, go, section, dialog, question } = await openAsPerson({ patience: 30_000 });

const place = () => section('Functions');
const tab = (name) => place().getByRole('tab', { name }).click();
const editor = () => place().locator('.cm-content');

/** What a function answers to the page's origin, as functions-js asks: POST with the publishable key and the anon JWT. */
const ask = (name, body, headers = {}) => page.evaluate(async ([name, body, headers]) => {
  const response = await fetch(`/functions/v1/${name}`, { method: 'POST', headers, body: JSON.stringify(body) });
  return { status: response.status, text: await response.text() };
}, [name, body, headers]);
const asAnon = (name, body) => ask(name, body, { apikey: gateway.keys.publishable, authorization: `Bearer ${gateway.keys.anon}` });

/** Replaces all that the editor has. */
async function write(text) {
  await editor().click();
  await page.keyboard.press('Control+a');
  // Typed, brackets would be closed by the editor; pasted, the text is as it is.
  await page.evaluate((text) => navigator.clipboard.writeText(text), text);
  await page.keyboard.press('Control+v');
}

test('before anything is deployed, the place says what to do, and nothing of it is fetched', async () => {
  await go('functions');
  await place().getByText('No functions yet').waitFor();
  assert.deepEqual(gateway.server.requests.filter((file) => file.startsWith('/functions/')), []);
});

test('a function is made from a template, and answers', async () => {
  await place().getByRole('button', { name: 'New function' }).click();
  const form = dialog('New function');
  await form.getByLabel('Name').fill('1 bad');
  await form.getByRole('button', { name: 'Make and deploy' }).click();
  await form.getByText(/beginning with a letter/).waitFor();
  await form.getByLabel('Name').fill('hello');
  await form.getByRole('button', { name: 'Make and deploy' }).click();
  await form.waitFor({ state: 'detached', timeout: patience });
  await place().getByRole('heading', { name: 'hello' }).waitFor();
  await place().getByText('version 1', { exact: true }).waitFor();
  await editor().getByText('Deno.serve').waitFor();
  assert.deepEqual(await asAnon('hello', { name: 'you' }), { status: 200, text: '{"message":"Hello you!"}' });
  assert.equal((await ask('hello', {})).status, 401);
});

test('the run console runs it, as whom one likes', async () => {
  await tab('Run');
  for (const role of ['anon', 'a user', 'service_role']) {
    await place().getByText(role, { exact: true }).click();
    await place().getByRole('button', { name: 'Run', exact: true }).click();
    await place().getByLabel('Answer', { exact: true }).getByText('200 OK').waitFor();
    await place().getByLabel('Body', { exact: true }).getByText('"Hello world!"').waitFor();
  }
});

test('the run console shows a stream as it comes', async () => {
  await page.evaluate(async () => {
    const { startGateway } = await import('/gateway.js');
    window.running = await startGateway({ storage: 'memory' });
    await window.running.functions.deploy('ticks', { 'index.ts': `let push;
Deno.serve((req) => {
  if (req.method === 'PUT') { push(new URL(req.url).searchParams.get('say')); return new Response('pushed'); }
  const body = new ReadableStream({ start(controller) {
    push = (text) => text ? controller.enqueue(new TextEncoder().encode('data: ' + text + '\\n\\n')) : controller.close();
  } });
  return new Response(body, { headers: { 'content-type': 'text/event-stream' } });
});` }, { verify_jwt: false });
  });
  const push = (text) => page.evaluate((text) => fetch(`/functions/v1/ticks?say=${text}`, { method: 'PUT' }).then((answer) => answer.text()), text);
  await go('functions?name=ticks&tab=run');
  await place().getByRole('button', { name: 'Run', exact: true }).click();
  const answer = place().getByLabel('Answer', { exact: true });
  await answer.getByText('200 OK').waitFor();
  await answer.getByText('More is coming…').waitFor();
  for (const word of ['first', 'second']) {
    await push(word);
    await answer.getByText(`data: ${word}`).waitFor();
    await answer.getByText('More is coming…').waitFor();
  }
  await push('');
  await answer.getByText('More is coming…').waitFor({ state: 'detached' });
  // Given up, what has come stays.
  await place().getByRole('button', { name: 'Run', exact: true }).click();
  await answer.getByText('More is coming…').waitFor();
  await push('third');
  await answer.getByText('data: third').waitFor();
  await place().getByRole('button', { name: 'Cancel', exact: true }).click();
  await answer.getByText('It broke off: Cancelled.').waitFor();
  await answer.getByText('data: third').waitFor();
  await page.evaluate(async () => {
    await window.running.functions.delete('ticks');
    await window.running.stop();
  });
  await go('functions?name=hello&tab=run');
});

test('what it asks of the database is audited, with the role and the request', async () => {
  await page.evaluate(async () => {
    const { startGateway } = await import('/gateway.js');
    window.running = await startGateway({ storage: 'memory' });
    await window.running.functions.deploy('asks', { 'index.ts': `Deno.serve((req) => fetch(Deno.env.get('SUPABASE_URL') + new URL(req.url).pathname.slice('/asks'.length), { headers: { apikey: Deno.env.get('SUPABASE_ANON_KEY') } }))` });
  });
  const asked = (rest) => page.evaluate(async ([rest, key]) => {
    const answer = await fetch(`/functions/v1/asks${rest}`, { headers: { apikey: key, authorization: `Bearer ${key}` } });
    return [answer.status, answer.headers.get('sb-request-id')];
  }, [rest, gateway.keys.anon]);
  const [status, trace] = await asked('/rest/v1/nowhere');
  assert.equal(status, 404);
  assert.equal((await asked('/storage/v1/bucket'))[0], 200);
  await go('functions?name=asks&tab=calls');
  const table = place().getByRole('table', { name: 'What asks asked of the database' });
  const row = table.locator('tr', { hasText: 'GET /rest/v1/nowhere' });
  await row.getByText('anon', { exact: true }).waitFor();
  await row.getByText('404', { exact: true }).waitFor();
  await table.locator('tr', { hasText: 'GET /storage/v1/bucket' }).waitFor();
  await row.getByRole('button', { name: `All calls of the request ${trace}` }).click();
  await table.locator('tr', { hasText: 'GET /storage/v1/bucket' }).waitFor({ state: 'detached' });
  await place().getByRole('button', { name: `Request ${trace.slice(0, 8)}`, exact: true }).click();
  await place().getByLabel('Search in the calls').fill('BUCKET');
  await row.waitFor({ state: 'detached' });
  await table.locator('tr', { hasText: 'GET /storage/v1/bucket' }).waitFor();
  const found = await page.evaluate(async () => {
    const calls = await window.running.functions.calls({ function: 'asks', search: 'nowhere' });
    await window.running.functions.delete('asks');
    const left = await window.running.functions.calls({ function: 'asks' });
    await window.running.stop();
    return [calls.map(({ method, path, role, status }) => [method, path, role, status]), left.length];
  });
  assert.deepEqual(found, [[['GET', '/rest/v1/nowhere', 'anon', 404]], 2], 'the audit outlives the function');
  await go('functions?name=hello&tab=run');
});

test('what it writes comes under its log, and is found there', async () => {
  await tab('Logs');
  await place().getByText('saying hello to you').waitFor();
  await place().getByLabel('Search in the log').fill('hello to world');
  await place().getByText('saying hello to you').waitFor({ state: 'detached' });
  await place().locator('mark', { hasText: 'hello to world' }).first().waitFor();
  await place().getByLabel('Search in the log').fill('');
  await place().getByText('Errors', { exact: true }).click();
  await place().getByText('No line of this level.').waitFor();
  await place().getByText('All', { exact: true }).click();
  // Live: what comes now is seen without a click.
  await asAnon('hello', { name: 'everyone' });
  await place().getByText('saying hello to everyone').waitFor();
});

test('what is wrong is marked in its place, and the version before still answers', async () => {
  await tab('Code');
  await write('Deno.serve(() => new Response("second"));\nimport "lodash";\n');
  await page.keyboard.press('Control+s');
  const fault = place().getByRole('alert');
  await fault.getByText(/"lodash" is in no import map/).waitFor();
  assert.equal(await place().locator('.cm-fault').count(), 1);
  await fault.getByRole('button', { name: 'index.ts:2:8' }).click();
  assert.equal((await asAnon('hello', {})).status, 200);
});

test('TypeScript offers what a thing has, tells what it is, and marks what is wrong', async () => {
  await write('const greeting: number = "x";\n');
  await place().locator('.cm-lintRange-error').waitFor({ timeout: patience });
  await place().locator('.cm-lintRange-error').hover();
  await page.locator('.cm-tooltip', { hasText: "Type 'string' is not assignable to type 'number'." }).waitFor();
  await write('const greeting = "x";\n');
  await page.keyboard.press('Control+End');
  await page.keyboard.type('greeting.toUp');
  await page.locator('.cm-tooltip-autocomplete li', { hasText: 'toUpperCase' }).waitFor();
  await page.locator('.cm-completionInfo', { hasText: 'toUpperCase(): string' }).waitFor();
  await page.keyboard.press('Escape');
});

test('a change is deployed by a key press, and answers within seconds', async () => {
  await write('Deno.serve(() => new Response("second"));\n');
  const began = performance.now();
  await page.keyboard.press('Control+s');
  await place().getByText('version 2', { exact: true }).waitFor();
  assert.equal((await asAnon('hello', {})).text, 'second');
  console.log(`from the key press to the new answer: ${Math.round(performance.now() - began)} ms`);
  await place().getByRole('button', { name: 'New file' }).click();
  await place().getByLabel('Path of the file').fill('lib/third.ts');
  await place().getByRole('button', { name: 'Make', exact: true }).click();
  await write('export const third = "third";\n');
  await place().getByRole('button', { name: 'index.ts' }).click();
  await write('import { third } from "./lib/third.ts";\nDeno.serve(() => new Response(third));\n');
  await place().getByRole('button', { name: 'Deploy', exact: true }).click();
  await place().getByText('version 3', { exact: true }).waitFor();
  assert.equal((await asAnon('hello', {})).text, 'third');
});

test('a rollback makes an earlier version answer, and its files are shown', async () => {
  await tab('Versions');
  await place().getByRole('button', { name: 'Roll back to version 1' }).click();
  await place().getByText('1, answers').waitFor();
  assert.equal((await asAnon('hello', { name: 'again' })).text, '{"message":"Hello again!"}');
  await tab('Code');
  await editor().getByText('saying hello to').waitFor();
});

test('settings: for anyone, and what cannot be', async () => {
  await tab('Settings');
  const form = place().getByRole('form', { name: 'Settings of hello' });
  await form.getByLabel('Memory, MiB').fill('1');
  await form.getByText('A whole number from 16 to 2,048').waitFor();
  await form.getByLabel('Memory, MiB').fill('128');
  await form.getByLabel('Only requests with a token').uncheck();
  await form.getByRole('button', { name: 'Save' }).click();
  await place().getByText('for anyone').waitFor();
  assert.equal((await ask('hello', { name: 'anyone' })).text, '{"message":"Hello anyone!"}');
});

test('figures are of what was asked', async () => {
  await tab('Metrics');
  await place().getByText('Answers by status').waitFor();
  await place().getByText(/^200: \d+$/).waitFor();
  await place().getByRole('img', { name: /requests? in the last hour/ }).waitFor();
});

test('light and dark, wide and narrow: no accessibility violation, no sideways scroll', async () => {
  await page.evaluate(axe);
  for (const colorScheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
    await page.locator(`html[data-mantine-color-scheme="${colorScheme}"]`).waitFor({ state: 'attached' });
    for (const width of [1280, 360]) {
      await page.setViewportSize({ width, height: 860 });
      for (const name of ['Code', 'Run', 'Logs', 'Database', 'Metrics', 'Versions', 'Settings']) {
        await tab(name);
        const where = `${colorScheme}, ${width}, ${name}`;
        assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= document.documentElement.clientWidth), `${where}: the page scrolls sideways`);
        const violations = await page.evaluate(async () => (await globalThis.axe.run({ resultTypes: ['violations'] })).violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ target, failureSummary }) => `${target} ${failureSummary}`).join('; ')}`));
        assert.deepEqual(violations, [], where);
      }
    }
  }
  await page.emulateMedia({ colorScheme: null, reducedMotion: null });
});

test('secrets are set and found, and not shown', async () => {
  await go('functions');
  const secrets = place().getByRole('region', { name: 'Secrets' });
  await secrets.getByLabel('Name of variable 1').fill('SUPABASE_X');
  await secrets.getByRole('button', { name: 'Set', exact: true }).click();
  await secrets.getByText(/names that begin with SUPABASE_/).waitFor();
  await secrets.getByLabel('Name of variable 1').fill('GREETING');
  await secrets.getByLabel('Value of GREETING').fill('a very secret greeting');
  await secrets.getByRole('button', { name: 'Set', exact: true }).click();
  await secrets.locator('li', { hasText: 'GREETING' }).waitFor();
  assert.ok(!(await page.content()).includes('a very secret greeting'));
  await go('functions?name=hello');
  await write('Deno.serve(() => { console.log(Deno.env.get("GREETING")); return new Response(Deno.env.get("GREETING")); });\n');
  await page.keyboard.press('Control+s');
  await place().getByText('version 4', { exact: true }).waitFor();
  assert.equal((await ask('hello', {})).text, 'a very secret greeting');
  await tab('Logs');
  await place().getByText(/request POST/).first().waitFor();
  assert.ok(!(await page.content()).includes('a very secret greeting'));
  await go('functions');
  await secrets.getByRole('button', { name: 'Delete GREETING' }).click();
  await question().getByRole('button', { name: 'Delete', exact: true }).click();
  await secrets.locator('li', { hasText: 'GREETING' }).waitFor({ state: 'detached' });
});

test('a folder as Supabase has it is deployed, and what is wrong with one function stops no other', async () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'functions-'));
  try {
    for (const [name, text] of Object.entries({
      'supabase/config.toml': '[functions.open]\nverify_jwt = false\n', 'supabase/functions/_shared/who.ts': 'export const who = "shared";',
      'supabase/functions/open/index.ts': 'import { who } from "../_shared/who.ts"; Deno.serve(() => new Response(who));', 'supabase/functions/wrong/index.ts': 'const a: = 1;',
    })) {
      mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
      writeFileSync(path.join(folder, name), text);
    }
    await go('functions');
    await place().getByLabel('A folder with functions').setInputFiles(folder);
    const form = page.getByRole('dialog');
    await form.getByText('for anyone').waitFor();
    await form.getByRole('button', { name: 'Deploy 2' }).click();
    await form.getByText('functions/wrong/index.ts:1:10').waitFor();
    await form.getByText(/^version 1, /).waitFor();
    await form.getByRole('button', { name: 'Cancel' }).click();
    await place().getByRole('link', { name: 'open', exact: true }).waitFor();
    assert.equal((await ask('open', {})).text, 'shared');
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('a deleted function answers no more', async () => {
  await go('functions?name=open');
  await place().getByRole('button', { name: 'Delete', exact: true }).click();
  await question().getByRole('button', { name: 'Delete', exact: true }).click();
  await place().getByRole('link', { name: 'open', exact: true }).waitFor({ state: 'detached' });
  assert.deepEqual(await ask('open', {}), { status: 404, text: 'Function not found' });
});

test('the JS API: gateway.functions and gateway.secrets', async () => {
  const made = await page.evaluate(async () => {
    const { startGateway } = await import('/gateway.js');
    const { functions, secrets, stop } = await startGateway({ storage: 'memory' });
    const text = (bytes) => new TextDecoder().decode(bytes);
    const refused = await functions.deploy('api', { 'index.ts': 'import "./none.ts";' }).catch((error) => ({ name: error.name, problems: error.problems }));
    const first = await functions.deploy('api', { 'index.ts': 'Deno.serve(() => new Response("1"));' }, { verify_jwt: false });
    const second = await functions.deploy('api', { 'index.ts': 'import { encodeHex } from "jsr:@std/encoding/hex"; Deno.serve(() => { console.warn("said"); return new Response(encodeHex("2") + Deno.env.get("API_SECRET")); });' });
    await secrets.set({ API_SECRET: 'x' });
    const answer = await (await fetch('/functions/v1/api')).text();
    const lines = [];
    for await (const line of functions.logs('api', { level: 'warn', follow: true })) {
      lines.push(line.message);
      break;
    }
    const found = {
      refused, versions: [first.version, second.version], warnings: second.warnings, verifies: second.verify_jwt, answer, lines,
      names: (await functions.list()).map(({ name }) => name), kept: (await functions.versions('api')).map(({ version, active }) => [version, active]),
      source: text((await functions.source('api', { version: 1 }))['index.ts']), rolled: (await functions.rollback('api', 1)).version,
      requests: (await functions.metrics('api')).requests, updated: (await functions.update('api', { limits: { queue: 1 } })).limits.queue, secrets: (await secrets.list()).map(({ name }) => name),
    };
    await secrets.unset('API_SECRET');
    await functions.delete('api');
    found.left = await functions.get('api').catch((error) => error.status);
    await stop();
    return found;
  });
  assert.deepEqual(made.refused.problems, [{ message: 'There is no file none.ts.', file: 'index.ts', line: 1, column: 8, source: 'import "./none.ts";' }]);
  assert.ok(made.requests >= 1);
  delete made.refused;
  delete made.requests;
  assert.deepEqual(made, {
    versions: [1, 2], warnings: [], verifies: false, answer: '32x', lines: ['said'], names: ['api', 'hello'], kept: [[2, true], [1, false]], source: 'Deno.serve(() => new Response("1"));', rolled: 1, updated: 1, secrets: ['API_SECRET'], left: 404,
  });
});

test('nothing was thrown meanwhile', () => assert.deepEqual(faults, []));
