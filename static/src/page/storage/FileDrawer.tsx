// One file: what it is, what is in it, its URLs, and where else it could be.
import { Button, Drawer, NativeSelect, TextInput } from '@mantine/core';
import { Download, Trash2 } from 'lucide-react';
import { useState } from 'react';
import { words, type Api } from '../gateway/call.ts';
import { announce } from '../parts/Announcer.tsx';
import { Copy } from '../parts/Copy.tsx';
import { Fault } from '../parts/Fault.tsx';
import { bytes, moment } from '../parts/format.ts';
import { useSubmit } from '../parts/submit.ts';
import { join, move, publicUrl, sign, type Bucket, type Entry } from './objects.ts';
import { Preview } from './Preview.tsx';

interface Props { api: Api; bucket: Bucket; folder: string; entry: Entry | undefined; close: () => void; changed: () => Promise<void>; askDelete: (entry: Entry) => void }

export function FileDrawer({ entry, close, ...props }: Props) {
  return (
    <Drawer opened={entry !== undefined} onClose={close} position="right" size="lg" title="File" closeButtonProps={{ 'aria-label': 'Close' }}>
      {entry && <Details {...props} entry={entry} close={close} />}
    </Drawer>
  );
}

const terms = [{ value: '3600', label: 'an hour' }, { value: '86400', label: 'a day' }, { value: '604800', label: 'a week' }, { value: '31536000', label: 'a year' }];

function Details({ api, bucket, folder, entry, close, changed, askDelete }: Props & { entry: Entry }) {
  const key = join(folder, entry.name);
  const [term, setTerm] = useState('3600');
  const [signed, setSigned] = useState<string>();
  const [refused, setRefused] = useState<string>();
  const [target, setTarget] = useState(key);
  const moving = useSubmit(async () => {
    await move(api, bucket.id, key, target);
    announce(`Moved to ${target}`);
    close();
    await changed();
  });
  const trying = (run: () => Promise<void>) => async () => {
    setRefused(undefined);
    try {
      await run();
    } catch (error) {
      setRefused(words(error));
    }
  };
  const makeUrl = trying(async () => {
    const url = await sign(api, bucket.id, key, Number(term));
    setSigned(url);
    announce('Signed a URL');
  });
  const download = trying(async () => {
    const url = new URL(await sign(api, bucket.id, key, 60));
    url.searchParams.set('download', entry.name);
    const link = document.createElement('a');
    link.href = url.href;
    link.download = entry.name;
    link.click();
  });

  return (
    <div className="stack">
      <h2 className="breakable">{key}</h2>
      <div className="actions">
        <Button leftSection={<Download size={14} aria-hidden />} onClick={() => void download()}>Download</Button>
        <Button color="red" variant="outline" leftSection={<Trash2 size={14} aria-hidden />} onClick={() => askDelete(entry)}>Delete</Button>
      </div>
      {refused && <Fault title={refused} />}
      <Preview api={api} bucket={bucket.id} name={key} entry={entry} />
      <dl className="facts">
        <Fact name="Size" value={entry.metadata?.size === undefined ? 'not known' : bytes(entry.metadata.size)} />
        <Fact name="Type" value={entry.metadata?.mimetype ?? 'not known'} />
        <Fact name="Added" value={moment(entry.created_at)} />
        <Fact name="Changed" value={moment(entry.updated_at)} />
        <Fact name="Cached" value={entry.metadata?.cacheControl ?? ''} />
      </dl>
      <section aria-label="URLs">
        <h3>URLs</h3>
        <div className="bar">
          <NativeSelect aria-label="Signed for" data={terms} value={term} onChange={(event) => setTerm(event.currentTarget.value)} />
          <Button onClick={() => void makeUrl()}>Sign a URL</Button>
          {bucket.public && <Copy label="Copy public URL" what="the public URL" text={publicUrl(api, bucket.id, key)} />}
        </div>
        {signed && <p className="url"><a href={signed} target="_blank" rel="noreferrer" className="breakable">{signed}</a><Copy what="the signed URL" text={signed} /></p>}
      </section>
      <form onSubmit={moving.submit} aria-label="Move or rename" className="bar move">
        <TextInput label="Key" description="Change it to move or rename the file" spellCheck={false} autoComplete="off" value={target} onChange={(event) => setTarget(event.currentTarget.value)} />
        <Button type="submit" loading={moving.busy} disabled={target === key || target.trim() === ''}>Move</Button>
      </form>
      {moving.fault && <Fault title={moving.fault} />}
    </div>
  );
}

function Fact({ name, value }: { name: string; value: string }) {
  return <div className="fact"><dt>{name}</dt><dd>{value}</dd></div>;
}
