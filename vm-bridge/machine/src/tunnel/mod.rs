//! Messages between a page and the guest: those of a `WebSocket`, and the terminal's.
//!
//! A service worker sees no `WebSocket`, so a page's shim sends its messages over a MessagePort that
//! crosses with a request. The shell makes a [`Tunnel`] of that port.

mod frames;
pub(crate) mod terminal;
#[cfg(test)]
mod tests;
pub(crate) mod websocket;

use std::{fmt, pin::Pin};

use bytes::Bytes;
use futures::Stream;

/// What the page says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FromPage {
    Text(String),
    Binary(Bytes),
    Close {
        code: Option<u16>,
        reason: String,
    },
    /// The terminal has another size, in characters.
    Resize {
        columns: u16,
        rows: u16,
    },
}

/// What the page hears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToPage {
    /// With the protocol that was chosen, or none.
    Open {
        protocol: String,
    },
    Text(String),
    Binary(Bytes),
    /// Nothing follows.
    Close {
        code: u16,
        reason: String,
        clean: bool,
    },
}

/// A page at the other end of a port.
pub struct Tunnel {
    /// Ends where the page is gone.
    pub incoming: Pin<Box<dyn Stream<Item = FromPage>>>,
    pub post: Box<dyn Fn(ToPage)>,
}

impl fmt::Debug for Tunnel {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Tunnel").finish_non_exhaustive()
    }
}
