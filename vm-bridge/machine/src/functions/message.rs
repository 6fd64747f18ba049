//! What the supervisor and an isolate say to each other.
//!
//! An exchange is a request with its answer. Those that the supervisor begins, the function's own, have
//! even numbers; those that the isolate begins, its `fetch`es, odd ones. In an exchange each side sends
//! one body, of which no more is under way than the other side has given credit for. The same messages
//! in TypeScript: `static/src/functions/messages.ts`.

use std::rc::Rc;

use bytes::Bytes;

/// Names an exchange in its isolate; never used again.
pub type Exchange = u32;

/// Bytes of a body that may be sent before the first credit.
pub const WINDOW: usize = 256 * 1024;
/// The longest piece of a body.
pub const CHUNK: usize = 64 * 1024;

/// Names and values; each character of a value is the byte of the same number.
pub type Headers = Vec<(String, String)>;

/// A function's packages, where they are a module of their own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packages {
    /// Other packages have another one: the SHA-256 of their code, in base 64.
    pub name: String,
    /// None for an isolate that has it.
    pub code: Option<Rc<str>>,
}

/// What an isolate hears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToIsolate {
    /// Be this function. First, and once.
    Boot {
        /// A module, which imports nothing but its packages.
        code: String,
        packages: Option<Packages>,
        /// Static files by their paths.
        files: Vec<(String, Bytes)>,
        env: Vec<(String, String)>,
    },
    /// Somebody asks the function. With `upgrade`, for a WebSocket.
    Request {
        id: Exchange,
        method: String,
        url: String,
        headers: Headers,
        has_body: bool,
        upgrade: bool,
    },
    /// The answer to one of its fetches.
    Response {
        id: Exchange,
        status: u16,
        headers: Headers,
        has_body: bool,
    },
    /// One of its fetches has no answer.
    Refused {
        id: Exchange,
        message: String,
    },
    Chunk {
        id: Exchange,
        bytes: Bytes,
    },
    /// A body is whole.
    End {
        id: Exchange,
    },
    /// A body will not be whole.
    Broken {
        id: Exchange,
        message: String,
    },
    /// So much more of its body may be sent.
    Credit {
        id: Exchange,
        bytes: usize,
    },
    /// Nobody waits for its answer, or for the rest of it.
    Cancel {
        id: Exchange,
    },
    /// A message of a WebSocket.
    Text {
        id: Exchange,
        text: String,
    },
    Binary {
        id: Exchange,
        bytes: Bytes,
    },
    /// The WebSocket is closed.
    Close {
        id: Exchange,
        code: u16,
        reason: String,
        clean: bool,
    },
    /// Say that you are there.
    Ping,
    /// It ends soon: `beforeunload`, with this reason.
    Unload {
        reason: &'static str,
    },
}

/// What an isolate says, or the host that it runs on says of it.
#[derive(Debug, Clone, PartialEq)]
pub enum FromIsolate {
    /// It waits for requests.
    Ready,
    /// Its module did not run to its end.
    Failed(Thrown),
    Response {
        id: Exchange,
        status: u16,
        headers: Headers,
        has_body: bool,
    },
    /// It takes the WebSocket.
    Upgraded {
        id: Exchange,
        protocol: String,
    },
    /// It threw instead of an answer, or answered with what is none.
    Threw {
        id: Exchange,
        thrown: Thrown,
    },
    /// It asks, in the course of the exchange `of`, where it knows that.
    Fetch {
        id: Exchange,
        method: String,
        url: String,
        headers: Headers,
        has_body: bool,
        of: Option<Exchange>,
    },
    Chunk {
        id: Exchange,
        bytes: Bytes,
    },
    End {
        id: Exchange,
    },
    Broken {
        id: Exchange,
        thrown: Thrown,
    },
    Credit {
        id: Exchange,
        bytes: usize,
    },
    Cancel {
        id: Exchange,
    },
    Text {
        id: Exchange,
        text: String,
    },
    Binary {
        id: Exchange,
        bytes: Bytes,
    },
    Close {
        id: Exchange,
        code: Option<u16>,
        reason: String,
    },
    /// A line of its console; `of` as with `Fetch`.
    Log {
        level: Level,
        message: String,
        of: Option<Exchange>,
    },
    /// Nobody caught this.
    Uncaught(Thrown),
    /// It is there, and was busy for so many milliseconds of its life, where it knows that.
    Pong {
        cpu: Option<u64>,
    },
    /// It has done what it does at `Unload`.
    Unloaded,
    /// So many promises of `EdgeRuntime.waitUntil` are open.
    Waiting {
        count: usize,
    },
    /// Of the host: bytes that it takes.
    Memory {
        bytes: u64,
    },
    /// Of the host: it is no more.
    Gone(Gone),
}

/// What was thrown. The stack names places in the bundle.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Thrown {
    pub message: String,
    pub stack: Option<String>,
}

/// How an isolate ended by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Gone {
    /// It took more memory than it may.
    Memory,
    /// It computed for longer than it may without a pause.
    Cpu,
    /// For a person.
    Broke(String),
}

/// How much a line of a log matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    Debug,
    Info,
    Log,
    Warn,
    Error,
}

impl Level {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Log => "log",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }

    /// What is no level is an ordinary line.
    pub fn named(name: &str) -> Self {
        match name {
            "debug" | "trace" => Self::Debug,
            "info" => Self::Info,
            "warn" => Self::Warn,
            "error" => Self::Error,
            _ => Self::Log,
        }
    }
}

/// A count, of whatever JavaScript has for one.
pub(crate) fn whole(number: f64) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "what does not fit becomes what is nearest"
    )]
    let whole = number as u64;
    whole
}
