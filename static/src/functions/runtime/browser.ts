// The isolate in a browser: a worker that a sandboxed frame makes. It has an origin of its own, without storage, and the
// frame's Content-Security-Policy, by which nothing leads out of it; so all it has is the port.
//
// Bundled into one classic script: browsers make no module worker of a blob in such a frame.
import type { FromIsolate, ToIsolate } from '../messages.ts';
import { packagesImport } from '../packages-import.ts';
import { Together } from '../together.ts';
import { Busy } from './busy.ts';
import { isolate, type Platform } from './runtime.ts';
import { subtleOf, type FromFrame, type ToFrame } from './subtle.ts';
import { keepEveryHeader } from './whole-headers.ts';

declare const self: DedicatedWorkerGlobalScope;

const toFrame = self.postMessage.bind(self) as (message: ToFrame, transfer?: Transferable[]) => void;
const end = self.close.bind(self);
const { createObjectURL, revokeObjectURL } = URL;
const BlobOfThis = Blob;

/** Names that a worker has and Deno's functions do not, or not so. */
const hidden = [
  'BroadcastChannel', 'EventSource', 'FileReaderSync', 'Notification', 'SharedWorker', 'Worker', 'WebTransport', 'XMLHttpRequest', 'caches', 'close',
  'cookieStore', 'importScripts', 'indexedDB', 'location', 'name', 'onmessage', 'onmessageerror', 'origin', 'postMessage', 'serviceWorker',
  'requestAnimationFrame', 'cancelAnimationFrame', 'webkitRequestFileSystem', 'webkitRequestFileSystemSync', 'webkitResolveLocalFileSystemURL', 'webkitResolveLocalFileSystemSyncURL',
];

self.addEventListener('message', (event: MessageEvent<FromFrame>) => {
  const [port] = event.ports;
  if (!port || event.data.kind !== 'start') return;
  const { subtle, handle } = subtleOf(toFrame);
  const busy = new Busy();
  self.addEventListener('message', ({ data }: MessageEvent<FromFrame>) => {
    busy.begin();
    handle(data);
  });
  const said = new Together<FromIsolate>((messages, transfer) => port.postMessage(messages, transfer));
  const platform: Platform = {
    post: (message, transfer) => said.say(message, transfer),
    async load(code, packages) {
      const urls: string[] = [];
      const module = (text: string, name: string) => {
        // The name under which stacks know it.
        const url = createObjectURL(new BlobOfThis([text, `\n//# sourceURL=bundle/${name}`], { type: 'text/javascript' }));
        urls.push(url);
        return url;
      };
      try {
        const whole = packages?.code === undefined ? code : importing(code, module(packages.code, 'packages.js'));
        return (await import(module(whole, 'index.js'))) as object;
      } finally {
        urls.forEach((url) => revokeObjectURL(url));
      }
    },
    within: (_exchange, work) => work(),
    exchange: () => undefined,
    cpu: () => Math.round(busy.milliseconds),
    memory: () => undefined,
    exit() {
      end();
      throw new Error('It ends');
    },
    uncaught(heard) {
      self.addEventListener('error', (thrown) => {
        thrown.preventDefault();
        heard(thrown.error ?? thrown.message);
      });
      self.addEventListener('unhandledrejection', (thrown) => {
        thrown.preventDefault();
        heard(thrown.reason);
      });
    },
  };
  keepEveryHeader();
  const hear = isolate(platform);
  // A worker of such an origin is not what browsers call secure, and lacks what they give only to those.
  if (!('subtle' in crypto)) Object.defineProperty(crypto, 'subtle', { value: subtle, configurable: true });
  if (!('randomUUID' in crypto)) Object.defineProperty(crypto, 'randomUUID', { value: randomUUID, configurable: true });
  for (const name of hidden) if (name in self) Object.defineProperty(self, name, { value: undefined, configurable: true, writable: true });
  for (const name of ['setTimeout', 'setInterval'] as const) {
    Object.defineProperty(self, name, { value: busy.timer(self[name].bind(self)), configurable: true, writable: true });
  }
  port.onmessage = ({ data }: MessageEvent<ToIsolate[]>) => {
    busy.begin();
    for (const message of data) hear(message);
  };
}, { once: true });

/** A function's code with its packages at an address. The import stands at the end, where it moves no place of the code. */
function importing(code: string, packages: string): string {
  let moved = '';
  const rest = code.replace(packagesImport, (statement, specifier: string) => {
    moved = statement.replace(specifier, () => packages);
    return ' '.repeat(statement.length);
  });
  return `${rest}\n${moved}`;
}

/** RFC 9562, version 4. */
function randomUUID(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6]! & 0x0f) | 0x40;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
