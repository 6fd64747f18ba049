// The database worker's WASM before a real PGlite, and clients of it over MessageChannels.
// Frames and wire messages are written out here once more, byte by byte: a second opinion on the crates that make them.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { after } from 'node:test';
import { pathToFileURL } from 'node:url';

const statics = path.join(import.meta.dirname, '../../static');
const generated = path.join(statics, 'generated/database');
const require = createRequire(path.join(statics, 'package.json'));
const esbuild = require('esbuild');
const { initSync, Database } = await import(pathToFileURL(path.join(generated, 'database.js')));
initSync({ module: readFileSync(path.join(generated, 'database_bg.wasm')) });

/** `static/src/database/postgres.ts`, as Node reads it. */
export const { openPostgres, session } = await (async () => {
  const outfile = path.join(statics, 'node_modules/.cache/tests-database/postgres.mjs');
  esbuild.buildSync({ entryPoints: [path.join(statics, 'src/database/postgres.ts')], outfile, bundle: true, format: 'esm', platform: 'node', packages: 'external' });
  return import(pathToFileURL(outfile));
})();

const options = { build: 'test', life: '', storage: 'memory', baseline: '', migrate: true };

/** A queue before `pglite`. */
export function serve(pglite, changes = {}) {
  const broken = [];
  const real = session(pglite);
  const log = [];
  const database = new Database({
    exec(messages) {
      log.push(texts(messages));
      return real.exec(messages);
    },
    wrote: () => real.wrote(),
    sync: () => {
      log.push('sync');
      return real.sync();
    },
    broken: (text) => broken.push(text),
    ...changes.session,
  }, { ...options, ...changes.options });
  all.push(database);
  return { database, broken, log };
}

/** A queue whose session is still being opened. */
export function opening() {
  const database = Database.opening(options);
  all.push(database);
  return database;
}

// Ports that are listened to would keep this process.
const all = [];
after(() => all.forEach((database) => database.free()));

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export function message(kind, ...parts) {
  const bytes = parts.map((part) => (typeof part === 'string' ? encoder.encode(`${part}\0`) : Uint8Array.from(part)));
  const length = bytes.reduce((sum, part) => sum + part.length, 4);
  return concat([Uint8Array.of(kind.charCodeAt(0), length >> 24, length >> 16, length >> 8, length), ...bytes]);
}
export const query = (sql) => message('Q', sql);
export const sync = () => message('S');
/** One extended query without parameters, without its Sync. */
export const extended = (sql, name = '') => concat([
  message('P', name, sql, [0, 0]), message('B', '', name, [0, 0, 0, 0, 0, 0]), message('E', '', [0, 0, 0, 0]),
]);

export function concat(parts) {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** The SQL of messages, for the log. */
function texts(messages) {
  return answer(messages).messages.filter(({ kind }) => kind === 'Q' || kind === 'P').map(({ text }) => text.replaceAll('\0', '')).join('; ');
}

/** Reads backend messages: rows as texts, tags, the first error, the last status. */
export function answer(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const read = { messages: [], rows: [], tags: [], notifications: [], error: undefined, status: undefined };
  for (let at = 0; at < bytes.length;) {
    const kind = String.fromCharCode(bytes[at]);
    const end = at + 1 + view.getUint32(at + 1);
    const contents = bytes.subarray(at + 5, end);
    read.messages.push({ kind, text: decoder.decode(contents.subarray(0, 10_000)) });
    if (kind === 'D') {
      const row = [];
      let field = at + 7;
      for (let left = view.getUint16(at + 5); left > 0; left--) {
        const length = view.getInt32(field);
        row.push(length < 0 ? null : decoder.decode(bytes.subarray(field + 4, field + 4 + length)));
        field += 4 + Math.max(0, length);
      }
      read.rows.push(row);
    }
    if (kind === 'C') read.tags.push(decoder.decode(contents).replace('\0', ''));
    if (kind === 'A') read.notifications.push(decoder.decode(contents.subarray(4)).split('\0').slice(0, 2));
    if (kind === 'E' && !read.error) {
      read.error = Object.fromEntries(decoder.decode(contents).split('\0').filter(Boolean).map((field) => [field[0], field.slice(1)]));
    }
    if (kind === 'Z') read.status = String.fromCharCode(contents[0]);
    at = end;
  }
  return read;
}

const names = [, 'hello', 'opening', 'welcome', 'refused', 'exchange', 'body', 'credit', 'cancel', 'failed', 'notify', 'goodbye'];
const failures = ['busy', 'transaction-lost', 'stalled', 'broken'];
const refusals = ['version', 'malformed', 'broken', 'closing'];

class Writer {
  #parts = [Uint8Array.of(1, 0)];
  byte(value) { this.#parts.push(Uint8Array.of(value)); return this; }
  number(value) { this.#parts.push(Uint8Array.of(value, value >> 8, value >> 16, value >> 24)); return this; }
  bytes(value) { this.number(value.length); this.#parts.push(value); return this; }
  text(value) { return this.bytes(encoder.encode(value)); }
  done() { return concat(this.#parts).buffer; }
}
const frame = (name) => new Writer().byte(names.indexOf(name));

function decode(buffer) {
  const view = new DataView(buffer);
  let at = 2;
  const byte = () => view.getUint8(at++);
  const number = () => (at += 4, view.getUint32(at - 4, true));
  const bytes = () => { const length = number(); at += length; return new Uint8Array(buffer, at - length, length); };
  const text = () => decoder.decode(bytes());
  const kind = names[view.getUint8(at++)];
  const fields = {
    opening: () => ({ build: text(), life: text() }),
    welcome: () => ({ build: text(), storage: byte(), migration: number(), created: byte() === 1, milliseconds: number() }),
    refused: () => { const reason = refusals[byte()]; return { reason, text: reason === 'malformed' || reason === 'broken' ? text() : undefined }; },
    body: () => { const conversation = number(); const offset = number() + number() * 2 ** 32; return { conversation, offset, last: byte() === 1, bytes: bytes() }; },
    failed: () => { const conversation = number(); const failure = failures[byte()]; return { conversation, failure, text: failure === 'broken' ? text() : undefined }; },
    notify: () => ({ channel: text(), payload: text() }),
  }[kind];
  return { version: view.getUint16(0, true), kind, ...fields?.() };
}

/** One client of a database. */
export class Client {
  #port;
  #conversations = new Map();
  #count = 0;
  #welcomed;
  welcome;
  life;
  opened = new Promise((resolve, reject) => { this.#welcomed = { resolve, reject }; });
  notifications = [];
  frames = [];

  constructor(database, hello = true) {
    const { port1, port2 } = new MessageChannel();
    this.#port = port1;
    this.opened.catch(() => undefined);
    port1.onmessage = ({ data }) => this.#received(decode(data));
    database.serve(port2);
    if (hello) this.post(frame('hello').text('test').text('').done());
  }

  post(buffer) {
    this.#port.postMessage(buffer, buffer instanceof ArrayBuffer ? [buffer] : []);
  }

  /** Sends messages; the whole answer. `credit: false` leaves the reader asleep after the first window. */
  exchange(messages, { hold = false, continues, credit = true } = {}) {
    const conversation = continues ?? ++this.#count;
    const result = new Promise((resolve, reject) => {
      this.#conversations.set(conversation, { chunks: [], length: 0, resolve, reject, credit });
      // Nobody answers at a port that was refused.
      if (this.refused) reject(Object.assign(new Error(this.refused.text ?? this.refused.reason), this.refused));
    });
    result.conversation = conversation;
    this.post(frame('exchange').number(conversation).byte(continues === undefined ? 0 : 1).byte(hold ? 1 : 0).bytes(messages).done());
    return result;
  }

  query(sql, settings) {
    const result = this.exchange(query(sql), settings);
    const read = result.then(answer);
    read.conversation = result.conversation;
    return read;
  }

  cancel(conversation) {
    this.#conversations.delete(conversation);
    this.post(frame('cancel').number(conversation).done());
  }

  goodbye() {
    this.post(frame('goodbye').done());
    setTimeout(() => this.#port.close(), 100);
  }

  /** How many bytes of an answer have come. */
  arrived = (conversation) => this.#conversations.get(conversation)?.length;

  #received(received) {
    this.frames.push(received.kind);
    switch (received.kind) {
      case 'opening':
        this.life = received.life;
        break;
      case 'welcome':
        this.welcome = received;
        this.#welcomed.resolve(received);
        break;
      case 'refused': {
        this.refused = received;
        const error = Object.assign(new Error(received.text ?? received.reason), received);
        this.#welcomed.reject(error);
        for (const { reject } of this.#conversations.values()) reject(error);
        this.#port.close();
        break;
      }
      case 'body': {
        const talk = this.#conversations.get(received.conversation);
        if (!talk) return;
        if (received.offset !== talk.length) talk.reject(new Error(`a hole at ${talk.length}`));
        talk.chunks.push(received.bytes.slice());
        talk.length += received.bytes.length;
        if (received.last) {
          this.#conversations.delete(received.conversation);
          talk.resolve(concat(talk.chunks));
        } else if (talk.credit) {
          this.post(frame('credit').number(received.conversation).number(received.bytes.length).done());
        }
        break;
      }
      case 'failed':
        this.#conversations.get(received.conversation)?.reject(Object.assign(new Error(received.text ?? received.failure), received));
        this.#conversations.delete(received.conversation);
        break;
      case 'notify':
        this.notifications.push([received.channel, received.payload]);
        break;
    }
  }
}
