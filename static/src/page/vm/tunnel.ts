// A WebSocket in all but name: a port that the service worker passes on to the VM, which fetch has no way to be.

import type { TunnelWanted } from '../../ports.ts';

export type Arrived =
  /** `life` is the Web Lock that the VM worker holds while it lives: a port does not tell of its end. */
  | { kind: 'open'; protocol: string; life?: string }
  | { kind: 'message'; data: string | ArrayBuffer }
  | { kind: 'close'; code: number; reason: string; clean: boolean };

export interface Tunnel {
  send: (data: string | ArrayBuffer) => void;
  resize: (columns: number, rows: number) => void;
  close: () => void;
}

/** How long an answer may take that a VM gives which runs. */
const patience = 20_000;

/** `heard` gets `close` exactly once, and nothing after it. */
export function openTunnel(url: string, heard: (arrived: Arrived) => void): Tunnel {
  const { port1: port, port2: other } = new MessageChannel();
  let over = false;
  const done = new AbortController();
  const end = (reason: string, code = 1006, clean = false) => {
    if (over) return;
    over = true;
    done.abort();
    clearTimeout(late);
    port.close();
    heard({ kind: 'close', code, reason, clean });
  };
  const late = setTimeout(() => end('The VM did not answer'), patience);
  port.onmessage = ({ data }: MessageEvent<Arrived>) => {
    if (over) return;
    clearTimeout(late);
    if (data.kind === 'close') return end(sentence(data.reason), data.code, data.clean);
    if (data.kind === 'open' && data.life) {
      navigator.locks.request(data.life, { mode: 'shared', signal: done.signal }, () => end('The VM was ended')).catch(() => undefined);
    }
    heard(data);
  };
  void alive().then((life) => {
    if (!over) port.postMessage({ kind: 'life', life });
  });
  const controller = navigator.serviceWorker.controller;
  if (controller) controller.postMessage({ kind: 'tunnel', url, protocols: [], port: other } satisfies TunnelWanted, [other]);
  else queueMicrotask(() => end('This page was loaded past the service worker: reload it normally'));
  return {
    send: (data) => {
      if (!over) port.postMessage({ kind: 'message', data });
    },
    resize: (columns, rows) => {
      if (!over) port.postMessage({ kind: 'resize', columns, rows });
    },
    close: () => {
      if (!over) port.postMessage({ kind: 'close', code: 1000, reason: '' });
      // What was posted goes out before a port closes.
      end('', 1000, true);
    },
  };
}

let held: Promise<string> | undefined;

/** The Web Lock that this page holds while it lives, from its first tunnel on: the VM ends what it began for a page that is gone. */
function alive(): Promise<string> {
  return (held ??= new Promise((known) => {
    const life = `gateway:page:${crypto.randomUUID()}`;
    void navigator.locks.request(life, () => new Promise(() => known(life)));
  }));
}

/** The message in a reason that is a whole refusal of the API: `503 Service Unavailable: {"message":…}`. */
export function sentence(reason: string): string {
  const [, json] = /^\d{3}[^{]*(\{.*\})\s*$/s.exec(reason) ?? [];
  if (json === undefined) return reason;
  try {
    const { message } = JSON.parse(json) as { message?: unknown };
    return typeof message === 'string' ? message : reason;
  } catch {
    return reason;
  }
}
