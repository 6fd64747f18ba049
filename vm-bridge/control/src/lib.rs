//! What the VM worker and the agent inside the guest say to each other, over one TCP connection.
//!
//! The worker dials the agent at [`PORT`]. Each way goes a sequence of frames: four bytes of length
//! (little-endian), then as many of CBOR. [`ToAgent`] and [`ToWorker`] are the two directions;
//! [`encode`] makes the bytes, a [`Decoder`] reads them however they were cut. No I/O and no clock.
//!
//! **Opening.** The worker's first frame is [`ToAgent::Hello`]. The agent answers
//! [`ToWorker::Hello`], or [`ToWorker::Refused`] and closes. Before its Hello was answered the worker
//! sends nothing else. A newer connection replaces the older one: the agent closes that, cancels
//! what was asked on it, and goes on running its apps.
//!
//! **Asking.** [`ToAgent::Ask`] begins a conversation, whose number the worker chooses and never uses
//! again on the connection. **Invariant:** every Ask is answered by exactly one
//! [`ToWorker::Answer`] or [`ToWorker::Failed`], the last frame of its conversation, also after
//! [`ToAgent::Cancel`]; and conversations do not wait for each other. Only one of them at a time
//! changes an app: the agent does what concerns one app in the order in which it was asked.
//!
//! **Streams.** A conversation has up to three, each named by the conversation and a [`Channel`]:
//! `Input` to the agent (standard input of a command, the tar of a bundle), `Output` and `Error` to
//! the worker (what a command or a file says). A stream is a row of chunks, the last one marked
//! `last` (and often empty); [`Request`] says which streams a conversation has. The agent sends the
//! last chunk of each before the answer.
//!
//! **Credit.** Of each stream at most [`INITIAL_CREDIT`] bytes may be sent unasked; the reader grants
//! more with `Credit` as it consumes them. [`Outgoing`] and [`Incoming`] keep the count at either
//! end. Who sends more than was granted breaks the protocol, and the connection ends.
//!
//! **Events.** [`ToWorker::Event`] come unasked: an app's state changed, an app wrote lines. They are
//! not under credit; the agent keeps few of them and drops log lines, counted, before it waits.

mod app;
mod codec;
mod flow;
mod message;
#[cfg(test)]
mod tests;

pub use app::{App, AppStatus, Digest, Exit, Limits, Line, NoDigest, Runtime, State, Stream};
pub use codec::{Decoder, Malformed, TooLong, encode};
pub use flow::{Incoming, Outgoing, Overrun};
pub use message::{
    Answer, AppUsage, Channel, Conversation, Event, Failure, Hello, LayerName, Pty, Refusal,
    Request, ToAgent, ToWorker, Usage, Welcome,
};

/// The version of this protocol, in both Hellos.
///
/// **Invariant:** whatever changes in later versions, a Hello stays variant 0 of its direction and
/// the version its first field, so that two of different versions can refuse each other.
pub const PROTOCOL: u16 = 1;

/// The TCP port the agent listens on. Below 1024, and the agent serves only connections from the
/// gateway's address, which no program in the guest has.
pub const PORT: u16 = 1;

/// The longest frame, without the four bytes of its length.
pub const MAX_FRAME: usize = 1024 * 1024;

/// The longest chunk of a stream.
pub const CHUNK: usize = 64 * 1024;

/// Bytes of a stream that may be sent before the first credit.
pub const INITIAL_CREDIT: u32 = 256 * 1024;

/// Log lines the agent keeps of each app, for [`Request::Logs`].
pub const LINES_KEPT: usize = 500;

/// Bytes of one log line; what is longer comes as several lines.
pub const LINE: usize = 8 * 1024;
