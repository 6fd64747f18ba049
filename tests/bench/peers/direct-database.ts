// PGlite directly: a worker that runs wire messages and returns the bytes.
import { PGlite } from '@electric-sql/pglite';

let pg: PGlite;
onmessage = async ({ data: { id, sql, messages } }: MessageEvent<{ id: number; sql?: string; messages?: Uint8Array }>) => {
  try {
    pg ??= await PGlite.create('memory://');
    if (sql !== undefined) await pg.exec(sql);
    // As the gateway's own database worker runs them.
    const answer = messages && pg.execProtocolRawSync(messages);
    const bytes = answer && new Uint8Array(answer);
    postMessage({ id, bytes }, { transfer: bytes ? [bytes.buffer] : [] });
  } catch (error) {
    postMessage({ id, error: String(error) });
  }
};
