// What the supervisor of functions and an isolate post to each other: the same in Rust is
// `vm-bridge/machine/src/functions/message.rs`, and `shell/isolate.rs` beside it converts.
//
// An exchange is a request with its answer. Those that the supervisor begins have even ids, an isolate's fetches odd ones. In
// an exchange each side sends one body, of which no more is under way than the other side has given credit for.

/** Bytes of a body that may be sent before the first credit. */
export const WINDOW = 256 * 1024;
/** The longest piece of a body. */
export const CHUNK = 64 * 1024;

/** Names and values; each character of a value is the byte of the same number. */
export type HeaderList = [string, string][];

/** Either side's, about the body it sends or reads in an exchange. */
type Body =
  | { kind: 'chunk'; id: number; bytes: Uint8Array }
  | { kind: 'end'; id: number }
  | { kind: 'credit'; id: number; count: number }
  /** Nobody reads the rest; of a request, nobody waits for the answer. */
  | { kind: 'cancel'; id: number };

/** A message of a WebSocket. */
type Said = { kind: 'text'; id: number; text: string } | { kind: 'binary'; id: number; bytes: Uint8Array };

/** A function's packages, where they are a module of their own. */
export interface Packages {
  /** Other packages have another one. */
  name: string;
  /** Left out for an isolate that has it. */
  code?: string | undefined;
}

export type ToIsolate =
  | { kind: 'boot'; code: string; packages?: Packages | undefined; files: [string, Uint8Array][]; env: [string, string][] }
  | { kind: 'request'; id: number; method: string; url: string; headers: HeaderList; hasBody: boolean; upgrade: boolean }
  | { kind: 'response'; id: number; status: number; headers: HeaderList; hasBody: boolean }
  /** A fetch has no answer. */
  | { kind: 'refused'; id: number; text: string }
  | { kind: 'broken'; id: number; text: string }
  | Body
  | Said
  | { kind: 'close'; id: number; code: number; reason: string; clean: boolean }
  | { kind: 'ping' }
  | { kind: 'unload'; reason: string };

/** What was thrown. */
export interface Thrown {
  text: string;
  stack?: string | undefined;
}

export type FromIsolate =
  | { kind: 'ready' }
  | ({ kind: 'failed' } & Thrown)
  | { kind: 'response'; id: number; status: number; headers: HeaderList; hasBody: boolean }
  | { kind: 'upgraded'; id: number; protocol: string }
  | ({ kind: 'threw'; id: number } & Thrown)
  /** `of` is the exchange in whose course it is made. */
  | { kind: 'fetch'; id: number; method: string; url: string; headers: HeaderList; hasBody: boolean; of?: number | undefined }
  | ({ kind: 'broken'; id: number } & Thrown)
  | Body
  | Said
  | { kind: 'close'; id: number; code?: number | undefined; reason: string }
  | { kind: 'log'; level: Level; text: string; of?: number | undefined }
  | ({ kind: 'uncaught' } & Thrown)
  /** `count` is the milliseconds that it was busy in its life, where that is known. */
  | { kind: 'pong'; count?: number | undefined }
  | { kind: 'unloaded' }
  /** Promises of `EdgeRuntime.waitUntil` that are open. */
  | { kind: 'waiting'; count: number }
  /** Of the host: the bytes that it takes. */
  | { kind: 'memory'; count: number }
  /** Of the host: it is no more. */
  | { kind: 'gone'; reason?: 'memory' | 'cpu' | undefined; text: string };

export type Level = 'debug' | 'info' | 'log' | 'warn' | 'error';

/** Page to the frame around an isolate, each once: its script, and with the start a port for it, and one of the frame's own. */
export type ToFrame = { kind: 'prepare'; script: string } | { kind: 'start' };

/** The frame, on its own port. */
export type FromFrame = Extract<FromIsolate, { kind: 'memory' | 'gone' }>;
