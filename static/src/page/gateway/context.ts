// The gateway, for every part of the page.
import { createContext, use, useSyncExternalStore } from 'react';
import type { Keys, Status } from './status.ts';
import type { Gateway, View } from './store.ts';

export const GatewayContext = createContext<Gateway | undefined>(undefined);

export function useGateway(): Gateway {
  const gateway = use(GatewayContext);
  if (!gateway) throw new Error('no gateway is given to this part of the page');
  return gateway;
}

export function useView(): View {
  const gateway = useGateway();
  return useSyncExternalStore(gateway.subscribe, gateway.view);
}

/** What the gateway last said of itself; undefined until it is ready. */
export function useStatus(): Status | undefined {
  const { answer } = useView();
  return answer?.kind === 'ready' ? answer.status : undefined;
}

export function useKeys(): Keys | undefined {
  return useStatus()?.keys ?? undefined;
}
