// The project's apps, through `/gateway/apps`: what each is, how it is, and what can be told to it.
import type { Api } from '../gateway/call.ts';
import { base } from '../gateway/project.ts';

export type AppState = 'stopped' | 'starting' | 'running' | 'crashed' | 'unloaded';

export type RuntimeName = 'static' | 'node' | 'nextjs' | 'python' | 'command';

export interface Limits { memory_mib?: number; processes?: number; nice?: number }

/** What a person decides about an app. */
export interface AppSettings {
  runtime: RuntimeName;
  entry?: string | null;
  command?: string[] | null;
  port?: number | null;
  /** What looks secret comes masked; a mask that is sent back means the value as it was. */
  env?: Record<string, string>;
  limits?: Limits;
  autostart?: boolean;
  start_deadline_s?: number;
}

export interface App extends AppSettings {
  name: string;
  state: AppState;
  url: string;
  created_at: string;
  updated_at: string;
  bundle?: { sha256: string; bytes: number; files: number } | null;
  /** What the VM says of it; nothing where none runs. */
  process?: Process | null;
}

export interface Process {
  /** What is being done to start it, for a person. */
  stage?: string | null;
  pid?: number | null;
  since?: string | number | null;
  /** Bytes. */
  memory?: number | null;
  restarts?: number | null;
  exit?: Exit | null;
}

export type Exit = { code: number } | { signal: number } | { out_of_memory: true };

/** How a process ended, in a word: its code, or the signal that ended it. */
export function exitWord(exit: Exit | null | undefined): string | undefined {
  if (exit === null || exit === undefined) return undefined;
  if ('code' in exit) return String(exit.code);
  return 'signal' in exit ? `signal ${exit.signal}` : 'out of memory';
}

export type Action = 'start' | 'stop' | 'restart';

const path = (name: string, more = '') => `/gateway/apps/${encodeURIComponent(name)}${more}`;

export const list = (api: Api) => api.json<App[]>('/gateway/apps');

export const get = (api: Api, name: string) => api.json<App>(path(name));

export const change = (api: Api, name: string, body: Partial<AppSettings>) => api.json<App>(path(name), { method: 'PATCH', body });

export const remove = (api: Api, name: string) => api.send(path(name), { method: 'DELETE' });

export const act = (api: Api, name: string, action: Action) => api.send(path(name, `/${action}`), { method: 'POST' });

export const logsPath = (name: string, tail: number) => path(name, `/logs?follow=true&tail=${tail}`);

export const putUrl = (api: Api, name: string) => base(api.project) + path(name);

/** Where the app is opened: its own address below the project's. */
export const urlOf = (api: Api, { name, url }: Pick<App, 'name' | 'url'>) => url || `${base(api.project)}/app/${name}/`;

type Tone = 'good' | 'warn' | 'bad' | 'none';

export const states: Record<AppState, { word: string; tone: Tone }> = {
  running: { word: 'Running', tone: 'good' },
  starting: { word: 'Starting', tone: 'warn' },
  crashed: { word: 'Crashed', tone: 'bad' },
  stopped: { word: 'Stopped', tone: 'none' },
  unloaded: { word: 'Not loaded', tone: 'none' },
};

export const runtimes: Record<RuntimeName, { title: string; entry: string; port: number }> = {
  static: { title: 'Static site', entry: '', port: 8080 },
  node: { title: 'Node.js', entry: 'server.js', port: 3000 },
  nextjs: { title: 'Next.js', entry: '', port: 3000 },
  python: { title: 'Python', entry: 'main.py', port: 8000 },
  command: { title: 'A command', entry: '', port: 8080 },
};

/** Why a name cannot be an app's, or nothing. */
export function nameProblem(name: string): string | undefined {
  if (name === '') return 'An app needs a name: it becomes a part of its address.';
  if (name.length > 63) return 'Use 63 characters or fewer.';
  if (!/^[a-z0-9][a-z0-9-]*$/.test(name)) return 'Use a–z, 0–9 and -, beginning with a letter or digit.';
  return undefined;
}
