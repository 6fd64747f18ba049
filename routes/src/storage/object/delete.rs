//! Removing objects: the rows, and after them the bytes.

use futures::{StreamExt as _, stream};
use http::Response;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    Body, World,
    blobs::{BlobId, Blobs},
    storage::{Context, StorageError, context, key, sql},
};

/// The most objects of one request.
const MOST: usize = 1000;
/// How many files are removed at the same time.
const AT_ONCE: usize = 16;

#[derive(Debug, Deserialize)]
struct Many {
    prefixes: Vec<String>,
}

pub async fn one<W: World>(context: &Context<'_, W>) -> Result<Response<Body>, StorageError> {
    let deleted = rows(context, std::slice::from_ref(&context.route.key)).await?;
    if deleted.is_empty() {
        return Err(StorageError::no_such_key());
    }
    Ok(context::json(json!({"message": "Successfully deleted"})))
}

pub async fn many<W: World>(
    context: &Context<'_, W>,
    body: Body,
) -> Result<Response<Body>, StorageError> {
    context.caller()?;
    let many: Many = context.json(body).await?;
    let refused = |rule: &str| StorageError::malformed(format!("body/prefixes {rule}"));
    match many.prefixes.len() {
        0 => Err(refused("must NOT have fewer than 1 items")),
        count if count > MOST => Err(refused(&format!("must NOT have more than {MOST} items"))),
        _ => Ok(context::json(rows(context, &many.prefixes).await?.into())),
    }
}

/// Removes the objects of these names that the caller may remove; the rows that they had.
async fn rows<W: World>(
    context: &Context<'_, W>,
    names: &[String],
) -> Result<Vec<Value>, StorageError> {
    let caller = context.caller()?;
    let bucket = &context.route.bucket;
    key::check_bucket(bucket)?;
    let session = context.as_caller(&caller);
    let statement = sql::object::delete(bucket, names);
    let deleted = context.database().one(&session, statement).await?;
    let deleted: Vec<Value> = sql::values(&deleted).collect();
    let versions = deleted.iter().filter_map(|row| row["version"].as_str());
    bytes(&context.blobs()?, versions).await;
    Ok(deleted)
}

/// Removes the bytes of versions whose rows are gone. What cannot be removed now is swept later.
pub async fn bytes(blobs: &Blobs, versions: impl Iterator<Item = &str>) {
    let ids = versions.filter_map(BlobId::parse);
    stream::iter(ids)
        .for_each_concurrent(AT_ONCE, |id| async move {
            let _ = blobs.remove(&id).await;
        })
        .await;
}
