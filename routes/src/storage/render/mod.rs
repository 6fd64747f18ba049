//! `/render/image`: pictures in the size and the format that somebody wants.
//!
//! Source: supabase/storage, `src/http/routes/render/`, `src/storage/renderer/`. What imgproxy does
//! there the world does here: see [`crate::world::World::render`].

pub mod transformation;

use bytes::Bytes;
use http::{Response, StatusCode, header};
use serde_json::Value;

pub use transformation::Transformation;

use super::{
    Context, ErrorCode, StorageError,
    object::{
        download::{self, attach, describe, set},
        sign::{self, Scope},
    },
    sql::object::Object,
};
use crate::{
    Body, World,
    blobs::BlobId,
    world::{RenderError, Rendered},
};

/// The largest file that is rendered, in bytes.
const LARGEST_FILE: u64 = 25 * 1024 * 1024;

/// Who may see a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Seen {
    /// Whoever row-level security shows it.
    Authenticated,
    /// Everybody, of a public bucket.
    Public,
    /// Whoever has a signed address, which says the transformation as well.
    Signed,
}

/// Answers with a rendered picture.
pub async fn image<W: World>(
    context: &Context<'_, W>,
    seen: Seen,
) -> Result<Response<Body>, StorageError> {
    if !context.settings.image_transformation {
        let message = "The feature imageTransformation is not enabled for this resource";
        let error = StorageError::new(ErrorCode::NotSupported, StatusCode::FORBIDDEN, message);
        return Err(error.named("FeatureNotEnabled"));
    }
    let query = |name: &str| context.query(name);
    let (object, transformation, expires) = match seen {
        Seen::Authenticated => {
            context.caller()?;
            let transformation = Transformation::of_query(query)?;
            (download::visible(context).await?, transformation, None)
        }
        Seen::Public => {
            let transformation = Transformation::of_query(query)?;
            (
                download::public_object(context).await?,
                transformation,
                None,
            )
        }
        Seen::Signed => {
            context.route.check(context.path)?;
            let claims = sign::verify(context, Scope::Download)?;
            let text = claims.get("transformations").and_then(Value::as_str);
            let transformation = Transformation::of_token(text.unwrap_or_default());
            let expires = claims.get("exp").and_then(Value::as_u64);
            (
                download::any_object(context).await?,
                transformation,
                expires,
            )
        }
    };
    let bytes = read(context, &object).await?;
    let accepts_webp = context
        .header("accept")
        .is_some_and(|accept| accept.contains("image/webp"));
    let rendered = context
        .world
        .render(bytes, &transformation.options(accepts_webp))
        .await
        .map_err(refusal)?;
    Ok(respond(
        context,
        &object,
        &transformation,
        rendered,
        expires,
    ))
}

async fn read<W: World>(context: &Context<'_, W>, object: &Object) -> Result<Bytes, StorageError> {
    let size = object.metadata.as_ref().map_or(0, |metadata| metadata.size);
    if size > LARGEST_FILE {
        return Err(refused(422, "Source image file is too big"));
    }
    let id = object.version.as_deref().and_then(BlobId::parse);
    let id = id.ok_or_else(StorageError::lost)?;
    let chunks = context.blobs()?.read(&id, 0..size).await?;
    let limit = usize::try_from(LARGEST_FILE).unwrap_or(usize::MAX);
    let lost = |_interrupted| StorageError::lost();
    Body::Stream(chunks).collect(limit).await.map_err(lost)
}

fn respond<W: World>(
    context: &Context<'_, W>,
    object: &Object,
    transformation: &Transformation,
    rendered: Rendered,
    expires: Option<u64>,
) -> Response<Body> {
    let length = rendered.bytes.len();
    let mut response = Response::new(Body::from(rendered.bytes));
    let metadata = object.metadata.clone().unwrap_or_default();
    describe(&mut response, &metadata, expires);
    set(&mut response, header::CONTENT_TYPE, &rendered.media);
    response
        .headers_mut()
        .insert(header::CONTENT_LENGTH, length.into());
    // Which format it is depends on what the client takes.
    set(&mut response, header::VARY, "Accept");
    let segments = transformation.segments().join(",");
    if !segments.is_empty() {
        let name = http::HeaderName::from_static("x-transformations");
        set(&mut response, name, &segments);
    }
    attach(&mut response, context.query("download"));
    response
}

fn refused(status: u16, message: &str) -> StorageError {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
    StorageError::new(ErrorCode::InvalidRequest, status, message)
}

fn refusal(error: RenderError) -> StorageError {
    match error {
        RenderError::Invalid => refused(
            400,
            "The source image is invalid or unsupported for rendering",
        ),
        RenderError::TooLarge => refused(422, "Source image resolution is too big"),
        RenderError::Option => refused(400, "Invalid transformation"),
        RenderError::Failed(message) => StorageError::internal(message),
    }
}
