//! The network that a guest thinks it is on: Ethernet frames on one side, byte streams on the other.
//!
//! [`Stack`] is a machine without I/O. It is fed the guest's frames and gives frames for the guest;
//! between them it dials ports of the guest and listens on ports that the guest may call. TCP itself
//! is smoltcp's.
//!
//! The clock, randomness and the wire are arguments: two stacks joined in memory are a test.

mod device;
mod stack;

pub use device::WAITING;
pub use stack::{Datagram, DialError, Event, Failure, Received, Settings, Stack, StreamId};

/// Milliseconds on a clock that never goes back.
pub type Milliseconds = u64;
