// The `Deno` that edge functions know: what edge-runtime has, without what needs a system.
import { errors } from './errors.ts';
import { folder, type Files } from './files.ts';
import { inspect } from './inspect.ts';

export interface Parts {
  env: Map<string, string>;
  files: Files;
  serve(handler: (request: Request, info: object) => unknown, options?: { onError?: (error: unknown) => unknown }): void;
  upgrade(request: Request, options?: { protocol?: string }): object;
  exit(code: number): never;
}

export function denoOf({ env, files, serve, upgrade, exit }: Parts): object {
  const readonly = (what: string) => () => {
    throw new errors.NotSupported(`The operation is not supported: ${what}`);
  };
  /** The words of `node:net` for it. */
  const connect = async ({ hostname = '127.0.0.1', port, path }: { hostname?: string; port?: number; path?: string }) => {
    throw new errors.NotSupported(`Functions in an isolate open no TCP connections, so ${path ?? `${hostname}:${port}`} is out of reach. The project’s database answers at SUPABASE_URL: by supabase-js, or by fetch.`);
  };
  const readFile = (path: string | URL) => files.read(path, 'open').slice();
  const readTextFile = (path: string | URL) => new TextDecoder().decode(files.read(path, 'open'));
  const stat = (path: string | URL) => ({ isFile: true, isDirectory: false, isSymlink: false, size: files.read(path, 'stat').length, mtime: null, atime: null, birthtime: null });
  const permission = { state: 'granted', onchange: null, partial: false };
  const unsupported = ['run', 'Command', 'listen', 'listenTls', 'writeFile', 'writeTextFile', 'writeFileSync', 'writeTextFileSync', 'remove', 'rename', 'mkdir', 'makeTempFile', 'makeTempDir', 'open', 'create', 'openKv', 'dlopen', 'kill', 'createHttpClient', 'cron'];
  return {
    ...Object.fromEntries(unsupported.map((name) => [name, readonly(`Deno.${name}`)])),
    connect,
    connectTls: connect,
    serve(...given: unknown[]) {
      const handler = given.find((one) => typeof one === 'function') ?? (given[0] as { handler?: unknown } | undefined)?.handler;
      if (typeof handler !== 'function') throw new TypeError('A handler function must be provided.');
      const options = (given.find((one) => typeof one === 'object' && one !== null) ?? {}) as { onListen?: (addr: object) => void; onError?: (error: unknown) => unknown };
      serve(handler as Parameters<Parts['serve']>[0], options);
      const addr = { transport: 'tcp', hostname: '0.0.0.0', port: 9999 };
      options.onListen?.(addr);
      const server = { addr, finished: new Promise<void>(() => undefined), ref: () => undefined, unref: () => undefined, shutdown: async () => undefined };
      return Object.assign(server, { [Symbol.asyncDispose ?? Symbol.for('Symbol.asyncDispose')]: server.shutdown });
    },
    upgradeWebSocket: upgrade,
    env: {
      get: (name: string) => env.get(String(name)),
      has: (name: string) => env.has(String(name)),
      toObject: () => Object.fromEntries(env),
      set: readonly('Deno.env.set'),
      delete: readonly('Deno.env.delete'),
    },
    readFile: async (path: string | URL) => readFile(path),
    readFileSync: readFile,
    readTextFile: async (path: string | URL) => readTextFile(path),
    readTextFileSync: readTextFile,
    readDir: async function* (path: string | URL) { yield* files.list(path); },
    readDirSync: (path: string | URL) => files.list(path)[Symbol.iterator](),
    stat: async (path: string | URL) => stat(path),
    statSync: stat,
    lstat: async (path: string | URL) => stat(path),
    lstatSync: stat,
    realPath: async (path: string | URL) => String(path),
    cwd: () => folder,
    exit: (code = 0) => exit(code),
    execPath: () => '/usr/local/bin/edge-runtime',
    hostname: () => 'localhost',
    osRelease: () => '0.0.0-00000000-0000',
    memoryUsage: () => ({ rss: 0, heapTotal: 0, heapUsed: 0, external: 0 }),
    addSignalListener: () => undefined,
    removeSignalListener: () => undefined,
    pid: 1,
    ppid: 0,
    args: [],
    noColor: true,
    mainModule: `file://${folder}/index.ts`,
    version: { deno: 'supabase-edge-runtime-1.69.0 (compatible with Deno v2.1.4)', v8: '13.0', typescript: '5.6' },
    build: { target: 'x86_64-unknown-linux-gnu', arch: 'x86_64', os: 'linux', vendor: 'unknown', env: 'gnu', standalone: false },
    permissions: {
      query: async () => permission, querySync: () => permission, request: async () => permission, requestSync: () => permission, revoke: async () => permission, revokeSync: () => permission,
    },
    errors,
    inspect,
    customInspect: Symbol.for('Deno.customInspect'),
    internal: Symbol('Deno.internal'),
  };
}
