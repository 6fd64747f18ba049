// The thread that renders pictures: one message in, one message out.
import { readFileSync } from 'node:fs';
import { parentPort } from 'node:worker_threads';
import images from '../../generated/images/images_bg.wasm';
import { render } from '../images/render.ts';
import type { Rendered } from './pictures.ts';

const module = new WebAssembly.Module(readFileSync(new URL(images, import.meta.url)));

parentPort?.on('message', ({ bytes, options }: { bytes: Uint8Array; options: string }) => {
  parentPort?.postMessage(answer(bytes, options));
});

function answer(bytes: Uint8Array, options: string): Rendered {
  try {
    return { picture: render(module, bytes, options) };
  } catch (error) {
    return { error: error instanceof Error ? error.message : String(error) };
  }
}
