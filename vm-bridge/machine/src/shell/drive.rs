//! The guest's two disks, as an engine reads and writes them.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, VecDeque},
    rc::{Rc, Weak},
};

use bytes::Bytes;
use disk::{
    Overlay, Reader, Trouble,
    reader::{Fetch, Output, ReadId, Stuck},
};
use js_sys::{Function, Uint8Array};
use wasm_bindgen::{JsValue, prelude::wasm_bindgen};
use wasm_bindgen_futures::spawn_local;
use wire::shell::Timer;

use super::{host::OpenFile, image::Image};
use crate::engine::Failure;

/// Hears why a disk cannot do what it was asked; [`Drive::retry`] tries it again.
pub(super) type OnStuck = Rc<dyn Fn(Failure)>;

/// Hears that a read takes long, and that none does any more.
pub(super) type OnSlow = Rc<dyn Fn(bool)>;

/// Hears how many bytes may still be written when there is no room for more, and `None` when there is.
pub(super) type OnRoom = Rc<dyn Fn(Option<u64>)>;

/// Bytes of room that are kept for what the guest writes next, so that it is told before there is none.
const AHEAD: u64 = 64 << 20;
/// Milliseconds between two tries to have it.
const AGAIN: u64 = 5_000;

/// Milliseconds after which a read takes long. Linux gives up after 30 seconds.
const LONG: u64 = 10_000;

/// One disk.
#[wasm_bindgen]
#[derive(Clone)]
pub struct Drive(Rc<Kind>);

enum Kind {
    /// What is written to it is dropped: the guest has it mounted to read.
    System(System),
    Data(Data),
}

#[wasm_bindgen]
impl Drive {
    #[wasm_bindgen(getter)]
    pub fn bytes(&self) -> f64 {
        let bytes = match &*self.0 {
            Kind::System(disk) => disk.reader.borrow().bytes(),
            Kind::Data(disk) => disk.bytes,
        };
        #[expect(clippy::cast_precision_loss, reason = "no disk has 2^53 bytes")]
        let bytes = bytes as f64;
        bytes
    }

    /// Calls `done` with what is on the disk, now or later.
    pub fn read(&self, at: f64, length: u32, done: Function) {
        let at = place(at);
        match &*self.0 {
            Kind::System(disk) => disk.read(&self.0, at, length as usize, done),
            Kind::Data(disk) => disk.ask(Asked::Read {
                at,
                length: length as usize,
                done,
            }),
        }
    }

    /// Calls `done` when it is written, now or later.
    pub fn write(&self, at: f64, bytes: Vec<u8>, done: Function) {
        match &*self.0 {
            Kind::System(_) => call(&done, &JsValue::UNDEFINED),
            Kind::Data(disk) => {
                let at = place(at);
                disk.ask(Asked::Write { at, bytes, done });
            }
        }
    }

    /// Calls `done` when all that was written is durable.
    pub fn flush(&self, done: Function) {
        match &*self.0 {
            Kind::System(_) => call(&done, &JsValue::UNDEFINED),
            Kind::Data(disk) => disk.ask(Asked::Flush { done }),
        }
    }
}

impl std::fmt::Debug for Drive {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Drive").finish_non_exhaustive()
    }
}

impl Drive {
    pub(super) fn system(
        image: Rc<Image>,
        reader: Reader,
        on_stuck: OnStuck,
        on_slow: OnSlow,
    ) -> Self {
        Self(Rc::new(Kind::System(System {
            image,
            reader: RefCell::new(reader),
            asked: RefCell::default(),
            count: Cell::new(0),
            on_stuck,
            slow: Rc::new(Slow {
                reads: Cell::new(0),
                tell: on_slow,
            }),
        })))
    }

    pub(super) fn data(overlay: Overlay<OpenFile>, on_stuck: OnStuck, on_room: OnRoom) -> Self {
        let drive = Self(Rc::new_cyclic(|this| {
            Kind::Data(Data {
                this: Weak::clone(this),
                bytes: overlay.bytes(),
                overlay: RefCell::new(Some(overlay)),
                waiting: RefCell::default(),
                on_stuck,
                on_room,
                scarce: RefCell::default(),
            })
        }));
        if let Kind::Data(disk) = &*drive.0 {
            disk.look_for_room();
        }
        drive
    }

    /// Tries again what could not be done.
    pub(super) fn retry(&self) {
        match &*self.0 {
            Kind::System(disk) => {
                disk.reader.borrow_mut().retry();
                disk.drive(&self.0);
            }
            Kind::Data(disk) => disk.retry(),
        }
    }

    /// Makes durable what was written, as far as that is possible, and lets go of the files.
    pub(super) fn close(&self) {
        if let Kind::Data(disk) = &*self.0
            && let Some(mut overlay) = disk.overlay.take()
        {
            // The guest has synced what it cares for.
            let _ = overlay.sync();
        }
    }
}

struct System {
    image: Rc<Image>,
    reader: RefCell<Reader>,
    asked: RefCell<BTreeMap<ReadId, Asker>>,
    count: Cell<u64>,
    on_stuck: OnStuck,
    slow: Rc<Slow>,
}

/// Whoever waits for a read.
struct Asker {
    done: Function,
    /// Until it is answered, where that is not at once.
    wait: Option<Wait>,
}

/// How many reads take long.
struct Slow {
    reads: Cell<u32>,
    tell: OnSlow,
}

/// One read that is not answered yet. Dropped, it is.
struct Wait {
    slow: Rc<Slow>,
    long: Rc<Cell<bool>>,
    _timer: Timer,
}

impl Wait {
    fn new(slow: &Rc<Slow>) -> Self {
        let long = Rc::new(Cell::new(false));
        let timer = {
            let (slow, long) = (Rc::clone(slow), Rc::clone(&long));
            Timer::new(LONG, move || {
                long.set(true);
                slow.reads.set(slow.reads.get() + 1);
                (slow.tell)(true);
            })
        };
        Self {
            slow: Rc::clone(slow),
            long,
            _timer: timer,
        }
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        if self.long.get() {
            self.slow.reads.set(self.slow.reads.get() - 1);
            if self.slow.reads.get() == 0 {
                (self.slow.tell)(false);
            }
        }
    }
}

impl System {
    fn read(&self, this: &Rc<Kind>, at: u64, length: usize, done: Function) {
        self.count.set(self.count.get() + 1);
        let read = ReadId(self.count.get());
        let asker = Asker { done, wait: None };
        self.asked.borrow_mut().insert(read, asker);
        self.reader.borrow_mut().handle_read(read, at, length);
        self.drive(this);
        if let Some(asker) = self.asked.borrow_mut().get_mut(&read) {
            asker.wait = Some(Wait::new(&self.slow));
        }
    }

    /// Does what the reader asks for until it asks for nothing.
    fn drive(&self, this: &Rc<Kind>) {
        loop {
            let output = self.reader.borrow_mut().poll_output();
            match output {
                None => break,
                Some(Output::Fetch(fetch)) => {
                    let image = Rc::clone(&self.image);
                    spawn_local(load(image, Rc::downgrade(this), fetch));
                }
                Some(Output::Read { read, bytes }) => {
                    // It may read again from within.
                    let asker = self.asked.borrow_mut().remove(&read);
                    if let Some(Asker { done, wait }) = asker {
                        call(&done, &Uint8Array::from(&bytes[..]).into());
                        // What it waited for is there before the guest goes on.
                        drop(wait);
                    }
                }
                Some(Output::Stuck(stuck)) => (self.on_stuck)(match stuck {
                    Stuck::Unreachable { file, reason } => Failure::Unreachable { file, reason },
                    Stuck::Corrupt { file } => Failure::Corrupt { file },
                }),
            }
        }
    }
}

/// Fetches one chunk for whoever still wants it.
async fn load(image: Rc<Image>, disk: Weak<Kind>, fetch: Fetch) {
    let loaded = image.chunk(&fetch).await;
    let Some(this) = disk.upgrade() else {
        return;
    };
    if let Kind::System(disk) = &*this {
        match loaded {
            Ok((bytes, digest)) => {
                let bytes = Bytes::from(bytes.to_vec());
                let mut reader = disk.reader.borrow_mut();
                reader.handle_chunk(fetch.chunk, bytes, digest);
            }
            Err(failure) => {
                let reason = match failure {
                    Failure::Unreachable { reason, .. } => reason,
                    failure => failure.to_string(),
                };
                let mut reader = disk.reader.borrow_mut();
                reader.handle_unreachable(fetch.chunk, &reason);
            }
        }
        disk.drive(&this);
    }
}

struct Data {
    this: Weak<Kind>,
    bytes: u64,
    /// None once it is closed.
    overlay: RefCell<Option<Overlay<OpenFile>>>,
    /// What waits for the first of it, which could not be done.
    waiting: RefCell<VecDeque<Asked>>,
    on_stuck: OnStuck,
    on_room: OnRoom,
    /// The next try, where there is no room.
    scarce: RefCell<Option<Timer>>,
}

enum Asked {
    Read {
        at: u64,
        length: usize,
        done: Function,
    },
    Write {
        at: u64,
        bytes: Vec<u8>,
        done: Function,
    },
    Flush {
        done: Function,
    },
}

impl Data {
    fn ask(&self, asked: Asked) {
        let stuck = !self.waiting.borrow().is_empty();
        if stuck {
            self.waiting.borrow_mut().push_back(asked);
        } else if let Err((asked, trouble)) = self.execute(asked) {
            self.waiting.borrow_mut().push_front(asked);
            self.stick(trouble);
        }
    }

    fn retry(&self) {
        loop {
            let next = self.waiting.borrow_mut().pop_front();
            let Some(asked) = next else {
                break;
            };
            if let Err((asked, trouble)) = self.execute(asked) {
                self.waiting.borrow_mut().push_front(asked);
                self.stick(trouble);
                break;
            }
        }
    }

    fn execute(&self, asked: Asked) -> Result<(), (Asked, Trouble)> {
        let mut open = self.overlay.borrow_mut();
        let Some(overlay) = &mut *open else {
            return Ok(());
        };
        let (result, answer) = match &asked {
            Asked::Read { at, length, .. } => {
                let mut bytes = vec![0; *length];
                let result = overlay.read(*at, &mut bytes);
                (result, Uint8Array::from(&bytes[..]).into())
            }
            Asked::Write { at, bytes, .. } => (overlay.write(*at, bytes), JsValue::UNDEFINED),
            Asked::Flush { .. } => (overlay.sync(), JsValue::UNDEFINED),
        };
        drop(open);
        if let Err(trouble) = result {
            return Err((asked, trouble));
        }
        if matches!(asked, Asked::Write { .. }) && self.scarce.borrow().is_none() {
            self.look_for_room();
        }
        let (Asked::Read { done, .. } | Asked::Write { done, .. } | Asked::Flush { done }) = asked;
        // It may ask for more from within.
        call(&done, &answer);
        Ok(())
    }

    /// Keeps room ahead of what is written, and tells when there is none any more, or again.
    fn look_for_room(&self) {
        let mut open = self.overlay.borrow_mut();
        let Some(overlay) = &mut *open else { return };
        let scarce = self.scarce.borrow().is_some();
        // It need not be asked for at each write.
        let enough = !scarce && overlay.spare() >= AHEAD / 2;
        // What else is wrong with the file, the next write tells.
        if enough || matches!(overlay.reserve(AHEAD), Ok(true) | Err(_)) {
            drop(open);
            if self.scarce.take().is_some() {
                (self.on_room)(None);
            }
            return;
        }
        let spare = overlay.spare();
        drop(open);
        let again = {
            let this = Weak::clone(&self.this);
            Timer::new(AGAIN, move || {
                if let Some(this) = this.upgrade()
                    && let Kind::Data(disk) = &*this
                {
                    disk.look_for_room();
                }
            })
        };
        self.scarce.replace(Some(again));
        if !scarce {
            (self.on_room)(Some(spare));
        }
    }

    fn stick(&self, trouble: Trouble) {
        (self.on_stuck)(failure(trouble));
    }
}

pub(super) fn failure(trouble: Trouble) -> Failure {
    match trouble {
        Trouble::Full => Failure::DiskFull,
        trouble => Failure::Disk(trouble.to_string()),
    }
}

fn call(done: &Function, value: &JsValue) {
    // What the engine does with it is the engine's.
    let _ = done.call1(&JsValue::UNDEFINED, value);
}

fn place(at: f64) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a place on a disk, below 2^53"
    )]
    let at = at as u64;
    at
}
