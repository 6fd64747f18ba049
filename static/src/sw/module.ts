// The compiled WASM: fetched once for each version, kept in Cache Storage, compiled as it streams.
import wasm from '../../generated/gateway/gateway_bg.wasm';

const prefix = 'gateway-wasm-';
const current = prefix + GATEWAY_VERSION;

let compiling: Promise<WebAssembly.Module> | undefined;

/** The module, compiled once in the life of this worker. A failure is not kept: the next caller tries again. */
export function compiled(): Promise<WebAssembly.Module> {
  return (compiling ??= compile().catch((error: unknown) => {
    compiling = undefined;
    throw error;
  }));
}

async function compile(): Promise<WebAssembly.Module> {
  const cache = await caches.open(current).catch(() => undefined);
  const kept = await cache?.match(wasm);
  if (kept) {
    try {
      return await WebAssembly.compileStreaming(kept);
    } catch {
      // What was kept is damaged: it is fetched anew.
      await cache?.delete(wasm);
    }
  }
  const response = await fetch(wasm);
  if (!response.ok) throw new Error(`${wasm}: ${response.status} ${response.statusText}`);
  // Storage may be full or refused; the browser's own cache has to do then.
  const copy = response.clone();
  const [module] = await Promise.all([WebAssembly.compileStreaming(typed(response)), cache?.put(wasm, typed(copy)).catch(() => undefined)]);
  return module;
}

/** Some static hosts do not know the media type that `compileStreaming` demands. */
function typed(response: Response): Response {
  if (response.headers.get('content-type') === 'application/wasm') return response;
  return new Response(response.body, { headers: { 'content-type': 'application/wasm' } });
}

/** Removes what earlier versions kept. */
export async function cleanCaches(keep: string | undefined = current): Promise<void> {
  const names = await caches.keys();
  await Promise.all(names.filter((name) => name.startsWith(prefix) && name !== keep).map((name) => caches.delete(name)));
}
