// `crypto.subtle` of a worker that a browser does not give one: the frame around it has it, and keeps the keys.

/** A key that the frame keeps, by its number. */
interface Described {
  key: number;
  type: KeyType;
  extractable: boolean;
  algorithm: KeyAlgorithm;
  usages: KeyUsage[];
}

export type ToFrame = { kind: 'subtle'; call: number; method: string; parameters: unknown[] } | { kind: 'forget'; key: number };

export type FromFrame =
  | { kind: 'start' }
  | { kind: 'done'; call: number; value: unknown }
  | { kind: 'undone'; call: number; name: string; text: string };

const methods = ['encrypt', 'decrypt', 'sign', 'verify', 'digest', 'generateKey', 'deriveKey', 'deriveBits', 'importKey', 'exportKey', 'wrapKey', 'unwrapKey'] as const;

/** The mark of a key on its way. */
const mark = 'gateway-key';

/** The worker's side. */
export function subtleOf(post: (message: ToFrame) => void): { subtle: object; handle(message: FromFrame): void } {
  const numbers = new WeakMap<object, number>();
  const waiting = new Map<number, { resolve(value: unknown): void; reject(error: unknown): void }>();
  const forgotten = new FinalizationRegistry<number>((key) => post({ kind: 'forget', key }));
  let calls = 0;

  class CryptoKey {
    readonly type: KeyType;
    readonly extractable: boolean;
    readonly algorithm: KeyAlgorithm;
    readonly usages: KeyUsage[];

    constructor({ key, type, extractable, algorithm, usages }: Described) {
      this.type = type;
      this.extractable = extractable;
      this.algorithm = algorithm;
      this.usages = usages;
      numbers.set(this, key);
      forgotten.register(this, key);
    }

    get [Symbol.toStringTag]() {
      return 'CryptoKey';
    }
  }
  Object.defineProperty(globalThis, 'CryptoKey', { value: CryptoKey, configurable: true, writable: true });

  const out = (value: unknown): unknown => replace(value, (object) => {
    const key = numbers.get(object);
    return key === undefined ? undefined : { [mark]: key };
  });
  const back = (value: unknown): unknown => replace(value, (object) => (mark in object ? new CryptoKey(Reflect.get(object, mark) as Described) : undefined));
  const subtle = Object.fromEntries(methods.map((method) => [method, (...parameters: unknown[]) => new Promise((resolve, reject) => {
    const call = ++calls;
    waiting.set(call, { resolve, reject });
    post({ kind: 'subtle', call, method, parameters: parameters.map(out) });
  })]));
  return {
    subtle,
    handle(message) {
      if (message.kind === 'start') return;
      const { resolve, reject } = waiting.get(message.call) ?? {};
      waiting.delete(message.call);
      if (message.kind === 'done') resolve?.(back(message.value));
      else reject?.(message.name === 'TypeError' ? new TypeError(message.text) : new DOMException(message.text, message.name));
    },
  };
}

/** The frame's side: does what its worker asks for. */
export function serveSubtle(post: (message: FromFrame) => void): (message: ToFrame) => void {
  const keys = new Map<number, CryptoKey>();
  let count = 0;
  const taken = (value: unknown): unknown => replace(value, (object) => (mark in object ? keys.get(Reflect.get(object, mark) as number) ?? {} : undefined));
  const told = (value: unknown): unknown => replace(value, (object) => {
    if (!(object instanceof CryptoKey)) return undefined;
    const key = ++count;
    keys.set(key, object);
    const { type, extractable, algorithm, usages } = object;
    return { [mark]: { key, type, extractable, algorithm, usages } satisfies Described };
  });
  return (message) => {
    if (message.kind === 'forget') {
      keys.delete(message.key);
      return;
    }
    const { call, method, parameters } = message;
    void (async () => {
      try {
        if (!(methods as readonly string[]).includes(method)) throw new TypeError(`There is no crypto.subtle.${method}`);
        const run = crypto.subtle[method as 'digest'] as (...parameters: unknown[]) => Promise<unknown>;
        post({ kind: 'done', call, value: told(await run.apply(crypto.subtle, parameters.map(taken))) });
      } catch (error) {
        const { name, message: text } = error as Error;
        post({ kind: 'undone', call, name, text });
      }
    })();
  };
}

/** The same value, with the objects in it that `found` has something else for. */
function replace(value: unknown, found: (object: object) => unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  const other = found(value);
  if (other !== undefined) return other;
  if (value instanceof ArrayBuffer || ArrayBuffer.isView(value)) return value;
  if (Array.isArray(value)) return value.map((inner) => replace(inner, found));
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, replace(inner, found)]));
}
