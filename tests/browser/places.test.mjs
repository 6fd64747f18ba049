// The page's users, storage and policies: the journeys a person makes through them.
import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { pixel } from '../storage-js/exercise.mjs';
import { launch, openGateway } from './harness.mjs';

let browser, gateway, page;
const faults = [];
before(async () => {
  browser = await launch();
  await browser.grantPermissions(['clipboard-read', 'clipboard-write']);
  gateway = await openGateway(browser);
  page = gateway.page;
  page.setDefaultTimeout(20_000);
  page.on('pageerror', (error) => faults.push(error.message));
});
after(async () => { await gateway?.close(); await browser?.close(); });
beforeEach(async () => {
  await page.setViewportSize({ width: 1280, height: 860 });
  await page.keyboard.press('Escape');
});

const go = (place) => page.evaluate((place) => { location.hash = `#/${place}`; }, place);
const clipboard = () => page.evaluate(() => navigator.clipboard.readText());
const section = (name) => page.locator(`section.place[aria-label="${name}"]`);
const drawer = (name) => page.getByRole('dialog', { name });
const row = (place, text) => section(place).locator('tbody tr', { hasText: text });

/** The question that the page asks. */
const question = () => page.locator('[role=dialog]', { has: page.getByRole('button', { name: 'Cancel', exact: true }) });

/** Answers it. */
async function confirm(action) {
  const dialog = question();
  await dialog.getByRole('button', { name: action, exact: true }).click();
  await dialog.waitFor({ state: 'detached' });
}



test('users come in pages', async () => {
  await gateway.sql(`insert into auth.users (id, instance_id, aud, role, email, raw_app_meta_data, raw_user_meta_data, created_at, updated_at, confirmation_token, recovery_token, email_change, email_change_token_new, email_change_token_current)
    select gen_random_uuid(), '00000000-0000-0000-0000-000000000000', 'authenticated', 'authenticated', 'many-' || lpad(n::text, 3, '0') || '@example.com', '{}', '{}', now() - n * interval '1 minute', now(), '', '', '', '', '' from generate_series(1, 60) n`);
  await go('users');
  const users = section('Users');
  await users.getByRole('button', { name: 'Refresh' }).click();
  await users.getByRole('button', { name: 'Page 2' }).click();
  await row('Users', 'many-060@example.com').waitFor();
  await gateway.sql(`delete from auth.users where email like 'many-%'`);
  await users.getByRole('button', { name: 'Page 1' }).click();
});


/** Drops files on the open folder, as a person drags them in. */
async function dropFiles(files) {
  const transfer = await page.evaluateHandle((files) => {
    const transfer = new DataTransfer();
    for (const { name, type, bytes } of files) transfer.items.add(new File([Uint8Array.from(bytes)], name, { type }));
    return transfer;
  }, files);
  const frame = section('Storage').locator('.drop');
  for (const event of ['dragenter', 'dragover']) await frame.dispatchEvent(event, { dataTransfer: transfer });
  assert.equal(await frame.getAttribute('data-over'), 'true');
  await frame.dispatchEvent('drop', { dataTransfer: transfer });
}

const openFile = async (name) => {
  await row('Storage', name).locator('button.row-open').click();
  const file = drawer('File');
  await file.getByRole('heading', { name }).waitFor();
  return file;
};

test('a bucket is made; its limits hold, and are changed', async () => {
  await go('storage');
  const storage = section('Storage');
  await storage.getByRole('button', { name: 'New bucket' }).click();
  const form = page.getByRole('dialog', { name: 'New bucket' });
  await form.getByLabel('Name').fill('pictures');
  await form.getByLabel('Public').check();
  await form.getByLabel('Largest file').fill('a lot');
  await form.getByText('Write a size').waitFor();
  await form.getByLabel('Largest file').fill('1 KB');
  await form.getByLabel('Name').press('Enter');
  await form.waitFor({ state: 'detached' });
  await storage.getByRole('region', { name: 'Bucket pictures' }).getByText(/Files up to 1.0 KB/).waitFor();
  await dropFiles([{ name: 'large.txt', type: 'text/plain', bytes: Array(2000).fill(97) }]);
  const uploads = storage.getByRole('region', { name: 'Uploads' });
  await uploads.getByText('The object exceeded the maximum allowed size').waitFor();
  await storage.getByRole('button', { name: 'Actions on bucket pictures' }).click();
  await page.getByRole('menuitem', { name: 'Edit' }).click();
  const edit = page.getByRole('dialog', { name: 'Bucket pictures' });
  await edit.getByLabel('Largest file').fill('');
  await edit.getByRole('button', { name: 'Save' }).click();
  await edit.waitFor({ state: 'detached' });
  await uploads.getByRole('button', { name: 'Try again' }).click();
  await uploads.getByText('Uploaded').waitFor();
  await row('Storage', 'large.txt').waitFor();
  await uploads.getByRole('button', { name: 'Clear' }).click();
});

test('files dropped → previewed → signed → moved → deleted', async () => {
  await go('storage');
  const storage = section('Storage');
  await storage.getByRole('button', { name: 'New folder' }).click();
  const naming = page.getByRole('dialog', { name: 'New folder' });
  await naming.getByLabel('Name').fill('holidays');
  await naming.getByLabel('Name').press('Enter');
  await storage.getByRole('navigation', { name: 'Folder' }).getByText('holidays').waitFor();
  await dropFiles([{ name: 'pixel.png', type: 'image/png', bytes: [...pixel] }, { name: 'notes.json', type: 'application/json', bytes: [...Buffer.from('{"sun":true}')] }]);
  await row('Storage', 'pixel.png').waitFor();
  await row('Storage', 'notes.json').waitFor();

  let file = await openFile('pixel.png');
  const image = file.getByRole('img', { name: 'Preview of pixel.png' });
  await image.waitFor();
  assert.equal(await image.evaluate(async (element) => { await element.decode(); return element.naturalWidth; }), 1);
  await file.getByRole('button', { name: 'Sign a URL' }).click();
  await file.getByRole('button', { name: 'Copy the signed URL' }).click();
  const signed = await clipboard();
  assert.deepEqual(await page.evaluate(async (url) => { const answer = await fetch(url); return [answer.status, answer.headers.get('content-type'), (await answer.arrayBuffer()).byteLength]; }, signed), [200, 'image/png', pixel.length]);
  await file.getByRole('button', { name: 'Copy public URL' }).click();
  assert.equal(await clipboard(), `${gateway.url}/storage/v1/object/public/pictures/holidays/pixel.png`);
  await page.keyboard.press('Escape');

  file = await openFile('notes.json');
  await file.getByLabel('the text').getByText('"sun"').waitFor();
  await file.getByLabel('Key').fill('holidays/2026/diary.json');
  await file.getByRole('button', { name: 'Move' }).click();
  await file.waitFor({ state: 'detached' });
  await row('Storage', '2026').locator('button.row-open').click();
  await row('Storage', 'diary.json').waitFor();
  await storage.getByRole('navigation', { name: 'Folder' }).getByRole('button', { name: 'holidays' }).click();

  file = await openFile('pixel.png');
  await file.getByRole('button', { name: 'Delete' }).click();
  await confirm('Delete');
  await row('Storage', 'pixel.png').waitFor({ state: 'detached' });
  // The folder goes with what is in it.
  await storage.getByRole('navigation', { name: 'Folder' }).getByRole('button', { name: 'pictures' }).click();
  await storage.getByRole('checkbox', { name: 'Choose holidays' }).check();
  await storage.getByRole('button', { name: 'Delete 1' }).click();
  await confirm('Delete');
  await row('Storage', 'holidays').waitFor({ state: 'detached' });
  assert.deepEqual(await gateway.sql(`select name from storage.objects where bucket_id = 'pictures' and name like 'holidays/%'`), []);
});


test('a bucket is emptied, then deleted', async () => {
  await go('storage');
  const storage = section('Storage');
  const act = async (what) => {
    await storage.getByRole('button', { name: 'Actions on bucket pictures' }).click();
    await page.getByRole('menuitem', { name: what }).click();
  };
  await act('Delete');
  await question().getByRole('button', { name: 'Delete', exact: true }).click();
  await question().getByRole('alert').getByText(/not empty/).waitFor();
  await page.keyboard.press('Escape');
  await act('Empty');
  await confirm('Empty');
  await storage.getByText(/Nothing here/).waitFor();
  await act('Delete');
  await confirm('Delete');
  await storage.getByText(/No buckets yet/).waitFor();
});

test('policies: what is on, what is open, and a draft for the editor', async () => {
  await gateway.sql(`create table notes (id int primary key, owner uuid); alter table notes enable row level security;
    create policy "own notes" on notes for select to authenticated using (owner = auth.uid());
    create table board (id int primary key); grant select on board to anon`);
  await go('policies');
  const policies = section('Policies');
  const notes = policies.getByRole('region', { name: 'notes', exact: true });
  assert.match(await notes.textContent(), /RLS enabled.*own notes.*SELECT.*authenticated.*using \(owner = auth\.uid\(\)\)/);
  assert.match(await policies.getByRole('region', { name: 'board', exact: true }).textContent(), /RLS disabled.*Every row is open to anon/);
  for (const [schema, table] of [['auth', 'users'], ['storage', 'objects']]) {
    await policies.getByLabel('Schema', { exact: true }).selectOption(schema);
    await policies.getByRole('region', { name: table, exact: true }).getByText('RLS enabled').waitFor();
  }
  await policies.getByLabel('Schema', { exact: true }).selectOption('public');
  await notes.getByRole('button', { name: 'New policy on notes' }).click();
  await section('SQL editor').locator('.cm-content', { hasText: 'on "public"."notes"' }).waitFor();
});


test('nothing was thrown on the page', () => assert.deepEqual(faults, []));
