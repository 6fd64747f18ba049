// Calls of the gateway's own API from a page that runs it, which needs no key for that.

/** The API's refusal, in its own words. */
export class Refused extends Error {
  /** `body` is the whole answer, where it was JSON: it may say more than its message. */
  constructor(message: string, readonly status: number, readonly body?: unknown) {
    super(message);
  }
}

/** Calls below a project's URL. Throws `Refused` unless the answer is a success. */
export type Call = (path: string, init?: RequestInit) => Promise<Response>;

export const calls = (url: string): Call => async (path, init) => {
  const response = await fetch(url + path, { cache: 'no-store', ...init });
  if (response.ok) return response;
  const text = await response.text();
  let body: { message?: string } | undefined;
  try {
    body = JSON.parse(text) as { message?: string };
  } catch {
    body = undefined;
  }
  throw new Refused(body?.message ?? `The gateway answers ${response.status}.`, response.status, body);
};

export const post = { method: 'POST' } as const;

/** The JSON of each event of a stream, or of each line, until it ends or whoever reads it stops. */
export async function* parts<Part>(response: Response): AsyncGenerator<Part, void, undefined> {
  if (!response.body) return;
  const isEvents = response.headers.get('content-type')?.startsWith('text/event-stream');
  let rest = '';
  // A reader that stops cancels the stream, and with it whatever makes it.
  for await (const text of response.body.pipeThrough(new TextDecoderStream()) as unknown as AsyncIterable<string>) {
    const lines = (rest + text).split(/\r?\n/);
    rest = lines.pop()!;
    for (const line of lines) {
      const json = isEvents ? /^data: ?(.*)$/.exec(line)?.[1] : line;
      if (json) yield JSON.parse(json) as Part;
    }
  }
}
