// The sample apps: what each shows, and how it is deployed. Their files are fetched when one is asked for.
import type { Api } from '../gateway/call.ts';
import type { AppSettings } from './apps.ts';
import { fromZip, type Picked } from './files.ts';

export interface Sample {
  name: string;
  title: string;
  shows: string;
  settings: AppSettings;
  /** The runtime that it runs on; one click installs that too. */
  needs: string;
  /** A file of the sample that makes what it needs in the database; it may be run again without harm. */
  sql?: string;
}

export const samples: Sample[] = [
  {
    name: 'hello-site',
    title: 'Static site',
    shows: 'Pages, a style sheet and a script that asks the project’s API, served by nginx.',
    settings: { runtime: 'static', autostart: false },
    needs: 'nginx',
  },
  {
    name: 'tasks-node',
    title: 'Node and supabase-js',
    shows: 'A server that reads a table through localhost:5173; row-level security decides what each visitor sees.',
    needs: 'node',
    settings: { runtime: 'node', entry: 'server.js', autostart: false, start_deadline_s: 120 },
    sql: 'schema.sql',
  },
  {
    name: 'facts-python',
    title: 'Python',
    shows: 'A JSON API on Python’s own http.server: the machine’s facts, and an echo of what is sent.',
    needs: 'python',
    settings: { runtime: 'python', entry: 'main.py', autostart: false, start_deadline_s: 120 },
  },
];

export async function fetchSample({ name }: Sample): Promise<Picked> {
  const response = await fetch(new URL(SAMPLES[name]!, import.meta.url));
  if (!response.ok) throw new Error(`The sample’s files could not be fetched: ${response.status} ${response.statusText}`);
  return fromZip(await response.blob(), name);
}

export async function prepare(api: Api, { sql }: Sample, { files }: Picked): Promise<void> {
  const file = files.find(({ path }) => path === sql);
  if (file) await api.rows(await (await file.open()).text());
}
