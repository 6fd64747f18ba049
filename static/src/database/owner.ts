// Which tab owns a project's database: the one that holds its Web Lock. The owner runs the database worker and answers
// the service worker's requests for a port to it.
import { deferred, type Deferred } from './deferred.ts';
import type { OwnerChanged, PortOffered, ToPage } from '../ports.ts';
import { VmOwner } from '../vm/owner.ts';
import { restoring, type FromWorker, type Restore, type Restored, type StorageWish, type ToWorker } from './messages.ts';

export type { StorageWish };

export interface Wanted {
  project: string;
  storage: StorageWish;
  /** This tab became the owner. */
  onOwner?: () => void;
  /** The build of the page, which is the worker's too. */
  version: string;
}

export interface Ownership {
  /** Resolves when this tab has opened the database, which may be never; rejects with what a person can read. */
  opened: Promise<void>;
  /** Whether this tab is the owner now. */
  readonly owner: boolean;
  /** Gives the database up: it is closed, and another tab may open it. */
  stop(): Promise<void>;
}

/** A worker that lived so long has not failed at once: the next one need not wait. */
const settled = 60_000;
const longestWait = 30_000;
/** Workers that may die before it is said that the database does not open. */
const patience = 3;

/** Waits to become the owner of a project's database, and is until it is stopped or the tab ends. */
export function ownDatabase(wanted: Wanted): Ownership {
  const opened = deferred<void>();
  // Whoever does not ask need not hear of it twice.
  opened.promise.catch(() => undefined);
  const stopped = new AbortController();
  let owner: Owner | undefined;
  const lock = navigator.locks.request(`gateway:database:${wanted.project}`, { signal: stopped.signal }, async () => {
    owner = new Owner(wanted, opened);
    wanted.onOwner?.();
    await owner.ended;
  });
  lock.catch((error: unknown) => {
    if (!stopped.signal.aborted) opened.reject(error);
  });
  return {
    opened: opened.promise,
    get owner() {
      return owner !== undefined && !owner.over;
    },
    async stop() {
      stopped.abort();
      await owner?.stop();
      await lock.catch(() => undefined);
    },
  };
}

class Owner {
  readonly ended: Promise<void>;
  over = false;
  readonly #wanted: Wanted;
  readonly #opened: Deferred<void>;
  readonly #end: () => void;
  #vm: VmOwner;
  /** None while another one is about to take its place. */
  #worker: Worker | undefined;
  /** The copy that is taking the database's place, if one is. */
  #restore: (Deferred<void> & { file: string }) | undefined;
  readonly #channel: BroadcastChannel;
  #startedAt = 0;
  #wait = 0;
  #deaths = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Why a database that was in memory only is not begun anew. */
  #lost: string | undefined;

  constructor(wanted: Wanted, opened: Deferred<void>) {
    this.#wanted = wanted;
    this.#opened = opened;
    const { promise, resolve } = deferred<void>();
    this.ended = promise;
    this.#end = resolve;
    navigator.serviceWorker.addEventListener('message', this.#heard);
    navigator.serviceWorker.startMessages();
    this.#start();
    this.#vm = this.#ownVm();
    this.#channel = new BroadcastChannel(restoring(wanted.project));
    this.#channel.onmessage = ({ data }: MessageEvent<Restore | Restored>) => {
      if (data.kind === 'restore') void this.#take(data.file);
    };
  }

  async stop(): Promise<void> {
    if (this.over) return;
    this.over = true;
    clearTimeout(this.#timer);
    navigator.serviceWorker.removeEventListener('message', this.#heard);
    this.#channel.close();
    await this.#close();
    this.#end();
  }

  /** Ends the machine and the database, with all that they have to write. */
  async #close(): Promise<void> {
    // What runs in it may have something to write.
    await this.#vm.stop();
    const worker = this.#worker;
    if (!worker) return;
    this.#worker = undefined;
    const closed = new Promise<void>((resolve) => {
      worker.onmessage = ({ data }: MessageEvent<FromWorker>) => {
        if (data.kind === 'closed') resolve();
      };
    });
    worker.postMessage({ kind: 'close' } satisfies ToWorker);
    await Promise.race([closed, new Promise((resolve) => setTimeout(resolve, 3_000))]);
    worker.terminate();
  }

  /** Takes the copy of a database in this one's place, and says what became of it. */
  async #take(file: string): Promise<void> {
    const answer = (restored: Restored) => this.#channel.postMessage(restored);
    if (this.#restore) return answer({ kind: 'not-restored', file, text: 'Another backup is being restored.' });
    const restore = { ...deferred<void>(), file };
    this.#restore = restore;
    try {
      clearTimeout(this.#timer);
      this.#timer = undefined;
      await this.#close();
      this.#lost = undefined;
      this.#start(file);
      this.#vm = this.#ownVm();
      await restore.promise;
      answer({ kind: 'restored', file });
    } catch (error) {
      answer({ kind: 'not-restored', file, text: error instanceof Error ? error.message : String(error) });
    } finally {
      this.#restore = undefined;
    }
  }

  #ownVm(): VmOwner {
    const { project, version } = this.#wanted;
    return new VmOwner({ project, version, database: () => this.#serve() });
  }

  #start(restore?: string): void {
    const worker = new Worker(new URL(DATABASE_WORKER, import.meta.url), { type: 'module', name: `database ${this.#wanted.project}` });
    this.#worker = worker;
    this.#startedAt = Date.now();
    worker.onmessage = ({ data }: MessageEvent<FromWorker>) => this.#answered(worker, data);
    worker.onerror = (event) => this.#died(worker, event.message || 'The database worker did not load.');
    const { project, storage, version } = this.#wanted;
    this.#tell({ kind: 'open', project, storage, build: version, ...(this.#lost !== undefined && { lost: this.#lost }), ...(restore !== undefined && { restore }) });
    // Only now: whoever asks because of it gets a port to this worker.
    void this.#announce();
  }

  #answered(worker: Worker, message: FromWorker): void {
    switch (message.kind) {
      case 'alive':
        // A worker that was ended from outside tells nobody else.
        void navigator.locks.request(message.life, { mode: 'shared' }, () => this.#died(worker, 'It was ended.'));
        break;
      case 'opened':
        this.#opened.resolve();
        this.#restore?.resolve();
        break;
      case 'failed':
        // The worker goes on, to tell everybody who asks why.
        this.#opened.reject(new Error(message.text));
        this.#restore?.reject(new Error(message.text));
        break;
      case 'not-restored':
        this.#restore?.reject(new Error(message.text));
        worker.terminate();
        this.#start();
        this.#vm.databaseChanged();
        break;
      case 'broken':
        this.#died(worker, message.text);
        break;
      case 'closed':
        break;
    }
  }

  /** Starts another worker, after a while that grows while they die young. */
  #died(worker: Worker, reason: string): void {
    if (worker !== this.#worker || this.over || this.#timer !== undefined) return;
    console.error(`[gateway] the database worker of project ${this.#wanted.project} ended: ${reason}`);
    worker.terminate();
    this.#deaths += 1;
    // It goes on trying, but whoever waits shall know.
    if (this.#deaths === patience) {
      const error = new Error(`The database worker does not start: ${reason}`);
      this.#opened.reject(error);
      this.#restore?.reject(error);
    }
    if (this.#wanted.storage === 'memory') this.#lost = `The database was in memory only and is lost: ${reason}`;
    const young = Date.now() - this.#startedAt < settled;
    this.#wait = young ? Math.min(longestWait, Math.max(250, this.#wait * 2)) : 0;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#start(this.#restore?.file);
      this.#vm.databaseChanged();
    }, this.#wait);
  }

  /** One more port to the database worker. */
  #serve(): MessagePort {
    const { port1, port2 } = new MessageChannel();
    this.#tell({ kind: 'serve', port: port1 }, [port1]);
    return port2;
  }

  readonly #heard = (event: MessageEvent<ToPage>) => {
    const { kind, project = this.#wanted.project } = event.data;
    // Whoever asks while there is none asks again.
    if (kind !== 'port-wanted' || project !== this.#wanted.project || this.#timer !== undefined || !this.#worker) return;
    const port = this.#serve();
    const offer: PortOffered = { kind: 'port', project, port };
    (event.source as ServiceWorker | null)?.postMessage(offer, [port]);
  };

  async #announce(): Promise<void> {
    const { active } = await navigator.serviceWorker.ready;
    const message: OwnerChanged = { kind: 'owner-changed', project: this.#wanted.project };
    (navigator.serviceWorker.controller ?? active)?.postMessage(message);
  }

  #tell(message: ToWorker, transfer: Transferable[] = []): void {
    this.#worker?.postMessage(message, transfer);
  }
}
