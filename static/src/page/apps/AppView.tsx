// One app: how it is, what it says, and its settings.
import { Button, Tabs } from '@mantine/core';
import { ChevronRight, ExternalLink, Play, RotateCw, ScrollText, Settings2, Square, Trash2 } from 'lucide-react';
import type { ReactNode } from 'react';
import type { Api } from '../gateway/call.ts';
import { Fault } from '../parts/Fault.tsx';
import { ago, bytes, count, moment } from '../parts/format.ts';
import { AppStateTone, type Commands } from './AppTable.tsx';
import { exitWord, runtimes, urlOf, type App } from './apps.ts';
import { Logs } from './Logs.tsx';
import { openApp, useTab, type Tab } from './place.ts';
import { AppSettingsForm } from './AppSettingsForm.tsx';

interface Props { api: Api; app: App; commands: Commands; changed: () => Promise<void>; refusal: ReactNode }

export function AppView({ api, app, commands: { run, remove, pending }, changed, refusal }: Props) {
  const tab = useTab();
  const running = app.state === 'running' || app.state === 'starting';
  const busy = pending[app.name];
  const { memory, since, restarts = 0 } = app.process ?? {};
  const exit = exitWord(app.process?.exit);
  const url = urlOf(api, app);
  return (
    <>
      <div className="bar">
        <nav className="crumbs" aria-label="Where"><a className="row-open" href="#/apps">Apps</a><ChevronRight size={13} aria-hidden /></nav>
        <h1 className="breakable">{app.name}</h1>
        <AppStateTone app={app} />
        {app.state === 'starting' && app.process?.stage && <span className="quiet">{app.process.stage}</span>}
        <span className="head-space" />
        <span className="actions">
          {running
            ? <Button leftSection={<Square size={14} aria-hidden />} loading={busy === 'stop'} onClick={() => run(app, 'stop')}>Stop</Button>
            : <Button leftSection={<Play size={14} aria-hidden />} loading={busy === 'start'} disabled={busy !== undefined} onClick={() => run(app, 'start')}>Start</Button>}
          <Button leftSection={<RotateCw size={14} aria-hidden />} loading={busy === 'restart'} disabled={busy !== undefined || !running} onClick={() => run(app, 'restart')}>Restart</Button>
          <Button color="red" variant="outline" leftSection={<Trash2 size={14} aria-hidden />} onClick={() => remove(app)}>Delete</Button>
          <Button component="a" variant="filled" href={url} target="_blank" rel="noreferrer" leftSection={<ExternalLink size={14} aria-hidden />}>Open</Button>
        </span>
      </div>
      {refusal}
      {app.state === 'crashed' && !refusal && (
        <Fault title={`It ended again and again${exit === undefined ? '' : `, the last time with ${exit}`}, and is not started any more by itself`}>
          <p>The last lines below say why. Start it when that is mended, or drop the mended folder here.</p>
        </Fault>
      )}
      <section className="card" aria-label="About">
        <dl className="facts app-facts">
          <Fact name="Address"><a href={url} target="_blank" rel="noreferrer" className="breakable">{url}</a></Fact>
          <Fact name="Runtime">{runtimes[app.runtime]?.title ?? app.runtime}{app.entry && <code className="breakable">{app.entry}</code>}</Fact>
          <Fact name="Memory">{memory ? bytes(memory) : '–'}{app.limits?.memory_mib && <span className="quiet">of {app.limits.memory_mib} MiB</span>}</Fact>
          <Fact name="Running since">{app.state === 'running' && since ? <span title={moment(since)}>{ago(since)}</span> : '–'}{restarts !== null && restarts > 0 && <span className="quiet">{count(restarts, 'restart')}</span>}</Fact>
          <Fact name="Files">{app.bundle ? <>{count(app.bundle.files, 'file')}<span className="quiet">{bytes(app.bundle.bytes)}</span></> : '–'}</Fact>
          <Fact name="Deployed"><span title={moment(app.updated_at)}>{ago(app.updated_at)}</span></Fact>
        </dl>
      </section>
      <Tabs value={tab} onChange={(next) => openApp(app.name, next as Tab)} keepMountedMode="display-none" className="vm-tabs">
        <Tabs.List>
          <Tabs.Tab value="logs" leftSection={<ScrollText size={14} aria-hidden />}>Logs</Tabs.Tab>
          <Tabs.Tab value="settings" leftSection={<Settings2 size={14} aria-hidden />}>Settings</Tabs.Tab>
        </Tabs.List>
        <Tabs.Panel value="logs"><Logs api={api} name={app.name} state={app.state} shown={tab === 'logs'} /></Tabs.Panel>
        <Tabs.Panel value="settings"><AppSettingsForm api={api} app={app} changed={changed} /></Tabs.Panel>
      </Tabs>
    </>
  );
}

function Fact({ name, children }: { name: string; children: ReactNode }) {
  return <div className="fact"><dt>{name}</dt><dd>{children}</dd></div>;
}
