// The service worker: events in, events out. What is answered, and how, is decided in Rust (`sw`, `routes`).

self.addEventListener('install', (event) => event.waitUntil(install()));
self.addEventListener('activate', (event) => event.waitUntil(activate()));
self.addEventListener('fetch', (event) => fetched(event));
self.addEventListener('message', (event) => event.waitUntil(heard(event)));

import { readChoice } from '../database/choice.ts';
import { browserStore } from '../files/browser.ts';
import type { PortWanted, TunnelClosed, TunnelWanted, VmWanted } from '../ports.ts';
import { browserSeals } from '../secrets/browser.ts';
import { refusal, Supervised } from '../wasm/instance.ts';
import { keep, kept, recall } from './schema.ts';
import { asksToLeave, isolated, isolation, leave, needsIsolation } from './isolation.ts';
import { fromNetwork, isFile, keepFiles } from './kept.ts';
import { compiled } from './module.ts';
import { rendered } from './pictures.ts';
import type { ToWorker, WorkerAnswer } from './messages.ts';

declare const self: ServiceWorkerGlobalScope;

const ours = new RegExp(GATEWAY_PATTERN);

const gateway = new Supervised({
  module: compiled,
  asked: { wantPort: (project) => void wantPorts(project), wantGuest, wantGuests: () => wantGuest(undefined, false), hasProject, kept, keep, files: browserStore, secrets: browserSeals, render: rendered, origin: () => location.origin },
  async prepare() {
    const life = `gateway:client:${crypto.randomUUID()}`;
    const release = await hold(life);
    return { options: { build: GATEWAY_VERSION, life, headers: isolation }, release };
  },
});
// For whoever debugs the worker in the developer tools. No request and no message leads to it.
Object.assign(self, { gateway, keepFiles });
// A worker is woken for a request or for a port, and either needs the instance. A failure is told to whoever asks next.
gateway.warm().catch(() => undefined);

async function install(): Promise<void> {
  await self.skipWaiting();
  // An update that cannot work leaves the one that does in place. The first worker has nobody to leave it to: it
  // answers that it cannot, and tries again.
  await compiled().catch((error: unknown) => {
    if (self.registration.active) throw error;
  });
}

async function activate(): Promise<void> {
  await self.clients.claim();
}

function fetched(event: FetchEvent): void {
  const { request } = event;
  const url = new URL(request.url);
  if (url.origin !== self.location.origin) return;
  if (ours.test(url.pathname)) {
    hurry();
    event.respondWith(answer(event));
  } else if (asksToLeave(request, url)) event.respondWith(leave(self.registration, request));
  else if (mayBeOfApp(event)) event.respondWith(ofApp(event, url));
  else if (needsIsolation(request)) event.respondWith(file(event, url).then(isolated));
  else if (isFile(request, url)) event.respondWith(file(event, url));
}

/** Clients that are none of apps. */
const elsewhere = new Set<string>();

/** The URLs of clients by their ids: asking the browser is a round trip to another process, and one for each request. */
const known = new Map<string, string>();
/** So many at most: a page that is gone is in it, too. */
const knownAtMost = 1_000;

/** The URL that a client was made with, which is the one it keeps. */
async function urlOf(id: string): Promise<string | undefined> {
  if (id === '') return undefined;
  const before = known.get(id);
  if (before !== undefined) return before;
  const url = (await self.clients.get(id))?.url;
  if (url !== undefined) {
    if (known.size >= knownAtMost) known.clear();
    known.set(id, url);
  }
  return url;
}

/**
 * Whether a request may come from an app's page, which means the app by a path that is nobody else's. Only of a navigation the
 * referrer tells: a module's is the module that imports it, by whichever path that was asked for.
 */
function mayBeOfApp({ request, clientId }: FetchEvent): boolean {
  if (request.mode === 'navigate') return request.referrer !== '' && isOurs(request.referrer);
  return clientId !== '' && !elsewhere.has(clientId);
}

async function ofApp(event: FetchEvent, url: URL): Promise<Response> {
  const { request } = event;
  const page = request.mode === 'navigate' ? request.referrer : await urlOf(event.clientId);
  if (page && isOurs(page)) {
    hurry();
    return answer(event);
  }
  if (page && request.mode !== 'navigate') elsewhere.add(event.clientId);
  const response = await file(event, url);
  return needsIsolation(request) ? isolated(response) : response;
}

function file({ request }: FetchEvent, url: URL): Promise<Response> {
  return isFile(request, url) ? fromNetwork(request, url) : fetch(request);
}

/** Since when a newer worker waits for this one to have nothing in flight. */
let outdatedSince: number | undefined;
/** Milliseconds that it waits before this one makes the pause that traffic does not leave. */
const courtesy = 3_000;
/** Milliseconds of that pause: who has not taken over by then waits for this one to sleep. */
const pause = 10_000;

/** Whether requests are refused, unbegun, so that the newer worker may answer them. */
function outdated(): boolean {
  outdatedSince = self.registration.waiting ? (outdatedSince ?? performance.now()) : undefined;
  if (outdatedSince === undefined) return false;
  const waited = performance.now() - outdatedSince;
  return waited > courtesy && waited < courtesy + pause;
}

async function answer(event: FetchEvent): Promise<Response> {
  if (outdated()) return refusal(503, 'A newer version of the gateway is taking over.', null, 'Send the request again; it was not begun.');
  const navigates = event.request.mode === 'navigate';
  const url = navigates ? undefined : await urlOf(event.clientId);
  const from = { trusted: url !== undefined && isPageAt(url), client: event.clientId || undefined, url };
  return (await gateway.handle(event.request, from)) ?? fetch(event.request);
}

async function heard(event: ExtendableMessageEvent): Promise<void> {
  const message = event.data as ToWorker;
  switch (message.kind) {
    case 'port':
      if (isPage(event.source)) await gateway.attach(message.project, message.port, event.source.id);
      else message.port.close();
      break;
    case 'owner-changed':
      if (isPage(event.source)) await gateway.ownerChanged(message.project);
      break;
    case 'vm-port':
      if (isPage(event.source)) await gateway.attachGuest(message.project, message.port);
      else message.port.close();
      break;
    case 'vm-absent':
      if (isPage(event.source)) await gateway.tell((instance) => instance.guestAbsent(message.project));
      break;
    case 'vm-failed':
      if (isPage(event.source)) await gateway.tell((instance) => instance.guestFailed(message.project, message.text));
      break;
    case 'tunnel':
      await tunnel(message, event.source);
      break;
    case 'claim':
      await self.skipWaiting();
      // One that still waits claims them when it activates.
      await self.clients.claim().catch(() => undefined);
      break;
    case 'keep':
      await keepFiles();
      break;
    case 'version':
      event.ports[0]?.postMessage({ kind: 'version', version: GATEWAY_VERSION } satisfies WorkerAnswer);
      break;
  }
}

/** Connects what a page has instead of a WebSocket. */
async function tunnel({ url, protocols, port }: TunnelWanted, source: Client | ServiceWorker | MessagePort | null): Promise<void> {
  const refuse = (reason: string) => {
    port.postMessage({ kind: 'close', code: 1006, reason, clean: false } satisfies TunnelClosed);
    port.close();
  };
  if (!isClient(source)) return refuse('Nobody is known to ask for it.');
  try {
    await gateway.call((instance) => instance.tunnel(url, protocols, port, { trusted: isPage(source), client: source.id, url: source.url }));
  } catch (error) {
    refuse(String(error));
  }
}

const isClient = (source: Client | ServiceWorker | MessagePort | null | undefined): source is Client => !!source && 'id' in source && 'url' in source;

/** Whether a client is a page of the host's. What the gateway itself answered, as an app's page, is none, and neither is what such a page made of a `blob:` or `data:`. */
function isPage(client: Client | ServiceWorker | MessagePort | null | undefined): client is Client {
  return isClient(client) && isPageAt(client.url);
}

const isPageAt = (url: string) => url.startsWith(`${self.location.origin}/`) && !isOurs(url);

/** Whether a URL is one that the gateway answers. */
function isOurs(href: string): boolean {
  const url = new URL(href);
  return url.origin === self.location.origin && ours.test(url.pathname);
}

/** When every open database was asked for a port, before the instance that wants them was made. */
let askedEarly: number | undefined;
/** Milliseconds that the answer to that may take; the instance asks again as often. */
const early = 500;

/** Asks for ports, and for what was known of the schema, while the WASM compiles, which takes as long. Whose the request is only the instance can tell. */
function hurry(): void {
  if (askedEarly !== undefined) return;
  askedEarly = performance.now();
  recall();
  void wantPorts();
  wantGuest(undefined, false);
}

/** Ports do not survive a restart of this worker: any page may have a database that is still open. Without a project, every one. */
async function wantPorts(project?: string): Promise<void> {
  if (project !== undefined && askedEarly !== undefined && performance.now() - askedEarly < early) return;
  await tellPages({ kind: 'port-wanted', ...(project !== undefined && { project }) });
}

/** Asks for a port to the VM worker of this project, or to every one that is there. */
function wantGuest(project: string | undefined, start: boolean): void {
  void tellPages({ kind: 'vm-wanted', ...(project !== undefined && { project }), start });
}

async function tellPages(message: PortWanted | VmWanted): Promise<void> {
  const clients = await self.clients.matchAll({ includeUncontrolled: true, type: 'window' });
  for (const client of clients) if (isPage(client)) client.postMessage(message);
}

/** Whether a project was ever opened here, or a page is about to: it asks for the lock first. */
async function hasProject(project: string): Promise<boolean> {
  if (await readChoice(project)) return true;
  const { held = [], pending = [] } = await navigator.locks.query();
  return [...held, ...pending].some(({ name }) => name === `gateway:database:${project}`);
}

/** Holds a Web Lock; whoever waits for it learns that its holder is gone. */
function hold(name: string): Promise<() => void> {
  return new Promise((granted, refused) => {
    navigator.locks.request(name, () => new Promise<void>((release) => granted(release))).catch(refused);
  });
}
