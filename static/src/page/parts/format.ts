// Figures as a person reads them.
const units = ['bytes', 'KB', 'MB', 'GB', 'TB'];

export function bytes(count: number): string {
  let unit = 0;
  let amount = count;
  while (amount >= 1024 && unit < units.length - 1) {
    amount /= 1024;
    unit += 1;
  }
  return `${unit === 0 ? amount : amount.toFixed(amount < 10 ? 1 : 0)} ${units[unit]}`;
}

export function milliseconds(time: number): string {
  if (time < 10) return `${time.toFixed(1)} ms`;
  return time < 10_000 ? `${Math.round(time)} ms` : `${(time / 1000).toFixed(1)} s`;
}

export function count(amount: number, one: string, many = `${one}s`): string {
  return `${amount.toLocaleString('en')} ${amount === 1 ? one : many}`;
}

/** A moment as a person says it: how long ago, or the date where that is long. */
export function ago(time: string | number | null | undefined, now = Date.now()): string {
  if (time === null || time === undefined || time === '') return 'never';
  const moment = new Date(time);
  const seconds = Math.round((now - moment.getTime()) / 1000);
  if (Number.isNaN(seconds)) return String(time);
  if (seconds < 0 || seconds > 7 * 86_400) return moment.toLocaleDateString(undefined, { year: 'numeric', month: 'short', day: 'numeric' });
  if (seconds < 60) return 'just now';
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ago`;
  return count(Math.floor(seconds / 86_400), 'day') + ' ago';
}

/** The whole moment, for a title. */
export function moment(time: string | number | null | undefined): string {
  return time === null || time === undefined || time === '' ? '' : new Date(time).toLocaleString();
}
