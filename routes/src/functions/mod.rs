//! Edge Functions: what is deployed, and the way of a call to it.
//!
//! | request | answer |
//! | --- | --- |
//! | `GET /gateway/functions` | every function |
//! | `PUT /gateway/functions/{name}` | deploys one, or its next version: 201, 200 |
//! | `GET`, `PATCH`, `DELETE /gateway/functions/{name}` | one: shown, its settings changed, gone |
//! | `GET /gateway/functions/{name}/versions` | those that are kept, the newest first |
//! | `POST /gateway/functions/{name}/rollback` | `{"version":n}` is the one that answers from now on |
//! | `GET /gateway/functions/{name}/source?version=` | the ZIP, as it was deployed |
//! | `GET`, `DELETE /gateway/functions/{name}/logs?tail=&level=&search=&since=&follow=` | `application/x-ndjson`, or `text/event-stream` |
//! | `GET /gateway/functions/{name}/metrics?window=` | what its requests of the last seconds came to |
//! | `GET /gateway/functions/_calls?function=&trace=&role=&search=&since=&tail=` | `application/x-ndjson`: what functions asked of the database |
//! | `GET`, `POST`, `DELETE /gateway/secrets` | names and digests; values are never shown |
//!
//! A deployment is `multipart/form-data` with the fields `function`, its settings as JSON
//! ([`settings::Draft`]), and `bundle`, a ZIP with `bundle/index.js`, which imports nothing but
//! `bundle/packages.js` if that is there too, and `bundle/meta.json`. What the settings leave out is as
//! it was.
//!
//! A call, `/functions/v1/{name}/…`, goes to whoever runs functions ([`invoke`]), over the same line as
//! requests to applications. What that one has to know, it asks for at the paths above, with the header
//! [`INTERNAL`](crate::router::INTERNAL): `{name}/bundle/{sha256}`, `{name}/env`, and it posts to
//! `{name}/logs`.

pub mod audit;
mod environment;
pub mod error;
mod function;
pub mod invoke;
pub mod logs;
mod manage;
mod memory;
mod name;
pub mod redact;
mod secrets;
pub mod settings;
mod sql;
#[cfg(test)]
mod tests;

use http::Method;
use serde_json::json;

pub use function::{Function, Version};
pub use manage::handle;
pub use memory::{Functions, Memory};
pub use name::is_name;
pub use secrets::handle as handle_secrets;

use crate::{Body, World, vm::Worker};

/// Where functions say they run.
const REGION: &str = "local";

/// Has whoever runs functions end what it began of one that is another now. Where nobody runs any there is
/// nothing to end; who does not hear it sees with the next call that it changed.
async fn end_old(world: &impl World, project: &str, name: &str) {
    let body = json!({"name": name}).to_string();
    let worker = Worker::new(world, project, "");
    let path = "/functions-forget";
    let _ = worker.ask(Method::POST, path, body.into(), false).await;
}

/// Everything that a body of a request may be that is no deployment.
async fn collect(body: Body) -> Result<bytes::Bytes, crate::body::BodyError> {
    body.collect(crate::vm::LARGEST_BODY).await
}
