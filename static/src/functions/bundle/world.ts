// What a bundler asks of the place it runs in: a page or Node.
import type * as esbuild from 'esbuild-wasm';

export interface World {
  /** The same version in all places: the same input gives the same bytes. */
  esbuild: Pick<typeof esbuild, 'build' | 'version'> & Partial<Pick<typeof esbuild, 'context'>>;
  fetch(url: string, init: { headers: Record<string, string> }): Promise<Response>;
  /** What was fetched before; the bundler checks what it gets from there as it checks what it fetches. */
  kept: Kept;
  /** The packages that come with the project. */
  shipped: { catalogue: Catalogue; read(file: string): Promise<Uint8Array> };
  /** Where packages come from, without a slash at the end. */
  registries: { npm: string; jsr: string };
}

export interface Fetched {
  /** Where it was found, after redirections. */
  url: string;
  /** The content type, in lower case, without parameters. */
  type: string;
  bytes: Uint8Array;
}

export interface Kept {
  get(url: string): Promise<Fetched | undefined>;
  /** May keep nothing: a full disk must not stop a deployment. */
  put(url: string, fetched: Fetched): Promise<void>;
}

/** What `static/build.mjs` packed. */
export interface Catalogue {
  /** npm packages by name: one version of each. */
  npm: Record<string, Archive & { version: string; /** As the registry has it. */ integrity: string }>;
  /** The project's own modules: `std/…` stands for Deno's standard library, `node/…` for Node's. */
  own: Archive;
}

export interface Archive {
  /** A ZIP, as `World.shipped.read` takes it. */
  file: string;
  /** SHA-256 of the ZIP, as `integrity` takes it. */
  archive: string;
}

export const publicRegistries = { npm: 'https://registry.npmjs.org', jsr: 'https://jsr.io' };
