// Bundles `static/src` into `static/dist`. `cargo xtask build` makes the WASM it needs and calls it.
//
// What goes in:
//   index.html              the page; `/main.js` and `/main.css` in it become the built names
//   src/page/main.tsx       the page (module)
//   src/gateway.ts          starts the gateway in any page (module)
//   src/database/worker.ts  the database worker (module worker)
//   src/sw/sw.ts            the service worker (classic script: one file, no imports left)
//   src/node/*.ts           the Node host: every file directly in that folder is an entry
//   generated/              from cargo and wasm-bindgen, never committed:
//     gateway/gateway.js, gateway_bg.wasm     package `sw`
//     database/database.js, database_bg.wasm  package `database`
//     images/images.js, images_bg.wasm        package `images`
//     pattern.txt                             `routes::table::pattern()`, a regular expression
//
// What comes out, all of it same-origin; a name with a hash in it never changes its content:
//   dist/index.html, sw.js, gateway.js   asked for again on every load
//   dist/page-HASH.js, page-HASH.css, database-HASH.js, chunk-HASH.js
//   dist/wasm/NAME-HASH.wasm          ours and PGlite's
//   dist/assets/NAME-HASH.EXT         PGlite's data and extensions, fonts, pictures; an empty Postgres, made here once
//   dist/node/NAME.mjs                the Node host; npm packages are not bundled into it
//   dist/build.json                   { version, files: [{ path, bytes, brotli? }] }
//
// A WASM or data file is named as the web names it, `new URL('./x.wasm', import.meta.url)`, or
// imported: `import wasm from '…/x.wasm'` is its URL, relative to the script. In the service worker
// `import.meta.url` becomes the script's own address, so wasm-bindgen's `init()` finds its file in
// all three places.
//
// What the sources may read (declared in src/build.d.ts):
//   GATEWAY_PATTERN   which URLs the service worker answers
//   GATEWAY_VERSION   hash of everything that is built; page and workers compare it
//   GATEWAY_FILES     service worker only: what a page needs, with hashes, to be kept for offline
//   DATABASE_WORKER   pages only: the database worker's file, relative to the script
//   EMPTY_POSTGRES    where a database is opened: a data directory with nothing in it, relative to the script
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { brotliCompressSync, constants } from 'node:zlib';
import { PGlite } from '@electric-sql/pglite';
import * as esbuild from 'esbuild';
import { glue } from './glue.mjs';

const root = import.meta.dirname;
// esbuild has shown its errors with their places by the time it throws.
process.on('uncaughtException', (error) => { if (!error.errors) console.error(error.message); process.exit(1); });
const dist = path.join(root, 'dist');
const next = path.join(root, 'dist.next');
const generated = path.join(root, 'generated');
const source = (name) => path.join(root, 'src', name);
const development = process.argv.includes('--dev');

const hash = (...parts) => {
  const digest = createHash('sha256');
  for (const part of parts) digest.update(part).update('\0');
  return digest.digest('hex').slice(0, 12);
};
const filesUnder = (directory) => (existsSync(directory) ? readdirSync(directory, { recursive: true, withFileTypes: true }) : [])
  .filter((entry) => entry.isFile())
  .map((entry) => path.join(entry.parentPath, entry.name))
  .sort();

/** A hash of everything that decides what is built. */
function version() {
  const named = ['index.html', 'build.mjs', 'glue.mjs', 'package-lock.json'].map((name) => path.join(root, name)).filter((file) => existsSync(file));
  const inputs = [...named, ...filesUnder(path.join(root, 'src')), ...filesUnder(generated)];
  return hash(String(development), ...inputs.flatMap((file) => [path.relative(root, file), readFileSync(file)]));
}

const emitted = new Map();
/** Copies a file into the output under a name that carries its content's hash; returns that name. */
function emit(file) {
  if (!emitted.has(file)) {
    const contents = readFileSync(file);
    const [stem, extension] = path.basename(file).match(/^(.*?)((?:\.tar)?\.[^.]+)$/).slice(1);
    const name = `${extension === '.wasm' ? 'wasm' : 'assets'}/${stem}-${hash(contents)}${extension}`;
    mkdirSync(path.dirname(path.join(next, name)), { recursive: true });
    writeFileSync(path.join(next, name), contents);
    emitted.set(file, name);
  }
  return emitted.get(file);
}

/** Files that scripts name relative to themselves, as `new URL` or as an import. `base` leads from the script to the output's root. */
const assets = ({ base, script }) => ({
  name: 'assets',
  setup(build) {
    build.onLoad({ filter: /\.wasm$/ }, ({ path: file }) => ({ contents: `export default ${JSON.stringify(base + emit(file))};`, loader: 'js' }));
    build.onLoad({ filter: /\.(m?js|tsx?)$/ }, ({ path: file }) => {
      const text = readFileSync(file, 'utf8');
      if (!text.includes('import.meta.url')) return undefined;
      const contents = text.replace(/new URL\(\s*(['"])([^'"]+\.(?:wasm|data|gz))\1\s*,\s*import\.meta\.url\s*\)/g, (all, _quote, name) => {
        const named = path.resolve(path.dirname(file), name);
        return existsSync(named) ? `new URL(${JSON.stringify(base + emit(named))}, ${script})` : all;
      }).replaceAll('import.meta.url', script);
      return { contents, loader: path.extname(file).replace(/^\.m?/, ''), resolveDir: path.dirname(file) };
    });
  },
});

const common = {
  bundle: true,
  minify: !development,
  sourcemap: development ? 'inline' : false,
  target: 'es2022',
  charset: 'utf8',
  legalComments: 'none',
  logLevel: 'warning',
  metafile: true,
  absWorkingDir: root,
  loader: { '.woff2': 'file', '.svg': 'file', '.sql': 'text' },
  assetNames: 'assets/[name]-[hash]',
  chunkNames: 'chunk-[hash]',
};
// PGlite asks for these only when it runs in Node.
const nodeOnly = ['node:*', 'fs', 'fs/promises', 'path', 'stream', 'stream/promises', 'url', 'util', 'zlib', 'module', 'crypto', 'worker_threads'];

const text = (value) => JSON.stringify(value);

/** The built file of an entry point. */
const outputOf = (result, file, extension) => Object.entries(result.metafile.outputs)
  .filter(([, output]) => output.entryPoint === path.relative(root, file))
  .map(([output, { cssBundle }]) => (extension === '.css' ? cssBundle : output))
  .map((output) => output && path.relative(next, path.join(root, output)))[0];

const id = version();
const manifest = path.join(dist, 'build.json');
if (existsSync(manifest) && JSON.parse(readFileSync(manifest, 'utf8')).version === id) process.exit(0);

rmSync(next, { recursive: true, force: true });
mkdirSync(next, { recursive: true });

/**
 * A data directory with nothing in it, as PGlite itself would make it: that takes it most of the time that a first opening
 * takes. It is made once for each PGlite, because no two of them have the same bytes.
 */
async function emptyPostgres() {
  const engine = new URL('.', import.meta.resolve('@electric-sql/pglite'));
  const parts = ['pglite.wasm', 'initdb.wasm', 'pglite.data'].map((name) => readFileSync(new URL(name, engine)));
  const known = path.join(root, 'node_modules/.cache/postgres', hash(...parts), 'postgres.tar.gz');
  if (!existsSync(known)) {
    const pglite = await PGlite.create();
    const bytes = new Uint8Array(await (await pglite.dumpDataDir('gzip')).arrayBuffer());
    await pglite.close();
    mkdirSync(path.dirname(known), { recursive: true });
    // Whole or not at all: a build may be interrupted.
    writeFileSync(`${known}.${process.pid}`, bytes);
    renameSync(`${known}.${process.pid}`, known);
  }
  return emit(known);
}
const empty = await emptyPostgres();
const define = {
  GATEWAY_VERSION: text(id),
  GATEWAY_PATTERN: text(readFileSync(path.join(generated, 'pattern.txt'), 'utf8').trim()),
  'process.env.NODE_ENV': text(development ? 'development' : 'production'),
  EMPTY_POSTGRES: text(`./${empty}`),
};

const worker = source('database/worker.ts');
const workers = await esbuild.build({
  ...common, entryPoints: { database: worker }, outdir: next, entryNames: '[name]-[hash]', format: 'esm', splitting: true,
  platform: 'browser', external: nodeOnly, define, plugins: [glue(generated), assets({ base: './', script: 'import.meta.url' })],
});
define.DATABASE_WORKER = text(`./${outputOf(workers, worker)}`);
define.EMPTY_POSTGRES = text(`../${empty}`);

const page = source('page/main.tsx');
const gateway = source('gateway.ts');
const pages = await esbuild.build({
  ...common, entryPoints: { page, gateway }, outdir: next, entryNames: '[name]-[hash]', format: 'esm', splitting: true, jsx: 'automatic',
  platform: 'browser', define, plugins: [glue(generated), assets({ base: './', script: 'import.meta.url' })],
});
const html = readFileSync(path.join(root, 'index.html'), 'utf8');
const built = html.replaceAll(/\.?\/main\.js/g, `./${outputOf(pages, page)}`).replaceAll(/\.?\/main\.css/g, `./${outputOf(pages, page, '.css')}`);
if (built === html) throw new Error('static/index.html names no /main.js: nothing would run on the page');
writeFileSync(path.join(next, 'index.html'), built);
// A page that is not ours needs a name that stays.
writeFileSync(path.join(next, 'gateway.js'), `export * from './${outputOf(pages, gateway)}';\n`);

const node = filesUnder(source('node')).filter((file) => path.dirname(file) === source('node') && file.endsWith('.ts') && !/\.(test|d)\.ts$/.test(file));
await esbuild.build({
  ...common, entryPoints: node, outdir: path.join(next, 'node'), outbase: source('node'), outExtension: { '.js': '.mjs' }, minify: false,
  format: 'esm', splitting: true, platform: 'node', target: 'node20', packages: 'external', define,
  plugins: [glue(generated), assets({ base: '../', script: 'import.meta.url' })],
});

// Whatever is there by now, except the Node host, is what a page needs.
const needed = filesUnder(next).map((file) => [path.relative(next, file), file]).filter(([name]) => !name.startsWith('node/'));
define.GATEWAY_FILES = text(Object.fromEntries(needed.map(([name, file]) => [name, `sha256-${createHash('sha256').update(readFileSync(file)).digest('base64')}`])));
await esbuild.build({
  ...common, entryPoints: { sw: source('sw/sw.ts') }, outdir: next, format: 'iife', platform: 'browser', define,
  plugins: [glue(generated), assets({ base: './', script: 'self.location.href' })],
});

/** Bytes over a line that compresses; remembered, because level 11 takes seconds. */
function compressed(file) {
  const contents = readFileSync(file);
  const known = path.join(root, 'node_modules/.cache/brotli', hash(contents));
  if (!existsSync(known)) {
    mkdirSync(path.dirname(known), { recursive: true });
    writeFileSync(known, String(brotliCompressSync(contents, { params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: contents.length } }).length));
  }
  return Number(readFileSync(known, 'utf8'));
}
const ours = (file) => !development && /^(wasm\/(gateway|database|images)_bg-|[^/]+\.(js|css|html)$)/.test(file);
const files = filesUnder(next).map((file) => {
  const name = path.relative(next, file);
  return { path: name, bytes: statSync(file).size, ...(ours(name) ? { brotli: compressed(file) } : {}) };
});
writeFileSync(path.join(next, 'build.json'), `${JSON.stringify({ version: id, files }, null, 1)}\n`);

rmSync(dist, { recursive: true, force: true });
renameSync(next, dist);

const kilobytes = (bytes) => `${(bytes / 1024).toFixed(1).padStart(8)} KB`;
for (const { path: name, bytes, brotli } of files) {
  if (brotli !== undefined) console.log(`  ${name.padEnd(36)} ${kilobytes(bytes)}${kilobytes(brotli)} brotli`);
}
const rest = files.filter(({ path: name, brotli }) => brotli === undefined && !name.startsWith('node/'));
console.log(`  ${`and ${rest.length} files of PGlite and the page`.padEnd(36)} ${kilobytes(rest.reduce((sum, { bytes }) => sum + bytes, 0))}`);
