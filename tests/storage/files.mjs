// What the tests of Storage's protocols share: a bucket, bytes that are recognised, users with tokens.
import { createHash, createHmac, randomUUID } from 'node:crypto';

/** Bytes that are never the same at two places, and always the same from the same seed. */
export function bytes(size, seed = 1) {
  const words = new Uint32Array(Math.ceil(size / 4));
  for (let index = 0, state = seed; index < words.length; index += 1) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    words[index] = state;
  }
  return Buffer.from(words.buffer, 0, size);
}

export const md5 = (content) => createHash('md5').update(content).digest('hex');

/** Makes a bucket as the service role; its name. */
export async function bucket(server, properties = {}) {
  const name = `b-${randomUUID().slice(0, 8)}`;
  const response = await server.fetch('/storage/v1/bucket', {
    method: 'POST', key: server.keys.secret, headers: { 'content-type': 'application/json' }, body: JSON.stringify({ name, ...properties }),
  });
  if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
  return name;
}

/** The bytes of an object, as the service role gets them. */
export async function download(server, name, key) {
  const response = await server.fetch(`/storage/v1/object/authenticated/${name}/${key}`, { key: server.keys.secret });
  if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
  return Buffer.from(await response.arrayBuffer());
}

/** What Storage knows of an object. */
export async function info(server, name, key) {
  const response = await server.fetch(`/storage/v1/object/info/authenticated/${name}/${key}`, { key: server.keys.secret });
  return response.json();
}

/** A user's token, signed with the project's secret. */
export function token(server, sub = randomUUID(), claims = {}) {
  const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const exp = Math.floor(Date.now() / 1000) + 3600;
  const head = `${encode({ alg: 'HS256', typ: 'JWT' })}.${encode({ role: 'authenticated', aud: 'authenticated', sub, exp, ...claims })}`;
  return { sub, jwt: `${head}.${createHmac('sha256', server.keys.jwt_secret).update(head).digest('base64url')}` };
}
