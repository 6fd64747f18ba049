// The page's users, storage and policies: the journeys a person makes through them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pixel } from '../storage-js/exercise.mjs';
import { openAsPerson } from './person.mjs';

const { browser, gateway, page, faults, go, section, clipboard, question } = await openAsPerson();

const drawer = (name) => page.getByRole('dialog', { name });
const row = (place, text) => section(place).locator('tbody tr', { hasText: text });

/** Answers what the page asks. */
async function confirm(action) {
  const dialog = question();
  await dialog.getByRole('button', { name: action, exact: true }).click();
  await dialog.waitFor({ state: 'detached' });
}


test('a user is added, confirmed, banned, let in again, and deleted', async () => {
  await go('users');
  const users = section('Users');
  await users.getByText(/Nobody has signed up yet/).waitFor();
  await users.getByRole('button', { name: 'Add user' }).click();
  const form = page.getByRole('dialog', { name: 'Add user' });
  await form.getByLabel('Email').fill('ada@example.com');
  await form.getByLabel('Password', { exact: true }).fill('correct horse');
  await form.getByLabel('User metadata').fill('[1]');
  await form.getByText('This is no JSON object').waitFor();
  assert.equal(await form.getByRole('button', { name: 'Add user' }).isDisabled(), true);
  await form.getByLabel('User metadata').fill('{"full_name":"Ada"}');
  await form.getByLabel('Confirmed at once').uncheck();
  await form.getByRole('button', { name: 'Add user' }).click();
  await form.waitFor({ state: 'detached' });
  await row('Users', 'ada@example.com').getByText('Unconfirmed').waitFor();

  // Whoever has the address already is said where it was typed.
  await users.getByRole('button', { name: 'Add user' }).click();
  await form.getByLabel('Email').fill('ada@example.com');
  await form.getByRole('button', { name: 'Add user' }).click();
  await form.getByRole('alert').getByText(/already been registered/).waitFor();
  await form.getByRole('button', { name: 'Cancel' }).click();
  await form.waitFor({ state: 'detached' });

  await row('Users', 'ada@example.com').getByRole('button').click();
  const user = drawer('User');
  await user.getByRole('button', { name: 'Confirm' }).click();
  await user.getByText('Confirmed ada@example.com').waitFor();
  await user.getByLabel('User metadata').getByText('"Ada"').waitFor();
  assert.equal(await signIn('ada@example.com'), 200);
  await user.getByRole('button', { name: 'Ban' }).click();
  await confirm('Ban');
  await user.getByText('Banned until').waitFor();
  assert.equal(await signIn('ada@example.com'), 400);
  await user.getByRole('button', { name: 'Unban' }).click();
  await user.getByText('Unbanned ada@example.com').waitFor();
  assert.equal(await signIn('ada@example.com'), 200);
  await user.getByRole('button', { name: 'Sign out everywhere' }).click();
  await confirm('Sign out');
  await user.getByText('Signed in nowhere.').waitFor();
  await user.getByRole('button', { name: 'Delete' }).click();
  await confirm('Delete');
  await user.waitFor({ state: 'detached' });
  await users.getByText(/Nobody has signed up yet/).waitFor();
  assert.deepEqual(await gateway.sql(`select count(*)::int as count from auth.users`), [{ count: 0 }]);
});

/** The status that a sign-in with the usual password is answered with. */
const signIn = (email) => page.evaluate(async ([key, email]) => {
  const response = await fetch('/auth/v1/token?grant_type=password', { method: 'POST', headers: { apikey: key, 'content-type': 'application/json' }, body: JSON.stringify({ email, password: 'correct horse' }) });
  return response.status;
}, [gateway.keys.publishable, email]);

test('who is invited finds a mail in the outbox, whose link leads in', async () => {
  await go('users');
  await section('Users').getByRole('button', { name: 'Invite' }).click();
  const form = page.getByRole('dialog', { name: 'Invite a user' });
  await form.getByLabel('Email').fill('ben@example.com');
  await form.getByRole('button', { name: 'Send invitation' }).click();
  await form.waitFor({ state: 'detached' });
  await row('Users', 'ben@example.com').getByText('Invited').waitFor();

  await go('outbox');
  const outbox = section('Outbox');
  const message = outbox.getByRole('region', { name: 'Message' });
  await message.getByRole('heading', { name: 'You\'ve been invited' }).waitFor();
  assert.match(await message.locator('dl').textContent(), /Toben@example\.com.*KindInvitation.*Code\d{6}/);
  const mail = message.frameLocator('iframe');
  await mail.getByRole('link', { name: 'Accept invitation' }).waitFor();
  const link = await message.getByRole('link', { name: 'Open the link' }).getAttribute('href');
  assert.equal(await mail.getByRole('link').getAttribute('href'), link, 'the mail has the link that works');
  await message.getByRole('tab', { name: 'Text' }).click();
  await message.getByLabel('Text of the message').getByText(/Follow the link below to accept/).waitFor();

  const landed = await browser.newPage();
  await landed.goto(link);
  await landed.waitForURL((url) => url.pathname === '/');
  await landed.close();
  await go('users');
  await section('Users').getByRole('button', { name: 'Refresh' }).click();
  await row('Users', 'ben@example.com').getByText('Confirmed').waitFor();
});

test('the outbox is searched, and emptied', async () => {
  await go('users');
  await row('Users', 'ben@example.com').getByRole('button').click();
  await drawer('User').getByRole('button', { name: 'Send recovery' }).click();
  await drawer('User').getByText('Sent a recovery mail').waitFor();
  await drawer('User').getByRole('link', { name: 'outbox' }).click();
  const outbox = section('Outbox');
  const items = outbox.getByRole('navigation', { name: 'Messages' }).getByRole('listitem');
  await outbox.getByText('2 messages').waitFor();
  await outbox.getByLabel('Search messages').fill('reset');
  await outbox.getByText('1 message', { exact: true }).waitFor();
  assert.equal(await items.count(), 1);
  await outbox.getByLabel('Search messages').fill('nobody wrote this');
  await outbox.getByText('No message matches.').waitFor();
  await outbox.getByLabel('Search messages').fill('');
  await items.first().getByText('Reset your password').waitFor();
  await outbox.getByRole('button', { name: 'Delete the message' }).click();
  await outbox.getByText('1 message', { exact: true }).waitFor();
  await outbox.getByRole('button', { name: 'Delete all' }).click();
  await confirm('Delete');
  await outbox.getByText(/^No messages\./).waitFor();
});

test('second factors are shown, and removed', async () => {
  const [{ id }] = await gateway.sql(`select id from auth.users where email = 'ben@example.com'`);
  await gateway.sql(`insert into auth.mfa_factors (id, user_id, friendly_name, factor_type, status, created_at, updated_at, secret)
    values (gen_random_uuid(), '${id}', 'my phone', 'totp', 'verified', now(), now(), 'ABCDEFGHIJKLMNOP'), (gen_random_uuid(), '${id}', 'begun', 'totp', 'unverified', now(), now(), 'ABCDEFGHIJKLMNOP')`);
  await go('users');
  await section('Users').getByRole('button', { name: 'Refresh' }).click();
  await row('Users', 'ben@example.com').getByText('MFA').waitFor();
  await row('Users', 'ben@example.com').getByRole('button').click();
  const factors = drawer('User').getByRole('region', { name: 'Multi-factor' });
  await factors.getByText('begun').waitFor();
  await factors.getByRole('listitem').filter({ hasText: 'my phone' }).getByRole('button', { name: 'Remove' }).click();
  await confirm('Remove');
  await drawer('User').getByText('Removed a factor').waitFor();
  assert.deepEqual(await gateway.sql(`select friendly_name from auth.mfa_factors where user_id = '${id}'`), [{ friendly_name: 'begun' }]);
  await page.keyboard.press('Escape');
  await row('Users', 'ben@example.com').getByText('MFA').waitFor({ state: 'detached' });
});

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
