//! The switch: whatever the guest is reached by, its ports are dialled and ports for it listened on.
//!
//! [`Frames`] makes streams out of Ethernet frames, [`Calls`] out of the calls of an engine's guest; both
//! are a [`Switch`] over a machine without I/O.

use std::{
    any::Any,
    fmt,
    task::{Context, Poll},
};

use futures::{StreamExt as _, channel::mpsc::UnboundedReceiver, future::LocalBoxFuture};

mod calls;
pub mod dns;
mod frames;
mod stream;
mod switch;
#[cfg(test)]
mod tests;

pub use calls::Calls;
pub use frames::{Frames, Resolver, Wire};
pub use stream::{Broken, ByteStream, Connection};
pub use switch::{Machine, Switch};

/// A guest's network.
pub trait Network {
    /// Calls a port of the guest.
    fn dial(&self, port: u16) -> LocalBoxFuture<'static, Result<ByteStream, Unreached>>;

    /// Accepts what the guest calls on `port`, until the listener is dropped. A second listener on
    /// a port takes the place of the first.
    fn listen(&self, port: u16) -> Listener;
}

/// The calls that came in, in order.
pub struct Listener {
    pub(crate) calls: UnboundedReceiver<ByteStream>,
    /// Dropped with the listener: the port is closed then.
    pub(crate) _port: Box<dyn Any>,
}

impl Listener {
    /// The next call; `None` where the network is gone.
    pub async fn accept(&mut self) -> Option<ByteStream> {
        self.calls.next().await
    }

    /// As [`Listener::accept`], for a task that polls.
    pub fn poll_accept(&mut self, context: &mut Context<'_>) -> Poll<Option<ByteStream>> {
        self.calls.poll_next_unpin(context)
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Listener").finish_non_exhaustive()
    }
}

/// Why a port of the guest was not reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unreached {
    /// Nobody listens on it.
    Refused,
    /// The guest does not answer.
    Silence,
    /// As many streams are open as may be.
    TooMany,
}

impl fmt::Display for Unreached {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Refused => "nobody listens on the port",
            Self::Silence => "the guest does not answer",
            Self::TooMany => "too many connections to the guest are open",
        })
    }
}

impl std::error::Error for Unreached {}
