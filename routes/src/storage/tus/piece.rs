//! A piece of an upload: added, and with the last one the object is there.

use http::{Response, StatusCode, header};
use md5::{Digest as _, Md5};

use super::{
    TusError, headers,
    metadata::Metadata,
    set,
    upload::{Permit, expires, find, forget, id, most, own, properties},
};
use crate::{
    Body, World,
    blobs::{BlobId, WriteError, Written},
    storage::{
        Context,
        lock::Lock,
        object::upload::{self, Place},
        sql::{self, resumable::Upload},
    },
};

/// What became of an upload with a piece.
pub(super) struct Added {
    /// How far it is now.
    pub(super) offset: u64,
    /// Whether it is an object now.
    is_complete: bool,
}

impl Added {
    /// Says in an answer whether there is more to come, and until when.
    pub(super) fn describe(&self, response: &mut Response<Body>, upload: &Upload) {
        if self.is_complete {
            set(response, "tus-complete", "1");
        } else {
            set(response, "upload-expires", &expires(upload));
        }
    }
}

/// Adds a piece where the upload is.
pub(super) async fn append<W: World>(
    context: &Context<'_, W>,
    signed: bool,
    body: Body,
) -> Result<Response<Body>, TusError> {
    let id = id(context)?;
    let headers = context.headers();
    let offset = headers::count(headers, "upload-offset").ok_or(TusError::MissingOffset)?;
    if !headers.contains_key(header::CONTENT_TYPE) {
        return Err(TusError::MissingContentType);
    }
    let permit = Permit::of(context, signed, &id.bucket, &id.key)?;
    let bucket = permit.check(context, &id.bucket, &id.key).await?;
    let most = most(context, &bucket, &id.key);
    let lock = Lock::take(&context.project.name, &id.version).ok_or(TusError::Locked)?;
    let mut upload = find(context, &id).await?;
    if upload.received != offset {
        return Err(TusError::OffsetConflict);
    }
    if let Some(length) = headers::count(headers, "upload-length") {
        if upload.length.is_some() || length < upload.received {
            return Err(TusError::MissingLength);
        }
        if length > most {
            return Err(TusError::MaximumExceeded);
        }
        let statement = sql::resumable::declare_length(&upload.version, length);
        context.database().one(&own(), statement).await?;
        upload.length = Some(length);
    }
    let added = add(context, &permit, &upload, most, body).await?;
    drop(lock);
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = StatusCode::NO_CONTENT;
    set(&mut response, "upload-offset", &added.offset.to_string());
    added.describe(&mut response, &upload);
    Ok(response)
}

/// Stores a piece; whoever calls holds the lock. An upload that has all its bytes becomes an object.
pub(super) async fn add<W: World>(
    context: &Context<'_, W>,
    permit: &Permit,
    upload: &Upload,
    most: u64,
    body: Body,
) -> Result<Added, TusError> {
    if upload.completed {
        return Ok(Added {
            offset: upload.received,
            is_complete: true,
        });
    }
    let room = upload
        .length
        .unwrap_or(most)
        .saturating_sub(upload.received);
    let announced = headers::count(context.headers(), "content-length").unwrap_or(0);
    if announced > room {
        return Err(TusError::SizeExceeded);
    }
    let blob = BlobId::parse(&upload.version).ok_or(TusError::NotFound)?;
    let blobs = context.blobs()?;
    let appended = blobs.append(&blob, upload.received, body.into_chunks(), room);
    let written = appended.await.map_err(|error| match error {
        WriteError::TooLarge { .. } => TusError::SizeExceeded,
        WriteError::Body(_) => TusError::Interrupted,
        error @ WriteError::File(_) => TusError::Storage(error.into()),
    })?;
    let offset = upload.received + written.size;
    let mut pieces = upload.pieces.clone();
    if written.size > 0 || upload.length == Some(0) {
        pieces.push_str(&hex(&written.md5));
    }
    if written.size > 0 {
        let statement = sql::resumable::advance(&upload.version, offset, &pieces);
        context.database().one(&own(), statement).await?;
    }
    if written.interrupted.is_some() {
        return Err(TusError::Interrupted);
    }
    let is_complete = upload.length == Some(offset);
    if is_complete {
        complete(context, permit, upload, &blob, &pieces).await?;
    }
    Ok(Added {
        offset,
        is_complete,
    })
}

/// Makes an object of an upload that has all its bytes. Where the row cannot be written there is
/// nothing left to go on with, and the upload is forgotten.
async fn complete<W: World>(
    context: &Context<'_, W>,
    permit: &Permit,
    upload: &Upload,
    blob: &BlobId,
    pieces: &str,
) -> Result<(), TusError> {
    let written = Written {
        size: upload.length.unwrap_or_default(),
        md5: [0; 16],
        interrupted: None,
    };
    let properties = properties(&Metadata::from_json(&upload.metadata));
    let own_metadata = properties.user_metadata.clone();
    let tag = tag(pieces);
    let metadata = upload::metadata(context, &written, &tag, properties);
    let place = Place {
        bucket: &upload.bucket_id,
        name: &upload.name,
        owner: permit.owner.as_deref(),
        upsert: permit.upsert,
    };
    match upload::complete(context, place, blob, &metadata, own_metadata.as_ref()).await {
        Ok(_) => {
            let statement = sql::resumable::complete(&upload.version);
            context.database().one(&own(), statement).await?;
            Ok(())
        }
        Err(error) if error.is_unavailable() => Err(error.into()),
        Err(error) => {
            forget(context, upload).await?;
            Err(error.into())
        }
    }
}

/// The object's tag, as S3 has it for bytes that came in parts: the MD5 of the parts' MD5s, and how
/// many there were.
pub(in crate::storage) fn tag(pieces: &str) -> String {
    let digests: Vec<u8> = pieces
        .as_bytes()
        .chunks_exact(2)
        .filter_map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect();
    let count = digests.len() / 16;
    format!("\"{}-{count}\"", hex(&Md5::digest(&digests)))
}

fn hex(bytes: &[u8]) -> String {
    crate::storage::s3::signature::hex(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_made_of_the_pieces() {
        // Two parts, of the empty text and of "a".
        let pieces = "d41d8cd98f00b204e9800998ecf8427e0cc175b9c0f1b6a831c399e269772661";
        let digests = [
            [
                0xd4, 0x1d, 0x8c, 0xd9, 0x8f, 0, 0xb2, 4, 0xe9, 0x80, 9, 0x98, 0xec, 0xf8, 0x42,
                0x7e,
            ],
            [
                0x0c, 0xc1, 0x75, 0xb9, 0xc0, 0xf1, 0xb6, 0xa8, 0x31, 0xc3, 0x99, 0xe2, 0x69, 0x77,
                0x26, 0x61,
            ],
        ];
        let expected = format!("\"{}-2\"", hex(&Md5::digest(digests.concat())));
        assert_eq!(tag(pieces), expected);
    }
}
