// Another build of the page: what `static/build.mjs` would make of sources that differ a little.
import { createHash } from 'node:crypto';
import { cpSync, mkdtempSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { dist } from './harness.mjs';

export const version = () => JSON.parse(readFileSync(path.join(dist, 'build.json'), 'utf8')).version;

const integrity = (contents) => `sha256-${createHash('sha256').update(contents).digest('base64')}`;

/** A copy of `static/dist` with another version in it, other names for its scripts, and hashes that fit. Removed at the end of the test. */
export function nextBuild(t) {
  const directory = mkdtempSync(path.join(tmpdir(), 'gateway-build-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  cpSync(dist, directory, { recursive: true });
  const [old, next] = [version(), version().replace(/./g, (digit) => 'fedcba9876543210'[Number.parseInt(digit, 16)])];
  const named = readdirSync(directory).filter((name) => /-[0-9A-Z]{8}\.js$/.test(name));
  const texts = readdirSync(directory).filter((name) => /\.(js|html|json)$/.test(name) && name !== 'sw.js');
  const change = (text) => named.reduce((changed, name) => changed.replaceAll(name, name.replace(/.\.js$/, '_.js')), text.replaceAll(old, next));
  let worker = change(readFileSync(path.join(directory, 'sw.js'), 'utf8'));
  for (const name of texts) {
    const file = path.join(directory, name);
    const before = readFileSync(file, 'utf8');
    const after = change(before);
    writeFileSync(file, after);
    worker = worker.replaceAll(integrity(before), integrity(after));
    renameSync(file, path.join(directory, change(name)));
  }
  writeFileSync(path.join(directory, 'sw.js'), worker);
  return { directory, version: next };
}
