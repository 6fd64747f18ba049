// A result as text for elsewhere.
import type { StatementResult } from './results.ts';

const quoted = (value: string) => (/[",\r\n]/.test(value) || value === '' ? `"${value.replaceAll('"', '""')}"` : value);

/** RFC 4180; NULL is an empty field, as COPY writes it, and an empty text is `""`. */
export function csv({ columns, rows }: StatementResult): string {
  const lines = [columns.map(({ name }) => quoted(name)), ...rows.map((row) => row.map((value) => (value === null ? '' : quoted(value))))];
  return `${lines.map((line) => line.join(',')).join('\r\n')}\r\n`;
}

/** An array of objects; numbers that a double holds exactly, booleans and JSON as what they are, the rest as text. */
export function json({ columns, rows }: StatementResult): string {
  return JSON.stringify(rows.map((row) => Object.fromEntries(row.map((value, at) => [columns[at]?.name ?? String(at), native(value, columns[at]?.type ?? '')]))), null, 2);
}

function native(value: string | null, type: string): unknown {
  if (value === null) return null;
  if (type === 'boolean' || type === 'bool') return value === 't' || value === 'true';
  if (/^jsonb?$/.test(type)) return JSON.parse(value);
  const number = Number(value);
  return /^(smallint|integer|bigint|numeric|real|double|int[248]|float[48])/.test(type) && !type.endsWith('[]') && String(number) === value ? number : value;
}
