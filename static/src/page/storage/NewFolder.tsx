// A folder: a name that keys begin with, held by an empty file.
import { Button, Modal, TextInput } from '@mantine/core';
import { useState } from 'react';
import type { Api } from '../gateway/call.ts';
import { Fault } from '../parts/Fault.tsx';
import { useSubmit } from '../parts/submit.ts';
import { createFolder, join } from './objects.ts';

interface Props { api: Api; bucket: string; folder: string; opened: boolean; close: () => void; done: (folder: string) => void }

export function NewFolder({ api, bucket, folder, opened, close, done }: Props) {
  const [name, setName] = useState('');
  const path = join(folder, name.trim().replace(/^\/+|\/+$/g, ''));
  const { busy, fault, submit } = useSubmit(async () => {
    await createFolder(api, bucket, path);
    setName('');
    close();
    done(path);
  });
  return (
    <Modal opened={opened} onClose={close} title="New folder" centered size="sm">
      <form className="form" onSubmit={submit}>
        <TextInput label="Name" required data-autofocus autoComplete="off" spellCheck={false} value={name} onChange={(event) => setName(event.currentTarget.value)} />
        {fault && <Fault title={fault} />}
        <div className="form-end">
          <Button onClick={close}>Cancel</Button>
          <Button type="submit" variant="filled" loading={busy} disabled={name.trim() === ''}>Make folder</Button>
        </div>
      </form>
    </Modal>
  );
}
