// The audit: what a function asked of the database, as whom, and for which request.
import { Button, TextInput } from '@mantine/core';
import { Download, Search, X } from 'lucide-react';
import { useDeferredValue, useState } from 'react';
import { callsPath, type FunctionCall } from '../../functions/functions.ts';
import { base } from '../gateway/project.ts';
import { words, type Api } from '../gateway/call.ts';
import { Fault } from '../parts/Fault.tsx';
import { ago, count, milliseconds, moment } from '../parts/format.ts';
import { useEvery, useLoaded } from '../parts/loaded.ts';
import { Tone } from '../parts/Tone.tsx';
import { Waiting } from '../parts/Waiting.tsx';
import { saveFile } from '../parts/save.ts';
import { functions } from './functions.ts';

/** Milliseconds between two looks. */
const pace = 3_000;
/** Calls that are shown. */
const most = 500;

export function Calls({ api, name }: { api: Api; name: string }) {
  const [search, setSearch] = useState('');
  /** One request, whichever functions it went through; else this function. */
  const [trace, setTrace] = useState<string>();
  const sought = useDeferredValue(search.trim());
  const query = { ...(trace === undefined ? { function: name } : { trace }), ...(sought && { search: sought }) };
  const { value, fault, reload } = useLoaded(() => functions(api).calls({ ...query, tail: most }), [api, name, trace, sought]);
  useEvery(pace, reload);
  const [refused, setRefused] = useState<string>();

  /** All that the gateway has of it, as it has it. */
  const save = async () => {
    setRefused(undefined);
    try {
      const response = await api.send(callsPath({ ...query, tail: '50000' }));
      saveFile(await response.blob(), `${base(api.project).slice(1) || 'default'}-${name}-calls.jsonl`);
    } catch (error) {
      setRefused(words(error));
    }
  };

  if (!value) return fault ? <Fault title={fault} /> : <Waiting what="calls" />;
  return (
    <>
      <div className="bar logs-bar">
        <TextInput className="search" aria-label="Search in the calls" placeholder="Search" leftSection={<Search size={14} aria-hidden />} value={search} onChange={(event) => setSearch(event.currentTarget.value)} />
        {trace !== undefined && <Button leftSection={<X size={13} aria-hidden />} onClick={() => setTrace(undefined)}>Request {trace.slice(0, 8)}</Button>}
        <span className="head-space" />
        <span className="actions"><Button leftSection={<Download size={14} aria-hidden />} onClick={() => void save()} disabled={value.length === 0}>JSON lines</Button></span>
      </div>
      {(refused ?? fault) && <Fault title={refused ?? fault} />}
      <div className="table-frame">
        <table className="table apps-table" aria-label={`What ${name} asked of the database`}>
          <thead><tr><th scope="col">When</th><th scope="col">Call</th><th scope="col">As</th><th scope="col">Answer</th><th scope="col" className="number wide-only">Took</th><th scope="col" className="wide-only">Request</th></tr></thead>
          <tbody>{value.toReversed().map((call) => <Row key={call.id} call={call} name={name} open={setTrace} />)}</tbody>
        </table>
      </div>
      <p className="quiet hint">
        {value.length === 0 ? (sought || trace ? 'No such call.' : 'Nothing yet. What the function asks of the database by the project’s URL comes here, with the role that its token proved.') : count(value.length, 'call')}
        {value.length === most && ', the newest'} · The gateway keeps 50,000 of a project, for 30 days.
      </p>
    </>
  );
}

function Row({ call: { at, function: of, method, path, role, status, ms, trace }, name, open }: { call: FunctionCall; name: string; open: (trace: string) => void }) {
  const tone = status === undefined || status >= 500 ? 'bad' : status >= 400 ? 'warn' : 'good';
  return (
    <tr>
      <td><span title={moment(at)}>{ago(at)}</span></td>
      <td className="breakable"><code>{method} {path}</code>{of !== name && <span className="quiet"> by {of}</span>}</td>
      <td>{role ?? <span className="quiet">nobody</span>}</td>
      <td><Tone tone={tone}>{status ?? 'none'}</Tone></td>
      <td className="number wide-only">{ms === undefined ? '–' : milliseconds(ms)}</td>
      <td className="wide-only">{trace === undefined ? <span className="quiet">not known</span> : <button type="button" className="row-open" aria-label={`All calls of the request ${trace}`} title={trace} onClick={() => open(trace)}>{trace.slice(0, 8)}</button>}</td>
    </tr>
  );
}
