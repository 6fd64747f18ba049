//! Postgres wire protocol messages, built and parsed. No I/O here.
//!
//! [`Pipeline`] builds what goes to the server, [`Reader`] parses what comes back in chunks that
//! may end anywhere, and [`Messages`] drives a reader from an [`crate::world::Answer`].
//!
//! Source: PostgreSQL documentation, "Frontend/Backend Protocol", message formats.

mod answer;
mod error;
mod message;
mod pipeline;
mod reader;
mod row;

pub use answer::{AnswerError, Messages, StatementError, StatementResult, Statements};
pub use error::PgError;
pub use message::{ColumnDescription, Message, Notification, TransactionStatus};
pub use pipeline::{BuildError, Format, Parameter, Pipeline};
pub use reader::{Malformed, Reader};
pub use row::Row;

#[cfg(test)]
mod tests;
