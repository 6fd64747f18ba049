// The key of a folder's secrets: a file beside the database that its owner alone may read.
import { open, readFile, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { algorithm, type Seals, seals } from '../secrets/seal.ts';

const bytes = algorithm.length / 8;

/** Seals with the key in a folder, which is made with the first secret. */
export function directorySeals(directory: string): Seals {
  const file = path.join(directory, 'secrets.key');
  return seals(once(async () => imported((await readKey(file)) ?? (await makeKey(file)))));
}

/** Seals with a key that goes with this process, as the database does. */
export function memorySeals(): Seals {
  return seals(once(() => imported(crypto.getRandomValues(new Uint8Array(bytes)))));
}

/** One key, for as long as it could be had. */
function once(get: () => Promise<CryptoKey>): () => Promise<CryptoKey> {
  let key: Promise<CryptoKey> | undefined;
  return () => (key ??= get().catch((error: unknown) => {
    key = undefined;
    throw error;
  }));
}

function imported(key: Uint8Array<ArrayBuffer>): Promise<CryptoKey> {
  if (key.byteLength !== bytes) throw new Error(`secrets.key is damaged: it has to be ${bytes} bytes in hexadecimal.`);
  return crypto.subtle.importKey('raw', key, algorithm, false, ['encrypt', 'decrypt']);
}

async function readKey(file: string): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const text = await readFile(file, 'utf8').catch(unlessMissing);
  return text === undefined ? undefined : new Uint8Array(Buffer.from(text.trim(), 'hex'));
}

/** Makes the file, whole or not at all: the folder is this process's alone. */
async function makeKey(file: string): Promise<Uint8Array<ArrayBuffer>> {
  const key = crypto.getRandomValues(new Uint8Array(bytes));
  const unfinished = `${file}.part`;
  await rm(unfinished, { force: true });
  const handle = await open(unfinished, 'wx', 0o600);
  try {
    await handle.writeFile(`${Buffer.from(key).toString('hex')}\n`);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(unfinished, file);
  return key;
}

function unlessMissing(error: unknown): undefined {
  if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
}
