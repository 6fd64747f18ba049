// The build's own files, kept for when the network is away. While it is there it is asked first, so no page is ever stale.
import { isolated } from './isolation.ts';

const prefix = 'gateway-build-';
const current = prefix + GATEWAY_VERSION;

/** Addresses of the build's files; the page itself is the folder's. */
const addresses = (named: Record<string, string>) => new Map(Object.entries(named).map(([path, integrity]) => {
  const name = path === 'index.html' ? './' : path;
  return [new URL(name, self.location.href).pathname, integrity];
}));
const files = addresses(GATEWAY_FILES);
/** What not every page needs: kept when a page has fetched it. */
const later = addresses(GATEWAY_LATER);

/** Whether a request is for a file of this build, and not for the worker's own script or somebody else's. */
export function isFile(request: Request, url: URL): boolean {
  return request.method === 'GET' && (files.has(pathOf(url)) || later.has(pathOf(url)));
}

/** `/index.html` is the page too. */
const pathOf = (url: URL) => url.pathname.replace(/\/index\.html$/, '/');

/** What the network says; what was kept where it says nothing, or does not have the file of an earlier build any more. */
export async function fromNetwork(request: Request, url: URL): Promise<Response> {
  if (later.has(pathOf(url))) return keptOnceFetched(pathOf(url));
  try {
    const response = await fetch(request);
    const gone = response.status === 404 || response.status === 410;
    return (gone ? await keptFile(url) : undefined) ?? response;
  } catch (error) {
    const kept = await keptFile(url);
    if (kept) return kept;
    throw error;
  }
}

/** Its name vouches for its content, so what is kept is as good as what the network has. */
async function keptOnceFetched(path: string): Promise<Response> {
  const cache = await openKept();
  const known = (await cache?.match(path)) ?? (await keptBefore(path));
  if (known) return known;
  const response = await fetch(path, { integrity: later.get(path)! });
  if (!response.ok) return response;
  // Not waited for: it is megabytes, and where there is no room for them the page works all the same.
  void cache?.put(path, isolated(response.clone())).catch(() => undefined);
  return response;
}

async function keptFile(url: URL): Promise<Response | undefined> {
  const cache = await openKept();
  return cache?.match(pathOf(url)).catch(() => undefined);
}

/** A file of an earlier build that this one has too. */
async function keptBefore(path: string): Promise<Response | undefined> {
  for (const name of await caches.keys()) {
    const known = name.startsWith(prefix) ? await (await caches.open(name)).match(path) : undefined;
    if (known) return known;
  }
  return undefined;
}

/** This build's cache; none where the browser has no room or no permission for one. */
export function openKept(): Promise<Cache | undefined> {
  return caches.open(current).catch(() => undefined);
}

let keeping: Promise<void> | undefined;

/** Keeps every file of the build that is not kept yet, then forgets earlier builds. What fails is tried again when a page asks next. */
export function keepFiles(): Promise<void> {
  return (keeping ??= keepAll().finally(() => (keeping = undefined)));
}

async function keepAll(): Promise<void> {
  const cache = await openKept();
  if (!cache) return;
  for (const [path, integrity] of files) await keepFile(cache, path, integrity);
  // Whoever had the VM under an earlier build is to have it under this one, too, when the network is away.
  const used = await foldersKeptBefore();
  for (const [path, integrity] of later) if (used.has(folderOf(path))) await keepFile(cache, path, integrity);
  await forgetKept(current);
}

async function keepFile(cache: Cache, path: string, integrity: string): Promise<void> {
  if (await cache.match(path)) return;
  const known = named(path) ? await keptBefore(path) : undefined;
  // Whoever opened the page has fetched it a moment ago, and its name vouches for its content.
  const response = known ?? (await fetch(path, { integrity, cache: named(path) ? 'force-cache' : 'no-cache' }));
  if (!response.ok) throw new Error(`${path}: ${response.status} ${response.statusText}`);
  await cache.put(path, isolated(response));
}

/** The folders of which earlier builds kept something. */
async function foldersKeptBefore(): Promise<Set<string>> {
  const names = (await caches.keys()).filter((name) => name.startsWith(prefix) && name !== current);
  const requests = await Promise.all(names.map(async (name) => (await caches.open(name)).keys()));
  return new Set(requests.flat().map(({ url }) => folderOf(new URL(url).pathname)));
}

const folderOf = (path: string) => path.replace(/[^/]*$/, '');

/** Whether a file's name carries a hash of its content. */
const named = (path: string) => /-[^/]+$/.test(path);

/** Removes what earlier builds kept. */
async function forgetKept(except: string): Promise<void> {
  const names = await caches.keys();
  await Promise.all(names.filter((name) => name.startsWith(prefix) && name !== except).map((name) => caches.delete(name)));
}
