// Functions in a folder that was chosen or dropped: which, and what became of each.
import { Button, Checkbox, Modal, TextInput } from '@mantine/core';
import { useEffect, useState } from 'react';
import { layoutOf, readConfig, settingsOf, type FunctionConfig, type Layout } from '../../functions/layout.ts';
import type { Problem, SourceFiles } from '../../functions/bundle/bundle.ts';
import type { Picked } from '../apps/files.ts';
import { words, type Api } from '../gateway/call.ts';
import { announce } from '../parts/Announcer.tsx';
import { Fault } from '../parts/Fault.tsx';
import { count, milliseconds } from '../parts/format.ts';
import { Tone } from '../parts/Tone.tsx';
import { Waiting } from '../parts/Waiting.tsx';
import { functions, nameProblem, problemsOf } from './functions.ts';
import { ProblemList } from './ProblemList.tsx';

interface Found { layout: Layout; files: SourceFiles; config: Record<string, FunctionConfig> }
type Result = { kind: 'done'; version: number; took: number; warnings: Problem[] } | { kind: 'refused'; problems: Problem[] };

export function DeployFolder({ api, picked, close, changed, openIt }: { api: Api; picked: Picked; close: () => void; changed: () => Promise<void>; openIt: (name: string) => void }) {
  const [found, setFound] = useState<Found>();
  const [fault, setFault] = useState<string>();
  useEffect(() => void read(picked).then(setFound, (error: unknown) => setFault(words(error))), [picked]);
  const [busy, setBusy] = useState(false);
  return (
    <Modal opened onClose={close} title={`Functions in ${picked.folder}`} size="lg" centered closeButtonProps={{ 'aria-label': 'Close' }} closeOnClickOutside={false} closeOnEscape={!busy} withCloseButton={!busy}>
      {fault && <Fault title={fault} />}
      {!found && !fault && <Waiting what="the files" />}
      {found && <Choice api={api} found={found} close={close} changed={changed} openIt={openIt} busy={busy} setBusy={setBusy} />}
    </Modal>
  );
}

/** What functions are made of; the rest of a project is not read. */
async function read({ files, folder }: Picked): Promise<Found> {
  const wanted = files.filter(({ path }) => !/(^|\/)(node_modules|\.git)\//.test(path));
  const layout = layoutOf(wanted.map(({ path }) => path), folder);
  if (!layout) throw new Error('There is no function in that: a function is a folder with index.ts in it, or several such folders in supabase/functions.');
  const below = wanted.filter(({ path }) => path.startsWith(layout.root)).map((file) => ({ ...file, path: file.path.slice(layout.root.length) }));
  const toml = below.find(({ path }) => path === 'config.toml');
  const config = toml ? readConfig(await (await toml.open()).text()) : {};
  const named = Object.values(config).flatMap(({ import_map: map, static_files: globs = [] }) => [map, ...globs]).flatMap((one) => one?.replace(/^\.\//, '').replace(/[^/]*[*?{].*$/, '') ?? []);
  const isOf = (path: string) => Object.values(layout.functions).includes('') || !Object.values(layout.functions)[0]!.startsWith('functions/') || path.startsWith('functions/') || /^(deno\.jsonc?|import_map\.json|deno\.lock)$/.test(path) || named.some((name) => path.startsWith(name));
  const contents = await Promise.all(below.filter(({ path }) => isOf(path)).map(async ({ path, open }) => [path, new Uint8Array(await (await open()).arrayBuffer())] as const));
  return { layout, config, files: Object.fromEntries(contents) };
}

interface Props { api: Api; found: Found; close: () => void; changed: () => Promise<void>; openIt: (name: string) => void; busy: boolean; setBusy: (busy: boolean) => void }

function Choice({ api, found: { layout, files, config }, close, changed, openIt, busy, setBusy }: Props) {
  const all = Object.keys(layout.functions);
  const single = all.length === 1;
  const [chosen, choose] = useState(() => all.filter((name) => config[name]?.enabled !== false));
  // A folder's name need not be a function's.
  const [only, setOnly] = useState(single ? all[0]! : '');
  const [running, setRunning] = useState<string>();
  const [results, setResults] = useState<Record<string, Result>>({});
  const nameOf = (name: string) => (single ? only : name);
  const wrong = chosen.map((name) => nameProblem(nameOf(name))).find(Boolean);
  const done = chosen.length > 0 && chosen.every((name) => results[name]?.kind === 'done');

  const deploy = async () => {
    setBusy(true);
    for (const name of chosen.filter((one) => results[one]?.kind !== 'done')) {
      setRunning(name);
      const began = performance.now();
      let result: Result;
      try {
        const { version, warnings } = await functions(api).deploy(nameOf(name), files as Record<string, Uint8Array<ArrayBuffer>>, settingsOf(layout.functions[name]!, config[name] ?? {}, Object.keys(files)));
        result = { kind: 'done', version, warnings, took: performance.now() - began };
        announce(`Deployed ${nameOf(name)}`);
      } catch (error) {
        result = { kind: 'refused', problems: problemsOf(error) ?? [{ message: words(error) }] };
        announce(`${nameOf(name)} is not deployed`);
      }
      setResults((now) => ({ ...now, [name]: result }));
    }
    setRunning(undefined);
    setBusy(false);
    await changed();
  };

  return (
    <div className="form">
      {single
        ? <TextInput label="Name" spellCheck={false} autoComplete="off" value={only} error={wrong} disabled={busy || done} onChange={(event) => setOnly(event.currentTarget.value)} />
        : wrong && <p className="bad hint" role="alert">{wrong}</p>}
      <ul className="items" aria-label="Functions">
        {all.map((name) => {
          const result = results[name];
          return (
            <li key={name}>
              <Checkbox size="xs" className="item-main" label={nameOf(name)} disabled={busy || result?.kind === 'done'} checked={chosen.includes(name)} onChange={(event) => choose(event.currentTarget.checked ? [...chosen, name] : chosen.filter((one) => one !== name))} />
              {config[name]?.verify_jwt === false && <span className="tag">for anyone</span>}
              {config[name]?.enabled === false && <span className="tag">enabled = false</span>}
              {running === name && <span className="quiet" role="status">Bundling…</span>}
              {result?.kind === 'done' && <Tone tone="good">version {result.version}, {milliseconds(result.took)}</Tone>}
              {result?.kind === 'refused' && <Tone tone="bad">not deployed</Tone>}
              {result && (result.kind === 'refused' ? result.problems.length > 0 : result.warnings.length > 0) && <div className="item-more"><ProblemList problems={result.kind === 'refused' ? result.problems : result.warnings} /></div>}
            </li>
          );
        })}
      </ul>
      <p className="quiet hint">{count(Object.keys(files).length, 'file')}. Each gets its own folder, and what it imports from others. Files called .env stay here.</p>
      <div className="form-end">
        <Button onClick={close} disabled={busy}>{done ? 'Close' : 'Cancel'}</Button>
        {done
          ? <Button variant="filled" data-autofocus onClick={() => (single ? openIt(only) : close())}>{single ? 'Open it' : 'Done'}</Button>
          : <Button variant="filled" loading={busy} disabled={chosen.length === 0 || wrong !== undefined} onClick={() => void deploy()}>Deploy {chosen.length > 1 ? chosen.length : ''}</Button>}
      </div>
    </div>
  );
}
