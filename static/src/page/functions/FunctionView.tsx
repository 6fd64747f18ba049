// One function: its files, a way to run it, what it says and how it does, what it was, and its settings.
import { Button, Tabs } from '@mantine/core';
import { ChartNoAxesColumn, ChevronRight, CodeXml, Database, History, Play, ScrollText, Settings2, Trash2 } from 'lucide-react';
import { useState, type ReactNode } from 'react';
import type { Api } from '../gateway/call.ts';
import type { Question } from '../parts/Confirm.tsx';
import { Copy } from '../parts/Copy.tsx';
import { ago, moment } from '../parts/format.ts';
import { Calls } from './Calls.tsx';
import { Code } from './Code.tsx';
import { FunctionLogs } from './FunctionLogs.tsx';
import { FunctionSettingsForm } from './FunctionSettingsForm.tsx';
import { urlOf, type EdgeFunction } from './functions.ts';
import { Metrics } from './Metrics.tsx';
import { openFunction, useTab, type Tab } from './place.ts';
import { Run } from './Run.tsx';
import { Versions } from './Versions.tsx';

interface Props { api: Api; deployed: EdgeFunction; changed: () => Promise<void>; remove: () => void; ask: (question: Question) => void; refusal: ReactNode }

export function FunctionView({ api, deployed, changed, remove, ask, refusal }: Props) {
  const tab = useTab();
  // What was opened stays, so that what was typed there stays.
  const [opened, setOpened] = useState<Tab[]>([tab]);
  if (!opened.includes(tab)) setOpened([...opened, tab]);
  const [dirty, setDirty] = useState(false);
  const { name, version, verify_jwt: verifies, updated_at: at } = deployed;
  const url = urlOf(api, name);
  const panel = (which: Tab, children: ReactNode) => <Tabs.Panel value={which}>{opened.includes(which) && children}</Tabs.Panel>;
  return (
    <>
      <div className="bar">
        <nav className="crumbs" aria-label="Where"><a className="row-open" href="#/functions">Functions</a><ChevronRight size={13} aria-hidden /></nav>
        <h1 className="breakable">{name}</h1>
        <span className="tag">version {version}</span>
        <span className="tag">{verifies ? 'with a token' : 'for anyone'}</span>
        <span className="quiet" title={moment(at)}>{ago(at)}</span>
        <span className="head-space" />
        <span className="actions">
          <Button color="red" variant="outline" leftSection={<Trash2 size={14} aria-hidden />} onClick={remove}>Delete</Button>
        </span>
      </div>
      {refusal}
      <div className="url function-url"><code className="breakable">{url}</code><Copy text={url} what="the function’s URL" /></div>
      <Tabs value={tab} onChange={(next) => openFunction(name, next as Tab)} keepMountedMode="display-none" className="vm-tabs">
        <Tabs.List>
          <Tabs.Tab value="code" leftSection={<CodeXml size={14} aria-hidden />}>Code{dirty && <span className="dot changed" title="Not deployed yet"><span className="unseen">, not deployed yet</span></span>}</Tabs.Tab>
          <Tabs.Tab value="run" leftSection={<Play size={14} aria-hidden />}>Run</Tabs.Tab>
          <Tabs.Tab value="logs" leftSection={<ScrollText size={14} aria-hidden />}>Logs</Tabs.Tab>
          <Tabs.Tab value="calls" leftSection={<Database size={14} aria-hidden />}>Database</Tabs.Tab>
          <Tabs.Tab value="metrics" leftSection={<ChartNoAxesColumn size={14} aria-hidden />}>Metrics</Tabs.Tab>
          <Tabs.Tab value="versions" leftSection={<History size={14} aria-hidden />}>Versions</Tabs.Tab>
          <Tabs.Tab value="settings" leftSection={<Settings2 size={14} aria-hidden />}>Settings</Tabs.Tab>
        </Tabs.List>
        {panel('code', <Code api={api} deployed={deployed} changed={changed} ask={ask} setDirty={setDirty} />)}
        {panel('run', <Run api={api} deployed={deployed} />)}
        {panel('logs', <FunctionLogs api={api} name={name} shown={tab === 'logs'} ask={ask} />)}
        <Tabs.Panel value="calls">{tab === 'calls' && <Calls api={api} name={name} />}</Tabs.Panel>
        <Tabs.Panel value="metrics">{tab === 'metrics' && <Metrics api={api} name={name} />}</Tabs.Panel>
        {panel('versions', <Versions api={api} deployed={deployed} changed={changed} />)}
        {panel('settings', <FunctionSettingsForm key={`${version}`} api={api} deployed={deployed} changed={changed} />)}
      </Tabs>
    </>
  );
}
