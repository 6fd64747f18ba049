// What a function finds around it, and what becomes of the requests to it: the Deno API as far as edge functions use it.
//
// The same in a browser's worker and in a thread of Node; what differs is the `Platform`.
import type { HeaderList, Level, Packages, ToIsolate } from '../messages.ts';
import { Bodies, type Post } from './bodies.ts';
import { denoOf } from './deno.ts';
import { errors } from './errors.ts';
import { Fetches } from './fetch.ts';
import { Files } from './files.ts';
import { format, thrown } from './inspect.ts';
import { NoSocket, ServerSocket } from './socket.ts';

export interface Platform {
  post: Post;
  /** Runs a module, which imports nothing but its packages; its exports. */
  load(code: string, packages: Packages | undefined): Promise<object>;
  /** Does something in the course of an exchange. */
  within<Value>(exchange: number, work: () => Value): Value;
  /** In the course of which exchange this is, where that is known. */
  exchange(): number | undefined;
  /** Milliseconds that this isolate was busy, where that is known. */
  cpu(): number | undefined;
  /** Bytes that it takes, where that is known. */
  memory(): number | undefined;
  /** Ends it. */
  exit(): never;
  /** Calls back with what nobody caught. */
  uncaught(heard: (error: unknown) => void): void;
}

type Handler = (request: Request, info: object) => unknown;
type OnError = (error: unknown) => unknown;

/** A function that serves nothing is known as such so long after its module has run. */
const patience = 1_000;

/** Makes this global scope an isolate. What it hears is handed to what is returned. */
export function isolate(platform: Platform): (message: ToIsolate) => void {
  const { post } = platform;
  const bodies = new Bodies(post);
  const fetches = new Fetches(platform, bodies);
  /** Whoever waits for an answer can say that it does not. */
  const requests = new Map<number, AbortController>();
  const sockets = new Map<number, ServerSocket>();
  /** Which exchange a request is, and the WebSocket that was made of it. */
  const exchanges = new WeakMap<object, number>();
  const upgrades = new WeakMap<object, ServerSocket>();
  const globals = new EventTarget();
  let handler: Handler | undefined;
  let onError: OnError | undefined;
  let waiting = 0;
  let ready = false;

  const complain = (error: unknown) => {
    const event = Object.assign(new Event('unhandledrejection', { cancelable: true }), { reason: error, promise: Promise.resolve() });
    if (globals.dispatchEvent(event)) post({ kind: 'uncaught', ...thrown(error) });
  };
  platform.uncaught(complain);

  const serve = (given: Handler, options: { onError?: OnError } = {}) => {
    handler = given;
    onError = typeof options.onError === 'function' ? options.onError : undefined;
    if (!ready) {
      // What it took to begin is no request's.
      const count = platform.cpu();
      if (count !== undefined) post({ kind: 'pong', count });
      post({ kind: 'ready' });
    }
    ready = true;
  };

  const upgrade = (request: Request, options: { protocol?: string } = {}) => {
    const id = exchanges.get(request);
    if (id === undefined || request.headers.get('upgrade')?.toLowerCase() !== 'websocket') throw new TypeError("Invalid Header: 'upgrade' header must contain 'websocket'");
    const socket = new ServerSocket(id, request.url, options.protocol ?? '', post, () => sockets.delete(id));
    const response = new Response(null);
    Object.defineProperty(response, 'status', { value: 101 });
    upgrades.set(response, socket);
    return { socket, response };
  };

  async function answer(message: Extract<ToIsolate, { kind: 'request' }>): Promise<void> {
    const { id, method, url, headers, hasBody } = message;
    const controller = new AbortController();
    requests.set(id, controller);
    const body = hasBody ? bodies.open(id) : null;
    // There is no such body in the Fetch API.
    const bodiless = method === 'GET' || method === 'HEAD';
    if (bodiless) void body?.cancel();
    try {
      const given: RequestInit = { method, headers: latin(headers), signal: controller.signal, ...(!bodiless && body && { body, duplex: 'half' }) };
      const request = new Request(url, given);
      exchanges.set(request, id);
      const info = { remoteAddr: { transport: 'tcp', hostname: '127.0.0.1', port: 0 }, completed: Promise.resolve() };
      let answered: unknown;
      try {
        answered = await platform.within(id, () => handler!(request, info));
      } catch (error) {
        if (!onError) throw error;
        answered = await onError(error);
      }
      await respond(message, answered);
    } catch (error) {
      if (!controller.signal.aborted) post({ kind: 'threw', id, ...thrown(error) });
    } finally {
      if (!sockets.has(id)) requests.delete(id);
    }
  }

  async function respond({ id, method }: { id: number; method: string }, answered: unknown): Promise<void> {
    const socket = typeof answered === 'object' && answered !== null ? upgrades.get(answered) : undefined;
    if (socket) {
      sockets.set(id, socket);
      post({ kind: 'upgraded', id, protocol: socket.protocol });
      socket.opened();
      return;
    }
    if (!isResponse(answered)) throw new TypeError(`Return value from serve handler must be a response or a promise resolving to a response, not ${format([answered])}`);
    const { status, body } = answered;
    if (answered.bodyUsed || body?.locked) throw new TypeError('The body of the Response is read already: each answer needs a Response of its own');
    const sent = method === 'HEAD' ? null : body;
    if (!sent) void body?.cancel();
    post({ kind: 'response', id, status, headers: [...answered.headers], hasBody: sent !== null });
    if (sent) await bodies.send(id, sent);
  }

  async function boot({ code, packages, files, env }: Extract<ToIsolate, { kind: 'boot' }>): Promise<void> {
    const variables = new Map(env);
    const console = consoleOf((level, text) => post({ kind: 'log', level, text, of: platform.exchange() }));
    const deno = denoOf({ env: variables, files: new Files(files), serve, upgrade, exit: (code) => {
      post({ kind: 'gone', text: `It called Deno.exit(${code})` });
      return platform.exit();
    } });
    const runtime = {
      waitUntil(promise: unknown) {
        post({ kind: 'waiting', count: ++waiting });
        Promise.resolve(promise).catch(complain).finally(() => post({ kind: 'waiting', count: --waiting }));
        return promise;
      },
    };
    define({
      Deno: deno, EdgeRuntime: runtime, console, fetch: (input: RequestInfo | URL, init?: RequestInit) => fetches.fetch(input, init), WebSocket: NoSocket,
      addEventListener: globals.addEventListener.bind(globals),
      removeEventListener: globals.removeEventListener.bind(globals),
      dispatchEvent: globals.dispatchEvent.bind(globals),
      reportError: complain,
      navigator: { userAgent: 'Deno/2.1.4 (variant; SupabaseEdgeRuntime/1.69.0)', hardwareConcurrency: 1, language: 'en-US', languages: ['en-US'] },
    });
    try {
      const exported = await platform.load(code, packages);
      const main: unknown = Reflect.get(exported, 'default');
      if (!ready && typeof main === 'function') serve(main as Handler);
      else if (!ready && typeof main === 'object' && main !== null && typeof Reflect.get(main, 'fetch') === 'function') {
        serve((request, info) => (main as { fetch: Handler }).fetch(request, info));
      }
    } catch (error) {
      post({ kind: 'failed', ...thrown(error) });
      return;
    }
    if (ready) return;
    setTimeout(() => {
      if (!ready) post({ kind: 'failed', text: 'The function serves nothing: it has to call Deno.serve, or to export default { fetch }' });
    }, patience);
  }

  async function unload(reason: string): Promise<void> {
    globals.dispatchEvent(new CustomEvent('beforeunload', { detail: { reason } }));
    const handle: unknown = Reflect.get(globalThis, 'onbeforeunload');
    try {
      if (typeof handle === 'function') await (handle as (event: Event) => unknown)(new CustomEvent('beforeunload', { detail: { reason } }));
    } catch (error) {
      complain(error);
    }
    post({ kind: 'unloaded' });
  }

  return (message) => {
    switch (message.kind) {
      case 'boot':
        void boot(message);
        break;
      case 'request':
        void answer(message);
        break;
      case 'response':
      case 'refused':
        fetches.handle(message);
        break;
      case 'chunk':
      case 'end':
      case 'broken':
      case 'credit':
        bodies.handle(message);
        break;
      case 'cancel':
        bodies.stop(message.id);
        requests.get(message.id)?.abort(new DOMException('The client left', 'AbortError'));
        break;
      case 'text':
      case 'binary':
      case 'close':
        sockets.get(message.id)?.handle(message);
        break;
      case 'ping': {
        const memory = platform.memory();
        if (memory !== undefined) post({ kind: 'memory', count: memory });
        post({ kind: 'pong', count: platform.cpu() });
        break;
      }
      case 'unload':
        void unload(message.reason);
        break;
    }
  };
}

/** As the constructor of `Headers` takes them: what is no Latin-1 was never sent. */
const latin = (headers: HeaderList): HeadersInit => headers;

/** A `Response`, be it another copy's: some packages bring their own. */
function isResponse(value: unknown): value is Response {
  if (value instanceof Response) return true;
  return typeof value === 'object' && value !== null && typeof Reflect.get(value, 'status') === 'number' && Reflect.get(value, 'headers') instanceof Headers && 'body' in value;
}

function define(values: Record<string, unknown>): void {
  for (const [name, value] of Object.entries(values)) Object.defineProperty(globalThis, name, { value, writable: true, configurable: true, enumerable: false });
}

function consoleOf(write: (level: Level, text: string) => void): object {
  const counts = new Map<string, number>();
  const timers = new Map<string, number>();
  let indent = '';
  const line = (level: Level) => (...values: unknown[]) => write(level, indent + format(values).replaceAll('\n', `\n${indent}`));
  const [log, info, debug, warn, error] = (['log', 'info', 'debug', 'warn', 'error'] as const).map(line) as [ReturnType<typeof line>, ReturnType<typeof line>, ReturnType<typeof line>, ReturnType<typeof line>, ReturnType<typeof line>];
  const since = (label: string) => `${label}: ${Math.round(performance.now() - (timers.get(label) ?? performance.now()))}ms`;
  const group = (...values: unknown[]) => {
    if (values.length > 0) log(...values);
    indent += '  ';
  };
  return {
    log, info, debug, warn, error, dir: log, dirxml: log, table: log, group, groupCollapsed: group,
    groupEnd: () => { indent = indent.slice(2); },
    trace: (...values: unknown[]) => error(format(values), `\n${new Error('Trace').stack ?? ''}`),
    assert: (condition: unknown, ...values: unknown[]) => { if (!condition) error('Assertion failed:', ...values); },
    count: (label = 'default') => {
      counts.set(label, (counts.get(label) ?? 0) + 1);
      log(`${label}: ${counts.get(label)}`);
    },
    countReset: (label = 'default') => void counts.delete(label),
    time: (label = 'default') => void timers.set(label, performance.now()),
    timeLog: (label = 'default', ...values: unknown[]) => log(since(label), ...values),
    timeEnd: (label = 'default') => {
      log(since(label));
      timers.delete(label);
    },
    clear: () => undefined,
  };
}

export { errors };
