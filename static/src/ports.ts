// What the page and the service worker post to each other about ports. The ports themselves carry
// binary frames, which only the Rust crate `port` reads and writes.

/** Service worker to its clients: whoever owns this project's database, or any, hand over a port. */
export interface PortWanted {
  kind: "port-wanted";
  project?: string;
}

/** Owner page to service worker, with the port transferred: its other end is at the database worker. */
export interface PortOffered {
  kind: "port";
  project: string;
  port: MessagePort;
}

/** Owner page to service worker: there is a new owner, or a new worker of the same one. */
export interface OwnerChanged {
  kind: "owner-changed";
  project: string;
}

export type ToPage = PortWanted;
export type ToServiceWorker = PortOffered | OwnerChanged;
