// Bundles `static/src` into `static/dist`. `cargo xtask build` makes the WASM it needs and calls it.
//
// What goes in:
//   index.html              the page; `/main.js` and `/main.css` in it become the built names
//   src/page/main.tsx       the page (module)
//   src/gateway.ts          starts the gateway in any page (module)
//   src/database/worker.ts  the database worker (module worker)
//   src/vm/worker.ts        the VM worker (module worker)
//   src/vm/frame.ts         the hidden page of an engine that cannot run in a worker (module)
//   src/functions/runtime/  isolates of edge functions: browser.ts and frame.ts (classic scripts), thread.ts (module), guest.ts (a
//                           script that is handed `require` and what else it names)
//   src/sw/sw.ts            the service worker (classic script: one file, no imports left)
//   src/functions/bundle/browser.ts   what bundles a function in a page (module)
//   src/functions/packages/ modules that stand for Deno's and Node's in functions; packed as they are
//   src/node/*.ts           the Node host: every file directly in that folder is an entry
//   samples/NAME/           sample apps for the VM, as they are deployed; what they depend on is bundled beside them
//   generated/              from cargo and wasm-bindgen, never committed:
//     gateway/gateway.js, gateway_bg.wasm     package `sw`
//     database/database.js, database_bg.wasm  package `database`
//     images/images.js, images_bg.wasm        package `images`
//     avif/avif.js, avif_bg.wasm              package `avif`
//     machine/machine.js, machine_bg.wasm     package `machine`
//     pattern.txt                             `routes::table::pattern()`, a regular expression
//
// What comes out, all of it same-origin; a name with a hash in it never changes its content:
//   dist/index.html, sw.js, gateway.js   asked for again on every load
//   dist/page-HASH.js, page-HASH.css, database-HASH.js, chunk-HASH.js
//   dist/wasm/NAME-HASH.wasm          ours and PGlite's
//   dist/pictures/avif_bg-HASH.wasm   what writes AVIF: fetched with the first such picture, and kept for offline from then on
//   dist/assets/NAME-HASH.EXT         PGlite's data and extensions, fonts, pictures; an empty Postgres, made here once
//   dist/samples/NAME-HASH.zip        the sample apps, which nothing fetches before one is asked for
//   dist/vm-engine/NAME-HASH.EXT      the VM worker and its engines: never fetched before a VM is needed, and kept for offline
//                                     from then on
//   dist/functions/NAME-HASH.EXT      what runs functions, and what bundles them, esbuild and the packages that come with the project:
//                                     fetched when the first function is asked for or deployed, and kept for offline from then on
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
//   NEWEST_MIGRATION  the number of the last migration of the database that this build has
//   GATEWAY_FILES     service worker only: what a page needs, with hashes, to be kept for offline
//   DATABASE_WORKER   pages only: the database worker's file, relative to the script
//   SAMPLES           pages only: each sample app's archive, relative to the script
//   VM_WORKER         pages only: the VM worker's file, relative to the script
//   VM_FRAME          pages only: the hidden page of an engine, relative to the script
//   GATEWAY_LATER     service worker only: what is kept for offline once it was fetched, with hashes
//   FUNCTION_BUNDLER  pages only: what bundles functions, relative to the script
//   FUNCTION_TYPES_WORKER  pages only: TypeScript for the editor of functions, relative to the script
//   FUNCTION_TYPES    that worker only: declarations of what functions use, relative to the script
//   FUNCTION_PACKAGES what bundles functions only: the packages that come with the project, relative to `functions/`
//   ESBUILD_WASM      the bundler of pages only: esbuild, relative to the script
//   GUEST_ISOLATE     the VM worker and Node: what makes an isolate of a thread of the guest's Node, relative to the script
//   EMPTY_POSTGRES    where a database is opened: a data directory with nothing in it, relative to the script
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { brotliCompressSync, constants } from 'node:zlib';
import { PGlite } from '@electric-sql/pglite';
import * as esbuild from 'esbuild';
import { zipSync } from 'fflate';
import { glue } from './glue.mjs';

const root = import.meta.dirname;
// esbuild has shown its errors with their places by the time it throws.
process.on('uncaughtException', (error) => { if (!error.errors) console.error(error.message); process.exit(1); });
const dist = path.join(root, 'dist');
const next = path.join(root, 'dist.next');
const generated = path.join(root, 'generated');
const samples = path.join(root, 'samples');
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
  const inputs = [...named, ...filesUnder(path.join(root, 'src')), ...filesUnder(samples), ...filesUnder(generated)];
  return hash(String(development), ...inputs.flatMap((file) => [path.relative(root, file), readFileSync(file)]));
}

const emitted = new Map();
/** Where a file goes that no script has put elsewhere. */
function usualFolder(file) {
  // Larger than the other modules together, and not needed by most pages: apart from what is fetched in advance.
  if (path.basename(file) === 'avif_bg.wasm') return 'pictures';
  return path.extname(file) === '.wasm' ? 'wasm' : 'assets';
}
/** The VM's part of the output. */
const engines = 'vm-engine';
/** Copies a file into the output under a name that carries its content's hash; returns that name. */
function emit(file, folder = usualFolder(file)) {
  if (!emitted.has(file)) {
    const contents = readFileSync(file);
    const [stem, extension] = path.basename(file).match(/^(.*?)((?:\.tar)?\.[^.]+)$/).slice(1);
    const name = `${folder}/${stem}-${hash(contents)}${extension}`;
    mkdirSync(path.dirname(path.join(next, name)), { recursive: true });
    writeFileSync(path.join(next, name), contents);
    emitted.set(file, name);
  }
  return emitted.get(file);
}

/**
 * Files that scripts name relative to themselves, as `new URL` or as an import. `base` leads from the script to the output's
 * root, `folder` is where the files go if not where they always go.
 */
const assets = ({ base, script, folder }) => ({
  name: 'assets',
  setup(build) {
    build.onLoad({ filter: /\.wasm$/ }, ({ path: file }) => ({ contents: `export default ${JSON.stringify(base + emit(file, folder))};`, loader: 'js' }));
    build.onLoad({ filter: /\.(m?js|tsx?)$/ }, ({ path: file }) => {
      const text = readFileSync(file, 'utf8');
      if (!text.includes('import.meta.url')) return undefined;
      const contents = text.replace(/new URL\(\s*(['"])([^'"]+\.(?:wasm|data|gz))\1\s*,\s*import\.meta\.url\s*\)/g, (all, _quote, name) => {
        const named = path.resolve(path.dirname(file), name);
        return existsSync(named) ? `new URL(${JSON.stringify(base + emit(named, folder))}, ${script})` : all;
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
// PGlite and v86 ask for these only when they run in Node.
const nodeOnly = ['node:*', 'fs', 'fs/promises', 'path', 'stream', 'stream/promises', 'url', 'util', 'zlib', 'module', 'crypto', 'worker_threads', 'perf_hooks'];

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
const migrations = readdirSync(path.join(root, '../vm-bridge/database/migrations')).map((name) => Number.parseInt(name, 10));
const define = {
  GATEWAY_VERSION: text(id),
  NEWEST_MIGRATION: text(Math.max(...migrations)),
  GATEWAY_PATTERN: text(readFileSync(path.join(generated, 'pattern.txt'), 'utf8').trim()),
  'process.env.NODE_ENV': text(development ? 'development' : 'production'),
  EMPTY_POSTGRES: text(`./${empty}`),
};

/** Scripts that are handed on as text, or to a thread: whole, and with nothing of the page's in them. */
async function script(file, name, options) {
  const { outputFiles: [built] } = await esbuild.build({ ...common, metafile: false, entryPoints: [file], outdir: next, write: false, define, ...options });
  const named = `functions/${name}-${hash(built.contents)}${options.format === 'esm' ? '.mjs' : '.js'}`;
  mkdirSync(path.join(next, 'functions'), { recursive: true });
  writeFileSync(path.join(next, named), built.contents);
  return named;
}
const browser = { platform: 'browser', format: 'iife' };
const isolates = {
  browser: await script(source('functions/runtime/browser.ts'), 'isolate', browser),
  frame: await script(source('functions/runtime/frame.ts'), 'frame', browser),
  node: await script(source('functions/runtime/thread.ts'), 'isolate', { platform: 'node', target: 'node20', format: 'esm' }),
  guest: await script(source('functions/runtime/guest.ts'), 'guest', { platform: 'node', target: 'node20', format: 'cjs' }),
};
define.ISOLATE_SCRIPT = text(`./${isolates.browser}`);
define.ISOLATE_FRAME = text(`./${isolates.frame}`);
define.GUEST_ISOLATE = text(`../${isolates.guest}`);

const worker = source('database/worker.ts');
const workers = await esbuild.build({
  ...common, entryPoints: { database: worker }, outdir: next, entryNames: '[name]-[hash]', format: 'esm', splitting: true,
  platform: 'browser', external: nodeOnly, define, plugins: [glue(generated), assets({ base: './', script: 'import.meta.url' })],
});
define.DATABASE_WORKER = text(`./${outputOf(workers, worker)}`);

const machine = source('vm/worker.ts');
const frame = source('vm/frame.ts');
const machines = await esbuild.build({
  ...common, entryPoints: { [`${engines}/vm`]: machine, [`${engines}/frame`]: frame }, outdir: next, entryNames: '[dir]/[name]-[hash]', chunkNames: `${engines}/chunk-[hash]`, format: 'esm',
  splitting: true, platform: 'browser', external: nodeOnly, define, plugins: [glue(generated), assets({ base: '../', script: 'import.meta.url', folder: engines })],
});
define.VM_WORKER = text(`./${outputOf(machines, machine)}`);
const framed = `<!doctype html>\n<script type="module" src="./${path.basename(outputOf(machines, frame))}"></script>\n`;
const hidden = `${engines}/frame-${hash(framed)}.html`;
writeFileSync(path.join(next, hidden), framed);
define.VM_FRAME = text(`./${hidden}`);
define.EMPTY_POSTGRES = text(`../${empty}`);

/** One moment for all: the same files make the same archive. */
const archived = (files) => Buffer.from(zipSync(files, { level: 9, mtime: new Date(1980, 0, 1) }));

/**
 * A sample app as an archive: its files, and each package it depends on as one module, because a VM has no network to
 * install it with.
 */
async function sample(name) {
  const folder = path.join(samples, name);
  const files = Object.fromEntries(filesUnder(folder).map((file) => [path.relative(folder, file), readFileSync(file)]));
  const { dependencies = {} } = files['package.json'] ? JSON.parse(files['package.json']) : {};
  for (const dependency of Object.keys(dependencies)) {
    const bundled = await esbuild.build({
      stdin: { contents: `export * from ${text(dependency)};`, resolveDir: root }, bundle: true, minify: true, write: false,
      format: 'esm', platform: 'node', target: 'node20', charset: 'utf8', legalComments: 'inline', logLevel: 'warning',
    });
    const known = JSON.parse(readFileSync(path.join(root, 'node_modules', dependency, 'package.json'), 'utf8'));
    const described = { name: dependency, version: known.version, license: known.license, type: 'module', main: 'index.js' };
    files[`node_modules/${dependency}/index.js`] = bundled.outputFiles[0].contents;
    files[`node_modules/${dependency}/package.json`] = Buffer.from(`${JSON.stringify(described, null, 2)}\n`);
  }
  const archive = archived(files);
  const named = `samples/${name}-${hash(archive)}.zip`;
  mkdirSync(path.join(next, 'samples'), { recursive: true });
  writeFileSync(path.join(next, named), archive);
  return [name, `./${named}`];
}
const names = readdirSync(samples, { withFileTypes: true }).filter((entry) => entry.isDirectory()).map((entry) => entry.name);
define.SAMPLES = text(Object.fromEntries(await Promise.all(names.map(sample))));

/** What functions can import without a network, with what it depends on itself: one version of each. */
const shippedPackages = ['@supabase/supabase-js', 'hono', 'jose', 'zod', '@jspm/core', '@noble/hashes'];
/** Code, and what it is found by. Of Node's modules only those of browsers; their `crypto` is megabytes, and ours is another. */
const isShipped = (name, file) => /(^package\.json|\.(?:[cm]?js|json|wasm))$/.test(file) && !/(^|\/)(node_modules|src|test|tests|bin)\//.test(file)
  && (name !== '@jspm/core' || (/^(package\.json$|nodelibs\/browser\/)/.test(file) && file !== 'nodelibs/browser/crypto.js'));

/** Writes an archive for functions; returns its entry in the catalogue (src/functions/bundle/world.ts). */
function emitArchive(stem, files) {
  const archive = archived(files);
  const file = `packages/${stem}-${hash(archive)}.zip`;
  mkdirSync(path.join(next, 'functions/packages'), { recursive: true });
  writeFileSync(path.join(next, 'functions', file), archive);
  return { file, archive: `sha256-${createHash('sha256').update(archive).digest('base64')}` };
}

function functionPackages() {
  const { packages } = JSON.parse(readFileSync(path.join(root, 'package-lock.json'), 'utf8'));
  const npm = {};
  const add = (name, above) => {
    const place = [`${above}/node_modules/${name}`, `node_modules/${name}`].find((one) => packages[one]);
    const { version, integrity, dependencies = {} } = packages[place];
    if (npm[name] && npm[name].version !== version) throw new Error(`functions would get ${name} as ${npm[name].version} and as ${version}`);
    if (npm[name]) return;
    const folder = path.join(root, place);
    const files = filesUnder(folder).map((file) => [path.relative(folder, file).replaceAll(path.sep, '/'), file]).filter(([file]) => isShipped(name, file));
    const contents = Object.fromEntries(files.map(([file, from]) => [file, readFileSync(from)]));
    npm[name] = { version, integrity, ...emitArchive(`${name.replace('@', '').replace('/', '-')}-${version}`, contents) };
    for (const dependency of Object.keys(dependencies)) add(dependency, place);
  };
  for (const name of shippedPackages) add(name, '');
  const own = source('functions/packages');
  const modules = filesUnder(own).filter((file) => /\/(node|std)\//.test(file.replaceAll(path.sep, '/')));
  return { npm, own: emitArchive('own', Object.fromEntries(modules.map((file) => [path.relative(own, file).replaceAll(path.sep, '/'), readFileSync(file)]))) };
}
define.FUNCTION_PACKAGES = text(functionPackages());

/** Declarations for the editor of functions: the language's, the runtime's, and those of the packages that come with it. */
function functionTypes() {
  const files = { 'deno.d.ts': readFileSync(source('functions/types/deno.txt')) };
  const lib = path.join(root, 'node_modules/typescript/lib');
  for (const name of readdirSync(lib)) if (/^lib\.(es|decorators|webworker).*\.d\.ts$/.test(name)) files[`lib/${name}`] = readFileSync(path.join(lib, name));
  for (const file of filesUnder(source('functions/packages/std'))) files[path.relative(source('functions/packages'), file).replaceAll(path.sep, '/')] = readFileSync(file);
  const { packages } = JSON.parse(readFileSync(path.join(root, 'package-lock.json'), 'utf8'));
  const seen = new Set();
  const add = (name, above) => {
    const place = [`${above}/node_modules/${name}`, `node_modules/${name}`].find((one) => packages[one]);
    if (seen.has(name)) return;
    seen.add(name);
    const folder = path.join(root, place);
    for (const file of filesUnder(folder)) {
      const relative = path.relative(folder, file).replaceAll(path.sep, '/');
      if (/(^package\.json|\.d\.[mc]?ts)$/.test(relative) && !/(^|\/)node_modules\//.test(relative)) files[`node_modules/${name}/${relative}`] = readFileSync(file);
    }
    for (const dependency of Object.keys(packages[place].dependencies ?? {})) add(dependency, place);
  };
  for (const name of ['@supabase/supabase-js', 'hono', 'jose', 'zod']) add(name, '');
  return emitArchive('types', files).file;
}
const typesWorker = source('functions/types/worker.ts');
const typeService = await esbuild.build({
  ...common, entryPoints: { types: typesWorker }, outdir: path.join(next, 'functions'), entryNames: '[name]-[hash]', format: 'esm',
  // TypeScript asks for these only where there is a `process`.
  platform: 'browser', external: [...nodeOnly, 'os', 'inspector', 'source-map-support'], define: { ...define, FUNCTION_TYPES: text(`./${functionTypes()}`) },
  plugins: [assets({ base: '../', script: 'import.meta.url' })],
});
define.FUNCTION_TYPES_WORKER = text(`./${outputOf(typeService, typesWorker)}`);
const esbuildWasm = path.join(root, 'node_modules/esbuild-wasm/esbuild.wasm');
const bundler = source('functions/bundle/browser.ts');
const bundlers = await esbuild.build({
  ...common, entryPoints: { bundler }, outdir: path.join(next, 'functions'), entryNames: '[name]-[hash]', format: 'esm',
  platform: 'browser', external: nodeOnly, define: { ...define, ESBUILD_WASM: text(`./${path.basename(emit(esbuildWasm, 'functions'))}`) },
  plugins: [assets({ base: '../', script: 'import.meta.url' })],
});
define.FUNCTION_BUNDLER = text(`./${outputOf(bundlers, bundler)}`);

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
  format: 'esm', splitting: true, platform: 'node', target: 'node20', packages: 'external', define: { ...define, ISOLATE_SCRIPT: text(`../${isolates.node}`) },
  plugins: [glue(generated), assets({ base: '../', script: 'import.meta.url' })],
});

// Whatever is there by now, except the Node host, the VM and its sample apps, and what is for functions, is what a page needs.
const there = filesUnder(next).map((file) => [path.relative(next, file), file]);
const integrities = (files) => text(Object.fromEntries(files.map(([name, file]) => [name, `sha256-${createHash('sha256').update(readFileSync(file)).digest('base64')}`])));
define.GATEWAY_FILES = integrities(there.filter(([name]) => !/^(node|samples|vm-engine|functions|pictures)\//.test(name)));
define.GATEWAY_LATER = integrities(there.filter(([name]) => /^(functions|vm-engine|pictures)\//.test(name)));
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
const ours = (file) => !development && /^((?:wasm|vm-engine)\/(gateway|database|images|machine)_bg-|pictures\/|functions\/(isolate|frame)-|[^/]+\.(js|css|html)$)/.test(file);
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
