// Statements that nest deeper than JavaScript's stack.
import type { PGlite } from '@electric-sql/pglite';

interface Loop {
  _PostgresMainLoopOnce(): void;
  _PostgresMainLongJmp(): void;
}

const guarded = new WeakSet<Loop>();

/**
 * Has Postgres fail such a statement.
 *
 * Its WASM ends in a RangeError then. PGlite takes that for nothing: the statement is gone without a word, a transaction
 * goes on without it, and some loops never end. Here Postgres is sent to where its own errors lead. As none was reported, it
 * complains of that first; sent there once more it reports the complaint (XX000, "errstart was not called"), rolls back
 * and is ready.
 */
export function failOnDeepStatements(pglite: PGlite): void {
  const loop = pglite.Module as unknown as Loop;
  if (guarded.has(loop)) return;
  guarded.add(loop);
  const once = loop._PostgresMainLoopOnce;
  loop._PostgresMainLoopOnce = () => {
    try {
      once();
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      try {
        loop._PostgresMainLongJmp();
      } catch {
        loop._PostgresMainLongJmp();
      }
    }
  };
}
