// The isolate under Node alone: its thread is posted to, and posts.
import { parentPort } from 'node:worker_threads';
import type { FromIsolate, ToIsolate } from '../messages.ts';
import { Together } from '../together.ts';
import { become } from './node.ts';

const port = parentPort!;
const said = new Together<FromIsolate>((messages, transfer) => port.postMessage(messages, transfer as never));
const hear = await become((message, transfer) => said.say(message, transfer));
port.on('message', (messages: ToIsolate[]) => {
  for (const message of messages) hear(message);
});
