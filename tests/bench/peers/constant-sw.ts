// Floor 1: a worker that answers a constant.
declare const self: ServiceWorkerGlobalScope;
self.addEventListener('install', () => void self.skipWaiting());
self.addEventListener('activate', (event) => event.waitUntil(self.clients.claim()));
self.addEventListener('fetch', (event) => {
  if (!new URL(event.request.url).pathname.startsWith('/rest/v1/')) return;
  event.respondWith(Promise.resolve(new Response('[{"id":1}]', { headers: { 'content-type': 'application/json' } })));
});
