// A project over `serve`, with users whose tokens are signed here, and buckets of each test's own.
import { createHmac, randomUUID } from 'node:crypto';
import { start } from '../node/server.mjs';

const json = { 'content-type': 'application/json' };

/** A token that the project's secret vouches for. */
export function sign(claims, secret, header = { alg: 'HS256', typ: 'JWT' }) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const text = `${part(header)}.${part(claims)}`;
  return `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`;
}

export const now = () => Math.floor(Date.now() / 1000);

/** Starts `serve`; requests to Storage by `storage`, as the service unless told otherwise. */
export async function stack(t, args = []) {
  const server = await start(t, args);
  const storage = (path, { as = 'service', headers, body, ...init } = {}) => {
    const own = body !== undefined && !(body instanceof FormData) && typeof body === 'object' && body.constructor === Object;
    return fetch(`${server.url}/storage/v1${path}`, {
      ...init,
      body: own ? JSON.stringify(body) : body,
      headers: { ...(own && json), ...bearer(as), ...headers },
    });
  };
  const tokens = { service: server.keys.service_role, anon: server.keys.anon };
  const bearer = (as) => (as === null ? {} : { authorization: `Bearer ${tokens[as] ?? as}` });
  return {
    ...server,
    storage,
    /** Status and body of an answer. */
    async ask(path, init) {
      const response = await storage(path, init);
      const text = await response.text();
      let value = text;
      try {
        value = JSON.parse(text);
      } catch { /* Not JSON, then. */ }
      return { status: response.status, body: value, headers: response.headers };
    },
    /** A signed-in user: id and token. */
    user(id = randomUUID()) {
      const token = sign({ sub: id, role: 'authenticated', aud: 'authenticated', exp: now() + 3600 }, server.keys.jwt_secret);
      return { id, token };
    },
    /** A new bucket; its id. */
    async bucket(options = {}) {
      const id = `bucket-${randomUUID().slice(0, 8)}`;
      const response = await storage('/bucket', { method: 'POST', body: { id, name: id, ...options } });
      if (!response.ok) throw new Error(await response.text());
      return id;
    },
  };
}

/** Bytes that are the same each time, and nowhere else. */
export function pattern(size, seed = 1) {
  const bytes = new Uint8Array(size);
  for (let at = 0, state = seed; at < size; at++) {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    bytes[at] = state >>> 24;
  }
  return bytes;
}
