// What a backup is made of, and how it is taken apart: the files of a project go to where it keeps them, and beside them the
// copy of its database, which whoever opens that takes. Made by routes/src/backup.
import { createTarDecoder, type ParsedTarEntry } from 'modern-tar';
import type { FileStore } from '../files/store.ts';

/** What a backup says of itself. Sizes are in bytes. */
export interface BackupManifest {
  format: number;
  /** Of which project it is. */
  project: string;
  /** The version of the gateway that made it. */
  gateway: string;
  created_at: string;
  /** `migration` is the number of the last one that it has. */
  database: { postgres: string; migration: number; bytes: number };
  storage: { files: number; bytes: number };
  /** The secrets of functions in it. They are sealed with a key that is not in it. */
  secrets: { held: boolean; sealed: boolean; names: string[] };
}

export interface Unpacked {
  manifest: BackupManifest;
  /** The file that the copy of the database is in. */
  database: string;
}

/** The form of backups that this version reads. */
const format = 1;
const manifestName = 'manifest.json';
const longestManifest = 1024 * 1024;
/** A name that leads out of no folder. */
const stored = /^storage\/([A-Za-z0-9][A-Za-z0-9.-]{0,63})$/;

/** Why a file is not restored; the message is for a person. */
export class NotABackup extends Error {}

/** What a backup says of itself; the rest of it is not read. */
export async function readManifest(backup: Blob): Promise<BackupManifest> {
  for await (const entry of entriesOf(backup)) return manifestOf(entry);
  throw new NotABackup('The file is empty.');
}

/**
 * Takes a backup apart. The project is as it was before: files that no row names are swept in time. Rejects with a
 * `NotABackup` where it is none, or not whole.
 */
export async function unpack(backup: Blob, project: string, store: FileStore): Promise<Unpacked> {
  let manifest: BackupManifest | undefined;
  // As the names of stored objects, so that it is swept like them if nobody comes to take it.
  const database = `${crypto.randomUUID()}.0`;
  let copied: number | undefined;
  const found = { files: 0, bytes: 0 };
  try {
    for await (const entry of entriesOf(backup)) {
      const { name, size } = entry.header;
      const file = stored.exec(name)?.[1];
      if (!manifest) {
        manifest = await manifestOf(entry);
      } else if (name === 'database.tar' && copied === undefined) {
        await write(store, project, database, entry);
        copied = size;
      } else if (file !== undefined) {
        // A name is never given twice: what is there is the same.
        if ((await store.size(project, file)) === size) await entry.body.cancel();
        else await write(store, project, file, entry);
        found.files += 1;
        found.bytes += size;
      } else {
        throw new NotABackup(`The file is no backup of this gateway’s: it has ${JSON.stringify(name)} in it.`);
      }
    }
    if (!manifest) throw new NotABackup('The file is empty.');
    const { storage } = manifest;
    const whole = copied === manifest.database.bytes && found.files === storage.files && found.bytes === storage.bytes;
    if (!whole) throw new NotABackup('The backup is not whole: something of it is missing. Nothing was changed.');
    return { manifest, database };
  } catch (error) {
    await store.remove(project, database).catch(() => undefined);
    throw error;
  }
}

/** The copy of the database that was put aside, as what a new database begins as. */
export async function copyOf(store: FileStore, project: string, database: string): Promise<Blob> {
  const size = await store.size(project, database);
  if (size === undefined) throw new Error('The copy of the database is gone.');
  const bytes = await new Response(await store.read(project, database, 0, size)).arrayBuffer();
  return new Blob([bytes], { type: 'application/x-tar' });
}

async function manifestOf({ header, body }: ParsedTarEntry): Promise<BackupManifest> {
  const none = () => new NotABackup('The file is no backup of this gateway’s: it does not begin with a manifest.');
  if (header.name !== manifestName || header.size > longestManifest) throw none();
  let manifest: Partial<BackupManifest>;
  try {
    manifest = (await new Response(body).json()) as Partial<BackupManifest>;
  } catch {
    throw none();
  }
  if (typeof manifest.format !== 'number') throw none();
  const { database, storage, secrets } = manifest;
  // What a later version made would not be opened, and what was there before would be gone by then.
  if (manifest.format !== format || (database?.migration ?? 0) > NEWEST_MIGRATION) {
    throw new NotABackup(`The backup was made by a newer gateway (${manifest.gateway}): update this one first.`);
  }
  if (typeof database?.migration !== 'number' || !storage || !Array.isArray(secrets?.names)) throw none();
  return manifest as BackupManifest;
}

/** The entries in their order; each is to be read, or cancelled, before the next. */
async function* entriesOf(backup: Blob): AsyncGenerator<ParsedTarEntry, void, undefined> {
  if (backup.size === 0) throw new NotABackup('The file is empty.');
  const [first, second] = new Uint8Array(await backup.slice(0, 2).arrayBuffer());
  const packed = first === 0x1f && second === 0x8b;
  const bytes = packed ? backup.stream().pipeThrough(new DecompressionStream('gzip')) : backup.stream();
  const entries = bytes.pipeThrough(createTarDecoder({ strict: true })).getReader();
  try {
    for (;;) {
      const { done, value } = await entries.read().catch(damaged);
      if (done) return;
      yield value;
    }
  } finally {
    await entries.cancel().catch(() => undefined);
  }
}

function damaged(error: unknown): never {
  throw new NotABackup(`The file is no backup, or a damaged one: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
}

async function write(store: FileStore, project: string, name: string, { body }: ParsedTarEntry): Promise<void> {
  const sink = await store.create(project, name);
  const reader = body.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read().catch(damaged);
      if (done) break;
      await sink.write(value);
    }
  } catch (error) {
    await reader.cancel().catch(() => undefined);
    await sink.abort();
    throw error;
  }
  await sink.close();
}
