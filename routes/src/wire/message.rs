//! Backend messages, as types.

use std::io;

use bytes::Bytes;
use fallible_iterator::FallibleIterator as _;
use postgres_protocol::{Oid, message::backend};

use super::{PgError, Row};

/// A message of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// The columns of the rows that follow.
    RowDescription(Vec<ColumnDescription>),
    /// A whole row. A streaming reader gives [`Message::RowHead`] instead.
    Row(Row),
    /// All columns of a row but the last, and the last one's length in bytes: `None` where it is
    /// NULL or the row has no columns. As many bytes follow as [`Message::RowBytes`].
    RowHead {
        earlier: Row,
        last: Option<usize>,
    },
    /// The next bytes of the last column; never empty.
    RowBytes(Bytes),
    /// A statement is done; its tag, as `INSERT 0 1`.
    CommandComplete(String),
    /// An empty statement is done.
    EmptyQuery,
    /// A statement without rows was described.
    NoData,
    ParseComplete,
    BindComplete,
    CloseComplete,
    PortalSuspended,
    /// The types of a statement's parameters.
    ParameterDescription(Vec<Oid>),
    /// A statement failed; the server skips to the next Sync.
    Error(Box<PgError>),
    Notice(Box<PgError>),
    /// `NOTIFY` on a channel that the session listens on.
    Notification(Notification),
    /// A setting that clients are told of has changed.
    ParameterStatus {
        name: String,
        value: String,
    },
    /// The server waits for the next message.
    ReadyForQuery(TransactionStatus),
    /// A `COPY … FROM STDIN` has begun. We never send data.
    CopyIn,
    /// A `COPY … TO STDOUT` has begun.
    CopyOut,
    CopyData(Bytes),
    CopyDone,
    /// The answers to a startup message: authentication and the cancellation key.
    Startup,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnDescription {
    pub name: String,
    /// The type's OID in `pg_type`.
    pub type_oid: Oid,
    /// `atttypmod`, as a length or a precision; -1 where there is none.
    pub type_modifier: i32,
    /// The table the column is from; 0 where it is an expression.
    pub table_oid: Oid,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    pub process_id: i32,
    pub channel: String,
    pub payload: String,
}

/// The session's state when the server is ready.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum TransactionStatus {
    #[default]
    Idle,
    /// A transaction is open.
    Open,
    /// A transaction is open and failed: only a rollback is answered.
    Failed,
}

impl Message {
    pub(super) fn parse(message: backend::Message) -> io::Result<Self> {
        use backend::Message as Wire;
        Ok(match message {
            Wire::RowDescription(body) => Self::RowDescription(
                body.fields()
                    .map(|field| {
                        Ok(ColumnDescription {
                            name: field.name().to_owned(),
                            type_oid: field.type_oid(),
                            type_modifier: field.type_modifier(),
                            table_oid: field.table_oid(),
                        })
                    })
                    .collect()?,
            ),
            Wire::CommandComplete(body) => Self::CommandComplete(body.tag()?.to_owned()),
            Wire::EmptyQueryResponse => Self::EmptyQuery,
            Wire::NoData => Self::NoData,
            Wire::ParseComplete => Self::ParseComplete,
            Wire::BindComplete => Self::BindComplete,
            Wire::CloseComplete => Self::CloseComplete,
            Wire::PortalSuspended => Self::PortalSuspended,
            Wire::ParameterDescription(body) => {
                Self::ParameterDescription(body.parameters().collect()?)
            }
            Wire::ErrorResponse(body) => Self::Error(Box::new(PgError::parse(body.fields())?)),
            Wire::NoticeResponse(body) => Self::Notice(Box::new(PgError::parse(body.fields())?)),
            Wire::NotificationResponse(body) => Self::Notification(Notification {
                process_id: body.process_id(),
                channel: body.channel()?.to_owned(),
                payload: body.message()?.to_owned(),
            }),
            Wire::ParameterStatus(body) => Self::ParameterStatus {
                name: body.name()?.to_owned(),
                value: body.value()?.to_owned(),
            },
            Wire::ReadyForQuery(body) => Self::ReadyForQuery(match body.status() {
                b'I' => TransactionStatus::Idle,
                b'T' => TransactionStatus::Open,
                b'E' => TransactionStatus::Failed,
                status => {
                    let complaint = format!("unknown transaction status {status}");
                    return Err(io::Error::new(io::ErrorKind::InvalidData, complaint));
                }
            }),
            Wire::CopyInResponse(_) => Self::CopyIn,
            Wire::CopyOutResponse(_) => Self::CopyOut,
            Wire::CopyData(body) => Self::CopyData(body.into_bytes()),
            Wire::CopyDone => Self::CopyDone,
            // The crate's enum is open: what is left belongs to the startup phase, which the
            // database worker has behind it.
            _ => Self::Startup,
        })
    }
}
