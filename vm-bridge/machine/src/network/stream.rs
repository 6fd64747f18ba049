//! A stream of bytes in two directions, with back-pressure in both.

use std::{
    fmt,
    future::{self, Future},
    task::{Context, Poll},
};

use bytes::Bytes;

use crate::surroundings::{Milliseconds, World, within};

/// Why a stream ended before its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Broken {
    /// The other end broke it off.
    Reset,
    /// The other end stopped answering.
    Silence,
}

impl fmt::Display for Broken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Reset => "the connection was reset",
            Self::Silence => "the other end does not answer any more",
        })
    }
}

impl std::error::Error for Broken {}

/// What a stream is made of. One task reads and one writes at a time; each is woken when it can go
/// on.
pub trait Connection {
    /// What has come, at least one byte; `None` once the other end has said its last.
    fn poll_read(&self, context: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Broken>>;

    /// Takes bytes off the front as there is room for them; ready once none is left.
    fn poll_write(&self, context: &mut Context<'_>, bytes: &mut Bytes) -> Poll<Result<(), Broken>>;

    /// Nothing more is written. What was written still arrives.
    fn finish(&self);
}

/// An open stream. Dropped before both directions have ended, it is broken off: the other end sees
/// a reset.
pub struct ByteStream(Box<dyn Connection>);

impl ByteStream {
    pub fn new(connection: impl Connection + 'static) -> Self {
        Self(Box::new(connection))
    }

    /// Waits for bytes; `None` once the other end has said its last.
    pub fn read(&self) -> impl Future<Output = Result<Option<Bytes>, Broken>> {
        future::poll_fn(|context| self.0.poll_read(context))
    }

    /// Writes all of it, as fast as the other end takes it.
    pub fn write(&self, mut bytes: Bytes) -> impl Future<Output = Result<(), Broken>> {
        future::poll_fn(move |context| self.0.poll_write(context, &mut bytes))
    }

    /// As [`ByteStream::read`], for a task that polls.
    pub fn poll_read(&self, context: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Broken>> {
        self.0.poll_read(context)
    }

    /// Takes bytes off the front of `bytes`; for a task that polls.
    pub fn poll_write(
        &self,
        context: &mut Context<'_>,
        bytes: &mut Bytes,
    ) -> Poll<Result<(), Broken>> {
        self.0.poll_write(context, bytes)
    }

    /// Says that nothing more is written.
    pub fn finish(&self) {
        self.0.finish();
    }

    /// Ends it in peace: what was written arrives, what still comes is thrown away, and after the
    /// limit it is broken off.
    pub async fn close(self, world: &World, limit: Milliseconds) {
        self.finish();
        let until_its_end = async { while let Ok(Some(_)) = self.read().await {} };
        // Whoever does not end by then is dropped with the stream.
        let _ = within(world, limit, until_its_end).await;
    }
}

impl fmt::Debug for ByteStream {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("ByteStream").finish_non_exhaustive()
    }
}
