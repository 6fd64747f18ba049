// What a machine in a browser's worker is given: files from this origin, kept in Cache Storage; a disk in the origin
// private file system; the engines, fetched when one is to run.
import type { Host } from 'glue:machine';
import v86 from '../../node_modules/v86/build/v86.wasm';
import { joined } from '../bytes.ts';
import type { FromFrame, FromIsolate, ToIsolate } from '../functions/messages.ts';
import { held } from '../files/held.ts';
import { Together } from '../functions/together.ts';
import { hash, unpack } from './bytes.ts';

const cacheName = 'gateway-vm';
/** Isolates that were made. */
let isolates = 0;

/** What only a page can make. */
export interface Pages {
  /** A page that serves CheerpX on this port. */
  cheerpx(port: MessagePort): void;
  /** An isolate that speaks on the first port, and whose frame does on the other. */
  isolate(id: number, port: MessagePort, frame: MessagePort): void;
  /** Ends an isolate. */
  isolateOver(id: number): void;
}

/** `image` is the folder of the manifest. */
export function browserHost(project: string, image: URL, pages: Pages): Host {
  const cache = caches.open(cacheName).catch(() => undefined);
  const address = (path: string) => new URL(path, image).href;
  return {
    async fetch(path, fresh, progress) {
      const response = await fetch(address(path), fresh ? { cache: 'no-cache' } : {});
      if (!response.ok) throw new Error(`${response.status} ${response.statusText}`.trim());
      return read(response, progress);
    },
    async kept(path) {
      const response = await (await cache)?.match(address(path));
      return response && new Uint8Array(await response.arrayBuffer());
    },
    keep(path, bytes) {
      // Whatever is not kept is fetched again.
      void cache.then((open) => open?.put(address(path), new Response(bytes as Uint8Array<ArrayBuffer>))).catch(() => undefined);
    },
    forget(except) {
      const wanted = new Set(except.map(address));
      void cache.then(async (open) => {
        for (const request of (await open?.keys()) ?? []) if (!wanted.has(request.url)) await open?.delete(request);
      }).catch(() => undefined);
    },
    unpack,
    hash,
    async open(name) {
      const root = await navigator.storage.getDirectory();
      const folder = await (await root.getDirectoryHandle('vm', { create: true })).getDirectoryHandle(encodeURIComponent(project), { create: true });
      const file = await folder.getFileHandle(name, { create: true });
      return held(file, file.createSyncAccessHandle());
    },
    prepare: () => Promise.all([loadV86(), compiled()]),
    async emulate(options) {
      const [{ emulate }, module] = await Promise.all([loadV86(), compiled()]);
      return emulate(module, options);
    },
    async cheerpx() {
      const { port1, port2 } = new MessageChannel();
      pages.cheerpx(port2);
      return port1;
    },
    runtime: () => (script ??= isolateScript().catch((error: unknown) => {
      script = undefined;
      throw error;
    })),
    async isolate(_name, _memory, heard) {
      const id = ++isolates;
      const own = new MessageChannel();
      const frame = new MessageChannel();
      const said = new Together<ToIsolate>((messages, transfer) => own.port1.postMessage(messages, transfer));
      own.port1.onmessage = ({ data }: MessageEvent<FromIsolate[]>) => data.forEach((message) => heard(message));
      frame.port1.onmessage = ({ data }: MessageEvent<FromFrame>) => heard(data);
      // Where browsers tell of it: its process is gone.
      own.port1.addEventListener('close', () => heard({ kind: 'gone', text: 'The isolate’s process ended' }));
      pages.isolate(id, own.port2, frame.port2);
      return {
        post: (message: ToIsolate) => said.say(message, message.kind === 'chunk' ? [message.bytes.buffer as ArrayBuffer] : []),
        end() {
          own.port1.close();
          frame.port1.close();
          pages.isolateOver(id);
        },
      };
    },
  };
}

let script: Promise<string> | undefined;

async function isolateScript(): Promise<string> {
  const response = await fetch(new URL(GUEST_ISOLATE, import.meta.url));
  if (!response.ok) throw new Error(`${GUEST_ISOLATE}: ${response.status} ${response.statusText}`);
  return response.text();
}

let engine: Promise<typeof import('./v86.ts')> | undefined;
let code: Promise<WebAssembly.Module> | undefined;

/** Where v86 finds workers, it starts one that only tells it when to go on. */
function loadV86(): Promise<typeof import('./v86.ts')> {
  return (engine ??= (async () => {
    const { Worker } = globalThis;
    Reflect.deleteProperty(globalThis, 'Worker');
    try {
      return await import('./v86.ts');
    } finally {
      globalThis.Worker = Worker;
    }
  })().catch((error: unknown) => {
    engine = undefined;
    throw error;
  }));
}

function compiled(): Promise<WebAssembly.Module> {
  return (code ??= (async () => {
    const response = await fetch(new URL(v86, import.meta.url));
    if (!response.ok) throw new Error(`${v86}: ${response.status} ${response.statusText}`);
    return WebAssembly.compile(await response.arrayBuffer());
  })().catch((error: unknown) => {
    code = undefined;
    throw error;
  }));
}

/** The whole body, in a buffer of its own. */
async function read(response: Response, progress: (loaded: number) => void): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let loaded = 0;
  const reader = response.body!.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    parts.push(value);
    loaded += value.length;
    progress(loaded);
  }
  return joined(parts);
}
