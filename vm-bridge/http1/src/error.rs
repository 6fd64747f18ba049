//! Why bytes are not HTTP.

use std::fmt;

/// Why the other end's bytes are not a message of HTTP/1. The connection is of no use after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Malformed {
    /// The start line or a header line.
    Head(httparse::Error),
    /// A request for no host, or for two.
    Host,
    /// A head of more bytes or lines than are read.
    HeadTooLarge,
    /// A message that says its length twice, differently, or not as a number.
    Length,
    /// A coding of the transfer that is not `chunked`, or is so twice.
    Coding,
    /// A chunk whose size is none.
    Chunk,
    /// The stream ended within a message.
    Truncated,
    /// Bytes where no message was due.
    Unasked,
}

impl fmt::Display for Malformed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Head(error) => write!(formatter, "the head is malformed: {error}"),
            Self::Host => formatter.write_str("the request does not name its host once"),
            Self::HeadTooLarge => formatter.write_str("the head is too large"),
            Self::Length => formatter.write_str("the length of the body is contradictory"),
            Self::Coding => formatter.write_str("the coding of the body is not known"),
            Self::Chunk => formatter.write_str("a chunk of the body is malformed"),
            Self::Truncated => formatter.write_str("the connection ended before the message did"),
            Self::Unasked => formatter.write_str("there is more than was asked for"),
        }
    }
}

impl std::error::Error for Malformed {}

impl From<httparse::Error> for Malformed {
    fn from(error: httparse::Error) -> Self {
        match error {
            httparse::Error::TooManyHeaders => Self::HeadTooLarge,
            error => Self::Head(error),
        }
    }
}
