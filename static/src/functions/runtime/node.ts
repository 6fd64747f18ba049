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
import type { Packages, ToIsolate } from '../messages.ts';
import { packagesImport } from '../packages-import.ts';
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

/** A module that nothing has been done with but compiling it. */
export interface Module {
  /** What was compiled of it: before it is evaluated only. */
  createCachedData(): Uint8Array;
  link(linker: (specifier: string) => Module): Promise<void>;
  evaluate(): Promise<void>;
  namespace: object;
}
const { SourceTextModule } = vm as unknown as { SourceTextModule: new (code: string, options: object) => Module };

const refuse = (specifier: string): never => {
  throw new TypeError(`Module not found "${specifier}": a function is one module, and imports nothing once it is deployed`);
};
const compile = (code: string, name: string, cachedData?: Uint8Array) => new SourceTextModule(code, {
  identifier: `bundle/${name}`,
  ...(cachedData && { cachedData }),
  initializeImportMeta: (meta: { url?: string; main?: boolean }) => {
    meta.url = `file://${folder}/index.ts`;
    meta.main = true;
  },
  importModuleDynamically: refuse,
});
/** With what was compiled of them before; throws where the engine does not take that. */
export const compilePackages = (code: string, compiled?: Uint8Array): Module => compile(code, 'packages.js', compiled);

/** Runs a function, with its packages if they are a module of their own. */
async function run(code: string, packages: Module | undefined): Promise<object> {
  begun = utilization();
  const specifier = packages && packagesImport.exec(code)?.[1];
  const module = compile(code, 'index.js');
  await module.link((asked) => (packages && asked === specifier ? packages : refuse(asked)));
  await module.evaluate();
  return module.namespace;
}

const platform: Omit<Platform, 'post'> = {
  load: (code, packages) => run(code, packages?.code === undefined ? undefined : compilePackages(packages.code)),
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

/** How often it does so where nobody waits. */
const rehearsals = 3;
/** What an isolate is to do before it is anybody's. */
const rehearsed = `Deno.serve(async (request) => {
  console.debug(request.method, new URL(request.url).pathname);
  const { a } = await (await fetch('http://localhost/', { method: 'POST', body: await request.text() })).json();
  return Response.json({ a }, { headers: { a } });
})`;

/** How what is posted comes to an isolate, and goes from it. */
export interface Line {
  /** To the isolate. */
  tell(message: ToIsolate): void;
  post: Post;
  close(): void;
}
type Hear = (message: ToIsolate) => void;

/**
 * Answers requests as a function would, to nobody. Node makes its Fetch API when that is first used, and by then it may need what
 * is hidden; and whatever was done before is compiled, and known to the engine's caches, while nobody waits.
 */
async function rehearse(times: number, open: (hear: Hear) => Promise<Line>): Promise<void> {
  settle();
  const before = Object.getOwnPropertyDescriptors(globalThis);
  const heard: Hear[] = [];
  const line = await open((message) => heard.forEach((hear) => hear(message)));
  const say = (id: number, text: string) => {
    line.tell({ kind: 'chunk', id, bytes: Uint8Array.from(Buffer.from(text)) });
    line.tell({ kind: 'end', id });
  };
  let asked = 0;
  const ask = () => {
    const id = 2 * ++asked;
    line.tell({ kind: 'request', id, method: 'POST', url: 'http://localhost/', headers: [['content-type', 'application/json']], hasBody: true, upgrade: false });
    say(id, '{}');
  };
  await new Promise<void>((resolve) => {
    heard.push(isolate({
      ...platform,
      post(message, transfer) {
        line.post(message, transfer);
        if (message.kind === 'ready') {
          ask();
        } else if (message.kind === 'fetch') {
          line.tell({ kind: 'response', id: message.id, status: 200, headers: [['content-type', 'application/json']], hasBody: true });
          say(message.id, '{"a":"b"}');
        } else if (message.kind === 'end' && message.id === 2 * asked) {
          line.tell({ kind: 'ping' });
          if (asked < times) ask();
          else resolve();
        } else if (message.kind === 'threw' || message.kind === 'failed') {
          resolve();
        }
      },
      uncaught: () => undefined,
    }));
    line.tell({ kind: 'boot', code: rehearsed, files: [], env: [['A', 'b']] });
  });
  line.close();
  for (const [name, descriptor] of Object.entries(Object.getOwnPropertyDescriptors(globalThis))) {
    const known = before[name as keyof typeof before] as PropertyDescriptor | undefined;
    if (!known) Reflect.deleteProperty(globalThis, name);
    else if (known.value !== descriptor.value || known.get !== descriptor.get) Object.defineProperty(globalThis, name, known);
  }
}

/**
 * Node puts some globals in their places when they are first asked for, which is slow: `Headers` takes half of what it takes to make
 * a client of supabase-js.
 */
function settle(): void {
  for (const [name, { get }] of Object.entries(Object.getOwnPropertyDescriptors(globalThis))) {
    if (get && !hidden.includes(name)) void globalThis[name as keyof typeof globalThis];
  }
}

/** Nobody's. */
const direct = async (hear: Hear): Promise<Line> => ({ tell: hear, post: () => undefined, close: () => undefined });

/** What is done otherwise than under Node alone. */
export interface Ways {
  /** With one of its own it rehearses for longer. */
  rehearsal?: ((hear: Hear) => Promise<Line>) | undefined;
  packages?(packages: Packages): Promise<Module>;
}

/** Makes this thread an isolate, as soon as it is fit to be one. What it hears is handed to what comes. */
export async function become(post: Post, { rehearsal, packages: packagesOf }: Ways = {}): Promise<Hear> {
  sendStreams();
  await rehearse(rehearsal ? rehearsals : 1, rehearsal ?? direct);
  looks.length = 0;
  const hear = isolate({
    ...platform,
    ...(packagesOf && { load: async (code, packages) => run(code, packages && (await packagesOf(packages))) }),
    post,
  });
  // What stands for `node:async_hooks` in bundles (functions/packages/node/async_hooks.ts) looks here for a class that keeps
  // its store where one waits, as only the engine can.
  Object.defineProperty(globalThis, Symbol.for('edge-runtime.AsyncLocalStorage'), { value: AsyncLocalStorage });
  for (const name of hidden) {
    if (name in globalThis) Reflect.deleteProperty(globalThis, name);
  }
  return hear;
}
