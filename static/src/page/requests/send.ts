// Sends a request and keeps all that came back.
import type { Outgoing } from './request.ts';

export type Reply =
  | {
      kind: 'answer';
      status: number;
      statusText: string;
      headers: [string, string][];
      body: string;
      /** The body as sent is no text that can be shown. */
      binary: boolean;
      size: number;
      milliseconds: number;
    }
  | { kind: 'failure'; message: string };

export async function send({ url, method, headers, body }: Outgoing, signal: AbortSignal): Promise<Reply> {
  const began = performance.now();
  try {
    const response = await fetch(url, { method, headers, signal, cache: 'no-store', ...(body !== undefined && { body }) });
    const bytes = await response.arrayBuffer();
    const milliseconds = performance.now() - began;
    const type = response.headers.get('content-type') ?? '';
    const binary = bytes.byteLength > 0 && !/json|text|xml|csv|javascript|html|plan|^$/.test(type);
    return {
      kind: 'answer', status: response.status, statusText: response.statusText, headers: [...response.headers],
      body: binary ? '' : new TextDecoder().decode(bytes), binary, size: bytes.byteLength, milliseconds,
    };
  } catch (error) {
    if (signal.aborted) return { kind: 'failure', message: 'Cancelled.' };
    return { kind: 'failure', message: error instanceof Error ? error.message : String(error) };
  }
}

/** JSON with line breaks; anything else as it came. Numbers keep their digits: the text is re-spaced, not re-read. */
export function pretty(body: string): string {
  try {
    JSON.parse(body);
  } catch {
    return body;
  }
  let out = '';
  let depth = 0;
  const line = () => `\n${'  '.repeat(depth)}`;
  for (const [token] of body.matchAll(/"(?:\\.|[^"\\])*"|[[\]{}:,]|[^\s[\]{}:,"]+/g)) {
    if (token === '[' || token === '{') {
      depth += 1;
      out += token + line();
    } else if (token === ']' || token === '}') {
      depth -= 1;
      out = out.trimEnd();
      out += /[[{]$/.test(out) ? token : line() + token;
    } else if (token === ',') out += token + line();
    else out += token === ':' ? ': ' : token;
  }
  return out;
}
