// Pictures, rendered by the real WASM; the pictures are drawn here, and their heads read here.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { crc32, deflateSync } from 'node:zlib';
import { start } from '../node/server.mjs';
import { bucket, token } from './files.mjs';

/** A PNG of so many pixels, red on the left and blue on the right. */
function png(width, height, { claim = [width, height] } = {}) {
  const part = (kind, content) => {
    const body = Buffer.concat([Buffer.from(kind), content]);
    const frame = Buffer.alloc(8);
    frame.writeUInt32BE(content.length);
    frame.writeUInt32BE(crc(body), 4);
    return Buffer.concat([frame.subarray(0, 4), body, frame.subarray(4)]);
  };
  const head = Buffer.alloc(13);
  head.writeUInt32BE(claim[0], 0);
  head.writeUInt32BE(claim[1], 4);
  head.set([8, 2, 0, 0, 0], 8);
  const rows = Buffer.alloc(height * (1 + width * 3));
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) rows[y * (1 + width * 3) + 1 + x * 3 + (x < width / 2 ? 0 : 2)] = 255 - (y % 64);
  }
  return Buffer.concat([Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'), part('IHDR', head), part('IDAT', deflateSync(rows)), part('IEND', Buffer.alloc(0))]);
}

/** CRC-32, which Node 20 has not everywhere. */
const crc = crc32 ?? ((content) => {
  let sum = ~0;
  for (const byte of content) {
    sum ^= byte;
    for (let bit = 0; bit < 8; bit += 1) sum = sum & 1 ? (sum >>> 1) ^ 0xedb88320 : sum >>> 1;
  }
  return ~sum >>> 0;
});

/** Format and size of a picture, from its own head. */
function size(content) {
  if (content.subarray(1, 4).toString() === 'PNG') return ['png', content.readUInt32BE(16), content.readUInt32BE(20)];
  if (content.subarray(8, 12).toString() === 'WEBP') {
    const kind = content.subarray(12, 16).toString();
    if (kind === 'VP8 ') return ['webp', content.readUInt16LE(26) & 0x3fff, content.readUInt16LE(28) & 0x3fff];
    const bits = content.readUInt32LE(21);
    return ['webp', (bits & 0x3fff) + 1, ((bits >> 14) & 0x3fff) + 1];
  }
  if (content.subarray(4, 12).toString() === 'ftypavif') {
    const sides = content.indexOf('ispe') + 8;
    return ['avif', content.readUInt32BE(sides), content.readUInt32BE(sides + 4)];
  }
  if (content.readUInt16BE(0) === 0xffd8) return ['jpeg'];
  return ['unknown', content.subarray(0, 16).toString('latin1')];
}

test('pictures', async (t) => {
  const server = await start(t);
  const name = await bucket(server, { public: true });
  const put = async (to, key, content, kind = 'image/png') => {
    const response = await server.fetch(`/storage/v1/object/${to}/${key}`, { method: 'POST', key: server.keys.secret, headers: { 'content-type': kind, 'cache-control': 'max-age=60' }, body: content });
    assert.equal(response.status, 200, await response.text());
  };
  await put(name, 'a.png', png(200, 100));
  const render = async (target, headers = {}) => {
    const response = await fetch(new URL(`/storage/v1/render/image/${target}`, server.url), { headers });
    return { status: response.status, headers: response.headers, content: Buffer.from(await response.arrayBuffer()) };
  };

  await t.test('come in the size and the format that is asked for', async () => {
    for (const [query, picture, transformations] of [
      ['', ['png', 200, 100], null],
      ['width=100', ['png', 100, 50], 'width:100,resizing_type:fill'],
      ['width=50&height=50', ['png', 50, 50], 'height:50,width:50,resizing_type:fill'],
      ['width=50&height=50&resize=contain', ['png', 50, 25], 'height:50,width:50,resizing_type:fit'],
      ['width=50&height=80&resize=fill', ['png', 50, 80], 'height:80,width:50,resizing_type:force'],
      ['width=4000', ['png', 200, 100], 'width:2500,resizing_type:fill'],
      ['width=100&format=webp&quality=30', ['webp', 100, 50], 'width:100,resizing_type:fill,quality:30,format:webp'],
      ['width=100&format=avif', ['avif', 100, 50], 'width:100,resizing_type:fill,format:avif'],
      ['width=100&format=avif&quality=30', ['avif', 100, 50], 'width:100,resizing_type:fill,quality:30,format:avif'],
      // Sides of fewer than sixteen pixels are too short for it, as of imgproxy.
      ['width=20&format=avif', ['jpeg'], 'width:20,resizing_type:fill,format:avif'],
    ]) {
      const { status, headers, content } = await render(`public/${name}/a.png?${query}`);
      assert.equal(status, 200, content.toString());
      assert.deepEqual(size(content), picture, query);
      assert.equal(headers.get('content-type'), `image/${picture[0]}`);
      assert.equal(headers.get('x-transformations'), transformations);
      assert.equal(headers.get('cache-control'), 'max-age=60');
      assert.equal(headers.get('content-length'), String(content.length));
    }
    const negotiated = await render(`public/${name}/a.png?width=100`, { accept: 'image/avif,image/webp,*/*' });
    assert.deepEqual([size(negotiated.content), negotiated.headers.get('vary')], [['webp', 100, 50], 'Accept']);
    assert.deepEqual(size((await render(`public/${name}/a.png?width=100&format=origin`, { accept: 'image/webp' })).content), ['png', 100, 50]);
    const kept = await render(`public/${name}/a.png?width=100&download=small.png`);
    assert.match(kept.headers.get('content-disposition'), /^attachment; filename=small.png;/);
  });

  await t.test('are seen by who may see them', async () => {
    const secret = await bucket(server);
    await put(secret, 'a.png', png(20, 10));
    assert.equal((await render(`public/${secret}/a.png?width=10`)).status, 400);
    assert.equal((await render(`authenticated/${secret}/a.png?width=10`, { apikey: server.keys.publishable })).status, 400);
    const user = token(server);
    assert.equal((await render(`authenticated/${secret}/a.png?width=10`, { authorization: `Bearer ${user.jwt}` })).status, 400);
    await server.sql(`create policy "see" on storage.objects for select to authenticated using (bucket_id = '${secret}')`);
    const seen = await render(`authenticated/${secret}/a.png?width=10`, { authorization: `Bearer ${user.jwt}` });
    assert.deepEqual(size(seen.content), ['png', 10, 5]);
    const signed = await server.fetch(`/storage/v1/object/sign/${secret}/a.png`, {
      method: 'POST', key: server.keys.secret, headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ expiresIn: 60, transform: { width: 8, height: 8, resize: 'cover', gravity: 'fp', x_offset: 0, y_offset: 1 } }),
    });
    const { signedURL } = await signed.json();
    assert.match(signedURL, /^\/render\/image\/sign\//);
    // The token says what is rendered, whatever the address says.
    const rendered = await render(`${signedURL.slice('/render/image/'.length)}&width=1`);
    assert.deepEqual(size(rendered.content), ['png', 8, 8]);
    assert.equal(rendered.headers.get('x-transformations'), 'height:8,width:8,resizing_type:fill,gravity:fp:0:1');
    assert.ok(Date.parse(rendered.headers.get('expires')) > Date.now());
    assert.equal((await render(`sign/${name}/a.png?${signedURL.split('?')[1]}`)).status, 400);
  });

  await t.test('must be pictures, and of a size that can be', async () => {
    await put(name, 'text.txt', 'not an image', 'text/plain');
    await put(name, 'incompatible.heic', Buffer.from('00000010667479706d69663100000000', 'hex'), 'image/heic');
    await put(name, 'bomb.png', png(2, 2, { claim: [100_000, 100_000] }));
    await put(name, 'cut.png', png(200, 100).subarray(0, 60));
    for (const [target, message] of [
      ['text.txt?width=1', /^The source image is invalid or unsupported for rendering$/],
      ['incompatible.heic', /^The source image is invalid or unsupported for rendering$/],
      ['cut.png?width=1', /^The source image is invalid or unsupported for rendering$/],
      ['bomb.png?width=1', /^Source image resolution is too big$/],
      ['a.png?width=-1', /^querystring\/width must be >= 0$/],
      ['a.png?quality=10', /^querystring\/quality must be >= 20$/],
      ['a.png?resize=stretch', /^querystring\/resize must be equal to one of the allowed values$/],
      ['missing.png', /^Object not found$/],
    ]) {
      const { status, content } = await render(`public/${name}/${target}`);
      const { message: said } = JSON.parse(content);
      assert.equal(status, 400, said);
      assert.match(said, message, target);
    }
  });

  await t.test('become WebP where AVIF would take too long', async () => {
    await put(name, 'wide.png', png(2000, 1100));
    assert.deepEqual(size((await render(`public/${name}/wide.png?format=avif`)).content), ['webp', 2000, 1100]);
    const { content } = await render(`public/${name}/wide.png?format=avif&width=800`);
    assert.deepEqual(size(content), ['avif', 800, 440]);
  });

  await t.test('do not hold up other requests', async () => {
    await put(name, 'large.png', png(4000, 3000));
    let done = false;
    const large = render(`public/${name}/large.png?width=1000&format=webp`).finally(() => { done = true; });
    let answered = 0;
    for (; !done; answered += 1) assert.equal((await server.fetch('/health')).status, 200);
    assert.deepEqual(size((await large).content), ['webp', 1000, 750]);
    // Rendering takes its hundreds of milliseconds; were it on the thread that answers, there would be one or two.
    assert.ok(answered > 10, `${answered} answers meanwhile`);
  });
});
