// Packages of JSR (jsr.io/docs/api, "registry API"): modules that are fetched one by one, each with its checksum.
import maxSatisfying from 'semver/ranges/max-satisfying.js';
import { digest, fromHex, verify } from './integrity.ts';
import type { Lock } from './lock.ts';
import { Fault } from './problems.ts';
import { Missing, Unreachable, type Remote } from './remote.ts';

interface PackageMeta { latest?: string; versions: Record<string, { yanked?: boolean }> }
interface VersionMeta {
  manifest: Record<string, { size: number; checksum: string }>;
  exports: string | Record<string, string>;
}

export class Jsr {
  readonly #versions = new Map<string, Promise<string>>();
  readonly #metas = new Map<string, Promise<VersionMeta>>();

  constructor(readonly registry: string, readonly remote: Remote, readonly lock: Lock) {}

  /** `@scope/name@1.2.3/file.ts`, for what a range exports under a subpath. */
  async module(name: string, range: string, subpath: string): Promise<string> {
    const specifier = `jsr:${name}${range === '*' ? '' : `@${range}`}`;
    const choosing = this.#versions.get(specifier) ?? this.#choose(name, range, specifier);
    this.#versions.set(specifier, choosing);
    const found = `${name}@${await choosing}`;
    const { exports } = await this.#meta(found, specifier);
    const table = typeof exports === 'string' ? { '.': exports } : exports;
    const key = subpath ? `./${subpath}` : '.';
    if (!Object.hasOwn(table, key)) throw new Fault(`jsr:${found} exports no ${key}; it exports ${Object.keys(table).join(', ')}.`);
    return `${found}/${table[key]!.replace(/^\.\//, '')}`;
  }

  /** What is in a module, checked against its version's manifest. */
  async read(path: string): Promise<Uint8Array> {
    const [, found, file] = /^(@[^/]+\/[^@]+@[^/]+)\/(.+)$/.exec(path)!;
    const { manifest } = await this.#meta(found!);
    const described = manifest[`/${file}`];
    if (!described) throw new Fault(`jsr:${found} has no file ${file}.`);
    const integrity = fromHex(described.checksum.replace(/^sha256-/, ''));
    const { bytes } = await this.remote.fixed(this.#url(found!, `/${file}`), ({ bytes: fetched }) => verify(`jsr:${path}`, fetched, integrity));
    return bytes;
  }

  async #choose(name: string, range: string, specifier: string): Promise<string> {
    const pinned = /^jsr:(@[^@]+)@(.+)$/.exec(this.lock.pinned(specifier) ?? '')?.[2];
    if (pinned) return pinned;
    try {
      const { bytes } = await this.remote.current(`${this.registry}/${name}/meta.json`);
      const { versions } = JSON.parse(new TextDecoder().decode(bytes)) as PackageMeta;
      const offered = Object.keys(versions).filter((version) => !versions[version]!.yanked);
      const found = maxSatisfying(offered, range);
      if (found) return found;
      throw new Fault(`${specifier} is no version of ${name}: there are ${offered.join(', ')}.`);
    } catch (error) {
      if (error instanceof Missing) throw new Fault(`JSR has no package ${name}.`);
      throw error instanceof Unreachable ? new Unreachable(`${specifier} is not one of the packages that come with the project, and ${error.message}.`) : error;
    }
  }

  /** What a version has. Its own digest is the package's in the lock: it has those of all files. */
  async #meta(found: string, specifier?: string): Promise<VersionMeta> {
    const resolved = `jsr:${found}`;
    const reading = this.#metas.get(found) ?? this.#fetchMeta(found, resolved);
    this.#metas.set(found, reading);
    const meta = await reading;
    if (specifier) this.lock.use(specifier, resolved, this.#integrities.get(found)!);
    return meta;
  }

  readonly #integrities = new Map<string, string>();

  async #fetchMeta(found: string, resolved: string): Promise<VersionMeta> {
    const locked = this.lock.integrity(resolved);
    const { bytes } = await this.remote.fixed(this.#url(found, '_meta.json'), async (fetched) => {
      if (locked) await verify(resolved, fetched.bytes, locked);
    });
    this.#integrities.set(found, await digest(bytes));
    return JSON.parse(new TextDecoder().decode(bytes)) as VersionMeta;
  }

  #url(found: string, rest: string): string {
    const at = found.lastIndexOf('@');
    return `${this.registry}/${found.slice(0, at)}/${found.slice(at + 1)}${rest}`;
  }
}
