//! Statements of the S3 protocol: lists with any delimiter, and uploads in parts.

use serde::Deserialize;
use serde_json::Value;

use super::instant;
use crate::{database::Statement, wire::Parameter};

/// An object or a folder in a list.
#[derive(Debug, Clone, Deserialize)]
pub struct Entry {
    /// A folder's is without the delimiter at its end.
    pub name: String,
    /// `None` for a folder.
    pub id: Option<String>,
    pub updated_at: Option<String>,
    pub metadata: Option<Value>,
}

/// Objects in the order of their names; what has the delimiter behind the prefix is gathered in
/// folders. A list goes on after a name, or after a folder.
pub fn list(bucket: &str, prefix: &str, delimiter: &str, after: &str, limit: usize) -> Statement {
    let sql = format!(
        "SELECT json_build_object('name', name, 'id', id, 'updated_at', {}, 'metadata', metadata)
        FROM storage.list_objects_with_delimiter($1, $2, $3, $4, $5)",
        instant("updated_at")
    );
    Statement::new(
        sql,
        [
            bucket.into(),
            prefix.into(),
            delimiter.into(),
            limit.to_string().into(),
            after.into(),
        ],
    )
}

/// Objects in the order of their names, after one of them.
pub fn list_all(bucket: &str, prefix: &str, after: &str, limit: usize) -> Statement {
    let sql = format!(
        "SELECT json_build_object('name', name, 'id', id, 'updated_at', {}, 'metadata', metadata)
        FROM storage.objects
        WHERE bucket_id = $1 AND name COLLATE \"C\" > $4
        AND name COLLATE \"C\" >= $2 AND name COLLATE \"C\" < $2 || chr(1114111)
        ORDER BY name COLLATE \"C\" LIMIT $3",
        instant("updated_at")
    );
    Statement::new(
        sql,
        [
            bucket.into(),
            prefix.into(),
            limit.to_string().into(),
            after.into(),
        ],
    )
}

/// The names and times of the buckets that the session sees.
pub fn buckets() -> Statement {
    let sql = format!(
        "SELECT json_build_object('name', name, 'created_at', {})
        FROM storage.buckets ORDER BY name COLLATE \"C\"",
        instant("created_at")
    );
    Statement::new(sql, [])
}

/// A bucket that the session sees.
pub fn bucket(id: &str) -> Statement {
    Statement::new(
        "SELECT to_json(id) FROM storage.buckets WHERE id = $1",
        [id.into()],
    )
}

/// An upload in parts.
#[derive(Debug, Clone, Deserialize)]
pub struct Upload {
    pub id: String,
    pub key: String,
    pub version: String,
    pub in_progress_size: u64,
    pub created_at: String,
    #[serde(default)]
    pub user_metadata: Option<Value>,
    #[serde(default)]
    pub metadata: Option<Value>,
}

const UPLOAD: &str = "'id', id, 'key', key, 'version', version,
    'in_progress_size', in_progress_size, 'user_metadata', user_metadata, 'metadata', metadata";

/// Begins an upload in parts.
pub fn create_upload(upload: &Upload, bucket: &str, owner: Option<&str>) -> Statement {
    Statement::new(
        "INSERT INTO storage.s3_multipart_uploads
            (id, upload_signature, bucket_id, key, version, owner_id, user_metadata, metadata)
        VALUES ($1, '', $2, $3, $4, $5, $6, $7)",
        [
            (&*upload.id).into(),
            bucket.into(),
            (&*upload.key).into(),
            (&*upload.version).into(),
            owner.into(),
            json(upload.user_metadata.as_ref()),
            json(upload.metadata.as_ref()),
        ],
    )
}

fn json(value: Option<&Value>) -> Parameter {
    value.map(Value::to_string).into()
}

/// An upload of an object.
pub fn find_upload(id: &str, bucket: &str, key: &str) -> Statement {
    let sql = format!(
        "SELECT json_build_object({UPLOAD}, 'created_at', {})
        FROM storage.s3_multipart_uploads WHERE id = $1 AND bucket_id = $2 AND key = $3",
        instant("created_at")
    );
    Statement::new(sql, [id.into(), bucket.into(), key.into()])
}

/// Uploads in the order of their keys, and of their begin. Without an upload's id a list goes on after
/// the key itself.
pub fn list_uploads(
    bucket: &str,
    prefix: &str,
    after_key: Option<&str>,
    after_id: Option<&str>,
    limit: usize,
) -> Statement {
    let sql = format!(
        "SELECT json_build_object({UPLOAD}, 'created_at', {})
        FROM storage.s3_multipart_uploads
        WHERE bucket_id = $1 AND starts_with(key, $2)
        AND ($3::text IS NULL OR key COLLATE \"C\" > $3 OR (key = $3 AND (created_at, id) > (
            SELECT created_at, id FROM storage.s3_multipart_uploads WHERE id = $4
        )))
        ORDER BY key COLLATE \"C\", created_at, id LIMIT $5",
        instant("created_at")
    );
    Statement::new(
        sql,
        [
            bucket.into(),
            prefix.into(),
            after_key.into(),
            after_id.into(),
            limit.to_string().into(),
        ],
    )
}

/// A part of an upload.
#[derive(Debug, Clone, Deserialize)]
pub struct Part {
    pub part_number: u32,
    pub etag: String,
    pub size: u64,
    /// The version under which its bytes are.
    pub version: String,
    pub created_at: String,
}

/// Adds a part; one of its number is replaced. Gives the version of the one that was there.
pub fn put_part(upload: &Upload, bucket: &str, owner: Option<&str>, part: &Part) -> Statement {
    Statement::new(
        "WITH replaced AS (
            DELETE FROM storage.s3_multipart_uploads_parts
            WHERE upload_id = $1 AND part_number = $4
            RETURNING version, size
        ), counted AS (
            UPDATE storage.s3_multipart_uploads
            SET in_progress_size = in_progress_size + $5
                - coalesce((SELECT sum(size) FROM replaced), 0)
            WHERE id = $1
        ), added AS (
            INSERT INTO storage.s3_multipart_uploads_parts
                (upload_id, bucket_id, key, part_number, size, etag, version, owner_id)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
        )
        SELECT to_json(version) FROM replaced",
        [
            (&*upload.id).into(),
            bucket.into(),
            (&*upload.key).into(),
            part.part_number.to_string().into(),
            part.size.to_string().into(),
            (&*part.etag).into(),
            (&*part.version).into(),
            owner.into(),
        ],
    )
}

/// Parts in the order of their numbers, after one of them.
pub fn list_parts(upload: &str, after: u32, limit: usize) -> Statement {
    let sql = format!(
        "SELECT json_build_object(
            'part_number', part_number, 'etag', etag, 'size', size, 'version', version,
            'created_at', {}
        ) FROM storage.s3_multipart_uploads_parts
        WHERE upload_id = $1 AND part_number > $2
        ORDER BY part_number LIMIT $3",
        instant("created_at")
    );
    Statement::new(
        sql,
        [
            upload.into(),
            after.to_string().into(),
            limit.to_string().into(),
        ],
    )
}

/// Forgets uploads that began before then, in milliseconds since the Unix epoch, and their parts. Their
/// bytes are no row's from then on.
pub fn expire(before: u64) -> Statement {
    Statement::new(
        "DELETE FROM storage.s3_multipart_uploads
        WHERE created_at < to_timestamp($1::double precision / 1000)",
        [before.to_string().into()],
    )
}

/// Forgets an upload and its parts; a row for the version of each part.
pub fn delete_upload(id: &str) -> Statement {
    Statement::new(
        "WITH parts AS (
            DELETE FROM storage.s3_multipart_uploads_parts WHERE upload_id = $1 RETURNING version
        ), upload AS (
            DELETE FROM storage.s3_multipart_uploads WHERE id = $1
        )
        SELECT to_json(version) FROM parts",
        [id.into()],
    )
}
