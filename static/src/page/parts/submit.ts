// A form on its way.
import { useState, type FormEvent } from 'react';
import { words } from '../gateway/call.ts';

/** One submission at a time, and what the last one was refused for. */
export function useSubmit(run: () => Promise<void>) {
  const [busy, setBusy] = useState(false);
  const [fault, setFault] = useState<string>();
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    if (busy) return;
    setBusy(true);
    setFault(undefined);
    try {
      await run();
    } catch (error) {
      setFault(words(error));
    }
    setBusy(false);
  };
  return { busy, fault, submit: (event: FormEvent) => void submit(event) };
}
