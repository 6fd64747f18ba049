// Packages of npm: which version a range means, what is in it, and which file an import of it is.
import { exports as exported, imports as imported } from 'resolve.exports';
import maxSatisfying from 'semver/ranges/max-satisfying.js';
import satisfies from 'semver/functions/satisfies.js';
import validRange from 'semver/ranges/valid.js';
import { untar, type Files } from './archive.ts';
import { fromHex, verify } from './integrity.ts';
import type { Lock } from './lock.ts';
import { Fault } from './problems.ts';
import { Missing, Unreachable, type Remote } from './remote.ts';
import type { Shipped } from './shipped.ts';

export interface Package {
  name: string;
  version: string;
  manifest: Manifest;
  files: Files;
}

interface Manifest {
  name?: string;
  main?: string;
  module?: string;
  browser?: string | Record<string, string | false>;
  exports?: unknown;
  imports?: unknown;
  sideEffects?: boolean | string[];
  dependencies?: Record<string, string>;
  optionalDependencies?: Record<string, string>;
  peerDependencies?: Record<string, string>;
  peerDependenciesMeta?: Record<string, { optional?: boolean }>;
}

/** What the registry tells of a package, in its abbreviated form (npm/registry, package-metadata.md). */
interface Packument {
  'dist-tags': Record<string, string>;
  versions: Record<string, { dist: { tarball: string; integrity?: string; shasum?: string } }>;
}

/** A reference in `npm:` or `jsr:`; the range is `*` where none is given, the subpath empty or `sub/path`. */
export interface Reference { name: string; range: string; subpath: string }

export function reference(specifier: string): Reference {
  const parts = /^(?:npm|jsr):\/?((?:@[^/@]+\/)?[^/@]+)(?:@([^/]+))?(?:\/(.*))?$/.exec(specifier);
  if (!parts) throw new Fault(`${JSON.stringify(specifier)} names no package.`);
  return { name: parts[1]!, range: decodeURIComponent(parts[2] ?? '*'), subpath: parts[3] ?? '' };
}

/** Engines that a package may have code for, the most fitting first in what it says itself. */
const conditions = (kind: 'import' | 'require') => ['deno', 'worker', 'browser', 'module', kind, 'default'];

export class Npm {
  readonly #versions = new Map<string, Promise<string>>();
  readonly #packages = new Map<string, Promise<Package>>();

  constructor(
    readonly registry: string,
    readonly remote: Remote,
    readonly shipped: Shipped,
    readonly lock: Lock,
    readonly warn: (message: string) => void,
    /** What the user's own modules ask for, by name: a package's peers are these where they fit. */
    readonly direct: Map<string, Set<string>>,
  ) {}

  /** Whether what the project ships is what a range means. A tag, `latest`, means it too. */
  ships(name: string, range: string): boolean {
    const version = this.shipped.version(name);
    return version !== undefined && (!validRange(range) || satisfies(version, range));
  }

  /** The package that a range means, the same for the whole bundle. */
  async get(name: string, range: string): Promise<Package> {
    if (/^(https?|git|file|link|workspace|github):/.test(range)) throw new Fault(`${name}@${range} comes from no registry, and is not supported.`);
    const alias = /^npm:/.test(range) ? reference(range) : undefined;
    if (alias) return this.get(alias.name, alias.range);
    const specifier = `npm:${name}${range === '*' || range === '' ? '' : `@${range}`}`;
    const version = await this.#once(this.#versions, specifier, () => this.#choose(name, range, specifier));
    const found = `${name}@${version}`;
    const opened = await this.#once(this.#packages, found, () => this.#open(name, version));
    this.lock.use(specifier, `npm:${found}`, this.#integrities.get(found)!);
    return opened;
  }

  #once<Value>(known: Map<string, Promise<Value>>, key: string, make: () => Promise<Value>): Promise<Value> {
    const value = known.get(key) ?? make();
    known.set(key, value);
    return value;
  }

  async #choose(name: string, range: string, specifier: string): Promise<string> {
    const pinned = /^npm:(@?[^@]+)@(.+)$/.exec(this.lock.pinned(specifier) ?? '')?.[2];
    const shipped = this.ships(name, range) ? this.shipped.version(name) : undefined;
    if (pinned && pinned !== shipped) {
      try {
        await this.#open(name, pinned);
        return pinned;
      } catch (error) {
        if (!shipped || !(error instanceof Unreachable)) throw error;
        this.warn(`${specifier} was ${pinned} when this function was last deployed, which cannot be fetched now: ${shipped} is used.`);
      }
    }
    if (shipped) return shipped;
    const { versions, 'dist-tags': tags } = await this.#packument(name, specifier);
    const tag = Object.hasOwn(tags, range) ? tags[range] : undefined;
    // As npm does: the latest one, if it will do, before a higher one that was not yet called so.
    const latest = tags.latest !== undefined && validRange(range) && satisfies(tags.latest, range) ? tags.latest : undefined;
    const found = tag ?? latest ?? maxSatisfying(Object.keys(versions), range || '*');
    if (!found) throw new Fault(`${specifier} is no version of ${name}: the latest is ${tags.latest}.`);
    return found;
  }

  async #packument(name: string, specifier: string): Promise<Packument> {
    const url = `${this.registry}/${name.replace('/', '%2F')}`;
    try {
      const { bytes } = await this.remote.current(url, { accept: 'application/vnd.npm.install-v1+json' });
      return JSON.parse(new TextDecoder().decode(bytes)) as Packument;
    } catch (error) {
      if (error instanceof Missing) throw new Fault(`npm has no package ${name}.`);
      throw error instanceof Unreachable ? new Unreachable(`${specifier} is not one of the packages that come with the project, and ${error.message}.`) : error;
    }
  }

  readonly #integrities = new Map<string, string>();

  async #open(name: string, version: string): Promise<Package> {
    const files = this.shipped.version(name) === version ? await this.#openShipped(name, version) : await this.#fetch(name, version);
    const manifest = files.get('package.json');
    if (!manifest) throw new Fault(`${name}@${version} has no package.json.`);
    return { name, version, files, manifest: JSON.parse(new TextDecoder().decode(manifest)) as Manifest };
  }

  async #openShipped(name: string, version: string): Promise<Files> {
    this.#integrities.set(`${name}@${version}`, this.shipped.integrity(name)!);
    return this.shipped.npm(name);
  }

  async #fetch(name: string, version: string): Promise<Files> {
    const found = `${name}@${version}`;
    const locked = this.lock.integrity(`npm:${found}`);
    const described = locked ? undefined : (await this.#packument(name, `npm:${found}`)).versions[version]?.dist;
    if (!locked && !described) throw new Fault(`npm has no ${found}.`);
    const integrity = locked ?? described!.integrity ?? fromHex(described!.shasum ?? '', 'sha1');
    // A lock has no address, but packages are where the registry has always had them.
    const tarball = described?.tarball ?? `${this.registry}/${name}/-/${name.split('/').at(-1)}-${version}.tgz`;
    const { bytes } = await this.remote.fixed(tarball, ({ bytes: fetched }) => verify(`npm:${found}`, fetched, integrity));
    this.#integrities.set(found, integrity);
    return untar(found, bytes);
  }

  /**
   * The range in which a package means another: its own dependency, or a peer, which is the user's own where they import
   * it. `required` is false where the package can do without; `undefined` is one that it does not name.
   */
  need(from: Package, name: string): { range: string; required: boolean } | undefined {
    const { dependencies, optionalDependencies, peerDependencies, peerDependenciesMeta } = from.manifest;
    const optional = optionalDependencies?.[name];
    if (optional !== undefined) return { range: optional, required: false };
    const own = dependencies?.[name];
    if (own !== undefined) return { range: own, required: true };
    const peer = peerDependencies?.[name];
    if (peer === undefined) return undefined;
    const direct = [...(this.direct.get(name) ?? [])].sort()[0];
    return { range: direct ?? peer, required: direct !== undefined || !peerDependenciesMeta?.[name]?.optional };
  }

  /** The file that an import of a package is; `false` for one that the package leaves out in browsers. */
  file(from: Package, subpath: string, kind: 'import' | 'require'): string | false {
    const { manifest } = from;
    const asked = `npm:${from.name}@${from.version}${subpath && `/${subpath}`}`;
    if (manifest.exports !== undefined) {
      let targets: string[] | void;
      try {
        targets = exported(manifest as never, subpath ? `./${subpath}` : '.', { conditions: conditions(kind), unsafe: true });
      } catch {
        targets = undefined;
      }
      for (const target of targets ?? []) {
        const found = probe(from.files, target.replace(/^\.\//, ''));
        if (found) return replaced(from, found);
      }
      throw new Fault(targets ? `${asked} is ${targets.join(' or ')} in its package, which has no such file.` : `${asked} is not exported by its package.`);
    }
    const mains = subpath ? [subpath] : [typeof manifest.browser === 'string' ? manifest.browser : undefined, kind === 'import' ? manifest.module : undefined, manifest.main, manifest.module, 'index'];
    for (const main of mains) {
      const found = main && probe(from.files, main.replace(/^\.?\//, ''));
      if (found) return replaced(from, found);
    }
    throw new Fault(`${asked} is in no file of its package.`);
  }

  /** A file beside another of the same package. */
  beside(from: Package, path: string): string | false {
    const found = probe(from.files, path);
    if (!found) throw new Fault(`${from.name}@${from.version} has no file ${path}.`);
    return replaced(from, found);
  }

  /** What `#name` means inside a package: a path in it, `./…`, or another specifier. */
  internal(from: Package, specifier: string, kind: 'import' | 'require'): string {
    try {
      const [target] = imported(from.manifest as never, specifier, { conditions: conditions(kind), unsafe: true }) ?? [];
      if (target) return target;
    } catch {
      // It names none.
    }
    throw new Fault(`${from.name}@${from.version} has nothing called ${specifier}.`);
  }

  /** Another package, or nothing, that a package wants in a browser instead of the one it imports. */
  replacement(from: Package, specifier: string): string | false | undefined {
    const { browser } = from.manifest;
    return typeof browser === 'object' && Object.hasOwn(browser, specifier) ? browser[specifier] : undefined;
  }
}

/** `browser` in package.json may name other files for a browser, or none. */
function replaced(from: Package, file: string): string | false {
  const { browser } = from.manifest;
  if (typeof browser !== 'object') return file;
  for (const name of [`./${file}`, file, `./${file.replace(/\.(js|json)$/, '')}`]) {
    const other = Object.hasOwn(browser, name) ? browser[name] : undefined;
    if (other === false) return false;
    if (other !== undefined) return probe(from.files, other.replace(/^\.\//, '')) ?? file;
  }
  return file;
}

/** A file, or what Node and bundlers take a name for that has no ending or is a folder. */
function probe(files: Files, path: string): string | undefined {
  const clean = path.replace(/\/+$/, '');
  const folder = clean && `${clean}/`;
  if (clean && files.has(clean)) return clean;
  for (const ending of ['.mjs', '.js', '.cjs', '.json', '.ts', '.tsx', '.jsx']) {
    if (clean && files.has(clean + ending)) return clean + ending;
  }
  const manifest = files.get(`${folder}package.json`);
  if (folder && manifest) {
    const { module, main } = JSON.parse(new TextDecoder().decode(manifest)) as Manifest;
    const named = module ?? main;
    const found = named && probe(files, folder + named.replace(/^\.\//, ''));
    if (found) return found;
  }
  return ['index.mjs', 'index.js', 'index.cjs', 'index.json', 'index.ts'].map((name) => folder + name).find((name) => files.has(name));
}
