//! What the JavaScript around this instance does for it.

use js_sys::{ArrayBuffer, Function, Promise, Uint8Array};
use wasm_bindgen::{JsCast as _, JsValue, prelude::wasm_bindgen};

use disk::Trouble;

use super::drive::Drive;

#[wasm_bindgen(typescript_custom_section)]
const TYPES: &str = r#"
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
    /** What gzip packed. */
    unpack(bytes: Uint8Array): Promise<Uint8Array>;
    /** SHA-256. */
    hash(bytes: Uint8Array): Promise<Uint8Array>;
    /** A file of the guest's disk, made where it is not there. */
    open(name: string): Promise<DiskFile>;
    /** Loads v86. */
    prepare(): Promise<unknown>;
    /** v86 with a machine that does not run yet. */
    emulate(options: EmulatedOptions): Promise<Emulated>;
    /** A port to a page in which CheerpX can run. */
    cheerpx(): Promise<MessagePort>;
    /** An isolate for a function of this name, with so many MiB; `heard` is called with what it says. */
    isolate(name: string, memory: number, heard: (message: object) => void): Promise<IsolateSeat>;
    /** The script that makes an isolate of a thread of the guest's Node. */
    runtime(): Promise<string>;
}

/** A file that nobody else has open. */
export interface DiskFile {
    getSize(): number;
    read(into: Uint8Array, options: { at: number }): number;
    write(bytes: Uint8Array, options: { at: number }): number;
    truncate(length: number): void;
    flush(): void;
    close(): void;
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
"#;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(typescript_type = "Host")]
    pub type Host;
    #[wasm_bindgen(method, catch)]
    pub(super) fn fetch(
        this: &Host,
        path: &str,
        fresh: bool,
        progress: &Function,
    ) -> Result<Promise, JsValue>;
    #[wasm_bindgen(method, catch)]
    pub(super) fn kept(this: &Host, path: &str) -> Result<Promise, JsValue>;
    #[wasm_bindgen(method)]
    pub(super) fn keep(this: &Host, path: &str, bytes: &Uint8Array);
    #[wasm_bindgen(method)]
    pub(super) fn forget(this: &Host, except: Vec<String>);
    #[wasm_bindgen(method, catch)]
    pub(super) fn unpack(this: &Host, bytes: &Uint8Array) -> Result<Promise, JsValue>;
    #[wasm_bindgen(method, catch)]
    pub(super) fn hash(this: &Host, bytes: &Uint8Array) -> Result<Promise, JsValue>;
    #[wasm_bindgen(method, catch)]
    pub(super) fn open(this: &Host, name: &str) -> Result<Promise, JsValue>;
    #[wasm_bindgen(method, catch)]
    pub(super) fn prepare(this: &Host) -> Result<Promise, JsValue>;
    #[wasm_bindgen(method, catch)]
    pub(super) fn emulate(this: &Host, options: &Options) -> Result<Promise, JsValue>;

    #[wasm_bindgen(method, catch)]
    pub(super) fn cheerpx(this: &Host) -> Result<Promise, JsValue>;
    #[wasm_bindgen(method, catch)]
    pub(super) fn isolate(
        this: &Host,
        name: &str,
        memory: u32,
        heard: &Function,
    ) -> Result<Promise, JsValue>;
    #[wasm_bindgen(method, catch)]
    pub(super) fn runtime(this: &Host) -> Result<Promise, JsValue>;

    #[wasm_bindgen(js_name = Object)]
    pub(super) type Options;
    #[wasm_bindgen(constructor, js_class = "Object")]
    pub(super) fn new() -> Options;
    #[wasm_bindgen(method, setter)]
    pub(super) fn set_memory(this: &Options, memory: u32);
    #[wasm_bindgen(method, setter)]
    pub(super) fn set_mtu(this: &Options, mtu: u16);
    #[wasm_bindgen(method, setter, js_name = commandLine)]
    pub(super) fn set_command_line(this: &Options, command_line: &str);
    #[wasm_bindgen(method, setter)]
    pub(super) fn set_bios(this: &Options, bytes: &Uint8Array);
    #[wasm_bindgen(method, setter, js_name = vgaBios)]
    pub(super) fn set_vga_bios(this: &Options, bytes: &Uint8Array);
    #[wasm_bindgen(method, setter)]
    pub(super) fn set_kernel(this: &Options, bytes: &Uint8Array);
    #[wasm_bindgen(method, setter)]
    pub(super) fn set_state(this: &Options, state: &ArrayBuffer);
    #[wasm_bindgen(method, setter)]
    pub(super) fn set_system(this: &Options, drive: Drive);
    #[wasm_bindgen(method, setter)]
    pub(super) fn set_data(this: &Options, drive: Drive);
    #[wasm_bindgen(method, setter)]
    pub(super) fn set_guest(this: &Options, guest: super::v86::Guest);

    #[wasm_bindgen(typescript_type = "Emulated")]
    #[derive(Clone)]
    pub(super) type Emulated;
    #[wasm_bindgen(method, getter)]
    pub(super) fn mac(this: &Emulated) -> Option<Vec<u8>>;
    #[wasm_bindgen(method)]
    pub(super) fn run(this: &Emulated);
    #[wasm_bindgen(method)]
    pub(super) fn stop(this: &Emulated) -> Promise;
    #[wasm_bindgen(method)]
    pub(super) fn receive(this: &Emulated, frame: Uint8Array);
    #[wasm_bindgen(method)]
    pub(super) fn save(this: &Emulated) -> Promise;
    #[wasm_bindgen(method)]
    pub(super) fn destroy(this: &Emulated) -> Promise;

    #[wasm_bindgen(typescript_type = "DiskFile")]
    pub(super) type DiskFile;
    #[wasm_bindgen(method, catch, js_name = getSize)]
    fn size(this: &DiskFile) -> Result<f64, JsValue>;
    #[wasm_bindgen(method, catch, js_name = read)]
    fn read_at(this: &DiskFile, into: &mut [u8], place: &Place) -> Result<f64, JsValue>;
    #[wasm_bindgen(method, catch, js_name = write)]
    fn write_at(this: &DiskFile, bytes: &[u8], place: &Place) -> Result<f64, JsValue>;
    #[wasm_bindgen(method, catch, js_name = truncate)]
    fn cut(this: &DiskFile, length: f64) -> Result<(), JsValue>;
    #[wasm_bindgen(method, catch, js_name = flush)]
    fn sync(this: &DiskFile) -> Result<(), JsValue>;
    #[wasm_bindgen(method)]
    fn close(this: &DiskFile);

    #[wasm_bindgen(js_name = Object)]
    type Place;
    #[wasm_bindgen(constructor, js_class = "Object")]
    fn new() -> Place;
    #[wasm_bindgen(method, setter)]
    fn set_at(this: &Place, at: f64);

    /// Whatever is thrown by a file: a `DOMException`, or Node's error.
    type Thrown;
    #[wasm_bindgen(method, getter)]
    fn name(this: &Thrown) -> Option<String>;
    #[wasm_bindgen(method, getter)]
    fn code(this: &Thrown) -> JsValue;
}

/// A file of the guest's disk. It is closed when it is dropped.
pub(super) struct OpenFile(DiskFile);

impl OpenFile {
    pub(super) fn new(file: JsValue) -> Self {
        Self(file.unchecked_into())
    }
}

impl std::fmt::Debug for OpenFile {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("OpenFile").finish()
    }
}

impl Drop for OpenFile {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl disk::File for OpenFile {
    fn length(&mut self) -> Result<u64, Trouble> {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "no file has 2^53 bytes"
        )]
        self.0
            .size()
            .map(|size| size as u64)
            .map_err(|error| trouble(&error))
    }

    fn read(&mut self, at: u64, into: &mut [u8]) -> Result<(), Trouble> {
        let wanted = into.len();
        let read = self.0.read_at(into, &place(at));
        complete(read, wanted, || {
            Trouble::Failed("the file is shorter than it was".to_owned())
        })
    }

    fn write(&mut self, at: u64, bytes: &[u8]) -> Result<(), Trouble> {
        // Where there is no room, some write a part and say how much.
        complete(self.0.write_at(bytes, &place(at)), bytes.len(), || {
            Trouble::Full
        })
    }

    fn truncate(&mut self, length: u64) -> Result<(), Trouble> {
        self.0.cut(number(length)).map_err(|error| trouble(&error))
    }

    fn flush(&mut self) -> Result<(), Trouble> {
        self.0.sync().map_err(|error| trouble(&error))
    }
}

fn complete(
    done: Result<f64, JsValue>,
    wanted: usize,
    otherwise: impl FnOnce() -> Trouble,
) -> Result<(), Trouble> {
    let done = done.map_err(|error| trouble(&error))?;
    if done < number(wanted as u64) {
        return Err(otherwise());
    }
    Ok(())
}

fn place(at: u64) -> Place {
    let place = Place::new();
    place.set_at(number(at));
    place
}

#[expect(
    clippy::cast_precision_loss,
    reason = "no place in a file is above 2^53"
)]
fn number(number: u64) -> f64 {
    number as f64
}

fn trouble(error: &JsValue) -> Trouble {
    let thrown: &Thrown = error.unchecked_ref();
    let full = ["QuotaExceededError", "ENOSPC", "EDQUOT"];
    let code = thrown.code().as_string();
    let says = |word: &Option<String>| {
        word.as_ref()
            .is_some_and(|word| full.contains(&word.as_str()))
    };
    if says(&thrown.name()) || says(&code) {
        Trouble::Full
    } else {
        Trouble::Failed(super::describe(error))
    }
}
