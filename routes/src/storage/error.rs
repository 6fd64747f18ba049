//! storage-api's errors: what a client may be told, in its words.
//!
//! Source: supabase/storage, `src/internal/errors/codes.ts` and `src/http/error-handler.ts`. The HTTP
//! status is 400 for whatever the client can mend and 500 for the rest; the status that is meant
//! stands in the body. S3 and TUS answer with the status itself.

use http::{HeaderValue, Response, StatusCode, header};
use serde_json::json;

use crate::{
    Body,
    blobs::{FileError, WriteError},
    body::BodyError,
    database::DatabaseError,
    identity::IdentityError,
    wire::{AnswerError, PgError},
    world::Unavailable,
};

/// The `code` of an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorCode {
    NoSuchBucket,
    NoSuchKey,
    NoSuchUpload,
    InvalidJwt,
    InvalidRequest,
    EntityTooLarge,
    InternalError,
    ResourceAlreadyExists,
    ResourceNotEmpty,
    InvalidBucketName,
    InvalidKey,
    InvalidRange,
    InvalidMimeType,
    InvalidUploadId,
    KeyAlreadyExists,
    BucketAlreadyExists,
    DatabaseTimeout,
    DatabaseReadOnly,
    DatabaseInvalidObjectDefinition,
    DatabaseSchemaMismatch,
    DatabaseError,
    TransactionError,
    InvalidSignature,
    ExpiredToken,
    SignatureDoesNotMatch,
    AccessDenied,
    ResourceLocked,
    MissingContentLength,
    MissingParameter,
    InvalidParameter,
    InvalidUploadSignature,
    S3InvalidAccessKeyId,
    InvalidChecksum,
    MissingPart,
    SlowDown,
    TusError,
    Aborted,
    NotSupported,
    FeatureNotEnabled,
}

impl ErrorCode {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoSuchBucket => "NoSuchBucket",
            Self::NoSuchKey => "NoSuchKey",
            Self::NoSuchUpload => "NoSuchUpload",
            Self::InvalidJwt => "InvalidJWT",
            Self::InvalidRequest => "InvalidRequest",
            Self::EntityTooLarge => "EntityTooLarge",
            Self::InternalError => "InternalError",
            Self::ResourceAlreadyExists => "ResourceAlreadyExists",
            Self::ResourceNotEmpty => "ResourceNotEmpty",
            Self::InvalidBucketName => "InvalidBucketName",
            Self::InvalidKey => "InvalidKey",
            Self::InvalidRange => "InvalidRange",
            Self::InvalidMimeType => "InvalidMimeType",
            Self::InvalidUploadId => "InvalidUploadId",
            Self::KeyAlreadyExists => "KeyAlreadyExists",
            Self::BucketAlreadyExists => "BucketAlreadyExists",
            Self::DatabaseTimeout => "DatabaseTimeout",
            Self::DatabaseReadOnly => "DatabaseReadOnly",
            Self::DatabaseInvalidObjectDefinition => "DatabaseInvalidObjectDefinition",
            Self::DatabaseSchemaMismatch => "DatabaseSchemaMismatch",
            Self::DatabaseError => "DatabaseError",
            Self::TransactionError => "TransactionError",
            Self::InvalidSignature => "InvalidSignature",
            Self::ExpiredToken => "ExpiredToken",
            Self::SignatureDoesNotMatch => "SignatureDoesNotMatch",
            Self::AccessDenied => "AccessDenied",
            Self::ResourceLocked => "ResourceLocked",
            Self::MissingContentLength => "MissingContentLength",
            Self::MissingParameter => "MissingParameter",
            Self::InvalidParameter => "InvalidParameter",
            Self::InvalidUploadSignature => "InvalidUploadSignature",
            Self::S3InvalidAccessKeyId => "InvalidAccessKeyId",
            Self::InvalidChecksum => "InvalidChecksum",
            Self::MissingPart => "MissingPart",
            Self::SlowDown => "SlowDown",
            Self::TusError => "TusError",
            Self::Aborted => "Aborted",
            Self::NotSupported => "NotSupported",
            Self::FeatureNotEnabled => "FeatureNotEnabled",
        }
    }
}

/// An answer that reports a failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StorageError {
    pub code: ErrorCode,
    /// The status that is meant: `statusCode` in the body, and what S3 and TUS answer with.
    pub status: StatusCode,
    /// The older name of the error, where it has one beside its code.
    pub error: Option<&'static str>,
    pub message: String,
    /// Where the HTTP status is neither 400 nor 500.
    http_status: Option<StatusCode>,
}

/// The object's row is there and its bytes are not.
pub const LOST: &str = "The resource was not found";

impl StorageError {
    pub fn new(code: ErrorCode, status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            code,
            status,
            error: None,
            message: message.into(),
            http_status: None,
        }
    }

    /// Gives the error its older name.
    #[must_use]
    pub const fn named(mut self, error: &'static str) -> Self {
        self.error = Some(error);
        self
    }

    /// Answers with another HTTP status than 400 or 500.
    #[must_use]
    pub const fn with_http_status(mut self, status: StatusCode) -> Self {
        self.http_status = Some(status);
        self
    }

    pub fn no_such_bucket() -> Self {
        let (code, message) = (ErrorCode::NoSuchBucket, "Bucket not found");
        Self::new(code, StatusCode::NOT_FOUND, message).named("Bucket not found")
    }

    pub fn no_such_key() -> Self {
        let (code, message) = (ErrorCode::NoSuchKey, "Object not found");
        Self::new(code, StatusCode::NOT_FOUND, message).named("not_found")
    }

    pub fn bucket_not_empty() -> Self {
        let message = "The bucket you tried to delete is not empty";
        Self::new(ErrorCode::ResourceNotEmpty, StatusCode::CONFLICT, message)
    }

    /// Something of that name is there already: a bucket, a key, or anything else.
    pub fn exists(code: ErrorCode) -> Self {
        let message = "The resource already exists";
        Self::new(code, StatusCode::CONFLICT, message).named("Duplicate")
    }

    pub fn access_denied(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::AccessDenied, StatusCode::FORBIDDEN, message).named("Unauthorized")
    }

    pub fn invalid_request(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::InvalidRequest, StatusCode::BAD_REQUEST, message)
    }

    /// A body, query or header that does not have the shape it must have.
    pub fn malformed(message: impl Into<String>) -> Self {
        Self::invalid_request(message).named("Error")
    }

    pub fn invalid_parameter(name: &str) -> Self {
        let message = format!("Invalid Parameter {name}");
        Self::new(
            ErrorCode::InvalidParameter,
            StatusCode::BAD_REQUEST,
            message,
        )
    }

    pub fn invalid_jwt(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::InvalidJwt, StatusCode::BAD_REQUEST, message)
    }

    pub fn invalid_signature() -> Self {
        let message = "Invalid signature";
        Self::new(
            ErrorCode::InvalidSignature,
            StatusCode::BAD_REQUEST,
            message,
        )
    }

    pub fn invalid_bucket_name() -> Self {
        let (code, message) = (ErrorCode::InvalidBucketName, "Bucket name invalid");
        Self::new(code, StatusCode::BAD_REQUEST, message).named("Invalid Input")
    }

    pub fn invalid_key(key: &str) -> Self {
        let message = format!("Invalid key: {key}");
        Self::new(ErrorCode::InvalidKey, StatusCode::BAD_REQUEST, message)
    }

    pub fn invalid_mime_type(mime_type: &str) -> Self {
        let message = format!("mime type {mime_type} is not supported");
        let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        Self::new(ErrorCode::InvalidMimeType, status, message).named("invalid_mime_type")
    }

    pub fn invalid_range() -> Self {
        let message = "invalid range provided";
        Self::new(ErrorCode::InvalidRange, StatusCode::BAD_REQUEST, message).named("invalid_range")
    }

    pub fn invalid_file_size_limit() -> Self {
        Self::invalid_request("Invalid file size format, hint: use 20GB / 20MB / 30KB / 3B")
    }

    pub fn no_content() -> Self {
        Self::invalid_request("No content provided")
    }

    /// `entity` is `object` or what else is too large.
    pub fn too_large(entity: &str) -> Self {
        let message = format!("The {entity} exceeded the maximum allowed size");
        let status = StatusCode::PAYLOAD_TOO_LARGE;
        Self::new(ErrorCode::EntityTooLarge, status, message).named("Payload too large")
    }

    pub fn internal(message: impl Into<String>) -> Self {
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        Self::new(ErrorCode::InternalError, status, message)
    }

    pub fn not_enabled(feature: &str) -> Self {
        let message = format!("The feature {feature} is not enabled for this resource");
        Self::new(ErrorCode::FeatureNotEnabled, StatusCode::CONFLICT, message)
    }

    /// The bytes of an object are gone.
    pub fn lost() -> Self {
        Self::new(ErrorCode::NoSuchKey, StatusCode::NOT_FOUND, LOST).named("Not found")
    }

    fn unavailable(unavailable: &Unavailable) -> Self {
        let status = StatusCode::SERVICE_UNAVAILABLE;
        Self::new(ErrorCode::SlowDown, status, unavailable.to_string()).with_http_status(status)
    }

    /// Whether the database was away: whether anything took effect is unknown.
    pub fn is_unavailable(&self) -> bool {
        self.http_status == Some(StatusCode::SERVICE_UNAVAILABLE)
    }

    /// The HTTP status that the JSON API answers with.
    pub fn http_status(&self) -> StatusCode {
        self.http_status.unwrap_or(match self.status {
            StatusCode::INTERNAL_SERVER_ERROR => StatusCode::INTERNAL_SERVER_ERROR,
            _ => StatusCode::BAD_REQUEST,
        })
    }

    /// The body of the JSON API's answer.
    pub fn body(&self) -> serde_json::Value {
        json!({
            "statusCode": self.status.as_str(),
            "code": self.code.as_str(),
            "error": self.error.unwrap_or(self.code.as_str()),
            "message": self.message,
        })
    }

    /// The JSON API's answer.
    pub fn into_response(self) -> Response<Body> {
        let mut response = crate::router::json_response(self.http_status(), self.body());
        let headers = response.headers_mut();
        if self.message == LOST {
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        }
        if self.http_status == Some(StatusCode::SERVICE_UNAVAILABLE) {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

impl From<DatabaseError> for StorageError {
    fn from(error: DatabaseError) -> Self {
        match error {
            DatabaseError::Answer(AnswerError::Unavailable(unavailable)) => {
                Self::unavailable(&unavailable)
            }
            DatabaseError::Answer(error) => Self::internal(error.to_string()),
            // A NUL byte, which no name may have.
            DatabaseError::Build(error) => Self::invalid_request(error.to_string()),
            DatabaseError::RolledBack => Self::new(
                ErrorCode::TransactionError,
                StatusCode::CONFLICT,
                error.to_string(),
            ),
            DatabaseError::Refused(error) => Self::from(*error),
        }
    }
}

/// Source: supabase/storage, `src/storage/database/errors.ts`.
impl From<PgError> for StorageError {
    fn from(error: PgError) -> Self {
        let database = |code, status, message: &str| Self::new(code, status, message);
        match error.sqlstate.as_str() {
            "42501" if error.message.contains("row-level security") => {
                Self::access_denied("new row violates row-level security policy")
            }
            "42501" => Self::access_denied(error.message),
            "23505" => Self::exists(ErrorCode::ResourceAlreadyExists),
            "23503" => database(
                ErrorCode::InvalidRequest,
                StatusCode::NOT_FOUND,
                "The related resource does not exist",
            ),
            "55P03" => database(
                ErrorCode::ResourceLocked,
                StatusCode::LOCKED,
                "The resource is locked",
            ),
            "57014" => {
                // A status of storage-api's own.
                let status = StatusCode::from_u16(544).unwrap_or(StatusCode::GATEWAY_TIMEOUT);
                let message = "The connection to the database timed out";
                database(ErrorCode::DatabaseTimeout, status, message).with_http_status(status)
            }
            "25006" => database(
                ErrorCode::DatabaseReadOnly,
                StatusCode::SERVICE_UNAVAILABLE,
                "The database is currently in read-only mode. Please try again later.",
            ),
            "42P17" => database(
                ErrorCode::DatabaseInvalidObjectDefinition,
                StatusCode::SERVICE_UNAVAILABLE,
                "The database schema is invalid or incompatible.",
            ),
            "42703" | "42P01" => database(
                ErrorCode::DatabaseSchemaMismatch,
                StatusCode::SERVICE_UNAVAILABLE,
                "The database schema is out of sync. Please run migrations or contact support.",
            ),
            "22P02" => database(
                ErrorCode::InvalidParameter,
                StatusCode::BAD_REQUEST,
                &error.message,
            ),
            // A token's role that is none of the database's.
            "22023" if error.message.contains("role ") => {
                Self::access_denied(error.message).with_http_status(StatusCode::FORBIDDEN)
            }
            sqlstate => Self::new(
                ErrorCode::DatabaseError,
                StatusCode::INTERNAL_SERVER_ERROR,
                format!("database error, code: {sqlstate}"),
            ),
        }
    }
}

impl From<BodyError> for StorageError {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::TooLarge { .. } => Self::new(
                ErrorCode::EntityTooLarge,
                StatusCode::PAYLOAD_TOO_LARGE,
                "Request body is too large",
            ),
            BodyError::Interrupted(reason) => Self::new(
                ErrorCode::Aborted,
                StatusCode::BAD_REQUEST,
                format!("The request body ended before it was whole: {reason}"),
            ),
        }
    }
}

impl From<FileError> for StorageError {
    fn from(error: FileError) -> Self {
        match error {
            FileError::Missing => Self::lost(),
            FileError::Full => Self::new(
                ErrorCode::InternalError,
                StatusCode::INSUFFICIENT_STORAGE,
                "There is no room for the object",
            )
            .with_http_status(StatusCode::INSUFFICIENT_STORAGE),
            FileError::Failed(reason) => Self::internal(reason),
        }
    }
}

impl From<WriteError> for StorageError {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::TooLarge { .. } => Self::too_large("object"),
            WriteError::Body(error) => error.into(),
            WriteError::File(error) => error.into(),
        }
    }
}

/// In the words of `jose`, which storage-api verifies with.
impl From<IdentityError> for StorageError {
    fn from(error: IdentityError) -> Self {
        Self::access_denied(match error {
            IdentityError::Parts(_) | IdentityError::Undecodable | IdentityError::Empty => {
                "Invalid Compact JWS".to_owned()
            }
            IdentityError::WrongSignature => "signature verification failed".to_owned(),
            IdentityError::NoSuitableKey | IdentityError::Unsecured => {
                "\"alg\" (Algorithm) Header Parameter value not allowed".to_owned()
            }
            IdentityError::Expired => "\"exp\" claim timestamp check failed".to_owned(),
            IdentityError::NotYetValid => "\"nbf\" claim timestamp check failed".to_owned(),
            IdentityError::IssuedInTheFuture => {
                "\"iat\" claim timestamp check failed (it should be in the past)".to_owned()
            }
            IdentityError::ClaimsUnreadable => {
                "JWT Claims Set must be a top-level JSON object".to_owned()
            }
            other => other.message(),
        })
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn the_status_stands_in_the_body() {
        let error = StorageError::exists(ErrorCode::KeyAlreadyExists);
        assert_eq!(error.http_status(), StatusCode::BAD_REQUEST);
        expect![[r#"{"statusCode":"409","code":"KeyAlreadyExists","error":"Duplicate","message":"The resource already exists"}"#]]
            .assert_eq(&error.body().to_string());
        let error = StorageError::internal("no");
        assert_eq!(error.http_status(), StatusCode::INTERNAL_SERVER_ERROR);
    }

    #[test]
    fn what_postgres_refuses_is_said_in_the_api_s_words() {
        let said = |sqlstate: &str, message: &str| {
            let error = StorageError::from(PgError {
                sqlstate: sqlstate.to_owned(),
                message: message.to_owned(),
                ..PgError::default()
            });
            format!(
                "{sqlstate} {} {} {} {}\n",
                error.http_status().as_u16(),
                error.status.as_u16(),
                error.code.as_str(),
                error.message
            )
        };
        let all = [
            said(
                "42501",
                "new row violates row-level security policy for table \"objects\"",
            ),
            said("42501", "permission denied for table objects"),
            said("23505", "duplicate key"),
            said("23503", "foreign key"),
            said("22023", "role \"nobody\" does not exist"),
            said("22P02", "invalid input syntax for type uuid: \"x\""),
            said("57014", "canceling statement"),
            said("XX000", "secret"),
        ];
        expect![[r#"
            42501 400 403 AccessDenied new row violates row-level security policy
            42501 400 403 AccessDenied permission denied for table objects
            23505 400 409 ResourceAlreadyExists The resource already exists
            23503 400 404 InvalidRequest The related resource does not exist
            22023 403 403 AccessDenied role "nobody" does not exist
            22P02 400 400 InvalidParameter invalid input syntax for type uuid: "x"
            57014 544 544 DatabaseTimeout The connection to the database timed out
            XX000 500 500 DatabaseError database error, code: XX000
        "#]]
        .assert_eq(&all.concat());
    }
}
