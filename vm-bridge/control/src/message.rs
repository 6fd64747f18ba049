//! The messages of both directions.

use std::fmt;

use minicbor::{Decode, Encode};

use crate::app::{App, AppStatus, Digest, Exit, Line};

/// Names what was asked on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct Conversation(#[n(0)] pub u32);

/// A layer's name, as the manifest has it: `node`.
pub type LayerName = String;

/// Which stream of a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(index_only)]
pub enum Channel {
    /// Worker to agent.
    #[n(0)]
    Input,
    /// Agent to worker. With a terminal, everything the command says.
    #[n(1)]
    Output,
    /// Agent to worker.
    #[n(2)]
    Error,
}

/// What the worker sends.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum ToAgent {
    #[n(0)]
    Hello(#[n(0)] Hello),
    #[n(1)]
    Ask {
        #[n(0)]
        conversation: Conversation,
        #[n(1)]
        request: Request,
    },
    /// A part of the conversation's Input. `offset` counts the stream's bytes before it.
    #[n(2)]
    Chunk {
        #[n(0)]
        conversation: Conversation,
        #[n(1)]
        offset: u64,
        #[n(2)]
        last: bool,
        #[cbor(n(3), with = "minicbor::bytes")]
        bytes: Vec<u8>,
    },
    /// So many bytes more may come of the conversation's Output or Error.
    #[n(3)]
    Credit {
        #[n(0)]
        conversation: Conversation,
        #[n(1)]
        channel: Channel,
        #[n(2)]
        bytes: u32,
    },
    /// The terminal of an Exec has another size now.
    #[n(4)]
    Resize {
        #[n(0)]
        conversation: Conversation,
        #[n(1)]
        size: Pty,
    },
    /// For the processes of an Exec: a signal's number, as Linux has them.
    #[n(5)]
    Signal {
        #[n(0)]
        conversation: Conversation,
        #[n(1)]
        signal: u8,
    },
    /// Nobody waits for this any more. The agent kills an Exec's processes, throws away an upload,
    /// and answers [`Failure::Cancelled`] where it did not answer already. An app that is being
    /// started or stopped goes on.
    #[n(6)]
    Cancel {
        #[n(0)]
        conversation: Conversation,
    },
}

/// What the agent sends.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum ToWorker {
    #[n(0)]
    Hello(#[n(0)] Welcome),
    /// Instead of Hello; the agent closes the connection.
    #[n(1)]
    Refused(#[n(0)] Refusal),
    #[n(2)]
    Answer {
        #[n(0)]
        conversation: Conversation,
        #[n(1)]
        answer: Answer,
    },
    #[n(3)]
    Failed {
        #[n(0)]
        conversation: Conversation,
        #[n(1)]
        failure: Failure,
    },
    /// A part of the conversation's Output or Error.
    #[n(4)]
    Chunk {
        #[n(0)]
        conversation: Conversation,
        #[n(1)]
        channel: Channel,
        #[n(2)]
        offset: u64,
        #[n(3)]
        last: bool,
        #[cbor(n(4), with = "minicbor::bytes")]
        bytes: Vec<u8>,
    },
    /// So many bytes more may come of the conversation's Input.
    #[n(5)]
    Credit {
        #[n(0)]
        conversation: Conversation,
        #[n(1)]
        bytes: u32,
    },
    #[n(6)]
    Event(#[n(0)] Event),
}

/// The worker opens.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Hello {
    #[n(0)]
    pub protocol: u16,
    /// Unix milliseconds: the agent sets the guest's clock, which a snapshot froze.
    #[n(1)]
    pub now: u64,
    /// Fresh randomness for the guest's kernel, which a snapshot froze as well.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub entropy: [u8; 64],
}

/// The agent opens.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Welcome {
    #[n(0)]
    pub protocol: u16,
    /// The agent's own.
    #[n(1)]
    pub version: String,
    /// Another one after every boot, every [`Request::Quiesce`], and every dialling before
    /// [`Request::Mount`], so that a worker that dials again sees whether it meets the same life of
    /// the guest.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub boot: [u8; 16],
    #[n(3)]
    pub layers: Vec<LayerName>,
    /// Whether the data disk is mounted.
    #[n(4)]
    pub mounted: bool,
    /// Every app on the data disk; none before it is mounted.
    #[n(5)]
    pub apps: Vec<AppStatus>,
}

/// Why the agent does not serve a connection.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Refusal {
    /// It speaks this version.
    #[n(0)]
    Version {
        #[n(0)]
        protocol: u16,
    },
    /// The worker broke the protocol; for a person.
    #[n(1)]
    Malformed {
        #[n(0)]
        reason: String,
    },
}

/// What the worker asks for.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Request {
    /// Mount the data disk, mending it first where it needs that, and start the apps that were
    /// running. Answered [`Answer::Mounted`], at once where it is mounted already.
    #[n(0)]
    Mount {
        /// `/dev/sdb`
        #[n(0)]
        device: String,
    },
    /// Make a layer's programs available: mount its device, read-only. Attaching it again is no error.
    #[n(1)]
    Attach {
        #[n(0)]
        layer: LayerName,
        /// `/dev/sda3`
        #[n(1)]
        device: String,
    },
    /// Undo Attach. [`Failure::LayerInUse`] while a running app has it.
    #[n(2)]
    Detach {
        #[n(0)]
        layer: LayerName,
    },
    /// Whether the agent has this bundle of the app: [`Answer::Bundle`].
    #[n(3)]
    HasBundle {
        #[n(0)]
        app: String,
        #[n(1)]
        bundle: Digest,
    },
    /// Input is a tar of regular files and directories, `bytes` long and of that digest. An app that
    /// is started with it has its files instead of those of the bundle before, and of what it wrote
    /// among them; until then they stay.
    #[n(4)]
    PutBundle {
        #[n(0)]
        app: String,
        #[n(1)]
        bundle: Digest,
        #[n(2)]
        bytes: u64,
    },
    /// Run the app so, in place of what ran under its name; what runs or is being started exactly so
    /// goes on. Answered [`Answer::App`] when its process exists; that it listens is told by an event.
    /// What could not be started is `Crashed`, and fails.
    #[n(5)]
    Start(#[n(0)] App),
    /// End all its processes: SIGTERM to the first one, SIGKILL to all after `grace` milliseconds.
    /// Answered [`Answer::App`] when none is left. It is not started by the next boot.
    #[n(6)]
    Stop {
        #[n(0)]
        app: String,
        #[n(1)]
        grace: u32,
    },
    /// Stop and Start as it is, also where it does not run.
    #[n(7)]
    Restart {
        #[n(0)]
        app: String,
        #[n(1)]
        grace: u32,
    },
    /// Kill it and delete its files and all it wrote. No error where there is no such app.
    #[n(8)]
    Remove {
        #[n(0)]
        app: String,
    },
    /// Run a command: with all three streams, or, with a terminal, with Input and Output. Answered
    /// [`Answer::Exited`]. Its working directory is the app's, else `/root`.
    #[n(9)]
    Exec {
        #[n(0)]
        command: Vec<String>,
        /// On top of the usual environment, or the app's.
        #[n(1)]
        env: Vec<(String, String)>,
        /// Where this app is, as it sees things and with its limits; else as root, of the whole guest
        /// with all its layers.
        #[n(2)]
        app: Option<String>,
        #[n(3)]
        pty: Option<Pty>,
    },
    /// Output is the file's bytes from `offset` on, `limit` at most. Answered [`Answer::File`].
    #[n(10)]
    ReadFile {
        /// As this app sees it, and nothing that only others may read; else of the whole guest.
        #[n(0)]
        app: Option<String>,
        #[n(1)]
        path: String,
        #[n(2)]
        offset: u64,
        #[n(3)]
        limit: u64,
    },
    /// Every app: [`Answer::Apps`].
    #[n(11)]
    Apps,
    /// The app's newest lines, up to [`crate::LINES_KEPT`] and half a [`crate::MAX_FRAME`], oldest
    /// first: [`Answer::Lines`]. Later ones come as events.
    #[n(12)]
    Logs {
        #[n(0)]
        app: String,
        #[n(1)]
        tail: u32,
    },
    /// [`Answer::Usage`]
    #[n(13)]
    Usage,
    /// Everything written so far is on the disk when this is answered.
    #[n(14)]
    Sync,
    /// Go to the state that a snapshot may hold: nothing of the data disk mounted, warm runtimes
    /// ready (which may take a minute and a half), caches written, the clock in the past until the
    /// next Hello. [`Failure::AppsRunning`] while an app runs. After the answer the agent closes the
    /// connection.
    #[n(15)]
    Quiesce,
    /// End every app, write everything, switch the machine off. Answered before the last step.
    #[n(16)]
    PowerOff {
        #[n(0)]
        grace: u32,
    },
    /// Hold what is free on the data disk, except for so many bytes: there is nowhere to keep more.
    /// Without a number, let go of it, as every Mount does.
    #[n(17)]
    Room {
        #[n(0)]
        bytes: Option<u64>,
    },
}

/// The size of a terminal, in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct Pty {
    #[n(0)]
    pub columns: u16,
    #[n(1)]
    pub rows: u16,
}

/// What was asked for is so.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Answer {
    /// Attach, Detach, `PutBundle`, Remove, Sync, Quiesce, `PowerOff`, Room.
    #[n(0)]
    Done,
    /// Mount.
    #[n(1)]
    Mounted {
        /// What e2fsck said, where the disk had to be mended.
        #[n(0)]
        mended: Option<String>,
        /// Apps that were running and are being started.
        #[n(1)]
        apps: Vec<AppStatus>,
    },
    /// `HasBundle`.
    #[n(2)]
    Bundle {
        #[n(0)]
        present: bool,
    },
    /// Start, Stop, Restart.
    #[n(3)]
    App(#[n(0)] AppStatus),
    /// Exec.
    #[n(4)]
    Exited(#[n(0)] Exit),
    /// `ReadFile`: the length of the whole file.
    #[n(5)]
    File {
        #[n(0)]
        bytes: u64,
    },
    /// Apps.
    #[n(6)]
    Apps(#[n(0)] Vec<AppStatus>),
    /// Logs.
    #[n(7)]
    Lines(#[n(0)] Vec<Line>),
    /// Usage.
    #[n(8)]
    Usage(#[n(0)] Usage),
}

/// What the guest uses now.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Usage {
    /// Bytes of memory that programs and the kernel hold and could not give back.
    #[n(0)]
    pub memory_used: u64,
    #[n(1)]
    pub memory_total: u64,
    /// The load average over a minute, in hundredths.
    #[n(2)]
    pub load: u32,
    /// Of the data disk; both 0 before it is mounted.
    #[n(3)]
    pub disk_used: u64,
    #[n(4)]
    pub disk_total: u64,
    /// The running ones.
    #[n(5)]
    pub apps: Vec<AppUsage>,
}

/// What one app uses now.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct AppUsage {
    #[n(0)]
    pub name: String,
    /// Bytes.
    #[n(1)]
    pub memory: u64,
    /// Microseconds of processor time since it was started.
    #[n(2)]
    pub cpu: u64,
    #[n(3)]
    pub processes: u32,
}

/// What was asked for is not so.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Failure {
    /// There is no such app.
    #[n(0)]
    UnknownApp {
        #[n(0)]
        app: String,
    },
    /// The data disk is not mounted.
    #[n(1)]
    NotMounted,
    /// The data disk's file system is damaged, beyond what e2fsck mends unasked: its words.
    #[n(2)]
    DiskDamaged {
        #[n(0)]
        words: String,
    },
    /// The data disk has no room left.
    #[n(3)]
    DiskFull,
    /// The app needs layers that are not attached.
    #[n(4)]
    LayerMissing {
        #[n(0)]
        layers: Vec<LayerName>,
    },
    /// These apps use the layer.
    #[n(5)]
    LayerInUse {
        #[n(0)]
        apps: Vec<String>,
    },
    /// The agent does not have the bundle the app is to run.
    #[n(6)]
    BundleMissing,
    /// The bundle is not the one it was said to be, or no tar, or has what a bundle must not have.
    #[n(7)]
    BundleRefused {
        #[n(0)]
        reason: String,
    },
    /// It is asked for while these run.
    #[n(8)]
    AppsRunning {
        #[n(0)]
        apps: Vec<String>,
    },
    /// There is no such program, or it cannot be run.
    #[n(9)]
    NoProgram {
        #[n(0)]
        program: String,
        #[n(1)]
        reason: String,
    },
    /// There is no such file, or it may not be read.
    #[n(10)]
    NoFile {
        #[n(0)]
        reason: String,
    },
    /// The request itself cannot be: a bad name, a path that leaves the app. For a person.
    #[n(11)]
    Invalid {
        #[n(0)]
        reason: String,
    },
    /// More conversations than the agent holds at a time.
    #[n(12)]
    Busy,
    /// As asked.
    #[n(13)]
    Cancelled,
    /// Something else that the kernel refused. For a person.
    #[n(14)]
    System {
        #[n(0)]
        reason: String,
    },
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownApp { app } => write!(formatter, "there is no app \"{app}\""),
            Self::NotMounted => formatter.write_str("the data disk is not mounted"),
            Self::DiskDamaged { words } => {
                write!(formatter, "the data disk is damaged: {words}")
            }
            Self::DiskFull => formatter.write_str("the data disk is full"),
            Self::LayerMissing { layers } => {
                write!(formatter, "not installed: {}", layers.join(", "))
            }
            Self::LayerInUse { apps } => write!(formatter, "in use by {}", apps.join(", ")),
            Self::BundleMissing => formatter.write_str("the app's files are not in the guest"),
            Self::BundleRefused { reason } => write!(formatter, "the bundle is refused: {reason}"),
            Self::AppsRunning { apps } => write!(formatter, "still running: {}", apps.join(", ")),
            Self::NoProgram { program, reason } => {
                write!(formatter, "\"{program}\" cannot be run: {reason}")
            }
            Self::NoFile { reason } => write!(formatter, "the file cannot be read: {reason}"),
            Self::Invalid { reason } | Self::System { reason } => formatter.write_str(reason),
            Self::Busy => formatter.write_str("the agent has too much to do already"),
            Self::Cancelled => formatter.write_str("it was cancelled"),
        }
    }
}

impl std::error::Error for Failure {}

/// What the agent tells unasked.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Event {
    /// An app changed its state, or its process.
    #[n(0)]
    App(#[n(0)] AppStatus),
    /// An app wrote lines.
    #[n(1)]
    Log {
        #[n(0)]
        app: String,
        #[n(1)]
        lines: Vec<Line>,
    },
    /// An app is gone, with its files.
    #[n(2)]
    Removed {
        #[n(0)]
        app: String,
    },
}
