//! Why the schema could not be loaded.

use std::fmt;

use crate::{
    wire::{AnswerError, BuildError, PgError},
    world::Unavailable,
};

/// Why the schema could not be loaded.
#[derive(Debug)]
pub enum SchemaError {
    /// A schema's name cannot be sent to the database.
    Build(BuildError),
    /// The database could not be reached, or its answer could not be read.
    Answer(AnswerError),
    /// The database refused the question.
    Database(Box<PgError>),
    /// The database answered without the row that was asked for.
    NoAnswer,
    /// The facts are not what the question asks for.
    Malformed(serde_json::Error),
    /// The columns of a relation, by its oid, do not fit together.
    Columns(u32),
    /// A view's stored query, by the view's oid, is not written as Postgres writes it.
    View(u32),
}

impl fmt::Display for SchemaError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Build(error) => write!(formatter, "the names of the schemas: {error}"),
            Self::Answer(error) => error.fmt(formatter),
            Self::Database(error) => formatter.write_str(&error.message),
            Self::NoAnswer => formatter.write_str("the database said nothing about its schema"),
            Self::Malformed(error) => write!(formatter, "the facts about the schema: {error}"),
            Self::Columns(oid) => write!(formatter, "the columns of the relation with oid {oid}"),
            Self::View(oid) => write!(formatter, "the stored query of the view with oid {oid}"),
        }
    }
}

impl std::error::Error for SchemaError {}

impl From<BuildError> for SchemaError {
    fn from(error: BuildError) -> Self {
        Self::Build(error)
    }
}

impl From<AnswerError> for SchemaError {
    fn from(error: AnswerError) -> Self {
        Self::Answer(error)
    }
}

impl From<Unavailable> for SchemaError {
    fn from(error: Unavailable) -> Self {
        Self::Answer(AnswerError::Unavailable(error))
    }
}

impl From<Box<PgError>> for SchemaError {
    fn from(error: Box<PgError>) -> Self {
        Self::Database(error)
    }
}

impl From<serde_json::Error> for SchemaError {
    fn from(error: serde_json::Error) -> Self {
        Self::Malformed(error)
    }
}
