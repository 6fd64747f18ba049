// What was deployed, and the way back to it.
import { ActionIcon, Button } from '@mantine/core';
import { Download, RotateCcw } from 'lucide-react';
import { useState } from 'react';
import { functionPath } from '../../functions/functions.ts';
import { words, type Api } from '../gateway/call.ts';
import { announce } from '../parts/Announcer.tsx';
import { Fault } from '../parts/Fault.tsx';
import { ago, bytes, moment } from '../parts/format.ts';
import { useLoaded } from '../parts/loaded.ts';
import { Tone } from '../parts/Tone.tsx';
import { Waiting } from '../parts/Waiting.tsx';
import { saveFile } from '../parts/save.ts';
import { functions, type EdgeFunction } from './functions.ts';

interface Props { api: Api; deployed: EdgeFunction; changed: () => Promise<void> }

export function Versions({ api, deployed: { name, version: active }, changed }: Props) {
  const { value, fault, reload } = useLoaded(() => functions(api).versions(name), [api, name, active]);
  const [busy, setBusy] = useState<number>();
  const [refused, setRefused] = useState<string>();
  const attempt = async (version: number, run: () => Promise<void>) => {
    setBusy(version);
    setRefused(undefined);
    try {
      await run();
    } catch (error) {
      setRefused(words(error));
    }
    setBusy(undefined);
  };
  const rollBack = (version: number) => attempt(version, async () => {
    await functions(api).rollback(name, version);
    announce(`${name} answers as version ${version}`);
    await Promise.all([reload(), changed()]);
  });
  const save = (version: number) => attempt(version, async () => {
    const response = await api.send(functionPath(name, `/source?version=${version}`));
    saveFile(await response.blob(), `${name}-${version}.zip`);
  });
  if (!value) return fault ? <Fault title={fault} /> : <Waiting what="versions" />;
  return (
    <>
      {(refused ?? fault) && <Fault title={refused ?? fault} />}
      <div className="table-frame">
        <table className="table apps-table" aria-label={`Versions of ${name}`}>
          <thead><tr><th scope="col">Version</th><th scope="col">Deployed</th><th scope="col" className="number wide-only">Archive</th><th scope="col" className="wide-only">SHA-256</th><th scope="col"><span className="unseen">Actions</span></th></tr></thead>
          <tbody>
            {value.map(({ version, created_at: at, bytes: size, sha256, active: answers }) => (
              <tr key={version}>
                <td>{answers ? <Tone tone="good">{version}, answers</Tone> : version}</td>
                <td><span title={moment(at)}>{ago(at)}</span></td>
                <td className="number wide-only">{bytes(size)}</td>
                <td className="wide-only"><code title={sha256}>{sha256.slice(0, 12)}</code></td>
                <td className="app-actions">
                  <span className="row-actions">
                    <ActionIcon title="Download" aria-label={`Download version ${version}`} onClick={() => void save(version)}><Download size={14} aria-hidden /></ActionIcon>
                    <Button leftSection={<RotateCcw size={13} aria-hidden />} aria-label={`Roll back to version ${version}`} disabled={answers || busy !== undefined} loading={busy === version} onClick={() => void rollBack(version)}>Roll back</Button>
                  </span>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <p className="quiet hint">The last ten are kept, and the one that answers. A rollback needs no new deployment: the next request is answered by it.</p>
    </>
  );
}
