// Deno's std/async, of what functions use.
export interface DelayOptions { signal?: AbortSignal; persistent?: boolean }

/** Waits; a signal ends the waiting with its reason. */
export function delay(milliseconds: number, { signal }: DelayOptions = {}): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason as Error);
      return;
    }
    const abort = () => {
      clearTimeout(timer);
      reject(signal!.reason as Error);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', abort);
      resolve();
    }, milliseconds);
    signal?.addEventListener('abort', abort, { once: true });
  });
}

export function abortable<Value>(promise: Promise<Value>, signal: AbortSignal): Promise<Value> {
  if (signal.aborted) return Promise.reject(signal.reason as Error);
  const aborted = new Promise<never>((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true }));
  return Promise.race([promise, aborted]);
}

export class DeadlineError extends Error {
  override name = 'DeadlineError';
}

/** Rejects with a `TimeoutError`, as the present version does. */
export function deadline<Value>(promise: Promise<Value>, milliseconds: number, { signal }: { signal?: AbortSignal } = {}): Promise<Value> {
  const signals = [AbortSignal.timeout(milliseconds), ...(signal ? [signal] : [])];
  return abortable(promise, AbortSignal.any(signals));
}

export interface Debounced<Given extends unknown[]> { (...given: Given): void; clear(): void; flush(): void; readonly pending: boolean }

export function debounce<Given extends unknown[]>(callback: (this: Debounced<Given>, ...given: Given) => void, wait: number): Debounced<Given> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let run: (() => void) | undefined;
  const debounced = Object.assign((...given: Given) => {
    debounced.clear();
    run = () => {
      debounced.clear();
      callback.call(debounced as Debounced<Given>, ...given);
    };
    timer = setTimeout(run, wait);
  }, {
    clear() {
      clearTimeout(timer);
      timer = undefined;
      run = undefined;
    },
    flush: () => run?.(),
  });
  Object.defineProperty(debounced, 'pending', { get: () => timer !== undefined });
  return debounced as Debounced<Given>;
}

export class RetryError extends Error {
  override name = 'RetryError';
  constructor(cause: unknown, attempts: number) {
    super(`Retrying exceeded the maxAttempts (${attempts}).`, { cause });
  }
}

export interface RetryOptions { multiplier?: number; maxTimeout?: number; maxAttempts?: number; minTimeout?: number; jitter?: number }

/** Tries again with growing pauses: `minTimeout * multiplier ** attempt`, at most `maxTimeout`, less up to `jitter` of it. */
export async function retry<Value>(call: () => Value | Promise<Value>, options: RetryOptions = {}): Promise<Value> {
  const { multiplier = 2, maxTimeout = 60_000, maxAttempts = 5, minTimeout = 1000, jitter = 1 } = options;
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await call();
    } catch (error) {
      if (attempt + 1 >= maxAttempts) throw new RetryError(error, maxAttempts);
      const pause = Math.min(maxTimeout, minTimeout * multiplier ** attempt);
      await delay(pause * (1 - jitter * Math.random()));
    }
  }
}

/** Results in the order of what goes in, so many being made at a time. */
export async function* pooledMap<In, Out>(limit: number, items: Iterable<In> | AsyncIterable<In>, map: (item: In) => Promise<Out>): AsyncGenerator<Out, void, undefined> {
  const running: Promise<{ value: Out } | { error: unknown }>[] = [];
  const errors: unknown[] = [];
  const next = async () => {
    const result = await running.shift()!;
    if ('error' in result) errors.push(result.error);
    return result;
  };
  for await (const item of items) {
    running.push(map(item).then((value) => ({ value }), (error: unknown) => ({ error })));
    if (running.length < limit) continue;
    const result = await next();
    if ('value' in result) yield result.value;
    else break;
  }
  while (running.length) {
    const result = await next();
    if ('value' in result) yield result.value;
  }
  if (errors.length) throw new AggregateError(errors, 'Threw while mapping.');
}
