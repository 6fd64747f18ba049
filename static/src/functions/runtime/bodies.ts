// Bodies in both directions, each no faster than its reader.
import { CHUNK, WINDOW, type FromIsolate, type ToIsolate } from '../messages.ts';
import { thrown } from './inspect.ts';

export type Post = (message: FromIsolate, transfer?: Transferable[]) => void;

interface Incoming {
  chunks: Uint8Array[];
  ended: boolean;
  error?: Error | undefined;
  wake?: (() => void) | undefined;
}

interface Outgoing {
  credit: number;
  gone: boolean;
  wake?: (() => void) | undefined;
  /** Tells whoever makes the body that nobody reads it. */
  cancel(): void;
}

export class Bodies {
  readonly #post: Post;
  readonly #incoming = new Map<number, Incoming>();
  readonly #outgoing = new Map<number, Outgoing>();

  constructor(post: Post) {
    this.#post = post;
  }

  /** The other side's body. */
  open(id: number): ReadableStream<Uint8Array<ArrayBuffer>> {
    const incoming: Incoming = { chunks: [], ended: false };
    this.#incoming.set(id, incoming);
    return new ReadableStream<Uint8Array<ArrayBuffer>>({
      pull: async (controller) => {
        while (incoming.chunks.length === 0 && !incoming.ended && !incoming.error) {
          await new Promise<void>((resolve) => { incoming.wake = resolve; });
        }
        const bytes = incoming.chunks.shift();
        if (bytes) {
          this.#post({ kind: 'credit', id, count: bytes.length });
          controller.enqueue(bytes as Uint8Array<ArrayBuffer>);
          return;
        }
        this.#incoming.delete(id);
        if (incoming.error) controller.error(incoming.error);
        else controller.close();
      },
      cancel: () => {
        if (this.#incoming.delete(id) && !incoming.ended) this.#post({ kind: 'cancel', id });
      },
    }, { highWaterMark: 0 });
  }

  /** Sends this side's body, to its end or until nobody reads it. */
  async send(id: number, body: ReadableStream<Uint8Array>): Promise<void> {
    const reader = body.getReader();
    const outgoing: Outgoing = { credit: WINDOW, gone: false, cancel: () => void reader.cancel().catch(() => undefined) };
    this.#outgoing.set(id, outgoing);
    try {
      for (;;) {
        const { done, value } = await reader.read();
        if (outgoing.gone) return;
        if (done) break;
        if (!(value instanceof Uint8Array)) throw new TypeError('A body’s chunks must be Uint8Array');
        for (let at = 0; at < value.length;) {
          while (outgoing.credit <= 0 && !outgoing.gone) await new Promise<void>((resolve) => { outgoing.wake = resolve; });
          if (outgoing.gone) return;
          const bytes = value.slice(at, at + Math.min(CHUNK, outgoing.credit));
          at += bytes.length;
          outgoing.credit -= bytes.length;
          this.#post({ kind: 'chunk', id, bytes }, [bytes.buffer]);
        }
      }
      this.#post({ kind: 'end', id });
    } catch (error) {
      if (!outgoing.gone) this.#post({ kind: 'broken', id, ...thrown(error) });
      reader.cancel(error).catch(() => undefined);
    } finally {
      this.#outgoing.delete(id);
    }
  }

  /** Hears what is said about a body. */
  handle(message: Extract<ToIsolate, { kind: 'chunk' | 'end' | 'broken' | 'credit' }>): void {
    const { id } = message;
    if (message.kind === 'credit') {
      const outgoing = this.#outgoing.get(id);
      if (!outgoing) return;
      outgoing.credit += message.count;
      outgoing.wake?.();
      return;
    }
    const incoming = this.#incoming.get(id);
    if (!incoming) return;
    if (message.kind === 'chunk') incoming.chunks.push(message.bytes);
    else if (message.kind === 'end') incoming.ended = true;
    else incoming.error = new TypeError(`The body broke off: ${message.text}`);
    incoming.wake?.();
  }

  /** Nobody reads this side's body any more. */
  stop(id: number): void {
    const outgoing = this.#outgoing.get(id);
    if (!outgoing) return;
    outgoing.gone = true;
    outgoing.cancel();
    outgoing.wake?.();
  }
}
