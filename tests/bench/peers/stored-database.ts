// PGlite directly, on the same files as the gateway's: a worker that runs wire messages, makes durable what they wrote, and
// keeps and reads files of its own in the origin private file system.
import { opfsFiles } from '../../../static/src/database/opfs.ts';
import { openPostgres, session, type Postgres } from '../../../static/src/database/postgres.ts';

interface Question {
  id: number;
  /** Begin with this data directory. */
  data?: Blob;
  messages?: Uint8Array;
  write?: { name: string; bytes: Uint8Array<ArrayBuffer> };
  read?: string;
}

let postgres: Postgres;

async function answer({ data, messages, write, read }: Question): Promise<Uint8Array | undefined> {
  if (data) postgres = session(await openPostgres({ fs: await opfsFiles('direct', false) }, data));
  if (messages) {
    const bytes = new Uint8Array(postgres.exec(messages));
    if (postgres.wrote()) await postgres.sync();
    return bytes;
  }
  const folder = await navigator.storage.getDirectory();
  if (write) {
    const handle = await (await folder.getFileHandle(write.name, { create: true })).createSyncAccessHandle();
    handle.write(write.bytes, { at: 0 });
    handle.flush();
    handle.close();
  }
  if (read !== undefined) return new Uint8Array(await (await (await folder.getFileHandle(read)).getFile()).arrayBuffer());
  return undefined;
}

onmessage = async ({ data: question }: MessageEvent<Question>) => {
  try {
    const bytes = await answer(question);
    postMessage({ id: question.id, bytes }, { transfer: bytes ? [bytes.buffer] : [] });
  } catch (error) {
    postMessage({ id: question.id, error: String(error) });
  }
};
