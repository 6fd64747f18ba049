//! An upload as a whole: begun, looked at, given up.

use http::{Response, StatusCode};
use serde_json::Value;

use super::{LIFETIME, TusError, headers, metadata::Metadata, piece, set, upload_id::UploadId};
use crate::{
    Body, World,
    blobs::BlobId,
    database::Session,
    storage::{
        Context, StorageError, key,
        lock::Lock,
        object::{
            sign::{self, Scope},
            time,
            upload::{self, Place, Properties},
        },
        sql::{
            self,
            bucket::Bucket,
            resumable::{NewUpload, Upload},
        },
    },
};

/// Who may add to an upload, and whether it may replace what is there.
pub(super) struct Permit {
    session: Session,
    pub(super) owner: Option<String>,
    pub(super) upsert: bool,
    /// A signed address was allowed when it was signed; anybody else is asked each time.
    ask: bool,
}

impl Permit {
    /// Who a request is from. With a signed address the object must be the one that was signed for.
    pub(super) fn of<W: World>(
        context: &Context<'_, W>,
        signed: bool,
        bucket: &str,
        name: &str,
    ) -> Result<Self, TusError> {
        if !signed {
            let caller = context.caller().map_err(TusError::Unauthorized)?;
            return Ok(Self {
                session: context.as_caller(&caller),
                owner: caller.owner,
                upsert: context.is_upsert(),
                ask: true,
            });
        }
        let token = context.header("x-signature").unwrap_or_default();
        if token.is_empty() {
            let mut error = StorageError::invalid_signature();
            "Missing x-signature header".clone_into(&mut error.message);
            return Err(error.into());
        }
        let url = [bucket, "/", name].concat();
        let claims = sign::verified(context, Scope::Upload, token, &url)?;
        let owner = claims.get("owner").and_then(Value::as_str);
        Ok(Self {
            session: context.as_server(),
            owner: owner.filter(|owner| !owner.is_empty()).map(str::to_owned),
            upsert: claims.get("upsert") == Some(&Value::Bool(true)),
            ask: false,
        })
    }

    /// Whether the object may be written; gives its bucket.
    pub(super) async fn check<W: World>(
        &self,
        context: &Context<'_, W>,
        bucket: &str,
        name: &str,
    ) -> Result<Bucket, TusError> {
        let place = Place {
            bucket,
            name,
            owner: self.owner.as_deref(),
            upsert: self.upsert,
        };
        if self.ask {
            return Ok(upload::allowed(context, &self.session, place).await?);
        }
        key::check_bucket(bucket)?;
        key::check_key(name)?;
        let session = context.as_server().read_only();
        let found = context
            .database()
            .one(&session, sql::bucket::find(bucket))
            .await?;
        Ok(sql::value(&found).ok_or_else(StorageError::no_such_bucket)?)
    }
}

/// The largest upload that a bucket takes.
pub(super) fn most<W: World>(context: &Context<'_, W>, bucket: &Bucket, name: &str) -> u64 {
    if key::is_folder_placeholder(name) {
        return 0;
    }
    let global = context.settings.file_size_limit;
    bucket.file_size_limit.unwrap_or(global).min(global)
}

/// Begins an upload, perhaps with its first piece.
pub(super) async fn create<W: World>(
    context: &Context<'_, W>,
    signed: bool,
    body: Body,
) -> Result<Response<Body>, TusError> {
    let headers = context.headers();
    if headers.contains_key("upload-concat") {
        return Err(TusError::Concatenation);
    }
    let length = headers::count(headers, "upload-length");
    if length.is_some() == headers.contains_key("upload-defer-length") {
        return Err(TusError::MissingLength);
    }
    let metadata = headers::text(headers, "upload-metadata").and_then(Metadata::parse);
    let mut metadata = metadata.ok_or(TusError::MissingMetadata)?;
    let bucket_id = metadata.get("bucketName").unwrap_or_default().to_owned();
    let name = metadata.get("objectName").unwrap_or_default().to_owned();
    let permit = Permit::of(context, signed, &bucket_id, &name)?;
    let bucket = permit.check(context, &bucket_id, &name).await?;
    let most = most(context, &bucket, &name);
    if length.is_some_and(|length| length > most) {
        return Err(TusError::MaximumExceeded);
    }
    let allowed = bucket.allowed_mime_types.as_deref();
    if let (Some(mime_type), Some(allowed)) = (metadata.get("contentType"), allowed) {
        key::check_mime_type(mime_type, allowed)?;
    }
    let control = cache_control(metadata.get("cacheControl"));
    metadata.set("cacheControl", control);
    let version = context.new_version();
    let statement = sql::resumable::create(&NewUpload {
        version: version.as_str(),
        bucket: &bucket_id,
        name: &name,
        length,
        metadata: &metadata.to_json(),
    });
    let created = context.database().one(&own(), statement).await?;
    let created: Upload = sql::value(&created).ok_or(TusError::NotFound)?;
    let id = UploadId {
        bucket: bucket_id,
        key: name,
        version: version.as_str().to_owned(),
    };
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = StatusCode::CREATED;
    let brings_bytes = headers::text(headers, "content-type")
        .is_some_and(|kind| kind == "application/offset+octet-stream");
    if brings_bytes || length == Some(0) {
        let body = if brings_bytes { body } else { Body::Empty };
        let lock = Lock::take(&context.project.name, version.as_str()).ok_or(TusError::Locked)?;
        let added = piece::add(context, &permit, &created, most, body).await?;
        drop(lock);
        set(&mut response, "upload-offset", &added.offset.to_string());
        added.describe(&mut response, &created);
    } else {
        set(&mut response, "upload-expires", &expires(&created));
    }
    let path = context.head.uri.path().trim_end_matches('/');
    set(
        &mut response,
        "location",
        &[path, "/", &id.encode()].concat(),
    );
    Ok(response)
}

/// How far an upload is.
pub(super) async fn look<W: World>(
    context: &Context<'_, W>,
    signed: bool,
) -> Result<Response<Body>, TusError> {
    let id = id(context)?;
    Permit::of(context, signed, &id.bucket, &id.key)?;
    let upload = find(context, &id).await?;
    let mut response = Response::new(Body::Empty);
    set(&mut response, "cache-control", "no-store");
    set(&mut response, "upload-offset", &upload.received.to_string());
    match upload.length {
        Some(length) => set(&mut response, "upload-length", &length.to_string()),
        None => set(&mut response, "upload-defer-length", "1"),
    }
    let metadata = Metadata::from_json(&upload.metadata).header();
    set(&mut response, "upload-metadata", &metadata);
    if !upload.completed {
        set(&mut response, "upload-expires", &expires(&upload));
    }
    Ok(response)
}

/// Gives an upload up.
pub(super) async fn delete<W: World>(
    context: &Context<'_, W>,
    signed: bool,
) -> Result<Response<Body>, TusError> {
    let id = id(context)?;
    let permit = Permit::of(context, signed, &id.bucket, &id.key)?;
    permit.check(context, &id.bucket, &id.key).await?;
    let lock = Lock::take(&context.project.name, &id.version).ok_or(TusError::Locked)?;
    let upload = find(context, &id).await?;
    if upload.completed {
        return Err(TusError::Completed);
    }
    forget(context, &upload).await?;
    drop(lock);
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = StatusCode::NO_CONTENT;
    Ok(response)
}

/// Removes an upload's row, and then its bytes.
pub(super) async fn forget<W: World>(
    context: &Context<'_, W>,
    upload: &Upload,
) -> Result<(), TusError> {
    let statement = sql::resumable::delete(&upload.version);
    context.database().one(&own(), statement).await?;
    if let Some(blob) = BlobId::parse(&upload.version) {
        // What cannot be removed now is swept later.
        let _ = context.blobs()?.remove(&blob).await;
    }
    Ok(())
}

/// The upload that a request's path names.
pub(super) fn id<W: World>(context: &Context<'_, W>) -> Result<UploadId, TusError> {
    UploadId::decode(&context.route.key).ok_or(TusError::NotFound)
}

/// An upload that is under way, or was until a day ago.
pub(super) async fn find<W: World>(
    context: &Context<'_, W>,
    id: &UploadId,
) -> Result<Upload, TusError> {
    let statement = sql::resumable::find(&id.version, &id.bucket, &id.key);
    let session = own().read_only();
    let found = context.database().one(&session, statement).await?;
    let upload: Upload = sql::value(&found).ok_or(TusError::NotFound)?;
    if context.world.now().0 > upload.created_at.saturating_add(LIFETIME) {
        return Err(TusError::Expired);
    }
    Ok(upload)
}

/// Uploads are the server's own affair: no other role sees them.
pub(super) fn own() -> Session {
    Session::of_role("supabase_storage_admin", "storage")
}

/// When an upload is forgotten, as HTTP writes it.
pub(super) fn expires(upload: &Upload) -> String {
    time::http_date(upload.created_at.saturating_add(LIFETIME) / 1000)
}

/// What the object will be sent with: a number is a time in seconds, anything else nothing.
fn cache_control(text: Option<&str>) -> String {
    let is_number = |text: &&str| {
        let digits = text.strip_prefix('-').unwrap_or(text);
        !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
    };
    match text.filter(is_number) {
        Some(seconds) => format!("max-age={seconds}"),
        None => "no-cache".to_owned(),
    }
}

/// What an upload's metadata says of the object.
pub(super) fn properties(metadata: &Metadata) -> Properties {
    let own = metadata.get("metadata");
    let own = own.and_then(|text| serde_json::from_str::<Value>(text).ok());
    Properties {
        mime_type: metadata
            .get("contentType")
            .unwrap_or("application/octet-stream")
            .to_owned(),
        cache_control: metadata
            .get("cacheControl")
            .unwrap_or("no-cache")
            .to_owned(),
        user_metadata: own.filter(Value::is_object),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn properties_come_from_the_metadata() {
        assert_eq!(cache_control(Some("3600")), "max-age=3600");
        assert_eq!(cache_control(Some("-1")), "max-age=-1");
        for other in [None, Some(""), Some("-"), Some("max-age=1"), Some("1h")] {
            assert_eq!(cache_control(other), "no-cache", "{other:?}");
        }
        let read = |text: &str| properties(&Metadata::parse(text).unwrap());
        let all = read("contentType aW1hZ2UvcG5n,metadata eyJhIjoxfQ==");
        assert_eq!(all.mime_type, "image/png");
        assert_eq!(all.user_metadata, Some(serde_json::json!({"a": 1})));
        let none = read("bucketName YQ==,metadata WzFd");
        assert_eq!(none.mime_type, "application/octet-stream");
        assert_eq!(none.user_metadata, None);
    }
}
