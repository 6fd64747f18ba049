//! `/upload/resumable`: uploads in pieces that go on where they stopped.
//!
//! Sources: TUS 1.0.0 (<https://tus.io/protocols/resumable-upload>), and what `@tus/server` and
//! storage-api's hooks in it answer (`src/http/routes/tus/lifecycle.ts`).
//!
//! **Invariant:** what an answer acknowledges is durable. A piece is a file of its own; how far the
//! upload is stands in its row, written after the file was closed. What a crash leaves behind that
//! mark is written over.

mod error;
pub mod headers;
pub mod metadata;
mod piece;
mod upload;
pub mod upload_id;

use http::{HeaderValue, Response, StatusCode};

pub use error::TusError;
pub(in crate::storage) use piece::tag;

use super::{Context, table::Resumable};
use crate::{Body, World};

/// What of the protocol there is beside its core.
const EXTENSIONS: &str =
    "creation,creation-with-upload,creation-defer-length,termination,expiration";
/// How long an upload may take, in milliseconds: a day.
pub const LIFETIME: u64 = 24 * 60 * 60 * 1000;
/// Headers of answers that a page of another origin may read.
const EXPOSED: &str = "Authorization, Content-Type, Location, Tus-Extension, Tus-Max-Size, \
    Tus-Resumable, Tus-Version, Upload-Concat, Upload-Defer-Length, Upload-Length, \
    Upload-Metadata, Upload-Offset, Upload-Expires, Tus-Complete, X-HTTP-Method-Override, \
    X-Requested-With, X-Forwarded-Host, X-Forwarded-Proto, Forwarded";

/// Answers a request; never fails. `signed` is whether a token in `x-signature` stands for the caller.
pub async fn answer<W: World>(
    context: &Context<'_, W>,
    act: Resumable,
    signed: bool,
    body: Body,
) -> Response<Body> {
    let answered = match act {
        Resumable::Options => Ok(options(context)),
        _ => match headers::check(&context.head.method, context.headers()) {
            Ok(()) => act_on(context, act, signed, body).await,
            Err(error) => Err(error),
        },
    };
    let mut response = answered.unwrap_or_else(TusError::into_response);
    set(&mut response, "tus-resumable", headers::VERSION);
    set(&mut response, "access-control-expose-headers", EXPOSED);
    response
}

async fn act_on<W: World>(
    context: &Context<'_, W>,
    act: Resumable,
    signed: bool,
    body: Body,
) -> Result<Response<Body>, TusError> {
    match act {
        Resumable::Options => Ok(options(context)),
        Resumable::Create => upload::create(context, signed, body).await,
        Resumable::Look => upload::look(context, signed).await,
        Resumable::Append => piece::append(context, signed, body).await,
        Resumable::Delete => upload::delete(context, signed).await,
    }
}

fn options<W: World>(context: &Context<'_, W>) -> Response<Body> {
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = StatusCode::NO_CONTENT;
    set(&mut response, "tus-version", headers::VERSION);
    set(&mut response, "tus-extension", EXTENSIONS);
    let most = context.settings.file_size_limit.to_string();
    set(&mut response, "tus-max-size", &most);
    response
}

/// Sets a header; one that cannot be is left out.
fn set(response: &mut Response<Body>, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}
