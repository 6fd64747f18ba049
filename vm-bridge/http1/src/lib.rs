//! HTTP/1.1 over a stream of bytes, both ways round.
//!
//! [`Client`] asks the guest's programs, [`Server`] answers them; each is a machine for one
//! connection, without I/O: bytes in, bytes and events out. Heads are read by httparse.
//!
//! **Invariant:** what the events say does not depend on where the chunks of bytes end, except that
//! a body's bytes come in pieces.
//!
//! Source: RFC 9110 and RFC 9112.

mod body;
mod client;
mod error;
mod head;
mod server;
#[cfg(test)]
mod tests;

pub use body::Length;
pub use client::{Client, Event};
pub use error::Malformed;
pub use server::{Asked, Server};
