//! Statements about objects.

use serde::Deserialize;
use serde_json::Value;

use super::{bucket::is_uuid, instant};
use crate::{database::Statement, wire::Parameter};

/// An object's row.
#[derive(Debug, Clone, Deserialize)]
pub struct Object {
    pub id: String,
    pub name: String,
    pub bucket_id: String,
    pub version: Option<String>,
    #[serde(default)]
    pub metadata: Option<Metadata>,
    #[serde(default)]
    pub user_metadata: Option<Value>,
    pub created_at: Option<String>,
    pub updated_at: Option<String>,
}

/// What is known of an object's bytes; `storage.objects.metadata`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, serde::Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Metadata {
    /// With its quotes.
    pub e_tag: String,
    pub size: u64,
    pub mimetype: String,
    pub cache_control: String,
    /// As JavaScript writes a time.
    pub last_modified: String,
    pub content_length: u64,
    pub http_status_code: u16,
}

/// A row that is to be written.
#[derive(Debug, Clone)]
pub struct NewObject<'a> {
    pub bucket: &'a str,
    pub name: &'a str,
    pub version: &'a str,
    pub owner: Option<&'a str>,
    pub metadata: Option<&'a Metadata>,
    pub user_metadata: Option<&'a Value>,
}

/// What was written.
#[derive(Debug, Clone, Deserialize)]
pub struct Stored {
    /// The row as the API shows it.
    pub object: Value,
    /// The version that was there before.
    pub previous: Option<String>,
}

/// A row as the API shows it.
fn shown() -> String {
    format!(
        "json_build_object(
            'name', name, 'bucket_id', bucket_id, 'owner', coalesce(owner::text, ''),
            'owner_id', coalesce(owner_id, ''), 'version', version, 'id', id,
            'updated_at', {}, 'created_at', {}, 'last_accessed_at', {},
            'metadata', metadata, 'user_metadata', user_metadata
        )",
        instant("updated_at"),
        instant("created_at"),
        instant("last_accessed_at")
    )
}

/// An object that the session sees.
pub fn find(bucket: &str, name: &str) -> Statement {
    let sql = format!(
        "SELECT {} FROM storage.objects WHERE bucket_id = $1 AND name = $2",
        shown()
    );
    Statement::new(sql, [bucket.into(), name.into()])
}

/// Which of these names the session sees.
pub fn find_names(bucket: &str, names: &[String]) -> Statement {
    Statement::new(
        "SELECT to_json(name) FROM storage.objects
        WHERE bucket_id = $1 AND name IN (SELECT json_array_elements_text($2))",
        [bucket.into(), list(names)],
    )
}

/// Writes a row where there is none. Without columns of bytes that are not there yet it is a question:
/// may this session write it?
pub fn insert(object: &NewObject<'_>) -> Statement {
    let sql = format!(
        "INSERT INTO storage.objects
            (bucket_id, name, version, owner, owner_id, metadata, user_metadata)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        RETURNING json_build_object('object', {}, 'previous', null)",
        shown()
    );
    Statement::new(sql, columns(object))
}

/// Asks whether this session may write the row; what it would see of it afterwards does not matter.
pub fn try_insert(object: &NewObject<'_>) -> Statement {
    Statement::new(
        "INSERT INTO storage.objects
            (bucket_id, name, version, owner, owner_id, metadata, user_metadata)
        VALUES ($1, $2, $3, $4, $5, $6, $7)",
        columns(object),
    )
}

/// Writes a row, whether there is one or not.
pub fn upsert(object: &NewObject<'_>) -> Statement {
    let sql = format!(
        "WITH previous AS (
            SELECT version FROM storage.objects WHERE bucket_id = $1 AND name = $2
        )
        INSERT INTO storage.objects
            (bucket_id, name, version, owner, owner_id, metadata, user_metadata)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        ON CONFLICT (bucket_id, name) DO UPDATE SET {}
        RETURNING json_build_object(
            'object', {}, 'previous', (SELECT version FROM previous)
        )",
        replaced(object),
        shown()
    );
    Statement::new(sql, columns(object))
}

/// Asks whether this session may write the row, whether there is one or not.
pub fn try_upsert(object: &NewObject<'_>) -> Statement {
    let sql = format!(
        "INSERT INTO storage.objects
            (bucket_id, name, version, owner, owner_id, metadata, user_metadata)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        ON CONFLICT (bucket_id, name) DO UPDATE SET {}
        RETURNING to_json(id)",
        replaced(object)
    );
    Statement::new(sql, columns(object))
}

/// What the new row gives the old one: who replaces nothing of a kind leaves it.
fn replaced(object: &NewObject<'_>) -> &'static str {
    if object.owner.is_some() {
        "version = excluded.version, metadata = excluded.metadata,
        user_metadata = excluded.user_metadata, owner = excluded.owner, owner_id = excluded.owner_id"
    } else {
        "version = excluded.version, metadata = excluded.metadata,
        user_metadata = excluded.user_metadata"
    }
}

/// Gives an object another name, perhaps in another bucket; a row says that there is one, and that
/// the session may.
pub fn rename(
    (bucket, name): (&str, &str),
    (new_bucket, new_name): (&str, &str),
    owner: Option<&str>,
) -> Statement {
    Statement::new(
        "UPDATE storage.objects SET bucket_id = $3, name = $4,
            owner = CASE WHEN $6::text IS NULL THEN owner ELSE $5::uuid END,
            owner_id = coalesce($6, owner_id)
        WHERE bucket_id = $1 AND name = $2
        RETURNING to_json(id)",
        [
            bucket.into(),
            name.into(),
            new_bucket.into(),
            new_name.into(),
            owner.filter(|owner| is_uuid(owner)).into(),
            owner.into(),
        ],
    )
}

/// Removes objects by their names; a row for each that was there, and that the session might remove.
pub fn delete(bucket: &str, names: &[String]) -> Statement {
    let sql = format!(
        "DELETE FROM storage.objects
        WHERE bucket_id = $1 AND name IN (SELECT json_array_elements_text($2))
        RETURNING {}",
        shown()
    );
    Statement::new(sql, [bucket.into(), list(names)])
}

/// Removes the objects that are first in the order of their names; a row with the version of each.
pub fn delete_some(bucket: &str, limit: u64) -> Statement {
    Statement::new(
        "DELETE FROM storage.objects WHERE id IN (
            SELECT id FROM storage.objects WHERE bucket_id = $1
            ORDER BY name COLLATE \"C\" LIMIT $2
        )
        RETURNING to_json(version)",
        [bucket.into(), limit.to_string().into()],
    )
}

/// The names that the session sees first.
pub fn some_names(bucket: &str, limit: u64) -> Statement {
    Statement::new(
        "SELECT to_json(name) FROM storage.objects WHERE bucket_id = $1
        ORDER BY name COLLATE \"C\" LIMIT $2",
        [bucket.into(), limit.to_string().into()],
    )
}

fn columns(object: &NewObject<'_>) -> [Parameter; 7] {
    [
        object.bucket.into(),
        object.name.into(),
        object.version.into(),
        object.owner.filter(|owner| is_uuid(owner)).into(),
        object.owner.into(),
        object
            .metadata
            .and_then(|metadata| serde_json::to_string(metadata).ok())
            .into(),
        object.user_metadata.map(Value::to_string).into(),
    ]
}

fn list(names: &[String]) -> Parameter {
    serde_json::json!(names).to_string().into()
}
