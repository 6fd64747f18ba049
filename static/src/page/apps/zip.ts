// Packs an app's files in pieces: neither a large file nor the archive is in memory as a whole, and the page stays usable.
import { Zip, ZipDeflate, ZipPassThrough } from 'fflate';
import type { AppFile } from './files.ts';

/** What no packing makes smaller. */
const packed = /\.(png|jpe?g|gif|webp|avif|woff2?|zip|gz|br|zst|xz|7z|mp[34]|m4[av]|webm|ogg|pdf|docx|xlsx|pptx|jar|whl)$/i;
/** Bytes that are read and packed at a time. */
const piece = 256 * 1024;
/** Files that are being read while one is packed: most are small, and reading one is mostly waiting. */
const ahead = 24;
/** Bytes that are gathered before they become a Blob, which the browser may keep on disk. */
const gathered = 4 * 1024 * 1024;
/** Milliseconds of work without a break. */
const turn = 16;
/** The earliest moment that a zip can name: the same files make the same archive. */
const moment = new Date(1980, 0, 1);

/** `progress` hears the bytes read so far. Rejects with the signal's reason when it is aborted, and where a file cannot be read. */
export async function pack(files: AppFile[], progress: (bytes: number) => void, signal: AbortSignal): Promise<Blob> {
  const blobs: Blob[] = [];
  let parts: Uint8Array<ArrayBuffer>[] = [];
  let size = 0;
  const gather = () => {
    blobs.push(new Blob(parts));
    parts = [];
    size = 0;
  };
  const zip = new Zip((error, bytes) => {
    if (error) throw error;
    parts.push(bytes as Uint8Array<ArrayBuffer>);
    size += bytes.length;
    if (size >= gathered) gather();
  });
  let read = 0;
  let began = performance.now();
  const reading: Promise<First>[] = [];
  for (const [at, { path }] of files.entries()) {
    while (reading.length < ahead && at + reading.length < files.length) {
      const next = begin(files[at + reading.length]!);
      // One that fails is told when its turn comes.
      next.catch(() => undefined);
      reading.push(next);
    }
    const { file, bytes } = await reading.shift()!;
    const entry = packed.test(path) ? new ZipPassThrough(path) : new ZipDeflate(path, { level: 1 });
    entry.mtime = moment;
    zip.add(entry);
    let chunk = bytes;
    for (let end = chunk.length; ; end += chunk.length) {
      entry.push(chunk, end >= file.size);
      read += chunk.length;
      if (performance.now() - began > turn) {
        progress(read);
        await breath();
        began = performance.now();
      }
      signal.throwIfAborted();
      if (end >= file.size) break;
      chunk = await part(path, file, end);
    }
  }
  zip.end();
  gather();
  progress(read);
  return new Blob(blobs, { type: 'application/zip' });
}

interface First { file: Blob; bytes: Uint8Array<ArrayBuffer> }

async function begin({ path, open }: AppFile): Promise<First> {
  const file = await named(path, open());
  return { file, bytes: await part(path, file, 0) };
}

async function part(path: string, file: Blob, start: number): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await named(path, file.slice(start, start + piece).arrayBuffer()));
}

/** A file that was changed or taken away since it was dropped is refused by the browser without its name. */
async function named<Value>(path: string, reading: Promise<Value>): Promise<Value> {
  try {
    return await reading;
  } catch (error) {
    throw new Error(`${path} could not be read: ${error instanceof Error ? error.message : error}`);
  }
}

/** Lets the page draw and hear. A timer would be held back to four milliseconds each time. */
function breath(): Promise<void> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(undefined);
  });
}
