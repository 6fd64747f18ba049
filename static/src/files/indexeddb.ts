// Files in IndexedDB: a record for each chunk, and one for the file that is written last.
import { type FileEntry, type FileStore, notFound } from './store.ts';

interface FileRecord {
  /** Where each chunk begins. */
  starts: number[];
  size: number;
  modified: number;
  /** Whether it was closed. */
  whole: boolean;
}

const databaseName = (project: string) => `storage-${encodeURIComponent(project)}`;

/** Whether this project's files are here already. */
export async function indexedDbHolds(project: string): Promise<boolean> {
  const all = await indexedDB.databases();
  return all.some(({ name }) => name === databaseName(project));
}

export const indexedDbStore: FileStore = {
  async create(project, name) {
    const database = await open(project);
    const record: FileRecord = { starts: [], size: 0, modified: Date.now(), whole: false };
    const put = (chunk?: Uint8Array) => change(database, (files, chunks) => {
      if (chunk) chunks.put(chunk, [name, record.starts.at(-1)!]);
      files.put({ ...record }, name);
    });
    await remove(database, name);
    await put();
    return {
      async write(chunk) {
        record.starts.push(record.size);
        record.size += chunk.byteLength;
        record.modified = Date.now();
        await put(chunk);
      },
      async close() {
        record.whole = true;
        await put();
      },
      abort: () => remove(database, name),
    };
  },
  async read(project, name, from, to) {
    const database = await open(project);
    const record = await find(database, name);
    if (!record?.whole) throw notFound(name);
    let index = record.starts.findLastIndex((start) => start <= from);
    let at = from;
    return new ReadableStream<Uint8Array>({
      async pull(controller) {
        const start = record.starts[index++];
        if (start === undefined || at >= to) return controller.close();
        const chunks = database.transaction('chunks').objectStore('chunks');
        const chunk: Uint8Array | undefined = await request(chunks.get([name, start]));
        if (!chunk) throw notFound(name);
        const part = chunk.subarray(at - start, to - start);
        at += part.byteLength;
        controller.enqueue(part);
      },
    }, { highWaterMark: 0 });
  },
  async size(project, name) {
    const record = await find(await open(project), name);
    return record?.whole ? record.size : undefined;
  },
  async remove(project, name) {
    await remove(await open(project), name);
  },
  async list(project) {
    const database = await open(project);
    const files = database.transaction('files').objectStore('files');
    const [names, records] = await Promise.all([request(files.getAllKeys()), request<FileRecord[]>(files.getAll())]);
    return records.map(({ size, modified }, index): FileEntry => [String(names[index]), size, modified]);
  },
};

const opened = new Map<string, Promise<IDBDatabase>>();

function open(project: string): Promise<IDBDatabase> {
  let database = opened.get(project);
  if (!database) {
    const asked = indexedDB.open(databaseName(project), 1);
    asked.onupgradeneeded = () => {
      asked.result.createObjectStore('files');
      asked.result.createObjectStore('chunks');
    };
    database = request(asked);
    opened.set(project, database);
    const forget = () => opened.delete(project);
    database.then((connection) => {
      connection.onclose = forget;
      // Whoever removes the project's files waits for nobody.
      connection.onversionchange = () => {
        connection.close();
        forget();
      };
    }, forget);
  }
  return database;
}

function find(database: IDBDatabase, name: string): Promise<FileRecord | undefined> {
  return request(database.transaction('files').objectStore('files').get(name));
}

function remove(database: IDBDatabase, name: string): Promise<void> {
  return change(database, (files, chunks) => {
    files.delete(name);
    chunks.delete(IDBKeyRange.bound([name], [name, []]));
  });
}

/** Changes both stores at once, durably. */
function change(database: IDBDatabase, work: (files: IDBObjectStore, chunks: IDBObjectStore) => void): Promise<void> {
  const transaction = database.transaction(['files', 'chunks'], 'readwrite', { durability: 'strict' });
  work(transaction.objectStore('files'), transaction.objectStore('chunks'));
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onabort = transaction.onerror = () => reject(transaction.error ?? new Error('IndexedDB failed.'));
  });
}

function request<Value>(asked: IDBRequest<Value>): Promise<Value> {
  return new Promise((resolve, reject) => {
    asked.onsuccess = () => resolve(asked.result);
    asked.onerror = () => reject(asked.error ?? new Error('IndexedDB failed.'));
  });
}
