// What is on its way, and what was refused.
import { ActionIcon, Button, Progress } from '@mantine/core';
import { X } from 'lucide-react';
import { bytes, count } from '../parts/format.ts';
import { Tone } from '../parts/Tone.tsx';
import type { Upload, Uploads } from './uploads.ts';

export function UploadList({ all, uploads }: { all: Upload[]; uploads: Uploads }) {
  if (all.length === 0) return null;
  const open = all.filter(({ state }) => state === 'waiting' || state === 'sending').length;
  return (
    <section className="uploads card" aria-label="Uploads">
      <div className="bar">
        <h3>{open > 0 ? `${count(open, 'upload')} on the way` : `${count(all.length, 'upload')}`}</h3>
        <span className="head-space" />
        <Button size="compact-xs" onClick={() => uploads.clear()}>Clear</Button>
      </div>
      <ul className="items">{all.map((upload) => <Row key={upload.id} upload={upload} uploads={uploads} />)}</ul>
    </section>
  );
}

function Row({ upload: { id, bucket, key, file, sent, state, fault }, uploads }: { upload: Upload; uploads: Uploads }) {
  const part = file.size === 0 ? (state === 'done' ? 100 : 0) : Math.min(100, (sent / file.size) * 100);
  return (
    <li>
      <span className="item-main breakable"><span className="quiet">{bucket}/</span>{key}</span>
      {state === 'done' && <Tone tone="good">Uploaded</Tone>}
      {state === 'failed' && <span className="bad" role="alert">{fault}</span>}
      {state === 'failed' && <Button size="compact-xs" onClick={() => uploads.again(id, false)}>Try again</Button>}
      {state === 'failed' && /already exists/.test(fault ?? '') && <Button size="compact-xs" onClick={() => uploads.again(id, true)}>Replace</Button>}
      {(state === 'sending' || state === 'waiting') && (
        <>
          <Progress.Root size="sm" className="upload-bar"><Progress.Section value={part} aria-label={`Uploading ${key}`} /></Progress.Root>
          <span className="quiet">{state === 'waiting' ? 'waiting' : `${bytes(sent)} of ${bytes(file.size)}`}</span>
        </>
      )}
      <ActionIcon size="sm" aria-label={`${state === 'sending' || state === 'waiting' ? 'Stop' : 'Dismiss'} ${key}`} onClick={() => uploads.remove(id)}><X size={13} aria-hidden /></ActionIcon>
    </li>
  );
}
