// The VM worker of a project whose database this tab owns: started when a request first needs it, and never before.
import { Seats } from '../functions/seats.ts';
import type { ToPage, VmAbsent, VmFailed, VmOffered } from '../ports.ts';
import type { FromVm, ToVm } from './messages.ts';

export interface VmWish {
  project: string;
  /** The build of the page, which is the worker's too. */
  version: string;
  /** One more port to the project's database worker. */
  database(): MessagePort;
}

/** A worker that lived so long has not failed at once: the next one need not wait. */
const settled = 60_000;
const longestWait = 30_000;
/** Milliseconds that a worker may take to make everything durable. */
const closing = 5_000;

/** Answers the service worker's requests for a port to the VM worker, and starts one when it is told to. */
export class VmOwner {
  readonly #wish: VmWish;
  #worker: Worker | undefined;
  #startedAt = 0;
  #wait = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #over = false;
  /** The hidden page of an engine that needs one. */
  #frame: HTMLIFrameElement | undefined;
  /** The worker's isolates: they end with it. */
  readonly #seats = new Seats();

  constructor(wish: VmWish) {
    this.#wish = wish;
    navigator.serviceWorker.addEventListener('message', this.#heard);
  }

  /** The database worker is another one from now on. */
  databaseChanged(): void {
    if (!this.#worker) return;
    const database = this.#wish.database();
    this.#tell(this.#worker, { kind: 'database', database }, [database]);
  }

  /** Ends the machine, with everything on its disk. */
  async stop(): Promise<void> {
    this.#over = true;
    clearTimeout(this.#timer);
    navigator.serviceWorker.removeEventListener('message', this.#heard);
    const worker = this.#worker;
    if (!worker) return;
    this.#worker = undefined;
    const closed = new Promise<void>((resolve) => {
      worker.onmessage = ({ data }: MessageEvent<FromVm>) => {
        if (data.kind === 'closed') resolve();
      };
    });
    this.#tell(worker, { kind: 'close' });
    await Promise.race([closed, new Promise((resolve) => setTimeout(resolve, closing))]);
    this.#frame?.remove();
    this.#seats.clear();
    worker.terminate();
  }

  #start(): Worker {
    const { project, version } = this.#wish;
    const worker = new Worker(new URL(VM_WORKER, import.meta.url), { type: 'module', name: `vm ${project}` });
    this.#worker = worker;
    this.#startedAt = Date.now();
    worker.onmessage = ({ data }: MessageEvent<FromVm>) => this.#answered(worker, data);
    worker.onerror = (event) => this.#failed(worker, event.message || 'The VM worker did not load.');
    const database = this.#wish.database();
    this.#tell(worker, { kind: 'open', project, build: version, database }, [database]);
    return worker;
  }

  #answered(worker: Worker, message: FromVm): void {
    switch (message.kind) {
      case 'alive':
        // A worker that was ended from outside tells nobody else.
        void navigator.locks.request(message.life, { mode: 'shared' }, () => this.#died(worker, 'It was ended.'));
        break;
      case 'failed':
        this.#failed(worker, message.text);
        break;
      case 'database-wanted':
        this.databaseChanged();
        break;
      case 'cheerpx':
        this.#frame?.remove();
        this.#frame = frameOf(message.port);
        break;
      case 'isolate':
        void this.#seats.make(message.id, message.port, message.frame);
        break;
      case 'isolate-over':
        this.#seats.end(message.id);
        break;
      case 'closed':
        break;
    }
  }

  /** It does not work: whoever waits is told why. The next request that needs one starts another. */
  #failed(worker: Worker, reason: string): void {
    if (worker !== this.#worker) return;
    console.error(`[gateway] the VM worker of project ${this.#wish.project} failed: ${reason}`);
    this.#worker = undefined;
    this.#frame?.remove();
    this.#seats.clear();
    worker.terminate();
    const { controller } = navigator.serviceWorker;
    controller?.postMessage({ kind: 'vm-failed', project: this.#wish.project, text: reason } satisfies VmFailed);
  }

  /** It worked until now, and programs ran in it: starts another one, after a while that grows while they die young. */
  #died(worker: Worker, reason: string): void {
    if (worker !== this.#worker || this.#over) return;
    console.error(`[gateway] the VM worker of project ${this.#wish.project} ended: ${reason}`);
    this.#worker = undefined;
    this.#frame?.remove();
    this.#seats.clear();
    worker.terminate();
    const young = Date.now() - this.#startedAt < settled;
    this.#wait = young ? Math.min(longestWait, Math.max(250, this.#wait * 2)) : 0;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#start();
    }, this.#wait);
  }

  readonly #heard = ({ data, source }: MessageEvent<ToPage>) => {
    const { project } = this.#wish;
    if (data.kind !== 'vm-wanted' || (data.project ?? project) !== project) return;
    // While another one is about to be started, the service worker asks again.
    if (this.#timer !== undefined) return;
    const asker = source as ServiceWorker | null;
    const worker = this.#worker ?? (data.start ? this.#start() : undefined);
    if (!worker) {
      asker?.postMessage({ kind: 'vm-absent', project } satisfies VmAbsent);
      return;
    }
    const { port1, port2 } = new MessageChannel();
    this.#tell(worker, { kind: 'serve', port: port1 }, [port1]);
    asker?.postMessage({ kind: 'vm-port', project, port: port2 } satisfies VmOffered, [port2]);
  };

  #tell(worker: Worker, message: ToVm, transfer: Transferable[] = []): void {
    worker.postMessage(message, transfer);
  }
}

/** A hidden page that serves CheerpX on `port`. */
function frameOf(port: MessagePort): HTMLIFrameElement {
  const frame = document.createElement('iframe');
  frame.hidden = true;
  frame.src = new URL(VM_FRAME, import.meta.url).href;
  const ready = ({ source, origin, data }: MessageEvent<unknown>) => {
    if (source !== frame.contentWindow || origin !== location.origin || data !== 'cheerpx-ready') return;
    window.removeEventListener('message', ready);
    frame.contentWindow?.postMessage('cheerpx', location.origin, [port]);
  };
  window.addEventListener('message', ready);
  document.body.append(frame);
  return frame;
}
