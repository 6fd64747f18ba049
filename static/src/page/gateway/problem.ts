// What is wrong with the gateway, in words, and what a person can do about it.
import type { View } from './store.ts';

export interface Problem {
  title: string;
  what: string;
  /** What to do, in order. */
  advice: string[];
  action?: 'reload' | 'retry' | 'on';
  /** The database's own words, or the browser's. */
  reason?: string;
}

/** Milliseconds of refusals that a start, or a hand-over to another tab, may take. */
const patience = 6_000;

/** The gateway's state in one word, for the pill in the header. */
export type Health = 'starting' | 'ready' | 'trouble';

export function health(view: View, version: string): Health {
  if (problem(view, version)) return 'trouble';
  return view.answer?.kind === 'ready' ? 'ready' : 'starting';
}

export function problem({ worker, workerVersion, met, database, answer, refusedFor }: View, version: string): Problem | undefined {
  if (worker.kind === 'unsupported') {
    return {
      title: 'This browser cannot run the gateway',
      what: `It lacks ${worker.missing.join(', ')}.`,
      advice: ['Use a current Chrome, Edge, Firefox or Safari.', 'Private windows of some browsers have no service workers: use a normal one.', 'Open the page by https, or by localhost.'],
    };
  }
  if (worker.kind === 'off') {
    return {
      title: 'The gateway is switched off',
      what: 'The address has ?gateway=off: the service worker was removed. Your data is not touched.',
      advice: ['Switch it on to register the worker again.'],
      action: 'on',
    };
  }
  if (worker.kind === 'failed') {
    return {
      title: 'The service worker did not start',
      what: 'Without it nothing answers at this origin. Your data is not touched.',
      advice: ['Reload the page.', 'If that does not help, open it once with ?gateway=off, which removes the worker, then reload.', 'Check that site data is not blocked for this origin.'],
      action: 'reload',
      reason: worker.reason,
    };
  }
  if (database.kind === 'failed') {
    return {
      title: 'The database did not open',
      what: 'Nothing was changed or replaced. The files are as they were.',
      advice: ['Close other tabs of this origin and try again.', 'Make room: browsers refuse writes when the disk or the quota is full.', 'To begin again with an empty database, switch to a new project; this one stays.'],
      action: 'reload',
      reason: database.reason,
    };
  }
  // The worker may take a page that was loaded past it, and the developer tools keep its requests past it all the same.
  if (worker.kind === 'bypassed' || (worker.kind === 'active' && answer?.kind === 'absent' && refusedFor >= patience)) {
    return {
      title: 'This page was loaded past its service worker',
      what: 'A hard reload (Shift+Reload) does that, and so does “Bypass for network” in the developer tools.',
      advice: ['Reload the page normally.', 'In the developer tools, clear “Bypass for network”.'],
      action: 'reload',
    };
  }
  if (met && workerVersion !== undefined && workerVersion !== version) {
    return {
      title: 'Another version of the gateway is running',
      what: `The worker is build ${workerVersion}, this page is ${version}. They refuse to mix.`,
      advice: ['Reload this page.', 'If it stays, close every other tab of this origin, then reload.'],
      action: 'reload',
    };
  }
  if (answer?.kind === 'refused' && worker.kind === 'active' && database.kind !== 'opening' && refusedFor >= patience) {
    return {
      title: 'The gateway answers, but its database does not',
      what: answer.error.message,
      advice: answer.error.hint ? [answer.error.hint] : ['It is asked again each second. If it stays, reload the page.'],
      action: 'retry',
      ...(typeof answer.error.details === 'string' && { reason: answer.error.details }),
    };
  }
  return undefined;
}
