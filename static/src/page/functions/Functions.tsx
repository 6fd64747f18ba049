// The edge functions of the project: all of them, or the one that the address names; and their secrets.
import { Button } from '@mantine/core';
import { Plus, Upload } from 'lucide-react';
import { useEffect, useRef, useState } from 'react';
import { fromDrop, fromInput, type Picked } from '../apps/files.ts';
import { useApi, words, type Api } from '../gateway/call.ts';
import { announce } from '../parts/Announcer.tsx';
import { Confirm, type Question } from '../parts/Confirm.tsx';
import { Copy } from '../parts/Copy.tsx';
import { useDrop } from '../parts/drop.ts';
import { Fault } from '../parts/Fault.tsx';
import { ago, bytes, count, moment } from '../parts/format.ts';
import { useEvery, useLoaded } from '../parts/loaded.ts';
import { Waiting } from '../parts/Waiting.tsx';
import { DeployFolder } from './DeployFolder.tsx';
import { FunctionView } from './FunctionView.tsx';
import { functions, urlOf, type EdgeFunction } from './functions.ts';
import { NewFunction } from './NewFunction.tsx';
import { openFunction, useOpenFunction } from './place.ts';
import { Secrets } from './Secrets.tsx';

/** Milliseconds between two looks at what is deployed: others deploy too. */
const pace = 5_000;

export default function Functions() {
  const api = useApi();
  return api ? <Place api={api} /> : <div className="column wide"><div className="bar"><h1>Functions</h1></div><Waiting what="functions" /></div>;
}

function Place({ api }: { api: Api }) {
  const open = useOpenFunction();
  const { value, fault, reload } = useLoaded(() => functions(api).list(), [api]);
  useEvery(pace, reload);
  const [making, setMaking] = useState(false);
  const [picked, setPicked] = useState<Picked>();
  const [refused, setRefused] = useState<string>();
  const [question, ask] = useState<Question>();
  const folder = useRef<HTMLInputElement>(null);
  const deployed = open === undefined ? undefined : value?.find(({ name }) => name === open);
  // What was refused elsewhere says nothing here.
  useEffect(() => setRefused(undefined), [open]);

  const take = async (picking: Promise<Picked>) => {
    setRefused(undefined);
    try {
      const files = await picking;
      if (files.files.length === 0) throw new Error('There is no file in that.');
      setPicked(files);
    } catch (error) {
      setRefused(words(error));
    }
  };
  const { over, target } = useDrop((data) => {
    // A form's own window is a part of this place: what it is about stays.
    if (!picked && !making) void take(fromDrop(data, () => undefined));
  });
  const askRemove = ({ name }: EdgeFunction) => ask({
    title: `Delete ${name}?`,
    text: 'It answers no more, and its versions and its log go. What it wrote into the database stays. This cannot be undone.',
    action: 'Delete',
    run: async () => {
      await functions(api).delete(name);
      announce(`Deleted ${name}`);
      openFunction(undefined);
      await reload();
    },
  });

  return (
    <div
      className="column wide drop functions"
      data-over={(over && !picked && !making) || undefined}
      {...target}
    >
      {deployed
        ? <FunctionView key={deployed.name} api={api} deployed={deployed} changed={reload} remove={() => askRemove(deployed)} ask={ask} refusal={refused && <Fault title={refused} />} />
        : (
          <>
            <div className="bar">
              <h1>Functions</h1>
              {value && <span className="quiet">{count(value.length, 'function')}</span>}
              <span className="head-space" />
              <span className="actions">
                <Button leftSection={<Upload size={14} aria-hidden />} onClick={() => folder.current?.click()}>Deploy a folder</Button>
                <Button variant="filled" leftSection={<Plus size={14} aria-hidden />} onClick={() => setMaking(true)}>New function</Button>
              </span>
            </div>
            {refused && <Fault title={refused} />}
            {fault && !value && <Fault title={fault} />}
            {fault && value && <p className="quiet" role="status">What is shown may be old: {fault}</p>}
            {!value && !fault && <Waiting what="functions" />}
            {open !== undefined && value && <p className="quiet" role="status">There is no function {open}. <a href="#/functions">All functions</a></p>}
            {value?.length === 0 && (
              <div className="empty-drop">
                <Upload size={22} strokeWidth={1.5} aria-hidden />
                <p>No functions yet. Make one, or drop a folder here.</p>
                <p className="quiet">TypeScript for Supabase Edge Functions runs as it is: a folder with <code>index.ts</code>, or a project with <code>supabase/functions</code>.</p>
              </div>
            )}
            {value && value.length > 0 && <FunctionTable api={api} all={value} />}
            {value && <Secrets api={api} ask={ask} />}
          </>
        )}
      <p className="drop-hint" aria-hidden>Drop to deploy</p>
      <input
        ref={folder} type="file" hidden tabIndex={-1} aria-label="A folder with functions" {...{ webkitdirectory: '' }}
        onChange={({ currentTarget: input }) => {
          const files = [...(input.files ?? [])];
          // The same may be chosen again.
          input.value = '';
          if (files.length > 0) void take(fromInput(files));
        }}
      />
      {making && <NewFunction api={api} known={value ?? []} close={() => setMaking(false)} done={async (name) => { setMaking(false); await reload(); openFunction(name); }} />}
      {picked && <DeployFolder api={api} picked={picked} close={() => setPicked(undefined)} changed={reload} openIt={(name) => { setPicked(undefined); openFunction(name); }} />}
      <Confirm question={question} close={() => ask(undefined)} />
    </div>
  );
}

function FunctionTable({ api, all }: { api: Api; all: EdgeFunction[] }) {
  return (
    <div className="table-frame">
      <table className="table apps-table" aria-label="Functions">
        <thead>
          <tr>
            <th scope="col">Function</th><th scope="col" className="wide-only">Requests</th><th scope="col" className="number">Version</th>
            <th scope="col" className="number wide-only">Size</th><th scope="col" className="wide-only">Deployed</th><th scope="col"><span className="unseen">Copy</span></th>
          </tr>
        </thead>
        <tbody>
          {all.map(({ name, version, verify_jwt: verifies, bytes: size, updated_at: at }) => (
            <tr key={name}>
              <td className="app-cell"><a className="row-open app-name" href={`#/functions?name=${name}`}>{name}</a><span className="app-url"><span>{urlOf(api, name)}</span></span></td>
              <td className="wide-only unbroken">{verifies ? 'with a token' : 'from anyone'}</td>
              <td className="number">{version}</td>
              <td className="number wide-only">{bytes(size)}</td>
              <td className="wide-only unbroken"><span title={moment(at)}>{ago(at)}</span></td>
              <td className="app-actions"><Copy text={urlOf(api, name)} what={`the URL of ${name}`} /></td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
