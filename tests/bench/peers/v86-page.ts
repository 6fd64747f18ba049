// The page whose worker runs v86 by itself.
const worker = new Worker('v86-worker.js', { type: 'module' });
const waiting = new Map<number, (answer: { result?: unknown; error?: string }) => void>();
let next = 0;
worker.onmessage = ({ data }) => { waiting.get(data.id)!(data); waiting.delete(data.id); };
worker.onerror = ({ message }) => { for (const answer of waiting.values()) answer({ error: message }); };

Object.assign(window, {
  ready: Promise.resolve(),
  /** Has the worker do something; throws what it failed with. */
  async ask(action: string, parameters: unknown): Promise<unknown> {
    const id = next++;
    const { result, error } = await new Promise<{ result?: unknown; error?: string }>((resolve) => {
      waiting.set(id, resolve);
      worker.postMessage({ id, action, parameters });
    });
    if (error !== undefined) throw new Error(error);
    return result;
  },
});
