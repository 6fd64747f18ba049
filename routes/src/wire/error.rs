//! What Postgres says of a failure: the fields of `ErrorResponse` and `NoticeResponse`.

use std::{fmt, io};

use fallible_iterator::FallibleIterator as _;
use postgres_protocol::message::backend::ErrorFields;

/// An error or notice of the server.
///
/// Text that is not UTF-8 is kept as well as it can be shown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PgError {
    /// `ERROR`, `FATAL`, `PANIC`, `WARNING`, `NOTICE`, …: never translated.
    pub severity: String,
    /// The SQLSTATE, five characters.
    pub sqlstate: String,
    pub message: String,
    pub detail: Option<String>,
    pub hint: Option<String>,
    /// Where in the statement, in characters from 1.
    pub position: Option<u32>,
    /// Where in `internal_query`, in characters from 1.
    pub internal_position: Option<u32>,
    /// A statement that the server made, as one in a PL/pgSQL function.
    pub internal_query: Option<String>,
    /// The call stack, one entry a line.
    pub context: Option<String>,
    pub schema: Option<String>,
    pub table: Option<String>,
    pub column: Option<String>,
    pub data_type: Option<String>,
    pub constraint: Option<String>,
    /// The server's source file, line and routine.
    pub file: Option<String>,
    pub line: Option<u32>,
    pub routine: Option<String>,
}

impl PgError {
    /// Postgres in WASM may run out of JavaScript's stack before its own limit: it is made to roll
    /// back then, and has only an odd text for why (`static/src/database/stack.ts`). Here that gets
    /// the words which Postgres has for it.
    pub(super) fn parse(mut fields: ErrorFields<'_>) -> io::Result<Self> {
        let mut error = Self::default();
        let mut localized_severity = String::new();
        while let Some(field) = fields.next()? {
            let text = String::from_utf8_lossy(field.value_bytes()).into_owned();
            match field.type_() {
                b'S' => localized_severity = text,
                b'V' => error.severity = text,
                b'C' => error.sqlstate = text,
                b'M' => error.message = text,
                b'D' => error.detail = Some(text),
                b'H' => error.hint = Some(text),
                b'P' => error.position = text.parse().ok(),
                b'p' => error.internal_position = text.parse().ok(),
                b'q' => error.internal_query = Some(text),
                b'W' => error.context = Some(text),
                b's' => error.schema = Some(text),
                b't' => error.table = Some(text),
                b'c' => error.column = Some(text),
                b'd' => error.data_type = Some(text),
                b'n' => error.constraint = Some(text),
                b'F' => error.file = Some(text),
                b'L' => error.line = text.parse().ok(),
                b'R' => error.routine = Some(text),
                // The protocol asks that fields of a later version are ignored.
                _ => {}
            }
        }
        if error.severity.is_empty() {
            error.severity = localized_severity;
        }
        if error.sqlstate == "XX000" && error.message == "errstart was not called" {
            "54001".clone_into(&mut error.sqlstate);
            "stack depth limit exceeded".clone_into(&mut error.message);
        }
        Ok(error)
    }
}

impl fmt::Display for PgError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            severity,
            sqlstate,
            message,
            ..
        } = self;
        write!(formatter, "{severity}: {message} ({sqlstate})")
    }
}

impl std::error::Error for PgError {}
