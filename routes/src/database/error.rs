//! Why statements did not run.

use std::fmt;

use http::StatusCode;

use crate::{
    ApiError,
    wire::{AnswerError, BuildError, PgError},
    world::Unavailable,
};

/// Why statements did not run, or nobody knows whether they did.
#[derive(Debug)]
pub enum DatabaseError {
    /// No answer, or none that makes sense.
    Answer(AnswerError),
    /// A value that no message can carry.
    Build(BuildError),
    /// Postgres refused.
    Refused(Box<PgError>),
    /// The transaction had ended before: nothing of it stayed.
    RolledBack,
}

impl DatabaseError {
    /// Postgres's five letters for what it refused.
    pub fn sqlstate(&self) -> Option<&str> {
        match self {
            Self::Refused(error) => Some(&error.sqlstate),
            Self::Answer(_) | Self::Build(_) | Self::RolledBack => None,
        }
    }

    /// Whether a table is not there: the database is not one that the gateway made.
    pub fn lacks_table(&self) -> bool {
        const UNDEFINED_TABLE: &str = "42P01";
        self.sqlstate() == Some(UNDEFINED_TABLE)
    }

    /// The constraint that a refused statement broke.
    pub fn constraint(&self) -> Option<&str> {
        match self {
            Self::Refused(error) => error.constraint.as_deref(),
            Self::Answer(_) | Self::Build(_) | Self::RolledBack => None,
        }
    }

    /// Why the database cannot be asked now, if that is it: a 503 that may be tried again.
    pub fn unavailable(&self) -> Option<&Unavailable> {
        match self {
            Self::Answer(AnswerError::Unavailable(unavailable)) => Some(unavailable),
            Self::Answer(_) | Self::Build(_) | Self::Refused(_) | Self::RolledBack => None,
        }
    }
}

impl fmt::Display for DatabaseError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answer(error) => error.fmt(formatter),
            Self::Build(error) => error.fmt(formatter),
            Self::Refused(error) => error.fmt(formatter),
            Self::RolledBack => formatter.write_str("the transaction was rolled back"),
        }
    }
}

impl std::error::Error for DatabaseError {}

impl From<DatabaseError> for ApiError {
    fn from(error: DatabaseError) -> Self {
        let failed =
            |message: String| Self::new(StatusCode::INTERNAL_SERVER_ERROR, "GW500", message);
        match error {
            DatabaseError::Answer(error) => error.into(),
            DatabaseError::Build(error) => error.into(),
            DatabaseError::Refused(error) => failed(error.to_string()),
            DatabaseError::RolledBack => failed(error.to_string()),
        }
    }
}

impl From<AnswerError> for DatabaseError {
    fn from(error: AnswerError) -> Self {
        Self::Answer(error)
    }
}

impl From<Unavailable> for DatabaseError {
    fn from(error: Unavailable) -> Self {
        Self::Answer(error.into())
    }
}

impl From<BuildError> for DatabaseError {
    fn from(error: BuildError) -> Self {
        Self::Build(error)
    }
}

impl From<Box<PgError>> for DatabaseError {
    fn from(error: Box<PgError>) -> Self {
        Self::Refused(error)
    }
}
