// The VM worker: loads the machine and hands it its ports. No engine, and nothing of the image, is fetched before
// somebody asks the machine for something.
import { instantiate, type Supervisor, type Vm } from 'glue:machine';
import wasm from '../../generated/machine/machine_bg.wasm';
import { deferred } from '../database/deferred.ts';
import { text } from '../database/text.ts';
import { browserHost } from './browser.ts';
import type { FromVm, Open, ToVm } from './messages.ts';

declare const self: DedicatedWorkerGlobalScope;

const tell = (message: FromVm, transfer: Transferable[] = []) => self.postMessage(message, transfer);
const machine = deferred<Vm>();
// Whoever does not ask need not hear of it twice.
machine.promise.catch(() => undefined);

self.addEventListener('message', (event: MessageEvent<ToVm>) => {
  const message = event.data;
  switch (message.kind) {
    case 'open':
      open(message).catch((error: unknown) => {
        machine.reject(error);
        tell({ kind: 'failed', text: text(error) });
      });
      break;
    case 'serve':
      // A worker that did not load serves nobody: the port is closed.
      machine.promise.then((loaded) => loaded.serve(message.port), () => message.port.close());
      break;
    case 'database':
      machine.promise.then((loaded) => loaded.database(message.database), () => message.database.close());
      break;
    case 'close':
      machine.promise.then((loaded) => loaded.close(), () => undefined).finally(() => {
        tell({ kind: 'closed' });
        self.close();
      });
      break;
  }
});

async function open({ project, build, database }: Open): Promise<void> {
  const life = `gateway:life:${crypto.randomUUID()}`;
  await hold(life);
  tell({ kind: 'alive', life });
  // The worker before may not be quite dead, and its files not free.
  await hold(`gateway:vm-files:${project}`);
  const glue = instantiate({ queueMicrotask: (task) => queueMicrotask(guard(task)), guard });
  const response = await fetch(new URL(wasm, import.meta.url));
  if (!response.ok) throw new Error(`${wasm}: ${response.status} ${response.statusText}`);
  glue.initSync({ module: await WebAssembly.compile(await response.arrayBuffer()) });
  const host = browserHost(project, new URL('../vm/', import.meta.url), {
    cheerpx: (port) => tell({ kind: 'cheerpx', port }, [port]),
    isolate: (id, port, frame) => tell({ kind: 'isolate', id, port, frame }, [port, frame]),
    isolateOver: (id) => tell({ kind: 'isolate-over', id }),
  });
  const vm = new glue.Vm(host, {
    build,
    life,
    // Whatever it answers: it is awake.
    wake: () => void fetch('/gateway/wake').catch(() => undefined),
    wantDatabase: () => tell({ kind: 'database-wanted' }),
  });
  vm.database(database);
  machine.resolve(vm);
}

/** A trap is the end of this worker: the page is told, and starts another one. */
const guard: Supervisor['guard'] = (callback) => (...parameters) => {
  try {
    callback(...parameters);
  } catch (error) {
    if (error instanceof WebAssembly.RuntimeError) tell({ kind: 'failed', text: text(error) });
    throw error;
  }
};

/** Holds a Web Lock while this worker lives. */
function hold(name: string): Promise<void> {
  return new Promise((granted, refused) => {
    navigator.locks.request(name, () => new Promise<never>(() => granted())).catch(refused);
  });
}
