//! Downloads: whole or in part, to who may read the row.
//!
//! Source: supabase/storage, `src/storage/renderer/renderer.ts`.

use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::{
    range::{self, Wanted},
    sign::{self, Scope},
    time,
};
use crate::{
    Body, World,
    blobs::BlobId,
    storage::{
        Context, StorageError,
        error::LOST,
        key,
        sql::{
            self,
            bucket::Bucket,
            object::{Metadata, Object},
        },
        table::Endpoint,
    },
};

/// What `encodeURIComponent` leaves as it is.
const COMPONENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'!')
    .remove(b'~')
    .remove(b'*')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')');

/// `encodeURIComponent`.
pub fn encode_component(text: &str) -> String {
    utf8_percent_encode(text, COMPONENT).to_string()
}

/// An object that the caller sees; in a public bucket, that anyone does.
pub async fn authenticated<W: World>(
    context: &Context<'_, W>,
) -> Result<Response<Body>, StorageError> {
    serve(context, None, async || visible(context).await).await
}

pub async fn public<W: World>(context: &Context<'_, W>) -> Result<Response<Body>, StorageError> {
    serve(context, None, async || public_object(context).await).await
}

/// An object that a signed address shows, until that is over.
pub async fn signed<W: World>(context: &Context<'_, W>) -> Result<Response<Body>, StorageError> {
    context.route.check(context.path)?;
    let claims = sign::verify(context, Scope::Download)?;
    let expires = claims.get("exp").and_then(Value::as_u64);
    serve(context, expires, async || any_object(context).await).await
}

/// Answers with the object that `find` finds. Bytes that went while they were looked for went because the
/// object was replaced: the new ones are there.
async fn serve<W: World>(
    context: &Context<'_, W>,
    expires: Option<u64>,
    find: impl AsyncFn() -> Result<Object, StorageError>,
) -> Result<Response<Body>, StorageError> {
    let object = find().await?;
    match respond(context, &object, expires).await {
        Err(error) if error.message == LOST => {
            let again = find().await?;
            if again.version == object.version {
                return Err(error);
            }
            respond(context, &again, expires).await
        }
        answer => answer,
    }
}

/// An object in a bucket that must be public.
pub async fn public_object<W: World>(context: &Context<'_, W>) -> Result<Object, StorageError> {
    context.route.check(context.path)?;
    let (bucket, name) = (&context.route.bucket, &context.route.key);
    let server = context.as_server();
    let mut asked = context
        .ask(&[
            (&server, sql::bucket::find(bucket)),
            (&server, sql::object::find(bucket, name)),
        ])
        .await?;
    let bucket: Option<Bucket> = asked.value()?;
    if !bucket.is_some_and(|bucket| bucket.public) {
        return Err(StorageError::no_such_bucket());
    }
    key::check_key(name)?;
    asked.value()?.ok_or_else(StorageError::no_such_key)
}

/// An object that a token shows.
pub async fn any_object<W: World>(context: &Context<'_, W>) -> Result<Object, StorageError> {
    let (bucket, name) = (&context.route.bucket, &context.route.key);
    key::check_key(name)?;
    let session = context.as_server().read_only();
    let statement = sql::object::find(bucket, name);
    let found = context.database().one(&session, statement).await?;
    sql::value(&found).ok_or_else(StorageError::no_such_key)
}

/// An object as the caller sees it. In a public bucket everyone sees everything, and who is nobody sees
/// no other bucket. Paths that say `authenticated` are for somebody only.
pub async fn visible<W: World>(context: &Context<'_, W>) -> Result<Object, StorageError> {
    let caller = match context.route.endpoint {
        Endpoint::DownloadAuthenticated
        | Endpoint::HeadAuthenticated
        | Endpoint::InfoAuthenticated => context.caller()?,
        _ => context.anyone()?,
    };
    let (bucket, name) = (&context.route.bucket, &context.route.key);
    let (server, session) = (context.as_server(), context.as_caller(&caller));
    let mut asked = context
        .ask(&[
            (&server, sql::bucket::find(bucket)),
            (&server, sql::object::find(bucket, name)),
            (&session, sql::object::find(bucket, name)),
        ])
        .await?;
    let bucket: Option<Bucket> = asked.value()?;
    let bucket = bucket.ok_or_else(StorageError::no_such_bucket)?;
    if !caller.is_authenticated && !bucket.public {
        return Err(StorageError::no_such_bucket());
    }
    key::check_key(name)?;
    let public: Option<Object> = asked.value()?;
    let object = if bucket.public {
        public
    } else {
        asked.value()?
    };
    object.ok_or_else(StorageError::no_such_key)
}

/// The answer with an object's bytes. `expires` is when a signed address does, in seconds.
pub async fn respond<W: World>(
    context: &Context<'_, W>,
    object: &Object,
    expires: Option<u64>,
) -> Result<Response<Body>, StorageError> {
    let metadata = object.metadata.clone().unwrap_or_default();
    let modified = time::parse_iso(&metadata.last_modified);
    let size = metadata.size;
    let wanted = range::wanted(context.headers(), size, &metadata.e_tag, modified);
    let part = match wanted {
        Wanted::NotModified => {
            let mut response = Response::new(Body::Empty);
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            describe(&mut response, &metadata, expires);
            return Ok(response);
        }
        Wanted::Unsatisfiable => {
            let mut error = StorageError::invalid_range();
            error.status = StatusCode::RANGE_NOT_SATISFIABLE;
            let error = error.with_http_status(StatusCode::RANGE_NOT_SATISFIABLE);
            let mut response = error.into_response();
            set(
                &mut response,
                header::CONTENT_RANGE,
                &format!("bytes */{size}"),
            );
            return Ok(response);
        }
        Wanted::Whole => 0..size,
        Wanted::Part(ref part) => part.clone(),
    };
    let id = object.version.as_deref().and_then(BlobId::parse);
    let id = id.ok_or_else(StorageError::lost)?;
    let length = part.end - part.start;
    let body = Body::Stream(context.blobs()?.read(&id, part.clone()).await?);
    let mut response = Response::new(body);
    if matches!(wanted, Wanted::Part(_)) {
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
        let range = format!("bytes {}-{}/{size}", part.start, part.end - 1);
        set(&mut response, header::CONTENT_RANGE, &range);
    }
    describe(&mut response, &metadata, expires);
    set(
        &mut response,
        header::CONTENT_TYPE,
        shown_type(&metadata.mimetype),
    );
    response
        .headers_mut()
        .insert(header::CONTENT_LENGTH, length.into());
    confine(&mut response, &metadata.mimetype);
    attach(&mut response, context.query("download"));
    Ok(response)
}

/// Storage-api stands behind an origin of its own; here whatever runs at the API's origin could read
/// the project's keys. So nothing is taken for another type than it says, and a type that has scripts
/// and is no page in the name (SVG, XHTML, XML with a style sheet) gets no origin.
fn confine(response: &mut Response<Body>, mime_type: &str) {
    let headers = response.headers_mut();
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    if mime_type.to_ascii_lowercase().contains("xml") {
        headers.insert(
            header::CONTENT_SECURITY_POLICY,
            HeaderValue::from_static("sandbox"),
        );
    }
}

/// What an answer says of an object, with or without its bytes.
pub fn describe(response: &mut Response<Body>, metadata: &Metadata, expires: Option<u64>) {
    set(response, header::ACCEPT_RANGES, "bytes");
    set(response, header::ETAG, &metadata.e_tag);
    if let Some(modified) = time::parse_iso(&metadata.last_modified) {
        set(response, header::LAST_MODIFIED, &time::http_date(modified));
    }
    match expires {
        Some(seconds) => set(response, header::EXPIRES, &time::http_date(seconds)),
        None => set(response, header::CACHE_CONTROL, &metadata.cache_control),
    }
    set(response, HeaderName::from_static("x-robots-tag"), "none");
}

/// Where the client asks for a file to keep, under the name that it gives.
pub fn attach(response: &mut Response<Body>, download: Option<String>) {
    let Some(name) = download else { return };
    let disposition = if name.is_empty() {
        "attachment;".to_owned()
    } else {
        let name = encode_component(&name);
        format!("attachment; filename={name}; filename*=UTF-8''{name};")
    };
    set(response, header::CONTENT_DISPOSITION, &disposition);
}

/// A page of somebody's would run at the API's own origin.
pub fn shown_type(mime_type: &str) -> &str {
    if mime_type.to_ascii_lowercase().contains("text/html") {
        "text/plain"
    } else {
        mime_type
    }
}

/// Sets a header, unless its value is one that no header has.
pub fn set(response: &mut Response<Body>, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}
