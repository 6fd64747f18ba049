// A function to begin with: a name and something that runs.
import { Button, Checkbox, Modal, Radio, TextInput } from '@mantine/core';
import { useState } from 'react';
import type { Api } from '../gateway/call.ts';
import { announce } from '../parts/Announcer.tsx';
import { Fault } from '../parts/Fault.tsx';
import { useSubmit } from '../parts/submit.ts';
import { functions, nameProblem, type EdgeFunction } from './functions.ts';
import { templates } from './templates.ts';

export function NewFunction({ api, known, close, done }: { api: Api; known: EdgeFunction[]; close: () => void; done: (name: string) => Promise<void> }) {
  const [name, setName] = useState('');
  const [chosen, choose] = useState('hello');
  const [verifies, setVerifies] = useState(true);
  const [strict, setStrict] = useState(false);
  const wrong = nameProblem(name, known);
  const { busy, fault, submit } = useSubmit(async () => {
    setStrict(true);
    if (wrong) return;
    await functions(api).deploy(name, templates[chosen]!.files, { verify_jwt: verifies });
    announce(`Deployed ${name}`);
    await done(name);
  });
  return (
    <Modal opened onClose={close} title="New function" size="md" centered closeButtonProps={{ 'aria-label': 'Close' }} closeOnEscape={!busy} closeOnClickOutside={false} withCloseButton={!busy}>
      <form className="form" onSubmit={submit} aria-label="New function">
        <TextInput label="Name" placeholder="hello" data-autofocus spellCheck={false} autoComplete="off" autoCapitalize="off" value={name} error={strict && wrong} onChange={(event) => setName(event.currentTarget.value)} />
        <Radio.Group className="choices" label="Begin with" value={chosen} onChange={choose}>
          {Object.entries(templates).map(([key, { title, text }]) => (
            <Radio.Card key={key} value={key} className="choice" aria-label={title}>
              <Radio.Indicator size="xs" />
              <span><span className="choice-title">{title}</span><span className="quiet hint">{text}</span></span>
            </Radio.Card>
          ))}
        </Radio.Group>
        <Checkbox size="xs" label="Only requests with a token of this project’s" checked={verifies} onChange={(event) => setVerifies(event.currentTarget.checked)} />
        {fault && <Fault title={fault} />}
        <div className="form-end"><Button onClick={close} disabled={busy}>Cancel</Button><Button type="submit" variant="filled" loading={busy}>Make and deploy</Button></div>
      </form>
    </Modal>
  );
}
