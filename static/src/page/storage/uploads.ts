// The queue of uploads: two at a time, each with its state.
import { useRef, useSyncExternalStore } from 'react';
import { words, type Api } from '../gateway/call.ts';
import { upload, type Item, type Sending } from './upload.ts';

export interface Upload extends Item {
  id: number;
  sent: number;
  state: 'waiting' | 'sending' | 'done' | 'failed';
  fault?: string;
}

const atOnce = 2;

export class Uploads {
  #all: Upload[] = [];
  #sending = new Map<number, Sending>();
  #listeners = new Set<() => void>();
  #next = 1;

  constructor(private readonly api: Api, private readonly arrived: (upload: Upload) => void) {}

  all = () => this.#all;

  subscribe = (listener: () => void) => {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  };

  add(items: Item[]): void {
    this.#set([...this.#all, ...items.map((item): Upload => ({ ...item, id: this.#next++, sent: 0, state: 'waiting' }))]);
    this.#work();
  }

  again(id: number, replace: boolean): void {
    this.#change(id, { state: 'waiting', sent: 0, replace });
    this.#work();
  }

  remove(id: number): void {
    this.#sending.get(id)?.stop();
    this.#set(this.#all.filter((upload) => upload.id !== id));
  }

  clear(): void {
    this.#set(this.#all.filter(({ state }) => state === 'waiting' || state === 'sending'));
  }

  #work(): void {
    const waiting = this.#all.filter(({ state }) => state === 'waiting');
    for (const next of waiting.slice(0, atOnce - this.#sending.size)) void this.#send(next);
  }

  async #send(item: Upload): Promise<void> {
    this.#change(item.id, { state: 'sending' });
    const sending = upload(this.api, item, (sent) => this.#change(item.id, { sent }));
    this.#sending.set(item.id, sending);
    try {
      await sending.done;
      this.#change(item.id, { state: 'done', sent: item.file.size });
      this.arrived(item);
    } catch (error) {
      this.#change(item.id, { state: 'failed', fault: words(error) });
    }
    this.#sending.delete(item.id);
    this.#work();
  }

  #change(id: number, part: Partial<Upload>): void {
    this.#set(this.#all.map((upload) => (upload.id === id ? { ...upload, ...part } : upload)));
  }

  #set(all: Upload[]): void {
    this.#all = all;
    for (const listener of this.#listeners) listener();
  }
}

/** The queue of this place; it outlives the folder one looks at. */
export function useUploads(api: Api, arrived: (upload: Upload) => void): { uploads: Uploads; all: Upload[] } {
  const latest = useRef(arrived);
  latest.current = arrived;
  const queue = useRef<Uploads>(undefined);
  queue.current ??= new Uploads(api, (upload) => latest.current(upload));
  return { uploads: queue.current, all: useSyncExternalStore(queue.current.subscribe, queue.current.all) };
}

/** What was dropped, folders opened: each file with its path below the folder it was dropped on. */
export async function dropped(transfer: DataTransfer): Promise<{ path: string; file: File }[]> {
  // Both lists are emptied as soon as the event is over: read before the first await.
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.());
  const plain = [...transfer.files].map((file) => ({ path: file.name, file }));
  if (!entries.some((entry) => entry?.isDirectory)) return plain;
  const files: { path: string; file: File }[] = [];
  const open = async (entry: FileSystemEntry, folder: string): Promise<void> => {
    const path = folder ? `${folder}/${entry.name}` : entry.name;
    if (entry.isFile) {
      const file = await new Promise<File>((resolve, reject) => (entry as FileSystemFileEntry).file(resolve, reject));
      files.push({ path, file });
      return;
    }
    const reader = (entry as FileSystemDirectoryEntry).createReader();
    for (;;) {
      const some = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
      if (some.length === 0) return;
      for (const each of some) await open(each, path);
    }
  };
  for (const entry of entries) if (entry) await open(entry, '');
  return files;
}
