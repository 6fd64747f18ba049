// What functions find in their environment: names, and a way to tell values apart; a value is never shown again.
import { ActionIcon, Button } from '@mantine/core';
import { Trash2 } from 'lucide-react';
import { useState } from 'react';
import { EnvEditor } from '../apps/EnvEditor.tsx';
import type { Variable } from '../apps/env.ts';
import type { Api } from '../gateway/call.ts';
import { announce } from '../parts/Announcer.tsx';
import type { Question } from '../parts/Confirm.tsx';
import { Fault } from '../parts/Fault.tsx';
import { ago, count, moment } from '../parts/format.ts';
import { useLoaded } from '../parts/loaded.ts';
import { useSubmit } from '../parts/submit.ts';
import { Waiting } from '../parts/Waiting.tsx';
import { secrets } from './functions.ts';

const empty: Variable[] = [{ name: '', value: '' }];

/** Why these cannot be set, or nothing. */
export function secretProblem(variables: Variable[]): string | undefined {
  const given = variables.filter(({ name, value }) => name !== '' || value !== '');
  if (given.length === 0) return 'Give a name and a value.';
  const wrong = given.find(({ name }) => !/^[A-Za-z_]\w*$/.test(name));
  if (wrong) return `“${wrong.name}” is no name: use letters, digits and _, beginning with a letter.`;
  const reserved = given.find(({ name }) => /^(SUPABASE|SB)_/.test(name));
  return reserved && `${reserved.name} is the gateway’s: names that begin with SUPABASE_ or SB_ cannot be set.`;
}

export function Secrets({ api, ask }: { api: Api; ask: (question: Question) => void }) {
  const { value, fault, reload } = useLoaded(() => secrets(api).list(), [api]);
  const [variables, setVariables] = useState(empty);
  const [strict, setStrict] = useState(false);
  const wrong = secretProblem(variables);
  const { busy, fault: refused, submit } = useSubmit(async () => {
    setStrict(true);
    if (wrong) return;
    const given = variables.filter(({ name }) => name !== '');
    await secrets(api).set(Object.fromEntries(given.map(({ name, value: text }) => [name, text])));
    setVariables(empty);
    setStrict(false);
    announce(`Set ${count(given.length, 'secret')}`);
    await reload();
  });
  const askUnset = (name: string) => ask({
    title: `Delete ${name}?`,
    text: 'Functions do not find it any more from their next request on. Its value is kept nowhere.',
    action: 'Delete',
    run: async () => {
      await secrets(api).unset(name);
      announce(`Deleted ${name}`);
      await reload();
    },
  });
  return (
    <section className="card secrets" aria-labelledby="secrets-title">
      <h2 id="secrets-title">Secrets</h2>
      <p className="quiet">Every function of this project finds them with <code>Deno.env.get</code>. They are kept encrypted, and no value is shown again; a digest tells two of them apart.</p>
      {fault && <Fault title={fault} />}
      {!value && !fault && <Waiting what="secrets" />}
      {value && value.length > 0 && (
        <ul className="items">
          {value.map(({ name, digest, updated_at: at }) => (
            <li key={name}>
              <code className="item-main">{name}</code>
              <span className="wide-only" aria-hidden>••••••••</span>
              <code className="quiet" title="The first digits of the value’s SHA-256">{digest}</code>
              <span className="quiet wide-only" title={moment(at)}>{ago(at)}</span>
              <ActionIcon aria-label={`Delete ${name}`} onClick={() => askUnset(name)}><Trash2 size={14} aria-hidden /></ActionIcon>
            </li>
          ))}
        </ul>
      )}
      <form className="secrets-form" aria-label="Set secrets" onSubmit={submit}>
        <EnvEditor legend={value?.length ? 'New ones, or new values' : 'Set some'} hint="SUPABASE_URL, SUPABASE_ANON_KEY, SUPABASE_SERVICE_ROLE_KEY and SUPABASE_DB_URL are there for every function. Lines of a .env file can be pasted into a name." add="Add another" variables={variables} change={setVariables} />
        {strict && wrong && <p className="bad hint" role="alert">{wrong}</p>}
        {refused && <Fault title={refused} />}
        <div className="form-end"><Button type="submit" variant="filled" loading={busy}>Set</Button></div>
      </form>
    </section>
  );
}
