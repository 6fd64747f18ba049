// A function's `fetch`: everything it asks goes by the supervisor, which decides whom it reaches.
import type { HeaderList, ToIsolate } from '../messages.ts';
import type { Bodies } from './bodies.ts';
import type { Platform } from './runtime.ts';

interface Answer {
  status: number;
  headers: HeaderList;
  body: ReadableStream<Uint8Array<ArrayBuffer>> | null;
}

interface Waiting {
  resolve(answer: Answer): void;
  reject(error: unknown): void;
}

const bodiless = new Set([101, 103, 204, 205, 304]);
const redirects = new Set([301, 302, 303, 307, 308]);
const mostRedirects = 20;

export class Fetches {
  readonly #platform: Platform;
  readonly #bodies: Bodies;
  readonly #waiting = new Map<number, Waiting>();
  readonly #native = globalThis.fetch.bind(globalThis);
  #next = 1;

  constructor(platform: Platform, bodies: Bodies) {
    this.#platform = platform;
    this.#bodies = bodies;
  }

  async fetch(input: RequestInfo | URL, init?: RequestInit): Promise<Response> {
    let request = new Request(input, init);
    if (/^(data|blob):/.test(request.url)) return local(request.url, this.#native);
    for (let hops = 0; ; hops++) {
      const response = await this.#ask(request);
      const location = response.headers.get('location');
      if (request.redirect === 'manual' || !redirects.has(response.status) || location === null) {
        Object.defineProperties(response, { url: { value: request.url }, redirected: { value: hops > 0 } });
        return response;
      }
      void response.body?.cancel();
      if (request.redirect === 'error') throw new TypeError(`${request.url} leads elsewhere, to ${location}`);
      if (hops === mostRedirects) throw new TypeError('It leads elsewhere again and again');
      request = followed(request, response.status, new URL(location, request.url));
    }
  }

  handle(message: Extract<ToIsolate, { kind: 'response' | 'refused' }>): void {
    const waiting = this.#waiting.get(message.id);
    if (!waiting) return;
    this.#waiting.delete(message.id);
    if (message.kind === 'response') {
      const { id, status, headers, hasBody } = message;
      // What is next may be of its body.
      waiting.resolve({ status, headers, body: hasBody ? this.#bodies.open(id) : null });
    } else waiting.reject(new TypeError(message.text));
  }

  async #ask(request: Request): Promise<Response> {
    const { signal, method, url } = request;
    signal.throwIfAborted();
    const { post } = this.#platform;
    const id = this.#next;
    this.#next += 2;
    // A stream may be read once: whoever is led elsewhere needs it again, and keeps the request as it was.
    const body = request.body;
    const give = () => {
      post({ kind: 'cancel', id });
      this.#bodies.stop(id);
      this.#waiting.get(id)?.reject(signal.reason);
      this.#waiting.delete(id);
    };
    signal.addEventListener('abort', give, { once: true });
    const head = await new Promise<Answer>((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      const headers: HeaderList = [...request.headers];
      post({ kind: 'fetch', id, method, url: url.replace(/#.*$/, ''), headers, hasBody: body !== null, of: this.#platform.exchange() });
      if (body) void this.#bodies.send(id, body);
    });
    const nothing = bodiless.has(head.status);
    if (nothing) void head.body?.cancel();
    return new Response(nothing ? null : head.body, { status: head.status, headers: head.headers });
  }
}

/** The request that a redirect makes of another (Fetch, HTTP-redirect fetch). */
function followed(request: Request, status: number, url: URL): Request {
  const toGet = status === 303 ? !['GET', 'HEAD'].includes(request.method) : (status === 301 || status === 302) && request.method === 'POST';
  if (!toGet && request.body !== null) throw new TypeError(`${request.url} leads elsewhere, and a body is sent once`);
  const headers = new Headers(request.headers);
  if (toGet) for (const name of ['content-type', 'content-length', 'content-encoding', 'content-language', 'content-location']) headers.delete(name);
  if (new URL(request.url).origin !== url.origin) for (const name of ['authorization', 'cookie', 'apikey']) headers.delete(name);
  return new Request(url, { method: toGet ? 'GET' : request.method, headers, redirect: request.redirect, signal: request.signal });
}

/** What an isolate has itself. */
async function local(url: string, native: typeof fetch): Promise<Response> {
  const data = /^data:([^,]*?)(;base64)?,(.*)$/s.exec(url);
  if (!data) return native(url);
  const [, type, base64, text] = data as unknown as [string, string, string | undefined, string];
  const plain = decodeURIComponent(text);
  const bytes = base64 ? Uint8Array.from(atob(plain), (letter) => letter.charCodeAt(0)) : new TextEncoder().encode(plain);
  return new Response(bytes, { headers: { 'content-type': type || 'text/plain;charset=US-ASCII' } });
}
