//! Frames to bytes and back.

use std::convert::Infallible;
use std::fmt;
use std::marker::PhantomData;

use minicbor::{Decode, Encode};

use crate::{MAX_FRAME, PROTOCOL};

const PREFIX: usize = 4;

/// A message that is longer than [`MAX_FRAME`]. Nothing of it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooLong {
    pub bytes: usize,
}

impl fmt::Display for TooLong {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "a message of {} bytes is longer than {MAX_FRAME}",
            self.bytes
        )
    }
}

impl std::error::Error for TooLong {}

/// Why bytes are not frames of this protocol. The connection is of no use after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Malformed {
    /// The first frame is a Hello of another version. Nothing else of it was looked at.
    Version { theirs: u16 },
    /// A frame that says to be longer than [`MAX_FRAME`].
    Length(u32),
    /// A frame that is no message; what minicbor says.
    Message(String),
    /// A frame that goes on after its message.
    Trailing,
}

impl fmt::Display for Malformed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version { theirs } => {
                write!(
                    formatter,
                    "the other end speaks protocol {theirs}, not {PROTOCOL}"
                )
            }
            Self::Length(length) => write!(formatter, "a frame says to be {length} bytes long"),
            Self::Message(reason) => write!(formatter, "a frame is no message: {reason}"),
            Self::Trailing => formatter.write_str("a frame goes on after its message"),
        }
    }
}

impl std::error::Error for Malformed {}

/// Appends one frame to what is to be sent.
pub fn encode<M: Encode<()>>(message: &M, bytes: &mut Vec<u8>) -> Result<(), TooLong> {
    let begin = bytes.len();
    bytes.extend([0; PREFIX]);
    let written: Result<(), minicbor::encode::Error<Infallible>> =
        minicbor::encode(message, &mut *bytes);
    let length = bytes.len() - begin - PREFIX;
    match u32::try_from(length) {
        // A vector takes every write, and no message here has a field that cannot be encoded.
        Ok(prefix) if length <= MAX_FRAME && written.is_ok() => {
            bytes[begin..begin + PREFIX].copy_from_slice(&prefix.to_le_bytes());
            Ok(())
        }
        _ => {
            bytes.truncate(begin);
            Err(TooLong { bytes: length })
        }
    }
}

/// Reads the frames of one connection: [`ToAgent`](crate::ToAgent) or
/// [`ToWorker`](crate::ToWorker).
///
/// **Invariant:** what comes out does not depend on where the pieces of bytes end. After an error
/// it only ever repeats it.
///
/// ```
/// let mut bytes = Vec::new();
/// let sync = control::ToAgent::Ask {
///     conversation: control::Conversation(1),
///     request: control::Request::Sync,
/// };
/// control::encode(&sync, &mut bytes).unwrap();
/// let mut decoder = control::Decoder::new();
/// decoder.push(&bytes[..3]);
/// assert_eq!(decoder.poll(), Ok(None::<control::ToAgent>));
/// decoder.push(&bytes[3..]);
/// assert_eq!(decoder.poll(), Ok(Some(sync)));
/// ```
#[derive(Debug)]
pub struct Decoder<M> {
    buffer: Vec<u8>,
    /// The frames before it were given out.
    begin: usize,
    /// Whether a frame was read already.
    opened: bool,
    failed: Option<Malformed>,
    message: PhantomData<fn() -> M>,
}

impl<M> Default for Decoder<M> {
    fn default() -> Self {
        Self {
            buffer: Vec::new(),
            begin: 0,
            opened: false,
            failed: None,
            message: PhantomData,
        }
    }
}

impl<M: for<'b> Decode<'b, ()>> Decoder<M> {
    pub fn new() -> Self {
        Self::default()
    }

    /// The next bytes of the connection. Whoever polls until `None` after each piece keeps less than
    /// one frame and one piece here.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.failed.is_none() {
            self.buffer.drain(..self.begin);
            self.begin = 0;
            self.buffer.extend_from_slice(bytes);
        }
    }

    /// The next frame, or `None` until more bytes come.
    pub fn poll(&mut self) -> Result<Option<M>, Malformed> {
        if let Some(malformed) = &self.failed {
            return Err(malformed.clone());
        }
        let polled = self.read();
        if let Err(malformed) = &polled {
            self.failed = Some(malformed.clone());
            self.buffer = Vec::new();
            self.begin = 0;
        }
        polled
    }

    /// Whether the connection may end here: no frame is half read.
    pub fn is_between_frames(&self) -> bool {
        self.failed.is_none() && self.buffer.len() == self.begin
    }

    fn read(&mut self) -> Result<Option<M>, Malformed> {
        let waiting = &self.buffer[self.begin..];
        let Some((prefix, rest)) = waiting.split_first_chunk::<PREFIX>() else {
            return Ok(None);
        };
        let prefix = u32::from_le_bytes(*prefix);
        let length = match usize::try_from(prefix) {
            Ok(length) if length <= MAX_FRAME => length,
            _ => return Err(Malformed::Length(prefix)),
        };
        let Some(frame) = rest.get(..length) else {
            return Ok(None);
        };
        match version(frame) {
            Some(theirs) if !self.opened && theirs != PROTOCOL => {
                return Err(Malformed::Version { theirs });
            }
            _ => self.opened = true,
        }
        let mut decoder = minicbor::Decoder::new(frame);
        let message = decoder
            .decode()
            .map_err(|error| Malformed::Message(error.to_string()))?;
        if decoder.position() != frame.len() {
            return Err(Malformed::Trailing);
        }
        self.begin += PREFIX + length;
        Ok(Some(message))
    }
}

/// The version in a frame that is a Hello, of whatever version: variant 0, whose one field is a
/// record that begins with the version.
fn version(frame: &[u8]) -> Option<u16> {
    let mut decoder = minicbor::Decoder::new(frame);
    decoder.array().ok()?;
    if decoder.u32().ok()? != 0 {
        return None;
    }
    decoder.array().ok()?;
    decoder.array().ok()?;
    decoder.u16().ok()
}
