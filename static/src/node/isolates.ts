// Isolates in Node: threads, each with the memory that its function may have.
import { Worker } from 'node:worker_threads';
import type { Host } from 'glue:machine';
import type { FromIsolate, ToIsolate } from '../functions/messages.ts';
import { Together } from '../functions/together.ts';

/** MiB that V8 needs beside a function's own memory. */
const young = 32;
/** MiB of most functions: a thread for the next one is started in advance. */
const usual = 256;
/** Milliseconds after which that is done: whoever is answered now has the processor first. */
const soon = 1_000;

let spare: Worker | undefined;
let timer: ReturnType<typeof setTimeout> | undefined;

function thread(memory: number): Worker {
  const worker = new Worker(new URL(ISOLATE_SCRIPT, import.meta.url), {
    name: 'function',
    env: {},
    argv: [],
    // Modules of source text are how a function's imports are in our hands.
    execArgv: ['--experimental-vm-modules', '--no-warnings'],
    resourceLimits: { maxOldGenerationSizeMb: memory, maxYoungGenerationSizeMb: young, stackSizeMb: 4 },
    stdin: false,
    stdout: true,
    stderr: true,
    trackUnmanagedFds: true,
  });
  // It writes nothing there that anybody wants; unread, it would wait.
  worker.stdout.resume();
  worker.stderr.resume();
  // Whoever serves decides when the process ends.
  worker.unref();
  return worker;
}

/** A thread that was started in advance, if there is one for so much memory; and soon there is another. */
function taken(memory: number): Worker {
  const worker = memory === usual ? spare : undefined;
  if (worker) {
    spare = undefined;
    worker.removeAllListeners();
  }
  clearTimeout(timer);
  timer = setTimeout(() => {
    spare ??= thread(usual).once('error', forget).once('exit', forget);
  }, soon).unref();
  return worker ?? thread(memory);
}

function forget(): void {
  spare = undefined;
}

export const isolate: Host['isolate'] = async (_name, memory, heard) => {
  const worker = taken(memory);
  let over = false;
  const tell = (message: FromIsolate) => {
    if (!over) heard(message);
  };
  const gone = (message: Extract<FromIsolate, { kind: 'gone' }>) => {
    tell(message);
    over = true;
  };
  const said = new Together<ToIsolate>((messages, transfer) => worker.postMessage(messages, transfer as never));
  worker.on('message', (messages: FromIsolate[]) => {
    for (const message of messages) tell(message);
  });
  worker.on('error', (error: NodeJS.ErrnoException) => {
    gone({ kind: 'gone', text: error.message, ...(error.code === 'ERR_WORKER_OUT_OF_MEMORY' && { reason: 'memory' }) });
  });
  worker.on('exit', (code) => gone({ kind: 'gone', text: `The isolate ended with code ${code}` }));
  // A listener keeps the process alive; that is not its business.
  worker.unref();
  return {
    post: (message: ToIsolate) => said.say(message, message.kind === 'chunk' ? [message.bytes.buffer as ArrayBuffer] : []),
    end() {
      over = true;
      void worker.terminate();
    },
  };
};
