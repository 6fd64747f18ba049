// What a page asks of auth-js and storage-js in `clients.mjs`: in Node, to be recorded, and in Chromium, to be timed.
export const megabyte = 1024 * 1024;
export const objects = 10_000;
const page = 1000;

/** The rows that a list has to go through. */
export const rows = `insert into storage.objects (bucket_id, name, version, metadata)
  select 'many', 'folder/' || lpad(n::text, 6, '0') || '.txt', gen_random_uuid(), '{"size":1,"mimetype":"text/plain","eTag":"\\"x\\"","cacheControl":"no-cache"}'
  from generate_series(1, ${objects}) n; analyze storage.objects`;

/** Signs a user up and makes two buckets; then the calls by name, each for a round. */
export async function prepare({ AuthClient, StorageClient, base, keys, fetch }) {
  const headers = { apikey: keys.publishable, Authorization: `Bearer ${keys.publishable}` };
  const auth = new AuthClient({ url: `${base}/auth/v1`, headers, autoRefreshToken: false, persistSession: false, fetch });
  const storage = new StorageClient(`${base}/storage/v1`, { apikey: keys.secret, Authorization: `Bearer ${keys.service_role}` }, fetch);
  const good = ({ data, error }) => {
    if (error) throw error;
    return data;
  };
  const whole = (length, expected) => {
    if (length !== expected) throw new Error(`${length} of ${expected}`);
  };
  const user = { email: 'bench@example.com', password: 'correct horse 42' };
  good(await auth.signUp(user));
  for (const name of ['files', 'many']) good(await storage.createBucket(name));
  const bytes = new Blob([new Uint8Array(megabyte).fill(7)], { type: 'application/octet-stream' });
  const [files, many] = [storage.from('files'), storage.from('many')];
  good(await files.upload('one.bin', bytes));
  return {
    'sign in with a password': async () => good(await auth.signInWithPassword(user)),
    'refresh a session': async () => good(await auth.refreshSession()),
    getUser: async () => good(await auth.getUser()),
    'upload of 1 MB': async (round) => good(await files.upload(`up/${round}.bin`, bytes)),
    'download of 1 MB': async () => whole((await good(await files.download('one.bin')).arrayBuffer()).byteLength, megabyte),
    'list, 100 of 10,000 objects': async () => whole(good(await many.list('folder')).length, 100),
    'list, 10,000 by 1,000': async () => {
      let seen = 0;
      for (let offset = 0; offset < objects; offset += page) seen += good(await many.list('folder', { limit: page, offset })).length;
      whole(seen, objects);
    },
  };
}
