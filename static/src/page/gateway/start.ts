// Starts this page's share of the gateway, and tells the store how that went.
import { NoGateway, startGateway } from '../../gateway.ts';
import { watchGateway, type Gateway } from './store.ts';

const wordOf = (error: unknown) => (error instanceof Error ? error.message : String(error));

export function start(project: string): Gateway {
  const gateway = watchGateway(project, GATEWAY_VERSION);
  if (gateway.view().worker.kind !== 'unsupported') void begin(gateway);
  return gateway;
}

async function begin(gateway: Gateway): Promise<void> {
  try {
    // `?storage=memory` keeps nothing: for tests, and for a look around.
    const storage = new URL(location.href).searchParams.get('storage') === 'memory' ? 'memory' : 'auto';
    const { ownership, ready } = await startGateway({ project: gateway.project, storage });
    gateway.set({ met: true });
    // The store asks for itself, and says why there is no answer.
    ready.catch(() => undefined);
    gateway.owns(() => ownership.owner);
    ownership.opened.then(
      () => gateway.set({ database: { kind: 'open' } }),
      (error: unknown) => gateway.set({ database: { kind: 'failed', reason: wordOf(error) } }),
    ).finally(() => void gateway.refresh());
  } catch (error) {
    const off = error instanceof NoGateway && error.reason === 'off';
    gateway.set({ worker: off ? { kind: 'off' } : { kind: 'failed', reason: wordOf(error) } });
    if (off) return;
  }
  await gateway.refresh();
}
