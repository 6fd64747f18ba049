// What the owner page and its database worker post to each other. Frames do not pass here: they have ports of their own.

export type StorageWish = 'auto' | 'memory';

/** Page to worker, first: open this project's database. */
export interface Open {
  kind: 'open';
  project: string;
  storage: StorageWish;
  build: string;
  /** Where the database is known to be lost: nothing is opened, and this is said to everybody. */
  lost?: string;
}

/** Page to worker: one more client. */
export interface Serve {
  kind: 'serve';
  port: MessagePort;
}

/** Page to worker: make everything durable and close. */
export interface Close {
  kind: 'close';
}

/** Worker to page. */
export type FromWorker =
  /** It holds this Web Lock while it lives. */
  | { kind: 'alive'; life: string }
  | { kind: 'opened' }
  /** It cannot be opened; the text is for a person. Starting again would not help. */
  | { kind: 'failed'; text: string }
  /** The session broke after it was open. */
  | { kind: 'broken'; text: string }
  | { kind: 'closed' };

export type ToWorker = Open | Serve | Close;
