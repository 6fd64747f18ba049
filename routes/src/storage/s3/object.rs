//! Commands about objects.

use std::collections::HashSet;

use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use serde_json::{Map, Value};

use super::{Request, S3Error, answer_with, bucket, empty, payload::Verdict, xml};
use crate::{
    Body, World,
    blobs::{BlobId, WriteError},
    body::Chunks,
    storage::{
        Context, StorageError, key,
        object::{
            delete::bytes,
            download::set,
            range::{self, Wanted},
            time,
            upload::{self, Place, Properties},
        },
        sql::{
            self,
            object::{Metadata, Object},
        },
    },
};

/// The most objects that one request removes.
const MOST_DELETED: usize = 1000;

/// Parameters of a download that change a header of its answer.
const OVERRIDES: [(&str, HeaderName); 5] = [
    ("response-content-disposition", header::CONTENT_DISPOSITION),
    ("response-content-type", header::CONTENT_TYPE),
    ("response-cache-control", header::CACHE_CONTROL),
    ("response-content-encoding", header::CONTENT_ENCODING),
    ("response-content-language", header::CONTENT_LANGUAGE),
];

/// An object as the caller sees it.
async fn find<W: World>(
    request: &Request<'_, W>,
    bucket: &str,
    name: &str,
) -> Result<Object, S3Error> {
    let session = request.context.as_caller(&request.caller).read_only();
    let statement = sql::object::find(bucket, name);
    let found = request.context.database().one(&session, statement).await?;
    Ok(sql::value(&found).ok_or_else(StorageError::no_such_key)?)
}

pub(super) async fn get<W: World>(request: &Request<'_, W>) -> Result<Response<Body>, S3Error> {
    let object = find(request, &request.target.bucket, &request.target.key).await?;
    let metadata = object.metadata.clone().unwrap_or_default();
    let modified = time::parse_iso(&metadata.last_modified);
    let headers = request.context.headers();
    check(headers, &GET, &metadata.e_tag, modified)?;
    let expires = expires(request)?;
    let wanted = range::wanted(headers, metadata.size, &metadata.e_tag, modified);
    let (status, part) = match wanted {
        Wanted::NotModified => {
            let mut response = empty(StatusCode::NOT_MODIFIED);
            describe(&mut response, &object, &metadata);
            return Ok(response);
        }
        Wanted::Unsatisfiable => {
            let message = "The requested range is not satisfiable";
            let status = StatusCode::RANGE_NOT_SATISFIABLE;
            return Err(S3Error::new(status, "InvalidRange", message));
        }
        Wanted::Whole => (StatusCode::OK, 0..metadata.size),
        Wanted::Part(part) => (StatusCode::PARTIAL_CONTENT, part),
    };
    let id = object.version.as_deref().and_then(BlobId::parse);
    let id = id.ok_or_else(StorageError::lost)?;
    let chunks = request.context.blobs()?.read(&id, part.clone()).await?;
    let mut response = Response::new(Body::Stream(chunks));
    *response.status_mut() = status;
    describe(&mut response, &object, &metadata);
    if status == StatusCode::PARTIAL_CONTENT {
        let range = format!("bytes {}-{}/{}", part.start, part.end - 1, metadata.size);
        set(&mut response, header::CONTENT_RANGE, &range);
    }
    let length = part.end - part.start;
    response
        .headers_mut()
        .insert(header::CONTENT_LENGTH, length.into());
    for (parameter, name) in OVERRIDES {
        if let Some(value) = request.parameter(parameter) {
            set(&mut response, name, value);
        }
    }
    if let Some(expires) = expires {
        set(&mut response, header::EXPIRES, &expires);
    }
    Ok(response)
}

/// When a download shall say that it is out of date.
fn expires<W>(request: &Request<'_, W>) -> Result<Option<String>, S3Error> {
    let Some(text) = request.parameter("response-expires") else {
        return Ok(None);
    };
    let seconds = time::parse_http(text).or_else(|| time::parse_iso(text));
    let invalid = || S3Error::invalid_parameter("response-expires");
    Ok(Some(time::http_date(seconds.ok_or_else(invalid)?)))
}

pub(super) async fn head<W: World>(request: &Request<'_, W>) -> Result<Response<Body>, S3Error> {
    let object = find(request, &request.target.bucket, &request.target.key).await?;
    let metadata = object.metadata.clone().unwrap_or_default();
    let mut response = Response::new(Body::Empty);
    describe(&mut response, &object, &metadata);
    let length = metadata.size.into();
    response
        .headers_mut()
        .insert(header::CONTENT_LENGTH, length);
    Ok(response)
}

fn describe(response: &mut Response<Body>, object: &Object, metadata: &Metadata) {
    set(response, header::ACCEPT_RANGES, "bytes");
    set(response, header::ETAG, &metadata.e_tag);
    set(response, header::CACHE_CONTROL, &metadata.cache_control);
    set(response, header::CONTENT_TYPE, &metadata.mimetype);
    if let Some(modified) = time::parse_iso(&metadata.last_modified) {
        set(response, header::LAST_MODIFIED, &time::http_date(modified));
    }
    let own = object.user_metadata.as_ref().and_then(Value::as_object);
    let mut missing = 0_u32;
    for (name, value) in own.into_iter().flatten() {
        let name = ["x-amz-meta-", &name.to_ascii_lowercase()].concat();
        let name = HeaderName::try_from(name).ok();
        let value = value.as_str().filter(|value| value.is_ascii());
        let value = value.and_then(|value| HeaderValue::from_str(value).ok());
        match (name, value) {
            (Some(name), Some(value)) => {
                response.headers_mut().insert(name, value);
            }
            _ => missing += 1,
        }
    }
    if missing > 0 {
        let count = HeaderValue::from(missing);
        response.headers_mut().insert("x-amz-missing-meta", count);
    }
}

pub(super) async fn tagging<W: World>(request: &Request<'_, W>) -> Result<Response<Body>, S3Error> {
    find(request, &request.target.bucket, &request.target.key).await?;
    Ok(answer_with("Tagging", &xml::Tagging { tag_set: () }))
}

/// The conditions of a download that fail it; those that shorten it are [`range::wanted`]'s.
const GET: [&str; 4] = ["if-match", "if-unmodified-since", "", ""];
/// The conditions of a copy.
const COPY: [&str; 4] = [
    "x-amz-copy-source-if-match",
    "x-amz-copy-source-if-unmodified-since",
    "x-amz-copy-source-if-none-match",
    "x-amz-copy-source-if-modified-since",
];

/// Refuses a request whose conditions do not hold.
fn check(
    headers: &HeaderMap,
    names: &[&str; 4],
    etag: &str,
    modified: Option<u64>,
) -> Result<(), S3Error> {
    let text = |name: &str| headers.get(name)?.to_str().ok();
    let [same, unmodified, other, since] = names.map(text);
    let bare = |tag: &str| tag.trim().trim_matches('"').to_owned();
    let is_any =
        |tags: &str| tags.trim() == "*" || tags.split(',').any(|tag| bare(tag) == bare(etag));
    let date = |text: Option<&str>| text.and_then(time::parse_http);
    let holds = match (same, date(unmodified)) {
        // Where a tag is given, the time does not count.
        (Some(tags), _) => is_any(tags),
        (None, Some(date)) => modified.is_none_or(|modified| modified <= date),
        (None, None) => true,
    } && match (other, date(since)) {
        (Some(tags), _) => !is_any(tags),
        (None, Some(date)) => modified.is_none_or(|modified| modified > date),
        (None, None) => true,
    };
    if holds {
        Ok(())
    } else {
        Err(S3Error::precondition_failed())
    }
}

/// `x-amz-meta-…`, if there is any.
pub(super) fn user_metadata<'a>(fields: impl Iterator<Item = (&'a str, &'a str)>) -> Option<Value> {
    let mut own = Map::new();
    for (name, value) in fields {
        let name = name.to_ascii_lowercase();
        if let Some(name) = name.strip_prefix("x-amz-meta-") {
            own.insert(name.to_owned(), value.into());
        }
    }
    (!own.is_empty()).then(|| own.into())
}

pub(super) fn header_fields(headers: &HeaderMap) -> impl Iterator<Item = (&str, &str)> {
    let fields = headers.iter();
    fields.filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)))
}

/// What an upload's headers say of its object.
pub(super) fn properties<W: World>(context: &Context<'_, W>) -> Properties {
    let or = |name: &str, other: &str| {
        let text = context.header(name).filter(|text| !text.is_empty());
        text.unwrap_or(other).to_owned()
    };
    Properties {
        mime_type: or("content-type", "application/octet-stream"),
        cache_control: or("cache-control", "no-cache"),
        user_metadata: user_metadata(header_fields(context.headers())),
    }
}

pub(super) async fn put<W: World>(
    request: &Request<'_, W>,
    chunks: Chunks,
    verdict: Verdict,
) -> Result<Response<Body>, S3Error> {
    let context = request.context;
    let mut name = request.target.key.clone();
    let announced = context
        .header("x-amz-decoded-content-length")
        .or_else(|| context.header("content-length"))
        .and_then(|length| length.parse::<u64>().ok());
    if name.ends_with('/') && announced == Some(0) {
        // Where other clients of Storage look for an empty folder.
        name.push_str(".emptyFolderPlaceholder");
    }
    let properties = properties(context);
    let place = Place {
        bucket: &request.target.bucket,
        name: &name,
        owner: request.caller.owner.as_deref(),
        upsert: true,
    };
    store(request, place, properties, announced, chunks, verdict).await
}

/// Stores an object; the answer has its tag.
pub(super) async fn store<W: World>(
    request: &Request<'_, W>,
    place: Place<'_>,
    properties: Properties,
    announced: Option<u64>,
    chunks: Chunks,
    verdict: Verdict,
) -> Result<Response<Body>, S3Error> {
    let context = request.context;
    let session = context.as_caller(&request.caller);
    let bucket = upload::allowed(context, &session, place).await?;
    let limit = upload::limit(context, &bucket, place.name, &properties)?;
    if announced.is_some_and(|announced| announced > limit) {
        return Err(S3Error::too_large());
    }
    let id = context.new_version();
    let written = context.blobs()?.write(&id, chunks, limit).await;
    let written = written.map_err(|error| refused(error, &verdict))?;
    let tag = upload::etag(&written);
    let own = properties.user_metadata.clone();
    let metadata = upload::metadata(context, &written, &tag, properties);
    upload::complete(context, place, &id, &metadata, own.as_ref()).await?;
    let mut response = Response::new(Body::Empty);
    set(&mut response, header::ETAG, &tag);
    Ok(response)
}

/// Why bytes were not written.
pub(super) fn refused(error: WriteError, verdict: &Verdict) -> S3Error {
    match error {
        WriteError::Body(_) => verdict.take(),
        error => StorageError::from(error).into(),
    }
}

/// `/bucket/key` of `x-amz-copy-source`, encoded in whole or in part.
pub(super) fn copy_source(text: &str) -> (String, String) {
    let text = text
        .split_once("?versionId=")
        .map_or(text, |(path, _)| path);
    let decoded = percent_encoding::percent_decode_str(text).decode_utf8();
    // What is no text in UTF-8 is no object's name either.
    let path = decoded.map_or_else(|_| text.to_owned(), std::borrow::Cow::into_owned);
    let path = path.strip_prefix('/').unwrap_or(&path);
    let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
    (bucket.to_owned(), key.to_owned())
}

/// The object that a copy is made of.
pub(super) async fn source<W: World>(request: &Request<'_, W>) -> Result<Object, S3Error> {
    let text = request.context.header("x-amz-copy-source");
    let (bucket, name) = copy_source(text.unwrap_or_default());
    if bucket.is_empty() {
        return Err(StorageError::invalid_bucket_name().into());
    }
    if name.is_empty() {
        return Err(S3Error::missing_parameter("CopySource"));
    }
    let object = find(request, &bucket, &name).await?;
    let metadata = object.metadata.clone().unwrap_or_default();
    let modified = time::parse_iso(&metadata.last_modified);
    check(request.context.headers(), &COPY, &metadata.e_tag, modified)?;
    Ok(object)
}

pub(super) async fn copy<W: World>(request: &Request<'_, W>) -> Result<Response<Body>, S3Error> {
    let context = request.context;
    let place = Place {
        bucket: &request.target.bucket,
        name: &request.target.key,
        owner: request.caller.owner.as_deref(),
        upsert: true,
    };
    key::check_key(place.name)?;
    let origin = source(request).await?;
    let old = origin.metadata.clone().unwrap_or_default();
    let session = context.as_caller(&request.caller);
    let bucket = upload::allowed(context, &session, place).await?;
    let replaces = context
        .header("x-amz-metadata-directive")
        .is_some_and(|directive| directive.eq_ignore_ascii_case("replace"));
    let own = |name: &str, old: &str| {
        let given = context
            .header(name)
            .filter(|text| replaces && !text.is_empty());
        given.unwrap_or(old).to_owned()
    };
    let properties = Properties {
        mime_type: own("content-type", &old.mimetype),
        cache_control: own("cache-control", &old.cache_control),
        user_metadata: if replaces {
            user_metadata(header_fields(context.headers()))
        } else {
            origin.user_metadata.clone()
        },
    };
    if old.size > upload::limit(context, &bucket, place.name, &properties)? {
        return Err(S3Error::too_large());
    }
    let blob = origin.version.as_deref().and_then(BlobId::parse);
    let blob = blob.ok_or_else(StorageError::lost)?;
    let id = context.new_version();
    let whole = [(blob, 0..old.size)];
    let written = context.blobs()?.concatenate(&id, &whole).await;
    let written = written.map_err(StorageError::from)?;
    let user_metadata = properties.user_metadata.clone();
    // Bytes that are the same have the same tag, however they were put together.
    let metadata = upload::metadata(context, &written, &old.e_tag, properties);
    upload::complete(context, place, &id, &metadata, user_metadata.as_ref()).await?;
    let result = xml::CopyResult {
        etag: old.e_tag,
        last_modified: Some(metadata.last_modified),
    };
    Ok(answer_with("CopyObjectResult", &result))
}

/// Removes an object; that there is none is as good.
pub(super) async fn delete<W: World>(request: &Request<'_, W>) -> Result<Response<Body>, S3Error> {
    let names = [request.target.key.clone()];
    if remove(request, &names).await?.is_empty() {
        bucket::any(request).await?;
    }
    Ok(empty(StatusCode::NO_CONTENT))
}

/// Removes the objects of these names that the caller may remove; gives their names.
async fn remove<W: World>(
    request: &Request<'_, W>,
    names: &[String],
) -> Result<HashSet<String>, S3Error> {
    let session = request.context.as_caller(&request.caller);
    let statement = sql::object::delete(&request.target.bucket, names);
    let deleted = request.context.database().one(&session, statement).await?;
    let deleted: Vec<Value> = sql::values(&deleted).collect();
    let versions = deleted.iter().filter_map(|row| row["version"].as_str());
    bytes(&request.context.blobs()?, versions).await;
    let names = deleted.iter().filter_map(|row| row["name"].as_str());
    Ok(names.map(str::to_owned).collect())
}

pub(super) async fn delete_many<W: World>(
    request: &Request<'_, W>,
    text: &str,
) -> Result<Response<Body>, S3Error> {
    let wanted: xml::Delete = xml::parse(text).ok_or_else(S3Error::malformed_xml)?;
    let names: Vec<String> = wanted
        .objects
        .into_iter()
        .map(|object| object.key)
        .collect();
    if names.len() > MOST_DELETED {
        return Err(S3Error::malformed_xml());
    }
    let deleted = if names.is_empty() {
        HashSet::new()
    } else {
        remove(request, &names).await?
    };
    let rest: Vec<String> = names
        .iter()
        .filter(|name| !deleted.contains(*name))
        .cloned()
        .collect();
    let mut kept = HashSet::new();
    if !rest.is_empty() || names.is_empty() {
        bucket::any(request).await?;
    }
    if !rest.is_empty() {
        let session = request.context.as_server().read_only();
        let statement = sql::object::find_names(&request.target.bucket, &rest);
        let found = request.context.database().one(&session, statement).await?;
        kept = sql::values::<String>(&found).collect();
    }
    let mut result = xml::DeleteResult {
        deleted: Vec::new(),
        error: Vec::new(),
    };
    for key in names {
        if kept.contains(&key) {
            result.error.push(xml::NotDeleted {
                key,
                code: "AccessDenied",
                message: "Access Denied",
            });
        } else if !wanted.quiet {
            result.deleted.push(xml::Deleted { key });
        }
    }
    Ok(answer_with("DeleteResult", &result))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_read_however_they_are_encoded() {
        let read = |text: &str| {
            let (bucket, key) = copy_source(text);
            format!("{bucket} {key}")
        };
        assert_eq!(read("b/a/c.txt"), "b a/c.txt");
        assert_eq!(read("/b/a%20b"), "b a b");
        assert_eq!(read("b%2Fa%2Fc"), "b a/c");
        assert_eq!(read("b/a?versionId=1"), "b a");
        assert_eq!(read("b"), "b ");
        assert_eq!(read("b/%FF"), "b %FF");
    }

    #[test]
    fn conditions_hold_or_not() {
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        let earlier = "Sun, 06 Nov 1994 08:49:36 GMT";
        let holds = |name: &'static str, value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(name, value.parse().unwrap());
            check(&headers, &COPY, "\"a\"", Some(784_111_777)).is_ok()
        };
        assert!(holds("x-amz-copy-source-if-match", "a"));
        assert!(holds("x-amz-copy-source-if-match", "\"b\", \"a\""));
        assert!(!holds("x-amz-copy-source-if-match", "\"b\""));
        assert!(!holds("x-amz-copy-source-if-none-match", "\"a\""));
        assert!(holds("x-amz-copy-source-if-none-match", "\"b\""));
        assert!(holds("x-amz-copy-source-if-unmodified-since", date));
        assert!(!holds("x-amz-copy-source-if-unmodified-since", earlier));
        assert!(!holds("x-amz-copy-source-if-modified-since", date));
        assert!(holds("x-amz-copy-source-if-modified-since", earlier));
    }
}
