//! `/s3`: the S3 protocol, as storage-api speaks it.
//!
//! A request is read ([`command`]), its signature is measured ([`signature`]), and then it is
//! somebody: the service role with the project's S3 keys, or whoever the session token says. From
//! there on the commands use what the JSON API uses, row-level security included.

mod access;
mod bucket;
pub mod checksum;
pub mod chunked;
pub mod command;
pub mod date;
mod error;
mod list;
mod multipart;
mod object;
pub mod payload;
pub mod policy;
mod post;
pub mod signature;
pub mod xml;

use http::{HeaderValue, Response, StatusCode, header};
use serde::Serialize;

pub use error::S3Error;

use super::{Caller, Context};
use crate::{Body, World};
use command::{Command, Target};

/// The largest document that a client may send.
const LARGEST_DOCUMENT: usize = 4 * 1024 * 1024;

/// A command, by whom.
pub(crate) struct Request<'a, W> {
    context: &'a Context<'a, W>,
    caller: Caller,
    target: Target,
    query: Vec<(String, String)>,
}

/// Answers a request; never fails.
pub async fn answer<W: World>(context: &Context<'_, W>, body: Body) -> Response<Body> {
    let method = &context.head.method;
    let path = context.path;
    let path = path.split_once("/s3").map_or(path, |(_, rest)| rest);
    match answered(context, path, body).await {
        Ok(response) => response,
        Err(error) => {
            let resource: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
            let mut random = [0; 8];
            context.world.random(&mut random);
            let id = signature::hex(&random);
            error.into_response(method, &resource.join("/"), &id)
        }
    }
}

async fn answered<W: World>(
    context: &Context<'_, W>,
    path: &str,
    body: Body,
) -> Result<Response<Body>, S3Error> {
    if !context.settings.s3_protocol {
        let message = "The feature s3Protocol is not enabled for this resource";
        return Err(S3Error::new(
            StatusCode::FORBIDDEN,
            "FeatureNotEnabled",
            message,
        ));
    }
    let query = command::query(context.head.uri.query().unwrap_or_default());
    let target = Target::find(&context.head.method, path, &query, context.headers());
    let Some(target) = target else {
        let mut response = Response::new(Body::Empty);
        *response.status_mut() = StatusCode::NOT_FOUND;
        return Ok(response);
    };
    let context = &context.named(target.command.operation());
    if target.command == Command::PostObject {
        return post::upload(context, target, body).await;
    }
    let (body, length) = access::measured(context, body).await?;
    let granted = access::grant(context, &query, length)?;
    let (chunks, verdict) = payload::checked(
        &granted.claim,
        granted.key,
        context.headers(),
        body.into_chunks(),
    )?;
    let request = Request {
        context,
        caller: granted.caller,
        target,
        query,
    };
    match request.target.command {
        Command::ListBuckets => bucket::list(&request).await,
        Command::CreateBucket => bucket::create(&request).await,
        Command::DeleteBucket => bucket::delete(&request).await,
        Command::HeadBucket => bucket::head(&request).await,
        Command::GetBucketLocation => bucket::location(&request).await,
        Command::GetBucketVersioning => bucket::versioning(&request).await,
        Command::ListObjects => list::first(&request).await,
        Command::ListObjectsV2 => list::second(&request).await,
        Command::ListMultipartUploads => multipart::list_uploads(&request).await,
        Command::GetObject => object::get(&request).await,
        Command::GetObjectTagging => object::tagging(&request).await,
        Command::HeadObject => object::head(&request).await,
        Command::PutObject => object::put(&request, chunks, verdict).await,
        Command::CopyObject => object::copy(&request).await,
        Command::DeleteObject => object::delete(&request).await,
        Command::CreateMultipartUpload => multipart::create(&request).await,
        Command::UploadPart => multipart::upload_part(&request, chunks, verdict).await,
        Command::UploadPartCopy => multipart::copy_part(&request).await,
        Command::ListParts => multipart::list_parts(&request).await,
        Command::AbortMultipartUpload => multipart::abort(&request).await,
        Command::DeleteObjects => {
            let text = document(chunks, &verdict).await?;
            object::delete_many(&request, &text).await
        }
        Command::CompleteMultipartUpload => {
            let text = document(chunks, &verdict).await?;
            multipart::complete(&request, &text).await
        }
        Command::PostObject => Err(S3Error::malformed_xml()),
    }
}

/// A document that a client sent, as text.
async fn document(
    chunks: crate::body::Chunks,
    verdict: &payload::Verdict,
) -> Result<String, S3Error> {
    let bytes = Body::Stream(chunks).collect(LARGEST_DOCUMENT).await;
    let bytes = bytes.map_err(|error| match error {
        crate::body::BodyError::TooLarge { .. } => S3Error::too_large(),
        crate::body::BodyError::Interrupted(_) => verdict.take(),
    })?;
    String::from_utf8(bytes.into()).map_err(|_not_text| S3Error::malformed_xml())
}

impl<W> Request<'_, W> {
    /// A parameter of the query.
    fn parameter(&self, name: &str) -> Option<&str> {
        let mut query = self.query.iter();
        let found = query.find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// A parameter that is a number, if it is there.
    fn number(&self, name: &str) -> Result<Option<usize>, S3Error> {
        match self.parameter(name) {
            None | Some("") => Ok(None),
            Some(text) => {
                let number = text.parse();
                Ok(Some(number.map_err(|_not_a_number| {
                    S3Error::invalid_parameter(name)
                })?))
            }
        }
    }

    /// Whether names are to be encoded as in URLs.
    fn encodes(&self) -> Result<bool, S3Error> {
        match self.parameter("encoding-type") {
            None => Ok(false),
            Some("url") => Ok(true),
            Some(_) => Err(S3Error::bad_request(
                "InvalidRequest",
                "Querystring encoding-type must be equal to one of the allowed values",
            )),
        }
    }
}

/// 200 with a document.
fn answer_with(root: &str, value: &impl Serialize) -> Response<Body> {
    let mut response = Response::new(Body::from(xml::document(root, value)));
    let kind = HeaderValue::from_static("application/xml; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

/// A status and nothing else.
fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = status;
    response
}
