// A bucket's settings, new or known.
import { Button, Checkbox, Modal, TextInput } from '@mantine/core';
import { useState } from 'react';
import type { Api } from '../gateway/call.ts';
import { announce } from '../parts/Announcer.tsx';
import { Fault } from '../parts/Fault.tsx';
import { useSubmit } from '../parts/submit.ts';
import { createBucket, updateBucket, type Bucket } from './objects.ts';

interface Props { api: Api; editing: Bucket | 'new' | undefined; close: () => void; done: (id: string) => Promise<void> }

const units: Record<string, number> = { b: 1, kb: 1024, mb: 1024 ** 2, gb: 1024 ** 3 };

/** `20 MB` in bytes; null for no limit; undefined for what is no size. */
export function size(text: string): number | null | undefined {
  if (text.trim() === '') return null;
  const [, amount, unit] = /^([\d.]+)\s*([kmg]?b)?$/i.exec(text.trim()) ?? [];
  const bytes = Math.round(Number(amount) * units[(unit ?? 'b').toLowerCase()]!);
  return amount && Number.isSafeInteger(bytes) && bytes > 0 ? bytes : undefined;
}

const shown = (bytes: number | null) => {
  if (bytes === null) return '';
  const [unit, factor] = Object.entries(units).findLast(([, factor]) => bytes % factor === 0)!;
  return `${bytes / factor} ${unit.toUpperCase()}`;
};

export function BucketForm({ api, editing, close, done }: Props) {
  const known = typeof editing === 'object' ? editing : undefined;
  const [name, setName] = useState(known?.name ?? '');
  const [open, setOpen] = useState(known?.public ?? false);
  const [limit, setLimit] = useState(shown(known?.file_size_limit ?? null));
  const [types, setTypes] = useState(known?.allowed_mime_types?.join(', ') ?? '');
  const most = size(limit);
  const { busy, fault, submit } = useSubmit(async () => {
    const allowed = types.split(',').map((type) => type.trim()).filter(Boolean);
    const settings = { public: open, file_size_limit: most ?? null, allowed_mime_types: allowed.length ? allowed : null };
    if (known) await updateBucket(api, known.id, settings);
    else await createBucket(api, name, settings);
    announce(`${known ? 'Changed' : 'Made'} ${name}`);
    close();
    await done(known?.id ?? name);
  });
  return (
    <Modal opened={editing !== undefined} onClose={close} title={known ? `Bucket ${known.name}` : 'New bucket'} centered size="sm">
      <form className="form" onSubmit={submit}>
        {!known && <TextInput label="Name" required data-autofocus autoComplete="off" spellCheck={false} value={name} onChange={(event) => setName(event.currentTarget.value)} />}
        <Checkbox size="xs" label="Public" description="Whoever has a file’s URL may read it; writing stays with the policies" checked={open} onChange={(event) => setOpen(event.currentTarget.checked)} />
        <TextInput label="Largest file" description="As 20 MB; empty for the project’s own limit" value={limit} error={most === undefined && 'Write a size, as 20 MB'} onChange={(event) => setLimit(event.currentTarget.value)} />
        <TextInput label="Types" description="Allowed MIME types, with commas between; empty for all" placeholder="image/*, application/pdf" spellCheck={false} value={types} onChange={(event) => setTypes(event.currentTarget.value)} />
        {fault && <Fault title={fault} />}
        <div className="form-end">
          <Button onClick={close}>Cancel</Button>
          <Button type="submit" variant="filled" loading={busy} disabled={name === '' || most === undefined}>{known ? 'Save' : 'Make bucket'}</Button>
        </div>
      </form>
    </Modal>
  );
}
