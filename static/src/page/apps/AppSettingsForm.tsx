// What an app is started with, to be changed.
import { Button } from '@mantine/core';
import { useState } from 'react';
import type { Api } from '../gateway/call.ts';
import { announce } from '../parts/Announcer.tsx';
import { Fault } from '../parts/Fault.tsx';
import { useSubmit } from '../parts/submit.ts';
import { change as patch, type App } from './apps.ts';
import { fieldsOf, problems, settingsOf, type Fields } from './fields.ts';
import { Main, More } from './SettingsFields.tsx';

interface Props { api: Api; app: App; changed: () => Promise<void> }

export function AppSettingsForm({ api, app, changed }: Props) {
  const [known, setKnown] = useState(() => fieldsOf(app));
  const [fields, setFields] = useState(known);
  const [saved, setSaved] = useState(false);
  const [strict, setStrict] = useState(false);
  const dirty = JSON.stringify(fields) !== JSON.stringify(known);
  const running = app.state === 'running' || app.state === 'starting';
  const change = (part: Partial<Fields>) => {
    setFields((now) => ({ ...now, ...part }));
    setSaved(false);
  };
  const { busy, fault, submit } = useSubmit(async () => {
    setStrict(true);
    if (Object.keys(problems(fields)).length > 0) return;
    const next = fieldsOf(await patch(api, app.name, { env: {}, ...settingsOf(fields) }));
    setKnown(next);
    setFields(next);
    setSaved(true);
    announce(`Kept the settings of ${app.name}`);
    await changed();
  });
  return (
    <form className="form app-settings" onSubmit={submit} aria-label={`Settings of ${app.name}`}>
      <div className="field-grid"><Main fields={fields} change={change} strict={strict} /></div>
      <More fields={fields} change={change} strict={strict} />
      {fault && <Fault title={fault} />}
      {saved && <p className="good" role="status">{running ? 'Kept, and started again with them.' : 'Kept.'}</p>}
      <div className="form-end">
        <Button disabled={!dirty || busy} onClick={() => { setFields(known); setStrict(false); }}>Undo</Button>
        <Button type="submit" variant="filled" loading={busy} disabled={!dirty}>Save</Button>
      </div>
    </form>
  );
}
