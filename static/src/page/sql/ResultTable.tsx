// One statement's rows, drawn only where one looks.
import { Modal } from '@mantine/core';
import { useVirtualizer } from '@tanstack/react-virtual';
import { memo, useRef, useState } from 'react';
import { Code } from '../parts/Code.tsx';
import { count } from '../parts/format.ts';
import { Json } from '../parts/Json.tsx';
import type { StatementResult } from './results.ts';

const rowHeight = 28;
/** A cell longer than this opens in a window of its own. */
const long = 60;

export const ResultTable = memo(function ResultTable({ result, label }: { result: StatementResult; label: string }) {
  const scroller = useRef<HTMLDivElement>(null);
  const [open, setOpen] = useState<{ column: string; value: string }>();
  const { rows, columns } = result;
  const virtual = useVirtualizer({ count: rows.length, getScrollElement: () => scroller.current, estimateSize: () => rowHeight, overscan: 12 });
  const drawn = virtual.getVirtualItems();
  const before = drawn[0]?.start ?? 0;
  const after = virtual.getTotalSize() - (drawn.at(-1)?.end ?? 0);
  return (
    <>
      <div className="grid" ref={scroller} tabIndex={0} role="region" aria-label={`${label}, ${count(rows.length, 'row')}`}>
        <table aria-rowcount={rows.length + 1}>
          <thead>
            <tr>
              <th className="grid-number" scope="col"><span className="unseen">Row</span></th>
              {columns.map((column, index) => (
                <th key={index} scope="col" data-number={numeric(column.type) || undefined}>{column.name}<span className="grid-type">{column.type}</span></th>
              ))}
            </tr>
          </thead>
          <tbody>
            {before > 0 && <tr style={{ height: before }} aria-hidden />}
            {drawn.map(({ index }) => (
              <tr key={index} aria-rowindex={index + 2} style={{ height: rowHeight }}>
                <td className="grid-number">{index + 1}</td>
                {rows[index]!.map((value, at) => (
                  <td key={at} data-number={numeric(columns[at]?.type) || undefined}>
                    <Cell value={value} open={(value) => setOpen({ column: columns[at]?.name ?? '', value })} />
                  </td>
                ))}
              </tr>
            ))}
            {after > 0 && <tr style={{ height: after }} aria-hidden />}
          </tbody>
        </table>
      </div>
      <Modal opened={open !== undefined} onClose={() => setOpen(undefined)} title={open?.column} size="lg">
        {open && <Code wrap what="the value" text={pretty(open.value)} shown={<Json text={pretty(open.value)} />} />}
      </Modal>
    </>
  );
});

function Cell({ value, open }: { value: string | null; open: (value: string) => void }) {
  if (value === null) return <span className="null">NULL</span>;
  if (value === '') return <span className="null">empty</span>;
  if (value.length <= long && !value.includes('\n')) return value;
  return <button type="button" className="cell-more" onClick={() => open(value)}>{value.slice(0, 200)}</button>;
}

function numeric(type = ''): boolean {
  return /^(smallint|integer|bigint|numeric|real|double precision|oid|money|int[248]|float[48])/.test(type) && !type.endsWith('[]');
}

function pretty(value: string): string {
  if (!/^\s*[[{]/.test(value)) return value;
  try {
    return JSON.stringify(JSON.parse(value), null, 2);
  } catch {
    return value;
  }
}
