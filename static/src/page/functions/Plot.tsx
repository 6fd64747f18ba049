// Small plots over time: bars, and lines with gaps where nothing was.
import type { ReactNode } from 'react';
import { ceiling } from './series.ts';

const width = 600;
const height = 96;

interface Frame { title: string; label: string; highest: number; unit: (value: number) => string; from: string; to: string; children: (y: (value: number) => number) => ReactNode; legend?: ReactNode }

function Frame({ title, label, highest, unit, from, to, children, legend }: Frame) {
  const top = ceiling(highest);
  const y = (value: number) => height - (Math.min(value, top) / top) * (height - 2);
  return (
    <figure className="plot">
      <figcaption><span className="label">{title}</span>{legend}</figcaption>
      <div className="plot-frame">
        <span className="plot-top">{unit(top)}</span>
        <svg viewBox={`0 0 ${width} ${height}`} preserveAspectRatio="none" role="img" aria-label={label}>
          <line className="plot-line" x1="0" x2={width} y1={y(top)} y2={y(top)} />
          <line className="plot-line" x1="0" x2={width} y1={y(top / 2)} y2={y(top / 2)} />
          <line className="plot-base" x1="0" x2={width} y1={height - 0.5} y2={height - 0.5} />
          {children(y)}
        </svg>
      </div>
      <div className="plot-ends"><span>{from}</span><span>{to}</span></div>
    </figure>
  );
}

interface Common { title: string; label: string; unit: (value: number) => string; from: string; to: string; legend?: ReactNode }

/** Each bar's lower part is of the first tone. */
export function Bars({ values, ...frame }: Common & { values: { good: number; bad: number; title: string }[] }) {
  const step = width / values.length;
  return (
    <Frame {...frame} highest={Math.max(...values.map(({ good, bad }) => good + bad))}>
      {(y) => values.map(({ good, bad, title }, index) => (
        <g key={index}>
          {good > 0 && <rect className="plot-good" x={index * step + 1} width={step - 2} y={y(good)} height={height - y(good)}><title>{title}</title></rect>}
          {bad > 0 && <rect className="plot-bad" x={index * step + 1} width={step - 2} y={y(good + bad)} height={y(good) - y(good + bad)}><title>{title}</title></rect>}
        </g>
      ))}
    </Frame>
  );
}

export function Traces({ series, ...frame }: Common & { series: { className: string; values: (number | undefined)[] }[] }) {
  const count = series[0]?.values.length ?? 0;
  const step = width / count;
  return (
    <Frame {...frame} highest={Math.max(1, ...series.flatMap(({ values }) => values.map((value) => value ?? 0)))}>
      {(y) => series.map(({ className, values }) => (
        <g key={className} className={className}>
          {runs(values).map((run) => (
            run.length === 1
              ? <line key={run[0]!.index} x1={run[0]!.index * step + 1} x2={(run[0]!.index + 1) * step - 1} y1={y(run[0]!.value)} y2={y(run[0]!.value)} />
              : <polyline key={run[0]!.index} points={run.map(({ index, value }) => `${(index + 0.5) * step},${y(value)}`).join(' ')} />
          ))}
        </g>
      ))}
    </Frame>
  );
}

/** Stretches without a gap. */
function runs(values: (number | undefined)[]): { index: number; value: number }[][] {
  const found: { index: number; value: number }[][] = [];
  for (const [index, value] of values.entries()) {
    if (value === undefined) continue;
    if (index > 0 && values[index - 1] !== undefined) found.at(-1)!.push({ index, value });
    else found.push([{ index, value }]);
  }
  return found;
}
