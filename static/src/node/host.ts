// The gateway in Node: the same WASM as in the browser, with PGlite in this process.
//
//   const host = await createHost({ dataDir: './data' });
//   const response = await host.handle(new Request('http://localhost/rest/v1/todos'));
import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { PGlite } from '@electric-sql/pglite';
import { instantiate as instantiateDatabase, type Database, type Options, type Session } from 'glue:database';
import databaseWasm from '../../generated/database/database_bg.wasm';
import gatewayWasm from '../../generated/gateway/gateway_bg.wasm';
import { copyOf, unpack, type BackupManifest } from '../backup/archive.ts';
import { openPostgres } from '../database/postgres.ts';
import { exchange } from '../database/exchange.ts';
import { Supervised } from '../wasm/instance.ts';
import { openDirectory } from './directory.ts';
import type { FileStore } from '../files/store.ts';
import { directoryStore, memoryStore } from './files.ts';
import { deliver } from './mail.ts';
import { news } from './news.ts';
import { Pictures } from './pictures.ts';
import { directorySeals, memorySeals } from './secrets.ts';

/** A project's keys; the two JWTs are what the publishable and the secret key stand for. */
export interface Keys {
  publishable: string;
  secret: string;
  anon: string;
  service_role: string;
  jwt_secret: string;
  s3_access_key_id: string;
  s3_secret_access_key: string;
}

export interface HostOptions {
  /** A database that is open already; it stays open when the host closes. */
  pglite?: PGlite;
  /** Where a database is kept; made if it is not there. Without it and `pglite`, memory. */
  dataDir?: string;
  /** A backup that a new database begins as. Rejects where `dataDir` has one already. */
  restore?: Blob;
  /** Settings under PostgREST's names, as its configuration file has them: lists by commas, an empty text unsets. */
  config?: Record<string, string>;
  /** The text of a PostgREST configuration file; `config` comes on top of it. */
  configText?: string;
  /** Whether Supabase's roles and schemas are made first; yes, unless told otherwise. */
  migrate?: boolean;
  /** SQL that follows every reset of the session. */
  baseline?: string;
}

export interface Host {
  /** Answers a request; never rejects. */
  handle(request: Request): Promise<Response>;
  /** Connects a client's WebSocket; what becomes of it is said on the port. */
  connect(url: string, protocols: string[], headers: Headers, port: MessagePort): Promise<void>;
  /** The project's keys, once its database is open; `undefined` where it has none, as without migrations. */
  keys(): Promise<Keys | undefined>;
  /** What the backup said of itself that the database began as. */
  restored?: BackupManifest;
  /** Makes the next request panic, for tests. */
  fault(): Promise<void>;
  /** Says goodbye, writes what is not written, closes the database. */
  close(): Promise<void>;
}

const project = 'default';

const modules = new Map<string, WebAssembly.Module>();

function compiled(name: string): WebAssembly.Module {
  let module = modules.get(name);
  if (!module) {
    module = new WebAssembly.Module(readFileSync(new URL(name, import.meta.url)));
    modules.set(name, module);
  }
  return module;
}

/** Opens the database and starts the gateway before it. Rejects with what a person can read. */
export async function createHost(options: HostOptions = {}): Promise<Host> {
  let database: Database | undefined;
  let machine: Promise<Functions> | undefined;
  const pictures = new Pictures();
  const files = options.dataDir === undefined ? memoryStore() : directoryStore(path.join(options.dataDir, 'storage'));
  const gateway: Supervised = new Supervised({
    module: async () => compiled(gatewayWasm),
    prepare: async () => ({
      options: { build: GATEWAY_VERSION, config: options.config ?? {}, config_text: options.configText ?? '' },
      release: () => undefined,
    }),
    asked: {
      wantGuest(wanted, start) {
        void guest(wanted, start).catch((error: unknown) => gateway.tell((instance) => instance.guestFailed(wanted, `The machine did not load: ${String(error)}`)));
      },
      wantPort(wanted) {
        if (wanted !== project || !database) return;
        const { port1, port2 } = new MessageChannel();
        database.serve(port2);
        void gateway.attach(wanted, port1);
      },
      hasProject: async (name) => name === project,
      files,
      secrets: options.dataDir === undefined ? memorySeals() : directorySeals(options.dataDir),
      render: (bytes, options) => pictures.render(bytes, options),
      // This process's gateway lives as long as its database.
      kept: async () => undefined,
      keep: () => undefined,
      deliver,
    },
  });
  /** Hands over a port to what runs functions, which is loaded when it is first needed. */
  async function guest(wanted: string, start: boolean): Promise<void> {
    if (!machine && !start) return gateway.tell((instance) => instance.guestAbsent(wanted));
    const loaded = await (machine ??= loadFunctions(() => database).catch((error: unknown) => {
      machine = undefined;
      throw error;
    }));
    const { port1, port2 } = new MessageChannel();
    loaded.serve(port2);
    await gateway.attachGuest(wanted, port1);
  }
  // Settings are read when the instance is made: what is wrong with them is said before a folder is touched.
  await gateway.warm();
  const { pglite, storage, restored, release } = await open(options, files);
  database = serve(pglite, {
    build: GATEWAY_VERSION,
    life: '',
    storage,
    baseline: options.baseline ?? '',
    migrate: options.migrate ?? true,
  });
  return {
    ...(restored && { restored }),
    handle: async (request) => (await gateway.handle(request)) ?? notFound(),
    // Whoever asks from outside is nobody's page.
    connect: (url, protocols, headers, port) => gateway.call((instance) => instance.tunnel(url, protocols, port, { trusted: false, url: new URL('/', url).href }, headers)),
    async keys() {
      const keys = await gateway.call((instance) => instance.keys(project));
      return keys === undefined ? undefined : (JSON.parse(keys) as Keys);
    },
    fault: () => gateway.call((instance) => instance.fault()),
    async close() {
      await gateway.close();
      await (await machine?.catch(() => undefined))?.close();
      await pictures.close();
      database?.free();
      await release();
    },
  };
}

interface Functions {
  serve(port: MessagePort): void;
  close(): Promise<void>;
}

/** The machine, for the functions that run beside it: there is no image here that it could boot. */
async function loadFunctions(database: () => Database | undefined): Promise<Functions> {
  const { loadMachine, withoutImage } = await import('./machine.ts');
  const glue = loadMachine();
  const vm = new glue.Vm(withoutImage(), {
    build: GATEWAY_VERSION,
    life: '',
    // This process's gateway is awake.
    wake: () => undefined,
    wantDatabase() {
      const { port1, port2 } = new MessageChannel();
      database()?.serve(port2);
      vm.database(port1);
    },
  });
  return vm;
}

/** What a static host would say of a path that is not the gateway's. */
function notFound(): Response {
  const body = { code: 'GW404', message: 'No API has this path.', details: null, hint: null };
  return Response.json(body, { status: 404, headers: { 'access-control-allow-origin': '*' } });
}

interface Open {
  pglite: PGlite;
  storage: 'memory' | 'directory';
  restored?: BackupManifest | undefined;
  release(): Promise<void>;
}

async function open({ pglite, dataDir, restore }: HostOptions, files: FileStore): Promise<Open> {
  if (pglite) return { pglite, storage: 'memory', release: async () => undefined };
  let restored: BackupManifest | undefined;
  /** The files of the backup go to where the project's are; the copy of its database comes back. */
  const copyIn = async (backup: Blob) => {
    const { manifest, database } = await unpack(backup, project, files);
    restored = manifest;
    return copyOf(files, project, database).finally(() => files.remove(project, database));
  };
  if (dataDir !== undefined) {
    const opened = await openDirectory(dataDir, restore && (() => copyIn(restore)));
    return { ...opened, storage: 'directory', restored };
  }
  const begin = restore ? await copyIn(restore) : new Blob([readFileSync(new URL(EMPTY_POSTGRES, import.meta.url))], { type: 'application/x-gzip' });
  const memory = await openPostgres({ dataDir: 'memory://' }, begin);
  return { pglite: memory, storage: 'memory', restored, release: () => memory.close() };
}

/** The same queue as in the browser's database worker, before a session of this process. */
function serve(pglite: PGlite, options: Options): Database {
  const ask = exchange(pglite);
  // A statement holds the whole process up. After a long one the queue pauses, as if to make it durable, and hears what came
  // meanwhile: a client that left takes its request out. Nothing else is to be done: the operating system has the files.
  let long = false;
  const session: Session = {
    exec(messages) {
      const begin = performance.now();
      const answer = ask(messages);
      long = performance.now() - begin > 20;
      return answer;
    },
    wrote: () => long,
    sync: news,
    broken: (text) => console.error(`[database] ${text}`),
  };
  const glue = instantiateDatabase({ queueMicrotask });
  glue.initSync({ module: compiled(databaseWasm) });
  return new glue.Database(session, options);
}
