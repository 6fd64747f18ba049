// `Request` and `Response` with every header that was given to them, as Deno has them: a browser takes out those that only it
// may send (`Cookie`, `Origin`, `Host`, …) or read (`Set-Cookie`).

const headers = new WeakMap<object, Headers>();

type Constructor = typeof Request | typeof Response;

function remember(made: Request | Response, prototype: object, given: HeadersInit | undefined): void {
  const native = nativeHeaders.get(prototype)!.call(made) as Headers;
  const whole = new Headers(given);
  // Such as the type of a form.
  for (const [name, value] of native) if (!whole.has(name)) whole.append(name, value);
  headers.set(made, whole);
}

const nativeHeaders = new Map<object, (this: unknown) => unknown>();

function patch(prototype: Request | Response): void {
  const native = Object.getOwnPropertyDescriptor(prototype, 'headers')!.get!;
  nativeHeaders.set(prototype, native);
  const { clone } = prototype as Request;
  Object.defineProperties(prototype, {
    headers: {
      configurable: true, enumerable: true,
      get(this: Request) { return headers.get(this) ?? native.call(this); },
    },
    clone: {
      configurable: true, writable: true, enumerable: true,
      value(this: Request) {
        const copy = clone.call(this);
        headers.set(copy, new Headers(this.headers));
        return copy;
      },
    },
  });
}

const isStream = (value: unknown) => typeof ReadableStream === 'function' && value instanceof ReadableStream;

/** What a `Request` is made of, with what Deno does without: it sends a stream without being told how. */
function told(parameters: unknown[]): unknown[] {
  const [input, init] = parameters as [unknown, (RequestInit & { duplex?: string }) | undefined];
  return init && isStream(init.body) && init.duplex === undefined ? [input, Object.assign({}, init, { duplex: 'half' })] : parameters;
}

/** Replaces the global `Request`, where headers are kept as it is: in Node. */
export function sendStreams(): void {
  const native = globalThis.Request;
  globalThis.Request = new Proxy(native, { construct: (_target, parameters, target) => Reflect.construct(native, told(parameters), target) as Request });
  native.prototype.constructor = globalThis.Request;
}

/** Replaces both globals. */
export function keepEveryHeader(): void {
  const natives = { Request: globalThis.Request, Response: globalThis.Response };
  patch(natives.Request.prototype);
  patch(natives.Response.prototype);
  const construct = (native: Constructor, parameters: unknown[], target: Function): Request | Response => {
    const [input, init] = parameters as [unknown, RequestInit | undefined];
    const isRequest = native === natives.Request;
    const made = Reflect.construct(native, isRequest ? told(parameters) : parameters, target) as Request | Response;
    remember(made, native.prototype, init?.headers ?? (isRequest && input instanceof natives.Request ? input.headers : undefined));
    return made;
  };
  const proxy = <Native extends Constructor>(native: Native): Native => new Proxy(native, {
    construct: (_target, parameters, target) => construct(native, parameters, target),
  });
  globalThis.Request = proxy(natives.Request);
  globalThis.Response = proxy(natives.Response);
  globalThis.Request.prototype.constructor = globalThis.Request;
  globalThis.Response.prototype.constructor = globalThis.Response;
  const { json } = natives.Response;
  natives.Response.json = (value: unknown, init?: ResponseInit) => {
    const made = json.call(natives.Response, value, init);
    remember(made, natives.Response.prototype, init?.headers);
    return made;
  };
}
