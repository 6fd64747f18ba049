// The hidden page in which CheerpX runs: it is sent a port, and serves a machine on it.
import { serveCheerpX, type CheerpX } from './cheerpx.ts';

window.addEventListener('message', ({ origin, data, ports: [port] }: MessageEvent<unknown>) => {
  if (origin !== location.origin || data !== 'cheerpx' || !port) return;
  // The package fetches the engine from its vendor when it is imported, and not before.
  serveCheerpX(port, () => import('@leaningtech/cheerpx') as Promise<unknown> as Promise<CheerpX>);
});
window.parent.postMessage('cheerpx-ready', location.origin);
