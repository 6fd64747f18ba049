//! What is refused, in the protocol's words: a status and a line of text.

use http::{HeaderValue, Response, StatusCode, header};

use crate::{Body, database::DatabaseError, storage::StorageError};

/// Why a request is refused. The texts are `@tus/server`'s.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TusError {
    /// `Tus-Resumable` is not there.
    VersionRequired,
    /// Headers whose values have not the form they should; by name, with spaces between.
    InvalidHeaders(String),
    /// The caller is nobody: the JSON API's answer, before the protocol begins.
    Unauthorized(StorageError),
    /// What Storage refuses, whatever the protocol.
    Storage(StorageError),
    MissingOffset,
    MissingContentType,
    MissingLength,
    MissingMetadata,
    /// There is no such upload, or no more.
    NotFound,
    /// It was begun too long ago.
    Expired,
    /// The client goes on from another place than the upload is at.
    OffsetConflict,
    /// More bytes than the upload was to have.
    SizeExceeded,
    /// More bytes than any upload may have here.
    MaximumExceeded,
    /// An upload that is an object already cannot be given up.
    Completed,
    /// Uploads in parallel parts are not put together.
    Concatenation,
    /// Somebody else adds to the upload right now.
    Locked,
    /// The body ended before it was whole; what came of it is kept.
    Interrupted,
}

impl From<StorageError> for TusError {
    fn from(error: StorageError) -> Self {
        Self::Storage(error)
    }
}

impl From<DatabaseError> for TusError {
    fn from(error: DatabaseError) -> Self {
        Self::Storage(error.into())
    }
}

impl TusError {
    fn status(&self) -> StatusCode {
        match self {
            Self::VersionRequired => StatusCode::PRECONDITION_FAILED,
            Self::InvalidHeaders(_)
            | Self::MissingLength
            | Self::MissingMetadata
            | Self::Completed => StatusCode::BAD_REQUEST,
            Self::Unauthorized(error) => error.http_status(),
            Self::Storage(error) => error.status,
            Self::MissingOffset | Self::MissingContentType => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Expired => StatusCode::GONE,
            Self::OffsetConflict => StatusCode::CONFLICT,
            Self::SizeExceeded | Self::MaximumExceeded => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Concatenation => StatusCode::NOT_IMPLEMENTED,
            Self::Locked => StatusCode::LOCKED,
            Self::Interrupted => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn text(&self) -> String {
        let text = match self {
            Self::InvalidHeaders(names) => return format!("Invalid {names}\n"),
            Self::Unauthorized(error) | Self::Storage(error) => return error.message.clone(),
            Self::VersionRequired => "Tus-Resumable Required\n",
            Self::MissingOffset => "Upload-Offset header required\n",
            Self::MissingContentType => "Content-Type header required\n",
            Self::MissingLength => "Upload-Length or Upload-Defer-Length header required\n",
            Self::MissingMetadata => "Metadata header is required",
            Self::NotFound => "The file for this url was not found\n",
            Self::Expired => "The file for this url no longer exists\n",
            Self::OffsetConflict => "Upload-Offset conflict\n",
            Self::SizeExceeded => "upload's size exceeded\n",
            Self::MaximumExceeded => "Maximum size exceeded\n",
            Self::Completed => "Cannot terminate an already completed upload",
            Self::Concatenation => {
                "Concatenation extension is not (yet) supported. \
                 Disable parallel uploads in the tus client.\n"
            }
            Self::Locked => "The resource is locked",
            Self::Interrupted => "Something went wrong receiving the file\n",
        };
        text.to_owned()
    }

    /// The answer.
    pub fn into_response(self) -> Response<Body> {
        if let Self::Unauthorized(error) = self {
            return error.into_response();
        }
        let mut response = Response::new(Body::from(self.text()));
        *response.status_mut() = self.status();
        let text = HeaderValue::from_static("text/plain; charset=utf-8");
        response.headers_mut().insert(header::CONTENT_TYPE, text);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_the_protocols() {
        let status = |error: TusError| error.into_response().status().as_u16();
        assert_eq!(status(TusError::VersionRequired), 412);
        assert_eq!(status(TusError::OffsetConflict), 409);
        assert_eq!(status(TusError::Locked), 423);
        assert_eq!(status(TusError::Expired), 410);
        // The status that is meant, and not the JSON API's 400.
        assert_eq!(status(StorageError::no_such_bucket().into()), 404);
        assert_eq!(status(StorageError::access_denied("no").into()), 403);
        let nobody = StorageError::access_denied("jwt expired");
        assert_eq!(status(TusError::Unauthorized(nobody)), 400);
    }
}
