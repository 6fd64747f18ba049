//! Statements about uploads in pieces.

use serde::Deserialize;
use serde_json::Value;

use crate::database::Statement;

/// An upload that was begun.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Upload {
    pub version: String,
    pub bucket_id: String,
    pub name: String,
    /// How many bytes it will have, where the client has said so.
    pub length: Option<u64>,
    /// How many of them are stored.
    pub received: u64,
    pub metadata: Value,
    /// The MD5 of each piece, in hexadecimal.
    pub pieces: String,
    /// In milliseconds since the Unix epoch.
    pub created_at: u64,
    /// Whether it is an object already.
    pub completed: bool,
}

/// An upload that is to begin.
#[derive(Debug, Clone)]
pub struct NewUpload<'a> {
    pub version: &'a str,
    pub bucket: &'a str,
    pub name: &'a str,
    pub length: Option<u64>,
    pub metadata: &'a Value,
}

const SHOWN: &str = "json_build_object(
    'version', version, 'bucket_id', bucket_id, 'name', name, 'length', length,
    'received', received, 'metadata', metadata, 'pieces', pieces,
    'created_at', (extract(epoch from created_at) * 1000)::bigint,
    'completed', completed_at is not null
)";

/// Begins an upload.
pub fn create(upload: &NewUpload<'_>) -> Statement {
    let sql = format!(
        "INSERT INTO gateway.resumable_uploads (version, bucket_id, name, length, metadata)
        VALUES ($1, $2, $3, $4, $5)
        RETURNING {SHOWN}"
    );
    Statement::new(
        sql,
        [
            upload.version.into(),
            upload.bucket.into(),
            upload.name.into(),
            upload.length.map(|length| length.to_string()).into(),
            upload.metadata.to_string().into(),
        ],
    )
}

/// The upload of a version, if it is one of this object.
pub fn find(version: &str, bucket: &str, name: &str) -> Statement {
    let sql = format!(
        "SELECT {SHOWN} FROM gateway.resumable_uploads
        WHERE version = $1 AND bucket_id = $2 AND name = $3"
    );
    Statement::new(sql, [version.into(), bucket.into(), name.into()])
}

/// Says how many bytes there will be.
pub fn declare_length(version: &str, length: u64) -> Statement {
    Statement::new(
        "UPDATE gateway.resumable_uploads SET length = $2 WHERE version = $1 AND length IS NULL",
        [version.into(), length.to_string().into()],
    )
}

/// Says how far an upload is.
pub fn advance(version: &str, received: u64, pieces: &str) -> Statement {
    Statement::new(
        "UPDATE gateway.resumable_uploads SET received = $2, pieces = $3 WHERE version = $1",
        [version.into(), received.to_string().into(), pieces.into()],
    )
}

/// The upload is an object. It is remembered for as long as it would have lived: a client whose last
/// answer was lost asks how far it is.
pub fn complete(version: &str) -> Statement {
    Statement::new(
        "UPDATE gateway.resumable_uploads SET completed_at = now() WHERE version = $1",
        [version.into()],
    )
}

/// Forgets an upload.
pub fn delete(version: &str) -> Statement {
    Statement::new(
        "DELETE FROM gateway.resumable_uploads WHERE version = $1",
        [version.into()],
    )
}

/// Forgets uploads that began before then, in milliseconds since the Unix epoch. Their bytes are no
/// row's from then on, unless an object has them.
pub fn expire(before: u64) -> Statement {
    Statement::new(
        "DELETE FROM gateway.resumable_uploads
        WHERE created_at < to_timestamp($1::double precision / 1000)",
        [before.to_string().into()],
    )
}
