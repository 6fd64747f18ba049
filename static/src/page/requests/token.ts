// A user's token, signed in the page with the project's secret, as the auth API would sign it.
const text = new TextEncoder();

function base64url(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes)).replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '');
}

const part = (value: unknown) => base64url(text.encode(JSON.stringify(value)));

/** HS256 over `{ role: authenticated, sub: user, … }`, good for an hour from `now` (seconds). */
export async function signUser(user: string, secret: string, now: number): Promise<string> {
  const claims = { role: 'authenticated', aud: 'authenticated', sub: user, iat: now, exp: now + 3600 };
  const signed = `${part({ alg: 'HS256', typ: 'JWT' })}.${part(claims)}`;
  const key = await crypto.subtle.importKey('raw', text.encode(secret), { name: 'HMAC', hash: 'SHA-256' }, false, ['sign']);
  const signature = await crypto.subtle.sign('HMAC', key, text.encode(signed));
  return `${signed}.${base64url(new Uint8Array(signature))}`;
}
