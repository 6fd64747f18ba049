// How a function does: what it was asked, how long it took, and what went wrong.
import { useMemo, type ReactNode } from 'react';
import { functionPath } from '../../functions/functions.ts';
import type { Api } from '../gateway/call.ts';
import { Fault } from '../parts/Fault.tsx';
import { bytes, count, milliseconds } from '../parts/format.ts';
import { useEvery, useLoaded } from '../parts/loaded.ts';
import { Waiting } from '../parts/Waiting.tsx';
import { Bars, Traces } from './Plot.tsx';
import { functions, type FunctionMetrics } from './functions.ts';
import { bins, requestsOf } from './series.ts';

/** Milliseconds between two looks. */
const pace = 3_000;
const minute = 60_000;
const minutes = 60;

export function Metrics({ api, name }: { api: Api; name: string }) {
  const { value, fault, reload } = useLoaded(async () => {
    const now = Date.now();
    const [metrics, lines] = await Promise.all([functions(api).metrics(name), api.send(functionPath(name, `/logs?tail=10000&since=${now - minutes * minute}`)).then((response) => response.text())]);
    return { metrics, requests: requestsOf(lines), now };
  }, [api, name]);
  useEvery(pace, reload);
  const series = useMemo(() => (value ? bins(value.requests, value.now, minutes, minute) : []), [value]);
  if (!value) return fault ? <Fault title={fault} /> : <Waiting what="figures" />;
  const { metrics } = value;
  const total = series.reduce((sum, { requests }) => sum + requests, 0);
  const failed = series.reduce((sum, bin) => sum + bin.failed, 0);
  const ends = { from: `${minutes} min ago`, to: 'now' };
  return (
    <div className="metrics">
      {fault && <p className="quiet" role="status">What is shown may be old: {fault}</p>}
      <Figures metrics={metrics} />
      <div className="pair">
        <section className="card">
          <Bars
            {...ends} title="Requests a minute" unit={(one) => one.toLocaleString('en')}
            label={`${count(total, 'request')} in the last hour, ${failed.toLocaleString('en')} of them failed`}
            values={series.map(({ at, requests, failed: bad }) => ({ good: requests - bad, bad, title: `${new Date(at).toLocaleTimeString()}: ${count(requests, 'request')}${bad ? `, ${bad} failed` : ''}` }))}
            legend={<span className="legend"><Key className="plot-good">answered</Key><Key className="plot-bad">failed</Key></span>}
          />
        </section>
        <section className="card">
          <Traces
            {...ends} title="Time to the answer" unit={(one) => milliseconds(one)}
            label={`Half of the answers within ${shown(metrics.p50_ms)}, 95 of 100 within ${shown(metrics.p95_ms)}`}
            series={[{ className: 'plot-p95', values: series.map(({ p95 }) => p95) }, { className: 'plot-p50', values: series.map(({ p50 }) => p50) }]}
            legend={<span className="legend"><Key className="plot-p50">p50</Key><Key className="plot-p95">p95</Key></span>}
          />
        </section>
      </div>
      <Statuses status={metrics.status} />
      <p className="quiet hint">Figures are of the last {hours(metrics.window_s)}, counted from the log; the plots of the last hour.</p>
    </div>
  );
}

const shown = (value: number | null | undefined) => (value === null || value === undefined ? '–' : milliseconds(Number(value)));

const hours = (seconds: number) => (seconds % 3600 === 0 ? count(seconds / 3600, 'hour') : count(Math.round(seconds / 60), 'minute'));

function Figures({ metrics: { requests, errors, p50_ms, p95_ms, p99_ms, cold_starts, memory_bytes, cpu_ms } }: { metrics: FunctionMetrics }) {
  const kinds: [keyof FunctionMetrics['errors'], string][] = [['boot', 'at boot'], ['worker', 'thrown'], ['limit', 'over a limit'], ['timeout', 'too late']];
  const wrong = kinds.filter(([kind]) => errors[kind] > 0);
  return (
    <dl className="facts app-facts card">
      <Fact name="Requests">{requests.toLocaleString('en')}</Fact>
      <Fact name="Failures">{wrong.length ? <span className="bad">{wrong.map(([kind, word]) => `${errors[kind].toLocaleString('en')} ${word}`).join(', ')}</span> : 'none'}</Fact>
      <Fact name="p50">{shown(p50_ms)}</Fact>
      <Fact name="p95">{shown(p95_ms)}</Fact>
      <Fact name="p99">{shown(p99_ms)}</Fact>
      <Fact name="Cold starts">{cold_starts.toLocaleString('en')}</Fact>
      <Fact name="Memory">{memory_bytes ? bytes(memory_bytes) : '–'}</Fact>
      <Fact name="CPU">{cpu_ms ? milliseconds(cpu_ms) : '–'}</Fact>
    </dl>
  );
}

function Fact({ name, children }: { name: string; children: ReactNode }) {
  return <div className="fact"><dt>{name}</dt><dd>{children}</dd></div>;
}

function Key({ className, children }: { className: string; children: string }) {
  return <span className="legend-key"><svg width="10" height="10" aria-hidden><rect className={className} width="10" height="10" rx="2" /></svg>{children}</span>;
}

/** Answers by status: a bar of shares, and their numbers. */
function Statuses({ status }: { status: FunctionMetrics['status'] }) {
  const all = Object.entries(status);
  const total = all.reduce((sum, [, number]) => sum + number, 0);
  if (total === 0) return null;
  const tone = (code: string) => (code >= '500' ? 'plot-bad' : code >= '400' ? 'plot-warn' : code >= '300' ? 'plot-other' : 'plot-good');
  return (
    <section className="card" aria-label="Answers by status">
      <div className="label">Answers by status</div>
      <div className="shares" aria-hidden>{all.map(([code, number]) => <svg key={code} style={{ flexGrow: number }} className="share"><rect className={tone(code)} width="100%" height="100%" /></svg>)}</div>
      <div className="legend">{all.map(([code, number]) => <Key key={code} className={tone(code)}>{`${code}: ${number.toLocaleString('en')}`}</Key>)}</div>
    </section>
  );
}
