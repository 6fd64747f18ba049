// The page: what a person sees and does, by mouse and by keyboard alone, in light and dark, wide and narrow.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { after, before, beforeEach, test } from 'node:test';
import { launch, openGateway } from './harness.mjs';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const [ada, ben] = ['00000000-0000-4000-8000-000000000001', '00000000-0000-4000-8000-000000000002'];
const places = ['', 'sql', 'requests', 'users', 'outbox', 'storage', 'policies', 'functions', 'apps', 'vm', 'sample', 'backup'];
/** The requests that the page offers on its sample data, and the status of each answer. */
const examples = {
  'Filters and order': 200,
  'A page with the total': 206,
  'To-many and many-to-many': 200,
  'Only those with': 200,
  'As CSV': 200,
  Search: 200,
  'Place an order as Ada': 200,
  'The same without a user': 401,
  'Orders as anon': 401,
  'Ada’s orders': 206,
  'Ben’s orders': 206,
  'Everybody’s orders': 206,
  'A review in Ada’s name, by Ben': 403,
  'Insert, or change': 201,
  Change: 200,
  Delete: 200,
};

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
beforeEach(() => page.setViewportSize({ width: 1280, height: 860 }));

const go = (place) => page.evaluate((place) => { location.hash = `#/${place}`; }, place);
const clipboard = () => page.evaluate(() => navigator.clipboard.readText());
const section = (name) => page.locator(`section.place[aria-label="${name}"]`);

/** Types SQL into the editor and runs it by the keyboard; resolves when its results are drawn. */
async function runSql(text) {
  await go('sql');
  const sql = section('SQL editor');
  await sql.locator('.cm-content').click();
  await page.keyboard.press('ControlOrMeta+a');
  await page.keyboard.insertText(text);
  const answered = page.waitForResponse((response) => response.url().endsWith('/pg/query') && response.request().postDataJSON().query === text);
  await page.keyboard.press('ControlOrMeta+Enter');
  await answered;
  await sql.locator('.results-summary').waitFor();
  return sql;
}

/** Fills the console in and sends it; resolves to the status line and the body. */
async function request({ method = 'GET', path, role = 'anon', user, headers = '', body }) {
  await go('requests');
  const place = section('Requests');
  await place.getByLabel('Method').selectOption(method);
  await place.getByLabel('Path and query').fill(path);
  await place.locator('.mantine-SegmentedControl-label', { hasText: new RegExp(`^${role === 'user' ? 'a user' : role}$`) }).click();
  if (user) await place.getByRole('combobox', { name: 'User id' }).fill(user);
  await page.keyboard.press('Escape');
  await place.getByLabel('Headers', { exact: true }).first().fill(headers);
  if (body !== undefined) await place.getByLabel('Body', { exact: true }).first().fill(body);
  const answered = page.waitForResponse((response) => new URL(response.url()).pathname === new URL(path, gateway.url).pathname && response.request().method() === method);
  await place.getByLabel('Path and query').press('ControlOrMeta+Enter');
  const status = (await answered).status();
  const answer = place.getByRole('region', { name: 'Answer', exact: true });
  await answer.locator('.status').filter({ hasText: String(status) }).waitFor();
  const text = answer.locator('.reply-body');
  return { status, body: (await text.count()) ? await text.textContent() : '', place };
}

test('the page boots and says how the gateway is', async () => {
  await go('');
  await page.getByRole('link', { name: /Gateway: Ready/ }).waitFor();
  const facts = section('Project').locator('.facts');
  for (const [name, value] of [['Service worker', /Active/], ['Version', new RegExp(gateway.status.version)], ['Database runs in', /This tab/], ['Storage', /Memory/], ['Database size', /MB/], ['Postgres', /^Postgres1\d/]]) {
    assert.match(await facts.locator('.fact', { has: page.locator('dt', { hasText: name }) }).textContent(), value, name);
  }
});

test('keys are masked until shown, and copied whole', async () => {
  await go('');
  const home = section('Project');
  assert.ok(!(await home.textContent()).includes(gateway.keys.secret), 'the secret key is drawn before it is asked for');
  assert.ok(!(await home.textContent()).includes(gateway.keys.jwt_secret), 'the JWT secret is drawn before it is asked for');
  for (const [what, value] of [['the project URL', gateway.url], ['the publishable key', gateway.keys.publishable], ['the secret key', gateway.keys.secret], ['the anon JWT', gateway.keys.anon], ['the service_role JWT', gateway.keys.service_role], ['the JWT secret', gateway.keys.jwt_secret]]) {
    await home.getByRole('button', { name: `Copy ${what}`, exact: true }).click();
    assert.equal(await clipboard(), value, what);
  }
  await home.getByRole('button', { name: 'Show the secret key' }).click();
  assert.ok((await home.textContent()).includes(gateway.keys.secret));
  await home.getByRole('button', { name: 'Hide the secret key' }).click();
  assert.ok(!(await home.textContent()).includes(gateway.keys.secret));
  await home.getByRole('button', { name: 'Copy the supabase-js snippet' }).click();
  assert.match(await clipboard(), new RegExp(`createClient\\(\\s*'${gateway.url}',\\s*'${gateway.keys.publishable}'`));
});

test('SQL: a result for each statement, types, NULL, tags, notices', async () => {
  const sql = await runSql(`create temp table t as select n, nullif(n, 2) as maybe from generate_series(1, 3) n;\nselect * from t order by n;\ndo $$ begin raise notice 'heads up'; end $$;\nselect 'ü' as "naïve";`);
  const statements = sql.locator('.statement');
  assert.equal(await statements.count(), 4);
  assert.match(await statements.nth(0).textContent(), /SELECT 3/);
  assert.match(await statements.nth(1).locator('thead').textContent(), /n(int4|integer)maybe(int4|integer)/);
  assert.match(await statements.nth(1).locator('tbody tr').nth(1).textContent(), /NULL/);
  assert.match(await statements.nth(3).textContent(), /naïvetext1ü/);
  assert.match(await sql.locator('.notices').textContent(), /NOTICE heads up/);
});

test('SQL: thousands of rows are drawn only where one looks', async () => {
  const sql = await runSql('select n, md5(n::text) from generate_series(1, 20000) n');
  const grid = sql.locator('.grid');
  assert.equal(await grid.locator('table').getAttribute('aria-rowcount'), '20001');
  assert.ok((await grid.locator('tbody tr').count()) < 100);
  await grid.evaluate((element) => { element.scrollTop = element.scrollHeight; });
  await grid.getByText('20000', { exact: true }).first().waitFor();
});

test('SQL: an error has its place, code and hint; the selection alone can be run', async () => {
  const sql = await runSql('select 1;\nselect relnam from pg_class');
  const fault = sql.getByRole('alert');
  assert.match(await fault.textContent(), /column "relnam" does not exist/);
  assert.match(await fault.textContent(), /42703/);
  assert.match(await fault.textContent(), /Perhaps you meant/);
  assert.equal(await sql.locator('.cm-fault').textContent(), 'relnam');
  await fault.getByRole('button', { name: 'line 2, column 8' }).click();
  assert.ok(await sql.locator('.cm-content').evaluate((element) => element === document.activeElement));
  // The cursor is on the second line: select the first and run that.
  await page.keyboard.press('ControlOrMeta+Home');
  await page.keyboard.press('Shift+End');
  await page.keyboard.press('ControlOrMeta+Enter');
  await sql.locator('.results-summary', { hasText: '1 statement' }).waitFor();
  assert.equal(await sql.getByRole('alert').count(), 0);
});

test('SQL: what was run comes back from the history', async () => {
  await runSql('select 41 + 1 as answer');
  const sql = await runSql('select 2');
  await sql.getByRole('button', { name: 'History' }).click();
  await page.getByRole('menuitem', { name: /select 41 \+ 1 as answer/ }).click();
  assert.match(await sql.locator('.cm-content').textContent(), /41 \+ 1/);
});

test('sample data loads with one click, and again without harm', async () => {
  await go('sample');
  const sample = section('Sample data');
  await sample.getByRole('button', { name: 'Load sample data' }).click();
  await sample.getByText('Loaded', { exact: true }).waitFor({ timeout: 60_000 });
  const counts = () => gateway.sql('select (select count(*)::int from orders) as orders, (select count(*)::int from order_items) as items, (select count(*)::int from products) as products, (select count(*)::int from reviews) as reviews');
  const first = await counts();
  assert.equal(first[0].orders, 2000);
  assert.ok(first[0].items > 4000 && first[0].reviews > 1000, JSON.stringify(first));
  await sample.getByRole('button', { name: 'Load again' }).click();
  await sample.getByText('Loaded', { exact: true }).waitFor({ timeout: 60_000 });
  assert.deepEqual(await counts(), first);
});

test('the console: row-level security as anon, as users, as service_role', async () => {
  const path = '/rest/v1/orders?select=customer_id&limit=1000';
  const anon = await request({ path });
  assert.equal(anon.status, 401);
  assert.equal(JSON.parse(anon.body).code, '42501');
  for (const user of [ada, ben]) {
    const own = JSON.parse((await request({ path, role: 'user', user })).body);
    assert.ok(own.length > 100);
    assert.deepEqual([...new Set(own.map(({ customer_id }) => customer_id))], [user]);
  }
  const all = JSON.parse((await request({ path, role: 'service_role' })).body);
  assert.ok(new Set(all.map(({ customer_id }) => customer_id)).size > 50);
});

test('the console: embeds, count, headers, a body; the same as code', async () => {
  const read = await request({ path: '/rest/v1/products?select=name,categories(name),reviews(stars)&id=in.(3,8)&order=id', headers: 'Prefer: count=exact' });
  assert.equal(read.status, 200);
  assert.equal(JSON.parse(read.body).length, 2);
  await read.place.getByRole('tab', { name: /^Headers/ }).click();
  assert.match(await read.place.locator('.reply-headers').textContent(), /content-range0-1\/2/);
  await read.place.getByRole('button', { name: 'Copy the supabase-js code' }).click();
  assert.match(await clipboard(), /supabase\.from\('products'\)\n {2}\.select\('name,categories\(name\),reviews\(stars\)', \{ count: 'exact' \}\)\n {2}\.in\('id', \[3, 8\]\)\n {2}\.order\('id'\)$/);
  const call = await request({ method: 'POST', path: '/rest/v1/rpc/place_order', role: 'user', user: ada, body: '{"product_id": 42}' });
  assert.equal(call.status, 200, call.body);
  assert.equal(JSON.parse(call.body).customer_id, ada);
});

test('every offered example is answered as it says', async () => {
  await go('sample');
  const sample = section('Sample data');
  assert.deepEqual((await sample.locator('.example-title').allTextContents()).toSorted(), Object.keys(examples).toSorted());
  for (const [title, expected] of Object.entries(examples)) {
    await go('sample');
    await sample.locator('.example', { has: page.getByText(title, { exact: true }) }).click();
    const place = section('Requests');
    const answered = page.waitForResponse((response) => new URL(response.url()).pathname.startsWith('/rest/v1/'));
    await place.getByRole('button', { name: 'Send', exact: true }).click();
    const response = await answered;
    assert.equal(response.status(), expected, `${title}: ${await response.text().catch(() => '')}`);
    await place.locator('.status').filter({ hasText: String(expected) }).waitFor();
  }
});

test('by keyboard alone: skip link, places, editor and back', async () => {
  await go('');
  await page.evaluate(() => { document.activeElement?.blur?.(); });
  await page.locator('body').press('Tab');
  const focused = () => page.evaluate(() => document.activeElement.textContent || document.activeElement.getAttribute('aria-label'));
  assert.equal(await focused(), 'Skip to content');
  await page.keyboard.press('Enter');
  assert.ok(await page.evaluate(() => document.activeElement.tagName === 'MAIN'));
  // Backwards from the content come the places, the last first.
  await page.keyboard.press('Shift+Tab');
  assert.equal(await focused(), 'Backup');
  for (const _ of places.slice(2)) await page.keyboard.press('Shift+Tab');
  assert.equal(await focused(), 'SQL editor');
  await page.keyboard.press('Enter');
  assert.equal(await page.evaluate(() => location.hash), '#/sql');
  // Tab leaves the editor: it is no trap.
  await section('SQL editor').locator('.cm-content').focus();
  await page.keyboard.press('Tab');
  assert.ok(!(await page.evaluate(() => document.activeElement.classList.contains('cm-content'))));
});

test('light and dark, wide and narrow: no accessibility violation, no sideways scroll', async () => {
  await page.emulateMedia({ reducedMotion: 'reduce' });
  await runSql('select 1 as one, null as none; select relnam from pg_class');
  await page.evaluate(axe);
  for (const colorScheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
    await page.locator(`html[data-mantine-color-scheme="${colorScheme}"]`).waitFor({ state: 'attached' });
    for (const width of [1280, 360]) {
      await page.setViewportSize({ width, height: 860 });
      for (const place of places) {
        await go(place);
        await page.locator('section.place:not([hidden]) h1').waitFor();
        const where = `${colorScheme}, ${width}, #/${place}`;
        assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= document.documentElement.clientWidth), `${where}: the page scrolls sideways`);
        const violations = await page.evaluate(async () => (await globalThis.axe.run({ resultTypes: ['violations'] })).violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ target, failureSummary }) => `${target} ${failureSummary}`).join('; ')}`));
        assert.deepEqual(violations, [], where);
      }
    }
  }
});

test('a second project has a database and keys of its own', async () => {
  await go('');
  await page.getByRole('button', { name: /Project default: switch/ }).click();
  await page.getByRole('menuitem', { name: 'New project' }).click();
  const name = page.getByRole('dialog').getByLabel('Name');
  await name.fill('No!');
  await name.press('Enter');
  await page.getByText('beginning with a letter or digit').waitFor();
  await name.fill('second');
  await name.press('Enter');
  await page.waitForURL(/project=second/);
  await page.getByRole('link', { name: /Gateway: Ready/ }).waitFor({ timeout: 60_000 });
  await page.getByRole('button', { name: 'Copy the secret key', exact: true }).click();
  assert.notEqual(await clipboard(), gateway.keys.secret);
  const sql = await runSql(`select to_regclass('public.products') is null as empty`);
  assert.match(await sql.locator('tbody').textContent(), /1(t|true)$/);
});

test('nothing was thrown on the page', () => assert.deepEqual(faults, []));
