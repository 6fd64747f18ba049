//! Backend messages out of chunks that may end anywhere.

use std::{fmt, io};

use bytes::{Buf as _, Bytes, BytesMut};
use postgres_protocol::message::backend;

use super::{
    Message, Row,
    row::{COUNT_SIZE, Value, read_count},
};

/// A message's tag and length.
const HEADER_SIZE: usize = 5;

/// Why bytes are not messages of the protocol. Nothing after them can be trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Malformed {
    /// A length that no message of this kind has.
    Length { tag: u8, length: u32 },
    /// A row whose columns do not fill it.
    Row,
    /// A message that the protocol does not have, or whose fields are not as it says.
    Message(String),
}

impl fmt::Display for Malformed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length { tag, length } => {
                let tag = tag.escape_ascii();
                write!(formatter, "a message '{tag}' of {length} bytes")
            }
            Self::Row => formatter.write_str("a row whose columns do not fill it"),
            Self::Message(complaint) => formatter.write_str(complaint),
        }
    }
}

impl std::error::Error for Malformed {}

impl From<io::Error> for Malformed {
    fn from(error: io::Error) -> Self {
        Self::Message(error.to_string())
    }
}

/// Reads messages: [`Reader::push`] takes chunks, [`Reader::next`] gives messages until it needs
/// the next chunk.
///
/// **Invariant:** the messages do not depend on where the chunks end, except that a streaming
/// reader cuts [`Message::RowBytes`] where they do.
#[derive(Debug, Default)]
pub struct Reader {
    buffer: BytesMut,
    /// Bytes of a row's last column that are still to be passed on.
    passing: usize,
    streaming: bool,
    failed: Option<Malformed>,
}

impl Reader {
    /// A reader that gives rows whole.
    pub fn new() -> Self {
        Self::default()
    }

    /// A reader that passes the last column of every row on as it comes, so that a row of any size
    /// is read in the memory of one chunk.
    pub fn streaming() -> Self {
        Self {
            streaming: true,
            ..Self::default()
        }
    }

    /// Whether every byte pushed so far belongs to a message already given.
    pub fn is_between_messages(&self) -> bool {
        self.buffer.is_empty() && self.passing == 0
    }

    /// Takes the next chunk. Pull all messages before the next push, or chunks pile up.
    pub fn push(&mut self, chunk: Bytes) {
        if self.buffer.is_empty() {
            // No copy where nobody else holds the chunk.
            self.buffer = chunk
                .try_into_mut()
                .unwrap_or_else(|shared| BytesMut::from(&shared[..]));
        } else {
            self.buffer.extend_from_slice(&chunk);
        }
    }

    /// The next message; `None` until more bytes are pushed. After a failure it fails for ever.
    #[expect(clippy::should_implement_trait, reason = "None is not the end")]
    pub fn next(&mut self) -> Result<Option<Message>, Malformed> {
        if let Some(failure) = &self.failed {
            return Err(failure.clone());
        }
        self.parse()
            .inspect_err(|failure| self.failed = Some(failure.clone()))
    }

    fn parse(&mut self) -> Result<Option<Message>, Malformed> {
        if self.passing > 0 {
            return Ok(self.pass_on());
        }
        let Some((&[tag, length @ ..], body)) = self.buffer.split_first_chunk::<HEADER_SIZE>()
        else {
            return Ok(None);
        };
        let length = u32::from_be_bytes(length);
        let malformed = Malformed::Length { tag, length };
        // The length counts itself and not the tag; the protocol has it signed.
        let size = match usize::try_from(length) {
            Ok(size) if size >= 4 && i32::try_from(length).is_ok() => size - 4,
            _ => return Err(malformed),
        };
        let is_row = tag == backend::DATA_ROW_TAG;
        if !is_row && !may_have(tag, size) {
            return Err(malformed);
        }
        if is_row && self.streaming {
            return self.row_head(size);
        }
        if body.len() < size {
            return Ok(None);
        }
        if is_row {
            self.buffer.advance(HEADER_SIZE);
            let body = self.buffer.split_to(size).freeze();
            return Row::parse(body).map(|row| Some(Message::Row(row)));
        }
        let Some(message) = backend::Message::parse(&mut self.buffer)? else {
            return Err(malformed);
        };
        Ok(Some(Message::parse(message)?))
    }

    /// The columns of a row before its last, as soon as they are here.
    fn row_head(&mut self, size: usize) -> Result<Option<Message>, Malformed> {
        let body = &self.buffer[HEADER_SIZE..];
        let Some(count) = read_count(body) else {
            return if size < COUNT_SIZE {
                Err(Malformed::Row)
            } else {
                Ok(None)
            };
        };
        let mut columns = Vec::with_capacity(usize::from(count));
        let mut position = COUNT_SIZE;
        for _ in 0..count {
            let Some(value) = Value::parse(body, position)? else {
                // The length itself lies beyond the row's end: it will never come.
                return if position + 4 > size {
                    Err(Malformed::Row)
                } else {
                    Ok(None)
                };
            };
            if value.end > size {
                return Err(Malformed::Row);
            }
            columns.push(value.range);
            position = value.end;
        }
        if position != size {
            return Err(Malformed::Row);
        }
        let last = columns.pop().flatten().map(|range| range.len());
        let head_size = size - last.unwrap_or_default();
        if body.len() < head_size {
            return Ok(None);
        }
        self.buffer.advance(HEADER_SIZE);
        let storage = self.buffer.split_to(head_size).freeze();
        self.passing = last.unwrap_or_default();
        Ok(Some(Message::RowHead {
            earlier: Row::from_parts(storage, columns),
            last,
        }))
    }

    fn pass_on(&mut self) -> Option<Message> {
        let here = self.passing.min(self.buffer.len());
        if here == 0 {
            return None;
        }
        self.passing -= here;
        Some(Message::RowBytes(self.buffer.split_to(here).freeze()))
    }
}

/// Whether a message other than a row may be this large. A wrong length is found out at once
/// instead of after gigabytes of waiting.
fn may_have(tag: u8, size: usize) -> bool {
    match tag {
        backend::PARSE_COMPLETE_TAG
        | backend::BIND_COMPLETE_TAG
        | backend::CLOSE_COMPLETE_TAG
        | backend::EMPTY_QUERY_RESPONSE_TAG
        | backend::NO_DATA_TAG
        | backend::PORTAL_SUSPENDED_TAG
        | backend::COPY_DONE_TAG => size == 0,
        backend::READY_FOR_QUERY_TAG => size == 1,
        backend::COPY_DATA_TAG | backend::ERROR_RESPONSE_TAG | backend::NOTICE_RESPONSE_TAG => true,
        // A row has at most 1,664 columns with names of 63 bytes; the rest is smaller.
        backend::ROW_DESCRIPTION_TAG
        | backend::PARAMETER_DESCRIPTION_TAG
        | backend::PARAMETER_STATUS_TAG
        | backend::COMMAND_COMPLETE_TAG
        | backend::NOTIFICATION_RESPONSE_TAG
        | backend::AUTHENTICATION_TAG
        | backend::BACKEND_KEY_DATA_TAG
        | backend::COPY_IN_RESPONSE_TAG
        | backend::COPY_OUT_RESPONSE_TAG => size <= 1 << 20,
        _ => false,
    }
}
