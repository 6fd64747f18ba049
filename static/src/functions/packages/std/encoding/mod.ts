// Deno's std/encoding, of what is here.
export { decodeBase64, encodeBase64 } from './base64.ts';
export { decodeBase64Url, encodeBase64Url } from './base64url.ts';
export { decodeHex, encodeHex } from './hex.ts';
