// A request on its way to the console from elsewhere on the page.
import type { Draft } from './request.ts';

let waiting: Partial<Draft> | undefined;
const arrival = new EventTarget();

/** Opens the console with the request in it. */
export function openInConsole(draft: Partial<Draft>): void {
  waiting = draft;
  location.hash = '#/requests';
  arrival.dispatchEvent(new Event('request'));
}

export function takeRequest(): Partial<Draft> | undefined {
  const taken = waiting;
  waiting = undefined;
  return taken;
}

export function onRequest(listener: () => void): () => void {
  arrival.addEventListener('request', listener);
  return () => arrival.removeEventListener('request', listener);
}
