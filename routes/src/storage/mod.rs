//! `/storage/v1` as storage-api answers it.
//!
//! [`table`] says which endpoint a method and a path lead to; each endpoint is a function of a
//! [`Context`], and what it fails with becomes storage-api's error. Rows are asked for with the
//! statements of [`sql`], as the caller where row-level security decides and as `service_role` where
//! the server does; bytes are in [`crate::blobs`].

pub mod bucket;
pub mod context;
pub mod error;
pub mod key;
mod lock;
pub mod object;
pub mod render;
pub mod s3;
pub mod settings;
pub mod sql;
pub mod sweep;
pub mod table;
pub mod tus;

use http::{Request, Response};
use serde_json::json;

pub use context::{Caller, Context};
pub use error::{ErrorCode, StorageError};
pub use settings::Settings;
use table::Endpoint;

use crate::{Body, World, project::Project};

/// Answers a request whose path behind the API's prefix is `path` (`/object/b/k`, still encoded);
/// never fails.
pub async fn handle<W: World>(
    world: &W,
    project: &Project,
    path: &str,
    request: Request<Body>,
) -> Response<Body> {
    let (head, body) = request.into_parts();
    let Some(route) = table::find(&head.method, path) else {
        return not_found(head.method.as_str(), path);
    };
    let context = Context::new(world, project, &head, path, route);
    match answer(&context, body).await {
        Ok(response) => response,
        Err(error) => error.into_response(),
    }
}

async fn answer<W: World>(
    context: &Context<'_, W>,
    body: Body,
) -> Result<Response<Body>, StorageError> {
    match context.route.endpoint {
        Endpoint::Health => Ok(context::json(json!({"healthy": true}))),
        Endpoint::Status => Ok(Response::default()),
        Endpoint::Version => Ok(Response::new(Body::from(
            env!("CARGO_PKG_VERSION").to_owned(),
        ))),

        Endpoint::ListBuckets => bucket::list(context).await,
        Endpoint::CreateBucket => bucket::create(context, body).await,
        Endpoint::GetBucket => bucket::get(context).await,
        Endpoint::UpdateBucket => bucket::update(context, body).await,
        Endpoint::DeleteBucket => bucket::delete(context).await,
        Endpoint::EmptyBucket => bucket::empty(context).await,

        Endpoint::Upload => object::upload::create(context, body).await,
        Endpoint::Update => object::upload::update(context, body).await,
        Endpoint::SignUpload => object::sign::upload(context).await,
        Endpoint::UploadSigned => object::upload::signed(context, body).await,
        Endpoint::Download | Endpoint::DownloadAuthenticated => {
            object::download::authenticated(context).await
        }
        Endpoint::DownloadPublic => object::download::public(context).await,
        Endpoint::DownloadSigned => object::download::signed(context).await,
        Endpoint::Head | Endpoint::HeadAuthenticated => object::info::head(context, false).await,
        Endpoint::HeadPublic => object::info::head(context, true).await,
        Endpoint::Info | Endpoint::InfoAuthenticated => object::info::get(context, false).await,
        Endpoint::InfoPublic => object::info::get(context, true).await,
        Endpoint::List => object::list::first(context, body).await,
        Endpoint::ListSecond => object::list::second(context, body).await,
        Endpoint::Move => object::copy::move_object(context, body).await,
        Endpoint::Copy => object::copy::copy_object(context, body).await,
        Endpoint::Delete => object::delete::one(context).await,
        Endpoint::DeleteMany => object::delete::many(context, body).await,
        Endpoint::Sign => object::sign::one(context, body).await,
        Endpoint::SignMany => object::sign::many(context, body).await,
        Endpoint::PurgeObject => object::purge::one(context).await,
        Endpoint::PurgeBucket => object::purge::bucket(context).await,

        Endpoint::Render(seen) => render::image(context, seen).await,

        // These answer failures in their own words.
        Endpoint::Resumable(act, signed) => Ok(tus::answer(context, act, signed, body).await),
        Endpoint::S3 => Ok(s3::answer(context, body).await),
    }
}

fn not_found(method: &str, path: &str) -> Response<Body> {
    let message = format!("Route {method}:{path} not found");
    let body = json!({"message": message, "error": "Not Found", "statusCode": 404});
    crate::router::json_response(http::StatusCode::NOT_FOUND, body)
}
