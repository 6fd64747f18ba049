// Cross-origin isolation on hosts that cannot send its headers, and the way out.

/** The headers that make a page cross-origin isolated; every answer of the gateway's has them too. */
export const isolation = {
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-embedder-policy': 'require-corp',
  'cross-origin-resource-policy': 'same-origin',
} as const;

const isolatedDestinations = new Set<RequestDestination>(['document', 'iframe', 'frame', 'worker', 'sharedworker']);

/** Whether the answer to this request decides if something is isolated: a page, or a worker's script. */
export function needsIsolation(request: Request): boolean {
  return request.mode === 'navigate' || isolatedDestinations.has(request.destination);
}

/** The host's answer, with the headers that it lacks. */
export function isolated(response: Response): Response {
  // A redirect is opaque here and is followed by the browser; its target comes by again.
  if (response.type === 'opaqueredirect' || response.type === 'error' || response.status === 0) return response;
  const missing = Object.entries(isolation).filter(([name]) => !response.headers.has(name));
  if (missing.length === 0) return response;
  const headers = new Headers(response.headers);
  for (const [name, value] of missing) headers.set(name, value);
  return new Response(response.body, { status: response.status, statusText: response.statusText, headers });
}

/** `?gateway=off` on a page's address. */
export function asksToLeave(request: Request, url: URL): boolean {
  return request.mode === 'navigate' && url.searchParams.get('gateway') === 'off';
}

/** Takes the worker out of the way, then gives the page as the host has it. */
export async function leave(registration: ServiceWorkerRegistration, request: Request): Promise<Response> {
  await registration.unregister();
  return fetch(request);
}
