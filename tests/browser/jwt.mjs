// Tokens for the tests, good and bad.
import { createHmac, generateKeyPairSync, sign as signWith } from 'node:crypto';

const encode = (value) => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');
const now = () => Math.floor(Date.now() / 1000);

/** A token of a signed-in user. */
export function userToken(secret, sub, claims = {}) {
  return sign(secret, { role: 'authenticated', aud: 'authenticated', sub, exp: now() + 3600, iat: now(), ...claims });
}

export function sign(secret, claims, header = { alg: 'HS256', typ: 'JWT' }) {
  const input = `${encode(header)}.${encode(claims)}`;
  return `${input}.${createHmac('sha256', secret).update(input).digest('base64url')}`;
}

/** Tokens that must be refused, by what is wrong with them. */
export function forged(secret, sub) {
  const claims = { role: 'service_role', sub, exp: now() + 3600 };
  const good = sign(secret, claims);
  const [header, payload, signature] = good.split('.');
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const rs = `${encode({ alg: 'RS256', typ: 'JWT' })}.${payload}`;
  const pem = publicKey.export({ type: 'spki', format: 'pem' });
  return {
    'signed with another secret': sign('another-secret-that-is-32-characters-long', claims),
    'alg none, no signature': `${encode({ alg: 'none', typ: 'JWT' })}.${payload}.`,
    'alg None, old signature': `${encode({ alg: 'None', typ: 'JWT' })}.${payload}.${signature}`,
    'no signature': `${header}.${payload}.`,
    'two parts': `${header}.${payload}`,
    'claims replaced under an old signature': `${header}.${encode({ ...claims, role: 'postgres' })}.${signature}`,
    'header replaced under an old signature': `${encode({ alg: 'HS256', typ: 'JWT', kid: 'x' })}.${payload}.${signature}`,
    'RS256 by a key of the sender': `${rs}.${signWith('sha256', Buffer.from(rs), privateKey).toString('base64url')}`,
    'HS256 with a public key as the secret': sign(pem, claims),
    'HS512 where HS256 is pinned': (() => {
      const input = `${encode({ alg: 'HS512', typ: 'JWT' })}.${payload}`;
      return `${input}.${createHmac('sha512', secret).update(input).digest('base64url')}`;
    })(),
    'empty secret': sign('', claims),
    'expired': sign(secret, { ...claims, exp: now() - 60 }),
    'not valid yet': sign(secret, { ...claims, nbf: now() + 600 }),
    'exp of another type': sign(secret, { ...claims, exp: 'tomorrow' }),
    'claims that are no object': sign(secret, [1, 2, 3]),
    'not a token': 'garbage',
    'empty segments': '..',
    'no base64': '!!!.???.###',
  };
}
