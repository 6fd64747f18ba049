// Deno's std/encoding/hex, under its present names and those before them.
export function encodeHex(data: ArrayBuffer | Uint8Array | string): string {
  const bytes = typeof data === 'string' ? new TextEncoder().encode(data) : data instanceof Uint8Array ? data : new Uint8Array(data);
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** Throws for an odd length, and for what is no digit. */
export function decodeHex(text: string): Uint8Array {
  if (text.length % 2 !== 0) throw new RangeError(`Hexadecimal text has an even length, not ${text.length}.`);
  if (/[^0-9a-f]/i.test(text)) throw new TypeError('This is not hexadecimal.');
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}

/** As it was before: bytes to the bytes of their digits. */
export const encode = (bytes: Uint8Array) => new TextEncoder().encode(encodeHex(bytes));
export const decode = (digits: Uint8Array) => decodeHex(new TextDecoder().decode(digits));
export { decodeHex as decodeString, encodeHex as encodeToString };
