// The server's end of a WebSocket, as `Deno.upgradeWebSocket` gives it.
import type { ToIsolate } from '../messages.ts';
import type { Post } from './bodies.ts';

const connecting = 0;
const open = 1;
const closing = 2;
const closed = 3;

type Handler = ((event: Event) => void) | null;

export class ServerSocket extends EventTarget {
  static readonly CONNECTING = connecting;
  static readonly OPEN = open;
  static readonly CLOSING = closing;
  static readonly CLOSED = closed;
  readonly CONNECTING = connecting;
  readonly OPEN = open;
  readonly CLOSING = closing;
  readonly CLOSED = closed;
  readonly url: string;
  readonly protocol: string;
  readonly extensions = '';
  readonly bufferedAmount = 0;
  binaryType: 'blob' | 'arraybuffer' = 'blob';
  onopen: Handler = null;
  onmessage: Handler = null;
  onclose: Handler = null;
  onerror: Handler = null;
  #state = connecting;
  readonly #id: number;
  readonly #post: Post;
  readonly #over: () => void;

  /** `over` is called once it is closed. */
  constructor(id: number, url: string, protocol: string, post: Post, over: () => void) {
    super();
    this.#id = id;
    this.url = url.replace(/^http/, 'ws');
    this.protocol = protocol;
    this.#post = post;
    this.#over = over;
  }

  get readyState(): number {
    return this.#state;
  }

  send(data: string | ArrayBuffer | ArrayBufferView | Blob): void {
    if (this.#state === connecting) throw new DOMException('The WebSocket is not open yet', 'InvalidStateError');
    if (this.#state !== open) return;
    if (typeof data === 'string') this.#post({ kind: 'text', id: this.#id, text: data });
    else if (data instanceof Blob) void data.arrayBuffer().then((bytes) => this.send(bytes));
    else {
      const bytes = ArrayBuffer.isView(data) ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength).slice() : new Uint8Array(data.slice(0));
      this.#post({ kind: 'binary', id: this.#id, bytes }, [bytes.buffer]);
    }
  }

  close(code?: number, reason = ''): void {
    if (code !== undefined && code !== 1000 && !(code >= 3000 && code <= 4999)) throw new DOMException(`${code} is no code that may be sent`, 'InvalidAccessError');
    if (this.#state >= closing) return;
    this.#post({ kind: 'close', id: this.#id, ...(code !== undefined && { code }), reason });
    this.#end(code ?? 1005, reason, true);
  }

  /** The page is there. */
  opened(): void {
    this.#state = open;
    this.#tell(new Event('open'));
  }

  /** It will never be. */
  refused(): void {
    if (this.#state === closed) return;
    this.#tell(new Event('error'));
    this.#end(1006, '', false);
  }

  handle(message: Extract<ToIsolate, { kind: 'text' | 'binary' | 'close' }>): void {
    if (this.#state === closed) return;
    if (message.kind === 'close') return this.#end(message.code, message.reason, message.clean);
    const data = message.kind === 'text' ? message.text : this.binaryType === 'blob' ? new Blob([message.bytes as Uint8Array<ArrayBuffer>]) : message.bytes.slice().buffer;
    this.#tell(new MessageEvent('message', { data }));
  }

  #end(code: number, reason: string, wasClean: boolean): void {
    this.#state = closed;
    this.#over();
    queueMicrotask(() => this.#tell(Object.assign(new Event('close'), { code, reason, wasClean })));
  }

  #tell(event: Event): void {
    this.dispatchEvent(event);
    const handler = this[`on${event.type}` as 'onopen'];
    if (typeof handler === 'function') {
      try {
        handler.call(this, event);
      } catch (error) {
        // As an event's listener, it does not end whoever tells of the event.
        reportError?.(error);
      }
    }
  }
}

/** What `WebSocket` is in an isolate: nothing leads out of it but `fetch`. */
export class NoSocket extends EventTarget {
  constructor(url: string) {
    super();
    throw new DOMException(`Functions open no WebSockets here: ${url}`, 'NotSupportedError');
  }
}
