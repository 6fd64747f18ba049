// WebSockets of clients, joined to the ports on which the gateway speaks of one, as a page's shim does it in browsers.
import { STATUS_CODES, ServerResponse, type IncomingMessage, type Server } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { WebSocketServer, type RawData, type WebSocket } from 'ws';
import { address, headersOf } from './http.ts';

/** Begins one; what becomes of it is said on the port. */
export type Connect = (url: string, protocols: string[], headers: Headers, port: MessagePort) => Promise<void>;

type FromGateway =
  | { kind: 'open'; protocol: string }
  | { kind: 'message'; data: string | ArrayBuffer }
  | { kind: 'close'; code: number; reason: string; clean: boolean };

/** The longest message of a client, in bytes. */
const longest = 16 * 1024 * 1024;
/** A WebSocket that ended without a goodbye, and a goodbye without a code (RFC 6455, 7.1.5): neither can be sent. */
const unsaid = new Set([1005, 1006, 1015]);

/** Takes the upgrades of a server. */
export function serveSockets(server: Server, connect: Connect): void {
  server.on('upgrade', (incoming: IncomingMessage, socket: Duplex, head: Buffer) => {
    if (incoming.headers.upgrade?.toLowerCase() !== 'websocket') return ignore(server, incoming, socket as Socket);
    const { port1, port2 } = new MessageChannel();
    socket.on('error', () => socket.destroy());
    const left = () => port1.close();
    socket.once('close', left);
    port1.onmessage = ({ data }: MessageEvent<FromGateway>) => {
      if (data.kind === 'close') {
        port1.close();
        // Nothing there has sockets: it is a request like any other.
        if (data.reason.startsWith('404')) ignore(server, incoming, socket as Socket);
        else refuse(socket, data.reason);
      }
      if (data.kind !== 'open') return;
      const upgrades = new WebSocketServer({ noServer: true, maxPayload: longest, handleProtocols: () => data.protocol || false });
      upgrades.handleUpgrade(incoming, socket, head, (client) => {
        socket.off('close', left);
        join(client, port1);
      });
    };
    const protocols = (incoming.headers['sec-websocket-protocol'] ?? '').split(',').map((name) => name.trim()).filter(Boolean);
    const headers = headersOf(incoming);
    // Those of this connection: what is said on the port is in nobody's frames.
    for (const name of ['key', 'version', 'extensions', 'protocol']) headers.delete(`sec-websocket-${name}`);
    // An address that is no URL is refused like what nobody answers.
    new Promise<void>((resolve) => resolve(connect(address(incoming).href, protocols, headers, port2))).catch((error: unknown) => {
      refuse(socket, `500: ${String(error)}`);
      port1.close();
    });
  });
}

/** What asks for another protocol where there is none, such as HTTP/2, is answered in the one it is in. */
function ignore(server: Server, incoming: IncomingMessage, socket: Socket): void {
  const outgoing = new ServerResponse(incoming);
  outgoing.assignSocket(socket);
  outgoing.shouldKeepAlive = false;
  outgoing.once('finish', () => socket.end());
  server.emit('request', incoming, outgoing);
}

function join(client: WebSocket, port: MessagePort): void {
  client.binaryType = 'arraybuffer';
  client.on('message', (data: RawData, isBinary: boolean) => port.postMessage({ kind: 'message', data: isBinary ? data : new TextDecoder().decode(data as ArrayBuffer) }));
  client.on('close', (code, reason) => {
    port.postMessage({ kind: 'close', code, reason: reason.toString() });
    port.close();
  });
  client.on('error', () => client.terminate());
  port.onmessage = ({ data }: MessageEvent<FromGateway>) => {
    if (data.kind === 'message') client.send(data.data);
    else if (data.kind === 'close' && !data.clean) client.close(1011, data.reason.slice(0, 100));
    else if (data.kind === 'close' && unsaid.has(data.code)) client.close();
    else if (data.kind === 'close') client.close(data.code, data.reason);
  };
}

/** Answers instead with the status that a reason begins with, if it does. */
function refuse(socket: Duplex, reason: string): void {
  if (socket.destroyed) return;
  const status = Number(/^([45]\d\d)\b/.exec(reason)?.[1] ?? 502);
  const body = `${reason}\n`;
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\nConnection: close\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
}
