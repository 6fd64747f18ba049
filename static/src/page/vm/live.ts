// The VM's status as it changes, while a part of the page shows it.
import { useCallback, useContext, useEffect, useState } from 'react';
import { announce } from '../parts/Announcer.tsx';
import type { Api } from '../gateway/call.ts';
import { useEvery } from '../parts/loaded.ts';
import { Shown } from '../parts/shown.ts';
import { follow, type Connection } from './events.ts';
import { states, status as read, type VmStatus } from './vm.ts';

/** Milliseconds between two looks at what a running VM uses. */
const pace = 4_000;

export interface Live {
  status?: VmStatus;
  connection: Connection;
  /** Asks anew now, as after something was told to the VM. */
  again: () => void;
}

export function useVmStatus(api: Api): Live {
  const shown = useContext(Shown);
  const [live, set] = useState<Omit<Live, 'again'>>({ connection: { kind: 'connecting' } });
  const [round, setRound] = useState(0);
  useEffect(() => {
    if (!shown) return;
    const over = new AbortController();
    let said: VmStatus['state'] | undefined;
    void follow(api, '/gateway/vm/events', over.signal, {
      opened: () => {},
      message: ({ data }) => {
        const status = parse(data);
        if (!status) return;
        if (said && said !== status.state) announce(`VM: ${states[status.state].word}`);
        said = status.state;
        set((now) => ({ ...now, status }));
      },
      connection: (connection) => set((now) => ({ ...now, connection })),
    });
    return () => over.abort();
  }, [api, shown, round]);
  // What it uses changes all the time, and is not told: it is asked for.
  const running = live.status?.state === 'ready';
  const ask = useCallback(async () => {
    if (!running) return;
    const status = await read(api).catch(() => undefined);
    if (status) set((now) => ({ ...now, status }));
  }, [api, running]);
  useEvery(pace, ask);
  return { ...live, again: useCallback(() => setRound((round) => round + 1), []) };
}

function parse(data: string): VmStatus | undefined {
  try {
    const status = JSON.parse(data) as VmStatus;
    return status.state in states ? status : undefined;
  } catch {
    return undefined;
  }
}
