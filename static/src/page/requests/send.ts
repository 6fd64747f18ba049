// Sends a request and keeps all that came back.
import type { Outgoing } from './request.ts';

export interface Answer {
  kind: 'answer';
  status: number;
  statusText: string;
  headers: [string, string][];
  body: string;
  /** The body as sent is no text that can be shown. */
  binary: boolean;
  size: number;
  milliseconds: number;
  /** Why no more of it came. */
  broken?: string;
}

export type Reply = Answer | { kind: 'failure'; message: string };

/** Milliseconds between two looks at an answer that is still coming. */
const pace = 100;

/** `coming` hears of an answer whose end is not there yet: of its head, then now and then of what has come. */
export async function send({ url, method, headers, body }: Outgoing, signal: AbortSignal, coming: (reply: Answer) => void): Promise<Reply> {
  const began = performance.now();
  let answer: Answer | undefined;
  try {
    const response = await fetch(url, { method, headers, signal, cache: 'no-store', ...(body !== undefined && { body }) });
    const type = response.headers.get('content-type') ?? '';
    const isText = /json|text|xml|csv|javascript|html|plan|^$/.test(type);
    const decoder = new TextDecoder();
    answer = { kind: 'answer', status: response.status, statusText: response.statusText, headers: [...response.headers], body: '', binary: false, size: 0, milliseconds: performance.now() - began };
    let told = began;
    for (const reader = response.body?.getReader(); reader; ) {
      if (performance.now() - told >= pace) {
        coming(answer);
        told = performance.now();
      }
      const part: ReadableStreamReadResult<Uint8Array> = await withPace(reader.read(), answer, coming);
      if (part.done) break;
      const value: Uint8Array = part.value;
      answer = { ...answer, size: answer.size + value.byteLength, binary: !isText, body: isText ? answer.body + decoder.decode(value, { stream: true }) : '', milliseconds: performance.now() - began };
    }
    return { ...answer, body: answer.body + decoder.decode(), milliseconds: performance.now() - began };
  } catch (error) {
    const message = signal.aborted ? 'Cancelled.' : error instanceof Error ? error.message : String(error);
    // What has come of it is shown all the same.
    return answer && answer.size > 0 ? { ...answer, broken: message } : { kind: 'failure', message };
  }
}

/** Tells of the answer as it is when nothing more comes for a while. */
async function withPace<Part>(part: Promise<Part>, answer: Answer, coming: (reply: Answer) => void): Promise<Part> {
  const timer = setTimeout(() => coming(answer), pace);
  try {
    return await part;
  } finally {
    clearTimeout(timer);
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
