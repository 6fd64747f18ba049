//! `localhost:5432` of the guest: the project's database.
//!
//! The database worker runs exchanges, each of whole messages up to a Sync or a Query, and resets its one
//! session between those of different clients. Here are connections as Postgres has them, made of that:
//! - Clients sign in with a password as the role of an app that was met.
//! - Before each exchange outside of a transaction the session is made the client's again: its role, its
//!   settings, the prepared statements that it uses.
//! - A transaction is held from one exchange to the next; the database gives it some seconds between two.
//! - A Flush is answered: what it stands for is run in a transaction that the next Sync commits.
//!
//! What cannot be had: LISTEN, `COPY FROM STDIN`, temporary tables and session locks beyond a
//! transaction, and an app that cannot break out of its role (see `guard`).

mod answer;
mod guard;
mod listener;
mod message;
mod roles;
mod serve;
mod session;
#[cfg(test)]
mod tests;

use std::pin::Pin;

use bytes::Bytes;
use futures::Stream;
use port::{Conversation, Exchange, Lost};

pub use listener::{Limits, Listening};
pub use roles::Roles;

/// Where the guest's programs find it.
pub const PORT: u16 = 5432;

/// An answer's bytes as they come. Dropped before its end, the exchange is cancelled.
pub type Answer = Pin<Box<dyn Stream<Item = Result<Bytes, Lost>>>>;

/// The database worker, as `port::Client` reaches it.
pub trait Database {
    /// Begins an exchange; the conversation is what a next one of the same transaction continues.
    fn exchange(&self, exchange: Exchange) -> (Conversation, Answer);
}
