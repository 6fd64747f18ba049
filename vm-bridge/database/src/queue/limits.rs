//! What the queue is told before it begins.

use port::Milliseconds;

/// How much and how long.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Exchanges that may wait.
    pub waiting: usize,
    /// Bytes of one exchange.
    pub exchange: usize,
    /// Bytes of all exchanges that wait.
    pub backlog: usize,
    /// Bytes of answers not yet taken, over which nothing new runs.
    pub unread: usize,
    /// For a reader to take something while there are more.
    pub stall: Milliseconds,
    /// For the next exchange of a held transaction.
    pub hold: Milliseconds,
    /// Exchanges that are made durable together, and how long the first of them waits for the others.
    pub group: usize,
    pub gather: Milliseconds,
    /// How long exchanges run one after the other before cancels and new ones are listened to.
    pub slice: Milliseconds,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            waiting: 2_000,
            exchange: 128 * 1024 * 1024,
            backlog: 256 * 1024 * 1024,
            unread: 256 * 1024 * 1024,
            stall: 30_000,
            hold: 5_000,
            group: 64,
            gather: 10,
            slice: 8,
        }
    }
}

/// What the queue is told about the database it serves.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The build of the worker.
    pub build: String,
    /// The Web Lock that the worker holds while it lives; empty: none.
    pub life: String,
    /// SQL that follows every reset of the session, where its start-up settings do not suffice.
    pub baseline: String,
    pub limits: Limits,
}
