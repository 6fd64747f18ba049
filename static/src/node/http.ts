// Between node:http and fetch: a request in, a response out, streamed both ways.
import { once } from 'node:events';
import { STATUS_CODES, createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { news } from './news.ts';

export type Handle = (request: Request) => Promise<Response>;

export interface HttpServer {
  /** Does not listen yet. */
  server: Server;
  /** Takes nothing new; resolves when what is under way is answered, or after ten seconds, when it is cut off. */
  end(): Promise<void>;
}

/** A server that answers with `handle`. */
export function httpServer(handle: Handle): HttpServer {
  const connections = new Set<Socket>();
  const busy = new Set<Socket>();
  // Browsers and proxies allow long filters; Node's own 16 KB would refuse them.
  // A client that reuses a connection at the moment it is closed for idleness sees its request fail: an idle one stays longer
  // than clients and proxies usually keep theirs.
  const server = createServer({ maxHeaderSize: 128 * 1024, keepAliveTimeout: 75_000 }, (incoming, outgoing) => {
    // A server that is about to end takes no next request.
    if (!server.listening) outgoing.shouldKeepAlive = false;
    const { socket } = incoming;
    busy.add(socket);
    outgoing.once('close', () => {
      busy.delete(socket);
      if (!server.listening) socket.destroySoon();
    });
    answer(handle, incoming, outgoing).catch((error: unknown) => {
      // The client went away while it was written to, which is its right.
      if (!outgoing.destroyed) outgoing.destroy(error instanceof Error ? error : undefined);
    });
  });
  server.on('connection', (socket) => {
    connections.add(socket);
    socket.once('close', () => connections.delete(socket));
  });
  return {
    server,
    async end() {
      const closed = new Promise((resolve) => server.close(resolve));
      // Node's own idea of an idle connection leaves some out whose client sent more than was read.
      for (const socket of connections) if (!busy.has(socket)) socket.destroySoon();
      const patience = setTimeout(() => server.closeAllConnections(), 10_000);
      await closed;
      clearTimeout(patience);
    },
  };
}

async function answer(handle: Handle, incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
  const gone = new AbortController();
  outgoing.once('close', () => {
    if (!outgoing.writableFinished) gone.abort();
  });
  // A request that waited in the socket may be one whose client left long ago.
  await news();
  if (gone.signal.aborted || outgoing.destroyed) return;
  const answered = new AbortController();
  let request: Request;
  try {
    request = requestIn(incoming, gone.signal, answered.signal);
  } catch (error) {
    return refuse(outgoing, error);
  }
  const response = await handle(request);
  await responseOut(response, outgoing, gone.signal);
  // Of a client that is gone nothing comes.
  if (incoming.complete || incoming.destroyed) return;
  answered.abort();
  discard(incoming);
}

/**
 * Reads what is still coming of a body that was answered without it, and forgets it. A connection closed upon unread bytes is
 * reset, and the client may never see the answer (RFC 9112, section 9.6); one that is read to the body's end is good for the
 * next request. A client that sends on for ever is cut off, as nginx' `lingering_time` and `lingering_timeout` do.
 */
function discard(incoming: IncomingMessage): void {
  const { socket } = incoming;
  const cut = () => socket.destroy();
  const whole = setTimeout(cut, 30_000);
  const silence = setTimeout(cut, 5_000);
  // A reader that waits for `readable` would keep the bytes from flowing.
  incoming.removeAllListeners('readable');
  incoming.on('data', () => silence.refresh()).resume();
  incoming.once('close', () => {
    clearTimeout(whole);
    clearTimeout(silence);
  });
}

/** Throws where fetch has no such request: TRACE, an address that is no URL. */
function requestIn(incoming: IncomingMessage, signal: AbortSignal, answered: AbortSignal): Request {
  const url = address(incoming);
  const headers = headersOf(incoming);
  const method = incoming.method ?? 'GET';
  const bodiless = method === 'GET' || method === 'HEAD' || !('content-length' in incoming.headers || 'transfer-encoding' in incoming.headers);
  if (bodiless) {
    incoming.resume();
    return new Request(url, { method, headers, signal });
  }
  return new Request(url, { method, headers, signal, body: body(incoming, answered), duplex: 'half' } as RequestInit);
}

/** What is not of the connection alone. */
export function headersOf(incoming: IncomingMessage): Headers {
  const headers = new Headers();
  for (let at = 0; at < incoming.rawHeaders.length; at += 2) {
    const name = incoming.rawHeaders[at]!;
    if (!hopByHop.has(name.toLowerCase())) headers.append(name, incoming.rawHeaders[at + 1]!);
  }
  return headers;
}

/** The target decides the path, whatever the Host header holds: two slashes at its beginning name no other host. */
export function address(incoming: IncomingMessage): URL {
  const target = incoming.url ?? '/';
  const { origin } = new URL(`http://${incoming.headers.host || 'localhost'}`);
  if (target.startsWith('/')) return new URL(origin + target);
  // `OPTIONS *` is about the server; any other is an address in full, as a proxy sends it.
  const url = new URL(target === '*' ? '/' : target, origin);
  url.username = url.password = '';
  return url;
}

/**
 * What is sent, as far as it is asked for. `Readable.toWeb` throws past every catch when bytes arrive after the reader has
 * let go of them, as a request without a key is.
 */
function body(incoming: IncomingMessage, answered: AbortSignal): ReadableStream<Uint8Array> {
  // The connection stays, for the answer and for the next request.
  const chunks = incoming.iterator({ destroyOnReturn: false });
  return new ReadableStream(
    {
      async pull(controller) {
        const { done, value } = await chunks.next();
        // Whoever reads on after the answer gets an error, not what looks like the body's end.
        if (answered.aborted) controller.error(new Error('The request was answered before its body was read.'));
        else if (done) controller.close();
        else controller.enqueue(value);
      },
      cancel() {
        void chunks.return?.();
      },
    },
    { highWaterMark: 0 },
  );
}

/** What concerns one connection only (RFC 9110, section 7.6.1). */
const hopByHop = new Set(['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'te', 'upgrade', 'expect']);

async function responseOut(response: Response, outgoing: ServerResponse, gone: AbortSignal): Promise<void> {
  const headers: string[] = [];
  for (const [name, value] of response.headers) headers.push(name, value);
  outgoing.writeHead(response.status, response.statusText || STATUS_CODES[response.status] || '', headers);
  if (!response.body) {
    outgoing.end();
    return;
  }
  const reader = response.body.getReader();
  const cancel = () => void reader.cancel().catch(() => undefined);
  gone.addEventListener('abort', cancel, { once: true });
  if (gone.aborted) cancel();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    if (!outgoing.write(value) && !gone.aborted) await once(outgoing, 'drain', { signal: gone });
  }
  outgoing.end();
}

function refuse(outgoing: ServerResponse, error: unknown): void {
  const text = JSON.stringify({ code: 'GW400', message: 'The request cannot be read.', details: String(error), hint: null });
  outgoing.writeHead(400, {
    'content-type': 'application/json; charset=utf-8',
    'content-length': Buffer.byteLength(text),
    'access-control-allow-origin': '*',
    connection: 'close',
  });
  outgoing.end(text);
}
