// A request as it is written in the console, and as it is sent.
import type { Keys } from '../gateway/status.ts';
import { projectUrl } from '../gateway/project.ts';
import { signUser } from './token.ts';

export const methods = ['GET', 'HEAD', 'POST', 'PATCH', 'PUT', 'DELETE', 'OPTIONS'] as const;
export type Method = (typeof methods)[number];
export type Role = 'anon' | 'user' | 'service_role';

export interface Draft {
  method: Method;
  /** From the project's root, with its query: `/rest/v1/products?select=*`. */
  path: string;
  role: Role;
  /** The id that `auth.uid()` gives, for the role `user`. */
  user: string;
  /** `Name: value`, one a line. */
  headers: string;
  body: string;
}

export interface Outgoing {
  url: string;
  method: Method;
  headers: [string, string][];
  body?: string;
}

export const hasBody = (method: Method) => method !== 'GET' && method !== 'HEAD' && method !== 'OPTIONS';

/** Header lines that are no headers, by line number. */
export function badHeaders(headers: string): number[] {
  return headers.split('\n').flatMap((line, index) => (line.trim() === '' || /^[!#$%&'*+.^_`|~\w-]+\s*:/.test(line) ? [] : [index + 1]));
}

function headerLines(headers: string): [string, string][] {
  return headers.split('\n').flatMap((line): [string, string][] => {
    const colon = line.indexOf(':');
    return colon > 0 ? [[line.slice(0, colon).trim(), line.slice(colon + 1).trim()]] : [];
  });
}

/** What goes out: the role becomes `apikey`, and for a user a bearer token; headers written by hand win. */
export async function prepare(draft: Draft, project: string, keys: Keys, now: number): Promise<Outgoing> {
  const written = headerLines(draft.headers);
  const names = new Set(written.map(([name]) => name.toLowerCase()));
  const body = hasBody(draft.method) && draft.body.trim() !== '' ? draft.body : undefined;
  const given: [string, string][] = [['apikey', draft.role === 'service_role' ? keys.secret : keys.publishable]];
  if (draft.role === 'user') given.push(['Authorization', `Bearer ${await signUser(draft.user.trim(), keys.jwt_secret, now)}`]);
  if (body !== undefined) given.push(['Content-Type', 'application/json']);
  return {
    url: projectUrl(project) + (draft.path.startsWith('/') ? draft.path : `/${draft.path}`),
    method: draft.method,
    headers: [...given.filter(([name]) => !names.has(name.toLowerCase())), ...written],
    ...(body !== undefined && { body }),
  };
}
