// Runs SQL through the gateway, as the project's owner.
import { apiError } from '../gateway/status.ts';
import { base } from '../gateway/project.ts';
import { resultsMediaType, type Answer } from './results.ts';

export interface Run extends Answer {
  /** What was sent. */
  query: string;
  /** Where it begins in the editor, in UTF-16 units, when a part of the text was run. */
  offset: number;
  milliseconds: number;
}

export async function runSql(project: string, secret: string, query: string, { offset = 0, signal }: { offset?: number; signal?: AbortSignal } = {}): Promise<Run> {
  const began = performance.now();
  const answer = await ask(project, secret, query, signal);
  return { ...answer, query, offset, milliseconds: performance.now() - began };
}

async function ask(project: string, secret: string, query: string, signal?: AbortSignal): Promise<Answer> {
  let response: Response;
  try {
    response = await fetch(`${base(project)}/pg/query`, {
      method: 'POST',
      headers: { apikey: secret, 'content-type': 'application/json', accept: resultsMediaType },
      body: JSON.stringify({ query }),
      ...(signal && { signal }),
    });
  } catch (error) {
    const message = signal?.aborted ? 'Stopped waiting for the answer' : `The gateway could not be reached: ${error instanceof Error ? error.message : error}`;
    return { results: [], notices: [], error: { message } };
  }
  const body: unknown = await response.json().catch(() => undefined);
  if (isAnswer(body)) return body;
  return { results: [], notices: [], error: apiError(body) ?? { message: `The gateway answered ${response.status} without an explanation` } };
}

function isAnswer(body: unknown): body is Answer {
  return typeof body === 'object' && body !== null && 'results' in body && Array.isArray(body.results);
}

/** Where an error's `position` (characters from 1) is in the query, in UTF-16 units. */
export function positionIn(query: string, position: number): number {
  let units = 0;
  let characters = 1;
  for (const character of query) {
    if (characters >= position) break;
    units += character.length;
    characters += 1;
  }
  return units;
}

/** Line and column of an offset, both from 1. */
export function lineOf(text: string, offset: number): { line: number; column: number } {
  const before = text.slice(0, offset).split('\n');
  return { line: before.length, column: (before.at(-1) ?? '').length + 1 };
}
