//! Uploads: what row-level security says of the row, then the bytes, then the row, then the bytes of
//! the version before.
//!
//! **Invariant:** a row is written after its bytes are durable; bytes are removed after the last row
//! that names them is gone.

use http::Response;
use serde_json::{Value, json};

use super::{
    form::{self, Upload},
    sign::{self, Scope},
    time,
};
use crate::{
    Body, World,
    blobs::{BlobId, WriteError, Written},
    database::Session,
    storage::{
        Context, ErrorCode, StorageError,
        bucket::taken,
        context, key,
        sql::{
            self,
            bucket::Bucket,
            object::{Metadata, NewObject, Stored},
        },
    },
};

/// Where an object is to be, and in whose name.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    pub bucket: &'a str,
    pub name: &'a str,
    pub owner: Option<&'a str>,
    /// Whether one that is there may be replaced.
    pub upsert: bool,
}

/// What an upload brings beside its bytes.
#[derive(Debug, Clone, Default)]
pub struct Properties {
    pub mime_type: String,
    pub cache_control: String,
    pub user_metadata: Option<Value>,
}

pub async fn create<W: World>(
    context: &Context<'_, W>,
    body: Body,
) -> Result<Response<Body>, StorageError> {
    from_caller(context, body, context.is_upsert()).await
}

pub async fn update<W: World>(
    context: &Context<'_, W>,
    body: Body,
) -> Result<Response<Body>, StorageError> {
    from_caller(context, body, true).await
}

async fn from_caller<W: World>(
    context: &Context<'_, W>,
    body: Body,
    upsert: bool,
) -> Result<Response<Body>, StorageError> {
    let caller = context.caller()?;
    let place = Place {
        bucket: &context.route.bucket,
        name: &context.route.key,
        owner: caller.owner.as_deref(),
        upsert,
    };
    let session = context.as_caller(&caller);
    let stored = upload(context, &session, place, body).await?;
    Ok(context::json(json!({
        "Id": stored.object["id"],
        "Key": format!("{}/{}", place.bucket, place.name),
    })))
}

/// An upload that a signed address allows: who signed it was asked then.
pub async fn signed<W: World>(
    context: &Context<'_, W>,
    body: Body,
) -> Result<Response<Body>, StorageError> {
    context.route.check(context.path)?;
    let claims = sign::verify(context, Scope::Upload)?;
    let owner = claims.get("owner").and_then(Value::as_str);
    let place = Place {
        bucket: &context.route.bucket,
        name: &context.route.key,
        owner: owner.filter(|owner| !owner.is_empty()),
        upsert: claims.get("upsert") == Some(&Value::Bool(true)),
    };
    upload(context, &context.as_server(), place, body).await?;
    let key = format!("{}/{}", place.bucket, place.name);
    Ok(context::json(json!({"Key": key})))
}

async fn upload<W: World>(
    context: &Context<'_, W>,
    session: &Session,
    place: Place<'_>,
    body: Body,
) -> Result<Stored, StorageError> {
    let bucket = allowed(context, session, place).await?;
    let is_form = form::is_form(context.headers());
    let upload = Upload::read(context.headers(), body).await?;
    let properties = Properties {
        mime_type: upload.mime_type,
        cache_control: upload.cache_control,
        user_metadata: upload.user_metadata,
    };
    let limit = limit(context, &bucket, place.name, &properties)?;
    // Who says beforehand that it is too large need not send it.
    let length = context
        .header("content-length")
        .and_then(|length| length.parse::<u64>().ok());
    if !is_form && length.is_some_and(|length| length > limit) {
        return Err(StorageError::too_large("object"));
    }
    let id = context.new_version();
    let written = context.blobs()?.write(&id, upload.bytes, limit).await;
    // What was interrupted is the client's doing, and what it said of it is all there is to say.
    let written = written.map_err(|error| match error {
        WriteError::Body(_) => StorageError::no_content(),
        error => error.into(),
    })?;
    // Fewer bytes than were announced are not the file.
    if !is_form && length.is_some_and(|length| length != written.size) {
        let _ = context.blobs()?.remove(&id).await;
        return Err(StorageError::no_content());
    }
    let metadata = metadata(context, &written, &etag(&written), properties.clone());
    complete(
        context,
        place,
        &id,
        &metadata,
        properties.user_metadata.as_ref(),
    )
    .await
}

/// Whether the session may write such a row: asked of Postgres, and taken back. The bucket it would
/// be in comes with it.
pub async fn allowed<W: World>(
    context: &Context<'_, W>,
    session: &Session,
    place: Place<'_>,
) -> Result<Bucket, StorageError> {
    key::check_bucket(place.bucket)?;
    key::check_key(place.name)?;
    let server = context.as_server();
    let mut asked = context
        .ask(&[
            (&server, sql::bucket::find(place.bucket)),
            (session, may_write(place)),
        ])
        .await?;
    let bucket: Option<Bucket> = asked.value()?;
    let bucket = bucket.ok_or_else(StorageError::no_such_bucket)?;
    asked.check().map_err(key_exists)?;
    Ok(bucket)
}

/// The statement that a session must be allowed so that it may upload.
pub fn may_write(place: Place<'_>) -> crate::database::Statement {
    let object = NewObject {
        bucket: place.bucket,
        name: place.name,
        version: "1",
        owner: place.owner,
        metadata: None,
        user_metadata: None,
    };
    if place.upsert {
        sql::object::try_upsert(&object)
    } else {
        sql::object::try_insert(&object)
    }
}

pub(super) fn key_exists(error: StorageError) -> StorageError {
    match error.code {
        ErrorCode::ResourceAlreadyExists => StorageError::exists(ErrorCode::KeyAlreadyExists),
        _ => error,
    }
}

/// The largest size that an upload may have; a media type that the bucket does not take is refused.
pub fn limit<W: World>(
    context: &Context<'_, W>,
    bucket: &Bucket,
    name: &str,
    properties: &Properties,
) -> Result<u64, StorageError> {
    // The file that makes a folder has no bytes, and no kind.
    if key::is_folder_placeholder(name) {
        return Ok(0);
    }
    if let Some(allowed) = &bucket.allowed_mime_types {
        key::check_mime_type(&properties.mime_type, allowed)?;
    }
    let global = context.settings.file_size_limit;
    Ok(bucket.file_size_limit.unwrap_or(global).min(global))
}

/// The tag of bytes that were written in one go, with its quotes: their MD5, as S3 has it.
pub fn etag(written: &Written) -> String {
    use std::fmt::Write as _;
    let mut tag = String::from("\"");
    for byte in written.md5 {
        let _ = write!(tag, "{byte:02x}");
    }
    tag.push('"');
    tag
}

/// What the row says of the bytes.
pub fn metadata<W: World>(
    context: &Context<'_, W>,
    written: &Written,
    etag: &str,
    properties: Properties,
) -> Metadata {
    Metadata {
        e_tag: etag.to_owned(),
        size: written.size,
        mimetype: properties.mime_type,
        cache_control: properties.cache_control,
        last_modified: time::iso_date(context.world.now()),
        content_length: written.size,
        http_status_code: 200,
    }
}

/// Makes an object of bytes that are durable, and removes those that it replaces. Where the row
/// cannot be written the bytes are removed.
pub async fn complete<W: World>(
    context: &Context<'_, W>,
    place: Place<'_>,
    id: &BlobId,
    metadata: &Metadata,
    user_metadata: Option<&Value>,
) -> Result<Stored, StorageError> {
    let object = NewObject {
        bucket: place.bucket,
        name: place.name,
        version: id.as_str(),
        owner: place.owner,
        metadata: Some(metadata),
        user_metadata,
    };
    let statement = if place.upsert {
        sql::object::upsert(&object)
    } else {
        sql::object::insert(&object)
    };
    let written = context
        .database()
        .one(&context.as_server(), statement)
        .await;
    let blobs = context.blobs()?;
    let stored = match written {
        Ok(result) => sql::value::<Stored>(&result),
        // Where the database went away the row may be there: the sweep will know.
        Err(error) if error.unavailable().is_some() => return Err(error.into()),
        Err(error) => {
            let _ = blobs.remove(id).await;
            return Err(taken(error, ErrorCode::KeyAlreadyExists));
        }
    };
    let stored = stored.ok_or_else(|| StorageError::internal("the row was not written"))?;
    if let Some(previous) = stored.previous.as_deref().and_then(BlobId::parse) {
        // What cannot be removed now is swept later.
        let _ = blobs.remove(&previous).await;
    }
    Ok(stored)
}
