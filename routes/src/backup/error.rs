//! Why no backup was made.

use http::{HeaderValue, StatusCode, header};

use crate::{ApiError, blobs::FileError, database::DatabaseError};

/// Why no backup was made: one variant for each answer.
#[derive(Debug)]
pub(super) enum BackupError {
    /// 405.
    Method,
    /// 501: nothing here keeps files.
    NoPlace,
    /// 404: the database is not one that the gateway made.
    NoTable,
    /// 500: the database's folder did not stay as it was.
    Changed(String),
    /// 503: a stored file went while the others were looked for.
    Replaced,
    Database(DatabaseError),
    /// 507 where there is no room for it, else 500.
    File(FileError),
}

impl From<DatabaseError> for BackupError {
    fn from(error: DatabaseError) -> Self {
        if error.lacks_table() {
            Self::NoTable
        } else {
            Self::Database(error)
        }
    }
}

impl From<FileError> for BackupError {
    fn from(error: FileError) -> Self {
        Self::File(error)
    }
}

impl From<BackupError> for ApiError {
    fn from(error: BackupError) -> Self {
        let internal = |message| Self::new(StatusCode::INTERNAL_SERVER_ERROR, "GW500", message);
        match error {
            BackupError::Method => Self::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "GW405",
                "A backup is made by GET",
            )
            .header(header::ALLOW, HeaderValue::from_static("OPTIONS,GET")),
            BackupError::NoPlace => Self::new(
                StatusCode::NOT_IMPLEMENTED,
                "GW501",
                "Nothing here keeps files: there is no place to make a backup in",
            ),
            BackupError::NoTable => Self::new(
                StatusCode::NOT_FOUND,
                "GW404",
                "The project's database is not the gateway's: back it up with what made it",
            ),
            BackupError::Changed(path) => internal(format!(
                "The database's file {path} changed while it was copied"
            )),
            BackupError::Replaced => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "GW503",
                "A stored object was replaced while the backup was made: make it again",
            )
            .retry_after(),
            BackupError::Database(error) => error.into(),
            BackupError::File(FileError::Full) => Self::new(
                StatusCode::INSUFFICIENT_STORAGE,
                "GW507",
                "There is no room for a copy of the database beside it",
            ),
            BackupError::File(error) => internal(format!("The backup was not made: {error}")),
        }
    }
}
