// Renders a picture in a WASM instance of its own, which is thrown away after it: with it goes the memory that the
// picture took, and whatever a damaged one may have done.
import { instantiate as instantiateAvif } from 'glue:avif';
import { instantiate } from 'glue:images';

/** A rendered picture. */
export interface Picture {
  bytes: Uint8Array;
  /** Its media type. */
  media: string;
}

/** What renders, each loaded when it is asked for. */
export interface Modules {
  images(): Promise<WebAssembly.Module>;
  /** What writes AVIF, which few pictures need. */
  avif(): Promise<WebAssembly.Module>;
}

/** Rejects with an error whose message is `images::ImageError`, or what trapped. */
export async function render(modules: Modules, bytes: Uint8Array, options: string): Promise<Picture> {
  const glue = instantiate({ queueMicrotask });
  glue.initSync({ module: await modules.images() });
  const picture = glue.render(bytes, options);
  const { media, width, height, quality } = picture;
  if (!picture.isUnwritten) return { bytes: picture.takeBytes(), media };
  const writer = instantiateAvif({ queueMicrotask });
  writer.initSync({ module: await modules.avif() });
  return { bytes: writer.write(picture.takeBytes(), width, height, quality), media };
}
