// The VM: how it is, a terminal into it, its runtimes and its settings.
import { Tabs } from '@mantine/core';
import { Boxes, Settings2, SquareTerminal } from 'lucide-react';
import { lazy, Suspense, useState } from 'react';
import { useApi, type Api } from '../gateway/call.ts';
import { useLoaded } from '../parts/loaded.ts';
import { Waiting } from '../parts/Waiting.tsx';
import { useVmStatus } from './live.ts';
import { Runtimes } from './Runtimes.tsx';
import { VmState } from './VmState.tsx';
import { VmSettingsForm } from './VmSettingsForm.tsx';
import { settings as readSettings } from './vm.ts';

const Terminal = lazy(() => import('./Terminal.tsx'));

export default function Vm() {
  const api = useApi();
  return api ? <Machine api={api} /> : <div className="column wide"><div className="bar"><h1>Virtual machine</h1></div><Waiting what="the VM’s state" /></div>;
}

function Machine({ api }: { api: Api }) {
  const { status, connection, again } = useVmStatus(api);
  const settings = useLoaded(() => readSettings(api), [api]);
  const [tab, setTab] = useState<string | null>('terminal');
  return (
    <div className="column wide vm">
      <VmState api={api} status={status} settings={settings.value} connection={connection} again={again} />
      <Tabs value={tab} onChange={setTab} keepMountedMode="display-none" className="vm-tabs">
        <Tabs.List>
          <Tabs.Tab value="terminal" leftSection={<SquareTerminal size={14} aria-hidden />}>Terminal</Tabs.Tab>
          <Tabs.Tab value="runtimes" leftSection={<Boxes size={14} aria-hidden />}>Runtimes</Tabs.Tab>
          <Tabs.Tab value="settings" leftSection={<Settings2 size={14} aria-hidden />}>Settings</Tabs.Tab>
        </Tabs.List>
        <Tabs.Panel value="terminal">
          <Suspense fallback={<div className="terminal"><div className="bar terminal-bar" /><div className="terminal-frame"><p className="quiet">Loading…</p></div></div>}>
            <Terminal api={api} state={status?.state} start={again} shown={tab === 'terminal'} />
          </Suspense>
        </Tabs.Panel>
        <Tabs.Panel value="runtimes"><Runtimes api={api} status={status} again={again} /></Tabs.Panel>
        <Tabs.Panel value="settings"><VmSettingsForm api={api} status={status} settings={settings} again={again} /></Tabs.Panel>
      </Tabs>
    </div>
  );
}
