// An app's log as it comes: the last lines of it, and those among them that one looks for.

export interface LogLine {
  /** When the line ended. */
  at: number;
  /** `stdout`, `stderr`, or whoever else speaks in an app's log, as the agent that starts it. */
  stream: string;
  text: string;
}

/** A line and its number, which it keeps. */
export interface Numbered extends LogLine { number: number }

/** Lines that are kept; older ones go. */
export const cap = 5_000;

// Colours, cursor movement and character sets, which a list of lines has no use for (ECMA-48, 5.4 and 5.6; ECMA-35, 13.2).
const escapes = /\u001b(?:\[[0-?]*[ -/]*[@-~]|\][^\u0007\u001b]*(?:\u0007|\u001b\\)?|[ -/]+[0-~]|[0-Z\\-~])/g;

/** A line of the API's JSON, after what is said of lines that are missing before it. Nothing for what is no line. */
export function readLines(data: string): LogLine[] {
  let fields: Record<string, unknown>;
  try {
    fields = JSON.parse(data) as Record<string, unknown>;
  } catch {
    return [];
  }
  if (typeof fields !== 'object' || fields === null || typeof fields.line !== 'string') return [];
  const at = typeof fields.at === 'number' ? fields.at : Date.parse(String(fields.at));
  const text = fields.line.replace(escapes, '').replace(/\r$/, '').replaceAll('\t', '    ');
  const line = { at: Number.isNaN(at) ? 0 : at, stream: typeof fields.stream === 'string' ? fields.stream : 'stdout', text };
  const { dropped } = fields;
  if (typeof dropped !== 'number' || dropped <= 0) return [line];
  return [{ at: line.at, stream: 'agent', text: `${dropped.toLocaleString('en')} ${dropped === 1 ? 'line' : 'lines'} came too fast, and were dropped` }, line];
}

/** The last `most` lines. */
export class LogBuffer {
  #lines: Numbered[] = [];
  #next = 0;

  constructor(private readonly most = cap) {}

  /** A new array each time something came, so that whoever compares sees it. */
  get lines(): readonly Numbered[] {
    return this.#lines;
  }

  /** How many lines have gone at the front. */
  get gone(): number {
    return this.#next - this.#lines.length;
  }

  push(lines: LogLine[]): void {
    if (lines.length === 0) return;
    const numbered = lines.map((line) => ({ ...line, number: this.#next++ }));
    this.#lines = [...this.#lines, ...numbered].slice(-this.most);
  }

  clear(): void {
    this.#lines = [];
    this.#next = 0;
  }
}

export interface Wanted {
  stream: 'all' | 'stdout' | 'stderr';
  /** Looked for without regard to case. */
  search: string;
}

export function pick(lines: readonly Numbered[], { stream, search }: Wanted): readonly Numbered[] {
  const sought = search.trim().toLowerCase();
  if (stream === 'all' && sought === '') return lines;
  return lines.filter((line) => (stream === 'all' || line.stream === stream) && (sought === '' || line.text.toLowerCase().includes(sought)));
}

/** The time of the day, to the millisecond. */
export function clock(at: number): string {
  if (!at) return '';
  const time = new Date(at);
  const two = (value: number) => String(value).padStart(2, '0');
  return `${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}.${String(time.getMilliseconds()).padStart(3, '0')}`;
}

/** The lines as one copies them. */
export const asText = (lines: readonly LogLine[]) => lines.map(({ at, stream, text }) => `${at ? new Date(at).toISOString() : '-'} ${stream} ${text}\n`).join('');

/** A text cut where the sought is in it: every second part is a find. */
export function finds(text: string, search: string): string[] {
  const sought = search.trim().toLowerCase();
  if (sought === '') return [text];
  const parts: string[] = [];
  const lower = text.toLowerCase();
  // Where lower case has another length, as that of İ, places do not match: such a text is shown unmarked.
  if (lower.length !== text.length) return [text];
  let end = 0;
  for (let at = lower.indexOf(sought); at >= 0; at = lower.indexOf(sought, end)) {
    parts.push(text.slice(end, at), text.slice(at, at + sought.length));
    end = at + sought.length;
  }
  return [...parts, text.slice(end)];
}
