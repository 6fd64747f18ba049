// What wasm-bindgen makes of `sw/src/shell/gateway.rs`, wrapped by `static/glue.mjs`.

declare module 'glue:gateway' {
  export interface Gateway {
    /** Answers a request; never rejects while the instance lives. */
    handle(request: Request, trusted: boolean): Promise<Response>;
    /** Hands over a port to the worker that owns the project's database. */
    attach(project: string, port: MessagePort): void;
    /** Another tab may own the project's database now. */
    ownerChanged(project: string): void;
    /** What is known of the project's database, as JSON. */
    status(project: string): string;
    /** The project's keys, made on first use. */
    keys(project: string): Promise<unknown>;
    close(): void;
    free(): void;
  }

  export interface Glue {
    initSync(options: { module: WebAssembly.Module }): unknown;
    Gateway: new (options: string) => Gateway;
  }

  /** What the instance asks of the JavaScript around it. */
  export interface Supervisor {
    queueMicrotask(task: () => void): void;
    /** A callback of the instance's, watched. */
    guard<Parameters extends unknown[]>(callback: (...parameters: Parameters) => void): (...parameters: Parameters) => void;
    /** The stream of a response's body, watched. */
    openStream(source: Source): ReadableStream;
    /** The instance panicked, and is about to trap. */
    panicked(message: string): void;
    /** A request waits for a port to this project's database. */
    wantPort(project: string): void;
  }

  export interface Source {
    pull(controller: ReadableStreamDefaultController): Promise<void>;
    cancel(): void;
    free(): void;
  }

  export function instantiate(supervisor: Supervisor): Glue;
}
