// Variables by name and value; values are hidden until one is edited.
import { ActionIcon, Button, PasswordInput, TextInput } from '@mantine/core';
import { Plus, X } from 'lucide-react';
import type { ClipboardEvent } from 'react';
import { readDotenv, type Variable } from './env.ts';

/** Lines of a `.env` file that are pasted into a name become variables. */
export function EnvEditor({ variables, change, legend = 'Environment', add = 'Add a variable', hint = 'SUPABASE_URL, SUPABASE_ANON_KEY, DATABASE_URL and PORT are set for every app. Lines of a .env file can be pasted into a name.' }: { variables: Variable[]; change: (variables: Variable[]) => void; legend?: string; add?: string; hint?: string }) {
  const set = (at: number, part: Partial<Variable>) => change(variables.map((variable, index) => (index === at ? { ...variable, ...part } : variable)));
  const paste = (at: number) => (event: ClipboardEvent) => {
    const pasted = readDotenv(event.clipboardData.getData('text'));
    if (pasted.length === 0) return;
    event.preventDefault();
    change([...variables.slice(0, at), ...pasted, ...variables.slice(at + 1)]);
  };
  return (
    <fieldset className="env">
      <legend className="label">{legend}</legend>
      {variables.map(({ name, value }, at) => (
        <div key={at} className="env-row">
          <TextInput aria-label={`Name of variable ${at + 1}`} placeholder="NAME" spellCheck={false} autoComplete="off" value={name} onPaste={paste(at)} onChange={(event) => set(at, { name: event.currentTarget.value })} />
          <PasswordInput size="xs" aria-label={`Value of ${name || `variable ${at + 1}`}`} placeholder="value" autoComplete="off" spellCheck={false} visibilityToggleButtonProps={{ 'aria-label': 'Show the value' }} value={value} onChange={(event) => set(at, { value: event.currentTarget.value })} />
          <ActionIcon aria-label={`Remove ${name || `variable ${at + 1}`}`} onClick={() => change(variables.filter((_, index) => index !== at))}><X size={14} aria-hidden /></ActionIcon>
        </div>
      ))}
      <Button className="start" leftSection={<Plus size={14} aria-hidden />} onClick={() => change([...variables, { name: '', value: '' }])}>{add}</Button>
      <p className="quiet hint">{hint}</p>
    </fieldset>
  );
}
