// `POST /pg/query`: statements in, one result each out.
import type { ApiError } from '../gateway/status.ts';

/** The media type that asks for every statement's result, where plain JSON gives the last one's rows. */
export const resultsMediaType = 'application/vnd.gateway.results+json';

export interface Column {
  name: string;
  /** The type's name, as `format_type` gives it; empty where it is not known. */
  type: string;
}

export interface Notice {
  severity: string;
  message: string;
  detail?: string | null;
  hint?: string | null;
}

/** Postgres's own error: `position` counts characters of the query from 1. */
export interface SqlError extends ApiError {
  position?: number | null;
  /** Where a function of the database failed. */
  context?: string | null;
}

export interface StatementResult {
  /** The command tag, as `INSERT 0 3`. */
  command: string;
  columns: Column[];
  /** Cells in Postgres's text form; null is NULL. */
  rows: (string | null)[][];
}

export interface Answer {
  results: StatementResult[];
  notices: Notice[];
  error?: SqlError;
}
