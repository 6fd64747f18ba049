//! Uploads in parts: each part is a blob of its own, and completing makes one of them.

use std::ops::Range;

use http::{HeaderValue, Response, StatusCode, header};
use serde_json::{Value, json};

use super::{
    Request, S3Error, answer_with, bucket, empty,
    list::shown,
    object::{self, properties, refused},
    payload::Verdict,
    signature, xml,
};
use crate::{
    Body, World,
    blobs::{BlobId, Written},
    body::Chunks,
    storage::{
        StorageError, key,
        lock::Lock,
        object::{
            delete::bytes,
            download::set,
            time,
            upload::{self, Place, Properties},
        },
        sql::{
            self,
            bucket::Bucket,
            s3::{Part, Upload},
        },
        tus,
    },
};

/// The most parts of an upload, as S3 has it.
const MOST_PARTS: usize = 10_000;
/// The most entries of a page.
const MOST_LISTED: usize = 1000;

fn place<'a, W>(request: &'a Request<'_, W>) -> Place<'a> {
    Place {
        bucket: &request.target.bucket,
        name: &request.target.key,
        owner: request.caller.owner.as_deref(),
        upsert: true,
    }
}

/// Whether the caller may write the object; gives its bucket.
async fn allowed<W: World>(request: &Request<'_, W>) -> Result<Bucket, S3Error> {
    let context = request.context;
    let session = context.as_caller(&request.caller);
    Ok(upload::allowed(context, &session, place(request)).await?)
}

/// The upload that a request names, if it is one of its object.
async fn find<W: World>(request: &Request<'_, W>) -> Result<Upload, S3Error> {
    let id = request.parameter("uploadId").unwrap_or_default();
    let target = &request.target;
    let statement = sql::s3::find_upload(id, &target.bucket, &target.key);
    let session = request.context.as_server().read_only();
    let found = request.context.database().one(&session, statement).await?;
    sql::value(&found).ok_or_else(S3Error::no_such_upload)
}

fn part_number<W>(request: &Request<'_, W>) -> Result<u32, S3Error> {
    let number = request.number("partNumber")?.unwrap_or_default();
    let invalid = || {
        let message = "Querystring partNumber must be >= 1 and <= 10000";
        S3Error::bad_request("InvalidRequest", message)
    };
    let number = u32::try_from(number).map_err(|_too_large| invalid())?;
    let is_valid = (1..=10_000).contains(&number);
    is_valid.then_some(number).ok_or_else(invalid)
}

pub(super) async fn create<W: World>(request: &Request<'_, W>) -> Result<Response<Body>, S3Error> {
    let context = request.context;
    let bucket = allowed(request).await?;
    let properties = properties(context);
    let allowed = bucket.allowed_mime_types.as_deref();
    if let (Some(allowed), Some(mime_type)) = (allowed, context.header("content-type")) {
        key::check_mime_type(mime_type, allowed)?;
    }
    let mut random = [0; 32];
    context.world.random(&mut random);
    let new = Upload {
        id: signature::hex(&random),
        key: request.target.key.clone(),
        version: context.new_version().as_str().to_owned(),
        in_progress_size: 0,
        created_at: String::new(),
        user_metadata: properties.user_metadata,
        metadata: Some(json!({
            "mimetype": properties.mime_type,
            "cacheControl": properties.cache_control,
        })),
    };
    let bucket = &request.target.bucket;
    let owner = request.caller.owner.as_deref();
    let statement = sql::s3::create_upload(&new, bucket, owner);
    let session = context.as_server();
    context.database().one(&session, statement).await?;
    let result = xml::InitiateMultipartUploadResult {
        bucket,
        key: &new.key,
        upload_id: &new.id,
    };
    Ok(answer_with("InitiateMultipartUploadResult", &result))
}

/// How many bytes more an upload may have.
fn room<W: World>(request: &Request<'_, W>, bucket: &Bucket, upload: &Upload) -> u64 {
    let global = request.context.settings.file_size_limit;
    let most = bucket.file_size_limit.unwrap_or(global).min(global);
    most.saturating_sub(upload.in_progress_size)
}

pub(super) async fn upload_part<W: World>(
    request: &Request<'_, W>,
    chunks: Chunks,
    verdict: Verdict,
) -> Result<Response<Body>, S3Error> {
    let number = part_number(request)?;
    let upload = find(request).await?;
    let bucket = allowed(request).await?;
    let room = room(request, &bucket, &upload);
    let context = request.context;
    let announced = context
        .header("x-amz-decoded-content-length")
        .or_else(|| context.header("content-length"))
        .and_then(|length| length.parse::<u64>().ok());
    if announced.is_some_and(|announced| announced > room) {
        return Err(S3Error::too_large());
    }
    let id = context.new_version();
    let written = context.blobs()?.write(&id, chunks, room).await;
    let written = written.map_err(|error| refused(error, &verdict))?;
    let tag = put(request, &upload, number, &id, &written).await?;
    let mut response = Response::new(Body::Empty);
    set(&mut response, header::ETAG, &tag);
    let exposed = HeaderValue::from_static("etag");
    response
        .headers_mut()
        .insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
    Ok(response)
}

/// Adds a part whose bytes are durable; gives its tag.
async fn put<W: World>(
    request: &Request<'_, W>,
    upload: &Upload,
    number: u32,
    id: &BlobId,
    written: &Written,
) -> Result<String, S3Error> {
    let context = request.context;
    let part = Part {
        part_number: number,
        etag: upload::etag(written),
        size: written.size,
        version: id.as_str().to_owned(),
        created_at: String::new(),
    };
    let owner = request.caller.owner.as_deref();
    let statement = sql::s3::put_part(upload, &request.target.bucket, owner, &part);
    let session = context.as_server();
    let replaced = context.database().one(&session, statement).await;
    let blobs = context.blobs()?;
    let replaced = match replaced {
        Ok(replaced) => replaced,
        Err(error) => {
            // The upload was given up meanwhile; where the database is away, the sweep will know.
            if error.unavailable().is_none() {
                let _ = blobs.remove(id).await;
            }
            return Err(error.into());
        }
    };
    let replaced: Vec<String> = sql::values(&replaced).collect();
    bytes(&blobs, replaced.iter().map(String::as_str)).await;
    Ok(part.etag)
}

pub(super) async fn copy_part<W: World>(
    request: &Request<'_, W>,
) -> Result<Response<Body>, S3Error> {
    let number = part_number(request)?;
    let upload = find(request).await?;
    let origin = object::source(request).await?;
    let size = origin.metadata.as_ref().map_or(0, |metadata| metadata.size);
    let range = match request.context.header("x-amz-copy-source-range") {
        None => 0..size,
        Some(text) => copy_range(text, size).ok_or_else(StorageError::invalid_range)?,
    };
    let bucket = allowed(request).await?;
    if range.end - range.start > room(request, &bucket, &upload) {
        return Err(S3Error::too_large());
    }
    let context = request.context;
    let blob = origin.version.as_deref().and_then(BlobId::parse);
    let blob = blob.ok_or_else(StorageError::lost)?;
    let id = context.new_version();
    let written = context.blobs()?.concatenate(&id, &[(blob, range)]).await;
    let written = written.map_err(StorageError::from)?;
    let result = xml::CopyResult {
        etag: put(request, &upload, number, &id, &written).await?,
        last_modified: Some(time::iso_date(context.world.now())),
    };
    Ok(answer_with("CopyPartResult", &result))
}

/// `bytes=<first>-<last>`, both of them there and within the object.
fn copy_range(text: &str, size: u64) -> Option<Range<u64>> {
    let (first, last) = text.strip_prefix("bytes=")?.split_once('-')?;
    let (first, last) = (first.parse::<u64>().ok()?, last.parse::<u64>().ok()?);
    (first <= last && last < size).then(|| first..last + 1)
}

pub(super) async fn list_parts<W: World>(
    request: &Request<'_, W>,
) -> Result<Response<Body>, S3Error> {
    let upload = find(request).await?;
    let most = request.number("max-parts")?.unwrap_or(MOST_LISTED);
    let most = most.min(MOST_LISTED);
    let marker = request.number("part-number-marker")?;
    let marker = marker.map(|marker| u32::try_from(marker).unwrap_or(u32::MAX));
    let after = marker.unwrap_or_default();
    let mut parts = parts(request, &upload, after, most + 1).await?;
    let is_truncated = parts.len() > most;
    parts.truncate(most);
    let last = parts.last().filter(|_| is_truncated);
    let result = xml::ListPartsResult {
        bucket: &request.target.bucket,
        key: &upload.key,
        upload_id: &upload.id,
        part_number_marker: marker,
        next_part_number_marker: last.map(|part| part.part_number),
        max_parts: most,
        is_truncated,
        part: parts
            .iter()
            .map(|part| xml::Part {
                part_number: part.part_number,
                last_modified: part.created_at.clone(),
                etag: part.etag.clone(),
                size: part.size,
            })
            .collect(),
    };
    Ok(answer_with("ListPartsResult", &result))
}

/// The parts of an upload, as whoever began it would see them.
async fn parts<W: World>(
    request: &Request<'_, W>,
    upload: &Upload,
    after: u32,
    most: usize,
) -> Result<Vec<Part>, S3Error> {
    // Policies are about objects: who may write the object may see what it is made of.
    allowed(request).await?;
    let session = request.context.as_server().read_only();
    let statement = sql::s3::list_parts(&upload.id, after, most);
    let found = request.context.database().one(&session, statement).await?;
    Ok(sql::values(&found).collect())
}

pub(super) async fn complete<W: World>(
    request: &Request<'_, W>,
    text: &str,
) -> Result<Response<Body>, S3Error> {
    let wanted: xml::CompleteMultipartUpload = if text.trim().is_empty() {
        xml::CompleteMultipartUpload::default()
    } else {
        xml::parse(text).ok_or_else(S3Error::malformed_xml)?
    };
    let context = request.context;
    let upload = find(request).await?;
    let locked = || {
        let message = "The resource is locked";
        S3Error::new(StatusCode::LOCKED, "ResourceLocked", message)
    };
    let lock = Lock::take(&context.project.name, &upload.version).ok_or_else(locked)?;
    let bucket = allowed(request).await?;
    let known = parts(request, &upload, 0, MOST_PARTS).await?;
    let chosen = choose(known, &wanted)?;
    let size: u64 = chosen.iter().map(|part| part.size).sum();
    let global = context.settings.file_size_limit;
    if size > bucket.file_size_limit.unwrap_or(global).min(global) {
        return Err(S3Error::too_large());
    }
    let pieces: Vec<(BlobId, Range<u64>)> = chosen
        .iter()
        .filter_map(|part| Some((BlobId::parse(&part.version)?, 0..part.size)))
        .collect();
    let id = BlobId::parse(&upload.version).ok_or_else(S3Error::no_such_upload)?;
    let written = context.blobs()?.concatenate(&id, &pieces).await;
    let written = written.map_err(StorageError::from)?;
    let digests: String = chosen
        .iter()
        .map(|part| part.etag.trim_matches('"'))
        .collect();
    let tag = tus::tag(&digests);
    let said = upload.metadata.clone().unwrap_or_default();
    let text = |name: &str, other: &str| said[name].as_str().unwrap_or(other).to_owned();
    let properties = Properties {
        mime_type: text("mimetype", "application/octet-stream"),
        cache_control: text("cacheControl", "no-cache"),
        user_metadata: None,
    };
    let metadata = upload::metadata(context, &written, &tag, properties);
    let own: Option<&Value> = upload.user_metadata.as_ref();
    upload::complete(context, place(request), &id, &metadata, own).await?;
    forget(request, &upload).await?;
    drop(lock);
    let (bucket, key) = (&*request.target.bucket, &*request.target.key);
    let result = xml::CompleteMultipartUploadResult {
        location: &[bucket, "/", key].concat(),
        bucket,
        key,
        etag: &tag,
    };
    Ok(answer_with("CompleteMultipartUploadResult", &result))
}

/// The parts that make the object: those that are named, or else all.
fn choose(known: Vec<Part>, wanted: &xml::CompleteMultipartUpload) -> Result<Vec<Part>, S3Error> {
    let invalid = |message: &str| S3Error::bad_request("InvalidPart", message);
    if known.is_empty() {
        return Err(invalid("You must specify at least one part"));
    }
    if wanted.parts.is_empty() {
        return Ok(known);
    }
    let is_sorted = wanted
        .parts
        .is_sorted_by(|before, after| before.part_number < after.part_number);
    if !is_sorted {
        let message = "The list of parts was not in ascending order. \
                       The parts list must be specified in order by part number.";
        return Err(S3Error::bad_request("InvalidPartOrder", message));
    }
    let bare = |tag: &str| tag.trim().trim_matches('"').to_ascii_lowercase();
    let find = |part: &xml::CompletedPart| {
        let found = known.iter().find(|known| {
            known.part_number == part.part_number && bare(&known.etag) == bare(&part.etag)
        });
        let missing = || {
            invalid(
                "One or more of the specified parts could not be found. The part may not have \
                 been uploaded, or the specified entity tag may not match the part's entity tag.",
            )
        };
        found.cloned().ok_or_else(missing)
    };
    wanted.parts.iter().map(find).collect()
}

pub(super) async fn abort<W: World>(request: &Request<'_, W>) -> Result<Response<Body>, S3Error> {
    let upload = find(request).await?;
    allowed(request).await?;
    forget(request, &upload).await?;
    Ok(empty(StatusCode::OK))
}

/// Removes the rows of an upload, and then the bytes of its parts.
async fn forget<W: World>(request: &Request<'_, W>, upload: &Upload) -> Result<(), S3Error> {
    let context = request.context;
    let session = context.as_server();
    let statement = sql::s3::delete_upload(&upload.id);
    let versions = context.database().one(&session, statement).await?;
    let versions: Vec<String> = sql::values(&versions).collect();
    bytes(&context.blobs()?, versions.iter().map(String::as_str)).await;
    Ok(())
}

pub(super) async fn list_uploads<W: World>(
    request: &Request<'_, W>,
) -> Result<Response<Body>, S3Error> {
    let most = request.number("max-uploads")?.unwrap_or(MOST_LISTED);
    if !(1..=MOST_LISTED).contains(&most) {
        return Err(S3Error::invalid_parameter("MaxUploads"));
    }
    bucket::any(request).await?;
    let encodes = request.encodes()?;
    let prefix = request.parameter("prefix").unwrap_or_default();
    let delimiter = request.parameter("delimiter").unwrap_or_default();
    let given = |name: &str| request.parameter(name).filter(|text| !text.is_empty());
    let (key_marker, id_marker) = (given("key-marker"), given("upload-id-marker"));
    let session = request.context.as_caller(&request.caller).read_only();
    let mut result = xml::ListMultipartUploadsResult {
        bucket: request.target.bucket.clone(),
        prefix: shown(prefix, encodes),
        key_marker: key_marker.map(|key| shown(key, encodes)),
        upload_id_marker: id_marker.map(str::to_owned),
        next_key_marker: None,
        next_upload_id_marker: None,
        upload: Vec::new(),
        is_truncated: false,
        max_uploads: most,
        delimiter: (!delimiter.is_empty()).then(|| shown(delimiter, encodes)),
        encoding_type: encodes.then(|| "url".to_owned()),
        common_prefixes: Vec::new(),
    };
    let mut after_key = key_marker.map(str::to_owned);
    let mut after_id = id_marker.map(str::to_owned);
    loop {
        let (bucket, limit) = (&request.target.bucket, MOST_LISTED);
        let statement = sql::s3::list_uploads(
            bucket,
            prefix,
            after_key.as_deref(),
            after_id.as_deref(),
            limit,
        );
        let found = request.context.database().one(&session, statement).await?;
        let uploads: Vec<Upload> = sql::values(&found).collect();
        let is_last = uploads.len() < limit;
        for upload in uploads {
            let rest = upload.key.get(prefix.len()..).unwrap_or_default();
            let folder = (!delimiter.is_empty())
                .then(|| rest.find(delimiter))
                .flatten()
                .map(|at| upload.key[..prefix.len() + at + delimiter.len()].to_owned());
            let name = folder.clone().unwrap_or_else(|| upload.key.clone());
            let is_known = folder.is_some()
                && (result.common_prefixes.last())
                    .is_some_and(|last| last.prefix == shown(&name, encodes));
            if !is_known && result.upload.len() + result.common_prefixes.len() == most {
                result.is_truncated = true;
                result.next_key_marker = after_key.map(|key| shown(&key, encodes));
                result.next_upload_id_marker = after_id;
                return Ok(answer_with("ListMultipartUploadsResult", &result));
            }
            after_key = Some(upload.key.clone());
            after_id = Some(upload.id.clone());
            if is_known {
                continue;
            }
            match folder {
                Some(_) => result.common_prefixes.push(xml::CommonPrefix {
                    prefix: shown(&name, encodes),
                }),
                None => result.upload.push(xml::Upload {
                    key: shown(&upload.key, encodes),
                    initiated: upload.created_at,
                    upload_id: upload.id,
                    storage_class: "STANDARD",
                }),
            }
        }
        if is_last {
            return Ok(answer_with("ListMultipartUploadsResult", &result));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(part_number: u32) -> Part {
        Part {
            part_number,
            etag: format!("\"{part_number:032x}\""),
            size: 1,
            version: String::new(),
            created_at: String::new(),
        }
    }

    fn chosen(known: &[u32], wanted: &[(u32, &str)]) -> Result<Vec<u32>, &'static str> {
        let known = known.iter().map(|number| part(*number)).collect();
        let parts = wanted.iter().map(|(part_number, etag)| xml::CompletedPart {
            part_number: *part_number,
            etag: (*etag).to_owned(),
        });
        let wanted = xml::CompleteMultipartUpload {
            parts: parts.collect(),
        };
        let parts = choose(known, &wanted).map_err(|error| error.code)?;
        Ok(parts.iter().map(|part| part.part_number).collect())
    }

    #[test]
    fn an_object_is_made_of_the_parts_that_are_named() {
        let (first, second) = (part(1).etag, part(2).etag);
        assert_eq!(chosen(&[1, 2], &[]), Ok(vec![1, 2]));
        assert_eq!(
            chosen(&[1, 2, 3], &[(1, &first), (2, second.trim_matches('"'))]),
            Ok(vec![1, 2])
        );
        assert_eq!(
            chosen(&[1, 2], &[(2, &second), (1, &first)]),
            Err("InvalidPartOrder")
        );
        assert_eq!(
            chosen(&[1], &[(1, &first), (2, &second)]),
            Err("InvalidPart")
        );
        assert_eq!(chosen(&[1, 2], &[(1, &second)]), Err("InvalidPart"));
        assert_eq!(
            chosen(&[1, 2], &[(1, &first), (1, &first)]),
            Err("InvalidPartOrder")
        );
        assert_eq!(chosen(&[], &[]), Err("InvalidPart"));
    }

    #[test]
    fn a_range_of_a_copy_lies_within_its_source() {
        assert_eq!(copy_range("bytes=0-9", 10), Some(0..10));
        assert_eq!(copy_range("bytes=3-3", 10), Some(3..4));
        for range in [
            "bytes=0-10",
            "bytes=-5",
            "bytes=5-",
            "bytes=5-4",
            "0-4",
            "bytes=0-1,3-4",
        ] {
            assert_eq!(copy_range(range, 10), None, "{range}");
        }
    }
}
