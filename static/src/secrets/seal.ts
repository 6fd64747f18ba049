// Secrets are sealed with AES-GCM, each under a nonce of its own and bound to its project.

/** What seals, and opens what was sealed. */
export interface Seals {
  seal(project: string, bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array>;
  /** Rejects where the bytes were changed, or sealed with another key or for another project. */
  open(project: string, sealed: Uint8Array<ArrayBuffer>): Promise<Uint8Array>;
}

export const algorithm = { name: 'AES-GCM', length: 256 } as const;
/** Bytes of a nonce, which stands before what was sealed (NIST SP 800-38D, section 8.2). */
const nonce = 12;

/** Seals with the key of each project. */
export function seals(key: (project: string) => Promise<CryptoKey>): Seals {
  const parameters = (project: string, iv: Uint8Array<ArrayBuffer>) => ({ name: algorithm.name, iv, additionalData: new TextEncoder().encode(project) });
  return {
    async seal(project, bytes) {
      const iv = crypto.getRandomValues(new Uint8Array(nonce));
      const sealed = await crypto.subtle.encrypt(parameters(project, iv), await key(project), bytes);
      const whole = new Uint8Array(nonce + sealed.byteLength);
      whole.set(iv);
      whole.set(new Uint8Array(sealed), nonce);
      return whole;
    },
    async open(project, sealed) {
      const opened = await crypto.subtle.decrypt(parameters(project, sealed.slice(0, nonce)), await key(project), sealed.slice(nonce));
      return new Uint8Array(opened);
    },
  };
}
