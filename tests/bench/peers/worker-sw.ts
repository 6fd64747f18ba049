// The floor of functions in a browser: a service worker that posts each request to a Web Worker and returns its answer.
declare const self: ServiceWorkerGlobalScope;
let port: MessagePort | undefined;
let next = 0;
const waiting = new Map<number, (text: string) => void>();
self.addEventListener('install', () => void self.skipWaiting());
self.addEventListener('activate', (event) => event.waitUntil(self.clients.claim()));
self.addEventListener('message', (event) => {
  port = event.ports[0];
  port!.onmessage = ({ data: [id, text] }) => { waiting.get(id)!(text); waiting.delete(id); };
  (event.source as Client).postMessage('ported');
});
self.addEventListener('fetch', (event) => {
  const { pathname } = new URL(event.request.url);
  if (!pathname.startsWith('/functions/v1/')) return;
  event.respondWith(new Promise<string>((resolve) => {
    const id = next++;
    waiting.set(id, resolve);
    port!.postMessage([id, pathname]);
  }).then((text) => new Response(text)));
});
