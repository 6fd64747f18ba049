// A server of its own for a test file, with settings, and clients: auth-js from npm as it is, and raw requests.
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { after } from 'node:test';
import { AuthClient } from '@supabase/supabase-js';
import { folder, start } from '../node/server.mjs';

export const password = 'correct horse 42';

/** Called where a test file begins: takes what is to be done when its last test is. */
export function atEnd() {
  const ends = [];
  after(async () => {
    for (const end of ends.reverse()) await end();
  });
  return (end) => ends.push(end);
}

let counter = 0;
/** An address that no other test has. */
export const address = (name = 'user') => `${name}-${process.pid}-${counter += 1}@example.com`;

/** Starts `serve` with these settings; `after` ends it. */
export async function serve(after, settings = {}, args = [], env = {}) {
  const scope = { after };
  const file = path.join(folder(scope), 'config');
  writeFileSync(file, Object.entries(settings).map(([name, value]) => `${name} = ${JSON.stringify(String(value))}`).join('\n'));
  const server = await start(scope, ['--config', file, ...args], { env });
  const base = `${server.url}/auth/v1`;

  /** A request as auth-js sends one; the answer with its body read. */
  async function raw(target, { method = 'POST', body, token, key = server.keys.publishable, headers = {}, version = '2024-01-01' } = {}) {
    const response = await fetch(base + target, {
      method,
      headers: {
        apikey: key,
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...(version && { 'x-supabase-api-version': version }),
        ...(token && { authorization: `Bearer ${token}` }),
        ...headers,
      },
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    let json;
    try {
      json = JSON.parse(text);
    } catch {
      json = undefined;
    }
    return { status: response.status, headers: response.headers, text, json };
  }
  const client = (key = server.keys.publishable) => new AuthClient({
    url: base, headers: { apikey: key, Authorization: `Bearer ${key}` }, autoRefreshToken: false, persistSession: false,
  });
  return {
    ...server,
    base,
    raw,
    client,
    admin: client(server.keys.service_role).admin,
    /** A new user who is signed in; their session. */
    async user(email = address(), more = {}) {
      const answer = await raw('/signup', { body: { email, password, ...more } });
      if (answer.status !== 200) throw new Error(answer.text);
      return answer.json;
    },
    refresh: (refresh_token) => raw('/token?grant_type=refresh_token', { body: { refresh_token } }),
    signIn: (email, pass = password) => raw('/token?grant_type=password', { body: { email, password: pass } }),
  };
}

export const claims = (token) => JSON.parse(Buffer.from(token.split('.')[1], 'base64url'));
export const header = (token) => JSON.parse(Buffer.from(token.split('.')[0], 'base64url'));
/** Status and code of an answer that is an error. */
export const refusal = ({ status, json }) => `${status} ${json?.code ?? json?.error_code ?? json?.error}`;
