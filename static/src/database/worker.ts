// The database worker: opens one project's PGlite and hands its session and its clients' ports to the queue in WASM.
import { instantiate, type Database } from 'glue:database';
import type { PGlite } from '@electric-sql/pglite';
import wasm from '../../generated/database/database_bg.wasm';
import { readChoice, writeChoice, type Choice } from './choice.ts';
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
    tell({ kind: 'failed', text: text(error) });
  }
}

async function openProject({ project, storage: wish }: Open): Promise<Opened> {
  if (wish === 'memory') return { pglite: await openPostgres({ dataDir: 'memory://' }, await emptyPostgres()), storage: 'memory' };
  // The worker before may not be quite dead, and its files not free.
  await hold(`gateway:files:${project}`);
  const choice = await choose(project);
  const { storage } = choice;
  try {
    if (storage === 'opfs' && !opfsOffered()) throw new Error('This browser, or this window of it, does not give access to its files now.');
    const exists = await (storage === 'opfs' ? opfsExists(project) : indexedDbExists(project));
    if (choice.opened && !exists) throw new Error('Its files are gone: the browser, or somebody, removed them.');
    if (!choice.opened && exists) await (storage === 'opfs' ? opfsRemove(project) : indexedDbRemove(project));
    if (choice.opened && storage === 'indexeddb') await checkIndexedDb(project);
    const empty = choice.opened ? undefined : await emptyPostgres();
    const opened = storage === 'opfs'
      ? await openPostgres({ fs: await opfsFiles(project, choice.opened) }, empty)
      : await openPostgres({ dataDir: `idb://${indexedDbName(project)}` }, empty);
    if (!choice.opened) {
      await opened.syncToFs();
      await writeChoice(project, { storage, opened: true });
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
