// The page of a bare Web Worker: asks it directly, or has the service worker ask it.
const script = `
  const answer = ([id]) => [id, 'hello'];
  onmessage = ({ data, ports: [port] }) => {
    if (port) port.onmessage = ({ data }) => port.postMessage(answer(data));
    postMessage(answer(data));
  };`;
const url = URL.createObjectURL(new Blob([script], { type: 'text/javascript' }));

const once = (worker: Worker, id: number, transfer: Transferable[] = []) => new Promise<void>((resolve) => {
  worker.onmessage = () => resolve();
  worker.postMessage([id], transfer);
});

let worker: Worker;

/** Milliseconds of each of some messages with their answers, one after the other. */
async function roundTrips(count: number): Promise<number[]> {
  const times = [];
  for (let id = 0; id < count; id++) {
    const start = performance.now();
    await once(worker, id);
    times.push(performance.now() - start);
  }
  return times;
}

/** Milliseconds of so many messages at once, until the last answer. */
function together(count: number): Promise<number> {
  const start = performance.now();
  let left = count;
  return new Promise((resolve) => {
    worker.onmessage = () => { if (--left === 0) resolve(performance.now() - start); };
    for (let id = 0; id < count; id++) worker.postMessage([id]);
  });
}

/** Milliseconds of a worker from nothing to its first answer. */
async function cold(): Promise<number> {
  const start = performance.now();
  const another = new Worker(url);
  await once(another, 0);
  const took = performance.now() - start;
  another.terminate();
  return took;
}

Object.assign(window, {
  roundTrips, together, cold,
  ready: (async () => {
    await navigator.serviceWorker.register('/sw.js');
    if (!navigator.serviceWorker.controller) {
      await new Promise((resolve) => navigator.serviceWorker.addEventListener('controllerchange', resolve, { once: true }));
    }
    worker = new Worker(url);
    const channel = new MessageChannel();
    await once(worker, 0, [channel.port1]);
    const ported = new Promise((resolve) => navigator.serviceWorker.addEventListener('message', resolve, { once: true }));
    navigator.serviceWorker.startMessages();
    navigator.serviceWorker.controller!.postMessage(null, [channel.port2]);
    await ported;
  })(),
});
