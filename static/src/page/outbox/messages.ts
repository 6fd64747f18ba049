// Mails and SMS that the project would have sent, as the gateway keeps them.
import type { Api } from '../gateway/call.ts';

export interface Message {
  id: string;
  created_at: string;
  channel: 'email' | 'sms' | (string & {});
  /** What it is for, as `invite` or `recovery`. */
  kind: string;
  recipient: string;
  subject: string | null;
  text: string | null;
  html: string | null;
  link: string | null;
  code: string | null;
}

const path = '/gateway/outbox';

/** The newest first. */
export const messages = async (api: Api): Promise<Message[]> => (await api.json<{ messages: Message[] }>(`${path}?limit=200`)).messages;

export const remove = (api: Api, id: string) => api.send(`${path}/${encodeURIComponent(id)}`, { method: 'DELETE' });

export const clear = (api: Api) => api.send(path, { method: 'DELETE' });
