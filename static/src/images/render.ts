// Renders a picture in a WASM instance of its own, which is thrown away after it: with it goes the memory that the
// picture took, and whatever a damaged one may have done.
import { instantiate } from 'glue:images';

/** A rendered picture. */
export interface Picture {
  bytes: Uint8Array;
  /** Its media type. */
  media: string;
}

/** Throws an error whose message is `images::ImageError`, or what trapped. */
export function render(module: WebAssembly.Module, bytes: Uint8Array, options: string): Picture {
  const glue = instantiate({ queueMicrotask });
  glue.initSync({ module });
  const picture = glue.render(bytes, options);
  return { bytes: picture.takeBytes(), media: picture.media };
}
