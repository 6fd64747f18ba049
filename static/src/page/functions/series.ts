// A function's requests over time, from the lines of its log.
import type { FunctionLogLine } from '../../functions/functions.ts';

export interface Bin {
  /** When it begins, in milliseconds since 1970. */
  at: number;
  requests: number;
  /** Of them, those that were answered with 500 or more. */
  failed: number;
  p50?: number;
  p95?: number;
}

/** JSON lines of the log, those of requests only. */
export function requestsOf(jsonLines: string): { at: number; status: number; ms: number }[] {
  return jsonLines.split('\n').flatMap((text) => {
    if (!text.includes('"request"')) return [];
    const { event, at, status, ms } = JSON.parse(text) as FunctionLogLine;
    return event === 'request' ? [{ at, status: status ?? 0, ms: ms ?? 0 }] : [];
  });
}

/** The `count` bins that end with the one that `now` is in, each `width` milliseconds long. */
export function bins(requests: { at: number; status: number; ms: number }[], now: number, count: number, width: number): Bin[] {
  const first = (Math.floor(now / width) - count + 1) * width;
  const times: number[][] = Array.from({ length: count }, () => []);
  const made: Bin[] = times.map((_, index) => ({ at: first + index * width, requests: 0, failed: 0 }));
  for (const { at, status, ms } of requests) {
    const index = Math.floor((at - first) / width);
    const bin = made[index];
    if (!bin) continue;
    bin.requests += 1;
    if (status >= 500) bin.failed += 1;
    times[index]!.push(ms);
  }
  for (const [index, bin] of made.entries()) {
    const sorted = times[index]!.sort((a, b) => a - b);
    if (!sorted.length) continue;
    bin.p50 = quantile(sorted, 0.5);
    bin.p95 = quantile(sorted, 0.95);
  }
  return made;
}

/** Of sorted values, between the two nearest. */
export function quantile(sorted: number[], part: number): number {
  const place = (sorted.length - 1) * part;
  const low = sorted[Math.floor(place)]!;
  return low + (sorted[Math.ceil(place)]! - low) * (place - Math.floor(place));
}

/** A round number not below the highest: 1, 2 or 5 times a power of ten. */
export function ceiling(highest: number): number {
  if (highest <= 1) return 1;
  const power = 10 ** Math.floor(Math.log10(highest));
  return [1, 2, 5, 10].map((step) => step * power).find((step) => step >= highest)!;
}
