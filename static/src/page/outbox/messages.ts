// Mails and text messages that Auth wrote, as the gateway keeps them.
import type { Api } from '../gateway/call.ts';

export interface Message {
  id: string;
  created_at: string;
  channel: 'email' | 'sms' | 'whatsapp';
  /** What it is about, as `invite` or `recovery`. */
  kind: string;
  sender: string;
  recipient: string;
  subject: string;
  /** Null for a text message. Made of what users named: to be shown in a sandbox only. */
  html: string | null;
  text: string;
  link: string | null;
  code: string | null;
  /** `kept` goes nowhere; under `serve` a mail server may have taken or refused it. */
  delivery: 'kept' | 'sent' | 'failed';
  failure: string | null;
}

export interface Page { total: number; start: number; messages: Message[] }

export const perPage = 50;
const path = '/gateway/outbox';

/** The newest first; `query` is words that a message has somewhere. */
export const list = (api: Api, start: number, query: string) => api.json<Page>(`${path}?${new URLSearchParams({ start: String(start), limit: String(perPage), ...(query && { query }) })}`);

export const remove = (api: Api, id: string) => api.send(`${path}/${encodeURIComponent(id)}`, { method: 'DELETE' });

export const clear = (api: Api) => api.send(path, { method: 'DELETE' });

const words: Record<string, string> = {
  confirmation: 'Confirmation', invite: 'Invitation', recovery: 'Recovery', magic_link: 'Magic link', email_change: 'Email change',
  phone_change: 'Phone change', reauthentication: 'Reauthentication', mfa: 'Second factor',
  password_changed_notification: 'Password changed', email_changed_notification: 'Email changed', phone_changed_notification: 'Phone changed',
  identity_linked_notification: 'Identity linked', identity_unlinked_notification: 'Identity unlinked',
  mfa_factor_enrolled_notification: 'Factor enrolled', mfa_factor_unenrolled_notification: 'Factor unenrolled',
};

export const kindOf = ({ kind }: Message) => words[kind] ?? kind.replaceAll('_', ' ');
