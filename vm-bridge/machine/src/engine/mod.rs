//! Whatever runs a guest.
//!
//! An [`Engine`] is one life of a machine, from its boot to its end; the next life has an engine of
//! its own. What happens in it is told to [`Events`], in order.

use std::{fmt, rc::Rc};

use bytes::Bytes;
use disk::Manifest;
use futures::future::LocalBoxFuture;

pub mod console;
pub mod sockets;

/// Bytes of the largest packet of a guest's network, its Ethernet header aside. A guest learns it when
/// it boots, so a saved one has it already.
pub const MTU: u16 = 16_384;

/// What an engine tells. **Invariant:** never from within a call to that engine, and never after
/// [`Engine::stop`] has resolved.
pub type Events = Rc<dyn Fn(Event)>;

/// Makes engines. The shell's knows v86 and CheerpX; a test's is a guest of its own.
pub trait Engines {
    /// What the image holds, fetched once. It is small; nothing else of the image is touched.
    fn manifest(&self) -> LocalBoxFuture<'static, Result<Rc<Manifest>, Failure>>;

    /// A machine that has not booted. Nothing of an engine is fetched before it does.
    fn engine(&self, kind: Kind, events: Events) -> Rc<dyn Engine>;
}

/// One life of a machine.
pub trait Engine {
    /// Loads what is needed and lets the guest run. It resolves when the guest runs: its agent may
    /// answer a dial from then on, or in some seconds. [`Event::Progress`] tells how far it is.
    ///
    /// A snapshot that cannot be had or does not load is no failure: the guest boots without it.
    fn boot(&self, plan: Plan) -> LocalBoxFuture<'static, Result<Booted, Failure>>;

    /// Gives the guest a frame; for [`Network::Frames`].
    fn send_frame(&self, frame: Vec<u8>);

    /// Does what [`sockets::Sockets`] asks of its guest; for [`Network::Sockets`].
    fn socket(&self, order: sockets::Order);

    /// Stops the guest's clock and its work, until [`Engine::resume`]. What is sent to it waits.
    fn pause(&self);

    /// Goes on after [`Engine::pause`], or tries again what [`Event::Stuck`] told of. The guest's
    /// wall clock has stood still: tell its agent the time.
    fn resume(&self);

    /// Ends the machine and frees what it holds. What the guest has synced is on its disk; ask its
    /// agent to unmount before.
    fn stop(&self) -> LocalBoxFuture<'static, ()>;

    /// The machine's state, as [`Manifest::snapshots`] has it. It holds nothing of the disks.
    fn save(&self) -> LocalBoxFuture<'static, Result<Bytes, Failure>>;
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Kind {
    #[default]
    V86,
    CheerpX,
}

impl Kind {
    /// As settings and status name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::V86 => "v86",
            Self::CheerpX => "cheerpx",
        }
    }

    /// What [`Kind::name`] named.
    pub fn named(name: &str) -> Option<Self> {
        [Self::V86, Self::CheerpX]
            .into_iter()
            .find(|kind| kind.name() == name)
    }

    /// How its guest is reached.
    pub fn network(self) -> Network {
        match self {
            Self::V86 => Network::Frames,
            Self::CheerpX => Network::Sockets,
        }
    }
}

/// How a guest is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Network {
    /// By Ethernet frames: [`Event::Frame`] and [`Engine::send_frame`], between which a
    /// `network::Stack` stands.
    Frames,
    /// By calls of its own: [`Event::Socket`] and [`Engine::socket`], between which a
    /// [`sockets::Sockets`] stands.
    Sockets,
}

/// The machine that is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// MiB.
    pub memory: u32,
    /// Layers that are to be attached. The engine looks for the snapshot that has the most of them;
    /// the rest is for the guest's agent to attach.
    pub layers: Vec<String>,
    pub snapshot: Snapshot,
}

/// Whether a machine may begin from a saved state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Snapshot {
    /// If there is one that fits.
    #[default]
    Allowed,
    /// Never: it boots.
    Refused,
}

/// How a guest came to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Booted {
    /// The layers that the snapshot has attached; `None` where the guest boots.
    pub snapshot: Option<Vec<String>>,
    /// The hardware address of the guest's network card, where it has one.
    pub hardware: Option<[u8; 6]>,
}

/// What happens in a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Something is being loaded, or done.
    Progress(Progress),
    /// A frame from the guest.
    Frame(Bytes),
    /// A call of the guest's, or an answer to one of ours.
    Socket(sockets::Happened),
    /// A line of the guest's console, without its end.
    Console(String),
    /// The guest has to wait until something is mended, and is paused: [`Engine::resume`] tries
    /// again.
    Stuck(Failure),
    /// There is no room for what the guest writes to its disk, beyond so many bytes; or, without a
    /// number, there is again. The guest goes on.
    Room(Option<u64>),
    /// The guest has switched its machine off, or its kernel gave up. [`Engine::stop`] it.
    Halted,
    /// The machine is broken. [`Engine::stop`] it.
    Failed(Failure),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    pub stage: Stage,
    /// Bytes of [`Progress::total`]; both are 0 where nothing is counted.
    pub loaded: u64,
    pub total: u64,
}

/// What a machine is about before its guest runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The engine itself.
    Engine,
    /// The kernel and the BIOS.
    Kernel,
    /// The saved state.
    Snapshot,
    /// Saved states are being unpacked and taken over.
    Restoring,
    /// The guest boots, and reads of its disk what it needs.
    Booting,
}

impl fmt::Display for Stage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Engine => "loading the engine",
            Self::Kernel => "loading the kernel",
            Self::Snapshot => "loading the saved machine",
            Self::Restoring => "waking the saved machine",
            Self::Booting => "booting Linux",
        })
    }
}

/// Why a machine does not run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// The engine could not be loaded.
    Engine(String),
    /// A file of the image cannot be had.
    Unreachable { file: String, reason: String },
    /// A file of the image has other bytes than it should have, also when it is fetched again.
    Corrupt { file: String },
    /// The image is not one.
    Image(String),
    /// There is no room for what the guest writes to its disk.
    DiskFull,
    /// What the guest wrote cannot be kept, or not be read again.
    Disk(String),
    /// The engine broke, or did not begin in time.
    Broken(String),
}

impl Failure {
    /// One word for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Engine(_) => "engine-not-loaded",
            Self::Unreachable { .. } => "image-unreachable",
            Self::Corrupt { .. } => "image-corrupt",
            Self::Image(_) => "image-malformed",
            Self::DiskFull => "disk-full",
            Self::Disk(_) => "disk-failed",
            Self::Broken(_) => "vm-failed",
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Engine(reason) => write!(formatter, "The engine could not be loaded: {reason}"),
            Self::Unreachable { file, reason } => write!(
                formatter,
                "The file {file} of the guest's image cannot be loaded: {reason}"
            ),
            Self::Corrupt { file } => write!(
                formatter,
                "The file {file} of the guest's image has wrong bytes, also after it was loaded again"
            ),
            Self::Image(reason) => formatter.write_str(reason),
            Self::DiskFull => formatter.write_str(
                "The browser gives this site no more room for the guest's disk: the guest waits until there is some",
            ),
            Self::Disk(reason) => write!(formatter, "The guest's disk failed: {reason}"),
            Self::Broken(reason) => write!(formatter, "The machine failed: {reason}"),
        }
    }
}

impl std::error::Error for Failure {}

impl From<disk::manifest::Malformed> for Failure {
    fn from(malformed: disk::manifest::Malformed) -> Self {
        Self::Image(malformed.to_string())
    }
}
