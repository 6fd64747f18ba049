// How every PGlite of the gateway is opened, and how it becomes the session that the queue drives.
import { PGlite, type PGliteOptions } from '@electric-sql/pglite';
import { pgcrypto } from '@electric-sql/pglite/contrib/pgcrypto';
import { uuid_ossp } from '@electric-sql/pglite/contrib/uuid_ossp';
import { exchange } from './exchange.ts';
import { text } from './text.ts';

const searchPath = '"$user", public, extensions';

/** What our migrations need, and Supabase's search path as the one that every reset goes back to. */
export const postgresOptions = {
  extensions: { pgcrypto, uuid_ossp },
  startParams: [
    ...PGlite.defaultStartParams.map((parameter) => (parameter === 'search_path=public' ? `search_path=${searchPath}` : parameter)),
    // Deeper than this JavaScript's own stack may end first, and a session does not survive that.
    '-c',
    'max_stack_depth=200kB',
  ],
} satisfies PGliteOptions;

/**
 * Opens a database, or throws an error with what Postgres said. `empty` is a data directory for one that is not there yet;
 * PGlite refuses it where one is. Without it Postgres makes its own, which takes several times as long.
 */
export async function openPostgres(options: PGliteOptions, empty?: Blob): Promise<PGlite> {
  const said: string[] = [];
  try {
    return await PGlite.create({
      ...options,
      ...postgresOptions,
      ...(empty && { loadDataDir: empty }),
      onStderr: (line) => {
        if (/FATAL|PANIC|ERROR|HINT|DETAIL/.test(line)) said.push(line);
        return false;
      },
    });
  } catch (error) {
    const words = [text(error), ...said].join(' ');
    throw new Error(words, { cause: error });
  }
}

/** The session that the queue drives. */
export interface Postgres {
  exec(messages: Uint8Array): Uint8Array;
  wrote(): boolean;
  sync(): Promise<void>;
}

type FileSystem = Record<string, (...parameters: unknown[]) => unknown>;

const changes = [
  'write', 'truncate', 'ftruncate', 'mknod', 'mkdir', 'rmdir', 'unlink', 'rename', 'symlink', 'chmod', 'utime', 'allocate', 'msync',
];

/**
 * Answers are held until what they rest on is durable, and making durable is dear. Every change of a file passes through
 * Emscripten's file system: where none of its changing calls was made, there is nothing to make durable.
 */
export function session(pglite: PGlite): Postgres {
  const files = pglite.Module.FS as unknown as FileSystem;
  // What opening wrote is not known to be durable.
  let changed = true;
  for (const name of changes) {
    const change = files[name];
    if (!change) continue;
    files[name] = (...parameters) => {
      changed = true;
      return change.apply(files, parameters);
    };
  }
  return {
    exec: exchange(pglite),
    wrote() {
      const wrote = changed;
      changed = false;
      return wrote;
    },
    sync: () => pglite.syncToFs(),
  };
}
