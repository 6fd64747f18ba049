// Starts this page's share of the gateway and watches it.
import { watchGateway, type Gateway } from './store.ts';

export function start(project: string): Gateway {
  return watchGateway(project, GATEWAY_VERSION);
}
