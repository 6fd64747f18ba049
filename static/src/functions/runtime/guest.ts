// The isolate in the virtual machine: a thread that has a connection of its own to the worker, for in an emulated machine
// each thread that a request passes costs milliseconds. What its host has to know as well is posted to it.
//
// The host (vm-bridge/guest/src/service/functions.cjs) has this script run in the thread.
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { parentPort } from 'node:worker_threads';
import type { FromIsolate, Packages, ToIsolate } from '../messages.ts';
import { Together } from '../together.ts';
import { encode, Frames } from './frames.ts';
import { become, compilePackages, type Line, type Module } from './node.ts';

/** The one address that may call. */
declare const gateway: string;
/** To be told where it is called. */
declare const loaded: (port: number) => void;
/** Whether somebody waits for it. */
declare const hurried: boolean;

const host = parentPort!;
const { exit } = process;
const end = exit.bind(process);
/** What its host counts and what it ends it for. */
const counted = new Set(['pong', 'memory', 'gone']);

/** Packages of functions. Those of the functions that ran last are compiled while a thread waits. */
class Compiled {
  readonly #modules = new Map<string, Module>();
  #waiting: (() => void) | undefined;

  /** From its host: what is to be had, and what of it is new. */
  take({ names, added }: FromHost): void {
    for (const name of this.#modules.keys()) if (!names.includes(name)) this.#modules.delete(name);
    for (const one of added) {
      try {
        this.#modules.set(one.name, one.compiled ? taken(one.code, one.compiled) : whole(one));
      } catch {
        // Another thread has compiled the same, unless it was made to say so; whoever needs these is told in vain.
      }
    }
    this.#waiting?.();
  }

  async get({ name, code }: Packages): Promise<Module> {
    if (code !== undefined) {
      const module = compilePackages(code);
      host.postMessage([{ kind: 'packages', code }]);
      return module;
    }
    // What its host says may come later than what the worker does.
    while (!this.#modules.has(name)) await new Promise<void>((resolve) => { this.#waiting = resolve; });
    return this.#modules.get(name)!;
  }
}
interface FromHost { kind: 'packages'; names: string[]; added: { name: string; code: string; compiled?: Uint8Array }[] }

/**
 * Compiles every function of them, which V8 does else when one is first called, and tells the host what came of it. The flag is the
 * whole process's: whatever another thread compiles meanwhile is compiled so, too.
 */
function whole({ name, code }: { name: string; code: string }): Module {
  setFlagsFromString('--no-lazy');
  let module: Module;
  try {
    module = compilePackages(code);
  } finally {
    setFlagsFromString('--lazy');
  }
  host.postMessage([{ kind: 'compiled', name, compiled: Uint8Array.from(module.createCachedData()) }]);
  return module;
}

function taken(code: string, compiled: Uint8Array): Module {
  try {
    return compilePackages(code, compiled);
  } catch (error) {
    host.postMessage([{ kind: 'complaint', text: String(error) }]);
    return compilePackages(code);
  }
}

/** Has messages come on a connection, and go. */
function carry(socket: Socket, hear: (message: ToIsolate) => void): Together<FromIsolate> {
  const frames = new Frames();
  socket.on('data', (piece) => {
    try {
      frames.push(piece, hear);
    } catch {
      // The worker says nothing of the kind.
      socket.destroy();
    }
  });
  // Its host hears that as well, and says why.
  socket.on('error', () => undefined);
  return new Together((messages) => socket.write(encode(messages)));
}

/** A connection of this thread with itself. */
async function rehearsal(hear: (message: ToIsolate) => void): Promise<Line> {
  const server = createServer({ noDelay: true });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const [near, far] = await Promise.all([
    new Promise<Socket>((resolve) => server.once('connection', resolve)),
    new Promise<Socket>((resolve) => {
      const socket = connect(port, '127.0.0.1', () => resolve(socket));
    }),
  ]);
  far.resume();
  const said = carry(near, hear);
  return {
    post: (message, transfer) => said.say(message, transfer),
    tell(message) {
      const bytes = message.kind === 'boot' ? Buffer.from(message.code) : undefined;
      far.write(encode([(bytes ? { ...message, code: bytes.length, bytes } : message) as never]));
    },
    close() {
      near.destroy();
      far.destroy();
      server.close();
    },
  };
}

/**
 * Collects the garbage of the beginning: V8 would soon do so by and by, and a function that begins meanwhile takes several times
 * as long.
 */
function collect(): void {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  setFlagsFromString('--no-expose-gc');
}

async function open(): Promise<void> {
  let said: Together<FromIsolate> | undefined;
  const compiled = new Compiled();
  const hear = await become((message, transfer) => {
    if (message.kind === 'gone') said?.flush();
    if (counted.has(message.kind)) {
      host.postMessage([message]);
      return;
    }
    if (message.kind === 'ready') host.postMessage([message]);
    said?.say(message, transfer);
  }, { rehearsal: hurried ? undefined : rehearsal, packages: (packages) => compiled.get(packages) });
  host.on('message', (messages: (ToIsolate | FromHost)[]) => {
    for (const message of messages) {
      if (message.kind === 'packages') compiled.take(message);
      else hear(message);
    }
  });
  if (!hurried) collect();
  const server = createServer({ noDelay: true }, (socket) => {
    if (said || socket.remoteAddress !== gateway) {
      socket.destroy();
      return;
    }
    server.close();
    said = carry(socket, hear);
    socket.on('close', () => end(0));
  });
  server.listen(0, '0.0.0.0', () => loaded((server.address() as AddressInfo).port));
}

void open();
