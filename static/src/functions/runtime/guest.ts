// The isolate in the virtual machine: a thread that has a connection of its own to the worker, for in an emulated machine
// each thread that a request passes costs milliseconds. What its host has to know as well is posted to it.
//
// The host (vm-bridge/guest/src/service/functions.cjs) has this script run in the thread.
import { createServer, type Socket } from 'node:net';
import { parentPort } from 'node:worker_threads';
import type { FromIsolate, ToIsolate } from '../messages.ts';
import { Together } from '../together.ts';
import { encode, Frames } from './frames.ts';
import { become } from './node.ts';

/** The one address that may call. */
declare const gateway: string;
/** To be told where it is called. */
declare const loaded: (port: number) => void;

const host = parentPort!;
const { exit } = process;
const end = exit.bind(process);
/** What its host counts and what it ends it for. */
const counted = new Set(['pong', 'memory', 'gone']);

let connection: Socket | undefined;
const said = new Together<FromIsolate>((messages) => connection?.write(encode(messages)));

async function open(): Promise<void> {
  const hear = await become((message, transfer) => {
    if (message.kind === 'gone') said.flush();
    if (counted.has(message.kind)) {
      host.postMessage([message]);
      return;
    }
    if (message.kind === 'ready') host.postMessage([message]);
    said.say(message, transfer);
  });
  host.on('message', (messages: ToIsolate[]) => messages.forEach(hear));
  const server = createServer({ noDelay: true }, (socket) => {
    if (connection || socket.remoteAddress !== gateway) {
      socket.destroy();
      return;
    }
    connection = socket;
    server.close();
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
    socket.on('close', () => end(0));
  });
  server.listen(0, '0.0.0.0', () => {
    const address = server.address();
    if (typeof address === 'object' && address) loaded(address.port);
  });
}

void open();
