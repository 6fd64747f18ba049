// A database in the origin private file system: PGlite's pool of sync access handles, made to survive being killed.
import { OpfsAhpFS } from '@electric-sql/pglite/opfs-ahp';

interface Tree {
  root: Directory;
  pool: string[];
}
interface Directory {
  type: 'directory';
  children: Record<string, Directory | File>;
}
interface File {
  type: 'file';
  backingFilename: string;
}

const stateFile = 'state.txt';
const copyFile = 'state.copy.txt';
/** A new Postgres has about a thousand files. */
const poolSize = 1100;

/**
 * PGlite's file system rewrites its table of files once a minute by emptying it first: killed in between it would find
 * nothing and begin a new, empty database. So a copy is made durable before.
 */
class Files extends OpfsAhpFS {
  readonly #copy: FileSystemSyncAccessHandle;

  constructor(path: string, copy: FileSystemSyncAccessHandle) {
    super(path, { initialPoolSize: poolSize });
    this.#copy = copy;
  }

  override async checkpointState(): Promise<void> {
    write(this.#copy, JSON.stringify(this.state));
    await super.checkpointState();
  }

  override async closeFs(): Promise<void> {
    await super.closeFs();
    this.#copy.close();
  }
}

/** Whether this browser can keep a database so: the API, and enough handles at a time (Safari ends at 252). */
export async function opfsServes(): Promise<boolean> {
  if (!('storage' in navigator) || typeof navigator.storage.getDirectory !== 'function') return false;
  if (typeof FileSystemFileHandle === 'undefined' || !('createSyncAccessHandle' in FileSystemFileHandle.prototype)) return false;
  const handles: FileSystemSyncAccessHandle[] = [];
  const name = `gateway-probe-${crypto.randomUUID()}`;
  let root: FileSystemDirectoryHandle | undefined;
  try {
    root = await navigator.storage.getDirectory();
    const directory = await root.getDirectoryHandle(name, { create: true });
    for (let index = 0; index < 300; index++) {
      const file = await directory.getFileHandle(String(index), { create: true });
      handles.push(await file.createSyncAccessHandle());
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
  const copy = await (await directory.getFileHandle(copyFile, { create: true })).createSyncAccessHandle();
  return new Files(name(project), copy);
}

/** Refuses a folder of which PGlite would make a new database, or one with holes. */
async function checkWhole(directory: FileSystemDirectoryHandle): Promise<void> {
  const text = await read(directory, stateFile);
  const lines = text?.split('\n') ?? [];
  let tree = parsed(lines[0]);
  const restored = !tree;
  if (!tree) {
    const copy = await read(directory, copyFile);
    tree = parsed(copy);
    if (!tree || copy === undefined) throw new Error('The table of its files is damaged, and the copy of it too.');
  } else {
    // The last entry may have been cut short; what it would have said had not happened yet.
    const last = lines.length - 1;
    if (last > 0 && lines[last] !== '' && !isJson(lines[last]!)) await replace(directory, stateFile, lines.slice(0, last).join('\n'));
    for (const entry of lines.slice(1, last)) if (entry !== '' && !isJson(entry)) throw new Error('The journal of its files is damaged.');
  }
  const data = await directory.getDirectoryHandle('data').catch(() => undefined);
  if (!data) throw new Error('Its files are gone.');
  const present = new Set<string>();
  for await (const key of data.keys()) present.add(key);
  // Behind a journal the table is out of date: files it names may rightly be gone.
  const lost = lines.slice(1).some((line) => line !== '') && !restored ? [] : [...backing(tree.root), ...tree.pool].filter((file) => !present.has(file));
  if (lost.length > 0) throw new Error(`${lost.length} of its files are gone.`);
  if (restored) await replace(directory, stateFile, JSON.stringify(tree));
}

function backing(directory: Directory): string[] {
  return Object.values(directory.children).flatMap((node) => (node.type === 'file' ? [node.backingFilename] : backing(node)));
}

function parsed(line: string | undefined): Tree | undefined {
  try {
    const tree = JSON.parse(line ?? '') as Tree;
    return tree.root.type === 'directory' && Array.isArray(tree.pool) ? tree : undefined;
  } catch {
    return undefined;
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

async function read(directory: FileSystemDirectoryHandle, file: string): Promise<string | undefined> {
  const handle = await directory.getFileHandle(file).catch(() => undefined);
  return (await handle?.getFile())?.text();
}

async function replace(directory: FileSystemDirectoryHandle, file: string, text: string): Promise<void> {
  const handle = await (await directory.getFileHandle(file, { create: true })).createSyncAccessHandle();
  write(handle, text);
  handle.close();
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
