// The bundler under Node: esbuild's own program, and a folder for what was fetched.
import { createHash } from 'node:crypto';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import path from 'node:path';
import * as esbuild from 'esbuild';
import { Bundler } from './bundle.ts';
import { publicRegistries, type Catalogue, type Fetched, type Kept, type World } from './world.ts';

export interface NodeOptions {
  /** The folder of `dist/functions` and what is in it. */
  folder: string;
  catalogue: Catalogue;
  /** Where fetched packages are kept; `$XDG_CACHE_HOME` or `~/.cache` has a folder for them. */
  cache?: string;
  registries?: World['registries'];
  fetch?: World['fetch'];
}

export function bundlerInNode({ folder, catalogue, cache, registries = publicRegistries, fetch: fetchIt = fetch }: NodeOptions): Bundler {
  return new Bundler({
    // A build that goes on would keep the process from its end.
    esbuild: { build: esbuild.build, version: esbuild.version } as unknown as World['esbuild'],
    fetch: fetchIt,
    kept: folderOf(cache ?? path.join(process.env.XDG_CACHE_HOME || path.join(homedir(), '.cache'), 'supabase-lite-gateway/functions')),
    shipped: { catalogue, read: async (file) => readFile(path.join(folder, file)) },
    registries,
  });
}

/** Two files for each address: what was found, and where and as what. */
function folderOf(folder: string): Kept {
  const place = (url: string) => path.join(folder, createHash('sha256').update(url).digest('hex'));
  return {
    async get(url) {
      try {
        const [described, bytes] = await Promise.all([readFile(`${place(url)}.json`, 'utf8'), readFile(place(url))]);
        return { ...(JSON.parse(described) as Omit<Fetched, 'bytes'>), bytes };
      } catch {
        return undefined;
      }
    },
    async put(url, { bytes, ...described }) {
      try {
        await mkdir(folder, { recursive: true });
        await whole(place(url), bytes);
        await whole(`${place(url)}.json`, JSON.stringify(described));
      } catch {
        // It is fetched again.
      }
    },
  };
}

/** Whole or not at all: several programs may write at once. */
async function whole(file: string, content: Uint8Array | string): Promise<void> {
  const next = `${file}.${process.pid}`;
  await writeFile(next, content);
  await rename(next, file);
}
