// All of the project in one file, and back from one.
import { Button, FileButton } from '@mantine/core';
import { Check, Download, Upload } from 'lucide-react';
import { useMemo, useState, type ReactNode } from 'react';
import { backup, type BackupManifest } from '../../api/backup.ts';
import { calls } from '../../api/call.ts';
import { secrets } from '../functions/functions.ts';
import { useApi, words } from '../gateway/call.ts';
import { useGateway, useStatus } from '../gateway/context.ts';
import { projectUrl } from '../gateway/project.ts';
import { announce } from '../parts/Announcer.tsx';
import { Confirm, type Question } from '../parts/Confirm.tsx';
import { useDrop } from '../parts/drop.ts';
import { Fault } from '../parts/Fault.tsx';
import { bytes, count, moment } from '../parts/format.ts';
import { useLoaded } from '../parts/loaded.ts';
import { saveFile } from '../parts/save.ts';

export default function Backup() {
  const { project } = useGateway();
  const client = useMemo(() => backup(calls(projectUrl(project)), project), [project]);
  return (
    <div className="column">
      <div className="title">
        <h1>Backup</h1>
        <p className="quiet">One file with the whole project: the database with users and keys, stored objects, applications and functions. Whoever has the file has the project’s keys. What applications wrote to the machine’s disk is not in it.</p>
      </div>
      <Make client={client} project={project} />
      <Restore client={client} project={project} />
    </div>
  );
}

type Client = ReturnType<typeof backup>;

function Make({ client, project }: { client: Client; project: string }) {
  const api = useApi();
  const { value: held } = useLoaded(api && (() => secrets(api).list()), [api]);
  const [busy, setBusy] = useState(false);
  const [fault, setFault] = useState<string>();
  const [made, setMade] = useState<{ name: string; size: number }>();
  const make = async () => {
    setBusy(true);
    setFault(undefined);
    setMade(undefined);
    try {
      const blob = await client.make();
      const name = `${project}-${new Date().toISOString().slice(0, 10)}.tar.gz`;
      saveFile(blob, name);
      setMade({ name, size: blob.size });
      announce('The backup is made');
    } catch (error) {
      setFault(words(error));
    }
    setBusy(false);
  };
  return (
    <section className="card" aria-labelledby="make-title">
      <h2 id="make-title">Make a backup</h2>
      <p className="quiet">{held && <SecretsNote names={held.map(({ name }) => name)} />}</p>
      <div className="line-actions">
        <Button variant="filled" leftSection={<Download size={14} aria-hidden />} loading={busy} disabled={!api} onClick={() => void make()}>Download backup</Button>
        {made && <span className="good loaded"><Check size={14} aria-hidden /> {made.name}, {bytes(made.size)}</span>}
      </div>
      {fault && <Fault title={fault} />}
    </section>
  );
}

function SecretsNote({ names }: { names: string[] }) {
  if (names.length === 0) return <>Functions have no secrets, so it holds none.</>;
  return <>It holds {count(names.length, 'secret')} of functions, sealed: only this project in this browser opens them. Anywhere else they have to be set again.</>;
}

function Restore({ client, project }: { client: Client; project: string }) {
  const status = useStatus();
  const [chosen, choose] = useState<{ file: File; manifest: BackupManifest }>();
  const [fault, setFault] = useState<string>();
  const [question, ask] = useState<Question>();
  const look = async (file: File | null | undefined) => {
    if (!file) return;
    choose(undefined);
    setFault(undefined);
    try {
      choose({ file, manifest: await client.inspect(file) });
    } catch (error) {
      setFault(words(error));
    }
  };
  const { over, target } = useDrop((dropped) => void look(dropped.files[0]));
  const restore = async (file: File) => {
    await client.restore(file);
    announce('The backup is restored');
    // Everything that this page knows is of the project that was.
    location.reload();
  };
  return (
    <section className="card backup-drop" aria-labelledby="restore-title" data-over={over || undefined} {...target}>
      <h2 id="restore-title">Restore a backup</h2>
      <p className="quiet">It takes the place of all that project <code>{project}</code> has now. If it cannot be opened, everything stays as it is.</p>
      <div className="line-actions">
        <FileButton onChange={(file) => void look(file)} accept=".gz,.tar,.tgz,application/gzip,application/x-tar">
          {(props) => <Button {...props} leftSection={<Upload size={14} aria-hidden />} disabled={!status}>Choose a backup…</Button>}
        </FileButton>
        <span className="quiet">or drop it here</span>
      </div>
      {fault && <Fault title={fault} />}
      {chosen && (
        <>
          <Facts file={chosen.file} manifest={chosen.manifest} />
          <div className="form-end">
            <Button onClick={() => choose(undefined)}>Leave it</Button>
            <Button
              color="red"
              variant="outline"
              onClick={() => ask({ title: `Replace project ${project}?`, text: 'Its database, users, keys, stored objects, applications and functions are replaced by those of the backup.', action: 'Replace', run: () => restore(chosen.file) })}
            >
              Restore it
            </Button>
          </div>
        </>
      )}
      <Confirm question={question} close={() => ask(undefined)} />
    </section>
  );
}

function Facts({ file, manifest: { project, created_at, gateway, database, storage, secrets } }: { file: File; manifest: BackupManifest }) {
  const facts: [string, ReactNode, ReactNode?][] = [
    ['File', file.name, bytes(file.size)],
    ['Of project', project, `Gateway ${gateway}`],
    ['Made', moment(created_at)],
    ['Database', bytes(database.bytes), `Postgres ${database.postgres}`],
    ['Stored files', count(storage.files, 'file'), bytes(storage.bytes)],
    ['Secrets', secrets.held ? `${count(secrets.names.length, 'secret')}, sealed` : 'None', secrets.held && <>Set again unless it was made here: {secrets.names.join(', ')}</>],
  ];
  return (
    <dl className="facts">
      {facts.map(([name, value, more]) => (
        <div key={name} className="fact">
          <dt>{name}</dt>
          <dd>{value}</dd>
          {more && <dd className="fact-more">{more}</dd>}
        </div>
      ))}
    </dl>
  );
}
