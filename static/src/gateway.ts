// Starts the gateway in a page: registers the service worker, waits until it controls the page, and offers this tab as
// the database's owner.
//
//   const gateway = await startGateway();
//   const { keys } = await gateway.ready;
//   createClient(gateway.url, keys.publishable)
//   await gateway.functions.deploy('hello', { 'index.ts': 'Deno.serve(() => new Response("hello"))' })
//   await gateway.apps.deploy('hello', { 'index.js': source }, { runtime: 'node', entry: 'index.js' })
import { apps, type Apps } from './api/apps.ts';
import { backup, NotABackup, type Backup, type BackupManifest } from './api/backup.ts';
import { calls, Refused } from './api/call.ts';
import { functions, secrets, type Functions, type Secrets } from './api/functions.ts';
import { vm, type Vm } from './api/vm.ts';
import type { Keys, Status } from './status.ts';
import { ownDatabase, type Ownership, type StorageWish } from './database/owner.ts';
import type { AskVersion, Claim, Keep, WorkerAnswer } from './sw/messages.ts';

export interface GatewayOptions {
  /** The project whose database this page offers to own; `default` without one. */
  project?: string;
  /** Where a new database is kept: durably (`auto`), or not at all (`memory`). */
  storage?: StorageWish;
  /** The service worker's script, relative to the page. Its folder is the gateway's scope. */
  script?: string;
}

export { NotABackup, Refused };
export type { Apps, Backup, BackupManifest, Functions, Keys, Secrets, Status, Vm };

export interface RunningGateway {
  /** What `createClient` takes. */
  url: string;
  project: string;
  /** The database is open, here or in another tab. Rejects with what a person can read. */
  ready: Promise<Status>;
  /** The project's virtual machine. Nothing of it is loaded before it is needed. */
  vm: Vm;
  /** The applications in it. */
  apps: Apps;
  /** Its edge functions. What bundles them is loaded with the first that is deployed. */
  functions: Functions;
  /** What functions find in their environment. */
  secrets: Secrets;
  /** All of the project in one file, and back. */
  backup: Backup;
  /** This tab's part in owning the database. */
  ownership: Ownership;
  /** Gives up this tab's database; another tab may take over. */
  stop(): Promise<void>;
}

/** Why there is no gateway on this page; the message is for a person. */
export class NoGateway extends Error {
  constructor(readonly reason: 'unsupported' | 'insecure' | 'off' | 'failed', message: string, options?: ErrorOptions) {
    super(message, options);
  }
}

const reloadedFor = 'gateway:reloaded-for';

/** Starts the gateway, or throws `NoGateway`. May reload the page, at most once for each reason. */
export async function startGateway(options: GatewayOptions = {}): Promise<RunningGateway> {
  if (new URL(location.href).searchParams.get('gateway') === 'off') {
    await removeGateway();
    throw new NoGateway('off', 'The gateway is switched off by ?gateway=off in the address.');
  }
  if (!isSecureContext) throw new NoGateway('insecure', 'A service worker needs https, or localhost.');
  if (!('serviceWorker' in navigator)) throw new NoGateway('unsupported', 'This browser, or this private window, has no service workers.');

  const registration = await register(options.script ?? './sw.js');
  await controlled(registration);
  await agree(registration);
  if (!crossOriginIsolated) await reloadOnce('isolation');

  const project = options.project ?? 'default';
  const url = new URL(project === 'default' ? '.' : `./${project}`, registration.scope).href.replace(/\/$/, '');
  const ownership = ownDatabase({ project, storage: options.storage ?? 'auto', version: GATEWAY_VERSION });
  const ready = untilReady(url, ownership);
  // Not earlier: what the database needs comes first.
  const keep = () => navigator.serviceWorker.controller?.postMessage({ kind: 'keep' } satisfies Keep);
  ready.then(keep, keep);
  const call = calls(url);
  return { url, project, vm: vm(call), apps: apps(call), functions: functions(call), secrets: secrets(call), backup: backup(call, project), ownership, ready, stop: () => ownership.stop() };
}

/** Removes the worker, and leaves its control by a reload. */
export async function removeGateway(): Promise<void> {
  const registrations = (await navigator.serviceWorker?.getRegistrations()) ?? [];
  await Promise.all(registrations.map((registration) => registration.unregister()));
  if (navigator.serviceWorker?.controller) await reloadOnce('off');
}

async function register(script: string): Promise<ServiceWorkerRegistration> {
  try {
    return await navigator.serviceWorker.register(script, { updateViaCache: 'none' });
  } catch (error) {
    throw new NoGateway('failed', `The service worker cannot be registered: ${text(error)}`, { cause: error });
  }
}

/** Waits until the worker controls this page: at first use, after an update, or after a hard reload, which bypasses it. */
async function controlled(registration: ServiceWorkerRegistration): Promise<void> {
  if (navigator.serviceWorker.controller) return;
  const change = new Promise<void>((resolve) => navigator.serviceWorker.addEventListener('controllerchange', () => resolve(), { once: true }));
  const active = registration.active ?? (await activated(registration));
  active.postMessage({ kind: 'claim' } satisfies Claim);
  if (navigator.serviceWorker.controller) return;
  await within(15_000, change, 'The service worker does not take control of the page.');
}

async function activated(registration: ServiceWorkerRegistration): Promise<ServiceWorker> {
  const worker = registration.installing ?? registration.waiting;
  if (!worker) return (await navigator.serviceWorker.ready).active!;
  return within(60_000, new Promise<ServiceWorker>((resolve, reject) => {
    const look = () => {
      if (worker.state === 'activating' || worker.state === 'activated') resolve(worker);
      else if (worker.state === 'redundant') reject(new NoGateway('failed', 'The service worker failed to install; the console says why.'));
    };
    worker.addEventListener('statechange', look);
    look();
  }), 'The service worker does not become active.');
}

/** A page and a worker of different builds do not work together: the worker is updated, or else the page is. */
async function agree(registration: ServiceWorkerRegistration): Promise<void> {
  if ((await versionOf(navigator.serviceWorker.controller)) === GATEWAY_VERSION) return;
  const change = new Promise<void>((resolve) => navigator.serviceWorker.addEventListener('controllerchange', () => resolve(), { once: true }));
  await registration.update().catch(() => undefined);
  if (registration.installing ?? registration.waiting) {
    // An old worker too busy to answer may still be replaced in time.
    hurry(registration, change).catch(() => undefined);
    await within(60_000, change, 'The new service worker does not take over.');
  }
  const version = await versionOf(navigator.serviceWorker.controller);
  if (version === GATEWAY_VERSION) return;
  await reloadOnce(`version ${version}`);
  throw new NoGateway('failed', `The page is version ${GATEWAY_VERSION} and its service worker ${version}: reload the page.`);
}

/**
 * The browser activates a worker that waits once the old one is idle. It makes that soon when the new one is installed, and once
 * more when that asks for it; each time the chance is lost where the old one is just starting, and what remains is that it sleeps
 * after half a minute without any request. So the second chance is not spent on the same start, and the old one runs when it comes.
 */
async function hurry(registration: ServiceWorkerRegistration, change: Promise<void>): Promise<void> {
  const worker = registration.installing ?? registration.waiting;
  if (worker?.state === 'installing') {
    await new Promise<void>((resolve) => worker.addEventListener('statechange', () => resolve(), { once: true }));
  }
  await Promise.race([change, new Promise((resolve) => setTimeout(resolve, 2_000))]);
  await versionOf(navigator.serviceWorker.controller);
  registration.waiting?.postMessage({ kind: 'claim' } satisfies Claim);
}

async function versionOf(worker: ServiceWorker | null): Promise<string> {
  if (!worker) throw new NoGateway('failed', 'The service worker left the page.');
  const { port1, port2 } = new MessageChannel();
  const answer = new Promise<string>((resolve) => {
    port1.onmessage = (event: MessageEvent<WorkerAnswer>) => resolve(event.data.version);
  });
  worker.postMessage({ kind: 'version' } satisfies AskVersion, [port2]);
  try {
    return await within(15_000, answer, 'The service worker does not answer.');
  } finally {
    port1.close();
  }
}

/** Reloads the page, unless it was reloaded for the same reason before; then it goes on as it is. */
async function reloadOnce(reason: string): Promise<void> {
  try {
    if (sessionStorage.getItem(reloadedFor) === reason) return;
    sessionStorage.setItem(reloadedFor, reason);
  } catch {
    // Without session storage nobody would know of the first reload.
    return;
  }
  location.reload();
  await new Promise(() => {});
}

/** Asks until the database answers; ends with the first failure that waiting does not mend. */
async function untilReady(url: string, ownership: Ownership): Promise<Status> {
  const failed = ownership.opened.then(() => new Promise<never>(() => {}));
  const answered = (async () => {
    for (;;) {
      const response = await fetch(`${url}/gateway/status`, { cache: 'no-store' });
      if (response.ok) return (await response.json()) as Status;
      const wait = Number(response.headers.get('retry-after'));
      const error = (await response.json().catch(() => ({}))) as { message?: string };
      if (response.status !== 503 || !wait) throw new NoGateway('failed', error.message ?? `The gateway answers ${response.status}.`);
      await new Promise((resolve) => setTimeout(resolve, wait * 1000));
    }
  })();
  return Promise.race([answered, failed]);
}

async function within<Value>(milliseconds: number, promise: Promise<Value>, otherwise: string): Promise<Value> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new NoGateway('failed', otherwise)), milliseconds);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

const text = (error: unknown) => (error instanceof Error ? error.message : String(error));
