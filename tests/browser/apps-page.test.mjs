// The page's apps and VM: a zip is dropped, runs, says what it does, is opened and goes again; a sample, a terminal.
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { dist } from './harness.mjs';
import { openAsPerson } from './person.mjs';

/** What a VM may take to boot, and an app to start in it, on a busy machine. */
const patience = 120_000;

const { browser, gateway, page, faults, go, section, dialog } = await openAsPerson();

const apps = () => section('Apps');
const sample = (name) => readFileSync(path.join(dist, 'samples', readdirSync(path.join(dist, 'samples')).find((file) => file.startsWith(`${name}-`))));

/** Drops files on the place, as a person drags them in. */
async function drop(files) {
  const transfer = await page.evaluateHandle((files) => {
    const transfer = new DataTransfer();
    for (const { name, base64 } of files) transfer.items.add(new File([Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0))], name));
    return transfer;
  }, files.map(({ name, bytes }) => ({ name, base64: Buffer.from(bytes).toString('base64') })));
  const frame = apps().locator('.drop');
  for (const event of ['dragenter', 'dragover']) await frame.dispatchEvent(event, { dataTransfer: transfer });
  assert.equal(await frame.getAttribute('data-over'), 'true');
  await frame.dispatchEvent('drop', { dataTransfer: transfer });
}

/** Waits for a state of the app that is open. */
const state = (word) => apps().locator('.bar .tone', { hasText: word }).waitFor({ timeout: patience });

/** What the app answers to the page's origin. */
const ask = (name, rest, init) => page.evaluate(async ([address, init]) => {
  const response = await fetch(address, init);
  return { status: response.status, text: await response.text() };
}, [`/app/${name}/${rest}`, init]);

test('before anything is deployed, the place says what to do, and nothing of the VM is fetched', async () => {
  await go('apps');
  await apps().getByText('No apps yet').waitFor();
  await go('vm');
  await section('VM').locator('.bar .tone', { hasText: 'Not loaded' }).waitFor();
  await section('VM').getByText('The VM does not run.').waitFor();
  assert.deepEqual(gateway.server.requests.filter((file) => /^\/(vm|samples)\//.test(file)), []);
});

test('what cannot be deployed is refused in words, and nothing is sent', async () => {
  await go('apps');
  await drop([{ name: 'broken.zip', bytes: Buffer.from('nothing of the kind') }]);
  await apps().getByRole('alert').getByText(/no zip archive/).waitFor();
  await drop([{ name: 'site.zip', bytes: sample('hello-site') }]);
  const form = dialog('Deploy an app');
  await form.getByLabel('Name').fill('Not A Name');
  await form.getByRole('button', { name: 'Deploy', exact: true }).click();
  await form.getByText(/Use a–z, 0–9 and -/).waitFor();
  await form.getByText('Environment, port, limits').click();
  await form.getByLabel('Port').fill('80');
  await form.getByText(/whole number from 1024/).waitFor();
  await form.getByRole('button', { name: 'Cancel' }).click();
  await form.waitFor({ state: 'detached' });
  await apps().getByText('No apps yet').waitFor();
});

test('a zip dropped → guessed → running → its log → opened → stopped → deleted', { timeout: 4 * patience }, async () => {
  await go('apps');
  await drop([{ name: 'My Site.zip', bytes: sample('hello-site') }]);
  const form = dialog('Deploy an app');
  await form.getByLabel('Name').waitFor();
  assert.equal(await form.getByLabel('Name').inputValue(), 'my-site');
  assert.equal(await form.getByLabel('Runtime').inputValue(), 'static');
  await form.getByRole('button', { name: 'Deploy', exact: true }).click();
  await form.waitFor({ state: 'detached' });
  await apps().getByRole('heading', { name: 'my-site', level: 1 }).waitFor();
  // Nobody has installed its runtime yet.
  await apps().getByRole('button', { name: 'Install nginx, and start' }).click({ timeout: patience });
  await state('Running');

  const [opened] = await Promise.all([browser.waitForEvent('page'), apps().getByRole('link', { name: 'Open', exact: true }).click()]);
  await opened.getByRole('heading', { name: 'Served by nginx, in this tab' }).waitFor({ timeout: patience });
  assert.equal(new URL(opened.url()).pathname, '/app/my-site/');
  await opened.locator('#project', { hasText: 'is well' }).waitFor();
  await opened.getByRole('link', { name: 'Notes' }).click();
  await opened.getByRole('heading', { name: 'Notes' }).waitFor();
  await opened.close();
  await apps().getByRole('log', { name: 'Log of my-site' }).getByText(/GET .*notes/).first().waitFor();

  await go('apps');
  const row = apps().locator('tbody tr', { hasText: 'my-site' });
  await row.getByRole('button', { name: 'Stop my-site' }).click();
  await row.getByText('Stopped').waitFor();
  await row.getByRole('button', { name: 'More on my-site' }).click();
  await page.getByRole('menuitem', { name: 'Delete' }).click();
  await dialog('Delete my-site?').getByRole('button', { name: 'Delete', exact: true }).click();
  await apps().getByText('No apps yet').waitFor();
  assert.equal((await ask('my-site', '')).status, 404);
});

test('a sample by one click: it reads what row-level security lets its visitor see, is searched, crashes and is back', { timeout: 4 * patience }, async () => {
  await go('apps');
  await apps().getByRole('button', { name: 'Deploy: Node and supabase-js' }).click();
  await apps().getByRole('heading', { name: 'tasks-node', level: 1 }).waitFor({ timeout: patience });
  await state('Running');
  const { status, text } = await ask('tasks-node', 'api/tasks');
  assert.equal(status, 200, text);
  assert.deepEqual(JSON.parse(text).map(({ title }) => title), ['Read the source of this app', 'Sign in, and add a task']);
  assert.equal((await gateway.sql('select count(*)::int as all from public.sample_tasks'))[0].all, 3);

  const log = apps().getByRole('log', { name: 'Log of tasks-node' });
  await log.getByText('GET /api/tasks').first().waitFor();
  await apps().getByLabel('Search in the log').fill('listening');
  await log.locator('mark', { hasText: 'listening' }).first().waitFor();
  assert.equal(await log.getByText('GET /api/tasks').count(), 0);
  await apps().getByLabel('Search in the log').fill('');

  const before = JSON.parse((await ask('tasks-node', 'api/health')).text).pid;
  assert.equal((await ask('tasks-node', 'api/crash', { method: 'POST' })).status, 202);
  await log.getByText('asked to crash').waitFor();
  // The next request finds it again.
  const deadline = Date.now() + patience;
  for (;;) {
    const answer = await ask('tasks-node', 'api/health');
    if (answer.status === 200 && JSON.parse(answer.text).pid !== before) break;
    assert.ok(Date.now() < deadline, `${answer.status} ${answer.text}`);
    await page.waitForTimeout(300);
  }
});

test('settings: a secret is masked, and stays what it was', { timeout: 2 * patience }, async () => {
  await go('apps?name=tasks-node&tab=settings');
  const form = apps().getByRole('form', { name: 'Settings of tasks-node' });
  await form.getByRole('button', { name: 'Add a variable' }).click();
  await form.getByLabel('Name of variable 1').fill('PAYMENT_KEY');
  await form.getByLabel('Value of PAYMENT_KEY').fill('sk-1234');
  await form.getByRole('button', { name: 'Save' }).click();
  await form.getByText(/^Kept/).waitFor({ timeout: patience });
  assert.equal(await form.getByLabel('Value of PAYMENT_KEY').inputValue(), '********');
  await form.getByLabel('Memory limit, MiB').fill('200');
  await form.getByRole('button', { name: 'Save' }).click();
  await form.getByText(/^Kept/).waitFor({ timeout: patience });
  const { env, limits } = (await gateway.sql(`select env, limits from gateway.apps where name = 'tasks-node'`))[0];
  assert.equal(env.PAYMENT_KEY, 'sk-1234');
  assert.equal(limits.memory_mib, 200);
});

test('a runtime that apps need is not removed, and says which', async () => {
  await go('vm');
  await section('VM').getByRole('tab', { name: 'Runtimes' }).click();
  await section('VM').getByRole('button', { name: 'Remove Node.js' }).click();
  const question = dialog('Remove Node.js?');
  await question.getByRole('button', { name: 'Remove', exact: true }).click();
  await question.getByRole('alert').getByText(/tasks-node/).waitFor();
  await question.getByRole('button', { name: 'Cancel' }).click();
});

test('a terminal: what is typed is done, its size is the window’s, Shift+Tab leaves it', { timeout: 2 * patience }, async () => {
  await go('vm');
  const vm = section('VM');
  await vm.getByRole('tab', { name: 'Terminal' }).click();
  await vm.locator('.terminal-line', { hasText: 'Connected' }).waitFor({ timeout: patience });
  await vm.locator('.xterm').click();
  await page.keyboard.type('echo "sum: $((40 + 2))"; stty size\n');
  const screen = vm.locator('.xterm-rows');
  await screen.getByText('sum: 42').waitFor();
  const sizes = () => page.evaluate(() => new Set([...document.querySelectorAll('.xterm-rows > div')].map((row) => row.textContent.trim()).filter((text) => /^\d+ \d+$/.test(text))).size);
  // `stty` is a program of its own, which takes its time: a size that came before it ran would be all that is ever shown.
  while ((await sizes()) < 1) await page.waitForTimeout(50);
  await page.setViewportSize({ width: 900, height: 700 });
  // The new size may be on its way still: it is asked for until it has come.
  const deadline = Date.now() + patience;
  while ((await sizes()) < 2) {
    assert.ok(Date.now() < deadline, await screen.textContent());
    await page.keyboard.type('stty size\n');
    await page.waitForTimeout(1_000);
  }
  await page.keyboard.press('Shift+Tab');
  assert.equal(await page.evaluate(() => document.activeElement.closest('.xterm')), null);
  await vm.locator('.xterm').click();
  await page.keyboard.type('exit\n');
  await vm.getByText('The shell has ended').waitFor();
  await vm.locator('.terminal-off').getByRole('button', { name: 'Reconnect' }).click();
  await vm.locator('.terminal-line', { hasText: 'Connected' }).waitFor();
  // Into the app's own container.
  await vm.getByLabel('Where').selectOption('tasks-node');
  await vm.locator('.terminal-line', { hasText: 'Connected' }).waitFor();
  await vm.locator('.xterm').click();
  await page.keyboard.type('ls /app\n');
  await screen.getByText('server.js').waitFor();
});

test('the allow-list: rules are read as they are meant, kept, and taken out', async () => {
  await go('vm');
  const vm = section('VM');
  await vm.getByRole('tab', { name: 'Settings' }).click();
  const field = vm.getByLabel('Allow a host');
  await field.fill('ex ample');
  await field.press('Enter');
  await vm.getByText('is no host name').waitFor();
  await field.fill('https://API.example.com/v1');
  await field.press('Enter');
  await vm.getByLabel('Allowed').getByText('https://api.example.com').waitFor();
  assert.deepEqual(await page.evaluate(async (apikey) => (await (await fetch('/gateway/vm/settings', { headers: { apikey } })).json()).outbound, gateway.keys.secret), { allow: ['https://api.example.com'] });
  await vm.getByRole('button', { name: 'Remove https://api.example.com' }).click();
  await vm.getByText('Nothing may be called').waitFor();
});

test('nothing was thrown on the page', () => assert.deepEqual(faults, []));
