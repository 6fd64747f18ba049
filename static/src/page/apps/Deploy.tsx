// What was dropped, what it seems to be, and its way into the VM.
import { Alert, Button, Modal, Progress, TextInput, Checkbox } from '@mantine/core';
import { TriangleAlert } from 'lucide-react';
import { useEffect, useRef, useState, type FormEvent } from 'react';
import { words, type Api } from '../gateway/call.ts';
import { announce } from '../parts/Announcer.tsx';
import { Fault } from '../parts/Fault.tsx';
import { bytes, count } from '../parts/format.ts';
import { Waiting } from '../parts/Waiting.tsx';
import { nameProblem, type App } from './apps.ts';
import { blank, fieldsOf, problems, settingsOf, type Fields } from './fields.ts';
import { texts, under, weight, type Picked } from './files.ts';
import { guess, join, read, type Guess } from './guess.ts';
import { Refusal } from './Refusal.tsx';
import { send } from './send.ts';
import { Main, More } from './SettingsFields.tsx';
import { pack } from './zip.ts';

/** From here on a deployment takes its time, and much of the VM's disk. */
const large = 64 * 1024 * 1024;
/** The most that the gateway takes, and bytes of them all. */
const mostFiles = 20_000;

interface Props { api: Api; picked: Picked; apps: App[]; into: App | undefined; close: () => void; done: (name: string, start: boolean) => Promise<void> }

export function Deploy({ api, picked, apps, into, close, done }: Props) {
  const [guessed, setGuessed] = useState<Guess>();
  const [fault, setFault] = useState<string>();
  useEffect(() => {
    void texts(picked.files, read).then(
      (found) => setGuessed(guess(picked.files.map(({ path }) => path), found, picked.folder)),
      (error: unknown) => setFault(words(error)),
    );
  }, [picked]);
  // One that is on its way is stopped by its own button only.
  const [busy, setBusy] = useState(false);
  return (
    <Modal opened onClose={close} title={into ? `New files for ${into.name}` : 'Deploy an app'} size="lg" centered closeButtonProps={{ 'aria-label': 'Close' }} closeOnClickOutside={false} closeOnEscape={!busy} withCloseButton={!busy}>
      {fault && <Fault title={fault} />}
      {!guessed && !fault && <Waiting what="the files" />}
      {guessed && <Form api={api} picked={under(picked, guessed.root)} guessed={guessed} apps={apps} into={into} close={close} done={done} setBusy={setBusy} />}
    </Modal>
  );
}

type Step = { kind: 'packing'; read: number; of: number } | { kind: 'sending'; sent: number; of: number };

function Form({ api, picked, guessed, apps, into, close, done, setBusy }: Props & { guessed: Guess; setBusy: (busy: boolean) => void }) {
  const [name, setName] = useState(into?.name ?? guessed.name);
  const [fields, setFields] = useState<Fields>(() => (into ? fieldsOf(into) : { ...blank, runtime: guessed.runtime ?? '', entry: guessed.entry ?? '', command: join(guessed.command ?? []) }));
  const [startIt, setStartIt] = useState(true);
  const [strict, setStrict] = useState(false);
  const [step, setStep] = useState<Step>();
  const [fault, setFault] = useState<unknown>();
  const stopping = useRef<AbortController>(undefined);
  useEffect(() => () => stopping.current?.abort(new Error('Stopped')), []);
  const said = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (fault) said.current?.scrollIntoView({ block: 'nearest' });
  }, [fault]);
  const size = weight(picked.files);
  const known = apps.find((app) => app.name === name);
  const badName = nameProblem(name);

  const deploy = async (event: FormEvent) => {
    event.preventDefault();
    setStrict(true);
    if (step || badName || Object.keys(problems(fields)).length > 0) return;
    setBusy(true);
    setFault(undefined);
    const stop = new AbortController();
    stopping.current = stop;
    try {
      setStep({ kind: 'packing', read: 0, of: size });
      const bundle = picked.zip ?? (await pack(picked.files, (read) => setStep({ kind: 'packing', read, of: size }), stop.signal));
      setStep({ kind: 'sending', sent: 0, of: bundle.size });
      await send(api, name, { ...(into && { env: {} }), ...settingsOf(fields) }, bundle, (sent) => setStep({ kind: 'sending', sent: Math.min(sent, bundle.size), of: bundle.size }), stop.signal);
      announce(`Deployed ${name}`);
      // One that runs has been started again with its new files.
      await done(name, startIt && known?.state !== 'running');
      return;
    } catch (error) {
      setFault(error);
    }
    setStep(undefined);
    setBusy(false);
  };

  return (
    <form className="form deploy" onSubmit={(event) => void deploy(event)}>
      <p className="quiet">
        {count(picked.files.length, 'file')}, {bytes(size)}{guessed.root && <>, all of <code>{guessed.root}</code></>}
        {picked.left.length > 0 && <>, without {picked.left.join(', ')}</>}
        {guessed.because && <>. Recognised by {guessed.because}.</>}
      </p>
      {size > large && <Notes lines={[`${bytes(size)} take a while to pack and to unpack in the VM. What is only for development, as caches and tests, need not come along.`]} />}
      {guessed.warnings.length > 0 && <Notes lines={guessed.warnings} />}
      <fieldset disabled={step !== undefined} className="form bare">
        <TextInput label="Name" description={`Its address: /app/${name || 'name'}/`} data-autofocus required spellCheck={false} autoComplete="off" value={name} disabled={into !== undefined} error={(strict || name !== '') && badName} onChange={(event) => setName(event.currentTarget.value)} />
        <Main fields={fields} change={(part) => setFields((now) => ({ ...now, ...part }))} entries={picked.files.map(({ path }) => path).filter((path) => (fields.runtime === 'python' ? path.endsWith('.py') : /\.[cm]?js$/.test(path)) && !path.includes('node_modules/')).slice(0, 200)} strict={strict} />
        <details className="more">
          <summary>Environment, port, limits</summary>
          <div className="form"><More fields={fields} change={(part) => setFields((now) => ({ ...now, ...part }))} strict={strict} /></div>
        </details>
        <Checkbox size="xs" label="Start it when it is there" checked={startIt} onChange={(event) => setStartIt(event.currentTarget.checked)} />
      </fieldset>
      <div ref={said}>{fault !== undefined && <Refusal api={api} error={fault} />}</div>
      <div className="deploy-end">
        {step && <Coming step={step} />}
        <span className="head-space" />
        <Button onClick={() => (step ? stopping.current?.abort(new Error('Stopped')) : close())}>{step ? 'Stop' : 'Cancel'}</Button>
        <Button type="submit" variant="filled" loading={step !== undefined} disabled={picked.files.length > mostFiles}>{known ? `Replace ${name}` : 'Deploy'}</Button>
      </div>
      {known && !step && <p className="quiet hint">There is an app {name}: its files are replaced by these. What is left out above stays as it was.</p>}
      {picked.files.length > mostFiles && <p className="bad hint" role="alert">These are {picked.files.length.toLocaleString('en')} files; {mostFiles.toLocaleString('en')} can be sent at once.</p>}
    </form>
  );
}

function Coming({ step }: { step: Step }) {
  const [what, part, of] = step.kind === 'packing' ? ['Packing', step.read, step.of] : ['Sending', step.sent, step.of];
  // Whether anything is told on the way is up to the browser: then how much is known, and that it moves.
  const known = part > 0 && part < of;
  return (
    <div className="deploy-coming" role="status">
      <Progress.Root size="sm"><Progress.Section value={known ? (part / of) * 100 : 100} animated={!known} striped={!known} aria-label={what} /></Progress.Root>
      <span className="quiet">{what}{known ? ` ${bytes(part)} of ${bytes(of)}` : ` ${bytes(of)}`}…</span>
    </div>
  );
}

const Notes = ({ lines }: { lines: string[] }) => (
  <Alert className="notes" color="yellow" variant="outline" icon={<TriangleAlert size={16} aria-hidden />}>{lines.map((line) => <p key={line}>{line}</p>)}</Alert>
);
