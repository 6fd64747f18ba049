// CheerpX, as the machine in WASM drives it by messages on a port: loads the vendor's package, makes devices of the image's
// layers, and is the guest's network, in the shape of the Direct Sockets API (https://wicg.github.io/direct-sockets/).
//
// It runs where there is a `document`, which CheerpX touches: in a hidden page of this origin, or in a test.

/** What of the package is used. */
export interface CheerpX {
  Linux: { create(options: { mounts: object[]; networkInterface: Network }): Promise<Linux> };
  HttpBytesDevice: { create(url: string): Promise<object> };
  IDBDevice: { create(name: string): Promise<object> };
  OverlayDevice: { create(below: object, above: object): Promise<object> };
}

interface Linux {
  run(file: string, parameters: string[], options: { env: string[]; cwd: string; uid: number; gid: number }): Promise<{ status: number }>;
  setCustomConsole(write: (bytes: Uint8Array, terminal: number) => void, columns: number, rows: number): unknown;
  delete(): void;
}

/** Makes the machine; the first message. */
interface Create {
  kind: 'create';
  /** Milliseconds that CheerpX may take: a mount that it cannot do makes it wait for ever. */
  deadline: number;
  /** Names the disk that is written to. */
  disk: string;
  /** File systems; the first is the root. */
  layers: { name: string; contents: Blob }[];
  /** The guest's first program. */
  command: string[];
}

export type ToCheerpX =
  | Create
  | { kind: 'call'; stream: number; port: number }
  | { kind: 'accept' | 'refuse' | 'finish' | 'reset'; stream: number }
  | { kind: 'send'; stream: number; bytes: Uint8Array }
  | { kind: 'credit'; stream: number; count: number }
  | { kind: 'stop' };

export type FromCheerpX =
  | { kind: 'created' }
  /** `loaded` is whether the package was. */
  | { kind: 'failed'; loaded: boolean; text: string }
  | { kind: 'console'; bytes: Uint8Array }
  | { kind: 'ended'; status: number }
  | { kind: 'listening' | 'silent'; port: number }
  | { kind: 'called'; stream: number; host: string; port: number }
  | { kind: 'sent'; stream: number; bytes: Uint8Array }
  | { kind: 'taken'; stream: number; count: number }
  | { kind: 'finished' | 'reset'; stream: number };

type Tell = (message: FromCheerpX) => void;

/** The guest's network; it has no `netmapUpdateCb`, by which CheerpX knows that it is not its own. */
export interface Network {
  up(): Promise<void>;
  delete(): void;
  TCPSocket(host: string, port: number): object;
  TCPServerSocket(address: string, options: { localPort: number }): object;
  UDPSocket(options: { localPort?: number }): object;
}

/** Serves one machine on `port`, until it is told to stop. */
export function serveCheerpX(port: MessagePort, load: () => Promise<CheerpX>): void {
  const tell: Tell = (message) => port.postMessage(message);
  const sockets = new Sockets(tell);
  let machine: Promise<Linux> | undefined;
  port.onmessage = ({ data }: MessageEvent<ToCheerpX>) => {
    switch (data.kind) {
      case 'create':
        machine = create(data, load, sockets, tell);
        machine.catch(() => undefined);
        break;
      case 'stop':
        machine?.then((linux) => linux.delete()).catch(() => undefined);
        port.close();
        break;
      default:
        sockets.handle(data);
    }
  };
}

async function create({ deadline, disk, layers, command }: Create, load: () => Promise<CheerpX>, sockets: Sockets, tell: Tell): Promise<Linux> {
  let loaded = false;
  try {
    const engine = await within(deadline, load(), 'Its package did not load');
    loaded = true;
    const linux = await within(deadline, mount(engine, disk, layers, sockets), 'It did not make a machine');
    linux.setCustomConsole((bytes) => tell({ kind: 'console', bytes: bytes.slice() }), 80, 24);
    tell({ kind: 'created' });
    const [program = '/sbin/init'] = command;
    linux.run(program, command, { env: ['HOME=/root', 'PATH=/usr/sbin:/usr/bin:/sbin:/bin', 'LANG=C.UTF-8'], cwd: '/', uid: 0, gid: 0 }).then(
      ({ status }) => tell({ kind: 'ended', status }),
      (error: unknown) => tell({ kind: 'failed', loaded, text: text(error) }),
    );
    return linux;
  } catch (error) {
    tell({ kind: 'failed', loaded, text: text(error) });
    throw error;
  }
}

async function mount(engine: CheerpX, disk: string, layers: Create['layers'], networkInterface: Sockets): Promise<Linux> {
  const devices = await Promise.all(layers.map(({ contents }) => engine.HttpBytesDevice.create(URL.createObjectURL(contents))));
  const [base, ...runtimes] = devices;
  if (!base) throw new Error('there is no file system to begin with');
  const root = await engine.OverlayDevice.create(base, await engine.IDBDevice.create(disk));
  const mounts = [
    { type: 'ext2', path: '/', dev: root },
    // The root has a folder for each: a mount point's parent must be there.
    ...runtimes.map((dev, at) => ({ type: 'ext2', path: `/layers/${layers[at + 1]!.name}`, dev })),
    { type: 'devs', path: '/dev' },
    { type: 'devpts', path: '/dev/pts' },
    { type: 'proc', path: '/proc' },
    { type: 'sys', path: '/sys' },
  ];
  return engine.Linux.create({ mounts, networkInterface });
}

async function within<Value>(milliseconds: number, promise: Promise<Value>, what: string): Promise<Value> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} within ${milliseconds / 1000} s.`)), milliseconds);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

const text = (error: unknown) => (error instanceof Error ? error.message : String(error));
const address = '10.0.2.15';
const gateway = '10.0.2.2';
/** The first of the ports that calls come from. */
const ephemeral = 49_152;

/** One stream of bytes, as a guest sees it: `readable` and `writable` of an opened `TCPSocket`. */
class Connection {
  readonly closed: Promise<void>;
  readonly readable: ReadableStream<Uint8Array>;
  readonly writable: WritableStream<Uint8Array>;
  readonly #stream: number;
  readonly #tell: Tell;
  readonly #gone: (stream: number) => void;
  #resolve!: () => void;
  #reject!: (error: unknown) => void;
  /** What has come and was not read. */
  readonly #come: Uint8Array[] = [];
  /** Nothing more comes; nothing more is sent. */
  #ended = false;
  #finished = false;
  #credit = 0;
  #error: Error | undefined;
  /** Whoever waits for something of these. */
  #waiting: (() => void)[] = [];

  constructor(stream: number, tell: Tell, gone: (stream: number) => void) {
    this.#stream = stream;
    this.#tell = tell;
    this.#gone = gone;
    this.closed = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.closed.catch(() => undefined);
    this.readable = new ReadableStream({ pull: (controller) => this.#pull(controller), cancel: () => this.reset() }, { highWaterMark: 0 });
    this.writable = new WritableStream({ write: (chunk) => this.#write(chunk), close: () => this.#finish(), abort: () => this.reset() });
  }

  handle(message: Exclude<ToCheerpX, { kind: 'create' | 'stop' | 'call' | 'accept' | 'refuse' }>): void {
    switch (message.kind) {
      case 'send':
        this.#come.push(message.bytes);
        break;
      case 'credit':
        this.#credit += message.count;
        break;
      case 'finish':
        this.#ended = true;
        this.#over();
        break;
      case 'reset':
        this.#fail(new Error('The connection was reset.'));
        break;
    }
    this.#wake();
  }

  /** The guest breaks it off. */
  reset(): void {
    if (this.#error || (this.#ended && this.#finished)) return;
    this.#tell({ kind: 'reset', stream: this.#stream });
    this.#fail(new Error('The connection was closed.'));
    this.#wake();
  }

  async #pull(controller: ReadableStreamDefaultController<Uint8Array>): Promise<void> {
    await this.#until(() => this.#come.length > 0 || this.#ended);
    const bytes = this.#come.shift();
    if (bytes) {
      this.#tell({ kind: 'taken', stream: this.#stream, count: bytes.length });
      controller.enqueue(bytes);
    } else {
      controller.close();
    }
  }

  async #write(chunk: Uint8Array | ArrayBuffer): Promise<void> {
    let rest = chunk instanceof Uint8Array ? chunk : new Uint8Array(chunk);
    while (rest.length > 0) {
      await this.#until(() => this.#credit > 0);
      const bytes = rest.slice(0, this.#credit);
      this.#credit -= bytes.length;
      rest = rest.subarray(bytes.length);
      this.#tell({ kind: 'sent', stream: this.#stream, bytes });
    }
  }

  #finish(): void {
    this.#finished = true;
    this.#tell({ kind: 'finished', stream: this.#stream });
    this.#over();
  }

  #over(): void {
    if (!this.#ended || !this.#finished) return;
    this.#resolve();
    this.#gone(this.#stream);
  }

  #fail(error: Error): void {
    this.#error ??= error;
    this.#reject(error);
    this.#gone(this.#stream);
  }

  async #until(ready: () => boolean): Promise<void> {
    for (;;) {
      if (this.#error) throw this.#error;
      if (ready()) return;
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }
}

/** The guest's network. */
class Sockets implements Network {
  readonly #tell: Tell;
  readonly #connections = new Map<number, Connection>();
  /** The guest's calls that nobody has answered. */
  readonly #calls = new Map<number, { accept(): void; refuse(): void }>();
  /** Ports that the guest listens on. */
  readonly #listeners = new Map<number, (socket: object) => void>();
  readonly TCPSocket: Network['TCPSocket'];
  readonly TCPServerSocket: Network['TCPServerSocket'];
  readonly UDPSocket: Network['UDPSocket'];
  /** Odd, as the machine wants the guest's to be. */
  #stream = 1;

  constructor(tell: Tell) {
    this.#tell = tell;
    const sockets = this;
    // Functions that are called with `new` or without it give what they return.
    this.TCPSocket = function (host, port) { return sockets.#call(host, port); };
    this.TCPServerSocket = function (_address, { localPort }) { return sockets.#listen(localPort); };
    this.UDPSocket = function ({ localPort = ephemeral } = {}) { return nowhere(localPort); };
  }

  async up(): Promise<void> {}

  delete(): void {
    for (const connection of [...this.#connections.values()]) connection.reset();
  }

  handle(message: Exclude<ToCheerpX, { kind: 'create' | 'stop' }>): void {
    switch (message.kind) {
      case 'call': {
        const listener = this.#listeners.get(message.port);
        if (!listener) return this.#tell({ kind: 'reset', stream: message.stream });
        const connection = this.#connect(message.stream);
        listener(socket(connection, Promise.resolve({ remoteAddress: gateway, remotePort: ephemeral, localAddress: address, localPort: message.port })));
        break;
      }
      case 'accept':
        this.#calls.get(message.stream)?.accept();
        this.#calls.delete(message.stream);
        break;
      case 'refuse':
        this.#calls.get(message.stream)?.refuse();
        this.#calls.delete(message.stream);
        break;
      default:
        this.#connections.get(message.stream)?.handle(message);
    }
  }

  #connect(stream: number): Connection {
    const connection = new Connection(stream, this.#tell, (gone) => this.#connections.delete(gone));
    this.#connections.set(stream, connection);
    return connection;
  }

  #call(host: string, port: number): object {
    const stream = this.#stream;
    this.#stream += 2;
    const connection = this.#connect(stream);
    const opened = new Promise<object>((resolve, reject) => {
      this.#calls.set(stream, {
        accept: () => resolve({ remoteAddress: host, remotePort: port, localAddress: address, localPort: ephemeral }),
        refuse: () => {
          this.#connections.delete(stream);
          reject(new DOMException(`Nobody answers at ${host}:${port}.`, 'NetworkError'));
        },
      });
    });
    this.#tell({ kind: 'called', stream, host, port });
    return socket(connection, opened);
  }

  #listen(port: number): object {
    if (this.#listeners.has(port)) {
      const taken = Promise.reject(new DOMException(`Port ${port} is taken.`, 'InvalidStateError'));
      taken.catch(() => undefined);
      return { opened: taken, closed: taken, close: async () => undefined };
    }
    let over!: () => void;
    const closed = new Promise<void>((resolve) => (over = resolve));
    const close = async () => {
      if (!this.#listeners.delete(port)) return;
      this.#tell({ kind: 'silent', port });
      over();
    };
    const readable = new ReadableStream<object>({ start: (controller) => { this.#listeners.set(port, (accepted) => controller.enqueue(accepted)); }, cancel: close });
    this.#tell({ kind: 'listening', port });
    return { opened: Promise.resolve({ readable, localAddress: '0.0.0.0', localPort: port }), closed, close };
  }
}

/** A `TCPSocket`. */
function socket(connection: Connection, ends: Promise<object>): object {
  const { readable, writable, closed } = connection;
  const opened = ends.then((known) => ({ readable, writable, ...known }));
  opened.catch(() => undefined);
  return { opened, closed, close: async () => connection.reset() };
}

/** A `UDPSocket` whose datagrams are lost: nobody here answers any. */
function nowhere(localPort: number): object {
  let over!: () => void;
  const closed = new Promise<void>((resolve) => (over = resolve));
  const opened = Promise.resolve({ readable: new ReadableStream(), writable: new WritableStream(), localAddress: address, localPort });
  return { opened, closed, close: async () => over() };
}
