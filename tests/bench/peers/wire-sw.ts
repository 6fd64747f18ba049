// Floor 2: a worker that posts a ready-made wire message to the database worker and returns the bytes.
declare const self: ServiceWorkerGlobalScope;
let ready: Uint8Array<ArrayBuffer>;
let port: MessagePort | undefined;
let next = 0;
const waiting = new Map<number, (bytes: ArrayBuffer) => void>();
self.addEventListener('install', () => void self.skipWaiting());
self.addEventListener('activate', (event) => event.waitUntil(self.clients.claim()));
self.addEventListener('message', (event) => {
  ready = event.data;
  port = event.ports[0];
  port!.onmessage = ({ data: [id, bytes] }) => { waiting.get(id)!(bytes); waiting.delete(id); };
  (event.source as Client).postMessage('ported');
});
self.addEventListener('fetch', (event) => {
  if (!new URL(event.request.url).pathname.startsWith('/rest/v1/')) return;
  event.respondWith(new Promise<ArrayBuffer>((resolve) => {
    const id = next++;
    waiting.set(id, resolve);
    const bytes = ready.slice().buffer;
    port!.postMessage([id, bytes], [bytes]);
  }).then((bytes) => new Response(bytes, { headers: { 'content-type': 'application/json' } })));
});
