// Sending what is written in a console: one request at a time, and what comes of it while it comes.
import { useState, type FormEvent, type KeyboardEvent } from 'react';
import { announce } from '../parts/Announcer.tsx';
import type { Outgoing } from './request.ts';
import { send, type Reply } from './send.ts';

export interface Sending {
  reply: Reply | undefined;
  /** Ends the request that is under way; nothing where none is. */
  cancel: (() => void) | undefined;
  /** Forgets the answer. */
  clear: () => void;
  /** For the form around the fields: it is submitted by its button, or by Ctrl+Enter in any of them. */
  form: { onSubmit: (event: FormEvent) => void; onKeyDown: (event: KeyboardEvent) => void };
}

/** `prepare` makes the request of what is written then; nothing where that cannot be sent. */
export function useSending(prepare: () => Promise<Outgoing> | undefined, done?: () => void): Sending {
  const [reply, setReply] = useState<Reply>();
  const [sending, setSending] = useState<AbortController>();
  const submit = async () => {
    const preparing = sending ? undefined : prepare();
    if (!preparing) return;
    const stop = new AbortController();
    setSending(stop);
    setReply(undefined);
    const answer = await send(await preparing, stop.signal, setReply);
    setSending(undefined);
    setReply(answer);
    announce(answer.kind === 'answer' ? `Answer: ${answer.status} ${answer.statusText}` : `Failed: ${answer.message}`);
    done?.();
  };
  return {
    reply,
    cancel: sending && (() => sending.abort()),
    clear: () => setReply(undefined),
    form: {
      onSubmit(event) {
        event.preventDefault();
        void submit();
      },
      onKeyDown(event) {
        if (event.key !== 'Enter' || !(event.metaKey || event.ctrlKey)) return;
        event.preventDefault();
        void submit();
      },
    },
  };
}
