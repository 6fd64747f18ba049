// Messages as bytes of a connection: four of length (little-endian, of what follows), four of the length of a head, the head,
// which is the message as JSON, and the message's bytes. Of a boot the head has how long the code, the packages' and the files are,
// which are its bytes. The worker's side of it is vm-bridge/machine/src/functions/guest/frame.rs.
import type { FromIsolate, ToIsolate } from '../messages.ts';

/** Two lengths. */
const LENGTHS = 8;
const LONGEST = 256 * 1024 * 1024;
/** Bytes that a character of JSON takes at most. */
const WIDEST = 3;

type Head = Exclude<ToIsolate, { kind: 'boot' }> | { kind: 'boot'; code: number; packages?: { name: string; code: number | null } | null; files: [string, number][]; env: [string, string][] };

/** All of it at once. */
export function encode(messages: FromIsolate[]): Uint8Array {
  let room = 0;
  const frames = messages.map((message) => {
    const { bytes, ...head } = message as FromIsolate & { bytes?: Uint8Array };
    const text = JSON.stringify(head);
    room += LENGTHS + WIDEST * text.length + (bytes?.length ?? 0);
    return { text, bytes };
  });
  const out = Buffer.allocUnsafe(room);
  let at = 0;
  for (const { text, bytes } of frames) {
    const length = out.write(text, at + LENGTHS);
    out.writeUInt32LE(LENGTHS / 2 + length + (bytes?.length ?? 0), at);
    out.writeUInt32LE(length, at + LENGTHS / 2);
    at += LENGTHS + length;
    if (bytes) {
      out.set(bytes, at);
      at += bytes.length;
    }
  }
  return out.subarray(0, at);
}

/** Messages out of bytes, however those were cut. What is no frame is thrown. */
export class Frames {
  #parts: Buffer[] = [];
  #length = 0;

  push(piece: Buffer, heard: (message: ToIsolate) => void): void {
    this.#parts.push(piece);
    this.#length += piece.length;
    while (this.#length >= LENGTHS) {
      if (this.#parts[0]!.length < LENGTHS) this.#parts = [Buffer.concat(this.#parts)];
      const [first] = this.#parts as [Buffer];
      const whole = LENGTHS / 2 + first.readUInt32LE(0);
      const text = first.readUInt32LE(LENGTHS / 2);
      if (whole > LONGEST || text > whole - LENGTHS) throw new RangeError(`A frame of ${whole} bytes with a head of ${text}`);
      if (this.#length < whole) return;
      const all = this.#parts.length === 1 ? first : Buffer.concat(this.#parts);
      const rest = all.subarray(whole);
      this.#parts = rest.length > 0 ? [rest] : [];
      this.#length = rest.length;
      heard(read(JSON.parse(all.toString('utf8', LENGTHS, LENGTHS + text)) as Head, all.subarray(LENGTHS + text, whole)));
    }
  }
}

/** A message, with bytes of its own. */
function read(head: Head, bytes: Buffer): ToIsolate {
  if (head.kind === 'chunk' || head.kind === 'binary') return { ...head, bytes: Uint8Array.from(bytes) };
  if (head.kind !== 'boot') return head;
  let at = 0;
  const next = (length: number) => bytes.subarray(at, at += length);
  const code = next(head.code).toString();
  const packages = head.packages ? { name: head.packages.name, code: head.packages.code === null ? undefined : next(head.packages.code).toString() } : undefined;
  const files = head.files.map(([name, length]): [string, Uint8Array] => [name, Uint8Array.from(next(length))]);
  return { kind: 'boot', code, packages, files, env: head.env };
}
