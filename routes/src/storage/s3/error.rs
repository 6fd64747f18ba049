//! What the protocol refuses: a code, a message and a status of its own.

use http::{HeaderValue, Method, Response, StatusCode, header};

use super::{chunked::ChunkError, policy::PolicyError, signature::SignatureError, xml};
use crate::{Body, blobs::FileError, database::DatabaseError, storage::StorageError};

/// An answer that reports a failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct S3Error {
    pub status: StatusCode,
    pub code: &'static str,
    pub message: String,
}

impl S3Error {
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
        }
    }

    pub fn bad_request(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }

    pub fn missing_parameter(name: &str) -> Self {
        let message = format!("Missing Required Parameter {name}");
        Self::bad_request("MissingParameter", message)
    }

    pub fn invalid_parameter(name: &str) -> Self {
        Self::bad_request("InvalidParameter", format!("Invalid Parameter {name}"))
    }

    pub fn malformed_xml() -> Self {
        let message = "The XML you provided was not well-formed or did not validate";
        Self::bad_request("MalformedXML", message)
    }

    pub fn no_such_upload() -> Self {
        Self::new(StatusCode::NOT_FOUND, "NoSuchUpload", "Upload not found")
    }

    pub fn precondition_failed() -> Self {
        let message = "At least one of the preconditions you specified did not hold";
        Self::new(
            StatusCode::PRECONDITION_FAILED,
            "PreconditionFailed",
            message,
        )
    }

    pub fn too_large() -> Self {
        StorageError::too_large("object").into()
    }

    /// The answer to a request for `resource`.
    pub fn into_response(
        self,
        method: &Method,
        resource: &str,
        request_id: &str,
    ) -> Response<Body> {
        let error = xml::Error {
            resource,
            code: self.code,
            message: &self.message,
            request_id,
        };
        let body = match *method {
            Method::HEAD => Body::Empty,
            _ => Body::from(xml::document("Error", &error)),
        };
        let mut response = Response::new(body);
        *response.status_mut() = self.status;
        let kind = HeaderValue::from_static("application/xml; charset=utf-8");
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        response
    }
}

impl From<StorageError> for S3Error {
    fn from(error: StorageError) -> Self {
        Self::new(error.status, error.code.as_str(), error.message)
    }
}

impl From<DatabaseError> for S3Error {
    fn from(error: DatabaseError) -> Self {
        StorageError::from(error).into()
    }
}

impl From<FileError> for S3Error {
    fn from(error: FileError) -> Self {
        StorageError::from(error).into()
    }
}

impl From<SignatureError> for S3Error {
    fn from(error: SignatureError) -> Self {
        match error {
            SignatureError::Missing => {
                Self::new(StatusCode::FORBIDDEN, "AccessDenied", "Missing signature")
            }
            SignatureError::Invalid(text) => Self::bad_request("InvalidSignature", text),
            SignatureError::Denied(text) => Self::new(StatusCode::FORBIDDEN, "AccessDenied", text),
            SignatureError::Expired => {
                Self::bad_request("ExpiredToken", "The provided token has expired.")
            }
            SignatureError::Skewed => Self::new(
                StatusCode::FORBIDDEN,
                "RequestTimeTooSkewed",
                "The difference between the request time and the current time is too large.",
            ),
            SignatureError::Mismatch => Self::new(
                StatusCode::FORBIDDEN,
                "SignatureDoesNotMatch",
                "The request signature we calculated does not match the signature you provided. \
                 Check your key and signing method.",
            ),
        }
    }
}

impl From<PolicyError> for S3Error {
    fn from(error: PolicyError) -> Self {
        match error {
            PolicyError::Signature(error) => error.into(),
            PolicyError::Denied(text) => Self::new(StatusCode::FORBIDDEN, "AccessDenied", text),
        }
    }
}

impl From<ChunkError> for S3Error {
    fn from(error: ChunkError) -> Self {
        match error {
            ChunkError::Malformed(text) => Self::bad_request("InvalidRequest", text),
            ChunkError::TooLarge => Self::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "EntityTooLarge",
                "The chunk exceeded 8388608 bytes",
            ),
            ChunkError::Mismatch => SignatureError::Mismatch.into(),
        }
    }
}
