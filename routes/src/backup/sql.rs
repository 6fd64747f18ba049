//! The statements of a backup. They run as the database's owner, who may read its files.

use serde::Deserialize;

use crate::database::Statement;

/// A file or a folder of the database.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Entry {
    /// Below the database's folder.
    pub(super) path: String,
    /// In bytes.
    pub(super) size: u64,
    pub(super) is_directory: bool,
}

/// A part of a file of the database. Positions are in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Piece<'a> {
    pub(super) path: &'a str,
    pub(super) from: u64,
    pub(super) length: u64,
}

/// What the manifest says.
#[derive(Debug, Deserialize)]
pub(super) struct Facts {
    pub(super) created_at: String,
    pub(super) postgres: String,
    /// The number of the gateway's last migration that the database has.
    pub(super) migration: u32,
    /// The names of the project's secrets.
    pub(super) secrets: Vec<String>,
}

/// Writes all that is only in memory to the files. It may stand in a transaction.
pub(super) fn checkpoint() -> Statement {
    Statement::new("CHECKPOINT", [])
}

/// Every file and folder of the database, folders before what is in them. What belongs to a process is none.
pub(super) fn entries() -> Statement {
    Statement::new(
        "with recursive entries (path, size, is_directory) as (
            select name, file.size, file.isdir
            from pg_ls_dir('.', true, false) as name, pg_stat_file(name, true) as file
            union all
            select path || '/' || name, file.size, file.isdir
            from entries, pg_ls_dir(path, true, false) as name, pg_stat_file(path || '/' || name, true) as file
            where is_directory
        )
        select json_build_object('path', path, 'size', size, 'is_directory', is_directory)
        from entries where is_directory is not null and path not in ('postmaster.pid', 'postmaster.opts')
        order by path collate \"C\"",
        [],
    )
}

/// The bytes of pieces of files, a row each, in their order.
pub(super) fn read(pieces: &[Piece<'_>]) -> Statement {
    let asked: Vec<_> = pieces
        .iter()
        .map(|Piece { path, from, length }| serde_json::json!([path, from, length]))
        .collect();
    Statement::new(
        "select pg_read_binary_file(piece->>0, (piece->>1)::bigint, (piece->>2)::bigint)
        from json_array_elements($1) with ordinality as asked (piece, place) order by place",
        [serde_json::json!(asked).to_string().into()],
    )
}

/// [`Facts`], as JSON.
pub(super) fn facts() -> Statement {
    Statement::new(
        "select json_build_object(
            'created_at', to_char(now() at time zone 'utc', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'),
            'postgres', current_setting('server_version'),
            'migration', (select max(number) from gateway.migrations),
            'secrets', (select coalesce(json_agg(name order by name), '[]') from gateway.secrets))",
        [],
    )
}

/// What the names of those files begin with that rows name: whoever keeps a file for a row of another table
/// adds that table here, or backups lack it.
pub(super) fn named() -> Statement {
    Statement::new(
        "select to_json(name) from (
            select version || '.' from storage.objects where version is not null
            union select version || '.' from storage.s3_multipart_uploads
            union select version || '.' from storage.s3_multipart_uploads_parts
            union select version || '.' from gateway.resumable_uploads where completed_at is null
            union select bundle_file from gateway.apps
            union select file from gateway.function_versions
        ) as named (name)",
        [],
    )
}
