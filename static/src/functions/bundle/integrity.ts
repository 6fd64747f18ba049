// Digests: `sha512-BASE64`, as `integrity` attributes, npm and locks have them.
import { Fault } from './problems.ts';

const algorithms = { sha512: 'SHA-512', sha384: 'SHA-384', sha256: 'SHA-256', sha1: 'SHA-1' } as const;
type Algorithm = keyof typeof algorithms;

export async function digest(bytes: Uint8Array, algorithm: Algorithm = 'sha256'): Promise<string> {
  const hash = new Uint8Array(await crypto.subtle.digest(algorithms[algorithm], bytes as BufferSource));
  return `${algorithm}-${btoa(String.fromCharCode(...hash))}`;
}

/** The strongest digest of an integrity that names several. */
function strongest(integrity: string): { algorithm: Algorithm; digest: string } {
  const known = integrity.trim().split(/\s+/).map((one) => one.split('?')[0]!);
  for (const algorithm of Object.keys(algorithms) as Algorithm[]) {
    const found = known.find((one) => one.startsWith(`${algorithm}-`));
    if (found) return { algorithm, digest: found };
  }
  throw new Fault(`No digest in ${JSON.stringify(integrity)} can be checked.`);
}

/** Throws a `Fault` that names `what` unless the bytes are those. */
export async function verify(what: string, bytes: Uint8Array, integrity: string): Promise<void> {
  const expected = strongest(integrity);
  const actual = await digest(bytes, expected.algorithm);
  if (actual !== expected.digest) throw new Fault(`${what} is not what it should be: its digest is ${actual}, ${expected.digest} was expected.`);
}

/** Hexadecimal, as deno.lock and JSR have SHA-256 and npm its old SHA-1, to the form with a name. */
export function fromHex(hex: string, algorithm: Algorithm = 'sha256'): string {
  const bytes = (hex.match(/../g) ?? []).map((pair) => Number.parseInt(pair, 16));
  return `${algorithm}-${btoa(String.fromCharCode(...bytes))}`;
}
