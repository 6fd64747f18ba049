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

/**
 * Service worker to its clients: whoever has this project's VM worker, or any, hand over a port to it. With `start`, the
 * owner of the project's database starts one that is not there.
 */
export interface VmWanted {
  kind: "vm-wanted";
  project?: string;
  start: boolean;
}

/** Owner page to service worker, with the port transferred: its other end is at the VM worker. */
export interface VmOffered {
  kind: "vm-port";
  project: string;
  port: MessagePort;
}

/** Owner page to service worker: this project has no VM worker, and none was started. */
export interface VmAbsent {
  kind: "vm-absent";
  project: string;
}

/** Owner page to service worker: the VM worker does not work; the text is for a person. */
export interface VmFailed {
  kind: "vm-failed";
  project: string;
  text: string;
}

/** Any page to service worker, with the port transferred: what a WebSocket would have been. */
export interface TunnelWanted {
  kind: "tunnel";
  url: string;
  protocols: string[];
  port: MessagePort;
}

/** On the port of a tunnel: it ends here. */
export interface TunnelClosed {
  kind: "close";
  code: number;
  reason: string;
  clean: boolean;
}

export type ToPage = PortWanted | VmWanted;
export type ToServiceWorker = PortOffered | OwnerChanged | VmOffered | VmAbsent | VmFailed | TunnelWanted;
