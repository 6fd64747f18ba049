//! Why something was not done about a function.

use http::{HeaderValue, StatusCode, header};

use super::logs::LineError;
use crate::{
    ApiError,
    apps::{
        error::{AppError, unavailable},
        settings::SettingsError,
    },
    blobs::FileError,
    body::BodyError,
    bundle::{BundleError, form::FormError},
    database::DatabaseError,
    world::{SealError, Unavailable},
};

/// Why something was not done about a function: one variant for each answer.
#[derive(Debug)]
pub enum FunctionError {
    /// 404.
    Unknown(String),
    /// 404: the function has no such version.
    Version {
        name: String,
        version: u32,
    },
    /// 400: no function has such a name.
    Name(String),
    /// 400; the text is for a person.
    Request(String),
    Settings(SettingsError),
    Bundle(BundleError),
    Line(LineError),
    /// 405, with the methods that there are.
    Method(&'static str),
    /// 501: nothing here keeps files.
    NoPlace,
    /// 501, or 500: a secret cannot be kept.
    Seal(SealError),
    /// 404: the database is not one that the gateway made.
    NoTable,
    Database(DatabaseError),
    /// Nobody runs functions, or does not answer.
    Unavailable(Unavailable),
    /// Who asks may not.
    Refused(ApiError),
    Body(BodyError),
}

macro_rules! from {
    ($($error:ident => $variant:ident),*) => {
        $(impl From<$error> for FunctionError {
            fn from(error: $error) -> Self {
                Self::$variant(error)
            }
        })*
    };
}

from!(
    SettingsError => Settings,
    BundleError => Bundle,
    LineError => Line,
    SealError => Seal,
    ApiError => Refused,
    BodyError => Body,
    Unavailable => Unavailable
);

impl From<FileError> for FunctionError {
    fn from(error: FileError) -> Self {
        Self::Bundle(error.into())
    }
}

impl From<FormError> for FunctionError {
    fn from(error: FormError) -> Self {
        match error {
            FormError::Request(message) => Self::Request(message),
            FormError::Body(error) => Self::Body(error),
        }
    }
}

impl From<AppError> for FunctionError {
    fn from(error: AppError) -> Self {
        match error {
            AppError::NoTable => Self::NoTable,
            error => Self::Refused(error.into()),
        }
    }
}

impl From<DatabaseError> for FunctionError {
    fn from(error: DatabaseError) -> Self {
        if error.lacks_table() {
            Self::NoTable
        } else {
            Self::Database(error)
        }
    }
}

impl From<FunctionError> for ApiError {
    fn from(error: FunctionError) -> Self {
        let answer = |status, code, message: String| Self::new(status, code, message);
        let refuse = |message| answer(StatusCode::BAD_REQUEST, "GW400", message);
        let missing = |message| answer(StatusCode::NOT_FOUND, "GW404", message);
        match error {
            FunctionError::Unknown(name) => missing(format!("There is no function {name}")),
            FunctionError::Version { name, version } => {
                missing(format!("{name} has no version {version}"))
            }
            FunctionError::NoTable => missing(
                "The project's database is not the gateway's: it has no functions".to_owned(),
            ),
            FunctionError::Name(name) => refuse(format!("{name:?} is no name of a function")).hint(
                "A name is letters, digits, dashes and underscores, at most 48, and begins with a letter",
            ),
            FunctionError::Request(message) => refuse(message),
            FunctionError::Settings(error) => refuse(error.to_string()),
            FunctionError::Line(error) => refuse(error.to_string()),
            FunctionError::Bundle(error) => error.into(),
            FunctionError::Method(allowed) => answer(
                StatusCode::METHOD_NOT_ALLOWED,
                "GW405",
                "This method is not allowed here".to_owned(),
            )
            .header(header::ALLOW, HeaderValue::from_static(allowed)),
            FunctionError::NoPlace => answer(
                StatusCode::NOT_IMPLEMENTED,
                "GW501",
                "Nothing here keeps the files of functions".to_owned(),
            ),
            FunctionError::Seal(error @ SealError::NoKey) => {
                answer(StatusCode::NOT_IMPLEMENTED, "GW501", error.to_string())
            }
            FunctionError::Seal(error @ SealError::Failed(_)) => answer(
                StatusCode::INTERNAL_SERVER_ERROR,
                "GW500",
                error.to_string(),
            ),
            FunctionError::Database(error) => error.into(),
            FunctionError::Unavailable(error) => unavailable(&error),
            FunctionError::Refused(error) => error,
            FunctionError::Body(error) => error.into(),
        }
    }
}
