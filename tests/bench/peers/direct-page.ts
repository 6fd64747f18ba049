// The page that asks PGlite directly.
const worker = new Worker('/database.js', { type: 'module' });
const waiting = new Map<number, (answer: { bytes?: Uint8Array; error?: string }) => void>();
let next = 0;
worker.onmessage = ({ data }) => { waiting.get(data.id)!(data); waiting.delete(data.id); };

async function ask(question: { sql?: string; messages?: Uint8Array }): Promise<Uint8Array | undefined> {
  const id = next++;
  const { bytes, error } = await new Promise<{ bytes?: Uint8Array; error?: string }>((resolve) => {
    waiting.set(id, resolve);
    worker.postMessage({ id, ...question });
  });
  if (error !== undefined) throw new Error(error);
  return bytes;
}

const messages = new Map<string, Uint8Array>();
Object.assign(window, {
  ready: Promise.resolve(),
  exec: (sql: string) => ask({ sql }).then(() => undefined),
  remember: (name: string, base64: string) => void messages.set(name, Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0))),
  /** Milliseconds until the answer is there as text, and how long that is; throws at an ErrorResponse. */
  async time(name: string): Promise<[milliseconds: number, bytes: number]> {
    const start = performance.now();
    const bytes = (await ask({ messages: messages.get(name)! }))!;
    const text = new TextDecoder().decode(bytes);
    const milliseconds = performance.now() - start;
    if (bytes[0] === 'E'.charCodeAt(0) || /SERROR\0/.test(text.slice(0, 4000))) throw new Error(text.slice(0, 400));
    return [milliseconds, bytes.length];
  },
});
