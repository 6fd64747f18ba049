// A new user: made here with a password, or invited by mail.
import { Button, Checkbox, Modal, PasswordInput, Textarea, TextInput } from '@mantine/core';
import { useState } from 'react';
import type { Api } from '../gateway/call.ts';
import { announce } from '../parts/Announcer.tsx';
import { Fault } from '../parts/Fault.tsx';
import { useSubmit } from '../parts/submit.ts';
import { create, invite } from './users.ts';

interface Props { api: Api; opened: boolean; close: () => void; done: () => Promise<void> }

const blank = { email: '', phone: '', password: '', metadata: '', confirm: true };

export function AddUser({ api, opened, close, done }: Props) {
  const [draft, setDraft] = useState(blank);
  const { busy, fault, submit } = useSubmit(async () => {
    const { email, phone, password, metadata, confirm } = draft;
    await create(api, {
      ...(email && { email, email_confirm: confirm }),
      ...(phone && { phone, phone_confirm: confirm }),
      ...(password && { password }),
      ...(metadata.trim() && { user_metadata: JSON.parse(metadata) as unknown }),
    });
    announce(`Added ${email || phone}`);
    setDraft(blank);
    close();
    await done();
  });
  const badMetadata = draft.metadata.trim() !== '' && !isObject(draft.metadata);
  const change = (part: Partial<typeof blank>) => setDraft({ ...draft, ...part });
  return (
    <Modal opened={opened} onClose={close} title="Add user" centered>
      <form className="form" onSubmit={submit}>
        <TextInput label="Email" type="email" data-autofocus autoComplete="off" value={draft.email} onChange={(event) => change({ email: event.currentTarget.value })} />
        <TextInput label="Phone" type="tel" description="With the country’s code, as +15551234567" autoComplete="off" value={draft.phone} onChange={(event) => change({ phone: event.currentTarget.value })} />
        <PasswordInput label="Password" size="xs" autoComplete="new-password" visibilityToggleButtonProps={{ 'aria-label': 'Show the password' }} value={draft.password} onChange={(event) => change({ password: event.currentTarget.value })} />
        <Textarea label="User metadata" description="A JSON object" placeholder={'{"full_name": "Ada"}'} autosize minRows={2} maxRows={8} spellCheck={false} error={badMetadata && 'This is no JSON object'} value={draft.metadata} onChange={(event) => change({ metadata: event.currentTarget.value })} />
        <Checkbox size="xs" label="Confirmed at once, without a mail" checked={draft.confirm} onChange={(event) => change({ confirm: event.currentTarget.checked })} />
        {fault && <Fault title={fault} />}
        <div className="form-end">
          <Button onClick={close}>Cancel</Button>
          <Button type="submit" variant="filled" loading={busy} disabled={(!draft.email && !draft.phone) || badMetadata}>Add user</Button>
        </div>
      </form>
    </Modal>
  );
}

export function InviteUser({ api, opened, close, done }: Props) {
  const [email, setEmail] = useState('');
  const { busy, fault, submit } = useSubmit(async () => {
    await invite(api, email);
    announce(`Invited ${email}`);
    setEmail('');
    close();
    await done();
  });
  return (
    <Modal opened={opened} onClose={close} title="Invite a user" centered size="sm">
      <form className="form" onSubmit={submit}>
        <TextInput label="Email" type="email" required data-autofocus autoComplete="off" description="The mail with the link comes to the outbox" value={email} onChange={(event) => setEmail(event.currentTarget.value)} />
        {fault && <Fault title={fault} />}
        <div className="form-end">
          <Button onClick={close}>Cancel</Button>
          <Button type="submit" variant="filled" loading={busy} disabled={!email}>Send invitation</Button>
        </div>
      </form>
    </Modal>
  );
}

function isObject(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value);
  } catch {
    return false;
  }
}
