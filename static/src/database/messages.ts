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
  /** The file that the copy of a database is in, which takes this one's place. */
  restore?: string;
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
  /** The copy was not taken, and the database is as it was; nothing is open. The text is for a person. */
  | { kind: 'not-restored'; text: string }
  /** The session broke after it was open. */
  | { kind: 'broken'; text: string }
  | { kind: 'closed' };

export type ToWorker = Open | Serve | Close;

/** From a page to the tab that owns the database, on a channel of the project's: take a copy in its place. */
export interface Restore {
  kind: 'restore';
  /** The file that it is in. */
  file: string;
}

/** The owner's answer. */
export type Restored = { kind: 'restored'; file: string } | { kind: 'not-restored'; file: string; text: string };

export const restoring = (project: string) => `gateway:restore:${project}`;
