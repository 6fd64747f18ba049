// Files in the origin private file system. A service worker has no synchronous handles; it has streams that replace a file
// when they are closed.
import { held } from './held.ts';
import { type FileEntry, type FileStore, unlessMissing } from './store.ts';

/** Whether this browser has the API. */
export function opfsOffered(): boolean {
  return typeof navigator.storage?.getDirectory === 'function'
    && typeof FileSystemFileHandle !== 'undefined' && 'createWritable' in FileSystemFileHandle.prototype;
}

export const opfsStore: FileStore = {
  async create(project, name) {
    const directory = await folder(project, true);
    const handle = await directory!.getFileHandle(name, { create: true });
    const writable = await held(handle, handle.createWritable());
    return {
      write: (chunk) => writable.write(chunk as Uint8Array<ArrayBuffer>),
      close: () => writable.close(),
      async abort() {
        await writable.abort();
        // The handle made an empty file.
        await directory!.removeEntry(name);
      },
    };
  },
  async read(project, name, from, to) {
    const directory = await folder(project, true);
    const handle = await directory!.getFileHandle(name);
    const file = await held(handle, handle.getFile());
    return file.slice(from, to).stream();
  },
  async size(project, name) {
    const directory = await folder(project, false);
    const handle = await directory?.getFileHandle(name).catch(unlessMissing);
    return handle && (await held(handle, handle.getFile())).size;
  },
  async remove(project, name) {
    const directory = await folder(project, false);
    await directory?.removeEntry(name).catch(unlessMissing);
  },
  async list(project) {
    const directory = await folder(project, false);
    const entries: FileEntry[] = [];
    if (!directory) return entries;
    for await (const handle of directory.values()) {
      // One that was removed meanwhile is none.
      const file = handle.kind === 'file' ? await held(handle, (handle as FileSystemFileHandle).getFile()).catch(unlessMissing) : undefined;
      if (file) entries.push([file.name, file.size, file.lastModified]);
    }
    return entries;
  },
};

async function folder(project: string, create: boolean): Promise<FileSystemDirectoryHandle | undefined> {
  const root = await navigator.storage.getDirectory();
  return root.getDirectoryHandle(`storage-${encodeURIComponent(project)}`, { create }).catch(unlessMissing);
}
