// A function's log as it comes, and those of its lines that one looks for.
import { logLevels, type FunctionLogLine, type LogLevel } from '../../functions/functions.ts';
import type { LogLine, Numbered } from '../apps/logs.ts';

/** A line of the API's JSON; nothing for what is no line. What has a stack shows it. */
export function readLines(data: string): LogLine[] {
  let line: Partial<FunctionLogLine>;
  try {
    line = JSON.parse(data) as Partial<FunctionLogLine>;
  } catch {
    return [];
  }
  if (typeof line !== 'object' || line === null || typeof line.at !== 'number') return [];
  const { at, level = 'log', event, message = '', stack, status, ms } = line;
  const said = stack && stack.includes(message) ? stack : [message, stack].filter(Boolean).join('\n');
  const about = event === 'log' || event === 'error' || event === undefined ? '' : `${event} `;
  const figures = [status, ms === undefined || ms === null ? undefined : `${ms.toFixed(ms < 10 ? 1 : 0)} ms`].filter((one) => one !== undefined && one !== null);
  const known = figures.filter((one) => !said.includes(String(one)));
  return [{ at, stream: level, text: `${about && !said.startsWith(about.trim()) ? about : ''}${said}${known.length ? ` · ${known.join(' · ')}` : ''}` }];
}

const rank: Record<LogLevel, number> = { debug: 0, info: 1, log: 1, warn: 2, error: 3 };
const rankOf = (stream: string) => rank[logLevels.find((level) => level === stream) ?? 'log'];

export interface Wanted {
  /** This one and what matters more. */
  level: LogLevel;
  /** Looked for without regard to case. */
  search: string;
}

export function pick(lines: readonly Numbered[], { level, search }: Wanted): readonly Numbered[] {
  const sought = search.trim().toLowerCase();
  if (level === 'debug' && sought === '') return lines;
  return lines.filter(({ stream, text }) => rankOf(stream) >= rank[level] && (sought === '' || text.toLowerCase().includes(sought)));
}
