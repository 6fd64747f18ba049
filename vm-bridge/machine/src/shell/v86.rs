//! v86: an open emulator of a whole PC.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

use bytes::Bytes;
use disk::{
    Digest, Manifest, Overlay, Reader,
    overlay::{Files, Opened},
    reader::Fetch,
    seed,
};
use futures::{
    future::{self, LocalBoxFuture},
    stream::{self, StreamExt as _},
};
use js_sys::{ArrayBuffer, Uint8Array};
use wasm_bindgen::{JsCast as _, prelude::wasm_bindgen};
use wasm_bindgen_futures::{JsFuture, spawn_local};

use super::{
    drive::{self, Drive, OnRoom, OnSlow, OnStuck},
    host::{Emulated, Host, OpenFile, Options},
    image::{Heard, Image},
};
use crate::engine::{
    Booted, Engine, Event, Events, Failure, MTU, Plan, Progress, Snapshot, Stage,
    console::{Console, is_last},
    sockets::Order,
};

/// Bytes of the system disk that stay in memory.
const KEPT: usize = 48 << 20;
/// Chunks that are fetched at a time for a disk that is new.
const AT_A_TIME: usize = 8;

/// One life of a machine in v86.
pub(super) struct V86(Rc<Inner>);

struct Inner {
    host: Rc<Host>,
    image: Rc<Image>,
    events: Events,
    machine: RefCell<Option<Emulated>>,
    drives: RefCell<Vec<Drive>>,
    /// Whether it stands still because it was told to.
    paused: Cell<bool>,
    /// Whether a disk waits until something is mended.
    stuck: Cell<bool>,
    /// Whether a disk waits for the network.
    slow: Cell<bool>,
    stopped: Cell<bool>,
}

impl V86 {
    pub(super) fn new(host: Rc<Host>, image: Rc<Image>, events: Events) -> Self {
        Self(Rc::new(Inner {
            host,
            image,
            events,
            machine: RefCell::default(),
            drives: RefCell::default(),
            paused: Cell::new(false),
            stuck: Cell::new(false),
            slow: Cell::new(false),
            stopped: Cell::new(false),
        }))
    }
}

impl Engine for V86 {
    fn boot(&self, plan: Plan) -> LocalBoxFuture<'static, Result<Booted, Failure>> {
        let inner = Rc::clone(&self.0);
        Box::pin(async move { inner.boot(plan).await })
    }

    fn send_frame(&self, frame: Vec<u8>) {
        if let Some(machine) = self.0.machine() {
            machine.receive(Uint8Array::from(&frame[..]));
        }
    }

    fn socket(&self, _order: Order) {
        // Its guest has frames.
    }

    fn pause(&self) {
        self.0.paused.set(true);
        self.0.hold();
    }

    fn resume(&self) {
        self.0.paused.set(false);
        self.0.stuck.set(false);
        // What cannot be done this time either says so again.
        for drive in self.0.drives.borrow().clone() {
            drive.retry();
        }
        self.0.go();
    }

    fn stop(&self) -> LocalBoxFuture<'static, ()> {
        let inner = Rc::clone(&self.0);
        Box::pin(async move { inner.stop().await })
    }

    fn save(&self) -> LocalBoxFuture<'static, Result<Bytes, Failure>> {
        let machine = self.0.machine();
        Box::pin(async move {
            let machine =
                machine.ok_or_else(|| Failure::Broken("the machine does not run".to_owned()))?;
            let state = JsFuture::from(machine.save()).await;
            let state = state.map_err(|error| Failure::Broken(super::describe(&error)))?;
            Ok(Uint8Array::new(&state).to_vec().into())
        })
    }
}

impl Inner {
    async fn boot(self: &Rc<Self>, plan: Plan) -> Result<Booted, Failure> {
        let manifest = self.image.manifest().await?;
        let (engine, data, state) = future::join3(
            self.engine(),
            self.data(&manifest),
            self.state(&manifest, &plan),
        )
        .await;
        engine?;
        let data = data?;
        let reader = Reader::new(manifest.system.clone(), manifest.chunk, KEPT);
        let system = Drive::system(
            Rc::clone(&self.image),
            reader,
            self.on_stuck(),
            self.on_slow(),
        );
        self.drives.replace(vec![system.clone(), data.clone()]);
        if let Some((layers, state)) = state {
            self.tell(Stage::Restoring);
            let options = self.options(&manifest, &plan, &system, &data);
            options.set_state(&state);
            if let Ok(machine) = self.emulate(&options).await {
                return self.run(machine, Some(layers));
            }
        }
        let kernel = self.kernel(&manifest).await?;
        self.tell(Stage::Booting);
        let options = self.options(&manifest, &plan, &system, &data);
        options.set_kernel(&kernel[0]);
        options.set_bios(&kernel[1]);
        options.set_vga_bios(&kernel[2]);
        let machine = self.emulate(&options).await?;
        self.run(machine, None)
    }

    fn run(&self, machine: Emulated, snapshot: Option<Vec<String>>) -> Result<Booted, Failure> {
        if self.stopped.get() {
            return Err(Failure::Broken("it was stopped before it ran".to_owned()));
        }
        let hardware = machine.mac().and_then(|mac| mac.try_into().ok());
        self.machine.replace(Some(machine));
        self.go();
        Ok(Booted { snapshot, hardware })
    }

    fn options(&self, manifest: &Manifest, plan: &Plan, system: &Drive, data: &Drive) -> Options {
        let options = Options::new();
        options.set_memory(plan.memory);
        options.set_mtu(MTU);
        options.set_command_line(&manifest.kernel.command_line);
        options.set_system(system.clone());
        options.set_data(data.clone());
        options.set_guest(Guest {
            events: Rc::clone(&self.events),
            console: RefCell::default(),
        });
        options
    }

    /// Has the engine itself loaded, beside everything else.
    async fn engine(&self) -> Result<(), Failure> {
        let loaded = match self.host.prepare() {
            Ok(promise) => JsFuture::from(promise).await,
            Err(error) => Err(error),
        };
        loaded
            .map(drop)
            .map_err(|error| Failure::Engine(super::describe(&error)))
    }

    async fn emulate(&self, options: &Options) -> Result<Emulated, Failure> {
        let machine = match self.host.emulate(options) {
            Ok(promise) => JsFuture::from(promise).await,
            Err(error) => Err(error),
        };
        machine
            .map(wasm_bindgen::JsValue::unchecked_into)
            .map_err(|error| Failure::Broken(super::describe(&error)))
    }

    /// The kernel, the BIOS and its graphics card's.
    async fn kernel(&self, manifest: &Manifest) -> Result<[Uint8Array; 3], Failure> {
        let files = [&manifest.kernel.file, &manifest.bios, &manifest.vga_bios];
        let total = files.iter().map(|file| file.bytes).sum();
        let loaded: Rc<[Cell<u64>; 3]> = Rc::default();
        let file = |number: usize| {
            let (loaded, events) = (Rc::clone(&loaded), Rc::clone(&self.events));
            let heard: Heard = Rc::new(move |bytes| {
                loaded[number].set(bytes);
                events(Event::Progress(Progress {
                    stage: Stage::Kernel,
                    loaded: loaded.iter().map(Cell::get).sum(),
                    total,
                }));
            });
            async move { self.image.file(files[number], &heard).await }
        };
        let (kernel, bios, vga_bios) = future::try_join3(file(0), file(1), file(2)).await?;
        Ok([kernel, bios, vga_bios])
    }

    /// What was saved of a machine like this, and its layers. Where it cannot be had, there is none:
    /// the machine boots.
    async fn state(&self, manifest: &Manifest, plan: &Plan) -> Option<(Vec<String>, ArrayBuffer)> {
        if plan.snapshot == Snapshot::Refused {
            return None;
        }
        let snapshot = manifest.snapshot(plan.memory, &plan.layers)?;
        let (events, total) = (Rc::clone(&self.events), snapshot.file.bytes);
        let heard: Heard = Rc::new(move |loaded| {
            events(Event::Progress(Progress {
                stage: Stage::Snapshot,
                loaded,
                total,
            }));
        });
        let file = self.image.file(&snapshot.file, &heard).await.ok()?;
        let state = self.image.unpack(&file).await.ok()?;
        Some((snapshot.layers.clone(), state.buffer()))
    }

    /// The disk that the guest writes to. A new one is filled with what the image has for it.
    async fn data(self: &Rc<Self>, manifest: &Manifest) -> Result<Drive, Failure> {
        let bytes = manifest.data.bytes;
        let files = Files {
            data: self.open("data").await?,
            index: [self.open("index-0").await?, self.open("index-1").await?],
        };
        let overlay = match Overlay::open(files, bytes).map_err(drive::failure)? {
            Opened::Known(overlay) => overlay,
            Opened::New(mut overlay) => {
                let wanted = seed::wanted(&manifest.data);
                let wanted = wanted.map(|(chunk, digest)| self.chunk(chunk, digest));
                let mut chunks = stream::iter(wanted).buffer_unordered(AT_A_TIME);
                while let Some(loaded) = chunks.next().await {
                    let (chunk, bytes) = loaded?;
                    seed::write(&mut overlay, chunk, manifest.chunk, &bytes)
                        .map_err(drive::failure)?;
                }
                drop(chunks);
                overlay.sync().map_err(drive::failure)?;
                overlay
            }
        };
        Ok(Drive::data(overlay, self.on_stuck(), self.on_room()))
    }

    /// A chunk that the new disk begins with.
    async fn chunk(&self, chunk: u32, digest: Digest) -> Result<(u32, Vec<u8>), Failure> {
        for anew in [false, true] {
            let fetch = Fetch {
                chunk,
                digest,
                anew,
            };
            let (bytes, hash) = self.image.chunk(&fetch).await?;
            if hash == digest {
                return Ok((chunk, bytes.to_vec()));
            }
        }
        let file = digest.chunk_path();
        Err(Failure::Corrupt { file })
    }

    async fn open(&self, name: &str) -> Result<OpenFile, Failure> {
        let opened = match self.host.open(name) {
            Ok(promise) => JsFuture::from(promise).await,
            Err(error) => Err(error),
        };
        match opened {
            Ok(file) => Ok(OpenFile::new(file)),
            Err(error) => Err(Failure::Disk(super::describe(&error))),
        }
    }

    async fn stop(&self) {
        self.stopped.set(true);
        let machine = self.machine.take();
        if let Some(machine) = machine {
            // Neither can fail in a way that matters to what comes after.
            let _ = JsFuture::from(machine.stop()).await;
            let _ = JsFuture::from(machine.destroy()).await;
        }
        for drive in self.drives.take() {
            drive.close();
        }
    }

    fn machine(&self) -> Option<Emulated> {
        self.machine.borrow().clone()
    }

    /// Lets the guest go on, if nothing is in its way.
    fn go(&self) {
        if !self.paused.get()
            && !self.stuck.get()
            && !self.slow.get()
            && let Some(machine) = self.machine()
        {
            machine.run();
        }
    }

    fn hold(&self) {
        if let Some(machine) = self.machine() {
            let stopped = JsFuture::from(machine.stop());
            spawn_local(async move {
                // It tells nothing.
                let _ = stopped.await;
            });
        }
    }

    fn tell(&self, stage: Stage) {
        (self.events)(Event::Progress(Progress {
            stage,
            loaded: 0,
            total: 0,
        }));
    }

    /// Lets the guest stand still while a read takes long, as if no time passed.
    fn on_slow(self: &Rc<Self>) -> OnSlow {
        let inner = Rc::downgrade(self);
        Rc::new(move |slow| {
            if let Some(inner) = inner.upgrade() {
                inner.slow.set(slow);
                if slow {
                    inner.hold();
                } else {
                    inner.go();
                }
            }
        })
    }

    /// Tells how much room there is; the guest goes on.
    fn on_room(self: &Rc<Self>) -> OnRoom {
        let inner = Rc::downgrade(self);
        Rc::new(move |room| {
            let Some(inner) = inner.upgrade() else {
                return;
            };
            let events = Rc::clone(&inner.events);
            // The disk tells from within a call of the machine's.
            spawn_local(async move { events(Event::Room(room)) });
        })
    }

    /// Lets the guest stand still while a disk waits: it would give up after a while.
    fn on_stuck(self: &Rc<Self>) -> OnStuck {
        let inner = Rc::downgrade(self);
        Rc::new(move |failure| {
            let Some(inner) = inner.upgrade() else {
                return;
            };
            inner.stuck.set(true);
            inner.hold();
            let events = Rc::clone(&inner.events);
            // Whoever asked the disk may be within a call of ours.
            spawn_local(async move { events(Event::Stuck(failure)) });
        })
    }
}

/// What a guest does to the world.
#[wasm_bindgen]
pub struct Guest {
    events: Events,
    console: RefCell<Console>,
}

#[wasm_bindgen]
impl Guest {
    /// It sends a frame.
    pub fn frame(&self, bytes: Vec<u8>) {
        (self.events)(Event::Frame(bytes.into()));
    }

    /// It writes to its console.
    pub fn console(&self, byte: u8) {
        let line = self.console.borrow_mut().handle_byte(byte);
        if let Some(line) = line {
            let last = is_last(&line);
            (self.events)(Event::Console(line));
            if last {
                self.halted();
            }
        }
    }

    /// It does nothing any more.
    pub fn halted(&self) {
        (self.events)(Event::Halted);
    }
}

impl std::fmt::Debug for Guest {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Guest").finish_non_exhaustive()
    }
}
