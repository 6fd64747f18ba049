// The thread that renders pictures: one message in, one message out.
import { readFileSync } from 'node:fs';
import { parentPort } from 'node:worker_threads';
import avif from '../../generated/avif/avif_bg.wasm';
import images from '../../generated/images/images_bg.wasm';
import { render } from '../images/render.ts';
import type { Rendered } from './pictures.ts';

const modules = { images: compiling(images), avif: compiling(avif) };

// One after another: whoever asked knows the answer by its turn.
let last: Promise<unknown> = Promise.resolve();
parentPort?.on('message', ({ bytes, options }: { bytes: Uint8Array; options: string }) => {
  last = last.then(async () => parentPort?.postMessage(await answer(bytes, options)));
});

/** A module, compiled when it is first asked for. */
function compiling(file: string): () => Promise<WebAssembly.Module> {
  let module: WebAssembly.Module | undefined;
  return async () => (module ??= new WebAssembly.Module(readFileSync(new URL(file, import.meta.url))));
}

async function answer(bytes: Uint8Array, options: string): Promise<Rendered> {
  try {
    return { picture: await render(modules, bytes, options) };
  } catch (error) {
    return { error: error instanceof Error ? error.message : String(error) };
  }
}
