// A database in the origin private file system: PGlite's pool of sync access handles, made to survive being killed.
import { OpfsAhpFS } from '@electric-sql/pglite/opfs-ahp';
import { held } from '../files/held.ts';
import { filesOf, parseTable, replay } from './table.ts';

const stateFile = 'state.txt';
/** Holds the whole table while `state.txt` is being rewritten, and nothing at any other time. */
const rewriteFile = 'rewrite.txt';
/** A new Postgres has about a thousand files. */
const poolSize = 1100;
/** Files that one request may make: the pool is filled again only between requests, and Postgres ends where it is empty. */
const spare = 1000;

/**
 * PGlite's file system rewrites its table of files once a minute by emptying it first: killed in between it would find
 * nothing and begin a new, empty database. So the table is made durable elsewhere before, and dropped there after.
 *
 * **Invariant:** what stands whole in `rewrite.txt` is what `state.txt` was about to be, never something older.
 */
class Files extends OpfsAhpFS {
  readonly #rewrite: FileSystemSyncAccessHandle;

  constructor(path: string, rewrite: FileSystemSyncAccessHandle) {
    super(path, { initialPoolSize: poolSize + spare, maintainedPoolSize: spare });
    this.#rewrite = rewrite;
  }

  override async checkpointState(): Promise<void> {
    write(this.#rewrite, JSON.stringify(this.state));
    await super.checkpointState();
    write(this.#rewrite, '');
  }

  override async closeFs(): Promise<void> {
    await super.closeFs();
    this.#rewrite.close();
  }
}

/** Whether this browser has the API. */
export function opfsOffered(): boolean {
  return typeof navigator.storage?.getDirectory === 'function'
    && typeof FileSystemFileHandle !== 'undefined' && 'createSyncAccessHandle' in FileSystemFileHandle.prototype;
}

/** Whether this browser can keep a database so: the API, and enough handles at a time (Safari ends at 252). */
export async function opfsServes(): Promise<boolean> {
  if (!opfsOffered()) return false;
  const handles: FileSystemSyncAccessHandle[] = [];
  const name = `gateway-probe-${crypto.randomUUID()}`;
  let root: FileSystemDirectoryHandle | undefined;
  try {
    root = await navigator.storage.getDirectory();
    const directory = await root.getDirectoryHandle(name, { create: true });
    for (let index = 0; index < 300; index++) {
      const file = await directory.getFileHandle(String(index), { create: true });
      handles.push(await held(file, file.createSyncAccessHandle()));
    }
    return true;
  } catch {
    return false;
  } finally {
    for (const handle of handles) handle.close();
    await root?.removeEntry(name, { recursive: true }).catch(() => undefined);
  }
}

/** Whether there is a folder for this project at all. */
export async function opfsExists(project: string): Promise<boolean> {
  return (await folder(project, false)) !== undefined;
}

/** Removes what an interrupted first opening left. */
export async function opfsRemove(project: string): Promise<void> {
  const root = await navigator.storage.getDirectory();
  await root.removeEntry(name(project), { recursive: true }).catch((error: unknown) => {
    if (!(error instanceof DOMException && error.name === 'NotFoundError')) throw error;
  });
}

/** The file system of a project: a new one, or one that is whole. Throws what a person can read. */
export async function opfsFiles(project: string, exists: boolean): Promise<OpfsAhpFS> {
  const directory = (await folder(project, !exists))!;
  if (exists) await checkWhole(directory);
  const rewrite = await access(directory, rewriteFile);
  // The table is whole: a rewrite that was under way is over, and is out of date with the next change.
  write(rewrite, '');
  return new Files(name(project), rewrite);
}

/** Refuses a folder of which PGlite would make a new database, or one with holes, before anything is changed. */
async function checkWhole(directory: FileSystemDirectoryHandle): Promise<void> {
  const text = (await read(directory, stateFile)) ?? '';
  const [first, ...journal] = text.split('\n');
  let table = parseTable(first);
  let state = text;
  if (table) {
    // The last entry may have been cut short; what it would have said had not happened yet.
    const last = journal.at(-1);
    if (last !== undefined && last !== '' && !isJson(last)) {
      journal.pop();
      state = text.slice(0, -last.length - 1);
    }
    replay(table, journal);
  } else {
    state = (await read(directory, rewriteFile)) ?? '';
    table = parseTable(state);
    if (!table || !state.startsWith(text)) throw new Error('The table of its files is damaged.');
  }
  const data = await directory.getDirectoryHandle('data').catch(() => undefined);
  if (!data) throw new Error('Its files are gone.');
  const present = new Set<string>();
  for await (const key of data.keys()) present.add(key);
  const files = new Map(filesOf(table.root));
  if (!files.has('PG_VERSION')) throw new Error('Its files are gone: the table of them names no database.');
  const lost = [...files].filter(([, backing]) => !present.has(backing)).map(([path]) => path);
  if (lost.length > 0) throw new Error(`${lost.length} of its ${files.size} files ${lost.length === 1 ? 'is' : 'are'} gone, ${lost[0]} among them.`);
  // Whatever is in the pool is empty, and PGlite waits for ever for one that is not there.
  for (const backing of table.pool) if (!present.has(backing)) await data.getFileHandle(backing, { create: true });
  if (state !== text) await mend(directory, state, text);
}

async function read(directory: FileSystemDirectoryHandle, file: string): Promise<string | undefined> {
  const handle = await directory.getFileHandle(file).catch(() => undefined);
  return handle && (await held(handle, handle.getFile())).text();
}

async function access(directory: FileSystemDirectoryHandle, file: string): Promise<FileSystemSyncAccessHandle> {
  const handle = await directory.getFileHandle(file, { create: true });
  return held(handle, handle.createSyncAccessHandle());
}

/** A cut-off end is cut off where it is; a table is written whole, and found whole beside it if that is interrupted. */
async function mend(directory: FileSystemDirectoryHandle, state: string, damaged: string): Promise<void> {
  const handle = await access(directory, stateFile);
  try {
    if (damaged.startsWith(state)) handle.truncate(new TextEncoder().encode(state).length);
    else write(handle, state);
    handle.flush();
  } finally {
    handle.close();
  }
}

function isJson(line: string): boolean {
  try {
    JSON.parse(line);
    return true;
  } catch {
    return false;
  }
}

function write(handle: FileSystemSyncAccessHandle, text: string): void {
  handle.truncate(0);
  handle.write(new TextEncoder().encode(text), { at: 0 });
  handle.flush();
}

async function folder(project: string, create: boolean): Promise<FileSystemDirectoryHandle | undefined> {
  const root = await navigator.storage.getDirectory();
  return root.getDirectoryHandle(name(project), { create }).catch((error: unknown) => {
    if (error instanceof DOMException && error.name === 'NotFoundError') return undefined;
    throw error;
  });
}

const name = (project: string) => `gateway-${encodeURIComponent(project)}`;
