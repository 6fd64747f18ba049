// Pictures as Chromium reads them: what Storage renders is decoded and looked at.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { launch, openGateway, stopServiceWorkers } from './harness.mjs';

let browser, gateway;
before(async () => {
  browser = await launch();
  gateway = await openGateway(browser);
  await gateway.page.evaluate(async (key) => {
    const headers = { apikey: key };
    await fetch('/storage/v1/bucket', { method: 'POST', headers: { ...headers, 'content-type': 'application/json' }, body: JSON.stringify({ name: 'b', public: true }) });
    /** Left red, right blue; with `glass` the lower half is not there. */
    const draw = async (name, width, height, glass) => {
      const canvas = new OffscreenCanvas(width, height);
      const context = canvas.getContext('2d');
      context.fillStyle = '#d01010';
      context.fillRect(0, 0, width / 2, glass ? height / 2 : height);
      context.fillStyle = '#1010d0';
      context.fillRect(width / 2, 0, width / 2, glass ? height / 2 : height);
      const response = await fetch(`/storage/v1/object/b/${name}`, { method: 'POST', headers: { ...headers, 'content-type': 'image/png' }, body: await canvas.convertToBlob() });
      if (!response.ok) throw new Error(await response.text());
    };
    await draw('plain.png', 400, 200, false);
    await draw('glass.png', 400, 200, true);
    /** What a client gets: its type, and the pixels at the middle of each quarter. */
    window.rendered = async (target, accept) => {
      const response = await fetch(`/storage/v1/render/image/public/b/${target}`, { headers: accept ? { accept } : {} });
      const blob = await response.blob();
      if (!response.ok) throw new Error(await blob.text());
      const picture = await createImageBitmap(blob);
      const { width, height } = picture;
      const context = new OffscreenCanvas(width, height).getContext('2d');
      context.drawImage(picture, 0, 0);
      const at = (x, y) => [...context.getImageData(Math.floor(width * x), Math.floor(height * y), 1, 1).data];
      return { type: response.headers.get('content-type'), size: [width, height], quarters: [at(0.25, 0.25), at(0.75, 0.25), at(0.25, 0.75), at(0.75, 0.75)] };
    };
  }, gateway.keys.secret);
});
after(async () => { await gateway?.close(); await browser?.close(); });

const rendered = (target, accept) => gateway.page.evaluate(([target, accept]) => window.rendered(target, accept), [target, accept]);
const near = (found, wanted) => assert.ok(found.every((part, at) => Math.abs(part - wanted[at]) <= 12), `${found} is about ${wanted}`);
const red = [0xd0, 0x10, 0x10, 255];
const blue = [0x10, 0x10, 0xd0, 255];
const fetched = () => gateway.server.requests.filter((path) => path.includes('avif_bg'));

test('AVIF is decoded to the picture, and its encoder fetched with the first', async () => {
  const scaled = await rendered('plain.png?width=100');
  assert.deepEqual([scaled.type, scaled.size], ['image/png', [100, 50]]);
  assert.deepEqual(fetched(), [], 'nobody asked for AVIF yet');
  for (const quality of [20, 63, 100]) {
    const { type, size, quarters } = await rendered(`plain.png?width=100&height=100&format=avif&quality=${quality}`);
    assert.deepEqual([type, size], ['image/avif', [100, 100]]);
    near(quarters[0], red);
    near(quarters[1], blue);
    near(quarters[2], red);
  }
  await stopServiceWorkers(gateway.page);
  assert.equal((await rendered('plain.png?width=100&format=avif')).type, 'image/avif');
  assert.equal(fetched().length, 1, 'the encoder is kept, over the death of the worker too');
});

test('AVIF keeps what is transparent', async () => {
  const { type, quarters } = await rendered('glass.png?width=200&format=avif');
  assert.equal(type, 'image/avif');
  near(quarters[0], red);
  near(quarters[1], blue);
  assert.ok(quarters[2][3] < 12 && quarters[3][3] < 12, `${quarters}`);
});

test('who takes AVIF gets WebP unless it is asked for by name', async () => {
  const { type, size, quarters } = await rendered('plain.png?width=100', 'image/avif,image/webp,*/*');
  assert.deepEqual([type, size], ['image/webp', [100, 50]]);
  near(quarters[0], red);
});

test('what is too small for AVIF is a JPEG or a PNG', async () => {
  assert.equal((await rendered('plain.png?width=20&format=avif')).type, 'image/png', 'canvas writes an alpha channel');
});

test('what is asked for while the largest picture is written waits, and is answered', async (t) => {
  const seen = await gateway.page.evaluate(async (key) => {
    const headers = { apikey: key };
    const canvas = new OffscreenCanvas(1900, 1100);
    const context = canvas.getContext('2d');
    // Something to encode everywhere: stripes in every direction.
    for (let at = 0; at < 1900; at += 7) {
      context.fillStyle = `hsl(${at % 360} 60% ${30 + (at % 50)}%)`;
      context.fillRect(at, 0, 4, 1100);
      context.fillRect(0, at, 1900, 2);
    }
    const put = await fetch('/storage/v1/object/b/large.png', { method: 'POST', headers: { ...headers, 'content-type': 'image/png' }, body: await canvas.convertToBlob() });
    if (!put.ok) throw new Error(await put.text());
    const begun = performance.now();
    let done = false;
    const picture = fetch('/storage/v1/render/image/public/b/large.png?format=avif').then(async (response) => {
      const blob = await response.blob();
      done = true;
      const { width, height } = await createImageBitmap(blob);
      return { type: blob.type, size: [width, height], took: performance.now() - begun };
    });
    const answers = [];
    while (!done) {
      const since = performance.now();
      // Each goes to the database, some before the worker is busy and some while it is.
      const { status } = await fetch('/storage/v1/bucket', { headers });
      answers.push({ status, took: performance.now() - since });
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    return { picture: await picture, answers };
  }, gateway.keys.secret);
  const { type, size, took } = seen.picture;
  const longest = Math.max(...seen.answers.map(({ took }) => took));
  t.diagnostic(`the picture after ${took.toFixed(0)} ms; ${seen.answers.length} answers meanwhile, the slowest after ${longest.toFixed(0)}`);
  assert.deepEqual([type, size], ['image/avif', [1900, 1100]]);
  assert.ok(seen.answers.every(({ status }) => status === 200), JSON.stringify(seen.answers));
});
