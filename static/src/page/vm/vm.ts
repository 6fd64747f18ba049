// The project's VM, through `/gateway/vm`: how it is, and what can be told to it.
import type { Api } from '../gateway/call.ts';

export type VmState = 'unloaded' | 'loading' | 'booting' | 'ready' | 'paused' | 'stopped' | 'error';

export type Engine = 'v86' | 'cheerpx';

export interface Runtime {
  name: string;
  title: string;
  version: string;
  /** What its layer weighs. */
  bytes: number;
  installed: boolean;
}

export interface VmStatus {
  state: VmState;
  /** What is being done, for a person. */
  stage?: string | null;
  loaded?: number;
  total?: number;
  /** Of the one that runs; nothing where none does. */
  engine: Engine | null;
  /** MiB. */
  memory: number | null;
  from?: 'snapshot' | 'cold' | null;
  boot_ms?: number | null;
  error?: { code: string; message: string; hint?: string | null; lines?: string[] | null } | null;
  runtimes?: Runtime[];
  /** Bytes, and the load of the last minute. The disk is that of the apps. */
  guest?: { memory_used: number; memory_total: number; load: number; disk_used?: number; disk_total?: number } | null;
}

export interface VmSettings {
  engine: Engine;
  memory: number;
  outbound: { allow: string[] };
}

export type Action = 'start' | 'stop' | 'restart';

export const status = (api: Api, signal?: AbortSignal) => api.json<VmStatus>('/gateway/vm', { ...(signal && { signal }) });

export const act = (api: Api, action: Action) => api.send(`/gateway/vm/${action}`, { method: 'POST' });

export const settings = (api: Api) => api.json<VmSettings>('/gateway/vm/settings');

export const save = (api: Api, body: VmSettings) => api.send('/gateway/vm/settings', { method: 'PUT', body });

export const install = (api: Api, runtime: string) => api.send(`/gateway/vm/runtimes/${encodeURIComponent(runtime)}`, { method: 'PUT' });

export const uninstall = (api: Api, runtime: string) => api.send(`/gateway/vm/runtimes/${encodeURIComponent(runtime)}`, { method: 'DELETE' });

export const engines: Record<Engine, string> = { v86: 'v86', cheerpx: 'CheerpX' };

type Tone = 'good' | 'warn' | 'bad' | 'none';

/** Each state in a word, and what it means for who looks. */
export const states: Record<VmState, { word: string; tone: Tone; means: string }> = {
  unloaded: { word: 'Not loaded', tone: 'none', means: 'Nothing of it has been fetched. It starts when an app is opened, or here.' },
  loading: { word: 'Loading', tone: 'warn', means: 'Its files are fetched and checked.' },
  booting: { word: 'Booting', tone: 'warn', means: 'Linux starts.' },
  ready: { word: 'Running', tone: 'good', means: 'Apps answer at /app/<name>/.' },
  paused: { word: 'Paused', tone: 'none', means: 'Nothing asked for it. The next request wakes it.' },
  stopped: { word: 'Stopped', tone: 'none', means: 'Files of apps are kept. The next request to an app starts it again.' },
  error: { word: 'Failed', tone: 'bad', means: 'It does not run.' },
};

/** What may be told to a VM in this state. */
export function actions(state: VmState): Action[] {
  switch (state) {
    case 'unloaded': case 'stopped': case 'error': return ['start'];
    case 'loading': case 'booting': return ['stop'];
    case 'ready': case 'paused': return ['restart', 'stop'];
  }
}

/** What a person can do about a failure, by its code. */
export function advice(code: string): string[] {
  const known: Record<string, string[]> = {
    'engine-not-loaded': ['Check the network: CheerpX comes from its vendor each time it starts.', 'Or choose v86 in Settings: it is part of this page and works offline.'],
    'image-unreachable': ['Check the network, and that this host serves the folder vm of the build: `cargo xtask image` makes it.', 'Then start again: what was fetched is kept.'],
    'image-corrupt': ['A file of the image arrived damaged, twice. Check that the host serves it as it was built, then start again.'],
    'image-malformed': ['The image is not of this version of the page. Build both again: `cargo xtask image`, `cargo xtask build`.'],
    'disk-full': ['The browser gives this site no more room, or the VM’s disk is full. Delete an app, or free some room, then start again.'],
    'disk-failed': ['The browser refused the VM’s disk. Close other tabs of this project, then start again.'],
  };
  return known[code] ?? ['Start it again. If it fails the same way, the console’s last lines say where it stopped.'];
}
