// What the gateway knows of the databases' schemas, kept in Cache Storage for the worker's next life: of a large one it is
// dear to ask for. Whether it is still true the database says, each time.

const registry = 'gateway-schemas';
/** The project that is addressed without its name. */
const unnamed = 'default';

/** Of the project without a name, read ahead while the WASM compiles. */
let ahead: Promise<ArrayBuffer | undefined> | undefined;

export function recall(): void {
  ahead ??= read(unnamed).catch(() => undefined);
}

export function kept(project: string): Promise<ArrayBuffer | undefined> {
  const early = project === unnamed ? ahead : undefined;
  ahead = undefined;
  return early ?? read(project);
}

async function read(project: string): Promise<ArrayBuffer | undefined> {
  const cache = await caches.open(registry);
  return (await cache.match(address(project)))?.arrayBuffer();
}

/** The last call counts, whichever is done first. */
let keeping: Promise<void> = Promise.resolve();

export function keep(project: string, bytes: Uint8Array<ArrayBuffer>): void {
  keeping = keeping.then(() => put(project, bytes)).catch(() => undefined);
}

async function put(project: string, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
  const cache = await caches.open(registry);
  await cache.put(address(project), new Response(bytes));
}

const address = (project: string) => new URL(`/gateway-schemas/${encodeURIComponent(project)}`, self.location.origin).href;
