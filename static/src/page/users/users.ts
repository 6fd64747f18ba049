// The project's users, through auth's own admin API; their sessions, which it has no path for, by SQL.
import { literal, type Api } from '../gateway/call.ts';

export interface Identity { identity_id: string; provider: string; identity_data?: Record<string, unknown>; last_sign_in_at?: string }

export interface Factor { id: string; friendly_name?: string; factor_type: string; status: 'verified' | 'unverified'; created_at: string }

export interface User {
  id: string;
  email?: string;
  phone?: string;
  created_at: string;
  updated_at?: string;
  confirmed_at?: string;
  email_confirmed_at?: string;
  phone_confirmed_at?: string;
  invited_at?: string;
  last_sign_in_at?: string;
  banned_until?: string;
  is_anonymous?: boolean;
  role?: string;
  app_metadata: { provider?: string; providers?: string[] } & Record<string, unknown>;
  user_metadata: Record<string, unknown>;
  identities?: Identity[];
  factors?: Factor[];
}

export interface Session { id: string; created_at: string; refreshed_at: string | null; aal: string | null; user_agent: string | null; ip: string | null }

export interface Page { users: User[]; total: number }

export const perPage = 50;

export async function list(api: Api, page: number, search: string): Promise<Page> {
  const query = new URLSearchParams({ page: String(page), per_page: String(perPage), ...(search && { filter: search }) });
  const response = await api.send(`/auth/v1/admin/users?${query}`);
  const { users } = (await response.json()) as { users: User[] };
  return { users, total: Number(response.headers.get('x-total-count') ?? users.length) };
}

const path = (id: string, more = '') => `/auth/v1/admin/users/${encodeURIComponent(id)}${more}`;

export const get = (api: Api, id: string) => api.json<User>(path(id));

export const factors = (api: Api, id: string) => api.json<Factor[]>(path(id, '/factors'));

export const removeFactor = (api: Api, id: string, factor: string) => api.send(path(id, `/factors/${encodeURIComponent(factor)}`), { method: 'DELETE' });

export const change = (api: Api, id: string, body: Record<string, unknown>) => api.json<User>(path(id), { method: 'PUT', body });

export const remove = (api: Api, id: string) => api.send(path(id), { method: 'DELETE', body: { should_soft_delete: false } });

export interface NewUser { email?: string; phone?: string; password?: string; email_confirm?: boolean; phone_confirm?: boolean; user_metadata?: unknown }

export const create = (api: Api, user: NewUser) => api.json<User>('/auth/v1/admin/users', { method: 'POST', body: user });

/** Where a mail's link leads back to: this page, which says what came of it. */
const back = () => encodeURIComponent(`${location.origin}/`);

export const invite = (api: Api, email: string) => api.json<User>(`/auth/v1/invite?redirect_to=${back()}`, { method: 'POST', body: { email } });

export const sendRecovery = (api: Api, email: string) => api.send(`/auth/v1/recover?redirect_to=${back()}`, { method: 'POST', body: { email } });

export const sendMagicLink = (api: Api, email: string) => api.send(`/auth/v1/otp?redirect_to=${back()}`, { method: 'POST', body: { email, create_user: false } });

export const sendCode = (api: Api, phone: string) => api.send('/auth/v1/otp', { method: 'POST', body: { phone, create_user: false } });

export async function sessions(api: Api, id: string): Promise<Session[]> {
  const rows = await api.rows(`select id, created_at, refreshed_at at time zone 'UTC' as refreshed_at, aal, user_agent, host(ip) as ip from auth.sessions where user_id = ${literal(id)} order by created_at desc limit 100`);
  return rows as unknown as Session[];
}

/** Ends every session: its refresh tokens go with it, and a token that is still good finds no session. */
export const signOut = (api: Api, id: string) => api.rows(`delete from auth.sessions where user_id = ${literal(id)}`);

/** Long enough to be for ever: GoTrue knows durations only. */
export const forever = '876000h';

export type Standing = { word: string; tone: 'good' | 'warn' | 'bad' | 'none'; more?: string };

/** How a user stands, in a word. */
export function standing(user: User, now = Date.now()): Standing {
  if (user.banned_until && Date.parse(user.banned_until) > now) return { word: 'Banned', tone: 'bad' };
  if (user.is_anonymous) return { word: 'Anonymous', tone: 'none' };
  if (confirmedAt(user)) return { word: 'Confirmed', tone: 'good' };
  return user.invited_at ? { word: 'Invited', tone: 'warn' } : { word: 'Unconfirmed', tone: 'warn' };
}

export const confirmedAt = (user: User) => user.confirmed_at ?? user.email_confirmed_at ?? user.phone_confirmed_at;

export const nameOf = (user: User) => user.email || (user.phone && `+${user.phone}`) || user.id;

export const providersOf = (user: User) => user.app_metadata.providers ?? [...new Set(user.identities?.map(({ provider }) => provider))];

export const verifiedFactors = (user: User) => user.factors?.filter(({ status }) => status === 'verified') ?? [];
