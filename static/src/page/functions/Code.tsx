// A function's files: changed here, and deployed with a key press.
import { ActionIcon, Button, Kbd, Menu, Textarea, TextInput } from '@mantine/core';
import { Ellipsis, FileCode2, FilePlus2, RotateCcw, Rocket } from 'lucide-react';
import { lazy, Suspense, useEffect, useRef, useState, type FormEvent } from 'react';
import type { Api } from '../gateway/call.ts';
import { words } from '../gateway/call.ts';
import { announce } from '../parts/Announcer.tsx';
import type { Question } from '../parts/Confirm.tsx';
import { Fault } from '../parts/Fault.tsx';
import { bytes, milliseconds } from '../parts/format.ts';
import { Waiting } from '../parts/Waiting.tsx';
import type { Problem } from '../../functions/bundle/bundle.ts';
import { functions, problemsOf, type EdgeFunction } from './functions.ts';
import { filePathProblem, isText, textOf } from './sources.ts';
import { ProblemList } from './ProblemList.tsx';

const ScriptEditor = lazy(() => import('./ScriptEditor.tsx'));

type Content = string | Uint8Array;
type Sources = Record<string, Content>;

interface Props { api: Api; deployed: EdgeFunction; changed: () => Promise<void>; ask: (question: Question) => void; setDirty: (dirty: boolean) => void }

export function Code({ api, deployed, changed, ask, setDirty }: Props) {
  const { name, version } = deployed;
  const [known, setKnown] = useState<{ version: number; files: Sources }>();
  const [files, setFiles] = useState<Sources>({});
  // What was read anew is shown by another editor.
  const [generation, setGeneration] = useState(0);
  const [open, setOpen] = useState(deployed.entrypoint);
  const [fault, setFault] = useState<string>();
  const [problems, setProblems] = useState<Problem[]>();
  const [warnings, setWarnings] = useState<Problem[]>([]);
  const [wrong, setWrong] = useState<{ path: string; line: number; column: number; at: number }>();
  const [busy, setBusy] = useState(false);
  const [said, say] = useState<string>();
  const [naming, setNaming] = useState<{ from?: string }>();
  const marks = useRef(0);

  const dirty = known !== undefined && !same(files, known.files);
  useEffect(() => setDirty(dirty), [dirty]);

  const load = async () => {
    setFault(undefined);
    try {
      const source = await functions(api).source(name, { version });
      const read = Object.fromEntries(Object.entries(source).sort(([a], [b]) => (a < b ? -1 : 1)).map(([path, content]) => [path, isText(content) ? textOf(content) : content]));
      setKnown({ version, files: read });
      setFiles(read);
      setGeneration((now) => now + 1);
      setOpen((now) => (Object.hasOwn(read, now) ? now : (Object.keys(read)[0] ?? '')));
      setProblems(undefined);
      setWrong(undefined);
    } catch (error) {
      setFault(words(error));
    }
  };
  // Another version is shown at once, unless something was written here that it would take away.
  useEffect(() => {
    if (known?.version === version || (known && dirty)) return;
    void load();
  }, [version, name]);

  const deploy = async () => {
    if (busy) return;
    const sent = files;
    const began = performance.now();
    setBusy(true);
    setProblems(undefined);
    setWrong(undefined);
    setFault(undefined);
    say(undefined);
    try {
      const next = await functions(api).deploy(name, sent as Record<string, string>, { entrypoint: deployed.entrypoint });
      setWarnings(next.warnings);
      setKnown({ version: next.version, files: sent });
      const took = `Version ${next.version} answers, ${milliseconds(performance.now() - began)} after it was saved`;
      say(took);
      announce(took);
      await changed();
    } catch (error) {
      const found = problemsOf(error);
      if (found) {
        setProblems(found);
        const first = found.find(({ file, line }) => file !== undefined && line !== undefined && Object.hasOwn(sent, file));
        if (first) go(first);
        announce(`Not deployed: ${found[0]?.message}`);
      } else setFault(words(error));
    }
    setBusy(false);
  };
  const go = ({ file, line, column }: Problem) => {
    if (file === undefined || line === undefined) return;
    setOpen(file);
    setWrong({ path: file, line, column: column ?? 1, at: (marks.current += 1) });
  };
  const rename = (from: string | undefined, to: string) => {
    setFiles((now) => {
      const { [from ?? '']: content = '', ...rest } = now;
      return Object.fromEntries(Object.entries({ ...rest, [to]: content }).sort(([a], [b]) => (a < b ? -1 : 1)));
    });
    setOpen(to);
    setNaming(undefined);
  };
  const askRemove = (path: string) => ask({
    title: `Delete ${path}?`,
    text: 'It goes from here now, and from the function with the next deployment. Earlier versions still have it.',
    action: 'Delete',
    run: async () => {
      const { [path]: _, ...rest } = files;
      setFiles(rest);
      if (open === path) setOpen(Object.hasOwn(rest, deployed.entrypoint) ? deployed.entrypoint : (Object.keys(rest)[0] ?? ''));
    },
  });

  if (!known) return fault ? <Fault title={fault}><Button onClick={() => void load()}>Try again</Button></Fault> : <Waiting what="the files" />;
  const content = files[open];
  const texts = Object.fromEntries(Object.entries(files).filter((file): file is [string, string] => typeof file[1] === 'string'));
  return (
    <div className="code-place">
      <div className="panes code-panes">
        <div className="list">
          <ul aria-label="Files">
            {Object.keys(files).map((path) => (
              <li key={path} data-open={path === open || undefined}>
                <button type="button" className="list-item" aria-current={path === open || undefined} onClick={() => setOpen(path)} title={path}>
                  <FileCode2 size={14} aria-hidden /><span className="list-name">{path}</span>{files[path] !== known.files[path] && <span className="dot changed" title="Changed"><span className="unseen">changed</span></span>}
                </button>
                {path !== deployed.entrypoint && (
                  <Menu position="bottom-end" width={140}>
                    <Menu.Target><ActionIcon size="sm" aria-label={`More on ${path}`}><Ellipsis size={14} aria-hidden /></ActionIcon></Menu.Target>
                    <Menu.Dropdown><Menu.Item fz="sm" onClick={() => setNaming({ from: path })}>Rename</Menu.Item><Menu.Item fz="sm" className="bad" onClick={() => askRemove(path)}>Delete</Menu.Item></Menu.Dropdown>
                  </Menu>
                )}
              </li>
            ))}
          </ul>
          {naming
            ? <FileName key={naming.from} from={naming.from} taken={Object.keys(files)} done={(path) => rename(naming.from, path)} close={() => setNaming(undefined)} />
            : <Button className="start" leftSection={<FilePlus2 size={14} aria-hidden />} onClick={() => setNaming({})}>New file</Button>}
        </div>
        <div className="pane">
          <div className="editor-frame script" data-short={(problems ?? fault) !== undefined || warnings.length > 0 || undefined}>
            {typeof content === 'string' && (
              <Suspense fallback={<Textarea className="editor-waiting" aria-label="The editor is coming" readOnly value={content} />}>
                <ScriptEditor key={`${generation} ${open}`} path={open} initial={content} files={Object.keys(files).filter((path) => path !== open)} sources={texts} wrong={wrong?.path === open ? wrong : undefined} onChange={(text) => setFiles((now) => ({ ...now, [open]: text }))} onSave={() => void deploy()} />
              </Suspense>
            )}
            {content instanceof Uint8Array && <p className="quiet script-binary">{open} is no text: {bytes(content.length)}.</p>}
            {content === undefined && <p className="quiet script-binary">There is no file.</p>}
          </div>
          <div className="bar code-bar">
            <span className="quiet" role="status">{busy ? 'Bundling and deploying…' : (said ?? (dirty ? 'Not deployed yet' : `As it answers, version ${version}`))}</span>
            <span className="head-space" />
            <span className="quiet code-keys"><Kbd size="xs">Ctrl/⌘</Kbd> <Kbd size="xs">S</Kbd></span>
            <span className="actions">
              <Button leftSection={<RotateCcw size={14} aria-hidden />} disabled={!dirty || busy} onClick={() => ask({ title: 'Give up what was changed?', text: `The files become what version ${version} has.`, action: 'Give up', run: load })}>Undo all</Button>
              <Button variant="filled" leftSection={<Rocket size={14} aria-hidden />} loading={busy} onClick={() => void deploy()}>Deploy</Button>
            </span>
          </div>
          {fault && <Fault title={fault} />}
          {problems && <Fault title="It is not deployed: the version before still answers"><ProblemList problems={problems} go={go} /></Fault>}
          {!problems && warnings.length > 0 && <div className="notices"><strong>Deployed, with a warning</strong><ProblemList problems={warnings} go={go} /></div>}
        </div>
      </div>
    </div>
  );
}

function same(one: Sources, other: Sources): boolean {
  const names = Object.keys(one);
  return names.length === Object.keys(other).length && names.every((path) => one[path] === other[path]);
}

function FileName({ from, taken, done, close }: { from: string | undefined; taken: string[]; done: (path: string) => void; close: () => void }) {
  const [path, setPath] = useState(from ?? '');
  const [strict, setStrict] = useState(false);
  const wrong = filePathProblem(path, from === undefined ? taken : taken.filter((one) => one !== from));
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setStrict(true);
    if (!wrong) done(path);
  };
  return (
    <form className="file-name" onSubmit={submit} aria-label={from ? `Rename ${from}` : 'New file'}>
      <TextInput aria-label="Path of the file" placeholder="lib/name.ts" data-autofocus autoFocus spellCheck={false} autoComplete="off" autoCapitalize="off" value={path} error={strict && wrong} onChange={(event) => setPath(event.currentTarget.value)} onKeyDown={(event) => event.key === 'Escape' && close()} />
      <div className="actions"><Button type="submit" variant="filled">{from ? 'Rename' : 'Make'}</Button><Button onClick={close}>Cancel</Button></div>
    </form>
  );
}
