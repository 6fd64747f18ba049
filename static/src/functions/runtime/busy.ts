// How long this isolate computes, where the engine does not tell: from the beginning of each task that is known here until
// the event loop takes up the next. A task that is not known, such as the end of a read of a Blob, counts from the next one
// that is. What the machine does meanwhile for others counts too.

const now = performance.now.bind(performance);

export class Busy {
  #total = 0;
  #since: number | undefined;
  readonly #next: MessagePort;

  constructor() {
    const { port1, port2 } = new MessageChannel();
    this.#next = port2;
    port1.onmessage = () => {
      this.#total = this.milliseconds;
      this.#since = undefined;
    };
  }

  /** A task begins. */
  begin(): void {
    if (this.#since !== undefined) return;
    this.#since = now();
    this.#next.postMessage(null);
  }

  get milliseconds(): number {
    return this.#total + (this.#since === undefined ? 0 : now() - this.#since);
  }

  /** `setTimeout` or `setInterval` whose tasks are known. */
  timer(native: (handler: TimerHandler, timeout?: number, ...parameters: unknown[]) => number) {
    return (handler: TimerHandler, timeout?: number, ...parameters: unknown[]): number => {
      if (typeof handler !== 'function') return native(handler, timeout, ...parameters);
      return native((...given: unknown[]) => {
        this.begin();
        (handler as (...given: unknown[]) => unknown)(...given);
      }, timeout, ...parameters);
    };
  }
}
