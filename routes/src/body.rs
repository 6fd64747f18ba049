//! HTTP bodies: whole or streamed.

use std::{fmt, pin::Pin};

use bytes::{Bytes, BytesMut};
use futures::{Stream, StreamExt as _};

/// Chunks of a body as they come. Not `Send`: a service worker has one thread.
pub type Chunks = Pin<Box<dyn Stream<Item = Result<Bytes, BodyError>>>>;

/// The body of a request or a response.
#[derive(Default)]
pub enum Body {
    /// No body at all, as on 204 and 304.
    #[default]
    Empty,
    /// A body that is in memory already.
    Full(Bytes),
    /// A body that arrives in chunks; dropping it cancels the sender.
    Stream(Chunks),
}

/// Why a body ended before it was whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BodyError {
    /// The body is larger than the limit, in bytes.
    TooLarge { limit: usize },
    /// The other side went away.
    Interrupted(String),
}

impl fmt::Display for BodyError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { limit } => write!(formatter, "it is larger than {limit} bytes"),
            Self::Interrupted(reason) => write!(formatter, "it was interrupted: {reason}"),
        }
    }
}

impl std::error::Error for BodyError {}

impl Body {
    /// The body in chunks, whatever it is.
    pub fn into_chunks(self) -> Chunks {
        match self {
            Self::Empty => Box::pin(futures::stream::empty()),
            Self::Full(bytes) => Box::pin(futures::stream::iter([Ok(bytes)])),
            Self::Stream(chunks) => chunks,
        }
    }

    /// Reads the whole body, refusing more than `limit` bytes.
    pub async fn collect(self, limit: usize) -> Result<Bytes, BodyError> {
        let too_large = BodyError::TooLarge { limit };
        match self {
            Self::Empty => Ok(Bytes::new()),
            Self::Full(bytes) if bytes.len() > limit => Err(too_large),
            Self::Full(bytes) => Ok(bytes),
            Self::Stream(mut chunks) => {
                let mut whole = BytesMut::new();
                while let Some(chunk) = chunks.next().await {
                    let chunk = chunk?;
                    if whole.len() + chunk.len() > limit {
                        return Err(too_large);
                    }
                    whole.extend_from_slice(&chunk);
                }
                Ok(whole.freeze())
            }
        }
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        if bytes.is_empty() {
            Self::Empty
        } else {
            Self::Full(bytes)
        }
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Bytes::from(text).into()
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => formatter.write_str("Empty"),
            Self::Full(bytes) => write!(formatter, "Full({} bytes)", bytes.len()),
            Self::Stream(_) => formatter.write_str("Stream"),
        }
    }
}
