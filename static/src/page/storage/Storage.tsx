// Storage: the buckets, and the files of the one that is open.
import { ActionIcon, Button, Menu } from '@mantine/core';
import { Ellipsis, FolderOpen, Globe, Lock, Plus } from 'lucide-react';
import { useState } from 'react';
import { useApi, type Api } from '../gateway/call.ts';
import { useGateway } from '../gateway/context.ts';
import { announce } from '../parts/Announcer.tsx';
import { Confirm, type Question } from '../parts/Confirm.tsx';
import { Fault } from '../parts/Fault.tsx';
import { bytes } from '../parts/format.ts';
import { useLoaded } from '../parts/loaded.ts';
import { useStored } from '../parts/stored.ts';
import { Waiting } from '../parts/Waiting.tsx';
import { BucketForm } from './BucketForm.tsx';
import { Files } from './Files.tsx';
import { buckets, deleteBucket, emptyBucket, type Bucket } from './objects.ts';
import { UploadList } from './UploadList.tsx';
import { useUploads } from './uploads.ts';

export default function Storage() {
  const api = useApi();
  return api ? <Buckets api={api} /> : <div className="column wide"><div className="bar"><h1>Storage</h1></div><Waiting what="buckets" /></div>;
}

function Buckets({ api }: { api: Api }) {
  const { project } = useGateway();
  const [chosen, choose] = useStored(`gateway:bucket:${project}`, '');
  const [editing, edit] = useState<Bucket | 'new'>();
  const [question, ask] = useState<Question>();
  // What was emptied is shown from its root again; what came is read.
  const [emptied, setEmptied] = useState(0);
  const [arrived, setArrived] = useState(0);
  const { uploads, all } = useUploads(api, ({ key }) => {
    announce(`Uploaded ${key}`);
    setArrived((count) => count + 1);
  });
  const { value, fault, reload } = useLoaded(() => buckets(api), [api]);
  const open = value?.find(({ id }) => id === chosen) ?? value?.[0];

  const askEmpty = ({ id }: Bucket) => ask({
    title: `Empty ${id}?`, text: 'Every file in it is deleted. The bucket stays.', action: 'Empty',
    run: async () => {
      await emptyBucket(api, id);
      setEmptied(emptied + 1);
      announce(`Emptied ${id}`);
    },
  });
  const askDelete = ({ id }: Bucket) => ask({
    title: `Delete ${id}?`, text: 'Only an empty bucket can be deleted.', action: 'Delete',
    run: async () => {
      await deleteBucket(api, id);
      announce(`Deleted ${id}`);
      await reload();
    },
  });

  return (
    <div className="column wide">
      <div className="bar">
        <h1>Storage</h1>
        <span className="quiet bar-note">Files in this browser, answered at <code>/storage/v1</code></span>
        <span className="head-space" />
        <Button variant="filled" leftSection={<Plus size={14} aria-hidden />} onClick={() => edit('new')}>New bucket</Button>
      </div>
      {fault && <Fault title={fault} />}
      {!value && !fault && <Waiting what="buckets" />}
      {value?.length === 0 && <p className="quiet empty">No buckets yet. Files live in buckets: make the first one.</p>}
      {value && open && (
        <div className="panes">
          <nav className="list" aria-label="Buckets">
            <ul>
              {value.map((bucket) => (
                <li key={bucket.id} data-open={bucket.id === open.id || undefined}>
                  <button type="button" className="list-item" aria-current={bucket.id === open.id || undefined} onClick={() => choose(bucket.id)}>
                    {bucket.public ? <Globe size={14} aria-hidden /> : <Lock size={14} aria-hidden />}
                    <span className="list-name">{bucket.name}</span>
                    <span className="unseen">{bucket.public ? 'public' : 'private'}</span>
                  </button>
                  <Menu position="bottom-end" width={160}>
                    <Menu.Target><ActionIcon aria-label={`Actions on bucket ${bucket.name}`}><Ellipsis size={14} aria-hidden /></ActionIcon></Menu.Target>
                    <Menu.Dropdown>
                      <Menu.Item fz="sm" onClick={() => edit(bucket)}>Edit</Menu.Item>
                      <Menu.Item fz="sm" onClick={() => askEmpty(bucket)}>Empty</Menu.Item>
                      <Menu.Item fz="sm" className="bad" onClick={() => askDelete(bucket)}>Delete</Menu.Item>
                    </Menu.Dropdown>
                  </Menu>
                </li>
              ))}
            </ul>
          </nav>
          <section className="pane" aria-label={`Bucket ${open.name}`}>
            <p className="quiet bucket-facts">
              <FolderOpen size={14} aria-hidden /> {open.public ? 'Public: whoever has the URL may read.' : 'Private: policies on storage.objects decide.'}
              {open.file_size_limit !== null && ` Files up to ${bytes(open.file_size_limit)}.`}
              {open.allowed_mime_types !== null && ` Only ${open.allowed_mime_types.join(', ')}.`}
            </p>
            <UploadList all={all} uploads={uploads} />
            <Files key={`${open.id} ${emptied}`} api={api} bucket={open} uploads={uploads} arrived={arrived} />
          </section>
        </div>
      )}
      <BucketForm key={typeof editing === 'object' ? editing.id : editing} api={api} editing={editing} close={() => edit(undefined)} done={async (id) => { choose(id); await reload(); }} />
      <Confirm question={question} close={() => ask(undefined)} />
    </div>
  );
}
