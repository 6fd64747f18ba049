// `gateway.functions` and `gateway.secrets`: the project's edge functions, and what they find in their environment.
import type { Bundler } from '../functions/bundle/browser.ts';
import { callsPath, deployFunction, filesOf, functionPath, sourceOf, type DeploySettings, type Deployed, type EdgeFunction, type FunctionCall, type FunctionLogLine, type FunctionMetrics, type FunctionSettings, type FunctionVersion, type LogLevel, type Secret } from '../functions/functions.ts';
import { bytesOf, type Files } from './files.ts';
import { parts, type Call } from './call.ts';

export type { DeploySettings, Deployed, EdgeFunction, FunctionCall, FunctionLogLine, FunctionMetrics, FunctionSettings, FunctionVersion, Secret };

export interface Functions {
  list(): Promise<EdgeFunction[]>;
  get(name: string): Promise<EdgeFunction>;
  /**
   * Bundles the files and makes them the function's newest version, which answers from then on. `files` are a function's
   * folder; those of several functions, with `_shared`, need `entrypoint`. Rejects with a `NotBundled`, whose `problems`
   * have places, for what is wrong with them.
   */
  deploy(name: string, files: Files, settings?: DeploySettings): Promise<Deployed>;
  /** Changes settings of what is deployed. */
  update(name: string, settings: FunctionSettings): Promise<EdgeFunction>;
  delete(name: string): Promise<void>;
  versions(name: string): Promise<FunctionVersion[]>;
  /** Makes an earlier version answer. */
  rollback(name: string, version: number): Promise<EdgeFunction>;
  /** The files as they were deployed. */
  source(name: string, options?: { version?: number }): Promise<Record<string, Uint8Array>>;
  /** The last lines, and with `follow` what comes after them, until whoever reads it stops. */
  logs(name: string, options?: LogOptions): AsyncGenerator<FunctionLogLine, void, undefined>;
  clearLogs(name: string): Promise<void>;
  metrics(name: string): Promise<FunctionMetrics>;
  /** What functions asked of the database, the newest last. The gateway keeps 50,000 of a project, for 30 days. */
  calls(options?: CallOptions): Promise<FunctionCall[]>;
}

export interface CallOptions {
  function?: string;
  /** Of one request: the `sb-request-id` of its answer. */
  trace?: string;
  role?: string;
  /** Text in the method or the path. */
  search?: string;
  /** Milliseconds since 1970. */
  since?: number;
  /** 200 without a number. */
  tail?: number;
}

export interface LogOptions {
  /** 200 without a number. */
  tail?: number;
  /** This one and what matters more. */
  level?: LogLevel;
  search?: string;
  /** Milliseconds since 1970. */
  since?: number;
  follow?: boolean;
  signal?: AbortSignal;
}

export interface Secrets {
  /** Names and digests; a value is never told. */
  list(): Promise<Secret[]>;
  set(secrets: Record<string, string>): Promise<void>;
  unset(...names: string[]): Promise<void>;
}

export function functions(call: Call): Functions {
  const json = async <Shape>(path: string, init?: RequestInit) => (await call(path, init)).json() as Promise<Shape>;
  return {
    list: () => json('/gateway/functions'),
    get: (name) => json(functionPath(name)),
    async deploy(name, files, settings) {
      const [bundler, sources] = await Promise.all([loadBundler(), bytesOf(files)]);
      return deployFunction(call, bundler, name, sources, settings);
    },
    update: (name, settings) => json(functionPath(name), sent('PATCH', settings)),
    delete: async (name) => void (await call(functionPath(name), { method: 'DELETE' })),
    versions: (name) => json(functionPath(name, '/versions')),
    rollback: (name, version) => json(functionPath(name, '/rollback'), sent('POST', { version })),
    source: async (name, { version } = {}) => filesOf(await sourceOf(call, name, version)),
    async *logs(name, { signal, ...options } = {}) {
      const query = new URLSearchParams(Object.entries(options).map(([key, value]) => [key, String(value)]));
      yield* parts<FunctionLogLine>(await call(functionPath(name, `/logs?${query}`), signal && { signal }));
    },
    clearLogs: async (name) => void (await call(functionPath(name, '/logs'), { method: 'DELETE' })),
    metrics: (name) => json(functionPath(name, '/metrics')),
    async calls(options = {}) {
      const found: FunctionCall[] = [];
      const query = Object.fromEntries(Object.entries(options).map(([key, value]) => [key, String(value)]));
      for await (const one of parts<FunctionCall>(await call(callsPath(query)))) found.push(one);
      return found;
    },
  };
}

export function secrets(call: Call): Secrets {
  return {
    list: async () => (await call('/gateway/secrets')).json() as Promise<Secret[]>,
    set: async (values) => void (await call('/gateway/secrets', sent('POST', values))),
    unset: async (...names) => void (await call('/gateway/secrets', sent('DELETE', names))),
  };
}

const sent = (method: string, body: unknown): RequestInit => ({ method, headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });

/** What bundles: megabytes, which only a page that deploys something loads. */
export async function loadBundler(): Promise<Bundler> {
  const { bundlerInBrowser } = (await import(/* @vite-ignore */ new URL(FUNCTION_BUNDLER, import.meta.url).href)) as typeof import('../functions/bundle/browser.ts');
  return bundlerInBrowser();
}
