// What a function says and what becomes of its requests, live.
import { Button, SegmentedControl, TextInput } from '@mantine/core';
import { ArrowDownToLine, Download, Search, Trash2, WrapText } from 'lucide-react';
import { useContext, useDeferredValue, useMemo, useState } from 'react';
import { functionPath, type LogLevel } from '../../functions/functions.ts';
import { Lines, useLog } from '../apps/Logs.tsx';
import { cap, type Numbered } from '../apps/logs.ts';
import { base } from '../gateway/project.ts';
import { words, type Api } from '../gateway/call.ts';
import { announce } from '../parts/Announcer.tsx';
import type { Question } from '../parts/Confirm.tsx';
import { count } from '../parts/format.ts';
import { saveFile } from '../parts/save.ts';
import { Shown } from '../parts/shown.ts';
import { useStored } from '../parts/stored.ts';
import type { Connection } from '../vm/events.ts';
import { functions } from './functions.ts';
import { pick, readLines, type Wanted } from './lines.ts';

export function FunctionLogs({ api, name, shown: inFront, ask }: { api: Api; name: string; shown: boolean; ask: (question: Question) => void }) {
  const shown = useContext(Shown) && inFront;
  const { lines, gone, connection, clear } = useLog(api, functionPath(name, `/logs?follow=true&tail=${cap}`), readLines, shown);
  const [wanted, want] = useState<Wanted>({ level: 'debug', search: '' });
  const [wrap, setWrap] = useStored('gateway:logs:wrap', true);
  // Whoever has scrolled up reads on undisturbed: what comes meanwhile waits at the end.
  const [held, hold] = useState<readonly Numbered[]>();
  const [fault, setFault] = useState<string>();
  const sought = useDeferredValue(wanted);
  const picked = useMemo(() => pick(held ?? lines, sought), [held, lines, sought]);
  const waiting = held ? lines.filter(({ number }) => number > (held.at(-1)?.number ?? -1)).length : 0;

  /** All that the gateway has, as it has it. */
  const save = async () => {
    setFault(undefined);
    try {
      const response = await api.send(functionPath(name, '/logs?tail=10000'));
      saveFile(await response.blob(), `${base(api.project).slice(1) || 'default'}-${name}.jsonl`);
    } catch (error) {
      setFault(words(error));
    }
  };
  const askClear = () => ask({
    title: `Delete the log of ${name}?`,
    text: 'Its lines go, and with them its figures, which are counted from them. This cannot be undone.',
    action: 'Delete',
    run: async () => {
      await functions(api).clearLogs(name);
      clear();
      hold(undefined);
      announce(`Deleted the log of ${name}`);
    },
  });

  return (
    <div className="logs">
      <div className="bar logs-bar">
        <SegmentedControl aria-label="Level" value={wanted.level} onChange={(level) => want({ ...wanted, level: level as LogLevel })} data={[{ value: 'debug', label: 'All' }, { value: 'info', label: 'Info' }, { value: 'warn', label: 'Warnings' }, { value: 'error', label: 'Errors' }]} />
        <TextInput className="search" aria-label="Search in the log" placeholder="Search" leftSection={<Search size={14} aria-hidden />} value={wanted.search} onChange={(event) => want({ ...wanted, search: event.currentTarget.value })} />
        <span className="head-space" />
        <span className="actions">
          <Button leftSection={<WrapText size={14} aria-hidden />} aria-pressed={wrap} className="toggle" onClick={() => setWrap(!wrap)}>Wrap</Button>
          <Button leftSection={<ArrowDownToLine size={14} aria-hidden />} aria-pressed={!held} className="toggle" onClick={() => hold(held ? undefined : lines)}>Follow</Button>
          <Button leftSection={<Download size={14} aria-hidden />} onClick={() => void save()} disabled={lines.length === 0}>JSON lines</Button>
          <Button leftSection={<Trash2 size={14} aria-hidden />} onClick={askClear} disabled={lines.length === 0}>Delete</Button>
        </span>
      </div>
      {fault && <p className="bad" role="alert">{fault}</p>}
      <div className="log-frame" data-levels>
        <Lines lines={picked} search={sought.search} wrap={wrap} following={!held} scrolledUp={() => hold((now) => now ?? lines)} scrolledDown={() => waiting === 0 && hold(undefined)} name={name} />
        {picked.length === 0 && <p className="quiet log-empty">{empty(lines.length, wanted, connection)}</p>}
        {waiting > 0 && <Button className="log-more" variant="filled" leftSection={<ArrowDownToLine size={13} aria-hidden />} onClick={() => hold(undefined)}>{count(waiting, 'new line')}</Button>}
      </div>
      <p className="quiet hint log-foot">
        {count(picked.length, 'line')}{picked.length !== lines.length && ` of ${lines.length.toLocaleString('en')}`}
        {gone > 0 && `, ${gone.toLocaleString('en')} older ones are not shown`} · The gateway keeps 10,000 lines, for 7 days; values of secrets are not in them.
        {connection.kind === 'lost' && lines.length > 0 && ` · ${connection.why}`}
      </p>
    </div>
  );
}

function empty(all: number, { search }: Wanted, connection: Connection): string {
  if (all > 0) return search ? `No line has “${search}” in it.` : 'No line of this level.';
  if (connection.kind === 'lost') return connection.why;
  return connection.kind === 'connecting' ? 'Reading the log…' : 'Nothing yet. What the function writes with console, and a line for each request, comes here.';
}
