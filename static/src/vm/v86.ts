// v86, as the machine in WASM drives it: disks that are read and written from outside, a clock that stands still while
// the machine does, frames, a console. v86's own names are its.
import { V86 } from 'v86';
import type { Drive, Emulated, EmulatedOptions } from 'glue:machine';

/** What v86 has and does not declare. */
interface Inside {
  cpu: {
    devices: {
      ide: { primary: { slave: IdeInterface } };
      virtio_net: { mac: Uint8Array; virtio: { queues: { enabled: boolean; has_request(): boolean }[] } };
    };
    reboot_internal(): void;
    zero_memory(at: number, length: number): void;
  };
  yield(time: number, tick: number): void;
  yield_callback(tick: number): void;
  constructor: { microtick(): number };
}

interface IdeInterface {
  buffer?: Disk;
  data: Uint8Array;
  status_reg: number;
  ata_command(command: number): void;
  create_identify_packet(): void;
  device_reset(): void;
}

type Loaded = V86 & { v86: Inside; bus: { send(name: string, value?: unknown): void } };
type Read = (bytes: Uint8Array) => void;

const flushes = new Set([0xe7, 0xea]);
/** BSY and DRDY of ATA's status register. */
const busy = 0xc0;

/** A disk as v86 takes one. Its contents are not the machine's state, so no saved state has them. */
class Disk {
  readonly byteLength: number;
  onload?: (event: object) => void;
  readonly #drive: Drive;
  readonly #restored: boolean;
  #sector?: Uint8Array;

  constructor(drive: Drive, restored: boolean) {
    this.byteLength = drive.bytes;
    this.#drive = drive;
    this.#restored = restored;
  }

  load(): void {
    this.onload?.({});
  }

  get(at: number, length: number, done: Read): void {
    this.#drive.read(at, length, done);
  }

  /** The first sector, of which v86 makes the disk's geometry; a machine that is restored has one. */
  get_and_cache(at: number, length: number, done: Read): void {
    if (this.#restored) return done(new Uint8Array(length));
    this.get(at, length, (bytes) => {
      this.#sector = bytes;
      done(bytes);
    });
  }

  get_from_cache(): Uint8Array | undefined {
    return this.#sector;
  }

  set(at: number, bytes: Uint8Array, done: () => void): void {
    this.#drive.write(at, bytes, done);
  }

  flush(done: () => void): void {
    this.#drive.flush(done);
  }

  get_buffer(done: () => void): void {
    done();
  }

  get_state(): unknown[] {
    return [];
  }

  set_state(): void {}
}

const patched = new WeakSet<object>();

/** Lets disks say that they keep what is written to them until they are told to flush it, and flush it then. */
function patchDisks(ide: IdeInterface): void {
  const prototype = Object.getPrototypeOf(ide) as IdeInterface;
  if (patched.has(prototype)) return;
  patched.add(prototype);
  const { ata_command: command, create_identify_packet: identify } = prototype;
  prototype.ata_command = function (code) {
    if (!flushes.has(code) || !this.buffer?.flush) return command.call(this, code);
    this.status_reg = busy;
    this.buffer.flush(() => command.call(this, code));
  };
  prototype.create_identify_packet = function () {
    identify.call(this);
    // Words 82 and 85, bit 5: there is a write cache, and it is on.
    if (this.buffer?.flush) for (const word of [82, 85]) this.data[2 * word]! |= 0x20;
  };
}

/** A clock that stands still from time to time. */
function stopwatch(): { now(): number; hold(): void; go(): void } {
  let lost = 0;
  let held: number | undefined;
  return {
    now: () => (held ?? performance.now()) - lost,
    hold: () => (held ??= performance.now()),
    go: () => {
      if (held !== undefined) lost += performance.now() - held;
      held = undefined;
    },
  };
}

/** v86 asks another worker for each of its turns where there are workers; a channel is nearer. */
function takeTurns(inside: Inside): () => void {
  if ('process' in globalThis) return () => undefined;
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = ({ data }) => inside.yield_callback(data);
  inside.yield = (time, tick) => {
    if (time < 1) port2.postMessage(tick);
    else setTimeout(() => inside.yield_callback(tick), time);
  };
  return () => port1.close();
}

const buffer = (bytes: Uint8Array | undefined) => bytes && { buffer: bytes.slice().buffer };

/** A machine that does not run yet. */
export async function emulate(module: WebAssembly.Module, options: EmulatedOptions): Promise<Emulated> {
  const { guest, memory, state } = options;
  const clock = stopwatch();
  const emulator = new V86({
    wasm_fn: async (imports) => {
      imports.env!.microtick = clock.now;
      return (await WebAssembly.instantiate(module, imports)).exports;
    },
    memory_size: memory * 1024 * 1024,
    vga_memory_size: 1024 * 1024,
    bios: buffer(options.bios),
    vga_bios: buffer(options.vgaBios),
    bzimage: buffer(options.kernel),
    cmdline: options.commandLine,
    // As long as there is a `get`, a `set` and a `load`, v86 takes anything for a disk.
    hda: new Disk(options.system, state !== undefined) as never,
    hdb: new Disk(options.data, state !== undefined) as never,
    net_device: { type: 'virtio', mtu: options.mtu },
    preserve_mac_from_state_image: true,
    autostart: false,
    disable_keyboard: true,
    disable_mouse: true,
    disable_speaker: true,
  } as ConstructorParameters<typeof V86>[0]) as Loaded;
  await new Promise<void>((resolve) => emulator.add_listener('emulator-loaded', () => resolve()));
  const inside = emulator.v86;
  inside.constructor.microtick = clock.now;
  const endTurns = takeTurns(inside);
  const { virtio_net: network } = inside.cpu.devices;
  patchDisks(inside.cpu.devices.ide.primary.slave);
  emulator.add_listener('net0-send', (frame) => guest.frame(frame));
  emulator.add_listener('serial0-output-byte', (byte) => guest.console(byte));
  emulator.add_listener('emulator-stopped', () => clock.hold());
  emulator.add_listener('cpu-event-halt' as never, () => guest.halted());
  inside.cpu.reboot_internal = () => guest.halted();
  if (state) {
    // Memory that nobody used is zeros, and is nobody's until it is written to: only what v86 itself may have used is
    // to be cleared before.
    const { zero_memory: clear } = inside.cpu;
    inside.cpu.zero_memory = (at, length) => clear(at, Math.min(length, 1024 * 1024));
    await emulator.restore_state(state);
    inside.cpu.zero_memory = clear;
  }
  clock.hold();
  return {
    mac: network.mac,
    run() {
      clock.go();
      void emulator.run();
    },
    stop: () => emulator.stop(),
    receive(frame) {
      // A card without a buffer for it drops a frame: v86 would log that as well. It would take one for a card whose
      // driver has not begun, too, out of whatever is at the start of the memory, and the driver would find its queue
      // broken.
      const [queue] = network.virtio.queues;
      if (queue?.enabled && queue.has_request()) emulator.bus.send('net0-receive', frame);
    },
    save: () => emulator.save_state(),
    async destroy() {
      endTurns();
      await emulator.destroy();
    },
  };
}
