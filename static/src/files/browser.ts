// Where a browser keeps a project's files: the origin private file system, or IndexedDB where that cannot be written.
import { indexedDbHolds, indexedDbStore } from './indexeddb.ts';
import { opfsOffered, opfsStore } from './opfs.ts';
import type { FileStore } from './store.ts';

const chosen = new Map<string, Promise<FileStore>>();

/** Files stay where they were begun, whatever the browser learns later. */
async function choose(project: string): Promise<FileStore> {
  return !opfsOffered() || (await indexedDbHolds(project)) ? indexedDbStore : opfsStore;
}

function store(project: string): Promise<FileStore> {
  let choice = chosen.get(project);
  if (!choice) {
    choice = choose(project);
    choice.catch(() => chosen.delete(project));
    chosen.set(project, choice);
  }
  return choice;
}

export const browserStore: FileStore = {
  create: async (project, name) => (await store(project)).create(project, name),
  read: async (project, name, from, to) => (await store(project)).read(project, name, from, to),
  size: async (project, name) => (await store(project)).size(project, name),
  remove: async (project, name) => (await store(project)).remove(project, name),
  list: async (project) => (await store(project)).list(project),
};
