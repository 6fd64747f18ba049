// The list of apps: how each is, and what can be done with it.
import { ActionIcon, Menu } from '@mantine/core';
import { Ellipsis, ExternalLink, Play, RotateCw, Square } from 'lucide-react';
import type { Api } from '../gateway/call.ts';
import { bytes } from '../parts/format.ts';
import { Tone } from '../parts/Tone.tsx';
import { exitWord, runtimes, states, urlOf, type Action, type App } from './apps.ts';

/** What can be done with an app, and what is being done. */
export interface Commands {
  run: (app: App, action: Action) => void;
  remove: (app: App) => void;
  pending: Record<string, Action>;
}

export function AppTable({ api, apps, commands }: { api: Api; apps: App[]; commands: Commands }) {
  return (
    <div className="table-frame">
      <table className="table apps-table" aria-label="Apps">
        <thead>
          <tr>
            <th scope="col">App</th><th scope="col">State</th><th scope="col" className="wide-only">Runtime</th><th scope="col" className="number wide-only">Memory</th>
            <th scope="col" className="number wide-only">Restarts</th><th scope="col"><span className="unseen">Actions</span></th>
          </tr>
        </thead>
        <tbody>
          {apps.map((app) => (
            <tr key={app.name}>
              <td className="app-cell">
                <a className="row-open app-name" href={`#/apps?name=${app.name}`}>{app.name}</a>
                <a className="app-url" href={urlOf(api, app)} target="_blank" rel="noreferrer"><span>{urlOf(api, app)}</span> <ExternalLink size={12} aria-hidden /><span className="unseen"> in a new tab</span></a>
              </td>
              <td><AppStateTone app={app} /></td>
              <td className="wide-only unbroken">{runtimes[app.runtime]?.title ?? app.runtime}</td>
              <td className="number wide-only">{app.process?.memory ? bytes(app.process.memory) : <span className="quiet">–</span>}</td>
              <td className="number wide-only">{app.process?.restarts ?? 0}</td>
              <td className="app-actions"><AppButtons app={app} commands={commands} /></td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

export function AppStateTone({ app: { state, process } }: { app: App }) {
  const exit = exitWord(process?.exit);
  const { word, tone } = states[state] ?? { word: state, tone: 'none' as const };
  return <Tone tone={tone}>{word}{state === 'crashed' && exit !== undefined ? ` (${exit})` : ''}</Tone>;
}

function AppButtons({ app, commands: { run, remove, pending } }: { app: App; commands: Commands }) {
  const running = app.state === 'running' || app.state === 'starting';
  const busy = pending[app.name];
  return (
    <span className="row-actions">
      {running
        ? <ActionIcon aria-label={`Stop ${app.name}`} title="Stop" loading={busy === 'stop'} onClick={() => run(app, 'stop')}><Square size={14} aria-hidden /></ActionIcon>
        : <ActionIcon aria-label={`Start ${app.name}`} title="Start" loading={busy === 'start'} disabled={busy !== undefined} onClick={() => run(app, 'start')}><Play size={14} aria-hidden /></ActionIcon>}
      <ActionIcon className="wide-only" aria-label={`Restart ${app.name}`} title="Restart" loading={busy === 'restart'} disabled={busy !== undefined || !running} onClick={() => run(app, 'restart')}><RotateCw size={14} aria-hidden /></ActionIcon>
      <Menu position="bottom-end" width={160}>
        <Menu.Target><ActionIcon aria-label={`More on ${app.name}`}><Ellipsis size={14} aria-hidden /></ActionIcon></Menu.Target>
        <Menu.Dropdown>
          {running && <Menu.Item fz="sm" onClick={() => run(app, 'restart')}>Restart</Menu.Item>}
          <Menu.Item fz="sm" component="a" href={`#/apps?name=${app.name}`}>Logs</Menu.Item>
          <Menu.Item fz="sm" component="a" href={`#/apps?name=${app.name}&tab=settings`}>Settings</Menu.Item>
          <Menu.Item fz="sm" className="bad" onClick={() => remove(app)}>Delete</Menu.Item>
        </Menu.Dropdown>
      </Menu>
    </span>
  );
}
