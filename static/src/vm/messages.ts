// What the owner page and its VM worker post to each other. Frames do not pass here: they have ports of their own.

/** Page to worker, first: this project's machine is yours. */
export interface Open {
  kind: 'open';
  project: string;
  build: string;
  /** To the database worker, for Postgres clients inside. */
  database: MessagePort;
}

/** Page to worker: one more line to a service worker. */
export interface Serve {
  kind: 'serve';
  port: MessagePort;
}

/** Page to worker: another port to the database worker, or to another one that replaced it. */
export interface DatabaseOffered {
  kind: 'database';
  database: MessagePort;
}

/** Page to worker: make everything durable and close. */
export interface Close {
  kind: 'close';
}

/** Worker to page. */
export type FromVm =
  /** It holds this Web Lock while it lives. */
  | { kind: 'alive'; life: string }
  /** It cannot go on; the text is for a person. */
  | { kind: 'failed'; text: string }
  /** It has no port to the database worker, and somebody waits for one. */
  | { kind: 'database-wanted' }
  /** CheerpX is wanted, which runs in a page only: one is to be made that serves it on this port. */
  | { kind: 'cheerpx'; port: MessagePort }
  /** An isolate is wanted, which a page makes: it speaks on the first port, its frame on the other. */
  | { kind: 'isolate'; id: number; port: MessagePort; frame: MessagePort }
  /** Nobody needs this isolate any more. */
  | { kind: 'isolate-over'; id: number }
  | { kind: 'closed' };

export type ToVm = Open | Serve | DatabaseOffered | Close;
