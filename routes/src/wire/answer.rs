//! An answer of the database, read message by message.

use std::{fmt, pin::Pin};

use bytes::Bytes;
use futures::{Stream, StreamExt as _, stream};

use super::{
    ColumnDescription, Malformed, Message, Notification, PgError, Reader, Row, TransactionStatus,
};
use crate::{
    body::{Body, BodyError},
    world::{Answer, Transaction, Unavailable},
};

/// Why an answer could not be read to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AnswerError {
    /// The database went away.
    Unavailable(Unavailable),
    /// The bytes are not the Postgres protocol.
    Malformed(Malformed),
    /// The answer ended in the middle of a message or before `ReadyForQuery`.
    Truncated,
}

impl fmt::Display for AnswerError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unavailable(unavailable) => write!(formatter, "{unavailable}"),
            Self::Malformed(malformed) => write!(formatter, "the database answered {malformed}"),
            Self::Truncated => formatter.write_str("the database's answer ended early"),
        }
    }
}

impl std::error::Error for AnswerError {}

impl From<Unavailable> for AnswerError {
    fn from(unavailable: Unavailable) -> Self {
        Self::Unavailable(unavailable)
    }
}

impl From<Malformed> for AnswerError {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed)
    }
}

/// The messages of one [`Answer`], in order. Dropping it drops the answer.
pub struct Messages {
    chunks: Pin<Box<dyn Stream<Item = Result<Bytes, Unavailable>>>>,
    reader: Reader,
    transaction: Transaction,
    /// The session's state at the last `ReadyForQuery`, if no message followed it.
    ready: Option<TransactionStatus>,
}

impl fmt::Debug for Messages {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Messages")
            .field("reader", &self.reader)
            .field("transaction", &self.transaction)
            .field("ready", &self.ready)
            .finish_non_exhaustive()
    }
}

impl Messages {
    /// Rows come whole.
    pub fn new(answer: Answer) -> Self {
        Self::with(answer, Reader::new())
    }

    /// Rows come as [`Message::RowHead`] and [`Message::RowBytes`].
    pub fn streaming(answer: Answer) -> Self {
        Self::with(answer, Reader::streaming())
    }

    fn with(answer: Answer, reader: Reader) -> Self {
        Self {
            chunks: answer.chunks,
            reader,
            transaction: answer.transaction,
            ready: None,
        }
    }

    /// The transaction that the exchange left open, if it did.
    pub fn transaction(&self) -> Transaction {
        self.transaction
    }

    /// The next message; `None` where the answer ended after a `ReadyForQuery`.
    pub async fn next(&mut self) -> Result<Option<Message>, AnswerError> {
        loop {
            if let Some(message) = self.reader.next()? {
                self.ready = match message {
                    Message::ReadyForQuery(status) => Some(status),
                    _ => None,
                };
                return Ok(Some(message));
            }
            match self.chunks.next().await {
                Some(chunk) => self.reader.push(chunk?),
                None if self.ready.is_some() && self.reader.is_between_messages() => {
                    return Ok(None);
                }
                None => return Err(AnswerError::Truncated),
            }
        }
    }

    /// The last column of a row as a body, after [`Message::RowHead`] said how many bytes it has.
    ///
    /// The body ends only when the whole answer has: an error after the row, as from a commit that
    /// failed, interrupts it, so that a client never takes a lost write for a whole answer.
    pub fn into_body(self, length: usize) -> Body {
        let chunks = stream::try_unfold((self, length), |(mut messages, left)| async move {
            loop {
                return match messages.next().await {
                    Ok(Some(Message::RowBytes(bytes))) if left > 0 => {
                        let left = left.saturating_sub(bytes.len());
                        Ok(Some((bytes, (messages, left))))
                    }
                    Ok(Some(Message::Error(error))) => {
                        Err(BodyError::Interrupted(error.to_string()))
                    }
                    Ok(Some(_)) => continue,
                    Ok(None) => Ok(None),
                    Err(error) => Err(BodyError::Interrupted(error.to_string())),
                };
            }
        });
        Body::Stream(Box::pin(chunks))
    }

    /// Reads the whole answer, statement by statement. Rows must come whole.
    pub async fn statements(mut self) -> Result<Statements, AnswerError> {
        let mut whole = Statements::default();
        while let Some(next) = self.until_ready().await? {
            whole.results.extend(next.results);
            whole.notifications.extend(next.notifications);
            whole.error = whole.error.or(next.error);
            whole.status = next.status;
        }
        Ok(whole)
    }

    /// What the statements up to the next `ReadyForQuery` answered: those of one Sync or of one
    /// simple query. `None` where the answer has ended. Rows must come whole.
    pub async fn until_ready(&mut self) -> Result<Option<Statements>, AnswerError> {
        let mut statements = Statements::default();
        let mut current = StatementResult::default();
        while let Some(message) = self.next().await? {
            match message {
                Message::RowDescription(columns) => current.columns = Some(columns),
                Message::Row(row) => current.rows.push(row),
                Message::Notice(notice) => current.notices.push(*notice),
                Message::CommandComplete(tag) => {
                    current.tag = tag;
                    statements.results.push(std::mem::take(&mut current));
                }
                Message::EmptyQuery => statements.results.push(std::mem::take(&mut current)),
                Message::Error(error) => {
                    // What the failed statement had said so far belongs to no result.
                    let failed = std::mem::take(&mut current);
                    statements.error.get_or_insert(StatementError {
                        error,
                        notices: failed.notices,
                    });
                }
                Message::Notification(notification) => statements.notifications.push(notification),
                Message::ReadyForQuery(status) => {
                    statements.status = status;
                    return Ok(Some(statements));
                }
                Message::RowHead { .. }
                | Message::RowBytes(_)
                | Message::NoData
                | Message::ParseComplete
                | Message::BindComplete
                | Message::CloseComplete
                | Message::PortalSuspended
                | Message::ParameterDescription(_)
                | Message::ParameterStatus { .. }
                | Message::CopyIn
                | Message::CopyOut
                | Message::CopyData(_)
                | Message::CopyDone
                | Message::Startup => {}
            }
        }
        Ok(None)
    }
}

/// What an exchange's statements answered, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Statements {
    /// The statements that succeeded. Those before an error in the same implicit transaction were
    /// rolled back all the same.
    pub results: Vec<StatementResult>,
    /// The first failure.
    pub error: Option<StatementError>,
    pub notifications: Vec<Notification>,
    /// The session's state in the end.
    pub status: TransactionStatus,
}

impl Statements {
    /// The results, unless a statement failed.
    pub fn all(self) -> Result<Vec<StatementResult>, Box<PgError>> {
        match self.error {
            None => Ok(self.results),
            Some(failure) => Err(failure.error),
        }
    }
}

/// One statement's answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StatementResult {
    /// `None` where the statement was not described or has no rows.
    pub columns: Option<Vec<ColumnDescription>>,
    pub rows: Vec<Row>,
    /// `SELECT 3`, `CREATE TABLE`; empty for an empty statement.
    pub tag: String,
    pub notices: Vec<PgError>,
}

/// The statement that failed, and what it had said before it did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatementError {
    pub error: Box<PgError>,
    pub notices: Vec<PgError>,
}
