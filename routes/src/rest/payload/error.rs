//! Why a body was refused.

use http::StatusCode;

use super::MAX_DEPTH;
use crate::ApiError;

/// Why a body was refused. Every one is a 400 with `PGRST102`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PayloadError {
    /// No JSON, or nothing at all where a relation is written.
    InvalidJson,
    /// JSON that nests deeper than [`MAX_DEPTH`].
    Depth,
    /// An array with something else than objects of the same keys.
    Keys,
    /// CSV whose records differ in length.
    Fields,
    /// CSV that breaks its grammar, with what came next.
    InvalidCsv { reason: &'static str, rest: String },
    /// A form or CSV that is not UTF-8.
    Encoding,
    /// A content type that the resource does not take.
    ContentType(String),
}

impl PayloadError {
    fn message(self) -> String {
        match self {
            Self::InvalidJson => "Empty or invalid json".to_owned(),
            Self::Depth => format!("The json nests deeper than {MAX_DEPTH} levels"),
            Self::Keys => "All object keys must match".to_owned(),
            Self::Fields => "All lines must have same number of fields".to_owned(),
            Self::InvalidCsv { reason, rest } => format!("parse error ({reason}) at {rest:?}"),
            Self::Encoding => "The body is not valid UTF-8".to_owned(),
            Self::ContentType(name) => format!("Content-Type not acceptable: {name}"),
        }
    }
}

impl From<PayloadError> for ApiError {
    fn from(error: PayloadError) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "PGRST102", error.message())
    }
}
