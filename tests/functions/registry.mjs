// What registry.npmjs.org, jsr.io and a web server are to a bundler, on this machine, with the packages a test gives them.
//
// npm: `GET /npm/NAME` is the packument (a scope's slash as %2F), `dist.tarball` a compressed tar whose files are in
// `package/`, `dist.integrity` its SHA-512. JSR: `/jsr/@scope/name/meta.json`, `VERSION_meta.json` with a manifest of
// SHA-256 and the exports, and the files. Modules: `/web/PATH`.
import { createHash } from 'node:crypto';
import { createServer } from 'node:http';
import { gzipSync } from 'node:zlib';

/** A tar as npm makes them; a path of over 100 characters has a pax header, as npm's has. */
export function tarball(files) {
  const parts = [];
  const entry = (name, content, kind) => {
    const header = Buffer.alloc(512);
    header.write(name.slice(0, 100), 0);
    header.write('0000644\0', 100);
    header.write(`${content.length.toString(8).padStart(11, '0')}\0`, 124);
    header.write(kind, 156);
    header.write('ustar\0', 257);
    header.write('00', 263);
    header.write('        ', 148);
    header.write(`${header.reduce((sum, byte) => sum + byte, 0).toString(8).padStart(6, '0')}\0 `, 148);
    parts.push(header, content, Buffer.alloc((512 - (content.length % 512)) % 512));
  };
  for (const [path, text] of Object.entries(files)) {
    const name = `package/${path}`;
    const record = ` path=${name}\n`;
    let length = record.length;
    while (String(length).length + record.length !== length) length = String(length).length + record.length;
    if (name.length > 100) entry('PaxHeader', Buffer.from(`${length}${record}`), 'x');
    entry(name, Buffer.from(text), '0');
  }
  return gzipSync(Buffer.concat([...parts, Buffer.alloc(1024)]));
}

const sha = (algorithm, bytes, encoding) => createHash(algorithm).update(bytes).digest(encoding);

/**
 * `npm` is packages by name, then version: files, of which package.json may be an object. `jsr` the same, with `exports`
 * beside the files. `web` is answers by path: text, or `{ redirect }`, or `{ type, body }`. Tests change all of them.
 */
export async function registry({ npm = {}, jsr = {}, web = {} } = {}) {
  const asked = [];
  const tampered = new Set();
  const files = (name, version) => {
    const { 'package.json': manifest = {}, ...rest } = npm[name][version];
    return { 'package.json': JSON.stringify({ name, version, ...manifest }), ...Object.fromEntries(Object.entries(rest)) };
  };
  const server = createServer((request, response) => {
    const path = new URL(request.url, 'http://x').pathname;
    asked.push(decodeURIComponent(path));
    const send = (status, type, body) => response.writeHead(status, { 'content-type': type, 'access-control-allow-origin': '*' }).end(tampered.has(decodeURIComponent(path)) ? Buffer.concat([Buffer.from(body), Buffer.from('\n//')]) : body);
    const json = (value) => send(200, 'application/json', JSON.stringify(value));
    const missing = () => send(404, 'application/json', '{"error":"Not found"}');
    const [, kind, ...rest] = path.split('/');
    const name = decodeURIComponent(rest.join('/'));
    if (kind === 'npm') {
      const file = /^(.+)\/-\/[^/]+-(\d.*)\.tgz$/.exec(name);
      if (file) return npm[file[1]]?.[file[2]] ? send(200, 'application/octet-stream', tarball(files(file[1], file[2]))) : missing();
      if (!npm[name]) return missing();
      const versions = Object.keys(npm[name]).filter((key) => /^\d/.test(key)).map((version) => {
        const bytes = tarball(files(name, version));
        const dist = { tarball: `${base}/npm/${name}/-/${name.split('/').at(-1)}-${version}.tgz`, integrity: `sha512-${sha('sha512', bytes, 'base64')}`, shasum: sha('sha1', bytes, 'hex') };
        return [version, { name, version, dist }];
      });
      return json({ name, 'dist-tags': { latest: versions.at(-1)[0], ...npm[name].tags }, versions: Object.fromEntries(versions) });
    }
    if (kind === 'jsr') {
      const [scope, plain, ...file] = rest;
      const versions = jsr[`${scope}/${plain}`];
      if (!versions) return missing();
      if (file[0] === 'meta.json') return json({ scope: scope.slice(1), name: plain, latest: Object.keys(versions).at(-1), versions: Object.fromEntries(Object.entries(versions).map(([version, { yanked }]) => [version, { yanked }])) });
      const meta = /^(.+)_meta\.json$/.exec(file.join('/'))?.[1];
      if (meta && versions[meta]) {
        const { exports, files: contents } = versions[meta];
        return json({ manifest: Object.fromEntries(Object.entries(contents).map(([at, text]) => [`/${at}`, { size: Buffer.byteLength(text), checksum: `sha256-${sha('sha256', text, 'hex')}` }])), exports });
      }
      const content = versions[file[0]]?.files[file.slice(1).join('/')];
      return content === undefined ? missing() : send(200, 'text/typescript', content);
    }
    const found = web[name];
    if (found === undefined) return missing();
    if (found.redirect) return response.writeHead(302, { location: `${base}/web/${found.redirect}`, 'access-control-allow-origin': '*' }).end();
    return typeof found === 'string' ? send(200, 'text/plain', found) : send(200, found.type, found.body);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const base = `http://127.0.0.1:${server.address().port}`;
  return {
    url: base,
    registries: { npm: `${base}/npm`, jsr: `${base}/jsr` },
    web: `${base}/web`,
    /** Paths in the order they were asked for; emptied by whoever reads on. */
    asked,
    /** Paths whose bytes are not what they should be. */
    tampered,
    close: () => new Promise((resolve) => { server.close(resolve); server.closeAllConnections(); }),
  };
}
