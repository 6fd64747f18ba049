// The sandboxed frame around an isolate: makes the worker, does the cryptography that the worker is not given, and measures
// what it takes. It is sent the worker's script, and once it is to be a function, a port for the worker and one of its own.
import type { FromFrame, ToFrame } from '../messages.ts';
import { serveSubtle, type ToFrame as FromWorker } from './subtle.ts';

/** Between two measurements. Each waits for a garbage collection, which takes seconds. */
const pace = 2_000;

type Measuring = Performance & { measureUserAgentSpecificMemory?(): Promise<{ breakdown: { bytes: number; attribution: { scope: string }[] }[] }> };

let worker: Worker | undefined;

window.addEventListener('message', ({ source, data, ports: [port, own] }: MessageEvent<ToFrame>) => {
  if (source !== window.parent) return;
  if (data.kind === 'prepare') worker ??= prepared(data.script);
  else if (worker && port && own) start(worker, port, own);
});

/** A worker that waits for its port. */
function prepared(script: string): Worker {
  const made = new Worker(URL.createObjectURL(new Blob([script], { type: 'text/javascript' })));
  const serve = serveSubtle((message) => made.postMessage(message));
  made.onmessage = ({ data: asked }: MessageEvent<FromWorker>) => {
    if (typeof asked === 'object' && asked !== null) serve(asked);
  };
  made.onerror = (event) => {
    event.preventDefault();
    failed(event.message || 'The isolate could not be made');
  };
  return made;
}

/** Whom it is said to that the worker could not be made; until somebody is there, the last reason. */
let failed = (reason: string): void => {
  broken = reason;
};
let broken: string | undefined;

function start(made: Worker, port: MessagePort, own: MessagePort): void {
  const tell = (message: FromFrame) => own.postMessage(message);
  failed = (text) => tell({ kind: 'gone', text });
  if (broken !== undefined) failed(broken);
  made.postMessage({ kind: 'start' }, [port]);
  void measure(tell);
}

async function measure(tell: (message: FromFrame) => void): Promise<void> {
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, pace));
    try {
      const measured = await (performance as Measuring).measureUserAgentSpecificMemory?.();
      if (!measured) return;
      const parts = measured.breakdown.filter(({ attribution }) => attribution.some(({ scope }) => scope === 'DedicatedWorkerGlobalScope'));
      tell({ kind: 'memory', count: parts.reduce((sum, { bytes }) => sum + bytes, 0) });
    } catch {
      // Only a page that is isolated from other origins may know.
      return;
    }
  }
}
