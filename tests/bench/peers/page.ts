// The page of the two floors.
import { message } from './shared';
async function controlled(): Promise<void> {
  await navigator.serviceWorker.register('/sw.js');
  if (!navigator.serviceWorker.controller) {
    await new Promise((resolve) => navigator.serviceWorker.addEventListener('controllerchange', resolve, { once: true }));
  }
}
(window as never as { ready: Promise<void> }).ready = (async () => {
  await controlled();
  if (!document.querySelector('script[data-database]')) return;
  const worker = new Worker('/database.js', { type: 'module' });
  const channel = new MessageChannel();
  await new Promise((resolve) => { worker.onmessage = resolve; worker.postMessage(null, [channel.port1]); });
  const ported = new Promise((resolve) => navigator.serviceWorker.addEventListener('message', resolve, { once: true }));
  navigator.serviceWorker.startMessages();
  navigator.serviceWorker.controller!.postMessage(message(), [channel.port2]);
  await ported;
})();
