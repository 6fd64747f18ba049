// A database in IndexedDB: PGlite keeps its files in memory and carries them over at every sync.

/** What PGlite is told. */
export const indexedDbName = (project: string) => `gateway-${encodeURIComponent(project)}`;

/** The IndexedDB database that PGlite makes of it: Emscripten's mount point. */
const stored = (project: string) => `/pglite/${indexedDbName(project)}`;

/** Whether there is a database for this project at all, whatever is in it. */
export async function indexedDbExists(project: string): Promise<boolean> {
  const all = await indexedDB.databases();
  return all.some(({ name }) => name === stored(project));
}

/** Refuses one of which PGlite would make a new database. */
export async function checkIndexedDb(project: string): Promise<void> {
  const database = await request(indexedDB.open(stored(project)));
  try {
    if (!database.objectStoreNames.contains('FILE_DATA')) throw new Error('Its files are gone.');
    const store = database.transaction('FILE_DATA').objectStore('FILE_DATA');
    const version = await request(store.getKey(`${stored(project)}/PG_VERSION`));
    if (version === undefined) throw new Error('Its files are gone, or a part of them.');
  } finally {
    database.close();
  }
}

/** Removes what an interrupted first opening left. */
export async function indexedDbRemove(project: string): Promise<void> {
  await request(indexedDB.deleteDatabase(stored(project)));
}

function request<Value>(asked: IDBRequest<Value>): Promise<Value> {
  return new Promise((resolve, reject) => {
    asked.onsuccess = () => resolve(asked.result);
    asked.onerror = () => reject(asked.error ?? new Error('IndexedDB failed.'));
  });
}
