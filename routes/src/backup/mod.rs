//! `GET /gateway/backup`: all of a project in one file, for the gateway's own page and those who hold the
//! secret key.
//!
//! It is a tar of:
//!
//! | entry | what it is |
//! | --- | --- |
//! | `manifest.json` | `Manifest`: what it is of, and what is in it |
//! | `database.tar` | the database's own folder, as Postgres starts from it: roles, keys, settings and all |
//! | `storage/<file>` | the bytes of each stored object, and of each application's and function's bundle |
//!
//! The database is copied while nobody else is answered, so that all of it is of one moment; it is
//! written beside the stored objects before the first byte is sent, so that a slow reader keeps nobody
//! waiting. Where a stored object is replaced before it is sent, there is no backup, or one that ends too
//! soon: never one that lacks it.
//!
//! Secrets of functions are in it as they are in the database: sealed with a key that is not. What the
//! applications wrote to the virtual machine's disk is not in it.

mod database;
mod error;
mod sql;
mod stream;

use std::rc::Rc;

use http::{HeaderValue, Method, Request, Response, header};
use serde::Serialize;

use crate::{ApiError, Body, World, project::Project, tar, vm};
use database::Copied;
use error::BackupError;
use stream::Part;

/// The form of a backup.
const FORMAT: u32 = 1;

/// What a backup is of, and what is in it. Sizes are in bytes.
#[derive(Debug, Serialize)]
struct Manifest<'a> {
    format: u32,
    project: &'a str,
    /// The version of the gateway that made it.
    gateway: &'static str,
    /// ISO 8601, in UTC.
    created_at: &'a str,
    database: DatabasePart<'a>,
    storage: StoragePart,
    secrets: SecretsPart<'a>,
}

#[derive(Debug, Serialize)]
struct DatabasePart<'a> {
    postgres: &'a str,
    migration: u32,
    bytes: u64,
}

#[derive(Debug, Serialize)]
struct StoragePart {
    files: usize,
    bytes: u64,
}

/// Whether it holds the secrets of functions: where there are any it does, and no copy of it opens them
/// without the key.
#[derive(Debug, Serialize)]
struct SecretsPart<'a> {
    held: bool,
    sealed: bool,
    names: &'a [String],
}

/// Answers a request for a backup.
pub async fn handle<W: World + 'static>(
    world: Rc<W>,
    project: &Project,
    request: Request<Body>,
) -> Result<Response<Body>, ApiError> {
    let (head, _) = request.into_parts();
    vm::authorize(&*world, project, &head, "A backup")?;
    if head.method != Method::GET {
        return Err(BackupError::Method.into());
    }
    Ok(make(world, project).await?)
}

async fn make<W: World + 'static>(
    world: Rc<W>,
    project: &Project,
) -> Result<Response<Body>, BackupError> {
    let files = world.files(&project.name).ok_or(BackupError::NoPlace)?;
    let (staged, copied) = database::copy(&world, &project.name, &files).await?;
    let Copied { facts, bytes, kept } = copied;
    let manifest = Manifest {
        format: FORMAT,
        project: &project.name,
        gateway: env!("CARGO_PKG_VERSION"),
        created_at: &facts.created_at,
        database: DatabasePart {
            postgres: &facts.postgres,
            migration: facts.migration,
            bytes,
        },
        storage: StoragePart {
            files: kept.len(),
            bytes: kept.iter().map(|file| file.size).sum(),
        },
        secrets: SecretsPart {
            held: !facts.secrets.is_empty(),
            sealed: true,
            names: &facts.secrets,
        },
    };
    let manifest = serde_json::to_vec_pretty(&manifest).unwrap_or_default();
    let date = facts.created_at.split('T').next().unwrap_or_default();
    let disposition = format!("attachment; filename=\"{}-{date}.tar\"", project.name);
    let mut parts = vec![
        Part::inline("manifest.json", manifest),
        Part::stored("database.tar", staged.name(), bytes),
    ];
    let stored = kept.into_iter();
    parts.extend(stored.map(|file| {
        let path = format!("storage/{}", file.name);
        Part::stored(&path, &file.name, file.size)
    }));
    let length = parts.iter().map(Part::length).sum::<u64>() + tar::END.len() as u64;
    let mut response = Response::new(Body::Stream(stream::tar(files, staged, parts)));
    let headers = response.headers_mut();
    let media = HeaderValue::from_static("application/x-tar");
    headers.insert(header::CONTENT_TYPE, media);
    headers.insert(header::CONTENT_LENGTH, length.into());
    // It is of this moment, and has every key of the project.
    let no_store = HeaderValue::from_static("no-store");
    headers.insert(header::CACHE_CONTROL, no_store);
    if let Ok(disposition) = HeaderValue::from_str(&disposition) {
        headers.insert(header::CONTENT_DISPOSITION, disposition);
    }
    Ok(response)
}

#[cfg(test)]
mod tests;
