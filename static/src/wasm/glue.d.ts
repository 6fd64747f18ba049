// What wasm-bindgen makes of `sw/src/shell/gateway.rs`, wrapped by `static/glue.mjs`.

declare module 'glue:gateway' {
  export interface Gateway {
    /** Answers a request; `undefined` where it is not the gateway's after all. Never rejects while the instance lives. */
    handle(request: Request, trusted: boolean, client?: string): Promise<Response | undefined>;
    /** Hands over a port to the worker that owns the project's database; `owner` names the page it came from. */
    attach(project: string, port: MessagePort, owner?: string): void;
    /** Another tab may own the project's database now. */
    ownerChanged(project: string): void;
    /** The project's keys as JSON, made on first use; none where its database keeps none. */
    keys(project: string): Promise<string | undefined>;
    /** Makes the next request panic. */
    fault(): void;
    /** Says goodbye to every database. */
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
    /** A request waits for a port to this project's database; it arrives by `attach`. */
    wantPort(project: string): void;
    /** Whether there is such a project, here and now; its database need not be open. */
    hasProject(project: string): Promise<boolean>;
    /** Where the bytes of stored objects are. */
    files: import('../files/store.ts').FileStore;
    /** Renders a picture; rejects with `images::ImageError` as a message. */
    render(bytes: Uint8Array, options: string): Promise<import('../images/render.ts').Picture>;
    /** What `keep` was last given for this project, as far as it is still there. */
    kept(project: string): Promise<ArrayBuffer | undefined>;
    /** Keeps bytes for another instance, if that is possible. */
    keep(project: string, bytes: Uint8Array<ArrayBuffer>): void;
    /** Hands a mail, as JSON, to its server: an empty text, why it was not taken, or nothing where no server can be reached from here. */
    deliver(mail: string): Promise<string | undefined>;
    /** The origin of all requests, where they cannot lie about it. */
    origin(): string | undefined;
  }

  export interface Source {
    pull(controller: ReadableStreamDefaultController): Promise<void>;
    cancel(): void;
    free(): void;
  }

  export function instantiate(supervisor: Supervisor): Glue;
}

// What wasm-bindgen makes of `vm-bridge/database/src/shell.rs`.
declare module 'glue:database' {
  /** The one Postgres session. */
  export interface Session {
    exec(messages: Uint8Array): Uint8Array;
    /** Whether anything was written to storage since the last call. */
    wrote(): boolean;
    /** Makes durable what was written. */
    sync(): Promise<void>;
    /** The session cannot be used any more; the text is for a person. */
    broken(text: string): void;
  }

  export interface Options {
    build: string;
    /** The Web Lock that this worker holds while it lives; empty: none. */
    life: string;
    storage: string;
    /** SQL that follows every reset of the session. */
    baseline: string;
    /** Whether the gateway's migrations are run first. */
    migrate: boolean;
  }

  /** One project's database, served on ports. */
  export interface Database {
    serve(port: MessagePort): void;
    /** The session that was being opened is there. */
    open(session: Session, options: Options): void;
    /** There will be no session; whoever comes is refused with this text. */
    fail(text: string): void;
    free(): void;
  }

  export interface Glue {
    initSync(options: { module: WebAssembly.Module }): unknown;
    Database: {
      new (session: Session, options: Options): Database;
      /** Serves a session that is still being opened: whoever comes waits. */
      opening(options: Options): Database;
    };
  }

  export function instantiate(supervisor: { queueMicrotask(task: () => void): void }): Glue;
}

// What wasm-bindgen makes of `sw/images/src/shell.rs`.
declare module 'glue:images' {
  export interface Picture {
    /** Its bytes, which it has no more after that. */
    takeBytes(): Uint8Array;
    readonly media: string;
    free(): void;
  }

  export interface Glue {
    initSync(options: { module: WebAssembly.Module }): unknown;
    /** Throws an error whose message is `images::ImageError`. */
    render(bytes: Uint8Array, options: string): Picture;
  }

  export function instantiate(supervisor: { queueMicrotask(task: () => void): void }): Glue;
}
