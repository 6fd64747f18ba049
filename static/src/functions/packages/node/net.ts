// `node:net`. A function in an isolate has no TCP: whatever opens a connection, as clients of Postgres do with
// `SUPABASE_DB_URL`, is told so by an `error` event, and what it can do instead. Where the runtime has connections, it offers
// Node's own module under this symbol.
import { Duplex } from 'node:stream';

type Native = Pick<typeof import('node:net'), 'Socket' | 'Server' | 'createServer'>;

const native = Reflect.get(globalThis, Symbol.for('edge-runtime.net')) as Native | undefined;

type Options = { port?: number | string; host?: string; path?: string };
type Listener = () => void;

/** What is said of a connection that was never made; `Deno.connect` says the same. */
const unreachable = (place: string) => `Functions in an isolate open no TCP connections, so ${place} is out of reach. The project’s database answers at SUPABASE_URL: by supabase-js, or by fetch.`;

class NoSocket extends Duplex {
  readonly connecting = false;
  readonly readyState = 'closed';
  readonly remoteAddress = undefined;
  readonly remotePort = undefined;
  readonly bytesRead = 0;
  readonly bytesWritten = 0;

  connect(...given: (Options | number | string | Listener)[]): this {
    const [first, second] = given;
    const { port, host = 'localhost', path } = typeof first === 'object' ? first : typeof second === 'string' ? { port: Number(first), host: second } : { port: Number(first) } as Options;
    const error = Object.assign(new Error(unreachable(path ?? `${host}:${port}`)), { code: 'ENETUNREACH', errno: -101, syscall: 'connect', address: host, port });
    this.destroy(error);
    return this;
  }

  override _read(): void {
    // Nothing ever comes.
  }

  override _write(_chunk: unknown, _encoding: unknown, done: (error?: Error) => void): void {
    done(new Error('This socket is not connected'));
  }

  setTimeout(_milliseconds?: number, _callback?: Listener): this {
    return this;
  }

  setNoDelay(): this {
    return this;
  }

  setKeepAlive(): this {
    return this;
  }

  ref(): this {
    return this;
  }

  unref(): this {
    return this;
  }

  address(): object {
    return {};
  }
}

class NoServer {
  constructor() {
    throw new Error('Functions listen on no port: Deno.serve is how they are asked');
  }
}

export const Socket = (native?.Socket ?? NoSocket) as typeof NoSocket;
export const Stream = Socket;
export const Server = (native?.Server ?? NoServer) as typeof NoServer;

export function connect(...given: Parameters<NoSocket['connect']>): NoSocket {
  return new Socket().connect(...given);
}
export const createConnection = connect;

export const createServer = (native?.createServer ?? (() => new NoServer())) as () => NoServer;

const part = '(?:25[0-5]|2[0-4]\\d|1?\\d?\\d)';
const v4 = new RegExp(`^${part}(?:\\.${part}){3}$`);

export const isIPv4 = (text: string): boolean => v4.test(text);

/** RFC 4291, 2.2: eight groups, of which `::` stands for those that are left out; the last two may be an IPv4 address. */
export function isIPv6(text: string): boolean {
  const [address = '', zone] = text.split('%');
  if (zone === '' || !/^[\da-f:.]+$/i.test(address)) return false;
  const halves = address.split('::');
  const groups = halves.flatMap((half) => (half === '' ? [] : half.split(':')));
  const last = groups.at(-1);
  const tail = last?.includes('.') ? 1 : 0;
  if (halves.length > 2 || (tail === 1 && !isIPv4(last!))) return false;
  if (!groups.slice(0, groups.length - tail).every((group) => /^[\da-f]{1,4}$/i.test(group))) return false;
  const count = groups.length + tail;
  return halves.length === 2 ? count < 8 : count === 8;
}

export const isIP = (text: string): 0 | 4 | 6 => (isIPv4(text) ? 4 : isIPv6(text) ? 6 : 0);

export default { Socket, Stream, Server, connect, createConnection, createServer, isIP, isIPv4, isIPv6 };
