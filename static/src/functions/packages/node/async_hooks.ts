// `node:async_hooks`. Only an engine can carry a value across `await`: where the runtime has one that does, it offers the
// class under this symbol. Without one a store is there until the callback first waits, and never another request's.
type Callback<Value> = (...given: never[]) => Value;

interface Storage<Store> {
  run<Value>(store: Store, callback: Callback<Value>, ...given: unknown[]): Value;
  exit<Value>(callback: Callback<Value>, ...given: unknown[]): Value;
  enterWith(store: Store): void;
  getStore(): Store | undefined;
  disable(): void;
}

class UntilItWaits<Store> implements Storage<Store> {
  #store: Store | undefined;

  static bind<Bound extends Callback<unknown>>(callback: Bound): Bound {
    return callback;
  }

  static snapshot() {
    return <Value>(callback: Callback<Value>, ...given: unknown[]): Value => callback(...(given as never[]));
  }

  run<Value>(store: Store | undefined, callback: Callback<Value>, ...given: unknown[]): Value {
    const before = this.#store;
    this.#store = store;
    try {
      return callback(...(given as never[]));
    } finally {
      this.#store = before;
    }
  }

  exit<Value>(callback: Callback<Value>, ...given: unknown[]): Value {
    return this.run(undefined, callback, ...given);
  }

  /** Nobody could take it back again. */
  enterWith(): void {
    throw new Error('AsyncLocalStorage.enterWith is not to be had in this engine: use run.');
  }

  getStore(): Store | undefined {
    return this.#store;
  }

  disable(): void {
    this.#store = undefined;
  }
}

const offered = (globalThis as unknown as Record<symbol, typeof UntilItWaits | undefined>)[Symbol.for('edge-runtime.AsyncLocalStorage')];

export const AsyncLocalStorage = offered ?? UntilItWaits;

export class AsyncResource {
  constructor(readonly type: string) {}

  static bind<Bound extends Callback<unknown>>(callback: Bound): Bound {
    return callback;
  }

  bind<Bound extends Callback<unknown>>(callback: Bound): Bound {
    return callback;
  }

  runInAsyncScope<Value>(callback: Callback<Value>, self?: unknown, ...given: unknown[]): Value {
    return callback.apply(self, given as never[]);
  }

  emitDestroy(): this {
    return this;
  }

  asyncId(): number {
    return 1;
  }

  triggerAsyncId(): number {
    return 0;
  }
}

export const createHook = () => {
  const hook = { enable: () => hook, disable: () => hook };
  return hook;
};
export const executionAsyncId = () => 1;
export const triggerAsyncId = () => 0;
export const executionAsyncResource = () => ({});

export default { AsyncLocalStorage, AsyncResource, createHook, executionAsyncId, triggerAsyncId, executionAsyncResource };
