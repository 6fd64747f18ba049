//! The shape of every error that leaves the API: `{"code","details","hint","message"}`.

use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use serde::Serialize;
use serde_json::Value;

use crate::{
    Body,
    body::BodyError,
    wire::{AnswerError, BuildError},
    world::Unavailable,
};

/// An answer that reports a failure, in PostgREST's shape.
///
/// Each stage has a typed error of its own that converts into this one at the stage's border.
#[derive(Debug, Clone, PartialEq)]
pub struct ApiError {
    /// The HTTP status.
    pub status: StatusCode,
    /// A `PGRST…` code or an SQLSTATE.
    pub code: String,
    /// What went wrong, for a person.
    pub message: String,
    /// More about it: text, or JSON where PostgREST sends JSON.
    pub details: Option<Value>,
    /// What to do about it.
    pub hint: Option<String>,
    /// Headers beside the body, such as `WWW-Authenticate` and `Retry-After`.
    pub headers: HeaderMap,
}

#[derive(Serialize)]
struct Shape<'a> {
    code: &'a str,
    details: &'a Option<Value>,
    hint: &'a Option<String>,
    message: &'a str,
}

impl ApiError {
    /// An error without details, hint or headers.
    pub fn new(status: StatusCode, code: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            status,
            code: code.into(),
            message: message.into(),
            details: None,
            hint: None,
            headers: HeaderMap::new(),
        }
    }

    /// Adds details.
    #[must_use]
    pub fn details(mut self, details: impl Into<Value>) -> Self {
        self.details = Some(details.into());
        self
    }

    /// Adds a hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.append(name, value);
        self
    }

    /// Tells the client to come again in a second.
    #[must_use]
    pub fn retry_after(self) -> Self {
        self.header(header::RETRY_AFTER, HeaderValue::from_static("1"))
    }

    /// The response, with the error as JSON.
    pub fn into_response(self) -> Response<Body> {
        let shape = Shape {
            code: &self.code,
            details: &self.details,
            hint: &self.hint,
            message: &self.message,
        };
        let body = serde_json::to_string(&shape).unwrap_or_default();
        let length = body.len();
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        response.headers_mut().insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json; charset=utf-8"),
        );
        response
            .headers_mut()
            .insert(header::CONTENT_LENGTH, length.into());
        // RFC 9209; a code that a function raised may be no header's text.
        if let Ok(status) = HeaderValue::from_str(&format!("PostgREST; error={}", self.code)) {
            response
                .headers_mut()
                .insert(HeaderName::from_static("proxy-status"), status);
        }
        response
    }
}

impl From<Unavailable> for ApiError {
    fn from(unavailable: Unavailable) -> Self {
        let error = |code| {
            Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                code,
                unavailable.to_string(),
            )
        };
        match unavailable {
            Unavailable::NoOwner | Unavailable::OwnerLost | Unavailable::Version { .. } => {
                error("PGRST001").retry_after()
            }
            Unavailable::Deadline | Unavailable::Busy => error("PGRST003").retry_after(),
            // No retry mends it: a person has to read it.
            Unavailable::Broken(_) => error("PGRST000"),
        }
    }
}

impl From<BuildError> for ApiError {
    fn from(error: BuildError) -> Self {
        let (status, code) = match error {
            BuildError::Nul => (StatusCode::BAD_REQUEST, "22021"),
            BuildError::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "54000"),
        };
        Self::new(status, code, error.to_string())
    }
}

impl From<AnswerError> for ApiError {
    fn from(error: AnswerError) -> Self {
        match error {
            AnswerError::Unavailable(unavailable) => unavailable.into(),
            AnswerError::Malformed(_) | AnswerError::Truncated => Self::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "PGRSTX00",
                error.to_string(),
            ),
        }
    }
}

impl From<BodyError> for ApiError {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::TooLarge { limit } => Self::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "GW413",
                format!("The request body is larger than {limit} bytes"),
            ),
            BodyError::Interrupted(reason) => Self::new(
                StatusCode::BAD_REQUEST,
                "GW400",
                "The request body ended before it was whole",
            )
            .details(reason),
        }
    }
}
