// The isolate in the virtual machine: a thread that has a connection of its own to the worker, for in an emulated machine
// each thread that a request passes costs milliseconds. What its host has to know as well is posted to it.
//
// The host (vm-bridge/guest/src/service/functions.cjs) has this script run in the thread.
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { parentPort } from 'node:worker_threads';
import type { FromIsolate, ToIsolate } from '../messages.ts';
import { Together } from '../together.ts';
import { encode, Frames } from './frames.ts';
import { become, type Line } from './node.ts';

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
  const hear = await become((message, transfer) => {
    if (message.kind === 'gone') said?.flush();
    if (counted.has(message.kind)) {
      host.postMessage([message]);
      return;
    }
    if (message.kind === 'ready') host.postMessage([message]);
    said?.say(message, transfer);
  }, hurried ? undefined : rehearsal);
  host.on('message', (messages: ToIsolate[]) => messages.forEach(hear));
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
