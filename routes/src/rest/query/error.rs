//! Why a query string was refused.

use http::StatusCode;

use crate::{ApiError, rest::payload::MAX_DEPTH};

use super::{
    failure::Failure,
    parse::{MAX_EMBEDS, MAX_LENGTH},
};

/// Why a query string was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QueryError {
    /// A parameter does not follow its grammar.
    Syntax {
        /// `"failed to parse filter (…)" (line 1, column 1)`
        message: String,
        /// `unexpected "x" expecting …`
        details: String,
    },
    /// A parameter is not UTF-8 once decoded.
    Encoding,
    /// A parameter holds a character that no Postgres text can hold.
    Nul,
    /// More than [`MAX_LENGTH`] bytes.
    TooLong,
    /// More than [`MAX_EMBEDS`] embeds.
    TooManyEmbeds,
    /// A value that nests deeper than [`MAX_DEPTH`], which Postgres might read as JSON.
    Depth,
}

impl QueryError {
    /// `subject` is the parameter, as `select parameter (id,name)`; `text` is what was parsed.
    pub(super) fn syntax(subject: &str, text: &str, failure: &Failure) -> Self {
        Self::Syntax {
            message: format!("\"failed to parse {subject}\" {}", failure.place(text)),
            details: failure.to_string(),
        }
    }

    const fn status(&self) -> StatusCode {
        match self {
            Self::Syntax { .. }
            | Self::Encoding
            | Self::Nul
            | Self::TooManyEmbeds
            | Self::Depth => StatusCode::BAD_REQUEST,
            Self::TooLong => StatusCode::URI_TOO_LONG,
        }
    }

    const fn code(&self) -> &'static str {
        match self {
            Self::Syntax { .. } | Self::TooLong | Self::TooManyEmbeds | Self::Depth => "PGRST100",
            Self::Encoding | Self::Nul => "22021",
        }
    }

    fn message(&self) -> String {
        match self {
            Self::Syntax { message, .. } => message.clone(),
            Self::Encoding => "invalid byte sequence for encoding \"UTF8\"".to_owned(),
            Self::Nul => "invalid byte sequence for encoding \"UTF8\": 0x00".to_owned(),
            Self::Depth => format!("A value nests deeper than {MAX_DEPTH} levels"),
            Self::TooManyEmbeds => {
                format!("The select parameter has more than {MAX_EMBEDS} embedded resources")
            }
            Self::TooLong => format!("The query string is longer than {MAX_LENGTH} bytes"),
        }
    }

    fn details(&self) -> Option<&str> {
        match self {
            Self::Syntax { details, .. } => Some(details),
            Self::Encoding | Self::Nul | Self::TooLong | Self::TooManyEmbeds | Self::Depth => None,
        }
    }
}

impl From<QueryError> for ApiError {
    fn from(error: QueryError) -> Self {
        let answer = Self::new(error.status(), error.code(), error.message());
        match error.details() {
            Some(details) => answer.details(details),
            None => answer,
        }
    }
}
