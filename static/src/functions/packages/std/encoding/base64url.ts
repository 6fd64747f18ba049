// Deno's std/encoding/base64url: Base64 with `-` and `_`, without padding.
import { decodeBase64, encodeBase64 } from './base64.ts';

export function encodeBase64Url(data: ArrayBuffer | Uint8Array | string): string {
  return encodeBase64(data).replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '');
}

/** Throws a `TypeError` for what is not Base64url. */
export function decodeBase64Url(text: string): Uint8Array {
  if (/[^-_0-9A-Za-z]/.test(text.replace(/={0,2}$/, ''))) throw new TypeError('This is not Base64url.');
  return decodeBase64(text.replaceAll('-', '+').replaceAll('_', '/'));
}

export { decodeBase64Url as decode, encodeBase64Url as encode };
