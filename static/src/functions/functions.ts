// Functions as the gateway's API has them, and the one way to deploy one: pages, their API and the command line share it.
import { Refused, type Call } from '../api/call.ts';
import type { Bundler, Import, Meta, Problem, SourceFiles } from './bundle/bundle.ts';

export interface EdgeFunction {
  name: string;
  /** Counts deployments from 1; a rollback makes an earlier one answer again. */
  version: number;
  status: 'ACTIVE' | (string & {});
  /** Whether only requests with a token of the project's reach it. */
  verify_jwt: boolean;
  host: FunctionHost;
  entrypoint: string;
  limits: FunctionLimits;
  sha256: string;
  /** Of the archive. */
  bytes: number;
  created_at: string;
  updated_at: string;
  /** Its path below the origin. */
  url: string;
}

export type FunctionHost = 'isolate' | 'vm' | 'vm-or-isolate';

export interface FunctionLimits {
  memory_mib: number;
  /** Of one isolate, from its beginning to its end. */
  wall_clock_ms: number;
  cpu_ms: number;
  /** Until an answer has begun. */
  timeout_ms: number;
  concurrency: number;
  queue: number;
}

/** What is left out stays as it was, or is the default. */
export interface FunctionSettings {
  verify_jwt?: boolean;
  host?: FunctionHost;
  limits?: Partial<FunctionLimits>;
}

export interface DeploySettings extends FunctionSettings {
  /** The module to start at; `index.ts` and the like without one. */
  entrypoint?: string;
  /** Path of an import map, in place of deno.json's. */
  importMap?: string;
  /** Globs of files that the function reads. */
  staticFiles?: string[];
  /** Takes packages anew, where a deployment has the versions of the one before. */
  reload?: boolean;
  /** The folder that is the function's own; see `BundleOptions`. */
  folder?: string;
}

export interface FunctionVersion {
  version: number;
  sha256: string;
  bytes: number;
  created_at: string;
  active: boolean;
}

export interface FunctionLogLine {
  /** Grows. */
  id: number;
  /** Milliseconds since 1970. */
  at: number;
  function: string;
  version?: number;
  execution_id?: string;
  trace?: string;
  level: LogLevel;
  event: 'log' | 'boot' | 'request' | 'error' | 'shutdown' | 'fetch' | (string & {});
  message: string;
  stack?: string;
  status?: number;
  ms?: number;
  failure?: string;
}

/** What a function asked of the database by the gateway's APIs. */
export interface FunctionCall {
  /** Grows. */
  id: number;
  /** Milliseconds since 1970. */
  at: number;
  function: string;
  version?: number;
  execution_id?: string;
  /** Of the request that led to it, which was answered with this `sb-request-id`; none where it is not known whose it was. */
  trace?: string;
  method: string;
  /** Without the query. */
  path: string;
  /** As whom; none where its token proved nobody. */
  role?: string;
  status?: number;
  ms?: number;
}

export const logLevels = ['debug', 'info', 'log', 'warn', 'error'] as const;
export type LogLevel = (typeof logLevels)[number];

export interface FunctionMetrics {
  requests: number;
  errors: { boot: number; worker: number; limit: number; timeout: number };
  /** How many answers of each status. */
  status: Record<string, number>;
  p50_ms: number | null;
  p95_ms: number | null;
  p99_ms: number | null;
  cold_starts: number;
  /** What runs now: nothing where nobody runs functions. */
  state: string | null;
  isolates: number | null;
  active: number | null;
  queued: number | null;
  memory_bytes: number | null;
  cpu_ms: number | null;
  /** Of how long these are. */
  window_s: number;
}

export interface Secret {
  name: string;
  /** The first eight digits of the value's SHA-256. */
  digest: string;
  updated_at: string;
}

export type Deployed = EdgeFunction & { warnings: Problem[] };

/** `^[A-Za-z][A-Za-z0-9_-]*$`, up to 48. */
export const isFunctionName = (name: string): boolean => /^[A-Za-z][A-Za-z0-9_-]{0,47}$/.test(name);

/** Where what functions asked of the database is read. */
export const callsPath = (query: Record<string, string>): string => `/gateway/functions/_calls?${new URLSearchParams(query)}`;

export const functionPath = (name: string, more = ''): string => `/gateway/functions/${encodeURIComponent(name)}${more}`;

/** Bundles and deploys. Throws `NotBundled` for what is wrong with the source, `Refused` for what the gateway refuses. */
export async function deployFunction(call: Call, bundler: Bundler, name: string, files: SourceFiles, settings: DeploySettings = {}): Promise<Deployed> {
  const { entrypoint, importMap, staticFiles, reload = false, folder, ...kept } = settings;
  const lock = reload ? [] : await lockOf(call, name);
  const bundle = await bundler.bundle(files, {
    lock, reload, ...(entrypoint !== undefined && { entrypoint }), ...(importMap !== undefined && { importMap }), ...(staticFiles && { staticFiles }), ...(folder !== undefined && { folder }),
  });
  const form = new FormData();
  form.set('function', JSON.stringify({ ...kept, entrypoint: bundle.meta.entrypoint }));
  form.set('bundle', new Blob([bundle.zip as BlobPart], { type: 'application/zip' }), 'function.zip');
  const deployed = (await (await call(functionPath(name), { method: 'PUT', body: form })).json()) as EdgeFunction;
  return { ...deployed, warnings: bundle.warnings };
}

/** What the deployed version was made of: nothing where there is none, or where it has nothing of ours. */
async function lockOf(call: Call, name: string): Promise<Import[]> {
  const described = 'bundle/meta.json';
  const archive = await sourceOf(call, name, undefined, (path) => path === described).catch((error: unknown) => {
    if (error instanceof Refused && error.status === 404) return undefined;
    throw error;
  });
  const meta = archive?.get(described);
  return meta ? ((JSON.parse(new TextDecoder().decode(meta)) as Partial<Meta>).imports ?? []) : [];
}

/** A deployed archive, or what is wanted of it; the active version's without another number. */
export async function sourceOf(call: Call, name: string, version?: number, wanted?: (path: string) => boolean): Promise<Map<string, Uint8Array>> {
  const response = await call(functionPath(name, `/source${version === undefined ? '' : `?version=${version}`}`));
  const { unzip } = await import('./bundle/archive.ts');
  return unzip(new Uint8Array(await response.arrayBuffer()), wanted);
}

/** The files as they were given. */
export function filesOf(archive: Map<string, Uint8Array>): SourceFiles {
  const prefix = 'source/';
  return Object.fromEntries([...archive].flatMap(([path, bytes]) => (path.startsWith(prefix) ? [[path.slice(prefix.length), bytes] as const] : [])));
}
