// The files of a bucket, folder by folder: look, drop some in, open, move, delete.
import { Button, Checkbox, FileButton, TextInput } from '@mantine/core';
import { ChevronRight, File as FileIcon, Folder, FolderPlus, RefreshCw, Search, Trash2, Upload as UploadIcon } from 'lucide-react';
import { useDeferredValue, useState } from 'react';
import type { Api } from '../gateway/call.ts';
import { announce } from '../parts/Announcer.tsx';
import { Confirm, type Question } from '../parts/Confirm.tsx';
import { useDrop } from '../parts/drop.ts';
import { Fault } from '../parts/Fault.tsx';
import { ago, bytes, count, moment } from '../parts/format.ts';
import { useLoaded } from '../parts/loaded.ts';
import { Waiting } from '../parts/Waiting.tsx';
import { FileDrawer } from './FileDrawer.tsx';
import { NewFolder } from './NewFolder.tsx';
import { join, keysUnder, list, perPage, placeholder, remove, type Bucket, type Entry } from './objects.ts';
import { dropped, type Uploads } from './uploads.ts';

/** `uploads` is the queue of the whole place; `arrived` changes when one of them came into this bucket. */
export function Files({ api, bucket, uploads, arrived }: { api: Api; bucket: Bucket; uploads: Uploads; arrived: number }) {
  const [folder, setFolder] = useState('');
  const [search, setSearch] = useState('');
  const [pages, setPages] = useState(1);
  const [chosen, choose] = useState<ReadonlySet<string>>(new Set());
  const [open, setOpen] = useState<Entry>();
  const [naming, setNaming] = useState(false);
  const [question, ask] = useState<Question>();
  const sought = useDeferredValue(search.trim());
  const { value, fault, loading, reload } = useLoaded(async () => {
    const all: Entry[] = [];
    for (let page = 0; page < pages; page += 1) {
      const some = await list(api, bucket.id, folder, sought, page * perPage);
      all.push(...some);
      if (some.length < perPage) return { entries: all, more: false };
    }
    return { entries: all, more: true };
  }, [api, bucket.id, folder, sought, pages, arrived]);

  const go = (next: string) => {
    setFolder(next);
    setSearch('');
    setPages(1);
    choose(new Set());
  };
  const send = (files: { path: string; file: File }[]) => uploads.add(files.map(({ path, file }) => ({ bucket: bucket.id, key: join(folder, path), file, replace: false })));
  const { over, target } = useDrop((data) => void dropped(data).then(send));
  const entries = value?.entries.filter(({ name }) => name !== placeholder) ?? [];
  const names = entries.map(({ name }) => name).filter((name) => chosen.has(name));
  const askDelete = (some: Entry[]) => ask({
    title: some.length === 1 ? `Delete ${some[0]!.name}?` : `Delete ${some.length} entries?`,
    text: some.some(({ id }) => id === null) ? 'A folder goes with everything in it. This cannot be undone.' : 'This cannot be undone.',
    action: 'Delete',
    run: async () => {
      const keys: string[] = [];
      for (const { name, id } of some) keys.push(...(id === null ? await keysUnder(api, bucket.id, join(folder, name)) : [join(folder, name)]));
      await remove(api, bucket.id, keys);
      announce(`Deleted ${count(keys.length, 'file')}`);
      choose(new Set());
      setOpen(undefined);
      await reload();
    },
  });

  return (
    <div
      className="drop"
      data-over={over || undefined}
      {...target}
    >
      <div className="bar">
        <Crumbs bucket={bucket.name} folder={folder} go={go} />
        <span className="head-space" />
        {names.length > 0 && <Button color="red" variant="outline" leftSection={<Trash2 size={14} aria-hidden />} onClick={() => askDelete(entries.filter(({ name }) => chosen.has(name)))}>Delete {names.length}</Button>}
        <Button leftSection={<FolderPlus size={14} aria-hidden />} onClick={() => setNaming(true)}>New folder</Button>
        <FileButton multiple onChange={(files) => send(files.map((file) => ({ path: file.name, file })))}>
          {(button) => <Button {...button} variant="filled" leftSection={<UploadIcon size={14} aria-hidden />}>Upload</Button>}
        </FileButton>
      </div>
      <div className="bar">
        <TextInput className="search" aria-label="Search in this folder" placeholder="Name" leftSection={<Search size={14} aria-hidden />} value={search} onChange={(event) => setSearch(event.currentTarget.value)} />
        <Button leftSection={<RefreshCw size={14} aria-hidden />} onClick={() => void reload()}>Refresh</Button>
      </div>
      {fault && <Fault title={fault} />}
      {!value && !fault && <Waiting what="files" />}
      {value && entries.length === 0 && <p className="quiet empty">{sought ? 'No file has that name here.' : 'Nothing here. Drop files anywhere in this frame, or press Upload.'}</p>}
      {entries.length > 0 && (
        <div className="table-frame">
          <table className="table" aria-label="Files">
            <thead>
              <tr>
                <th scope="col" className="table-check"><Checkbox size="xs" aria-label="Choose all" checked={names.length === entries.length} indeterminate={names.length > 0 && names.length < entries.length} onChange={(event) => choose(new Set(event.currentTarget.checked ? entries.map(({ name }) => name) : []))} /></th>
                <th scope="col">Name</th><th scope="col" className="number">Size</th><th scope="col" className="wide-only">Type</th><th scope="col" className="wide-only">Changed</th>
              </tr>
            </thead>
            <tbody>
              {entries.map((entry) => (
                <tr key={`${entry.id} ${entry.name}`}>
                  <td className="table-check">
                    <Checkbox
                      size="xs"
                      aria-label={`Choose ${entry.name}`}
                      checked={chosen.has(entry.name)}
                      onChange={(event) => {
                        const next = new Set(chosen);
                        if (event.currentTarget.checked) next.add(entry.name);
                        else next.delete(entry.name);
                        choose(next);
                      }}
                    />
                  </td>
                  <td>
                    <button type="button" className="row-open" onClick={() => (entry.id === null ? go(join(folder, entry.name)) : setOpen(entry))}>
                      {entry.id === null ? <Folder size={14} aria-hidden /> : <FileIcon size={14} aria-hidden />}
                      <span>{entry.name}</span>
                      {entry.id === null && <span className="unseen">folder</span>}
                    </button>
                  </td>
                  <td className="number">{entry.metadata?.size === undefined ? '' : bytes(entry.metadata.size)}</td>
                  <td className="wide-only media">{entry.metadata?.mimetype ?? ''}</td>
                  <td className="wide-only unbroken" title={moment(entry.updated_at)}>{entry.updated_at ? ago(entry.updated_at) : ''}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {value?.more && <Button className="start" loading={loading} onClick={() => setPages(pages + 1)}>Show more</Button>}
      <p className="drop-hint" aria-hidden>Drop to upload into {join(bucket.name, folder)}</p>
      <NewFolder opened={naming} close={() => setNaming(false)} api={api} bucket={bucket.id} folder={folder} done={go} />
      <FileDrawer key={open?.id} api={api} bucket={bucket} folder={folder} entry={open} close={() => setOpen(undefined)} changed={reload} askDelete={(entry) => askDelete([entry])} />
      <Confirm question={question} close={() => ask(undefined)} />
    </div>
  );
}

function Crumbs({ bucket, folder, go }: { bucket: string; folder: string; go: (folder: string) => void }) {
  const parts = folder ? folder.split('/') : [];
  return (
    <nav className="crumbs" aria-label="Folder">
      {[bucket, ...parts].map((name, depth) => (
        <span key={depth} className="crumb">
          {depth > 0 && <ChevronRight size={13} aria-hidden />}
          {depth === parts.length
            ? <span aria-current="location">{name}</span>
            : <button type="button" className="row-open" onClick={() => go(parts.slice(0, depth).join('/'))}>{name}</button>}
        </span>
      ))}
    </nav>
  );
}
