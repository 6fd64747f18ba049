// The sample shop: one click loads it, then requests that show what can be done with it.
import { Alert, Button, Progress } from '@mantine/core';
import { Check, CircleAlert, Database, Trash2 } from 'lucide-react';
import { useEffect, useState } from 'react';
import { announce } from '../parts/Announcer.tsx';
import { useGateway, useKeys } from '../gateway/context.ts';
import { openInConsole } from '../requests/handover.ts';
import type { SqlError } from '../sql/results.ts';
import { examples } from './examples.ts';
import { isLoaded, load, steps, unload } from './load.ts';

type State =
  | { kind: 'unknown' }
  | { kind: 'absent' }
  | { kind: 'loading'; done: number }
  | { kind: 'removing' }
  | { kind: 'failed'; what: string; error: SqlError }
  | { kind: 'loaded' };

export default function SampleData() {
  const gateway = useGateway();
  const secret = useKeys()?.secret;
  const [state, setState] = useState<State>({ kind: 'unknown' });
  const [asked, setAsked] = useState(false);

  useEffect(() => {
    if (!secret) return;
    void isLoaded(gateway.project, secret).then((there) => setState((now) => (now.kind === 'unknown' ? { kind: there ? 'loaded' : 'absent' } : now)));
  }, [gateway.project, secret]);

  const begin = async () => {
    setState({ kind: 'loading', done: 0 });
    const failed = await load(gateway.project, secret!, (done) => setState({ kind: 'loading', done }));
    setState(failed ? { kind: 'failed', what: steps[failed.step]!.name, error: failed.error } : { kind: 'loaded' });
    announce(failed ? `Loading stopped: ${failed.error.message}` : 'Sample data loaded');
    void gateway.refresh();
  };
  const remove = async () => {
    setAsked(false);
    setState({ kind: 'removing' });
    const error = await unload(gateway.project, secret!);
    setState(error ? { kind: 'failed', what: 'Removing', error } : { kind: 'absent' });
    announce(error ? `Not removed: ${error.message}` : 'Sample data removed');
    void gateway.refresh();
  };

  const busy = state.kind === 'loading' || state.kind === 'removing';
  return (
    <div className="column">
      <div className="title">
        <h1>Sample data</h1>
        <p className="quiet">A small shop in schema <code>public</code>: seven tables with some 10,000 rows, a view, two functions, and policies that keep each customer’s orders to that customer. Loading again changes nothing that is there.</p>
      </div>
      <section className="card" aria-label="Load">
        <div className="line-actions">
          <Button variant="filled" leftSection={<Database size={14} aria-hidden />} onClick={() => void begin()} disabled={!secret || busy} loading={state.kind === 'loading'}>
            {state.kind === 'loaded' ? 'Load again' : 'Load sample data'}
          </Button>
          {state.kind === 'loaded' && !asked && <Button leftSection={<Trash2 size={14} aria-hidden />} onClick={() => setAsked(true)}>Remove</Button>}
          {asked && (
            <span className="ask" role="group" aria-label="Confirm">
              Drop the shop’s tables with all rows in them?
              <Button color="red" variant="outline" autoFocus onClick={() => void remove()}>Drop them</Button>
              <Button onClick={() => setAsked(false)}>Keep</Button>
            </span>
          )}
          {state.kind === 'loaded' && <span className="good loaded"><Check size={14} aria-hidden /> Loaded</span>}
        </div>
        {state.kind === 'loading' && (
          <div className="progress">
            <Progress.Root size="sm"><Progress.Section value={(state.done / steps.length) * 100} aria-label="Loading" /></Progress.Root>
            <p className="quiet">{steps[state.done]?.name ?? 'Done'} · {state.done} of {steps.length}</p>
          </div>
        )}
        {state.kind === 'failed' && (
          <Alert className="trouble" role="alert" color="red" variant="outline" icon={<CircleAlert size={18} aria-hidden />} title={`${state.what}: ${state.error.message}`}>
            {state.error.hint && <p>{state.error.hint}</p>}
            {state.error.code && <p className="quiet">SQLSTATE <code>{state.error.code}</code></p>}
          </Alert>
        )}
      </section>
      <section aria-labelledby="examples-title">
        <h2 id="examples-title">Requests to try</h2>
        <p className="quiet">Each opens in the console. {state.kind !== 'loaded' && 'Load the data first.'}</p>
        {examples.map(({ group, examples }) => (
          <div key={group} className="example-group">
            <h3>{group}</h3>
            <ul>
              {examples.map(({ title, shows, request }) => (
                <li key={title}>
                  <button type="button" className="example" onClick={() => openInConsole(request)}>
                    <span className="example-title">{title}</span>
                    <span className="quiet">{shows}</span>
                    <code>{request.method ?? 'GET'} {request.path}</code>
                  </button>
                </li>
              ))}
            </ul>
          </div>
        ))}
      </section>
    </div>
  );
}
