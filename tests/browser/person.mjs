// The page as a person has it: a browser of its own for the tests of a file, a window of the usual size, and nothing in
// front of the page when a test begins.
import { after, beforeEach } from 'node:test';
import { launch, openGateway } from './harness.mjs';

/** `patience` is the milliseconds that something may take to be seen. `faults` are what the page threw. */
export async function openAsPerson({ patience = 20_000 } = {}) {
  const browser = await launch();
  let gateway;
  after(async () => {
    await gateway?.close();
    await browser.close();
  });
  await browser.grantPermissions(['clipboard-read', 'clipboard-write']);
  gateway = await openGateway(browser);
  const { page } = gateway;
  const faults = [];
  page.setDefaultTimeout(patience);
  page.on('pageerror', (error) => faults.push(error.message));
  beforeEach(async () => {
    await page.setViewportSize({ width: 1280, height: 860 });
    await page.keyboard.press('Escape');
  });
  return {
    browser, gateway, page, faults,
    go: (place) => page.evaluate((place) => { location.hash = `#/${place}`; }, place),
    section: (name) => page.locator(`section.place[aria-label="${name}"]`),
    dialog: (name) => page.getByRole('dialog', { name }),
    /** What the page asks before it does something. */
    question: () => page.locator('[role=dialog]', { has: page.getByRole('button', { name: 'Cancel', exact: true }) }),
    clipboard: () => page.evaluate(() => navigator.clipboard.readText()),
  };
}
