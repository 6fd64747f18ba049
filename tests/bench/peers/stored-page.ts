// The page that asks PGlite and the origin private file system directly.
const worker = new Worker('/database.js', { type: 'module' });
const waiting = new Map<number, (answer: { bytes?: Uint8Array; error?: string }) => void>();
let next = 0;
worker.onmessage = ({ data }) => { waiting.get(data.id)!(data); waiting.delete(data.id); };

async function ask(question: object): Promise<Uint8Array | undefined> {
  const id = next++;
  const { bytes, error } = await new Promise<{ bytes?: Uint8Array; error?: string }>((resolve) => {
    waiting.set(id, resolve);
    worker.postMessage({ id, ...question });
  });
  if (error !== undefined) throw new Error(error);
  return bytes;
}

const bytesOf = (base64: string) => Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
/** Per request: what the gateway sent Postgres, exchange by exchange. */
const recorded = new Map<string, Uint8Array[]>();

Object.assign(window, {
  ready: fetch('/data.tar.gz').then((answer) => answer.blob()).then((data) => ask({ data })),
  remember: (name: string, exchanges: string[]) => void recorded.set(name, exchanges.map(bytesOf)),
  /** Milliseconds of a request's exchanges, and of a file written or read beside them. */
  async time(name: string | undefined, files: { write?: [name: string, size: number]; read?: string } = {}): Promise<number> {
    const write = files.write && { name: files.write[0], bytes: new Uint8Array(files.write[1]).fill(7) };
    const start = performance.now();
    if (write) await ask({ write });
    let text = '';
    for (const messages of name === undefined ? [] : recorded.get(name)!) text = new TextDecoder().decode(await ask({ messages }));
    if (files.read !== undefined) await ask({ read: files.read });
    const milliseconds = performance.now() - start;
    if (/SERROR\0/.test(text.slice(0, 4000))) throw new Error(`${name}: ${text.slice(0, 400)}`);
    return milliseconds;
  },
});
