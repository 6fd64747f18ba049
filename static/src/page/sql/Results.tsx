// What came of a run: each statement's rows or command tag, notices, and the error with its place.
import { Alert, Button, Loader } from '@mantine/core';
import { CircleAlert } from 'lucide-react';
import { Copy } from '../parts/Copy.tsx';
import { count, milliseconds } from '../parts/format.ts';
import { csv, json } from './export.ts';
import { ResultTable } from './ResultTable.tsx';
import type { Notice, SqlError, StatementResult } from './results.ts';
import { lineOf, positionIn, type Run } from './run.ts';

interface Props { run: Run | undefined; running: boolean; goTo: (offset: number) => void }

export function Results({ run, running, goTo }: Props) {
  if (running) return <div className="results"><p className="quiet waiting"><Loader size={14} /> Running…</p></div>;
  if (!run) return <div className="results"><p className="quiet">Results come here.</p></div>;
  const { results, notices, error } = run;
  return (
    <div className="results" aria-label="Results">
      <p className="quiet results-summary">{summary(run)}</p>
      {error && <Fault error={error} run={run} goTo={goTo} />}
      {notices.length > 0 && <Notices notices={notices} />}
      {results.map((result, index) => <Statement key={index} result={result} number={index + 1} of={results.length} />)}
    </div>
  );
}

function summary({ results, error, milliseconds: time }: Run): string {
  const done = error ? (results.length ? `Failed after ${count(results.length, 'statement')}` : 'Failed') : count(results.length, 'statement');
  return `${done} · ${milliseconds(time)}`;
}

function Statement({ result, number, of }: { result: StatementResult; number: number; of: number }) {
  const name = of > 1 ? `Result ${number}` : 'Result';
  const rows = result.columns.length > 0;
  return (
    <section className="statement" aria-label={name}>
      <div className="statement-head">
        {of > 1 && <span className="quiet">{number}</span>}
        <code>{result.command}</code>
        {rows && <span className="quiet">{count(result.rows.length, 'row')}</span>}
        <span className="head-space" />
        {rows && result.rows.length > 0 && (
          <span className="statement-copy">
            <Copy label="CSV" what={`${name} as CSV`} text={() => csv(result)} />
            <Copy label="JSON" what={`${name} as JSON`} text={() => json(result)} />
          </span>
        )}
      </div>
      {rows && <ResultTable result={result} label={name} />}
    </section>
  );
}

function Notices({ notices }: { notices: Notice[] }) {
  return (
    <ul className="notices" aria-label="Notices">
      {notices.map((notice, index) => (
        <li key={index}>
          <strong>{notice.severity}</strong> {notice.message}
          {notice.detail && <span className="quiet"> · {notice.detail}</span>}
          {notice.hint && <span className="quiet"> · {notice.hint}</span>}
        </li>
      ))}
    </ul>
  );
}

function Fault({ error, run, goTo }: { error: SqlError; run: Run; goTo: (offset: number) => void }) {
  const at = error.position ? positionIn(run.query, error.position) : undefined;
  const place = at === undefined ? undefined : lineOf(run.query, at);
  const detail = typeof error.details === 'string' ? error.details : undefined;
  return (
    <Alert className="trouble" role="alert" color="red" variant="outline" icon={<CircleAlert size={18} aria-hidden />} title={<>{error.message}</>}>
      <dl className="fault-facts">
        {error.code && <><dt>SQLSTATE</dt><dd><code>{error.code}</code></dd></>}
        {place && at !== undefined && (
          <>
            <dt>Position</dt>
            <dd><Button variant="subtle" size="compact-xs" onClick={() => goTo(run.offset + at)}>line {place.line}, column {place.column}</Button></dd>
          </>
        )}
        {detail && <><dt>Detail</dt><dd>{detail}</dd></>}
        {error.hint && <><dt>Hint</dt><dd>{error.hint}</dd></>}
        {error.context && <><dt>Context</dt><dd>{error.context}</dd></>}
      </dl>
    </Alert>
  );
}
