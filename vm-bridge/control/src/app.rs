//! Apps: what the worker says about one, and what the agent tells of it.

use std::fmt;
use std::str::FromStr;

use minicbor::{Decode, Encode};

/// A program of the owner's, to be kept running.
///
/// The agent gives every app `PORT`, `HOST`, `HOME`, `PATH`, `LANG`, `NODE_ENV`; `env` comes on top.
/// Its files are the bundle, at `/app`, which is also where it starts.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct App {
    /// 1 to 63 of `a-z`, `0-9`, `-`, `_`, beginning with a letter or a digit.
    #[n(0)]
    pub name: String,
    #[n(1)]
    pub runtime: Runtime,
    /// Where it is to listen, 1024 or above.
    #[n(2)]
    pub port: u16,
    /// Names and values; a later one replaces an earlier one of the same name.
    #[n(3)]
    pub env: Vec<(String, String)>,
    /// The layers it sees. They must be attached.
    #[n(4)]
    pub layers: Vec<String>,
    /// Which of its bundles it runs. The agent must have it: [`crate::Request::HasBundle`].
    #[n(5)]
    pub bundle: Digest,
    #[n(6)]
    pub limits: Limits,
    /// Whether mounting the data disk starts it again if it was running when that was last mounted.
    #[n(7)]
    pub autostart: bool,
}

/// What a program is made of.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Runtime {
    /// The files, served by nginx.
    #[n(0)]
    Static,
    /// `node <entry>`.
    #[n(1)]
    Node {
        #[n(0)]
        entry: String,
    },
    /// `next start`, of the `next` in the app's own `node_modules`.
    #[n(2)]
    Next,
    /// `python3 <entry>`.
    #[n(3)]
    Python {
        #[n(0)]
        entry: String,
    },
    /// The program and its arguments.
    #[n(4)]
    Command {
        #[n(0)]
        command: Vec<String>,
    },
}

/// What an app may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct Limits {
    /// Bytes of memory, of all its processes together.
    #[n(0)]
    pub memory: u64,
    /// Processes and threads.
    #[n(1)]
    pub processes: u32,
    /// 0 to 19, as `nice` has it.
    #[n(2)]
    pub nice: u8,
}

/// The SHA-256 of a bundle's tar.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct Digest(#[cbor(n(0), with = "minicbor::bytes")] pub [u8; 32]);

impl fmt::Display for Digest {
    /// 64 lower-case hexadecimal digits.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .iter()
            .try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

/// A text is not 64 lower-case hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoDigest;

impl fmt::Display for NoDigest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a SHA-256 is 64 lower-case hexadecimal digits")
    }
}

impl std::error::Error for NoDigest {}

impl FromStr for Digest {
    type Err = NoDigest;

    fn from_str(text: &str) -> Result<Self, NoDigest> {
        let digits = text.as_bytes();
        let mut bytes = [0; 32];
        if digits.len() != 2 * bytes.len() {
            return Err(NoDigest);
        }
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            for digit in pair {
                let value = match digit {
                    b'0'..=b'9' => digit - b'0',
                    b'a'..=b'f' => digit - b'a' + 10,
                    _ => return Err(NoDigest),
                };
                *byte = *byte << 4 | value;
            }
        }
        Ok(Self(bytes))
    }
}

/// How an app is.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct AppStatus {
    #[n(0)]
    pub name: String,
    #[n(1)]
    pub state: State,
    /// Its first process, while there is one.
    #[n(2)]
    pub pid: Option<u32>,
    /// When it came into this state, in Unix milliseconds by the guest's clock.
    #[n(3)]
    pub since: u64,
    /// How often the agent started it again since it was last asked to start it.
    #[n(4)]
    pub restarts: u32,
    /// How its last process ended, if one did.
    #[n(5)]
    pub exit: Option<Exit>,
    #[n(6)]
    pub port: u16,
    #[n(7)]
    pub bundle: Digest,
    #[n(8)]
    pub autostart: bool,
}

/// Where an app is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum State {
    /// It runs and does not listen on its port yet, or it ended and will be started again.
    #[n(0)]
    Starting,
    /// It listens on its port.
    #[n(1)]
    Running,
    /// It was asked to stop, or never to start.
    #[n(2)]
    Stopped,
    /// It ended too often in too short a time, or could not be started; it stays so until asked.
    #[n(3)]
    Crashed,
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub enum Exit {
    #[n(0)]
    Code {
        #[n(0)]
        code: u8,
    },
    #[n(1)]
    Signal {
        #[n(0)]
        signal: u8,
    },
    /// The kernel ended it because the app's memory was used up.
    #[n(2)]
    OutOfMemory,
}

impl fmt::Display for Exit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code { code } => write!(formatter, "exit code {code}"),
            Self::Signal { signal } => write!(formatter, "signal {signal}"),
            Self::OutOfMemory => formatter.write_str("out of memory"),
        }
    }
}

/// One line that an app wrote.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Line {
    /// When it was read, in Unix milliseconds by the guest's clock.
    #[n(0)]
    pub at: u64,
    #[n(1)]
    pub stream: Stream,
    /// Without its end; what is not UTF-8 is replaced.
    #[n(2)]
    pub text: String,
    /// How many lines were left out before this one, because they came too fast.
    #[n(3)]
    pub dropped: u32,
}

/// Where a line was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Stream {
    #[n(0)]
    Output,
    #[n(1)]
    Error,
    /// By the agent, about the app.
    #[n(2)]
    Agent,
}
