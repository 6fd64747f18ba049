// From a specifier to a module: what it is called, and what is in it.
//
// Every module has an address. Its scheme says where it is from, and is its namespace in esbuild; the rest is its path:
//   file:///index.ts                       the user's
//   npm:hono@4.6.1/dist/index.js           a package's file
//   jsr:@std/path@1.0.8/mod.ts             a module of JSR
//   https://example.com/mod.ts             wherever its address led
//   own:std/http/server.ts                 the project's own, in place of Deno's or Node's
//   empty:module and absent:NAME           nothing, and something that throws when it is asked for
import { isBuiltin, standIn } from './builtin.ts';
import { throughMap } from './importmap.ts';
import { digest } from './integrity.ts';
import { Jsr } from './jsr.ts';
import type { Lock } from './lock.ts';
import { Npm, reference, type Package } from './npm.ts';
import { Fault } from './problems.ts';
import { addressOf, inside, pathOf, root, type Project } from './project.ts';
import { Missing, Remote, Unreachable } from './remote.ts';
import { Shipped } from './shipped.ts';
import type { Fetched, World } from './world.ts';

/** How a module is asked for. */
export interface Asking {
  importer: string;
  kind: 'import' | 'require' | 'dynamic';
  /** Of the import attributes, `type`. */
  type: string | undefined;
}

export interface Found {
  address: string;
  /** Nothing happens by loading it: what is not used of it may be left out. */
  pure: boolean;
}

export interface Content {
  contents: string | Uint8Array;
  /** What esbuild takes it for. */
  loader: 'ts' | 'tsx' | 'js' | 'jsx' | 'json' | 'text' | 'binary' | 'wasm';
}

const empty: Found = { address: 'empty:module', pure: false };
const own = (path: string): Found => ({ address: `own:${path}`, pure: path.startsWith('node/') });

export class Modules {
  readonly npm: Npm;
  readonly #jsr: Jsr;
  readonly #remote: Remote;
  /** Packages by `name@version`, once something of them was found. */
  readonly #packages = new Map<string, Package>();
  readonly #pages = new Map<string, Fetched>();

  constructor(readonly project: Project, readonly shipped: Shipped, readonly lock: Lock, world: World, reload: boolean, warn: (message: string) => void) {
    this.#remote = new Remote(world, reload);
    this.npm = new Npm(world.registries.npm, this.#remote, shipped, lock, warn, direct(project));
    this.#jsr = new Jsr(world.registries.jsr, this.#remote, lock);
  }

  async resolve(specifier: string, asking: Asking): Promise<Found> {
    const [, scheme, path] = /^([a-z]+):(.*)$/s.exec(asking.importer)!;
    if (scheme === 'npm') return this.#inPackage(specifier, this.#package(path!), asking);
    if (scheme === 'own') return this.#inOwn(specifier, path!);
    const mapped = scheme === 'jsr' ? this.#fromJsr(specifier, asking.importer) : throughMap(this.project.imports, specifier, asking.importer);
    if (mapped !== undefined) return this.#address(mapped, asking);
    return this.#bare(specifier, asking);
  }

  /** JSR's packages come with their imports spelled out; only what is relative needs a base. */
  #fromJsr(specifier: string, importer: string): string | undefined {
    if (!/^\.{0,2}\//.test(specifier)) return URL.canParse(specifier) ? specifier : undefined;
    // The scheme's own addresses are no bases: the path is resolved below the package.
    const [, base, file] = /^(jsr:@[^/]+\/[^/]+\/)(.*)$/.exec(importer)!;
    return base + inside(specifier, root + file);
  }

  #bare(specifier: string, asking: Asking): Promise<Found> {
    const [, name, subpath] = /^((?:@[^/]+\/)?[^/]+)(?:\/(.*))?$/.exec(specifier) ?? [];
    if (name && Object.hasOwn(this.project.dependencies, name)) {
      const range = this.project.dependencies[name]!;
      return this.#dependency(range.startsWith('npm:') ? range : `npm:${name}@${range}`, subpath, asking);
    }
    if (isBuiltin(specifier)) throw new Fault(`${JSON.stringify(specifier)} is written ${JSON.stringify(`node:${specifier}`)} here.`);
    throw new Fault(`${JSON.stringify(specifier)} is in no import map (nor in package.json): write where it is from, for example ${JSON.stringify(`npm:${specifier}`)}.`);
  }

  #dependency(range: string, subpath: string | undefined, asking: Asking): Promise<Found> {
    return this.#address(subpath ? `${range}/${subpath}` : range, asking);
  }

  async #address(address: string, asking: Asking): Promise<Found> {
    // Types are nothing at run time.
    if (/\.d\.[mc]?ts$/.test(address)) return empty;
    const [, scheme] = /^([a-z][a-z0-9+.-]*):/.exec(address) ?? [];
    switch (scheme) {
      case 'file': return this.#file(address);
      case 'npm': return this.#npmFile(reference(address), asking.kind);
      case 'jsr': return this.#jsrModule(address, asking);
      case 'node': return this.#node(address.slice('node:'.length));
      case 'data': return { address, pure: false };
      case 'http':
      case 'https': return this.#page(address, asking);
      default: throw new Fault(`${JSON.stringify(address)} cannot be imported: it is neither a file nor npm:, jsr:, node:, https: or data:.`);
    }
  }

  #file(address: string): Found {
    const path = pathOf(address);
    if (this.project.files.has(path)) return { address: addressOf(path), pure: false };
    const near = ['.ts', '.tsx', '.js', '.mjs', '/index.ts', '/mod.ts', '/index.js'].map((ending) => path + ending).concat(path.replace(/\.js$/, '.ts'));
    const meant = near.find((name) => this.project.files.has(name));
    throw new Fault(`There is no file ${path}.${meant ? ` Did you mean ${meant}? The ending is part of the name.` : ''}`);
  }

  async #npmFile({ name, range, subpath }: { name: string; range: string; subpath: string }, kind: Asking['kind']): Promise<Found> {
    const from = await this.npm.get(name, range);
    return this.#inFile(from, this.npm.file(from, subpath, kind === 'require' ? 'require' : 'import'));
  }

  #inFile(from: Package, file: string | false): Found {
    if (file === false) return empty;
    const found = `${from.name}@${from.version}`;
    this.#packages.set(found, from);
    return { address: `npm:${found}/${file}`, pure: from.manifest.sideEffects === false };
  }

  #package(path: string): { from: Package; file: string } {
    const [, found, file] = /^((?:@[^/]+\/)?[^/]+)\/(.*)$/.exec(path)!;
    return { from: this.#packages.get(found!)!, file: file! };
  }

  /** What a package's file imports, as Node and bundlers find it. */
  async #inPackage(specifier: string, { from, file }: { from: Package; file: string }, asking: Asking): Promise<Found> {
    const kind = asking.kind === 'require' ? 'require' : 'import';
    if (/^\.\.?(\/|$)/.test(specifier)) return this.#inFile(from, this.npm.beside(from, inside(specifier, root + file)));
    if (specifier.startsWith('/')) throw new Fault(`${JSON.stringify(specifier)} is in no package.`);
    const replacement = this.npm.replacement(from, specifier);
    if (replacement === false) return empty;
    if (replacement !== undefined && replacement !== specifier) return this.#inPackage(replacement, { from, file: 'package.json' }, asking);
    if (specifier.startsWith('#')) {
      const target = this.npm.internal(from, specifier, kind);
      return target.startsWith('./') ? this.#inFile(from, this.npm.beside(from, target.slice(2))) : this.#inPackage(target, { from, file }, asking);
    }
    if (specifier.startsWith('node:')) return this.#nodeOrAbsent(specifier.slice('node:'.length), asking);
    if (isBuiltin(specifier)) return this.#node(specifier);
    const [, name, subpath = ''] = /^((?:@[^/:]+\/)?[^/:]+)(?:\/(.*))?$/.exec(specifier) ?? [];
    if (!name) return this.#address(specifier, asking);
    if (name === from.name) return this.#inFile(from, this.npm.file(from, subpath, kind));
    const need = this.npm.need(from, name);
    // Programs try for what they can do without, and catch what is thrown.
    const mayLack = asking.kind !== 'import' && !need?.required;
    if (mayLack) return { address: `absent:${specifier}`, pure: false };
    if (!need) throw new Fault(`${from.name}@${from.version} imports ${JSON.stringify(specifier)}, which is not among its dependencies.`);
    return this.#npmFile({ name, range: need.range, subpath: subpath.replace(/\/$/, '') }, asking.kind);
  }

  #nodeOrAbsent(name: string, asking: Asking): Promise<Found> | Found {
    return asking.kind === 'import' || isBuiltin(name) ? this.#node(name) : { address: `absent:node:${name}`, pure: false };
  }

  async #node(name: string): Promise<Found> {
    const found = standIn(name);
    if (!found) throw new Fault(`"node:${name}" is not to be had here.`);
    if ('own' in found) return this.#own(found.own, `node:${name}`);
    const from = await this.npm.get(found.package, '*');
    return { ...this.#inFile(from, found.file), pure: true };
  }

  /** One of the project's own modules; `undefined` where it has none of that name. */
  async #own(path: string, specifier: string): Promise<Found> {
    await this.#ownIfAny(path, specifier);
    return own(path);
  }

  async #ownIfAny(path: string, specifier: string): Promise<Found | undefined> {
    const files = await this.shipped.own();
    const bytes = files.get(path);
    if (!bytes) return undefined;
    this.lock.use(specifier, `own:${path}`, await digest(bytes));
    return own(path);
  }

  /** The project's own modules import each other, Node's, and packages that the project ships. */
  async #inOwn(specifier: string, path: string): Promise<Found> {
    if (specifier.startsWith('.')) return own(inside(specifier, root + path));
    if (specifier.startsWith('node:')) return this.#node(specifier.slice('node:'.length));
    return this.#npmFile(reference(`npm:${specifier}`), 'import');
  }

  async #jsrModule(address: string, asking: Asking): Promise<Found> {
    // A module of a package that was resolved already.
    if (asking.importer.startsWith('jsr:') && address.startsWith(/^jsr:@[^/]+\/[^/]+\//.exec(asking.importer)![0])) return { address, pure: false };
    const { name, range, subpath } = reference(address);
    const std = /^@std\/(.+)$/.exec(name)?.[1];
    const ours = std ? await this.#std(std.replaceAll('-', '_'), subpath || 'mod', address) : undefined;
    if (ours) return ours;
    const twin = twins[name];
    if (twin && this.npm.ships(twin, range)) return this.#npmFile({ name: twin, range, subpath }, asking.kind);
    return { address: `jsr:${await this.#jsr.module(name, range, subpath)}`, pure: false };
  }

  /** Deno's standard library: what the project has of it stands for any version. */
  #std(folder: string, file: string, specifier: string): Promise<Found | undefined> {
    return this.#ownIfAny(`std/${folder}/${file.replace(/\.ts$/, '').replaceAll('-', '_')}.ts`, specifier);
  }

  async #page(address: string, asking: Asking): Promise<Found> {
    const std = /^https:\/\/deno\.land\/std(?:@[^/]+)?\/([^/]+)\/(.+\.ts)$/.exec(address);
    const ours = std ? await this.#std(std[1]!, std[2]!, address) : undefined;
    if (ours) return ours;
    const named = packageOf(address);
    if (named && this.npm.ships(named.name, named.range)) return this.#npmFile(named, asking.kind);
    const found = await this.#fetch(address);
    return { address: found.url, pure: false };
  }

  async #fetch(address: string): Promise<Fetched> {
    const known = this.#pages.get(address);
    if (known) return known;
    // A module keeps its address, wherever it was fetched from before; its content is what the lock has.
    try {
      const fetched = await this.#remote.fixed(address, async ({ url, bytes }) => {
        this.lock.use(address, url, await digest(bytes));
      });
      this.#pages.set(address, fetched).set(fetched.url, fetched);
      return fetched;
    } catch (error) {
      if (error instanceof Missing) throw new Fault(`There is nothing at ${address} (404).`);
      throw error instanceof Unreachable ? new Fault(`${address} is not one of the modules that come with the project, and ${error.message}.`) : error;
    }
  }

  /** Whether a module comes with the project: then nothing that a function does before has to do with it. */
  comesAlong(address: string): boolean {
    const [, name, version] = /^npm:((?:@[^/@]+\/)?[^/@]+)@([^/]+)\//.exec(address) ?? [];
    return name ? this.shipped.version(name) === version : address.startsWith('own:');
  }

  async load(address: string, type: string | undefined): Promise<Content> {
    const [, scheme, path] = /^([a-z]+):(.*)$/s.exec(address)!;
    switch (scheme) {
      case 'empty': return { contents: '', loader: 'js' };
      case 'absent': return { contents: `throw Object.assign(new Error(${JSON.stringify(`Cannot find module '${path}'`)}), { code: 'MODULE_NOT_FOUND' });`, loader: 'js' };
      case 'file': return content(path!, this.project.files.get(pathOf(address))!, type);
      case 'npm': {
        const { from, file } = this.#package(path!);
        return packaged(file, from.files.get(file)!, type);
      }
      case 'own': return { contents: (await this.shipped.own()).get(path!)!, loader: 'ts' };
      case 'jsr': return content(path!, await this.#jsr.read(path!), type);
      case 'data': {
        const response = await fetch(address);
        const mime = (response.headers.get('content-type') ?? '').split(';')[0]!;
        return content(mime, new Uint8Array(await response.arrayBuffer()), type, mime);
      }
      default: {
        const fetched = await this.#fetch(address);
        return content(new URL(fetched.url).pathname, fetched.bytes, type, fetched.type);
      }
    }
  }
}

const byEnding: [RegExp, Content['loader']][] = [
  [/\.tsx$/, 'tsx'], [/\.jsx$/, 'jsx'], [/\.[mc]?ts$/, 'ts'], [/\.[mc]?js$/, 'js'], [/\.json$/, 'json'], [/\.wasm$/, 'wasm'],
];

/** Content types of modules, as Deno takes them. */
const byType: Record<string, Content['loader']> = {
  'application/typescript': 'ts', 'text/typescript': 'ts', 'video/mp2t': 'ts', 'application/x-typescript': 'ts', 'video/vnd.dlna.mpeg-tts': 'ts',
  'text/tsx': 'tsx', 'text/jsx': 'jsx', 'application/javascript': 'js', 'text/javascript': 'js', 'application/x-javascript': 'js', 'application/ecmascript': 'js',
  'application/json': 'json', 'text/json': 'json', 'application/wasm': 'wasm',
};

function content(path: string, contents: Uint8Array, type: string | undefined, mime = ''): Content {
  const ending = byEnding.find(([pattern]) => pattern.test(path))?.[1];
  const loader = ending ?? byType[mime];
  switch (type) {
    case 'text': return { contents, loader: 'text' };
    case 'bytes': return { contents, loader: 'binary' };
    case 'json': return { contents, loader: 'json' };
    case undefined: break;
    default: throw new Fault(`Modules of the type ${JSON.stringify(type)} cannot be imported: there are "json", "text" and "bytes".`);
  }
  if (loader) return { contents, loader };
  if (mime.startsWith('text/html')) throw new Fault('This is a page, not a module.');
  throw new Fault(`What kind of module this is cannot be told from its name: \`with { type: "text" }\` or \`"bytes"\` imports it as it is.`);
}

/** Packages say less of what their files are, and some have code for engines that are not here. */
function packaged(file: string, contents: Uint8Array, type: string | undefined): Content {
  if (file.endsWith('.node')) return { contents: `throw new Error(${JSON.stringify(`${file} is compiled for Node and cannot be loaded here.`)});`, loader: 'js' };
  if (!type && !byEnding.some(([pattern]) => pattern.test(file))) return { contents, loader: /\.(txt|md|html|css|sql)$/.test(file) ? 'text' : 'js' };
  return content(file, contents, type);
}

/** Packages that are on JSR and on npm under another name, the same in both. */
const twins: Record<string, string> = { '@hono/hono': 'hono', '@supabase/supabase-js': '@supabase/supabase-js', '@zod/zod': 'zod', '@panva/jose': 'jose' };

/** The npm package at an address of a server that serves npm's packages as modules. */
function packageOf(address: string): { name: string; range: string; subpath: string } | undefined {
  const url = new URL(address);
  const hosts: Record<string, RegExp> = { 'esm.sh': /^\/(?:v\d+\/)?(?:\*)?(.+)$/, 'cdn.jsdelivr.net': /^\/npm\/(.+?)(?:\/\+esm)?$/, 'cdn.skypack.dev': /^\/(.+)$/, 'esm.run': /^\/(.+)$/ };
  const path = Object.hasOwn(hosts, url.host) ? hosts[url.host]!.exec(url.pathname)?.[1] : undefined;
  // Other parameters ask for something else than the package as it is.
  const plain = [...url.searchParams.keys()].every((key) => ['target', 'bundle', 'no-dts', 'dts', 'pin'].includes(key));
  if (!path || !plain || !/^(@[^/]+\/)?[^/@]+(@[^/]+)?(\/.*)?$/.test(path)) return undefined;
  return reference(`npm:${path}`);
}

/** Packages that the user's own modules, import map and package.json ask for, with their ranges. */
function direct(project: Project): Map<string, Set<string>> {
  const found = new Map<string, Set<string>>();
  const add = (name: string, range: string) => found.set(name, (found.get(name) ?? new Set()).add(range));
  const addresses = project.imports.imports.flatMap(({ address }) => address ?? []);
  const sources = [...project.files].flatMap(([path, bytes]) => (/\.[mc]?[jt]sx?$/.test(path) ? (new TextDecoder().decode(bytes).match(/(?<=['"])npm:[^'"\s]+(?=['"])/g) ?? []) : []));
  for (const address of [...addresses, ...sources].filter((one) => one.startsWith('npm:'))) {
    const { name, range } = reference(address);
    if (range !== '*') add(name, range);
  }
  for (const [name, range] of Object.entries(project.dependencies)) add(name, range);
  return found;
}
