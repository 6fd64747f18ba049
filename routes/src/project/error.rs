//! Why a project cannot be served.

use std::fmt;

use http::StatusCode;

use crate::{
    ApiError,
    auth::keys::SigningKeysError,
    config::ConfigError,
    identity::VerifierError,
    schema::SchemaError,
    wire::{AnswerError, BuildError, PgError},
    world::Unavailable,
};

/// Why a project could not be loaded.
#[derive(Debug)]
pub enum LoadError {
    /// The database did not answer, or not in its protocol.
    Answer(AnswerError),
    /// The database refused a question.
    Database(Box<PgError>),
    /// The database answered less than was asked.
    Incomplete,
    /// The schema could not be read.
    Schema(SchemaError),
    /// A setting in the database is not what it may be.
    Config(ConfigError),
    /// The settings of tokens are not what they may be.
    Verifier(VerifierError),
    /// What signs access tokens is no key.
    SigningKeys(SigningKeysError),
}

impl LoadError {
    /// Whether nobody answered at all: then no request of this project can be served.
    pub(super) fn is_silence(&self) -> bool {
        matches!(
            self,
            Self::Answer(AnswerError::Unavailable(_))
                | Self::Schema(SchemaError::Answer(AnswerError::Unavailable(_)))
        )
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answer(error) => error.fmt(formatter),
            Self::Database(error) => error.fmt(formatter),
            Self::Incomplete => {
                formatter.write_str("The database has not all of the project's keys")
            }
            Self::Schema(error) => error.fmt(formatter),
            Self::Config(error) => error.fmt(formatter),
            Self::Verifier(error) => error.fmt(formatter),
            Self::SigningKeys(error) => error.fmt(formatter),
        }
    }
}

impl std::error::Error for LoadError {}

impl From<LoadError> for ApiError {
    fn from(error: LoadError) -> Self {
        let details = error.to_string();
        match error {
            LoadError::Answer(error) | LoadError::Schema(SchemaError::Answer(error)) => {
                error.into()
            }
            LoadError::Database(_) | LoadError::Schema(_) => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "PGRST002",
                "Could not query the database for the schema cache. Retrying.",
            )
            .details(details)
            .retry_after(),
            LoadError::Incomplete => Self::new(StatusCode::INTERNAL_SERVER_ERROR, "GW500", details),
            LoadError::Config(_) | LoadError::Verifier(_) | LoadError::SigningKeys(_) => Self::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "GW500",
                "A setting of the project is wrong",
            )
            .details(details),
        }
    }
}

impl From<AnswerError> for LoadError {
    fn from(error: AnswerError) -> Self {
        Self::Answer(error)
    }
}

impl From<Unavailable> for LoadError {
    fn from(error: Unavailable) -> Self {
        Self::Answer(error.into())
    }
}

impl From<BuildError> for LoadError {
    /// A setting with a NUL in it: the only text of ours that is not our own.
    fn from(_: BuildError) -> Self {
        Self::Config(ConfigError::Invalid {
            setting: "db-authenticator".to_owned(),
            expected: "the name of a role",
        })
    }
}

impl From<SchemaError> for LoadError {
    fn from(error: SchemaError) -> Self {
        Self::Schema(error)
    }
}

impl From<ConfigError> for LoadError {
    fn from(error: ConfigError) -> Self {
        Self::Config(error)
    }
}

impl From<SigningKeysError> for LoadError {
    fn from(error: SigningKeysError) -> Self {
        Self::SigningKeys(error)
    }
}

impl From<VerifierError> for LoadError {
    fn from(error: VerifierError) -> Self {
        Self::Verifier(error)
    }
}
