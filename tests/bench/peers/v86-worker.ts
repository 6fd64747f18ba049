// v86 by itself: the same kernel, disk and programs, reached through v86's own network adapter from the worker that it
// runs in. It takes its turns as ours does, so that the adapters are what differs. The guest has no agent: this worker
// types into its console.
import { V86 } from './libv86.mjs';

/** How the guest is started, and what of it is served. */
interface Boot {
  /** The folder of the image's manifest. */
  image: string;
  /** v86's own WebAssembly. */
  wasm: string;
  /** MiB. */
  memory: number;
  /** A Node program that listens on `$PORT`. */
  program: string;
  /** Bytes of the file that nginx serves as `/large`; it serves `/small` too. */
  large: number;
}

interface Manifest {
  chunk: number;
  kernel: { path: string; command_line: string };
  bios: { path: string };
  vga_bios: { path: string };
  system: { bytes: number; chunks: (string | null)[] };
  layers: { name: string; device: string }[];
}

/** What v86 has and does not declare. */
interface Connection {
  on(event: 'connect' | 'data' | 'shutdown' | 'close', heard: (bytes: Uint8Array) => void): void;
  write(bytes: Uint8Array): void;
  close(): void;
}

const ports = { nginx: 8000, node: 3000 };
const encode = (text: string) => new TextEncoder().encode(text);

let emulator: V86 & {
  network_adapter: { connect(port: number): Connection };
  v86: { yield(time: number, tick: number): void; yield_callback(tick: number): void };
};
let console_ = '';
let heard = () => {};

const fetched = async (url: string) => {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url}: ${response.status}`);
  return response;
};

/** A disk as v86 takes one, made of the image's chunks. What is written to it is dropped. */
function disk(image: string, { chunk, system }: Manifest) {
  const chunks = new Map<number, Promise<Uint8Array>>();
  const load = async (number: number) => {
    const hash = system.chunks[number];
    if (!hash) return new Uint8Array(chunk);
    const { body } = await fetched(`${image}chunks/${hash.slice(0, 2)}/${hash}.gz`);
    return new Uint8Array(await new Response(body!.pipeThrough(new DecompressionStream('gzip'))).arrayBuffer());
  };
  const read = async (at: number, length: number) => {
    const bytes = new Uint8Array(length);
    for (let done = 0; done < length;) {
      const number = Math.floor((at + done) / chunk);
      if (!chunks.has(number)) chunks.set(number, load(number));
      const part = (await chunks.get(number)!).subarray((at + done) % chunk).subarray(0, length - done);
      bytes.set(part, done);
      done += part.length;
    }
    return bytes;
  };
  return {
    byteLength: system.bytes,
    onload: undefined as ((event: object) => void) | undefined,
    load() { this.onload?.({}); },
    get: (at: number, length: number, done: (bytes: Uint8Array) => void) => void read(at, length).then(done),
    get_and_cache: (at: number, length: number, done: (bytes: Uint8Array) => void) => void read(at, length).then(done),
    get_from_cache: () => undefined,
    set: (_at: number, _bytes: Uint8Array, done: () => void) => done(),
    get_buffer: (done: () => void) => done(),
    get_state: () => [],
    set_state: () => {},
  };
}

/** Waits until the guest's console has shown this. */
async function shown(text: string, seconds = 240): Promise<void> {
  const deadline = performance.now() + seconds * 1000;
  while (!console_.includes(text)) {
    if (performance.now() > deadline) throw new Error(`the guest does not say ${text}: ${console_.slice(-2000)}`);
    await new Promise<void>((resolve) => { heard = resolve; setTimeout(resolve, 1000); });
  }
}

let commands = 0;
/** Runs lines in the guest's shell, and waits until they have ended. */
async function shell(lines: string): Promise<void> {
  const number = ++commands;
  for (const line of [...lines.trim().split('\n'), `echo "end"-${number}`]) {
    emulator.serial0_send(`${line}\n`);
    // A terminal loses what is typed ahead of it too far.
    await shown(line.slice(-20).trim());
  }
  await shown(`end-${number}`);
}

/** v86 asks another worker for each of its turns; that costs the peer more than everything that is measured here. */
function takeTurns(): void {
  const { v86 } = emulator;
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = ({ data }) => v86.yield_callback(data);
  v86.yield = (time, tick) => {
    if (time < 1) port2.postMessage(tick);
    else setTimeout(() => v86.yield_callback(tick), time);
  };
}

/** Boots, and starts nginx and Node. */
async function boot({ image, wasm, memory, program, large }: Boot): Promise<{ boot: number; ready: number }> {
  const start = performance.now();
  const manifest = await (await fetched(`${image}manifest.json`)).json() as Manifest;
  const bytes = async ({ path }: { path: string }) => ({ buffer: await (await fetched(image + path)).arrayBuffer() });
  const [kernel, bios, vga] = await Promise.all([manifest.kernel, manifest.bios, manifest.vga_bios].map(bytes));
  emulator = new V86({
    wasm_path: wasm,
    memory_size: memory << 20,
    vga_memory_size: 1 << 20,
    bios,
    vga_bios: vga,
    bzimage: kernel,
    cmdline: manifest.kernel.command_line.replace(/init=\S+/, 'init=/bin/sh'),
    hda: disk(image, manifest) as never,
    net_device: { type: 'virtio', relay_url: 'fetch', router_ip: '10.0.2.2', vm_ip: '10.0.2.15' },
    autostart: false,
    disable_keyboard: true,
    disable_mouse: true,
    disable_speaker: true,
  } as ConstructorParameters<typeof V86>[0]) as typeof emulator;
  emulator.add_listener('serial0-output-byte', (byte: number) => {
    console_ += String.fromCharCode(byte);
    if (byte === 10 || byte === 35) heard();
  });
  await new Promise<void>((resolve) => emulator.add_listener('emulator-loaded', () => resolve()));
  takeTurns();
  emulator.run();
  await shown('# ');
  const booted = performance.now() - start;
  const device = (name: string) => manifest.layers.find((layer) => layer.name === name)!.device;
  await shell(`
stty -echo 2> /dev/null; stty echo
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t tmpfs tmp /tmp; mount -t tmpfs run /run
ip link set lo up; ip addr add 10.0.2.15/24 dev eth0; ip link set eth0 up; ip route add default via 10.0.2.2
mount -t ext4 -o ro ${device('nginx')} /layers/nginx; mount -t ext4 -o ro ${device('node')} /layers/node
mkdir /tmp/upper /tmp/work /tmp/room
mount -t overlay o -o lowerdir=/layers/node:/layers/nginx:/,upperdir=/tmp/upper,workdir=/tmp/work /tmp/room
mount -t proc proc /tmp/room/proc; mount -t devtmpfs dev /tmp/room/dev; mount -t tmpfs tmp /tmp/room/tmp
echo small > /tmp/room/tmp/small; head -c ${large} /dev/zero > /tmp/room/tmp/large
`);
  const { origin, port } = new URL(image);
  await shell(`curl -sS -o /tmp/room/tmp/server.cjs --resolve ${port}.external:80:10.0.2.2 http://${port}.external${program.slice(origin.length)}`);
  const settings = `daemon off; master_process off; pid /tmp/nginx.pid; error_log stderr warn; events {} http { access_log /tmp/access combined buffer=4k flush=1s; client_body_temp_path /tmp/b; proxy_temp_path /tmp/p; fastcgi_temp_path /tmp/f; uwsgi_temp_path /tmp/u; scgi_temp_path /tmp/s; sendfile on; tcp_nodelay on; keepalive_requests 100000; server { listen ${ports.nginx}; root /tmp; } }`;
  const lines = settings.match(/.{1,60}/g)!.map((part) => `printf %s '${part}' >> /tmp/room/tmp/nginx.conf`);
  await shell(`
${lines.join('\n')}
chroot /tmp/room /usr/sbin/nginx -e stderr -c /tmp/nginx.conf > /tmp/nginx.log 2>&1 &
PORT=${ports.node} chroot /tmp/room /usr/bin/node /tmp/server.cjs > /tmp/node.log 2>&1 &
while ! grep -q listening /tmp/node.log; do sleep 1; done
cat /tmp/nginx.log /tmp/node.log
`);
  return { boot: booted, ready: performance.now() - start };
}

/** One connection, kept, with one request at a time on it. */
class Client {
  readonly #connection: Connection;
  #head = '';
  #left = -1;
  #answered = (_milliseconds: number) => {};
  #failed = (_error: Error) => {};
  readonly connected: Promise<void>;

  constructor(port: number) {
    this.#connection = emulator.network_adapter.connect(port);
    this.connected = new Promise((resolve, reject) => { this.#connection.on('connect', () => resolve()); this.#failed = reject; });
    this.#connection.on('data', (bytes) => this.#take(bytes));
    for (const event of ['shutdown', 'close'] as const) this.#connection.on(event, () => this.#failed(new Error(`the guest closed the connection: ${this.#head}`)));
  }

  #take(bytes: Uint8Array): void {
    let body = bytes.length;
    if (this.#left < 0) {
      this.#head += Array.from(bytes, (byte) => String.fromCharCode(byte)).join('');
      const end = this.#head.indexOf('\r\n\r\n');
      if (end < 0) return;
      const length = /content-length: (\d+)/i.exec(this.#head);
      if (!/^HTTP\/1\.1 200 /.test(this.#head) || !length) return this.#failed(new Error(this.#head.slice(0, end)));
      this.#left = Number(length[1]);
      body = this.#head.length - end - 4;
    }
    this.#left -= body;
    if (this.#left === 0) this.#answered(performance.now());
  }

  /** Milliseconds until the whole answer is here. */
  async request(head: string, body?: Uint8Array): Promise<number> {
    this.#head = '';
    this.#left = -1;
    const start = performance.now();
    const answered = new Promise<number>((resolve, reject) => { this.#answered = resolve; this.#failed = reject; });
    this.#connection.write(encode(`${head} HTTP/1.1\r\nhost: localhost\r\n${body ? `content-length: ${body.length}\r\n` : ''}\r\n`));
    if (body) this.#connection.write(body);
    return (await answered) - start;
  }

  close(): void {
    this.#failed = () => {};
    this.#connection.close();
  }
}

const actions = {
  boot,
  /** The guest goes on, or stands still. */
  run: () => emulator.run(),
  stop: () => emulator.stop(),
  /** Milliseconds of each of some small GETs, one after the other on one connection. */
  async get({ port, path, count }: { port: keyof typeof ports; path: string; count: number }): Promise<number[]> {
    const client = new Client(ports[port]);
    await client.connected;
    const times = [];
    for (let i = 0; i <= count; i++) times.push(await client.request(`GET ${path}`));
    client.close();
    return times.slice(1);
  },
  /** Milliseconds that so many bytes take, out of the guest or into it. */
  async out({ port, path }: { port: keyof typeof ports; path: string }): Promise<number> {
    const client = new Client(ports[port]);
    await client.connected;
    const milliseconds = await client.request(`GET ${path}`);
    client.close();
    return milliseconds;
  },
  async into({ port, path, bytes }: { port: keyof typeof ports; path: string; bytes: number }): Promise<number> {
    const client = new Client(ports[port]);
    await client.connected;
    const milliseconds = await client.request(`POST ${path}`, new Uint8Array(bytes));
    client.close();
    return milliseconds;
  },
};

onmessage = async ({ data: { id, action, parameters } }: MessageEvent<{ id: number; action: keyof typeof actions; parameters: never }>) => {
  try {
    postMessage({ id, result: await actions[action](parameters) });
  } catch (error) {
    postMessage({ id, error: String(error) });
  }
};
