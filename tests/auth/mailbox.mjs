// A gateway whose users prove their addresses, auth-js before it, and its outbox as everybody's mailbox.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { AuthClient } from '@supabase/auth-js';
import { folder, start } from '../node/server.mjs';

export const site = 'http://site.test';
export const app = 'http://app.test/callback';

const usual = {
  'auth.site_url': site,
  'auth.additional_redirect_urls': 'http://app.test/**',
  'auth.email.enable_confirmations': 'true',
  'auth.email.max_frequency': '0s',
  'auth.sms.enable_confirmations': 'true',
  'auth.sms.max_frequency': '0s',
};

/** Starts `serve` with these settings on top of the usual. */
export async function gateway(t, settings = {}) {
  const file = path.join(folder(t), 'auth.conf');
  const lines = Object.entries({ ...usual, ...settings }).map(([name, value]) => `${name} = ${JSON.stringify(value)}\n`);
  writeFileSync(file, lines.join(''));
  const server = await start(undefined, ['--config', file]);
  const url = `${server.url}/auth/v1`;
  return {
    server,
    url,
    /** auth-js with a memory of its own. */
    client(options = {}) {
      const kept = new Map();
      const storage = { getItem: (key) => kept.get(key) ?? null, setItem: (key, value) => void kept.set(key, value), removeItem: (key) => void kept.delete(key) };
      return new AuthClient({ url, headers: { apikey: server.keys.publishable }, storage, autoRefreshToken: false, detectSessionInUrl: false, ...options });
    },
    admin: () => new AuthClient({ url, headers: { apikey: server.keys.secret, Authorization: `Bearer ${server.keys.service_role}` }, persistSession: false, autoRefreshToken: false }),
    /** A bare request to Auth; its status, body and headers. */
    async ask(target, { body, method = body ? 'POST' : 'GET', key, ...init } = {}) {
      const response = await server.fetch(`/auth/v1${target}`, {
        method, redirect: 'manual', ...(key && { key }), ...init,
        ...(body && { body: JSON.stringify(body) }), headers: { 'content-type': 'application/json', 'x-supabase-api-version': '2024-01-01', ...init.headers },
      });
      const text = await response.text();
      return { status: response.status, body: text && JSON.parse(text), headers: response.headers };
    },
    /** Messages to an address, the newest first. */
    async messages(query) {
      const response = await server.fetch(`/gateway/outbox?${new URLSearchParams({ query })}`, { key: server.keys.secret });
      assert.equal(response.status, 200);
      return (await response.json()).messages;
    },
    /** The newest message to an address, which has to be of this kind. */
    async message(to, kind) {
      const message = (await this.messages(to)).find(({ recipient }) => recipient === to);
      assert.ok(message, `a message to ${to}`);
      assert.equal(message.kind, kind);
      return message;
    },
    /** Follows a link as a browser does; where it leads. */
    async follow(link) {
      const response = await fetch(link, { redirect: 'manual' });
      assert.equal(response.status, 303, await response.text());
      return response.headers.get('location');
    },
  };
}

let count = 0;
/** An address that nobody had before. */
export const address = () => `user${++count}@x.test`;
export const number = () => `4915100${String(++count).padStart(5, '0')}`;

/** What stands in a location's fragment. */
export const fragment = (location) => Object.fromEntries(new URLSearchParams(new URL(location).hash.slice(1)));

export const ok = ({ data, error }) => {
  assert.equal(error, null);
  return data;
};

/** Refused with this status and code. */
export function refused({ error }, status, code, message) {
  assert.deepEqual([error?.status, error?.code], [status, code], error?.message);
  if (message) assert.equal(error.message, message);
}
