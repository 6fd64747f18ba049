// The SQL editor: text above, what came of it below.
import { Button, Kbd, Menu } from '@mantine/core';
import { History, Play, Square } from 'lucide-react';
import { lazy, Suspense, useEffect, useRef, useState } from 'react';
import { announce } from '../parts/Announcer.tsx';
import { count } from '../parts/format.ts';
import { useStored } from '../parts/stored.ts';
import { useGateway, useKeys } from '../gateway/context.ts';
import type { EditorHandle } from './CodeEditor.tsx';
import { remember, type Past } from './history.ts';
import { Results } from './Results.tsx';
import { positionIn, runSql, type Run } from './run.ts';
import { takeDraft, onDraft } from './draft.ts';

const CodeEditor = lazy(() => import('./CodeEditor.tsx'));
const apple = /Mac|iPhone|iPad/.test(navigator.userAgent);
const first = `-- Ctrl/Cmd+Enter runs the selection, or everything.
select version();

select schemaname as schema, relname as "table", n_live_tup as rows
from pg_stat_user_tables
order by 1, 2;
`;
const tablesQuery = `select c.relname, a.attname from pg_class c join pg_namespace n on n.oid = c.relnamespace join pg_attribute a on a.attrelid = c.oid where n.nspname = 'public' and c.relkind in ('r', 'v', 'm', 'p', 'f') and a.attnum > 0 and not a.attisdropped order by 1, a.attnum`;

export default function SqlEditor() {
  const gateway = useGateway();
  const keys = useKeys();
  const secret = keys?.secret;
  const editor = useRef<EditorHandle>(null);
  const [draft, setDraft] = useStored(`gateway:sql:${gateway.project}`, first);
  const [past, setPast] = useStored<Past[]>(`gateway:sql-history:${gateway.project}`, []);
  const [run, setRun] = useState<Run>();
  const [running, setRunning] = useState<AbortController>();
  const [schema, setSchema] = useState<Record<string, string[]>>({});

  const readSchema = async () => {
    if (!secret) return;
    const { results } = await runSql(gateway.project, secret, tablesQuery);
    const tables: Record<string, string[]> = {};
    for (const [table, column] of results[0]?.rows ?? []) (tables[table!] ??= []).push(column!);
    setSchema(tables);
  };
  useEffect(() => void readSchema(), [secret]);

  const execute = async () => {
    const { text, offset } = editor.current!.chosen();
    if (!secret || running || text.trim() === '') return;
    const stop = new AbortController();
    setRunning(stop);
    editor.current!.mark(undefined);
    const answer = await runSql(gateway.project, secret, text, { offset, signal: stop.signal });
    setRunning(undefined);
    setRun(answer);
    setPast(remember(past, { query: text, at: Date.now(), failed: answer.error !== undefined }));
    announce(answer.error ? `Error: ${answer.error.message}` : `${count(answer.results.length, 'statement')} done`);
    if (answer.error?.position) editor.current?.mark(offset + positionIn(text, answer.error.position));
    void gateway.refresh();
    void readSchema();
  };

  // Another place of the page may hand over a text, as the examples of the sample data do.
  useEffect(() => {
    const take = () => {
      const text = takeDraft();
      if (text === undefined) return;
      setDraft(text);
      editor.current?.replace(text);
    };
    take();
    return onDraft(take);
  }, []);

  return (
    <div className="sql">
      <div className="bar">
        <h1>SQL editor</h1>
        <span className="quiet bar-note">Runs as <code>postgres</code>, past row-level security</span>
        <span className="head-space" />
        <HistoryMenu past={past} choose={(query) => editor.current?.replace(query)} clear={() => setPast([])} />
        {running
          ? <Button leftSection={<Square size={12} aria-hidden />} onClick={() => running.abort()}>Stop</Button>
          : <Button variant="filled" leftSection={<Play size={13} aria-hidden />} onClick={() => void execute()} disabled={!secret}>Run <Kbd size="xs" ml={6} className="kbd" aria-hidden>{apple ? '⌘' : 'Ctrl'} ↵</Kbd></Button>}
      </div>
      <div className="editor-frame">
        <Suspense fallback={<textarea className="editor-waiting" readOnly aria-label="SQL" value={draft} />}>
          <CodeEditor ref={editor} initial={draft} label="SQL" schema={schema} onChange={setDraft} onRun={() => void execute()} />
        </Suspense>
      </div>
      <Results run={run} running={running !== undefined} goTo={(offset) => editor.current?.goTo(offset)} />
    </div>
  );
}

function HistoryMenu({ past, choose, clear }: { past: Past[]; choose: (query: string) => void; clear: () => void }) {
  return (
    <Menu position="bottom-end" width={340}>
      <Menu.Target>
        <Button leftSection={<History size={14} aria-hidden />} disabled={past.length === 0}>History</Button>
      </Menu.Target>
      <Menu.Dropdown className="history">
        {past.map(({ query, at, failed }) => (
          <Menu.Item key={at} onClick={() => choose(query)}>
            <span className="history-query">{query.trim().replace(/\s+/g, ' ').slice(0, 140)}</span>
            <span className="quiet">{new Date(at).toLocaleString()}{failed && ' · failed'}</span>
          </Menu.Item>
        ))}
        <Menu.Divider />
        <Menu.Item fz="sm" onClick={clear}>Clear history</Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}
