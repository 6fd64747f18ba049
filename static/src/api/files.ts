// Files as a page has them, on their way to the gateway.
import type { AppFile } from '../page/apps/files.ts';

/** A ZIP; what `<input type="file" webkitdirectory>` gives; or files by their path. */
export type Files = Blob | FileList | File[] | Record<string, Blob | BufferSource | string>;

/** The archive that is sent. Packing is loaded when there is something to pack. */
export async function archive(files: Files): Promise<Blob> {
  if (files instanceof Blob) return files;
  const { pack } = await import('../page/apps/zip.ts');
  return pack(listed(files), () => undefined, new AbortController().signal);
}

function listed(files: FileList | File[] | Record<string, Blob | BufferSource | string>): AppFile[] {
  if (files instanceof FileList || Array.isArray(files)) {
    // The folder that was chosen is not a part of the app.
    return [...files].map((file) => ({ path: file.webkitRelativePath.replace(/^[^/]*\//, '') || file.name, size: file.size, open: async () => file }));
  }
  return Object.entries(files).map(([path, content]) => {
    const blob = content instanceof Blob ? content : new Blob([content as BlobPart]);
    return { path, size: blob.size, open: async () => blob };
  });
}

/** Everything in memory, by path, as the bundler of functions takes it. */
export async function bytesOf(files: Files): Promise<Record<string, Uint8Array>> {
  if (files instanceof Blob) {
    const { unzip } = await import('../functions/bundle/archive.ts');
    return Object.fromEntries(unzip(new Uint8Array(await files.arrayBuffer())));
  }
  const read = listed(files).map(async ({ path, open }) => [path, new Uint8Array(await (await open()).arrayBuffer())] as const);
  return Object.fromEntries(await Promise.all(read));
}
