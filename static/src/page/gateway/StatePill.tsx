// The gateway's state in one word.
import { useEffect } from 'react';
import { announce } from '../parts/Announcer.tsx';
import { useGateway, useView } from './context.ts';
import { health } from './problem.ts';

const words = { starting: 'Starting', ready: 'Ready', trouble: 'Needs attention' } as const;

export function StatePill() {
  const state = health(useView(), useGateway().version);
  useEffect(() => announce(`Gateway: ${words[state]}`), [state]);
  return (
    <a className="pill" href="#/" data-state={state}>
      <span className="dot" aria-hidden />
      <span className="unseen">Gateway: </span>
      {words[state]}
    </a>
  );
}
