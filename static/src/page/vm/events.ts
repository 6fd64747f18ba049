// Server-sent events through fetch: `EventSource` can send no key.
import { refusal, words, type Api } from '../gateway/call.ts';
import { base } from '../gateway/project.ts';

export interface Message { event: string; data: string }

/** Reads `text/event-stream` as it comes, cut anywhere; the rules are those of the HTML standard, 9.2.6. */
export class Events {
  #rest = '';
  #event = '';
  #data: string[] = [];
  /** Milliseconds to wait before the stream is opened again, where it said so. */
  retry: number | undefined;

  push(text: string): Message[] {
    const messages: Message[] = [];
    // A CR at the end may be half of a CRLF.
    const all = this.#rest + text;
    const held = all.endsWith('\r') ? 1 : 0;
    const lines = all.slice(0, all.length - held).split(/\r\n|\n|\r/);
    this.#rest = lines.pop()! + (held ? '\r' : '');
    for (const line of lines) {
      if (line === '') {
        if (this.#data.length > 0) messages.push({ event: this.#event || 'message', data: this.#data.join('\n') });
        this.#event = '';
        this.#data = [];
        continue;
      }
      const colon = line.indexOf(':');
      if (colon === 0) continue;
      const field = colon < 0 ? line : line.slice(0, colon);
      const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
      if (field === 'data') this.#data.push(value);
      if (field === 'event') this.#event = value;
      if (field === 'retry' && /^\d+$/.test(value)) this.retry = Number(value);
    }
    return messages;
  }
}

export type Connection = { kind: 'connecting' } | { kind: 'open' } | { kind: 'lost'; why: string; status?: number };

interface Following {
  /** A connection is open: what comes now begins anew. */
  opened: () => void;
  message: (message: Message) => void;
  /** How the connection stands. */
  connection: (connection: Connection) => void;
}

/** Milliseconds between attempts. */
const first = 500;
const longest = 10_000;

/**
 * Follows `path` until `signal` is aborted. A stream that ends or breaks is opened again, at once where it had been open
 * for a while: response streams of a service worker end after some minutes. Only while the page is in front.
 */
export async function follow(api: Api, path: string, signal: AbortSignal, on: Following): Promise<void> {
  let pause = first;
  on.connection({ kind: 'connecting' });
  while (!signal.aborted) {
    const began = performance.now();
    let lost: Connection = { kind: 'connecting' };
    const events = new Events();
    try {
      const response = await fetch(base(api.project) + path, { cache: 'no-store', headers: { apikey: api.secret, accept: 'text/event-stream' }, signal });
      if (!response.ok || !response.body) {
        const refused = await refusal(response);
        lost = { kind: 'lost', why: refused.message, status: refused.status };
      } else {
        on.opened();
        // One that ends was told all there is for now.
        lost = { kind: 'open' };
        on.connection(lost);
        const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
        for (let read = await reader.read(); !read.done; read = await reader.read()) {
          for (const message of events.push(read.value)) on.message(message);
        }
      }
    } catch (error) {
      lost = { kind: 'lost', why: words(error) };
    }
    if (signal.aborted) return;
    on.connection(lost);
    pause = performance.now() - began > 5_000 ? first : Math.min(longest, pause * 2);
    await rest(events.retry ?? pause, signal);
  }
}

/** Waits, and then until the page is in front: a hidden one needs no news. */
async function rest(milliseconds: number, signal: AbortSignal): Promise<void> {
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener('abort', () => (clearTimeout(timer), resolve()), { once: true });
  });
  if (document.visibilityState === 'visible' || signal.aborted) return;
  await new Promise<void>((resolve) => {
    const look = () => {
      if (document.visibilityState !== 'visible' && !signal.aborted) return;
      document.removeEventListener('visibilitychange', look);
      resolve();
    };
    document.addEventListener('visibilitychange', look);
    signal.addEventListener('abort', look, { once: true });
  });
}
