// What was resolved to what, and what it must be: the lock in `bundle/meta.json`, and a `deno.lock` among the files.
import { fromHex } from './integrity.ts';
import { Fault } from './problems.ts';

/** One thing that was imported and is not the function's own. */
export interface Import {
  /** As it was asked for, `npm:hono@^4`; what a package needs is in here too. */
  specifier: string;
  /** What it is: `npm:hono@4.6.1`, `jsr:@std/path@1.0.8`, an address, or the name of one of the project's own modules. */
  resolved: string;
  integrity: string;
}

interface DenoLock {
  version?: string;
  specifiers?: Record<string, string>;
  packages?: { specifiers?: Record<string, string>; npm?: DenoLock['npm']; jsr?: DenoLock['jsr'] };
  npm?: Record<string, { integrity?: string }>;
  jsr?: Record<string, { integrity?: string }>;
  remote?: Record<string, string>;
  redirects?: Record<string, string>;
}

export class Lock {
  readonly #pins = new Map<string, string>();
  readonly #integrities = new Map<string, string>();
  readonly #used = new Map<string, Import>();

  constructor(earlier: Import[] = [], deno?: unknown) {
    this.#readDeno((deno ?? {}) as DenoLock);
    for (const { specifier, resolved, integrity } of earlier) {
      // The project's own modules change with the project.
      if (resolved.startsWith('own:')) continue;
      this.#pins.set(specifier, resolved);
      this.#integrities.set(resolved, integrity);
    }
  }

  /** Versions 3 to 5 of deno.lock. An npm key may tell its peers after an underscore. */
  #readDeno(lock: DenoLock): void {
    const version = (text: string) => text.split('_')[0]!;
    for (const [specifier, found] of Object.entries(lock.specifiers ?? lock.packages?.specifiers ?? {})) {
      const [, scheme, name] = /^(npm|jsr):(@?[^@]+)/.exec(specifier) ?? [];
      // Version 3 writes the whole package, later ones its version.
      if (scheme) this.#pins.set(specifier, found.includes(':') ? version(found) : `${scheme}:${name}@${version(found)}`);
    }
    for (const [key, { integrity }] of Object.entries(lock.npm ?? lock.packages?.npm ?? {})) {
      if (integrity) this.#integrities.set(`npm:${version(key)}`, integrity);
    }
    for (const [key, { integrity }] of Object.entries(lock.jsr ?? lock.packages?.jsr ?? {})) {
      if (integrity) this.#integrities.set(`jsr:${key}`, fromHex(integrity));
    }
    for (const [url, hex] of Object.entries(lock.remote ?? {})) this.#integrities.set(url, fromHex(hex));
    for (const [from, to] of Object.entries(lock.redirects ?? {})) this.#pins.set(from, to);
  }

  pinned(specifier: string): string | undefined {
    return this.#pins.get(specifier);
  }

  integrity(resolved: string): string | undefined {
    return this.#integrities.get(resolved);
  }

  /** Throws when the lock expects other bytes. An unlike algorithm says nothing. */
  use(specifier: string, resolved: string, integrity: string): void {
    const expected = this.#integrities.get(resolved);
    if (expected && expected.split('-')[0] === integrity.split('-')[0] && expected !== integrity) {
      throw new Fault(`${resolved} is not what the lock has: its digest is ${integrity}, ${expected} was expected. \`reload\` takes it as it is now.`);
    }
    this.#used.set(specifier, { specifier, resolved, integrity });
  }

  /** What this bundle has, in order of its names. */
  imports(): Import[] {
    return [...this.#used.values()].sort((a, b) => (a.specifier < b.specifier ? -1 : 1));
  }
}
