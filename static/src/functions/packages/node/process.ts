// `node:process`, of what a function may know of its process.
type Listener = (...given: unknown[]) => void;

const start = performance.now();
const same = () => process;

/** The function's own environment; everything in it is a string. */
export const env: Record<string, string | undefined> = new Proxy({} as Record<string, string | undefined>, {
  get: (_target, name) => (typeof name === 'string' ? Deno.env.get(name) : undefined),
  has: (_target, name) => typeof name === 'string' && Deno.env.has(name),
  set(_target, name, value) {
    Deno.env.set(String(name), String(value));
    return true;
  },
  deleteProperty(_target, name) {
    Deno.env.delete(String(name));
    return true;
  },
  ownKeys: () => Object.keys(Deno.env.toObject()),
  getOwnPropertyDescriptor: (_target, name) => (Deno.env.has(String(name)) ? { value: Deno.env.get(String(name)), enumerable: true, configurable: true, writable: true } : undefined),
});

export const version = 'v20.19.0';
export const versions = { node: '20.19.0', v8: '11.3.244.8', uv: '1.46.0', modules: '115' };
export const platform = 'linux';
export const arch = 'x64';
export const pid = 1;
export const ppid = 0;
export const title = 'function';
export const execPath = '/usr/bin/node';
export const argv = ['/usr/bin/node', '/index.js'];
export const argv0 = 'node';
export const execArgv: string[] = [];
export const release = { name: 'node', lts: 'Iron' };
export const config = { target_defaults: {}, variables: {} };
export const features = { inspector: false, debug: false };

export const cwd = () => Deno.cwd();
export const chdir = () => refuse('chdir');
export const umask = () => 0o22;
export const getuid = () => 1000;
export const getgid = () => 1000;
export const exit = (code?: number) => Deno.exit(code);
export const abort = () => Deno.exit(134);
export const kill = () => refuse('kill');
export const uptime = () => (performance.now() - start) / 1000;

export function nextTick<Arguments extends unknown[]>(callback: (...given: Arguments) => void, ...given: Arguments): void {
  queueMicrotask(() => callback(...given));
}

export function hrtime(before?: [number, number]): [number, number] {
  const now = performance.now();
  const seconds = Math.floor(now / 1000);
  const nanoseconds = Math.floor((now % 1000) * 1e6);
  if (!before) return [seconds, nanoseconds];
  const difference = (seconds - before[0]) * 1e9 + nanoseconds - before[1];
  return [Math.floor(difference / 1e9), difference % 1e9];
}
hrtime.bigint = () => BigInt(Math.floor(performance.now() * 1e6));

/** What an isolate uses is told to whoever watches it, not to itself. */
export const memoryUsage = Object.assign(() => ({ rss: 0, heapTotal: 0, heapUsed: 0, external: 0, arrayBuffers: 0 }), { rss: () => 0 });
export const cpuUsage = () => ({ user: 0, system: 0 });
export const resourceUsage = () => ({});
export const emitWarning = (warning: unknown) => console.warn(warning instanceof Error ? warning.message : warning);

// Signals never come, and what is not caught is the runtime's to report: listeners are taken and not called.
export const on: (name: string, listener: Listener) => unknown = same;
export const once = on;
export const off = on;
export const addListener = on;
export const removeListener = on;
export const prependListener = on;
export const removeAllListeners = same;
export const setMaxListeners = same;
export const emit = () => false;
export const listeners = () => [];
export const listenerCount = () => 0;

const stream = (write: (text: string) => void) => ({
  isTTY: false,
  writable: true,
  columns: 80,
  write(chunk: unknown, ...rest: unknown[]) {
    write(typeof chunk === 'string' ? chunk.replace(/\n$/, '') : new TextDecoder().decode(chunk as Uint8Array));
    const done = rest.at(-1);
    if (typeof done === 'function') queueMicrotask(() => done());
    return true;
  },
  end: same, on: same, once: same, off: same, removeListener: same, emit: () => false,
});
export const stdout = stream((text) => console.log(text));
export const stderr = stream((text) => console.error(text));
export const stdin = { isTTY: false, readable: false, on: same, once: same, off: same, resume: same, pause: same, setEncoding: same };

export const binding = () => refuse('binding');

function refuse(name: string): never {
  throw new Error(`process.${name} is not to be had in a function.`);
}

export const process = {
  env, version, versions, platform, arch, pid, ppid, title, execPath, argv, argv0, execArgv, release, config, features, cwd, chdir, umask, getuid, getgid,
  exit, abort, kill, uptime, nextTick, hrtime, memoryUsage, cpuUsage, resourceUsage, emitWarning, on, once, off, addListener, removeListener,
  prependListener, removeAllListeners, setMaxListeners, emit, listeners, listenerCount, stdout, stderr, stdin, binding, exitCode: undefined as number | undefined,
};
export default process;
