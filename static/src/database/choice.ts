// Which storage a project's database was given. It is remembered apart from both of them, in Cache Storage: a browser that
// finds its IndexedDB damaged drops all of it, and what is not remembered would be begun anew.

export interface Choice {
  storage: 'opfs' | 'indexeddb';
  /** Whether the database was ever opened. */
  opened: boolean;
  /** Which of its two places it is in: a copy that takes its place is opened in the other one first. */
  place?: 0 | 1;
  /** The file of the copy that is about to take its place: done again until it is done. */
  restore?: string;
}

/** What its files are called by. */
export const placeOf = (project: string, { place }: Choice) => (place ? `${project}~${place}` : project);

const registry = 'gateway-projects';

export async function readChoice(project: string): Promise<Choice | undefined> {
  const cache = await caches.open(registry);
  const known = await cache.match(address(project));
  return known?.json() as Promise<Choice> | undefined;
}

export async function writeChoice(project: string, choice: Choice): Promise<void> {
  const cache = await caches.open(registry);
  await cache.put(address(project), Response.json(choice));
}

const address = (project: string) => new URL(`/gateway-projects/${encodeURIComponent(project)}`, self.location.origin);
