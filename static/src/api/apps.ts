// `gateway.apps`: the applications in the project's virtual machine.
import type { App, AppSettings } from '../page/apps/apps.ts';
import { parts, post, type Call } from './call.ts';
import { archive, type Files } from './files.ts';

export type { App, AppSettings, Files };

export interface LogLine {
  at: number | string;
  stream: 'stdout' | 'stderr' | (string & {});
  line: string;
}

export interface Apps {
  list(): Promise<App[]>;
  /** Deploys an application, over the one of that name. */
  deploy(name: string, files: Files, settings?: Partial<AppSettings>): Promise<App>;
  start(name: string): Promise<App>;
  stop(name: string): Promise<App>;
  restart(name: string): Promise<App>;
  remove(name: string): Promise<void>;
  /** What it wrote: the last lines, and with `follow` what comes after them, until whoever reads it stops. */
  logs(name: string, options?: { follow?: boolean; tail?: number; signal?: AbortSignal }): AsyncGenerator<LogLine, void, undefined>;
}

export function apps(call: Call): Apps {
  const path = (name: string, more = '') => `/gateway/apps/${encodeURIComponent(name)}${more}`;
  const act = async (name: string, action: string) => (await call(path(name, `/${action}`), post)).json() as Promise<App>;
  return {
    list: async () => (await call('/gateway/apps')).json() as Promise<App[]>,
    async deploy(name, files, settings = {}) {
      const form = new FormData();
      form.set('app', JSON.stringify(settings));
      form.set('bundle', await archive(files), 'app.zip');
      return (await call(path(name), { method: 'PUT', body: form })).json() as Promise<App>;
    },
    start: (name) => act(name, 'start'),
    stop: (name) => act(name, 'stop'),
    restart: (name) => act(name, 'restart'),
    remove: async (name) => void (await call(path(name), { method: 'DELETE' })),
    async *logs(name, { follow = false, tail = 200, signal } = {}) {
      yield* parts<LogLine>(await call(path(name, `/logs?follow=${follow}&tail=${tail}`), signal && { signal }));
    },
  };
}
