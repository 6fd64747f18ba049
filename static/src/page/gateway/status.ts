// What the gateway says about itself: the answer of `GET /gateway/status`.
import type { Keys, Status } from '../../status.ts';
import { base } from './project.ts';

export type { Keys, Status };

/** An error in the API's own shape: PostgREST's four fields. */
export interface ApiError {
  code?: string | null;
  message: string;
  details?: unknown;
  hint?: string | null;
}

export type StatusAnswer =
  | { kind: 'ready'; status: Status }
  /** The gateway answered that it cannot: no owner tab, the database failed to open. */
  | { kind: 'refused'; httpStatus: number; error: ApiError }
  /** Something that is not the gateway answered, as a static host does when no worker controls the page. */
  | { kind: 'absent' }
  | { kind: 'unreachable'; reason: string };

export async function readStatus(project: string, signal?: AbortSignal): Promise<StatusAnswer> {
  let response: Response;
  try {
    response = await fetch(`${base(project)}/gateway/status`, { cache: 'no-store', ...(signal && { signal }) });
  } catch (error) {
    return { kind: 'unreachable', reason: error instanceof Error ? error.message : String(error) };
  }
  const body: unknown = await response.json().catch(() => undefined);
  if (response.ok && isStatus(body)) return { kind: 'ready', status: body };
  const error = apiError(body);
  return error ? { kind: 'refused', httpStatus: response.status, error } : { kind: 'absent' };
}

function isStatus(body: unknown): body is Status {
  return typeof body === 'object' && body !== null && 'keys' in body && 'version' in body;
}

/** Reads an error body, whichever of Supabase's shapes it has. */
export function apiError(body: unknown): ApiError | undefined {
  if (typeof body !== 'object' || body === null) return undefined;
  const fields = body as Record<string, unknown>;
  const message = fields.message ?? fields.error ?? fields.msg;
  return typeof message === 'string' ? { ...(fields as Partial<ApiError>), message } : undefined;
}
