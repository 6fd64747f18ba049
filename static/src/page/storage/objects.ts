// Buckets and objects, through storage's own API.
import { base } from '../gateway/project.ts';
import type { Api } from '../gateway/call.ts';

export interface Bucket {
  id: string;
  name: string;
  public: boolean;
  file_size_limit: number | null;
  allowed_mime_types: string[] | null;
  created_at: string;
  updated_at: string;
}

export interface ObjectMetadata { size?: number; mimetype?: string; cacheControl?: string; eTag?: string; lastModified?: string }

/** A folder has no id. */
export interface Entry { name: string; id: string | null; created_at: string | null; updated_at: string | null; metadata: ObjectMetadata | null }

/** What Supabase's own console leaves in a folder so that it exists. */
export const placeholder = '.emptyFolderPlaceholder';
export const perPage = 100;
const root = '/storage/v1';

export const encodePath = (path: string) => path.split('/').map(encodeURIComponent).join('/');
const objectPath = (bucket: string, key: string, kind = '') => `${root}/object/${kind}${encodeURIComponent(bucket)}/${encodePath(key)}`;

export const buckets = (api: Api) => api.json<Bucket[]>(`${root}/bucket`);

export interface BucketSettings { public: boolean; file_size_limit: number | null; allowed_mime_types: string[] | null }

export const createBucket = (api: Api, name: string, settings: BucketSettings) => api.send(`${root}/bucket`, { method: 'POST', body: { id: name, name, ...settings } });

export const updateBucket = (api: Api, id: string, settings: BucketSettings) => api.send(`${root}/bucket/${encodeURIComponent(id)}`, { method: 'PUT', body: settings });

export const emptyBucket = (api: Api, id: string) => api.send(`${root}/bucket/${encodeURIComponent(id)}/empty`, { method: 'POST', body: {} });

export const deleteBucket = (api: Api, id: string) => api.send(`${root}/bucket/${encodeURIComponent(id)}`, { method: 'DELETE', body: {} });

export async function list(api: Api, bucket: string, folder: string, search: string, offset: number): Promise<Entry[]> {
  return api.json<Entry[]>(`${root}/object/list/${encodeURIComponent(bucket)}`, {
    method: 'POST',
    body: { prefix: folder, limit: perPage, offset, sortBy: { column: 'name', order: 'asc' }, ...(search && { search }) },
  });
}

/** The keys of every object in a folder, however deep. */
export async function keysUnder(api: Api, bucket: string, folder: string): Promise<string[]> {
  const keys: string[] = [];
  for (let offset = 0; ; offset += perPage) {
    const entries = await list(api, bucket, folder, '', offset);
    for (const { name, id } of entries) {
      if (id === null) keys.push(...(await keysUnder(api, bucket, join(folder, name))));
      else keys.push(join(folder, name));
    }
    if (entries.length < perPage) return keys;
  }
}

/** As many in one request as the server takes. */
const most = 1000;

export async function remove(api: Api, bucket: string, keys: string[]): Promise<void> {
  for (let at = 0; at < keys.length; at += most) {
    await api.send(`${root}/object/${encodeURIComponent(bucket)}`, { method: 'DELETE', body: { prefixes: keys.slice(at, at + most) } });
  }
}

export const move = (api: Api, bucket: string, sourceKey: string, destinationKey: string) => api.send(`${root}/object/move`, { method: 'POST', body: { bucketId: bucket, sourceKey, destinationKey } });

export async function createFolder(api: Api, bucket: string, folder: string): Promise<void> {
  await api.send(objectPath(bucket, join(folder, placeholder)), { method: 'POST', body: undefined, headers: { 'content-type': 'application/octet-stream', 'x-upsert': 'true' } });
}

/** The URL of an object for whoever holds it, for some seconds. */
export async function sign(api: Api, bucket: string, key: string, expiresIn: number): Promise<string> {
  const { signedURL } = await api.json<{ signedURL: string }>(objectPath(bucket, key, 'sign/'), { method: 'POST', body: { expiresIn } });
  return location.origin + base(api.project) + root + signedURL;
}

export const publicUrl = (api: Api, bucket: string, key: string) => location.origin + base(api.project) + objectPath(bucket, key, 'public/');

export const uploadUrl = (api: Api, bucket: string, key: string) => base(api.project) + objectPath(bucket, key);

export const resumableUrl = (api: Api) => `${location.origin}${base(api.project)}${root}/upload/resumable`;

/** The first bytes of an object. */
export const read = (api: Api, bucket: string, key: string, bytes?: number, signal?: AbortSignal) => api.send(objectPath(bucket, key, 'authenticated/'), { ...(bytes !== undefined && { headers: { range: `bytes=0-${bytes - 1}` } }), ...(signal && { signal }) });

export const join = (folder: string, name: string) => (folder ? `${folder}/${name}` : name);
