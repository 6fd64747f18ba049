// What wasm-bindgen makes of `sw/src/shell/gateway.rs`, wrapped by `static/glue.mjs`.

declare module 'glue:gateway' {
  export interface Gateway {
    /** Answers a request; `undefined` where it is not the gateway's after all. Never rejects while the instance lives. */
    handle(request: Request, from?: Caller): Promise<Response | undefined>;
    /** Hands over a port to the worker that owns the project's database; `owner` names the page it came from. */
    attach(project: string, port: MessagePort, owner?: string): void;
    /** Another tab may own the project's database now. */
    ownerChanged(project: string): void;
    /** Hands over a port to the project's VM worker. */
    attachGuest(project: string, port: MessagePort): void;
    /** The project has no VM worker, and none was started. */
    guestAbsent(project: string): void;
    /** The project's VM worker cannot be started; the text is for a person. */
    guestFailed(project: string, text: string): void;
    /** Connects a page's WebSocket; what becomes of it is said on the port. */
    tunnel(url: string, protocols: string[], port: MessagePort, from: Caller, headers?: Headers): Promise<void>;
    /** The project's keys as JSON, made on first use; none where its database keeps none. */
    keys(project: string): Promise<string | undefined>;
    /** Makes the next request panic. */
    fault(): void;
    /** Says goodbye to every database. */
    close(): void;
    free(): void;
  }

  /** Who sent a request, where that is known. */
  export interface Caller {
    /** It may see the project's secrets. */
    trusted: boolean;
    /** The client's id; none for a navigation. */
    client?: string;
    /** The URL that the client was made with; none for a navigation. */
    url?: string;
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
    /** A request waits for a port to this project's VM worker, which is to be started where it is not there, or not; it arrives by `attachGuest`. */
    wantGuest(project: string, start: boolean): void;
    /** Some VM worker waits for a port to this instance. */
    wantGuests(): void;
    /** Whether there is such a project, here and now; its database need not be open. */
    hasProject(project: string): Promise<boolean>;
    /** Where the bytes of stored objects are. */
    files: import('../files/store.ts').FileStore;
    /** Seals what only this project's gateway is to read again. */
    secrets: import('../secrets/seal.ts').Seals;
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
    /** Whether its bytes are pixels that `glue:avif` writes with what is below. */
    readonly isUnwritten: boolean;
    readonly width: number;
    readonly height: number;
    readonly quality: number;
    free(): void;
  }

  export interface Glue {
    initSync(options: { module: WebAssembly.Module }): unknown;
    /** Throws an error whose message is `images::ImageError`. */
    render(bytes: Uint8Array, options: string): Picture;
  }

  export function instantiate(supervisor: { queueMicrotask(task: () => void): void }): Glue;
}

// What wasm-bindgen makes of `sw/images/avif/src/shell.rs`.
declare module 'glue:avif' {
  export interface Glue {
    initSync(options: { module: WebAssembly.Module }): unknown;
    /** Pixels of four bytes as a file. Throws an error whose message is `avif::AvifError`. */
    write(rgba: Uint8Array, width: number, height: number, quality: number): Uint8Array;
  }

  export function instantiate(supervisor: { queueMicrotask(task: () => void): void }): Glue;
}

// What wasm-bindgen makes of `vm-bridge/machine/src/shell`.
declare module 'glue:machine' {
  /** What the machine asks of the JavaScript around it. */
  export interface Host {
    /** A file of the image, as it is stored; `fresh`: not from any cache. */
    fetch(path: string, fresh: boolean, progress: (loaded: number) => void): Promise<Uint8Array>;
    /** A file that was kept. */
    kept(path: string): Promise<Uint8Array | undefined>;
    /** Keeps a file, if there is room. */
    keep(path: string, bytes: Uint8Array): void;
    /** Forgets what was kept, except for these. */
    forget(except: string[]): void;
    /** What gzip packed, in a buffer of its own. */
    unpack(bytes: Uint8Array): Promise<Uint8Array>;
    /** SHA-256. */
    hash(bytes: Uint8Array): Promise<Uint8Array>;
    /** A file of the guest's disk, made where it is not there. */
    open(name: string): Promise<DiskFile>;
    /** Loads v86. */
    prepare(): Promise<unknown>;
    /** v86 with a machine that does not run yet. */
    emulate(options: EmulatedOptions): Promise<Emulated>;
    /** A port to a page in which CheerpX can run: see `static/src/vm/cheerpx.ts`. */
    cheerpx(): Promise<MessagePort>;
    /** An isolate for a function of this name, with so many MiB; `heard` is called with what it says. */
    isolate(name: string, memory: number, heard: (message: import('../functions/messages.ts').FromIsolate) => void): Promise<IsolateSeat>;
    /** The script that makes an isolate of a thread of the guest's Node. */
    runtime(): Promise<string>;
  }

  /** An isolate. What it says comes to the function that it was asked for with. */
  export interface IsolateSeat {
    post(message: import('../functions/messages.ts').ToIsolate): void;
    end(): void;
  }

  /** A file that nobody else has open, as `FileSystemSyncAccessHandle` is one. */
  export interface DiskFile {
    getSize(): number;
    read(into: Uint8Array, options: { at: number }): number;
    write(bytes: Uint8Array, options: { at: number }): number;
    truncate(length: number): void;
    flush(): void;
    close(): void;
  }

  /** One of the guest's disks. */
  export interface Drive {
    readonly bytes: number;
    read(at: number, length: number, done: (bytes: Uint8Array) => void): void;
    write(at: number, bytes: Uint8Array, done: () => void): void;
    flush(done: () => void): void;
  }

  /** Hears what a guest does. */
  export interface Guest {
    frame(bytes: Uint8Array): void;
    console(byte: number): void;
    halted(): void;
  }

  export interface EmulatedOptions {
    /** MiB. */
    memory: number;
    mtu: number;
    commandLine: string;
    bios?: Uint8Array;
    vgaBios?: Uint8Array;
    kernel?: Uint8Array;
    /** What was saved of a machine like this one. */
    state?: ArrayBuffer;
    system: Drive;
    data: Drive;
    guest: Guest;
  }

  export interface Emulated {
    /** The hardware address of its network card. */
    readonly mac?: Uint8Array;
    run(): void;
    stop(): Promise<void>;
    /** A frame arrives at its network card. */
    receive(frame: Uint8Array): void;
    save(): Promise<ArrayBuffer>;
    destroy(): Promise<void>;
  }

  export interface VmOptions {
    build: string;
    /** The Web Lock that this worker holds while it lives; empty: none. */
    life: string;
    /** Nobody is at the other end of the line to the router: whoever can hands over a port by `serve`. */
    wake(): void;
    /** Nobody is at the other end of the line to the database: whoever can hands over a port by `database`. */
    wantDatabase(): void;
  }

  /** One project's machine, its apps, and the ways in and out. Nothing is loaded before it is needed. */
  export interface Vm {
    /** Takes a port of the router's. */
    serve(port: MessagePort): void;
    /** Takes a port of the database's. */
    database(port: MessagePort): void;
    /** Switches the machine off, with everything on its disk, and says goodbye to both. */
    close(): Promise<void>;
    free(): void;
  }

  /** A machine by itself. */
  export interface Bare {
    /** The layers of the snapshot that it began from, if it did. */
    boot(memory: number, layers: string[], snapshot: boolean): Promise<string[] | undefined>;
    sendFrame(frame: Uint8Array): void;
    pause(): void;
    resume(): void;
    stop(): Promise<void>;
    save(): Promise<Uint8Array>;
    free(): void;
  }

  export interface Glue {
    initSync(options: { module: WebAssembly.Module }): unknown;
    Vm: new (host: Host, options: VmOptions) => Vm;
    Bare: {
      new (host: Host, engine: string, heard: (word: string, value: unknown) => void): Bare;
      /** Boots a machine, attaches layers, and gives its state. */
      snapshot(host: Host, memory: number, layers: string[], heard: (line: string) => void): Promise<Uint8Array>;
    };
  }

  /** What the instance asks of the JavaScript around it. */
  export interface Supervisor {
    queueMicrotask(task: () => void): void;
    /** A callback of the instance's, watched. */
    guard<Parameters extends unknown[]>(callback: (...parameters: Parameters) => void): (...parameters: Parameters) => void;
  }

  export function instantiate(supervisor: Supervisor): Glue;
}
