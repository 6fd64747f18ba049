// A database in a folder, opened by one process at a time.
import { mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { PGlite } from '@electric-sql/pglite';
import { openPostgres } from '../database/postgres.ts';

/** Why a folder's database was not opened; the message says what to do. */
export class Unusable extends Error {}

/**
 * Opens `directory`, making it if it is not there. What is in it is never replaced by something new. `restore` gives the copy
 * of a database that is to begin here, and is asked only where there is none yet.
 */
export async function openDirectory(directory: string, restore?: () => Promise<Blob>): Promise<{ pglite: PGlite; release(): Promise<void> }> {
  const files = path.join(directory, 'postgres');
  makeDirectory(directory);
  const unlock = lock(directory);
  try {
    if (restore) await begin(directory, files, restore);
    const known = entries(files);
    if (known.length > 0 && !known.includes('PG_VERSION')) {
      throw new Unusable(`${files} holds something that is no Postgres database: choose another --data folder, or empty it.`);
    }
    const pglite = await openPostgres({ dataDir: files });
    return {
      pglite,
      async release() {
        await pglite.close();
        unlock();
      },
    };
  } catch (error) {
    unlock();
    if (error instanceof Unusable) throw error;
    throw new Unusable(`The database in ${files} cannot be opened: ${text(error)}\nNothing in it was changed. Restore a copy of it, or choose another --data folder.`, { cause: error });
  }
}

/** Makes a database of a copy, whole or not at all. */
async function begin(directory: string, files: string, restore: () => Promise<Blob>): Promise<void> {
  if (entries(files).length > 0) throw new Unusable(`${directory} has a database already, which a backup would replace: restore it into another --data folder.`);
  const unfinished = `${files}.part`;
  rmSync(unfinished, { recursive: true, force: true });
  rmSync(files, { recursive: true, force: true });
  try {
    await (await openPostgres({ dataDir: unfinished }, await restore())).close();
  } catch (error) {
    rmSync(unfinished, { recursive: true, force: true });
    throw new Unusable(`Nothing was restored into ${directory}: ${text(error)}`, { cause: error });
  }
  renameSync(unfinished, files);
}

function makeDirectory(directory: string): void {
  try {
    mkdirSync(directory, { recursive: true });
  } catch (error) {
    throw new Unusable(`The folder ${directory} cannot be made: ${text(error)}`, { cause: error });
  }
}

/** Two processes on one database would destroy it. */
function lock(directory: string): () => void {
  const file = path.join(directory, 'lock');
  for (;;) {
    try {
      writeFileSync(file, String(process.pid), { flag: 'wx' });
      const unlock = () => rmSync(file, { force: true });
      process.once('exit', unlock);
      return () => {
        process.off('exit', unlock);
        unlock();
      };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw new Unusable(`The folder ${directory} cannot be written: ${text(error)}`, { cause: error });
    }
    const holder = Number(readFileSync(file, 'utf8'));
    if (isAlive(holder)) throw new Unusable(`The database in ${directory} is in use by process ${holder}: stop it, or choose another --data folder.`);
    // Only one of several that find the same dead holder can move its lock away.
    const stale = `${file}.${process.pid}`;
    try {
      renameSync(file, stale);
      rmSync(stale);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
  }
}

function isAlive(process_id: number): boolean {
  if (!Number.isInteger(process_id) || process_id <= 0) return false;
  try {
    process.kill(process_id, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

function entries(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

const text = (error: unknown) => (error instanceof Error ? error.message : String(error));
