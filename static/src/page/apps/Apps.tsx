// The apps of the project: all of them, or the one that the address names.
import { Button } from '@mantine/core';
import { Upload } from 'lucide-react';
import { useEffect, useRef, useState } from 'react';
import { useApi, type Api } from '../gateway/call.ts';
import { announce } from '../parts/Announcer.tsx';
import { Confirm, type Question } from '../parts/Confirm.tsx';
import { useDrop } from '../parts/drop.ts';
import { Fault } from '../parts/Fault.tsx';
import { count } from '../parts/format.ts';
import { useEvery, useLoaded } from '../parts/loaded.ts';
import { Waiting } from '../parts/Waiting.tsx';
import { AppView } from './AppView.tsx';
import { AppTable, type Commands } from './AppTable.tsx';
import { act, list, remove, states, type Action, type App } from './apps.ts';
import { Deploy } from './Deploy.tsx';
import { fromDrop, fromInput, type Picked } from './files.ts';
import { Refusal } from './Refusal.tsx';
import { SampleList } from './SampleList.tsx';
import { openApp, useOpenApp } from './place.ts';

/** Milliseconds between two looks at how the apps are. */
const pace = 2_000;

export default function Apps() {
  const api = useApi();
  return api ? <Place api={api} /> : <div className="column wide"><div className="bar"><h1>Apps</h1></div><Waiting what="apps" /></div>;
}

function Place({ api }: { api: Api }) {
  const open = useOpenApp();
  const { value, fault, reload } = useLoaded(() => list(api), [api]);
  useEvery(pace, reload);
  const [picked, setPicked] = useState<Picked>();
  const [finding, setFinding] = useState<number>();
  const [refused, setRefused] = useState<{ error: unknown; of?: string }>();
  const [question, ask] = useState<Question>();
  const [pending, setPending] = useState<Record<string, Action>>({});
  const folder = useRef<HTMLInputElement>(null);
  const archive = useRef<HTMLInputElement>(null);
  const app = open === undefined ? undefined : value?.find(({ name }) => name === open);
  useSaidStates(value);
  // What was refused elsewhere says nothing here.
  useEffect(() => setRefused(undefined), [open]);
  // One that came up late did start after all.
  const late = refused?.of !== undefined && value?.find(({ name }) => name === refused.of)?.state === 'running';
  useEffect(() => {
    if (late) setRefused(undefined);
  }, [late]);

  const take = async (picking: Promise<Picked>) => {
    setRefused(undefined);
    try {
      const files = await picking;
      if (files.files.length === 0) throw new Error('There is no file in that.');
      setPicked(files);
    } catch (error) {
      setRefused({ error });
    }
    setFinding(undefined);
  };
  const { over, target } = useDrop((data) => {
    // The form's own window is a part of this place: what it is about stays.
    if (picked) return;
    setFinding(0);
    void take(fromDrop(data, setFinding));
  });
  const chosen = (input: HTMLInputElement) => {
    const files = [...(input.files ?? [])];
    // The same may be chosen again.
    input.value = '';
    if (files.length > 0) void take(fromInput(files));
  };
  const run = async (name: string, action: Action) => {
    setPending((now) => ({ ...now, [name]: action }));
    setRefused(undefined);
    try {
      await act(api, name, action);
    } catch (error) {
      setRefused({ error, of: name });
    }
    await reload();
    setPending(({ [name]: _, ...rest }) => rest);
  };
  /** What was deployed is shown; that it does not start is said there. */
  const deployed = async (name: string, start: boolean) => {
    setPicked(undefined);
    await reload();
    openApp(name);
    if (start) await run(name, 'start');
  };
  const askRemove = ({ name }: App) => ask({
    title: `Delete ${name}?`,
    text: 'The app stops, and its files in the VM go with it. What it wrote into the database stays. This cannot be undone.',
    action: 'Delete',
    run: async () => {
      await remove(api, name);
      announce(`Deleted ${name}`);
      openApp(undefined);
      await reload();
    },
  });
  const refusal = refused && <Refusal api={api} error={refused.error} name={open === undefined ? refused.of : undefined} again={refused.of === undefined ? undefined : () => void run(refused.of!, 'start')} />;
  const commands: Commands = { run: ({ name }, action) => void run(name, action), remove: askRemove, pending };

  return (
    <div
      className="column wide drop apps"
      data-over={(over && !picked) || undefined}
      {...target}
    >
      {open !== undefined && app
        ? <AppView key={app.name} api={api} app={app} commands={commands} changed={reload} refusal={refusal} />
        : (
          <>
            <div className="bar">
              <h1>Apps</h1>
              {value && <span className="quiet">{count(value.length, 'app')}</span>}
              <span className="head-space" />
              <span className="actions">
                <Button onClick={() => archive.current?.click()}>Deploy a zip</Button>
                <Button variant="filled" leftSection={<Upload size={14} aria-hidden />} onClick={() => folder.current?.click()}>Deploy a folder</Button>
              </span>
            </div>
            {refusal}
            {fault && !value && <Fault title={fault} />}
            {fault && value && <p className="quiet" role="status">What is shown may be old: {fault}</p>}
            {!value && !fault && <Waiting what="apps" />}
            {open !== undefined && value && <p className="quiet" role="status">There is no app {open}. <a href="#/apps">All apps</a></p>}
            {finding !== undefined && <p className="quiet" role="status">Looking through what was dropped… {finding > 0 && count(finding, 'file')}</p>}
            {value?.length === 0 && (
              <div className="empty-drop">
                <Upload size={22} strokeWidth={1.5} aria-hidden />
                <p>No apps yet. Drop a folder or a zip here.</p>
                <p className="quiet">A static site, a Node or Next.js server, a Python program: it runs in a Linux VM in this tab, at <code>/app/&lt;name&gt;/</code>.</p>
              </div>
            )}
            {value && value.length > 0 && <AppTable api={api} apps={value} commands={commands} />}
            {value && <SampleList api={api} apps={value} deployed={(name) => deployed(name, true)} />}
          </>
        )}
      <p className="drop-hint" aria-hidden>Drop to deploy</p>
      <input ref={folder} type="file" hidden tabIndex={-1} aria-label="A folder to deploy" {...{ webkitdirectory: '' }} onChange={(event) => chosen(event.currentTarget)} />
      <input ref={archive} type="file" hidden tabIndex={-1} aria-label="A zip to deploy" accept=".zip,application/zip" onChange={(event) => chosen(event.currentTarget)} />
      {picked && <Deploy api={api} picked={picked} apps={value ?? []} into={app} close={() => setPicked(undefined)} done={deployed} />}
      <Confirm question={question} close={() => ask(undefined)} />
    </div>
  );
}

/** Says what becomes of an app to those who do not see the table. */
function useSaidStates(apps: App[] | undefined): void {
  const known = useRef(new Map<string, App['state']>());
  useEffect(() => {
    for (const { name, state } of apps ?? []) {
      const before = known.current.get(name);
      if (before && before !== state) announce(`${name}: ${states[state].word}`);
      known.current.set(name, state);
    }
  }, [apps]);
}
