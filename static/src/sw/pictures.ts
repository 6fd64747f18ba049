// Pictures are rendered in the service worker itself, which can start no other: one after another, and each in one go.
import avif from '../../generated/avif/avif_bg.wasm';
import images from '../../generated/images/images_bg.wasm';
import { type Picture, render } from '../images/render.ts';
import { compiling } from './module.ts';

const modules = { images: compiling(images), avif: compiling(avif) };

let last: Promise<unknown> = Promise.resolve();

/** Renders a picture when those that were asked for before are done. A module is fetched with the first that needs it. */
export function rendered(bytes: Uint8Array, options: string): Promise<Picture> {
  const picture = last.then(async () => {
    await modules.images();
    // Whatever waits for this thread goes first.
    await new Promise((resolve) => setTimeout(resolve, 0));
    return render(modules, bytes, options);
  });
  last = picture.catch(() => undefined);
  return picture;
}
