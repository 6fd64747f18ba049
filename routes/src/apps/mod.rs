//! Guest applications: what is deployed, and the way of a request under `/app/<name>` to it.
//!
//! | request | answer |
//! | --- | --- |
//! | `GET /gateway/apps` | every application |
//! | `PUT /gateway/apps/{name}` | deploys one, or another version of it: 201, 200 |
//! | `GET`, `PATCH`, `DELETE /gateway/apps/{name}` | one: shown, its settings changed, gone |
//! | `POST /gateway/apps/{name}/start`, `…/stop`, `…/restart` | the application as it is then |
//! | `GET /gateway/apps/{name}/logs?follow=&tail=` | `application/x-ndjson`, or `text/event-stream` |
//!
//! A deployment is `multipart/form-data` with the fields `app`, its settings as JSON ([`settings::Draft`]),
//! and `bundle`, a ZIP; or `application/zip` with `?runtime=`. What the settings leave out is as it was.
//! Whoever deletes an application is told what its role owned (`kept`): it is the database's owner's now.
//!
//! No GET starts the virtual machine, and what needs no machine works without one.

pub mod app;
pub mod error;
mod manage;
mod memory;
mod name;
mod resolve;
pub mod settings;
pub mod sql;
#[cfg(test)]
pub(crate) mod tests;
pub mod traffic;

use http::{HeaderValue, Response, header};

pub use app::App;
pub use manage::handle;
pub use memory::{Apps, Memory};
pub use name::is_name;
pub use resolve::resolve;

use crate::Body;

/// The script that pages of applications begin with.
const SHIM: &str = include_str!("shim.js");

/// The script that stands in for `WebSocket` in pages of applications, because a service worker does
/// not see one.
pub(crate) fn shim() -> Response<Body> {
    let mut response = Response::new(Body::from(SHIM.to_owned()));
    let headers = response.headers_mut();
    let media_type = HeaderValue::from_static("text/javascript; charset=utf-8");
    headers.insert(header::CONTENT_TYPE, media_type);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}
