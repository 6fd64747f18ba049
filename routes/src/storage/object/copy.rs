//! Copies and moves.

use http::Response;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    form,
    upload::{self, Place},
};
use crate::{
    Body, World,
    blobs::BlobId,
    storage::{
        Context, ErrorCode, StorageError,
        bucket::taken,
        context, key,
        sql::{self, object::Object},
    },
};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Target {
    bucket_id: String,
    source_key: String,
    destination_key: String,
    destination_bucket: Option<String>,
    #[serde(default)]
    metadata: Option<Properties>,
    #[serde(default)]
    copy_metadata: Option<bool>,
}

/// What a copy has of its own.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Properties {
    cache_control: Option<String>,
    mimetype: Option<String>,
}

impl Target {
    fn bucket(&self) -> &str {
        let bucket = self.destination_bucket.as_deref();
        bucket
            .filter(|id| !id.is_empty())
            .unwrap_or(&self.bucket_id)
    }

    fn check(&self) -> Result<(), StorageError> {
        key::check_bucket(&self.bucket_id)?;
        key::check_bucket(self.bucket())?;
        key::check_key(&self.destination_key)
    }
}

/// Gives an object another name. Its bytes are known by its version and stay where they are, so that
/// a move is one change of one row.
pub async fn move_object<W: World>(
    context: &Context<'_, W>,
    body: Body,
) -> Result<Response<Body>, StorageError> {
    let caller = context.caller()?;
    let target: Target = context.json(body).await?;
    target.check()?;
    let source = (target.bucket_id.as_str(), target.source_key.as_str());
    let destination = (target.bucket(), target.destination_key.as_str());
    let session = context.as_caller(&caller);
    let owner = caller.owner.as_deref();
    let statement = sql::object::rename(source, destination, owner);
    let renamed = context.database().one(&session, statement).await;
    let renamed = renamed.map_err(|error| taken(error, ErrorCode::KeyAlreadyExists))?;
    let id: Value = sql::value(&renamed).ok_or_else(StorageError::no_such_key)?;
    Ok(context::json(json!({
        "message": "Successfully moved",
        "Id": id,
        "Key": target.destination_key,
    })))
}

pub async fn copy_object<W: World>(
    context: &Context<'_, W>,
    body: Body,
) -> Result<Response<Body>, StorageError> {
    let caller = context.caller()?;
    let target: Target = context.json(body).await?;
    target.check()?;
    let session = context.as_caller(&caller);
    let place = Place {
        bucket: target.bucket(),
        name: &target.destination_key,
        owner: caller.owner.as_deref(),
        upsert: context.is_upsert(),
    };
    let mut asked = context
        .ask(&[
            (
                &session,
                sql::object::find(&target.bucket_id, &target.source_key),
            ),
            (&session, upload::may_write(place)),
        ])
        .await?;
    let origin: Option<Object> = asked.value()?;
    let origin = origin.ok_or_else(StorageError::no_such_key)?;
    asked.check().map_err(upload::key_exists)?;

    let source = origin.version.as_deref().and_then(BlobId::parse);
    let source = source.ok_or_else(StorageError::lost)?;
    let mut metadata = origin.metadata.unwrap_or_default();
    let blobs = context.blobs()?;
    let id = context.new_version();
    let whole = (source, 0..metadata.size);
    let written = blobs.concatenate(&id, &[whole]).await?;
    let with_metadata = target.copy_metadata.unwrap_or(true);
    let user_metadata = if with_metadata {
        origin.user_metadata
    } else {
        context
            .header("x-metadata")
            .and_then(form::encoded_metadata)
    };
    if let Some(own) = target.metadata.as_ref().filter(|_| !with_metadata) {
        metadata.mimetype = own.mimetype.clone().unwrap_or(metadata.mimetype);
        metadata.cache_control = own.cache_control.clone().unwrap_or(metadata.cache_control);
    }
    let properties = upload::Properties {
        mime_type: metadata.mimetype,
        cache_control: metadata.cache_control,
        user_metadata: None,
    };
    // Bytes that are the same have the same tag, however they were put together.
    let metadata = upload::metadata(context, &written, &metadata.e_tag, properties);
    let stored = upload::complete(context, place, &id, &metadata, user_metadata.as_ref()).await?;

    let mut answer = json!({
        "Id": stored.object["id"],
        "Key": format!("{}/{}", place.bucket, place.name),
    });
    if let (Some(answer), Value::Object(row)) = (answer.as_object_mut(), stored.object) {
        answer.extend(row);
    }
    Ok(context::json(answer))
}
