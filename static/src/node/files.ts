// The files of one project, in a folder or in memory.
import { type FileHandle, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { type FileEntry, type FileStore, notFound } from '../files/store.ts';

/** What a file is called until it is closed. */
const unfinished = '.part';
/** Bytes that are read at a time. */
const piece = 256 * 1024;

const missing = (error: unknown) => (error as NodeJS.ErrnoException).code === 'ENOENT';

/** Files in a folder, which is made with the first of them. */
export function directoryStore(directory: string): FileStore {
  const file = (name: string) => path.join(directory, name);
  /** A name is durable when its folder is. */
  const settle = async () => {
    const handle = await open(directory);
    await handle.sync().finally(() => handle.close());
  };
  return {
    async create(_project, name) {
      await mkdir(directory, { recursive: true });
      const handle = await open(file(name) + unfinished, 'w');
      return {
        async write(chunk) {
          for (let at = 0; at < chunk.byteLength;) at += (await handle.write(chunk, at)).bytesWritten;
        },
        async close() {
          await handle.sync().finally(() => handle.close());
          await rename(file(name) + unfinished, file(name));
          await settle();
        },
        async abort() {
          await handle.close();
          await rm(file(name) + unfinished, { force: true });
        },
      };
    },
    async read(_project, name, from, to) {
      const handle = await open(file(name)).catch((error: unknown) => {
        throw missing(error) ? notFound(name) : error;
      });
      return range(handle, from, to);
    },
    async size(_project, name) {
      const found = await stat(file(name)).catch((error: unknown) => {
        if (missing(error)) return undefined;
        throw error;
      });
      return found?.size;
    },
    remove: (_project, name) => rm(file(name), { force: true }),
    async list() {
      const names = await readdir(directory).catch((error: unknown) => {
        if (missing(error)) return [];
        throw error;
      });
      const entries: FileEntry[] = [];
      for (const name of names) {
        // One that was removed meanwhile is none.
        const found = await stat(file(name)).catch(() => undefined);
        if (found?.isFile()) entries.push([name, found.size, found.mtimeMs]);
      }
      return entries;
    },
  };
}

function range(handle: FileHandle, from: number, to: number): ReadableStream<Uint8Array> {
  let at = from;
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const buffer = new Uint8Array(Math.min(piece, to - at));
      const { bytesRead } = buffer.byteLength === 0 ? { bytesRead: 0 } : await handle.read(buffer, 0, buffer.byteLength, at);
      at += bytesRead;
      if (bytesRead > 0) return controller.enqueue(buffer.subarray(0, bytesRead));
      await handle.close();
      controller.close();
    },
    cancel: () => handle.close(),
  }, { highWaterMark: 0 });
}

interface Kept {
  chunks: Uint8Array[];
  size: number;
  modified: number;
}

/** Files that are gone with this process. */
export function memoryStore(): FileStore {
  const files = new Map<string, Kept>();
  return {
    async create(_project, name) {
      const kept: Kept = { chunks: [], size: 0, modified: Date.now() };
      return {
        async write(chunk) {
          kept.chunks.push(chunk);
          kept.size += chunk.byteLength;
        },
        async close() {
          kept.modified = Date.now();
          files.set(name, kept);
        },
        abort: async () => undefined,
      };
    },
    async read(_project, name, from, to) {
      const kept = files.get(name);
      if (!kept) throw notFound(name);
      let start = 0;
      let index = 0;
      return new ReadableStream<Uint8Array>({
        pull(controller) {
          for (;;) {
            const chunk = kept.chunks[index++];
            if (!chunk || start >= to) return controller.close();
            const part = chunk.subarray(Math.max(0, from - start), to - start);
            start += chunk.byteLength;
            if (start > from && part.byteLength > 0) return controller.enqueue(part);
          }
        },
      }, { highWaterMark: 0 });
    },
    size: async (_project, name) => files.get(name)?.size,
    async remove(_project, name) {
      files.delete(name);
    },
    list: async () => [...files].map(([name, { size, modified }]): FileEntry => [name, size, modified]),
  };
}
