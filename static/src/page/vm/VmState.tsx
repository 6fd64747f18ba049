// How the VM is, what it costs, and the buttons that change that.
import { Button, Progress } from '@mantine/core';
import { Play, RotateCw, Square } from 'lucide-react';
import { useState, type ReactNode } from 'react';
import { words, type Api } from '../gateway/call.ts';
import { Confirm, type Question } from '../parts/Confirm.tsx';
import { Fault } from '../parts/Fault.tsx';
import { bytes, milliseconds } from '../parts/format.ts';
import { Tone } from '../parts/Tone.tsx';
import { Waiting } from '../parts/Waiting.tsx';
import type { Connection } from './events.ts';
import { act, actions, advice, engines, states, type Action, type VmSettings, type VmStatus } from './vm.ts';

const buttons = {
  start: { word: 'Start', icon: Play },
  restart: { word: 'Restart', icon: RotateCw },
  stop: { word: 'Stop', icon: Square },
} as const;

interface Props { api: Api; status: VmStatus | undefined; settings: VmSettings | undefined; connection: Connection; again: () => void }

export function VmState({ api, status, settings, connection, again }: Props) {
  const [pending, setPending] = useState<Action>();
  const [refused, setRefused] = useState<string>();
  const [question, ask] = useState<Question>();
  const run = async (action: Action) => {
    setPending(action);
    setRefused(undefined);
    try {
      await act(api, action);
    } catch (error) {
      setRefused(words(error));
    }
    setPending(undefined);
    again();
  };
  const press = (action: Action) => {
    if (action === 'start' || status?.state === 'loading' || status?.state === 'booting') void run(action);
    else {
      ask({
        title: `${buttons[action].word} the VM?`,
        text: action === 'stop'
          ? 'Every app stops answering. Files are kept; the next request to an app starts the VM again.'
          : 'Every app is down for some seconds. Files are kept, and what ran is started again.',
        action: buttons[action].word,
        run: () => act(api, action).then(again),
      });
    }
  };

  return (
    <>
      <div className="bar">
        <h1>Virtual machine</h1>
        {status && <Tone tone={states[status.state].tone}>{states[status.state].word}</Tone>}
        <span className="quiet bar-note">{status && states[status.state].means}</span>
        <span className="head-space" />
        <span className="actions">
          {status && actions(status.state).map((action) => {
            const { word, icon: Icon } = buttons[action];
            return <Button key={action} variant={action === 'start' ? 'filled' : 'default'} loading={pending === action} disabled={pending !== undefined} leftSection={<Icon size={14} aria-hidden />} onClick={() => press(action)}>{word}</Button>;
          })}
        </span>
      </div>
      {refused && <Fault title={refused} />}
      {!status && (connection.kind === 'lost' ? <Fault title="The VM’s state cannot be read">{connection.why}</Fault> : <Waiting what="the VM’s state" />)}
      {status && connection.kind === 'lost' && <p className="quiet" role="status">What is shown may be old: {connection.why}. Asking again…</p>}
      {status && <Facts status={status} settings={settings} />}
      {status?.state === 'error' && status.error && (
        <Fault title="The VM does not run">
          <p>{status.error.message}</p>
          {status.error.lines && status.error.lines.length > 0 && <pre tabIndex={0} aria-label="The console’s last lines">{status.error.lines.join('\n')}</pre>}
          <ul>{(status.error.hint ? [status.error.hint] : advice(status.error.code)).map((line) => <li key={line}>{line}</li>)}</ul>
          <p className="quiet">Code <code>{status.error.code}</code></p>
        </Fault>
      )}
      <Confirm question={question} close={() => ask(undefined)} />
    </>
  );
}

function Facts({ status, settings }: { status: VmStatus; settings: VmSettings | undefined }) {
  const { state, guest, from, boot_ms } = status;
  // Of one that does not run: what it will be started with.
  const engine = status.engine ?? settings?.engine;
  const memory = status.memory ?? settings?.memory;
  const running = state === 'ready' || state === 'paused';
  const used = guest && guest.memory_total > 0 ? guest : undefined;
  const disk = guest?.disk_total ? { disk_used: guest.disk_used ?? 0, disk_total: guest.disk_total } : undefined;
  return (
    <section className="card" aria-label="State">
      {(state === 'loading' || state === 'booting') && <Coming status={status} />}
      <dl className="facts vm-facts">
        <Fact name="Engine" more={engine && (engine === 'v86' ? 'Part of this page' : 'From its vendor')}>{engine ? engines[engine] : '–'}</Fact>
        <Fact name="Memory" more={used ? `${bytes(used.memory_used)} in use` : undefined} meter={used && { part: used.memory_used / used.memory_total, what: 'Memory in use' }}>{memory ? `${memory} MiB` : '–'}</Fact>
        <Fact name="Disk" more={disk && `of ${bytes(disk.disk_total)}`} meter={disk && { part: disk.disk_used / disk.disk_total, what: 'Disk in use' }}>{disk ? bytes(disk.disk_used) : '–'}</Fact>
        <Fact name="Load" more="Average of a minute">{running && guest ? guest.load.toFixed(2) : '–'}</Fact>
        <Fact name="Started" more={from === 'snapshot' ? 'From its snapshot' : from === 'cold' ? 'Cold, without a snapshot' : undefined}>{boot_ms === null || boot_ms === undefined ? '–' : `in ${milliseconds(boot_ms)}`}</Fact>
      </dl>
    </section>
  );
}

function Coming({ status: { state, stage, loaded = 0, total = 0 } }: { status: VmStatus }) {
  const known = state === 'loading' && total > 0;
  return (
    <div className="vm-coming">
      <p><span className="sentence">{stage || (state === 'booting' ? 'Linux starts' : 'Fetching')}</span><span className="quiet">{known ? `${bytes(loaded)} of ${bytes(total)}` : loaded > 0 ? bytes(loaded) : ''}</span></p>
      <Progress.Root size="sm"><Progress.Section value={known ? Math.min(100, (loaded / total) * 100) : 100} animated={!known} striped={!known} aria-label={stage || 'Starting'} /></Progress.Root>
    </div>
  );
}

interface FactProps { name: string; children: ReactNode; more?: ReactNode; meter?: { part: number; what: string } | undefined }

/** Its second line is kept free where there is none, so that nothing moves when one comes. */
function Fact({ name, children, more, meter }: FactProps) {
  return (
    <div className="fact">
      <dt>{name}</dt>
      <dd>{children}{meter && <Progress.Root size="xs" className="vm-meter"><Progress.Section value={Math.min(100, meter.part * 100)} color={meter.part > 0.9 ? 'red' : 'green'} aria-label={meter.what} /></Progress.Root>}</dd>
      <dd className="fact-more">{more ?? '\u00a0'}</dd>
    </div>
  );
}
