// The database worker: opens one project's PGlite and hands its session and its clients' ports to the queue in WASM.
import { instantiate, type Database } from 'glue:database';
import type { PGlite } from '@electric-sql/pglite';
import wasm from '../../generated/database/database_bg.wasm';
import { copyOf } from '../backup/archive.ts';
import { browserStore } from '../files/browser.ts';
import { placeOf, readChoice, writeChoice, type Choice } from './choice.ts';
import { deferred } from './deferred.ts';
import { checkIndexedDb, indexedDbExists, indexedDbName, indexedDbRemove } from './indexeddb.ts';
import type { FromWorker, Open, ToWorker } from './messages.ts';
import { opfsExists, opfsFiles, opfsOffered, opfsRemove, opfsServes } from './opfs.ts';
import { openPostgres, session } from './postgres.ts';
import { text } from './text.ts';

declare const self: DedicatedWorkerGlobalScope;

type Opened = { pglite: PGlite; storage: 'memory' | Choice['storage'] };

const tell = (message: FromWorker) => self.postMessage(message);
const database = deferred<Database>();
let pglite: PGlite | undefined;

self.addEventListener('message', (event: MessageEvent<ToWorker>) => {
  const message = event.data;
  switch (message.kind) {
    case 'open':
      open(message).catch((error: unknown) => {
        database.reject(error);
        tell({ kind: 'failed', text: text(error) });
      });
      break;
    case 'serve':
      // A worker that did not load serves nobody: the port is closed.
      database.promise.then((loaded) => loaded.serve(message.port), () => message.port.close());
      break;
    case 'close':
      void close();
      break;
  }
});

async function open(order: Open): Promise<void> {
  const life = `gateway:life:${crypto.randomUUID()}`;
  await hold(life);
  tell({ kind: 'alive', life });
  const glue = instantiate({ queueMicrotask });
  const response = await fetch(wasm);
  if (!response.ok) throw new Error(`${wasm}: ${response.status} ${response.statusText}`);
  glue.initSync({ module: await WebAssembly.compile(await response.arrayBuffer()) });
  const options = { build: order.build, life, storage: 'memory', baseline: '', migrate: true };
  const queue = glue.Database.opening(options);
  database.resolve(queue);
  try {
    if (order.lost !== undefined) throw new Error(order.lost);
    const { pglite: opened, storage } = await openProject(order);
    pglite = opened;
    const broken = (reason: string) => tell({ kind: 'broken', text: reason });
    queue.open({ ...session(opened), broken }, { ...options, storage });
    tell({ kind: 'opened' });
  } catch (error) {
    queue.fail(text(error));
    tell(error instanceof NotRestored ? { kind: 'not-restored', text: error.message } : { kind: 'failed', text: text(error) });
  }
}

/** The copy was not taken. Its files may be open still: the next worker goes on with what was. */
class NotRestored extends Error {}

async function openProject({ project, storage: wish, restore }: Open): Promise<Opened> {
  if (wish === 'memory') {
    if (restore === undefined) return { pglite: await openPostgres({ dataDir: 'memory://' }, await emptyPostgres()), storage: 'memory' };
    try {
      const pglite = await openPostgres({ dataDir: 'memory://' }, await copyOf(browserStore, project, restore));
      void browserStore.remove(project, restore).catch(() => undefined);
      return { pglite, storage: 'memory' };
    } catch (error) {
      throw new Error(`The copy of the database cannot be opened. ${text(error)} The database before it was in memory only and is gone.`, { cause: error });
    }
  }
  // The worker before may not be quite dead, and its files not free.
  await hold(`gateway:files:${project}`);
  const choice = await choose(project);
  if (restore !== undefined) {
    choice.restore = restore;
    await writeChoice(project, choice);
  }
  if (choice.restore !== undefined) return takeCopy(project, choice, choice.restore);
  const { storage } = choice;
  const place = placeOf(project, choice);
  try {
    if (storage === 'opfs' && !opfsOffered()) throw new Error('This browser, or this window of it, does not give access to its files now.');
    const exists = await isThere(storage, place);
    if (choice.opened && !exists) throw new Error('Its files are gone: the browser, or somebody, removed them.');
    if (!choice.opened && exists) await remove(storage, place);
    if (choice.opened && storage === 'indexeddb') await checkIndexedDb(place);
    const empty = choice.opened ? undefined : await emptyPostgres();
    const opened = await openAt(storage, place, empty, choice.opened);
    if (!choice.opened) {
      await opened.syncToFs();
      await writeChoice(project, { ...choice, opened: true });
    }
    return { pglite: opened, storage };
  } catch (error) {
    const place = storage === 'opfs' ? 'the origin private file system' : 'IndexedDB';
    throw new Error(
      `The database of project "${project}" cannot be opened. ${text(error)} It is kept in ${place}; nothing of it was removed. ` +
        'Its data is not replaced by a new database: remove this site\'s data in the browser to begin anew.',
      { cause: error },
    );
  }
}

/**
 * Opens a copy beside the database, which goes when that is open and durable. Killed in between, the next worker begins
 * again: nothing of what was is touched before.
 */
async function takeCopy(project: string, choice: Choice, file: string): Promise<Opened> {
  const { storage, opened: hadOne } = choice;
  const other: Choice = { storage, opened: true, place: choice.place ? 0 : 1 };
  const place = placeOf(project, other);
  let opened: PGlite;
  try {
    const copy = await copyOf(browserStore, project, file);
    // What an earlier attempt left.
    await remove(storage, place);
    opened = await openAt(storage, place, copy, false);
    await opened.syncToFs();
  } catch (error) {
    const { restore: _, ...before } = choice;
    await writeChoice(project, before);
    throw new NotRestored(`The copy of the database cannot be opened. ${text(error)} Nothing was changed.`, { cause: error });
  }
  await writeChoice(project, other);
  // Whatever stays is in nobody's way: the one goes with the next copy, the other is swept.
  if (hadOne) void remove(storage, placeOf(project, choice)).catch(() => undefined);
  void browserStore.remove(project, file).catch(() => undefined);
  return { pglite: opened, storage };
}

const isThere = (storage: Choice['storage'], place: string) => (storage === 'opfs' ? opfsExists(place) : indexedDbExists(place));
const remove = (storage: Choice['storage'], place: string) => (storage === 'opfs' ? opfsRemove(place) : indexedDbRemove(place));

async function openAt(storage: Choice['storage'], place: string, empty: Blob | undefined, exists: boolean): Promise<PGlite> {
  return storage === 'opfs'
    ? openPostgres({ fs: await opfsFiles(place, exists) }, empty)
    : openPostgres({ dataDir: `idb://${indexedDbName(place)}` }, empty);
}

/** What a new database begins as; nothing where it cannot be had now, as without a network: Postgres then makes its own. */
async function emptyPostgres(): Promise<Blob | undefined> {
  try {
    const response = await fetch(new URL(EMPTY_POSTGRES, import.meta.url));
    if (!response.ok) return undefined;
    const bytes = new Uint8Array(await response.arrayBuffer());
    // Some hosts say that such a file is encoded, and it arrives unpacked.
    const packed = bytes[0] === 0x1f && bytes[1] === 0x8b;
    return new Blob([bytes], { type: packed ? 'application/x-gzip' : 'application/x-tar' });
  } catch {
    return undefined;
  }
}

/** The storage of a project is chosen once. */
async function choose(project: string): Promise<Choice> {
  const known = await readChoice(project);
  if (known) return known;
  // Whatever is there without being known of is somebody's data.
  if (opfsOffered() && (await opfsExists(project))) return { storage: 'opfs', opened: true };
  if (await indexedDbExists(project)) return { storage: 'indexeddb', opened: true };
  const choice: Choice = { storage: (await opfsServes()) ? 'opfs' : 'indexeddb', opened: false };
  await writeChoice(project, choice);
  return choice;
}

async function close(): Promise<void> {
  // What was answered is durable already; this only spares the next opening its recovery.
  await pglite?.close().catch(() => undefined);
  tell({ kind: 'closed' });
  self.close();
}

/** Holds a Web Lock while this worker lives. */
function hold(name: string): Promise<void> {
  return new Promise((granted, refused) => {
    navigator.locks.request(name, () => new Promise<never>(() => granted())).catch(refused);
  });
}
