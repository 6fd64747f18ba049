// One WASM instance, watched, and its replacement when it dies.
//
// A Rust panic traps: the call in which it happens throws, every other promise of the instance stays open for ever, and
// its memory cannot be trusted again. So whatever waits on an instance is registered here, is failed when the instance
// dies, and the next request meets a fresh one.

import { instantiate, type Caller, type Gateway, type Source, type Supervisor } from 'glue:gateway';

/** An instance that died, under an id that its log line and its answers share. */
export class Died extends Error {
  readonly id = crypto.randomUUID();
}

class Instance {
  readonly gateway: Gateway;
  died?: Died;
  readonly #waiting = new Set<(died: Died) => void>();
  readonly #onDeath: (instance: Instance) => void;

  constructor(module: WebAssembly.Module, options: string, onDeath: (instance: Instance) => void, asked: Asked) {
    this.#onDeath = onDeath;
    const glue = instantiate({
      queueMicrotask: (task) => queueMicrotask(this.guard(task)),
      guard: (callback) => this.guard(callback),
      openStream: (source) => this.#openStream(source),
      panicked: (message) => this.#die(message),
      deliver: async () => undefined,
      origin: () => undefined,
      wantGuest: (project) => queueMicrotask(this.guard(() => this.gateway.guestFailed(project, 'This host has no virtual machine.'))),
      wantGuests: () => undefined,
      ...asked,
    });
    glue.initSync({ module });
    this.gateway = new glue.Gateway(options);
  }

  /** `callback`, except that a trap in it is the instance's death, and that nothing of a dead instance runs. */
  guard<Parameters extends unknown[]>(callback: (...parameters: Parameters) => void): (...parameters: Parameters) => void {
    return (...parameters) => {
      if (this.died) return;
      try {
        callback(...parameters);
      } catch (error) {
        const cause = this.#trapped(error);
        if (cause !== this.died) throw cause;
      }
    };
  }

  /** What the instance promised, or its death. */
  wait<Value>(begin: () => Promise<Value>): Promise<Value> {
    return new Promise((resolve, reject) => {
      if (this.died) return reject(this.died);
      this.#waiting.add(reject);
      try {
        begin().then(resolve, (error: unknown) => reject(this.#trapped(error))).finally(() => this.#waiting.delete(reject));
      } catch (error) {
        this.#waiting.delete(reject);
        reject(this.#trapped(error));
      }
    });
  }

  #trapped(error: unknown): unknown {
    // A stack that overflowed is a RangeError; any other trap is a RuntimeError.
    const fatal = error instanceof WebAssembly.RuntimeError || (error instanceof RangeError && /call stack/.test(error.message));
    if (fatal) this.#die(String(error));
    return this.died ?? error;
  }

  #die(message: string): void {
    if (this.died) return;
    this.died = new Died(message);
    console.error(`[gateway] the WASM instance died (${this.died.id}): ${message}`);
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const fail of waiting) fail(this.died);
    this.#onDeath(this);
  }

  #openStream(source: Source): ReadableStream {
    return new ReadableStream({
      pull: (controller) => this.wait(() => source.pull(controller)),
      cancel: () => this.guard(() => source.cancel())(),
    }, { highWaterMark: 0 });
  }
}

/** What the instance asks of the host that it runs in. */
export type Asked = Pick<Supervisor, 'wantPort' | 'hasProject' | 'kept' | 'keep' | 'files' | 'secrets' | 'render'> & Partial<Pick<Supervisor, 'deliver' | 'origin' | 'wantGuest' | 'wantGuests'>>;

export interface Surroundings {
  /** The compiled module. */
  module(): Promise<WebAssembly.Module>;
  asked: Asked;
  /** Settings for a new instance, and what releases whatever was acquired for it. */
  prepare(): Promise<{ options: object; release(): void }>;
}

/** The gateway as its callers see it: one living instance at a time. */
export class Supervised {
  #current?: Promise<Instance>;
  readonly #surroundings: Surroundings;
  readonly #ports = new Set<MessagePort>();

  constructor(surroundings: Surroundings) {
    this.#surroundings = surroundings;
  }

  /** Answers a request, whatever happens to the instance; `undefined` where it is not the gateway's after all. `from` is who sent it, where that is known. */
  async handle(request: Request, from?: Caller): Promise<Response | undefined> {
    try {
      const instance = await this.#instance();
      return await instance.wait(() => instance.gateway.handle(request, from));
    } catch (error) {
      return failure(error);
    }
  }

  /** Makes the instance before the first request does. */
  async warm(): Promise<void> {
    await this.#instance();
  }

  /** Hands a port to a database to the living instance. */
  async attach(project: string, port: MessagePort, owner?: string): Promise<void> {
    const instance = await this.#instance();
    this.#remember(port);
    instance.guard(() => instance.gateway.attach(project, port, owner))();
  }

  /** Hands a port to a VM worker to the living instance. */
  async attachGuest(project: string, port: MessagePort): Promise<void> {
    const instance = await this.#instance();
    this.#remember(port);
    instance.guard(() => instance.gateway.attachGuest(project, port))();
  }

  /** Tells the instance, if there is one, something that only matters to one that waits. */
  async tell(news: (gateway: Gateway) => void): Promise<void> {
    const instance = await this.#current;
    instance?.guard(() => news(instance.gateway))();
  }

  #remember(port: MessagePort): void {
    this.#ports.add(port);
    port.addEventListener('close', () => this.#ports.delete(port));
  }

  /** Another page may own the project's database now. */
  async ownerChanged(project: string): Promise<void> {
    const instance = await this.#instance();
    instance.guard(() => instance.gateway.ownerChanged(project))();
  }

  /** Anything else that the instance can tell. */
  async call<Value>(ask: (gateway: Gateway) => Value | Promise<Value>): Promise<Value> {
    const instance = await this.#instance();
    return instance.wait(async () => ask(instance.gateway));
  }

  /** Ends the instance, if there is one, as the databases at its ports expect it. */
  async close(): Promise<void> {
    const instance = await this.#current;
    instance?.guard(() => instance.gateway.close())();
  }

  #instance(): Promise<Instance> {
    return (this.#current ??= this.#begin().catch((error) => {
      this.#current = undefined;
      throw error;
    }));
  }

  async #begin(): Promise<Instance> {
    const [module, { options, release }] = await within(20_000, Promise.all([this.#surroundings.module(), this.#surroundings.prepare()]));
    const onDeath = () => {
      this.#current = undefined;
      for (const port of this.#ports) port.close();
      this.#ports.clear();
      release();
    };
    return new Instance(module, JSON.stringify(options), onDeath, this.#surroundings.asked);
  }
}

/** `promise`, unless it takes too long. */
async function within<Value>(milliseconds: number, promise: Promise<Value>): Promise<Value> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`the gateway did not load within ${milliseconds / 1000} s`)), milliseconds);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** The answer to a request whose instance died, or never began. */
export function failure(error: unknown): Response {
  return error instanceof Died
    ? refusal(500, `The gateway failed and has started anew (${error.id}).`, null, 'Whether the request took effect is unknown.')
    : refusal(503, 'The gateway could not start.', String(error), 'Reload the page, or open it with ?gateway=off to remove the gateway.');
}

/** An answer that no instance gives, in the API's own shape. */
export function refusal(status: 500 | 503, message: string, details: string | null, hint: string): Response {
  const headers: Record<string, string> = { 'content-type': 'application/json; charset=utf-8', 'access-control-allow-origin': '*' };
  if (status === 503) headers['retry-after'] = '2';
  return new Response(JSON.stringify({ code: `GW${status}`, message, details, hint }), { status, headers });
}
