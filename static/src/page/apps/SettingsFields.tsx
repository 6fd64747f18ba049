// The fields that a new app and a known one have in common.
import { Checkbox, NativeSelect, TextInput } from '@mantine/core';
import { runtimes, type RuntimeName } from './apps.ts';
import { EnvEditor } from './EnvEditor.tsx';
import { hasEntry, problems, type Fields } from './fields.ts';

interface Props {
  fields: Fields;
  change: (part: Partial<Fields>) => void;
  /** Files that may be the entry, to choose from. */
  entries?: string[];
  /** Faults are shown once something was sent, or where a field has something in it. */
  strict: boolean;
}

const kinds = Object.entries(runtimes).map(([value, { title }]) => ({ value, label: title }));

export function Main({ fields, change, entries = [], strict }: Props) {
  const faults = problems(fields);
  const fault = (name: 'runtime' | 'entry' | 'command') => (strict || fields[name] !== '') && faults[name];
  return (
    <>
      <NativeSelect label="Runtime" value={fields.runtime} error={fault('runtime')} onChange={(event) => change({ runtime: event.currentTarget.value as RuntimeName | '' })} data={[...(fields.runtime === '' ? [{ value: '', label: 'Choose…' }] : []), ...kinds]} />
      {hasEntry(fields.runtime) && (
        <>
          <TextInput label="Entry file" list="entries" spellCheck={false} autoComplete="off" value={fields.entry} error={fault('entry')} onChange={(event) => change({ entry: event.currentTarget.value })} />
          <datalist id="entries">{entries.map((path) => <option key={path} value={path} />)}</datalist>
        </>
      )}
      {fields.runtime === 'command' && <TextInput label="Command" description="Run in the app’s folder; it must listen on $PORT" placeholder="./server --quiet" spellCheck={false} autoComplete="off" value={fields.command} error={fault('command')} onChange={(event) => change({ command: event.currentTarget.value })} />}
    </>
  );
}

export function More({ fields, change }: Props) {
  const faults = problems(fields);
  return (
    <>
      <EnvEditor variables={fields.env} change={(env) => change({ env })} />
      {faults.env && <p className="bad hint" role="alert">{faults.env}</p>}
      <div className="field-grid">
        <TextInput label="Port" description="It is given as PORT" inputMode="numeric" placeholder="chosen for it" value={fields.port} error={faults.port} onChange={(event) => change({ port: event.currentTarget.value })} />
        <TextInput label="Start deadline, seconds" description="To listen, from its start" inputMode="numeric" placeholder="60" value={fields.deadline} error={faults.deadline} onChange={(event) => change({ deadline: event.currentTarget.value })} />
        <TextInput label="Memory limit, MiB" description="Beyond it, it is ended" inputMode="numeric" placeholder="256" value={fields.memory} error={faults.memory} onChange={(event) => change({ memory: event.currentTarget.value })} />
        <TextInput label="Process limit" description="Threads count too" inputMode="numeric" placeholder="128" value={fields.processes} error={faults.processes} onChange={(event) => change({ processes: event.currentTarget.value })} />
      </div>
      <Checkbox size="xs" label="Start with the VM" description="Otherwise it starts with the first request to it" checked={fields.autostart} onChange={(event) => change({ autostart: event.currentTarget.checked })} />
    </>
  );
}
