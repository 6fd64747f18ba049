// The isolate in Node: a thread of its own, whose globals are the web's. What is Node's is hidden before the function's module
// runs: there is no `process`, no `require`, and no module can be imported, be it Node's own.
//
// `Buffer` stays: Node's own Fetch API takes it from the globals.
//
// This keeps honest code in, and most other: the thread shares its process with the gateway, so whoever breaks out of V8, or
// finds an object of Node's own that leads to its modules, is in it.
import { AsyncLocalStorage } from 'node:async_hooks';
import { performance as clock } from 'node:perf_hooks';
import { getHeapStatistics } from 'node:v8';
import vm from 'node:vm';
import { parentPort } from 'node:worker_threads';
import type { FromIsolate, ToIsolate } from '../messages.ts';
import { Together } from '../together.ts';
import { folder } from './files.ts';
import { isolate, type Platform } from './runtime.ts';

const port = parentPort!;
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

const said = new Together<FromIsolate>((messages, transfer) => port.postMessage(messages, transfer as never));

const platform: Platform = {
  post: (message, transfer) => said.say(message, transfer),
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

/**
 * Node makes its Fetch API when it is first used, and by then it may need what is hidden. What a request goes through is compiled
 * with it, while nobody waits.
 */
async function familiar(): Promise<void> {
  await new Response('').text();
  const request = new Request('http://localhost/', { method: 'POST', body: new Blob(['{}']).stream(), headers: [['a', 'b']], duplex: 'half' } as RequestInit);
  const response = Response.json(await request.json(), { headers: { a: 'b' } });
  await response.body?.getReader().read();
  const module = new SourceTextModule('export default null', { identifier: 'nothing' });
  await module.link(() => undefined as never);
  await module.evaluate();
}

// Where that fails, a function's own use of it will tell.
familiar().catch(() => undefined);
const hear = isolate(platform);
port.on('message', (messages: ToIsolate[]) => {
  for (const message of messages) hear(message);
});
// What stands for `node:async_hooks` in bundles (functions/packages/node/async_hooks.ts) looks here for a class that keeps
// its store where one waits, as only the engine can.
Object.defineProperty(globalThis, Symbol.for('edge-runtime.AsyncLocalStorage'), { value: AsyncLocalStorage });
for (const name of hidden) {
  if (name in globalThis) Reflect.deleteProperty(globalThis, name);
}
