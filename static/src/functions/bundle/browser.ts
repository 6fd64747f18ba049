// The bundler in a page: esbuild's WebAssembly in a worker of its own, and the browser's cache for what was fetched. This
// is an entry of the build: only a page that deploys a function loads it.
import * as esbuild from 'esbuild-wasm';
import { Bundler } from './bundle.ts';
import { publicRegistries, type Kept, type World } from './world.ts';

export type { Bundle, Bundler, BundleOptions, Import, Meta, Problem, SourceFiles } from './bundle.ts';
export { NotBundled, shown } from './bundle.ts';

const cacheName = 'gateway-function-packages';

let starting: Promise<void> | undefined;
const bundlers = new Map<string, Bundler>();

/** The bundler of some registries: one of each, for what it has read is of use to the next bundle. */
export async function bundlerInBrowser({ registries = publicRegistries }: { registries?: World['registries'] } = {}): Promise<Bundler> {
  starting ??= esbuild.initialize({ wasmURL: new URL(ESBUILD_WASM, import.meta.url).href });
  await starting.catch((error: unknown) => {
    starting = undefined;
    throw error;
  });
  const key = JSON.stringify([registries.npm, registries.jsr]);
  const bundler = bundlers.get(key) ?? bundlerOf(registries);
  bundlers.set(key, bundler);
  return bundler;
}

function bundlerOf(registries: World['registries']): Bundler {
  return new Bundler({
    esbuild,
    // Another site gets nothing of ours with it.
    fetch: (url, { headers }) => fetch(url, { headers, credentials: 'omit', referrerPolicy: 'no-referrer' }),
    kept,
    shipped: {
      catalogue: FUNCTION_PACKAGES,
      async read(file) {
        const response = await fetch(new URL(file, import.meta.url));
        if (!response.ok) throw new Error(`${file}: ${response.status} ${response.statusText}`);
        return new Uint8Array(await response.arrayBuffer());
      },
    },
    registries,
  });
}

/** No room, or no permission, is no reason not to deploy. */
const kept: Kept = {
  async get(url) {
    const cache = await caches.open(cacheName).catch(() => undefined);
    const response = await cache?.match(url).catch(() => undefined);
    if (!response) return undefined;
    return { url: response.headers.get('x-found-at') ?? url, type: response.headers.get('content-type') ?? '', bytes: new Uint8Array(await response.arrayBuffer()) };
  },
  async put(url, { url: found, type, bytes }) {
    const cache = await caches.open(cacheName).catch(() => undefined);
    await cache?.put(url, new Response(bytes as BodyInit, { headers: { 'x-found-at': found, 'content-type': type } })).catch(() => undefined);
  },
};
