// Calls of the project's own APIs with its secret key, as a server of the project would make them.
import { useMemo } from 'react';
import { useGateway, useKeys } from './context.ts';
import { base } from './project.ts';
import { apiError } from './status.ts';
import { runSql } from '../sql/run.ts';

/** An API's refusal, in its own words. */
export class Refused extends Error {
  /** `body` is the whole answer, where it was JSON: some APIs say more than their message. */
  constructor(message: string, readonly status: number, readonly code?: string, readonly body?: unknown) {
    super(message);
  }
}

export interface Call {
  method?: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Sent as JSON. */
  body?: unknown;
  headers?: Record<string, string>;
  signal?: AbortSignal;
}

export interface Api {
  project: string;
  secret: string;
  /** Throws `Refused` unless the answer is a success. */
  send: (path: string, call?: Call) => Promise<Response>;
  json: <Value>(path: string, call?: Call) => Promise<Value>;
  /** The last statement's rows, in Postgres's text form, by column. */
  rows: (query: string) => Promise<Record<string, string | null>[]>;
}

/** Undefined until the gateway has told its keys. */
export function useApi(): Api | undefined {
  const { project } = useGateway();
  const secret = useKeys()?.secret;
  return useMemo(() => (secret === undefined ? undefined : api(project, secret)), [project, secret]);
}

/** The error format of auth that has words for codes; the other APIs pass it by. */
const apiVersion = '2024-01-01';

function api(project: string, secret: string): Api {
  const send: Api['send'] = async (path, { method = 'GET', body, headers, signal } = {}) => {
    let response: Response;
    try {
      response = await fetch(base(project) + path, {
        method,
        cache: 'no-store',
        headers: { apikey: secret, 'x-supabase-api-version': apiVersion, ...(body !== undefined && { 'content-type': 'application/json' }), ...headers },
        ...(body !== undefined && { body: JSON.stringify(body) }),
        ...(signal && { signal }),
      });
    } catch (error) {
      throw new Refused(`The gateway could not be reached: ${error instanceof Error ? error.message : error}`, 0);
    }
    if (!response.ok) throw await refusal(response);
    return response;
  };
  return {
    project,
    secret,
    send,
    json: async (path, call) => (await send(path, call)).json(),
    rows: async (query) => {
      const { results, error } = await runSql(project, secret, query);
      if (error) throw new Refused(error.message, 400, error.code ?? undefined);
      const last = results.findLast(({ columns }) => columns.length > 0);
      return (last?.rows ?? []).map((row) => Object.fromEntries(row.map((value, at) => [last!.columns[at]!.name, value])));
    },
  };
}

export async function refusal(response: Response): Promise<Refused> {
  const body: unknown = await response.json().catch(() => undefined);
  const error = apiError(body);
  return new Refused(error?.message ?? `The gateway answered ${response.status} without an explanation`, response.status, error?.code ?? undefined, body);
}

/** What to show of anything that was thrown. */
export const words = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** A text as an SQL literal, for the few statements that the page composes itself. */
export const literal = (text: string): string => `'${text.replaceAll("'", "''")}'`;
