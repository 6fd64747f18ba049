//! `localhost:5173` of the guest: the router, met from the other side.

use std::rc::Rc;

use futures::future::LocalBoxFuture;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Uri, header};
use http1::Malformed;
use port::peer::{Body, Lost};
use serde_json::json;

use crate::served::Answers;

/// Where the guest's programs find it.
pub const PORT: u16 = 5173;

/// What a header must not begin with that crosses between a program and the router: those are the
/// gateway's own words.
const OWN: &str = "x-gateway-";

const JSON: &str = "application/json; charset=utf-8";

/// The router, at the other end of the line.
pub trait Router {
    /// Asks it. Dropped, the request is cancelled.
    fn request(
        &self,
        request: Request<Body>,
    ) -> LocalBoxFuture<'static, Result<Response<Body>, Lost>>;
}

/// Answers the guest's programs as the router does.
pub struct Gateway(pub Rc<dyn Router>);

impl Answers for Gateway {
    fn answer(&self, mut request: Request<Body>) -> LocalBoxFuture<'static, Response<Body>> {
        let Some(uri) = absolute(request.uri()) else {
            let error = error(
                StatusCode::BAD_REQUEST,
                "GATEWAY_BAD_REQUEST",
                "The request's target is not a path",
            );
            return Box::pin(std::future::ready(error));
        };
        *request.uri_mut() = uri;
        strip(request.headers_mut());
        let answer = self.0.request(request);
        Box::pin(async move {
            match answer.await {
                Ok(mut response) => {
                    strip(response.headers_mut());
                    response
                }
                Err(lost) => unanswered(&lost),
            }
        })
    }

    fn refusal(&self, _status: StatusCode, malformed: Malformed) -> (&'static str, String) {
        let message = format!("What was sent is not an HTTP request: {malformed}");
        (JSON, shape("GATEWAY_BAD_REQUEST", &message))
    }
}

/// The same target with the address that the router knows the guest's requests by.
fn absolute(uri: &Uri) -> Option<Uri> {
    let target = uri.path_and_query().map_or("/", |target| target.as_str());
    // `OPTIONS *` asks about the whole server.
    let target = if target == "*" { "/" } else { target };
    format!("http://localhost:{PORT}{target}").parse().ok()
}

/// Removes the gateway's own headers: a program cannot speak for it, and does not hear it.
pub(crate) fn strip(headers: &mut HeaderMap) {
    let own: Vec<_> = headers
        .keys()
        .filter(|name| name.as_str().starts_with(OWN))
        .cloned()
        .collect();
    for name in own {
        headers.remove(name);
    }
}

fn unanswered(lost: &Lost) -> Response<Body> {
    let (status, code) = match lost {
        Lost::NoOwner | Lost::OwnerLost | Lost::Busy => {
            (StatusCode::SERVICE_UNAVAILABLE, "GATEWAY_UNAVAILABLE")
        }
        Lost::Deadline => (StatusCode::GATEWAY_TIMEOUT, "GATEWAY_TIMEOUT"),
        Lost::Version { .. } | Lost::Broken(_) => (StatusCode::BAD_GATEWAY, "GATEWAY_BROKEN"),
    };
    let mut response = error(status, code, &format!("The gateway did not answer: {lost}"));
    if status == StatusCode::SERVICE_UNAVAILABLE {
        let headers = response.headers_mut();
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}

/// An error as every part of the API reports one.
pub(crate) fn error(status: StatusCode, code: &str, message: &str) -> Response<Body> {
    let text = shape(code, message);
    let length = text.len();
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(JSON));
    response
}

fn shape(code: &str, message: &str) -> String {
    json!({"code": code, "details": null, "hint": null, "message": message}).to_string()
}

impl std::fmt::Debug for Gateway {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Gateway")
    }
}
