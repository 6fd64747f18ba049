// What a function is run with, to be changed without a deployment.
import { Button, Checkbox, NativeSelect, TextInput } from '@mantine/core';
import { useState } from 'react';
import type { Api } from '../gateway/call.ts';
import type { FunctionHost, FunctionLimits } from '../../functions/functions.ts';
import { announce } from '../parts/Announcer.tsx';
import { Fault } from '../parts/Fault.tsx';
import { useSubmit } from '../parts/submit.ts';
import { functions, hosts, type EdgeFunction } from './functions.ts';

/** Names, what each means, and what the gateway takes. */
const limits: [keyof FunctionLimits, string, string, number, number][] = [
  ['memory_mib', 'Memory, MiB', 'Beyond it, it is ended', 16, 2048],
  ['cpu_ms', 'CPU, ms', 'Of one request, without a pause', 10, 600_000],
  ['timeout_ms', 'Answer within, ms', 'Until an answer has begun', 100, 3_600_000],
  ['wall_clock_ms', 'Life, ms', 'Of one worker', 1000, 3_600_000],
  ['concurrency', 'At a time', 'Requests', 1, 1000],
  ['queue', 'Waiting', 'Requests; more are refused', 0, 10_000],
];

interface Fields { verify_jwt: boolean; host: FunctionHost; limits: Record<keyof FunctionLimits, string> }

const fieldsOf = ({ verify_jwt, host, limits: known }: EdgeFunction): Fields => ({ verify_jwt, host, limits: Object.fromEntries(Object.entries(known).map(([name, value]) => [name, String(value)])) as Fields['limits'] });

function wrongIn(fields: Fields): Partial<Record<keyof FunctionLimits, string>> {
  return Object.fromEntries(limits.flatMap(([name, , , low, high]) => {
    const text = fields.limits[name].trim();
    return /^\d+$/.test(text) && Number(text) >= low && Number(text) <= high ? [] : [[name, `A whole number from ${low.toLocaleString('en')} to ${high.toLocaleString('en')}`]];
  }));
}

export function FunctionSettingsForm({ api, deployed, changed }: { api: Api; deployed: EdgeFunction; changed: () => Promise<void> }) {
  const [known, setKnown] = useState(() => fieldsOf(deployed));
  const [fields, setFields] = useState(known);
  const [saved, setSaved] = useState(false);
  const wrong = wrongIn(fields);
  const dirty = JSON.stringify(fields) !== JSON.stringify(known);
  const change = (part: Partial<Fields>) => {
    setFields((now) => ({ ...now, ...part }));
    setSaved(false);
  };
  const { busy, fault, submit } = useSubmit(async () => {
    if (Object.keys(wrong).length > 0) return;
    const numbers = Object.fromEntries(limits.map(([name]) => [name, Number(fields.limits[name])]));
    const next = fieldsOf(await functions(api).update(deployed.name, { verify_jwt: fields.verify_jwt, host: fields.host, limits: numbers }));
    setKnown(next);
    setFields(next);
    setSaved(true);
    announce(`Kept the settings of ${deployed.name}`);
    await changed();
  });
  return (
    <form className="form app-settings" onSubmit={submit} aria-label={`Settings of ${deployed.name}`}>
      <Checkbox size="xs" label="Only requests with a token of this project’s" description="verify_jwt: without it, anyone’s request reaches the function; it may check for itself" checked={fields.verify_jwt} onChange={(event) => change({ verify_jwt: event.currentTarget.checked })} />
      <NativeSelect label="Runs in" value={fields.host} onChange={(event) => change({ host: event.currentTarget.value as FunctionHost })} data={Object.entries(hosts).map(([value, label]) => ({ value, label }))} />
      <div className="field-grid">
        {limits.map(([name, label, description]) => <TextInput key={name} label={label} description={description} inputMode="numeric" value={fields.limits[name]} error={wrong[name]} onChange={(event) => change({ limits: { ...fields.limits, [name]: event.currentTarget.value } })} />)}
      </div>
      {fault && <Fault title={fault} />}
      {saved && <p className="good" role="status">Kept.</p>}
      <div className="form-end">
        <Button disabled={!dirty || busy} onClick={() => setFields(known)}>Undo</Button>
        <Button type="submit" variant="filled" loading={busy} disabled={!dirty || Object.keys(wrong).length > 0}>Save</Button>
      </div>
    </form>
  );
}
