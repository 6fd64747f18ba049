// The gateway as this page sees it, kept current: the service worker's state and the gateway's own word.
import type { AskVersion, WorkerAnswer } from '../../sw/messages.ts';
import { readStatus, type StatusAnswer } from './status.ts';

export type Worker =
  | { kind: 'unsupported'; missing: string[] }
  | { kind: 'installing' }
  | { kind: 'waiting' }
  | { kind: 'active' }
  /** A worker is active, but this page was loaded past it, as a hard reload does. */
  | { kind: 'bypassed' }
  /** Removed by `?gateway=off`. */
  | { kind: 'off' }
  | { kind: 'failed'; reason: string };

/** The database worker of this tab, while this tab owns one. */
export type Database =
  | { kind: 'waiting' }
  | { kind: 'opening' }
  | { kind: 'open' }
  | { kind: 'failed'; reason: string };

export interface View {
  worker: Worker;
  /** The build of the worker that controls this page, once it said so. */
  workerVersion?: string;
  /** This page and the worker have met; before, either may be on its way to the other's version. */
  met: boolean;
  database: Database;
  /** The gateway's last word; undefined before the first. */
  answer?: StatusAnswer;
  /** For how many milliseconds every answer was a refusal, or not the gateway's. */
  refusedFor: number;
}

export interface Gateway {
  project: string;
  /** The version of this page's own code. */
  version: string;
  view: () => View;
  subscribe: (listener: () => void) => () => void;
  /** Asks the gateway for its state now. */
  refresh: () => Promise<void>;
  set: (change: Partial<View>) => void;
  /** How to learn whether this tab is the database's owner: it becomes one without an event. */
  owns: (ask: () => boolean) => void;
}

const whileReady = 15_000;
const whileNot = 1_000;

export function watchGateway(project: string, version: string): Gateway {
  const missing = missingFeatures();
  let view: View = { worker: missing.length ? { kind: 'unsupported', missing } : { kind: 'installing' }, met: false, database: { kind: 'waiting' }, refusedFor: 0 };
  const listeners = new Set<() => void>();
  const set = (change: Partial<View>) => {
    view = { ...view, ...change };
    for (const listener of listeners) listener();
  };

  let timer: ReturnType<typeof setTimeout> | undefined;
  let asking: Promise<void> | undefined;
  let owning = () => false;
  let refusedSince: number | undefined;
  const ask = async () => {
    const answer = await readStatus(project);
    const now = performance.now();
    if (view.database.kind === 'waiting' && owning()) set({ database: { kind: 'opening' } });
    refusedSince = answer.kind === 'refused' || answer.kind === 'absent' ? (refusedSince ?? now) : undefined;
    set({ answer, refusedFor: refusedSince === undefined ? 0 : now - refusedSince });
  };
  const poll = () => {
    clearTimeout(timer);
    // A hidden page asks nothing: the worker may sleep.
    if (document.visibilityState !== 'visible') return;
    const ready = view.answer?.kind === 'ready';
    // Nor one whose worker is to be replaced: until that has slept, or is idle when the browser looks, it is not.
    timer = setTimeout(() => (view.worker.kind === 'waiting' ? poll() : void refresh()), ready ? whileReady : whileNot);
  };
  const refresh = () => {
    asking ??= ask().finally(() => {
      asking = undefined;
      poll();
    });
    return asking;
  };

  if (missing.length === 0) {
    watchWorker(set);
    navigator.serviceWorker.addEventListener('controllerchange', () => void refresh());
    document.addEventListener('visibilitychange', () => void (document.visibilityState === 'visible' && refresh()));
    void refresh();
  }
  return {
    project,
    version,
    view: () => view,
    subscribe: (listener) => {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    refresh,
    set,
    owns: (ask) => {
      owning = ask;
    },
  };
}

/** Follows the registration from its first state to every later one. */
function watchWorker(set: (change: Partial<View>) => void): void {
  const container = navigator.serviceWorker;
  const look = async () => {
    const registration = await container.getRegistration();
    if (!registration) return;
    if (container.controller) set({ worker: { kind: registration.waiting ? 'waiting' : 'active' } });
    else if (registration.active?.state === 'activated') set({ worker: { kind: 'bypassed' } });
    else set({ worker: { kind: 'installing' } });
    registration.onupdatefound = () => {
      registration.installing?.addEventListener('statechange', () => void look());
      void look();
    };
  };
  const askVersion = () => {
    const asked = container.controller;
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = ({ data }: MessageEvent<WorkerAnswer>) => {
      // A busy worker may answer after the one that took its place.
      if (asked === container.controller) set({ workerVersion: data.version });
      port1.close();
    };
    asked?.postMessage({ kind: 'version' } satisfies AskVersion, [port2]);
  };
  container.addEventListener('controllerchange', () => {
    void look();
    askVersion();
  });
  askVersion();
  // `claim` reaches this page a moment after `ready`; only a page that stays uncontrolled was loaded past the worker.
  void container.ready.then(() => setTimeout(() => void look(), 1_000));
  void look();
}

function missingFeatures(): string[] {
  const needs: [string, boolean][] = [
    ['a secure context (https or localhost)', isSecureContext],
    ['service workers', 'serviceWorker' in navigator],
    ['WebAssembly', typeof WebAssembly === 'object'],
    ['Web Locks', 'locks' in navigator],
    ['module workers', typeof Worker === 'function'],
    ['IndexedDB', typeof indexedDB === 'object'],
  ];
  return needs.filter(([, there]) => !there).map(([name]) => name);
}
