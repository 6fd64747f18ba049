//! Bodies of HTTP messages that cross a line.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures::{Stream, StreamExt as _, stream};

/// The body of a request or a response: chunks as they come. Dropping it before its end tells
/// whoever makes it to stop.
///
/// ```
/// use futures::{StreamExt as _, executor::block_on};
/// use port::peer::Body;
///
/// let mut body = Body::from("hello");
/// assert_eq!(block_on(body.next()), Some(Ok("hello".into())));
/// assert_eq!(block_on(body.next()), None);
/// assert!(Body::empty().is_empty());
/// ```
#[derive(Default)]
pub struct Body(Option<Chunks>);

type Chunks = Pin<Box<dyn Stream<Item = Result<Bytes, Interrupted>>>>;

/// Why a body ended before it was whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Interrupted {
    /// The other side of the line went away.
    Lost,
    /// Whoever made the body could not go on; for a person.
    Broken(String),
}

impl fmt::Display for Interrupted {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lost => formatter.write_str("the other side went away"),
            Self::Broken(reason) => formatter.write_str(reason),
        }
    }
}

impl std::error::Error for Interrupted {}

impl Body {
    /// No body at all.
    pub const fn empty() -> Self {
        Self(None)
    }

    /// A body that is in memory already.
    pub fn full(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        if bytes.is_empty() {
            Self::empty()
        } else {
            Self::stream(stream::iter([Ok(bytes)]))
        }
    }

    /// A body that arrives in chunks.
    pub fn stream(chunks: impl Stream<Item = Result<Bytes, Interrupted>> + 'static) -> Self {
        Self(Some(Box::pin(chunks)))
    }

    /// Whether it is known to have no byte. A stream may turn out to have none either.
    pub const fn is_empty(&self) -> bool {
        self.0.is_none()
    }
}

impl Stream for Body {
    type Item = Result<Bytes, Interrupted>;

    /// After its end or an error there is nothing more.
    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(chunks) = &mut self.0 else {
            return Poll::Ready(None);
        };
        let next = chunks.poll_next_unpin(context);
        if matches!(next, Poll::Ready(None | Some(Err(_)))) {
            self.0 = None;
        }
        next
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self::full(bytes)
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Self::full(text)
    }
}

impl From<&'static str> for Body {
    fn from(text: &'static str) -> Self {
        Self::full(text)
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(if self.is_empty() { "Empty" } else { "Stream" })
    }
}
