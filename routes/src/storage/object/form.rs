//! An upload's body: `multipart/form-data`, of which the first file counts and the fields before it,
//! or the bytes themselves.

use std::task::Poll;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use futures::{
    FutureExt as _, SinkExt as _, StreamExt as _,
    channel::mpsc,
    future::{Fuse, LocalBoxFuture},
};
use http::{HeaderMap, header};
use multer::{Constraints, Field, Multipart, SizeLimit};
use serde_json::Value;

use crate::{
    Body,
    body::{BodyError, Chunks},
    storage::StorageError,
};

/// The largest field beside the file, and the largest metadata.
const LARGEST_FIELD: u64 = 1024 * 1024;
/// Fields beside the file.
const MOST_FIELDS: usize = 10;
/// Fields beside the file where a policy says which there may be.
const MOST_POSTED: usize = 20;

/// What is to be stored.
pub struct Upload {
    pub mime_type: String,
    pub cache_control: String,
    pub user_metadata: Option<Value>,
    pub bytes: Chunks,
}

impl std::fmt::Debug for Upload {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Upload")
            .field("mime_type", &self.mime_type)
            .field("cache_control", &self.cache_control)
            .finish_non_exhaustive()
    }
}

impl Upload {
    /// Reads a body up to where the file's bytes begin.
    pub async fn read(headers: &HeaderMap, body: Body) -> Result<Self, StorageError> {
        let text = |name: header::HeaderName| headers.get(name)?.to_str().ok();
        let content_type = text(header::CONTENT_TYPE);
        if let Some(content_type) = content_type
            && is_form(headers)
        {
            return Form::new(content_type, body)?.upload().await;
        }
        let or = |text: Option<&str>, other: &str| match text {
            Some(text) if !text.is_empty() => text.to_owned(),
            _ => other.to_owned(),
        };
        Ok(Self {
            mime_type: or(content_type, "application/octet-stream"),
            cache_control: or(text(header::CACHE_CONTROL), "no-cache"),
            user_metadata: headers
                .get("x-metadata")
                .and_then(|value| value.to_str().ok())
                .and_then(encoded_metadata),
            bytes: body.into_chunks(),
        })
    }
}

/// The fields of a form before its file, and the file's bytes: what a browser posts with a policy.
pub async fn fields(
    headers: &HeaderMap,
    body: Body,
) -> Result<(Vec<(String, String)>, Chunks), StorageError> {
    let content_type = headers.get(header::CONTENT_TYPE);
    let content_type = content_type.and_then(|value| value.to_str().ok());
    let mut form = Form::new(content_type.unwrap_or_default(), body)?;
    let mut fields = Vec::new();
    for _ in 0..=MOST_POSTED {
        let Form { multipart, carry } = &mut form;
        let field = carried(carry, multipart.next_field()).await;
        let Some(field) = field.map_err(|error| refusal(&error))? else {
            return Err(StorageError::no_content());
        };
        let name = field.name().unwrap_or_default().to_owned();
        if name == "file" || field.file_name().is_some() {
            return Ok((fields, form.bytes(field)));
        }
        fields.push((name, form.text(field).await?));
    }
    Err(StorageError::no_content())
}

/// Whether a body has the file in a form.
pub fn is_form(headers: &HeaderMap) -> bool {
    let content_type = headers.get(header::CONTENT_TYPE);
    content_type.is_some_and(|value| value.as_bytes().starts_with(b"multipart/form-data"))
}

/// The metadata of the header `x-metadata`: JSON in base64. What is none is left out.
pub fn encoded_metadata(text: &str) -> Option<Value> {
    serde_json::from_slice(&STANDARD.decode(text.trim()).ok()?).ok()
}

/// Carries a body into a channel, once.
type Carry = Fuse<LocalBoxFuture<'static, ()>>;

/// A form that is being read. The crate reads only what may pass between threads, which a body of
/// ours may not: a channel is between them, and whoever waits for the form carries the body into it.
struct Form {
    multipart: Multipart<'static>,
    carry: Carry,
}

impl Form {
    fn new(content_type: &str, body: Body) -> Result<Self, StorageError> {
        let boundary = multer::parse_boundary(content_type);
        let boundary = boundary.map_err(|_none| StorageError::no_content())?;
        let (mut sender, receiver) = mpsc::channel(0);
        let mut chunks = body.into_chunks();
        let carry = async move {
            while let Some(chunk) = chunks.next().await {
                // Who does not listen any more has what it needs.
                if sender.send(chunk).await.is_err() {
                    return;
                }
            }
        };
        // The file's own limit is the bucket's.
        let limits = SizeLimit::new().per_field(u64::MAX).whole_stream(u64::MAX);
        let constraints = Constraints::new().size_limit(limits);
        Ok(Self {
            multipart: Multipart::with_constraints(receiver, boundary, constraints),
            carry: carry.boxed_local().fuse(),
        })
    }

    async fn upload(mut self) -> Result<Upload, StorageError> {
        let (mut content_type, mut cache_control, mut metadata) = (None, None, None);
        for _ in 0..=MOST_FIELDS {
            let Self { multipart, carry } = &mut self;
            let field = carried(carry, multipart.next_field()).await;
            let Some(field) = field.map_err(|error| refusal(&error))? else {
                return Err(StorageError::no_content());
            };
            if is_file(&field) {
                let mime_type = field.content_type().map(ToString::to_string);
                return Ok(Upload {
                    mime_type: content_type
                        .or(mime_type)
                        .unwrap_or_else(|| "text/plain".to_owned()),
                    cache_control: cache_control
                        .map_or_else(|| "no-cache".to_owned(), |time| format!("max-age={time}")),
                    user_metadata: metadata,
                    bytes: self.bytes(field),
                });
            }
            let name = field.name().unwrap_or_default().to_owned();
            let value = self.text(field).await?;
            match name.as_str() {
                "contentType" => content_type = Some(value).filter(|text| !text.is_empty()),
                "cacheControl" => cache_control = Some(value).filter(|text| !text.is_empty()),
                // What is no JSON is left out.
                "metadata" | "userMetadata" => {
                    metadata = metadata.or_else(|| serde_json::from_str(&value).ok());
                }
                _ => {}
            }
        }
        Err(StorageError::no_content())
    }

    async fn text(&mut self, mut field: Field<'static>) -> Result<String, StorageError> {
        let mut bytes = Vec::new();
        while let Some(chunk) = carried(&mut self.carry, field.chunk()).await.transpose() {
            bytes.extend_from_slice(&chunk.map_err(|error| refusal(&error))?);
            if bytes.len() as u64 > LARGEST_FIELD {
                return Err(StorageError::too_large("user_metadata"));
            }
        }
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn bytes(self, mut field: Field<'static>) -> Chunks {
        let Self {
            multipart,
            mut carry,
        } = self;
        Box::pin(futures::stream::poll_fn(move |context| {
            // It is what the field reads from.
            let _whole = &multipart;
            let _ = carry.poll_unpin(context);
            match field.poll_next_unpin(context) {
                Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(interruption(&error)))),
                Poll::Ready(Some(Ok(chunk))) => Poll::Ready(Some(Ok::<Bytes, _>(chunk))),
                Poll::Ready(None) => Poll::Ready(None),
                Poll::Pending => Poll::Pending,
            }
        }))
    }
}

/// What `future` gives, while the body is carried to it.
async fn carried<T>(carry: &mut Carry, future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    std::future::poll_fn(|context| {
        let _ = carry.poll_unpin(context);
        future.as_mut().poll(context)
    })
    .await
}

/// A part is a file where it has a file's name, or bytes of no other kind.
fn is_file(field: &Field<'_>) -> bool {
    let mime_type = field.content_type().map(AsRef::as_ref);
    field.file_name().is_some() || mime_type == Some("application/octet-stream")
}

fn refusal(error: &multer::Error) -> StorageError {
    match interruption(error) {
        error @ BodyError::TooLarge { .. } => error.into(),
        BodyError::Interrupted(_) => StorageError::no_content(),
    }
}

fn interruption(error: &multer::Error) -> BodyError {
    if let multer::Error::StreamReadFailed(error) = error
        && let Some(error) = error.downcast_ref::<BodyError>()
    {
        return error.clone();
    }
    BodyError::Interrupted(error.to_string())
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use futures::{TryStreamExt as _, executor::block_on, stream};

    use super::*;

    /// Reads a body in chunks of so many bytes.
    fn check(content_type: &str, body: &str, size: usize, expected: &Expect) {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, content_type.parse().unwrap());
        let chunks: Vec<_> = body
            .as_bytes()
            .chunks(size)
            .map(|chunk| Ok(Bytes::copy_from_slice(chunk)))
            .collect();
        let body = Body::Stream(Box::pin(stream::iter(chunks)));
        let read = block_on(async {
            let upload = Upload::read(&headers, body).await?;
            let described = format!(
                "{} {} {:?}",
                upload.mime_type, upload.cache_control, upload.user_metadata
            );
            let bytes: Vec<Bytes> = upload.bytes.try_collect().await?;
            Ok::<_, StorageError>((described, bytes.concat()))
        });
        expected.assert_eq(&match read {
            Ok((described, bytes)) => {
                format!("{described} {:?}", String::from_utf8_lossy(&bytes))
            }
            Err(error) => error.body().to_string(),
        });
    }

    fn part(disposition: &str, content_type: &str, value: &str) -> String {
        let content_type = match content_type {
            "" => String::new(),
            content_type => format!("Content-Type: {content_type}\r\n"),
        };
        format!(
            "--x\r\nContent-Disposition: form-data; {disposition}\r\n{content_type}\r\n{value}\r\n"
        )
    }

    #[test]
    fn a_form_is_its_first_file_and_the_fields_before_it() {
        let form = part("name=\"cacheControl\"", "", "3600")
            + &part("name=\"metadata\"", "", r#"{"a":1}"#)
            + &part(
                "name=\"\"; filename=\"blob\"",
                "image/png",
                "\r\n--bytes--\r\n",
            )
            + "--x--\r\n";
        for size in [1, 7, 10_000] {
            check(
                "multipart/form-data; boundary=x",
                &form,
                size,
                &expect![[
                    r#"image/png max-age=3600 Some(Object {"a": Number(1)}) "\r\n--bytes--\r\n""#
                ]],
            );
        }
        let form = part("name=\"contentType\"", "", "text/css")
            + &part("name=\"file\"; filename=\"a\"", "", "x")
            + &part("name=\"cacheControl\"", "", "too late")
            + "--x--\r\n";
        check(
            "multipart/form-data; boundary=x",
            &form,
            10_000,
            &expect![[r#"text/css no-cache None "x""#]],
        );
    }

    #[test]
    fn a_form_without_a_file_is_refused() {
        let refused = expect![[
            r#"{"statusCode":"400","code":"InvalidRequest","error":"InvalidRequest","message":"No content provided"}"#
        ]];
        let field = part("name=\"a\"", "", "b") + "--x--\r\n";
        check("multipart/form-data; boundary=x", &field, 10_000, &refused);
        check("multipart/form-data; boundary=x", "", 10_000, &refused);
        check("multipart/form-data", &field, 10_000, &refused);
        let endless = part("name=\"a\"", "", "b").repeat(100);
        check(
            "multipart/form-data; boundary=x",
            &endless,
            10_000,
            &refused,
        );
    }

    #[test]
    fn any_other_body_is_the_file() {
        check(
            "text/plain;charset=UTF-8",
            "hello",
            2,
            &expect![[r#"text/plain;charset=UTF-8 no-cache None "hello""#]],
        );
    }

    #[test]
    fn a_form_that_ends_early_is_no_file() {
        let cut = part("name=\"\"; filename=\"blob\"", "image/png", "half");
        check(
            "multipart/form-data; boundary=x",
            &cut,
            10_000,
            &expect![[
                r#"{"statusCode":"400","code":"Aborted","error":"Aborted","message":"The request body ended before it was whole: field \"\" received with incomplete data"}"#
            ]],
        );
    }
}
