// Whom the cases are about, and what their tokens and links say.

export const password = 'correct horse 42';
let number = 0;
/** An address, and a phone's number, that nobody had before. */
export const address = (name = 'user') => `${name}-${Date.now().toString(36)}-${number += 1}@example.com`;
export const phoneNumber = () => `4915${String(Date.now()).slice(-7)}${String(number += 1).padStart(3, '0')}`;
/** Somebody at the provider whom nobody knows yet. */
export const stranger = () => ({ sub: `sub-${Date.now()}-${number += 1}`, email: address('person'), email_verified: true, name: 'A Person' });

/** What a token says; only its middle is read. */
export function claims(token) {
  const middle = atob(token.split('.')[1].replaceAll('-', '+').replaceAll('_', '/'));
  return JSON.parse(new TextDecoder().decode(Uint8Array.from(middle, (letter) => letter.charCodeAt(0))));
}

/** How a token's session was signed in to. */
export const methods = (token) => claims(token).amr.map(({ method }) => method).toSorted();

/** What stands in an address behind the `#`. */
export const fragment = (url) => Object.fromEntries(new URLSearchParams(new URL(url).hash.slice(1)));
