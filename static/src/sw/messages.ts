// What a page and the service worker post to each other, beside what is said about ports.
import type { ToServiceWorker } from '../ports.ts';

/** Page to service worker: control me. A page that was hard-reloaded has no controller until then. */
export interface Claim {
  kind: 'claim';
}

/** Page to service worker, with a port for the answer: which version are you? */
export interface AskVersion {
  kind: 'version';
}

/** Page to service worker: this page has what it needs; keep the build's files for when the network is away. */
export interface Keep {
  kind: 'keep';
}

export type ToWorker = ToServiceWorker | Claim | AskVersion | Keep;

export interface WorkerAnswer {
  kind: 'version';
  version: string;
}
