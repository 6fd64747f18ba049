// An app's log, live. Its frame has one height, whatever comes.
import { Button, SegmentedControl, TextInput } from '@mantine/core';
import { useVirtualizer } from '@tanstack/react-virtual';
import { ArrowDownToLine, Search, Trash2, WrapText } from 'lucide-react';
import { memo, useContext, useDeferredValue, useEffect, useLayoutEffect, useMemo, useRef, useState } from 'react';
import type { Api } from '../gateway/call.ts';
import { Copy } from '../parts/Copy.tsx';
import { count } from '../parts/format.ts';
import { Shown } from '../parts/shown.ts';
import { useStored } from '../parts/stored.ts';
import { follow, type Connection } from '../vm/events.ts';
import { logsPath, type AppState } from './apps.ts';
import { asText, cap, clock, finds, LogBuffer, pick, readLines, type LogLine, type Numbered, type Wanted } from './logs.ts';

/** What one line takes, unless it is wrapped. */
const lineHeight = 20;
/** As near to the end as this is at the end. */
const near = 8;

export function Logs({ api, name, state, shown: inFront }: { api: Api; name: string; state: AppState; shown: boolean }) {
  const shown = useContext(Shown) && inFront;
  const { lines, gone, connection, clear } = useLog(api, logsPath(name, cap), readLines, shown);
  const [wanted, want] = useState<Wanted>({ stream: 'all', search: '' });
  const [wrap, setWrap] = useStored('gateway:logs:wrap', true);
  // Whoever has scrolled up reads on undisturbed: what comes meanwhile waits at the end.
  const [held, hold] = useState<readonly Numbered[]>();
  const sought = useDeferredValue(wanted);
  const picked = useMemo(() => pick(held ?? lines, sought), [held, lines, sought]);
  const waiting = held ? lines.filter(({ number }) => number > (held.at(-1)?.number ?? -1)).length : 0;
  const live = state === 'running' || state === 'starting';

  return (
    <div className="logs">
      <div className="bar logs-bar">
        <SegmentedControl aria-label="Stream" value={wanted.stream} onChange={(stream) => want({ ...wanted, stream: stream as Wanted['stream'] })} data={[{ value: 'all', label: 'All' }, { value: 'stdout', label: 'stdout' }, { value: 'stderr', label: 'stderr' }]} />
        <TextInput className="search" aria-label="Search in the log" placeholder="Search" leftSection={<Search size={14} aria-hidden />} value={wanted.search} onChange={(event) => want({ ...wanted, search: event.currentTarget.value })} />
        <span className="head-space" />
        <span className="actions">
          <Button leftSection={<WrapText size={14} aria-hidden />} aria-pressed={wrap} className="toggle" onClick={() => setWrap(!wrap)}>Wrap</Button>
          <Button leftSection={<ArrowDownToLine size={14} aria-hidden />} aria-pressed={!held} className="toggle" onClick={() => hold(held ? undefined : lines)}>Follow</Button>
          <Copy text={() => asText(picked)} what="the log’s lines" label="Copy" disabled={picked.length === 0} />
          <Button leftSection={<Trash2 size={14} aria-hidden />} onClick={() => { clear(); hold(undefined); }} disabled={lines.length === 0}>Clear</Button>
        </span>
      </div>
      <div className="log-frame">
        <Lines lines={picked} search={sought.search} wrap={wrap} following={!held} scrolledUp={() => hold((now) => now ?? lines)} scrolledDown={() => waiting === 0 && hold(undefined)} name={name} />
        {picked.length === 0 && <p className="quiet log-empty">{empty(lines.length, wanted, connection, live)}</p>}
        {waiting > 0 && <Button className="log-more" variant="filled" leftSection={<ArrowDownToLine size={13} aria-hidden />} onClick={() => hold(undefined)}>{count(waiting, 'new line')}</Button>}
      </div>
      <p className="quiet hint log-foot">
        {count(picked.length, 'line')}{picked.length !== lines.length && ` of ${lines.length.toLocaleString('en')}`}
        {gone > 0 && `, ${gone.toLocaleString('en')} older ones are gone: ${cap.toLocaleString('en')} are kept here`}
        {connection.kind === 'lost' && lines.length > 0 && ` · ${connection.why}`}
      </p>
    </div>
  );
}

function empty(all: number, { search }: Wanted, connection: Connection, live: boolean): string {
  if (all > 0) return search ? `No line has “${search}” in it.` : 'No line of this stream.';
  if (connection.kind === 'lost') return connection.why;
  if (connection.kind === 'connecting') return 'Reading the log…';
  return live ? 'Nothing was written yet.' : 'It does not run, and wrote nothing. Start it to see what it says.';
}

/** The lines that came, drawn at most once a frame, however many there are. `read` makes lines of an event's data. */
export function useLog(api: Api, path: string, read: (data: string) => LogLine[], shown: boolean) {
  const buffer = useRef<LogBuffer>(undefined);
  buffer.current ??= new LogBuffer();
  const [view, setView] = useState<{ lines: readonly Numbered[]; gone: number }>({ lines: [], gone: 0 });
  const [connection, connect] = useState<Connection>({ kind: 'connecting' });
  const draw = () => setView({ lines: buffer.current!.lines, gone: buffer.current!.gone });
  useEffect(() => {
    if (!shown) return;
    const over = new AbortController();
    let waiting: LogLine[] = [];
    let anew = false;
    let frame = 0;
    const flush = () => {
      frame = 0;
      if (anew) buffer.current!.clear();
      anew = false;
      buffer.current!.push(waiting);
      waiting = [];
      draw();
    };
    void follow(api, path, over.signal, {
      // What is open again begins with the last lines again; the old ones stay until those come.
      opened: () => {
        anew = true;
        waiting = [];
      },
      message: ({ data }) => {
        waiting.push(...read(data));
        frame ||= requestAnimationFrame(flush);
      },
      connection: connect,
    });
    return () => {
      over.abort();
      cancelAnimationFrame(frame);
    };
  }, [api, path, read, shown]);
  return {
    ...view,
    connection,
    clear: () => {
      buffer.current!.clear();
      draw();
    },
  };
}

interface LinesProps { lines: readonly Numbered[]; search: string; wrap: boolean; following: boolean; name: string; scrolledUp: () => void; scrolledDown: () => void }

export function Lines({ lines, search, wrap, following, name, scrolledUp, scrolledDown }: LinesProps) {
  const scroller = useRef<HTMLDivElement>(null);
  const before = useRef(0);
  const virtual = useVirtualizer({ count: lines.length, getScrollElement: () => scroller.current, estimateSize: () => lineHeight, overscan: 20, getItemKey: (index) => lines[index]!.number });
  const size = virtual.getTotalSize();
  useLayoutEffect(() => virtual.measure(), [wrap]);
  useLayoutEffect(() => {
    const element = scroller.current;
    if (following && element) element.scrollTop = element.scrollHeight;
  }, [following, lines, size]);
  const drawn = virtual.getVirtualItems();
  return (
    <div
      className="log"
      ref={scroller}
      tabIndex={0}
      role="log"
      aria-live="off"
      aria-label={`Log of ${name}`}
      data-wrap={wrap || undefined}
      onScroll={({ currentTarget: { scrollTop, scrollHeight, clientHeight } }) => {
        const up = scrollTop < before.current;
        before.current = scrollTop;
        const end = scrollHeight - scrollTop - clientHeight <= near;
        if (up && !end) scrolledUp();
        else if (end) scrolledDown();
      }}
    >
      <div className="log-lines" style={{ height: size }}>
        <div style={{ transform: `translateY(${drawn[0]?.start ?? 0}px)` }}>
          {drawn.map(({ index, key }) => <div key={key} ref={virtual.measureElement} data-index={index}><Line line={lines[index]!} search={search} /></div>)}
        </div>
      </div>
    </div>
  );
}

const streams: Record<string, string> = { stdout: 'out', stderr: 'err' };

const Line = memo(function Line({ line: { at, stream, text }, search }: { line: Numbered; search: string }) {
  return (
    <div className="log-line" data-stream={stream}>
      <time className="log-time">{clock(at)}</time>
      <span className="log-stream">{streams[stream] ?? stream}</span>
      <span className="log-text">{finds(text, search).map((part, index) => (index % 2 ? <mark key={index}>{part}</mark> : part))}{text === '' && '\u00a0'}</span>
    </div>
  );
});
