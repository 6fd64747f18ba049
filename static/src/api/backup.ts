// `gateway.backup`: all of a project in one file, and back.
import { readManifest, unpack, type BackupManifest } from '../backup/archive.ts';
import { restoring, type Restore, type Restored } from '../database/messages.ts';
import { browserStore } from '../files/browser.ts';
import type { Call } from './call.ts';

export { NotABackup } from '../backup/archive.ts';
export type { BackupManifest };

export interface Backup {
  /**
   * The database with all keys, the stored objects, the applications and functions that are deployed: a tar, gzipped. It
   * has the secrets of functions sealed, with a key that never leaves this browser: anywhere else they are to be set again.
   * What applications wrote to the machine's disk is not in it.
   */
  make(): Promise<Blob>;
  /** What a backup says of itself. Rejects with a `NotABackup`. */
  inspect(backup: Blob): Promise<BackupManifest>;
  /**
   * Puts a backup in the place of all that the project has. Keys are the backup's from then on. Rejects with a `NotABackup`
   * where it is none or not whole, and with what the database says where that does not open it: then everything is as it was.
   */
  restore(backup: Blob): Promise<BackupManifest>;
}

/** For the tab that owns the database to end it, open the copy and answer: on a slow machine, a large one takes a while. */
const longest = 300_000;

export function backup(call: Call, project: string): Backup {
  return {
    async make() {
      const { body } = await call('/gateway/backup');
      return new Response(body!.pipeThrough(new CompressionStream('gzip')), { headers: { 'content-type': 'application/gzip' } }).blob();
    },
    inspect: readManifest,
    async restore(file) {
      const { manifest, database } = await unpack(file, project, browserStore);
      await take(project, database);
      return manifest;
    },
  };
}

/** Has whichever tab owns the database take the copy in its place. */
function take(project: string, file: string): Promise<void> {
  const channel = new BroadcastChannel(restoring(project));
  return new Promise<void>((resolve, reject) => {
    const late = setTimeout(() => reject(new Error('The tab that has the database open does not answer.')), longest);
    channel.onmessage = ({ data }: MessageEvent<Restore | Restored>) => {
      if (data.file !== file) return;
      if (data.kind === 'restored') resolve();
      else if (data.kind === 'not-restored') reject(new Error(data.text));
      else return;
      clearTimeout(late);
    };
    channel.postMessage({ kind: 'restore', file } satisfies Restore);
  }).finally(() => channel.close());
}
