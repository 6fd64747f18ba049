// supabase-js and postgrest-js from npm, unmodified: every method that their declarations have for the database, run
// against one project. The same cases run in Chromium through the service worker and in Node over `cargo xtask serve`;
// they expect `schema.sql` to be loaded and leave it as it was.
import { calling } from './calling.mjs';
import { connecting } from './connecting.mjs';
import { filtering } from './filtering.mjs';
import { reading } from './reading.mjs';
import { shaping } from './shaping.mjs';
import { watched } from './watched.mjs';
import { writing } from './writing.mjs';

/** Cases by name; each gets what `clients` gives. */
export const cases = { ...reading, ...filtering, ...shaping, ...writing, ...calling, ...connecting };

/** Clients with the anon key and with the secret key, and the means to make others. `used` hears of every method. */
export function clients({ createClient, PostgrestClient, url, keys, options = {}, used = new Set() }) {
  const always = { auth: { persistSession: false, autoRefreshToken: false }, ...options };
  const connect = (more, key = keys.publishable) => watched(createClient(url, key, { ...always, ...more }), used);
  class Watched extends PostgrestClient {
    constructor(...args) {
      super(...args);
      return watched(this, used);
    }
  }
  return { anon: connect({}), service: connect({}, keys.secret), connect, PostgrestClient: Watched, url, keys };
}
