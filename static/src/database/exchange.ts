// Messages to a PGlite, and what Postgres answers to them.
import type { PGlite } from '@electric-sql/pglite';
import { joined } from '../bytes.ts';
import { failOnDeepStatements } from './stack.ts';

/**
 * How a PGlite is asked. What it throws has ended its session.
 *
 * `execProtocolRawSync` alone would have PGlite read every answer for itself, which takes as long again, and keep what it has read
 * for as long as it lives. Where an answer is streamed it does neither (0.5.16), and nothing else of that way is asynchronous:
 * all of an answer has come when the call returns.
 */
export function exchange(pglite: PGlite): (messages: Uint8Array) => Uint8Array {
  failOnDeepStatements(pglite);
  const now = pglite.execProtocolRawSync.bind(pglite);
  let failure: { error: unknown } | undefined;
  // The stream's own promise tells of it too late.
  pglite.execProtocolRawSync = (messages) => {
    try {
      return now(messages);
    } catch (error) {
      failure = { error };
      throw error;
    }
  };
  return (messages) => {
    failure = undefined;
    const pieces: Uint8Array[] = [];
    // What it hands over is Postgres's own memory.
    const streamed = pglite.execProtocolRawStream(messages, { syncToFs: false, onRawData: (piece) => void pieces.push(piece.slice()) });
    streamed.catch(() => undefined);
    if (failure) throw (failure as { error: unknown }).error;
    return pieces.length === 1 ? pieces[0]! : joined(pieces);
  };
}
