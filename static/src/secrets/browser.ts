// Keys in IndexedDB that no script can read, only use: what is copied out of the browser's storage as bytes has none of them.
import { algorithm, seals } from './seal.ts';

const databaseName = 'gateway-keys';
const store = 'keys';

/** Seals with a key of this browser's for each project, made with the first secret. */
export const browserSeals = seals(async (project) => {
  const database = await open();
  try {
    // A transaction does not wait for anything else: what may be needed in it is made before.
    const candidate = await crypto.subtle.generateKey(algorithm, false, ['encrypt', 'decrypt']);
    return await firstOf(database, project, candidate);
  } finally {
    database.close();
  }
});

function open(): Promise<IDBDatabase> {
  const asked = indexedDB.open(databaseName, 1);
  asked.onupgradeneeded = () => asked.result.createObjectStore(store);
  return new Promise((resolve, reject) => {
    asked.onsuccess = () => resolve(asked.result);
    asked.onerror = () => reject(asked.error);
  });
}

/** The key that is there, or the one that is offered, which is there from then on. */
function firstOf(database: IDBDatabase, project: string, offered: CryptoKey): Promise<CryptoKey> {
  const transaction = database.transaction(store, 'readwrite', { durability: 'strict' });
  const keys = transaction.objectStore(store);
  let key = offered;
  const known = keys.get(project);
  known.onsuccess = () => {
    if (known.result) key = known.result as CryptoKey;
    else keys.put(offered, project);
  };
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve(key);
    transaction.onabort = () => reject(transaction.error ?? new Error('The key could not be kept.'));
  });
}
