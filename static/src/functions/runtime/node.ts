// An isolate in Node: a thread of its own, whose globals are the web's. What is Node's is hidden before the function's module
// runs: there is no `process`, no `require`, and no module can be imported, be it Node's own.
//
// Whoever is posted to, and by whom, is its caller's: `thread.ts` under Node alone, `guest.ts` in the virtual machine.
//
// `Buffer` stays: Node's own Fetch API takes it from the globals.
//
// This keeps honest code in, and most other: the thread shares its process with the gateway, so whoever breaks out of V8, or
// finds an object of Node's own that leads to its modules, is in it.
import { AsyncLocalStorage } from 'node:async_hooks';
import { performance as clock } from 'node:perf_hooks';
import { getHeapStatistics } from 'node:v8';
import vm from 'node:vm';
import type { ToIsolate } from '../messages.ts';
import type { Post } from './bodies.ts';
import { folder } from './files.ts';
import { isolate, type Platform } from './runtime.ts';
import { sendStreams } from './whole-headers.ts';

const { exit, on } = process;
const end = exit.bind(process);
const listen = on.bind(process);
const heap = getHeapStatistics;
const utilization = clock.eventLoopUtilization.bind(clock);
const exchanges = new AsyncLocalStorage<number>();
/** When it became a function: until then it was nobody's. */
let begun = utilization();
/** Bytes at the last looks: garbage that was not collected yet is not held against a function. */
const looks: number[] = [];

const hidden = ['process', 'global', 'require', 'module', 'exports', '__filename', '__dirname', 'setImmediate', 'clearImmediate', 'BroadcastChannel', 'Worker', 'navigator', 'WebSocket', 'EventSource', 'Storage', 'localStorage', 'sessionStorage', 'caches'];

const { SourceTextModule } = vm as unknown as { SourceTextModule: new (code: string, options: object) => { link(linker: () => never): Promise<void>; evaluate(): Promise<void>; namespace: object } };

const platform: Omit<Platform, 'post'> = {
  async load(code) {
    begun = utilization();
    const refuse = (specifier: string): never => {
      throw new TypeError(`Module not found "${specifier}": a function is one module, and imports nothing once it is deployed`);
    };
    const module = new SourceTextModule(code, {
      identifier: 'bundle/index.js',
      initializeImportMeta: (meta: { url?: string; main?: boolean }) => {
        meta.url = `file://${folder}/index.ts`;
        meta.main = true;
      },
      importModuleDynamically: refuse,
    });
    await module.link(refuse as () => never);
    await module.evaluate();
    return module.namespace;
  },
  within: (exchange, work) => exchanges.run(exchange, work),
  exchange: () => exchanges.getStore(),
  cpu: () => Math.round(utilization(begun).active),
  memory() {
    const { used_heap_size: used, external_memory: external } = heap();
    looks.push(used + external);
    if (looks.length > 4) looks.shift();
    return Math.min(...looks);
  },
  exit: () => end(0),
  uncaught(heard) {
    listen('uncaughtException', heard);
    listen('unhandledRejection', heard);
  },
};

/** What an isolate is to do before it is anybody's. */
const rehearsed = `Deno.serve(async (request) => {
  console.debug(request.method, new URL(request.url).pathname);
  const { a } = await (await fetch('http://localhost/', { method: 'POST', body: await request.text() })).json();
  return Response.json({ a }, { headers: { a } });
})`;

/**
 * Answers a request as a function would, to nobody. Node makes its Fetch API when that is first used, and by then it may need what
 * is hidden; and whatever was done once is compiled while nobody waits.
 */
async function rehearse(): Promise<void> {
  const before = Object.getOwnPropertyDescriptors(globalThis);
  await new Promise<void>((resolve) => {
    const id = 0;
    const hear = isolate({
      ...platform,
      post(message) {
        if (message.kind === 'ready') {
          hear({ kind: 'request', id, method: 'POST', url: 'http://localhost/', headers: [['content-type', 'application/json']], hasBody: true, upgrade: false });
          say(id, '{}');
        } else if (message.kind === 'fetch') {
          hear({ kind: 'response', id: message.id, status: 200, headers: [['content-type', 'application/json']], hasBody: true });
          say(message.id, '{"a":"b"}');
        } else if (/^(end|threw|failed)$/.test(message.kind) && !('id' in message && message.id !== id)) {
          hear({ kind: 'ping' });
          resolve();
        }
      },
      uncaught: () => undefined,
    });
    const say = (id: number, text: string) => {
      hear({ kind: 'chunk', id, bytes: Uint8Array.from(Buffer.from(text)) });
      hear({ kind: 'end', id });
    };
    hear({ kind: 'boot', code: rehearsed, files: [], env: [] });
  });
  for (const [name, descriptor] of Object.entries(Object.getOwnPropertyDescriptors(globalThis))) {
    const known = before[name as keyof typeof before] as PropertyDescriptor | undefined;
    if (!known) Reflect.deleteProperty(globalThis, name);
    else if (known.value !== descriptor.value || known.get !== descriptor.get) Object.defineProperty(globalThis, name, known);
  }
}

/** Makes this thread an isolate, as soon as it is fit to be one. What it hears is handed to what comes. */
export async function become(post: Post): Promise<(message: ToIsolate) => void> {
  sendStreams();
  await rehearse();
  looks.length = 0;
  const hear = isolate({ ...platform, post });
  // What stands for `node:async_hooks` in bundles (functions/packages/node/async_hooks.ts) looks here for a class that keeps
  // its store where one waits, as only the engine can.
  Object.defineProperty(globalThis, Symbol.for('edge-runtime.AsyncLocalStorage'), { value: AsyncLocalStorage });
  for (const name of hidden) {
    if (name in globalThis) Reflect.deleteProperty(globalThis, name);
  }
  return hear;
}
