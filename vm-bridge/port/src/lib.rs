//! What crosses a MessagePort: frames, and the client's side of a conversation over them.
//!
//! One frame is one binary buffer, posted as a transferred `ArrayBuffer`. Every frame opens with the
//! protocol version, so two sides of different versions refuse each other and never misread.
//! Bodies cross as [`Frame::Body`] chunks under [`Frame::Credit`], in either direction: a slow
//! reader leaves the bytes where they were made.
//!
//! No I/O, no clock and no JavaScript here: a shell posts the buffers, and passes the time in.

pub mod client;
pub mod frame;
pub mod peer;

pub use client::{Client, Exchange, Limits, Lost, Output, PortId};
pub use frame::{Conversation, Failure, Frame, Malformed, Refusal, Storage, Welcome};

/// The version of the port protocol, the first two bytes (little-endian) of every frame.
///
/// **Invariant:** whatever changes in later versions, those two bytes stay.
pub const PROTOCOL: u16 = 1;

/// Bytes of a body that may be sent before the first [`Frame::Credit`].
pub const INITIAL_CREDIT: u32 = 1024 * 1024;

/// The longest body chunk in one frame.
pub const CHUNK: usize = 256 * 1024;

/// Milliseconds on any clock that does not run backwards. Only differences are meaningful.
pub type Milliseconds = u64;
