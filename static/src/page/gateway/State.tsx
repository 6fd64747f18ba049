// The gateway's parts and how each is.
import type { ReactNode } from 'react';
import { bytes } from '../parts/format.ts';
import { useGateway, useView } from './context.ts';
import type { Status } from './status.ts';
import type { View } from './store.ts';

type Tone = 'good' | 'warn' | 'bad' | 'plain';
interface Fact { name: string; value: ReactNode; more?: ReactNode; tone?: Tone }

export function State() {
  const { version } = useGateway();
  const view = useView();
  const status = view.answer?.kind === 'ready' ? view.answer.status : undefined;
  const facts: Fact[] = [worker(view), versions(view, version), owner(view), storage(status), size(status), postgres(status)];
  return (
    <section aria-labelledby="state-title" className="card">
      <h2 id="state-title">Gateway</h2>
      <dl className="facts">
        {facts.map(({ name, value, more, tone = 'plain' }) => (
          <div key={name} className="fact">
            <dt>{name}</dt>
            <dd data-tone={tone}>{tone !== 'plain' && <span className="dot" aria-hidden />}{value}</dd>
            {more && <dd className="fact-more">{more}</dd>}
          </div>
        ))}
      </dl>
    </section>
  );
}

function worker({ worker, answer }: View): Fact {
  const name = 'Service worker';
  switch (worker.kind) {
    case 'unsupported': return { name, value: 'Not supported here', tone: 'bad' };
    case 'installing': return { name, value: 'Installing…', tone: 'warn' };
    case 'waiting': return { name, value: 'Active', more: 'A newer one waits for a reload', tone: 'warn' };
    case 'off': return { name, value: 'Switched off', tone: 'warn' };
    case 'bypassed': return { name, value: 'Bypassed', more: 'Reload the page normally', tone: 'bad' };
    case 'failed': return { name, value: 'Failed', more: worker.reason, tone: 'bad' };
    case 'active': return answer?.kind === 'absent' ? { name, value: 'Active', more: 'It does not answer', tone: 'warn' } : { name, value: 'Active', tone: 'good' };
  }
}

function versions({ answer, workerVersion }: View, version: string): Fact {
  const name = 'Version';
  const release = answer?.kind === 'ready' ? `${answer.status.version}, ` : '';
  if (workerVersion === undefined) return { name, value: <>{release}build <code>{version}</code></>, more: 'This page; the worker has not answered yet' };
  return workerVersion === version
    ? { name, value: <>{release}build <code>{version}</code></>, more: 'Page and worker match', tone: 'good' }
    : { name, value: <>build <code>{workerVersion}</code></>, more: <>The page is <code>{version}</code>: reload it</>, tone: 'bad' };
}

function owner({ database, answer }: View): Fact {
  const name = 'Database runs in';
  if (database.kind === 'failed') return { name, value: 'No tab', more: 'It did not open', tone: 'bad' };
  if (database.kind === 'opening') return { name, value: 'This tab', more: 'Opening…', tone: 'warn' };
  if (database.kind === 'open') return { name, value: 'This tab', more: 'Other tabs take over when it closes', tone: 'good' };
  if (answer?.kind === 'ready') return { name, value: 'Another tab', more: 'This one takes over when that closes', tone: 'good' };
  return { name, value: 'Waiting…', tone: 'warn' };
}

const kinds: Record<string, string> = { opfs: 'OPFS', indexeddb: 'IndexedDB', memory: 'Memory' };

function storage(status?: Status): Fact {
  const name = 'Storage';
  if (!status?.storage) return { name, value: '–' };
  const { kind, durable } = status.storage;
  const value = kinds[kind] ?? kind;
  return durable ? { name, value, more: 'Durable: kept in this browser', tone: 'good' } : { name, value, more: 'Not durable: gone when its tab closes', tone: 'warn' };
}

function size(status?: Status): Fact {
  return { name: 'Database size', value: status ? bytes(status.database_size) : '–' };
}

function postgres(status?: Status): Fact {
  return { name: 'Postgres', value: status ? (/\d+(\.\d+)*/.exec(status.postgres_version)?.[0] ?? status.postgres_version) : '–' };
}
