// Compiled WASM: fetched once for each version, kept in Cache Storage, compiled as it streams.
import gateway from '../../generated/gateway/gateway_bg.wasm';
import { isolated } from './isolation.ts';
import { openKept } from './kept.ts';

/** Milliseconds after which a download that has not ended is given up, and may be tried again. */
const patience = 60_000;

/** A module, compiled once in the life of this worker, when it is first asked for. A failure is not kept: the next caller tries again. */
export function compiling(wasm: string): () => Promise<WebAssembly.Module> {
  let module: Promise<WebAssembly.Module> | undefined;
  return () => (module ??= compile(wasm).catch((error: unknown) => {
    module = undefined;
    throw error;
  }));
}

/** The gateway's module. */
export const compiled = compiling(gateway);

async function compile(wasm: string): Promise<WebAssembly.Module> {
  const cache = await openKept();
  const kept = await cache?.match(wasm);
  if (kept) {
    try {
      return await WebAssembly.compileStreaming(kept);
    } catch {
      // What was kept is damaged: it is fetched anew.
      await cache?.delete(wasm);
    }
  }
  const response = await fetch(wasm, { signal: AbortSignal.timeout(patience) });
  if (!response.ok) throw new Error(`${wasm}: ${response.status} ${response.statusText}`);
  const copy = response.clone();
  const module = await WebAssembly.compileStreaming(typed(response));
  // Storage may be full or refused; the browser's own cache has to do then.
  await cache?.put(wasm, isolated(typed(copy))).catch(() => undefined);
  return module;
}

/** Some static hosts do not know the media type that `compileStreaming` demands. */
function typed(response: Response): Response {
  if (response.headers.get('content-type') === 'application/wasm') return response;
  return new Response(response.body, { headers: { 'content-type': 'application/wasm' } });
}
