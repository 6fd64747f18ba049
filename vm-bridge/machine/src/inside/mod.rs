//! What the router asks of the worker.
//!
//! | request | answer |
//! | --- | --- |
//! | `GET /vm`, `GET /vm/events` | the machine's status, and each change of it |
//! | `POST /vm/start`, `…/stop`, `…/restart`, `PUT /vm/settings` | the status after it |
//! | `PUT`, `DELETE /vm/runtimes/<name>` | the status after it |
//! | `POST /vm/exec` | `{"exit","stdout","stderr"}` |
//! | `GET /apps` | how the apps are |
//! | `POST /apps/<name>/start`, `…/stop`, `…/restart`, `DELETE /apps/<name>` | how the app is after it |
//! | `GET /apps/<name>/logs?follow=&tail=` | JSON lines, or events |
//! | any `/http/<name>/<path>` | what the app answers |
//! | any `/functions/<name>/<path>` | what the function answers; with a tunnel, 204, and the rest goes through that |
//! | `GET /functions-state`, `POST /functions-forget` with `{"name"}` | how the functions are |
//! | `/ws/<name>/<path>`, `/terminal?columns=&rows=&app=`, with a tunnel | 204; the rest goes through that |
//!
//! Every request may carry the machine's settings in `x-gateway-vm`. An answer that is not an app's own
//! and tells of a failure carries `x-gateway-failure`.

mod apps;
mod functions;
mod query;
#[cfg(test)]
mod tests;
mod vm;

use std::fmt;

use bytes::{Bytes, BytesMut};
use futures::StreamExt as _;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Uri, header};
use port::peer::Body;
use serde_json::Value;

use crate::{
    apps::{AppSpec, Apps},
    failure::{Failure, json_response},
    functions::Functions,
    gateway::strip,
    surroundings::{Milliseconds, World},
    tunnel::{Tunnel, terminal, websocket},
    vm::Vm,
};
use query::Query;

/// Bytes of a body of the router's own.
const LONGEST_BODY: usize = 1024 * 1024;

/// How long a request waits for an app where it does not say.
const WAIT: Milliseconds = 30_000;

/// Answers the router.
#[derive(Clone)]
pub struct Inside {
    pub world: World,
    pub vm: Vm,
    pub apps: Apps,
    pub functions: Functions,
}

impl Inside {
    /// Answers one request. It does not fail: a failure is an answer.
    pub async fn handle(&self, request: Request<Body>, tunnel: Option<Tunnel>) -> Response<Body> {
        if let Some(settings) = request.headers().get("x-gateway-vm") {
            self.vm.set_from(settings.as_bytes());
        }
        let answer = self.answer(request, tunnel).await;
        answer.unwrap_or_else(Failure::into_response)
    }

    async fn answer(
        &self,
        request: Request<Body>,
        tunnel: Option<Tunnel>,
    ) -> Result<Response<Body>, Failure> {
        let path = request.uri().path().trim_start_matches('/').to_owned();
        let mut parts = path.splitn(3, '/');
        let first = parts.next().unwrap_or_default();
        let (name, rest) = (parts.next(), parts.next());
        match (first, name, rest) {
            ("http", Some(name), _) => self.http(name, request).await,
            ("vm", name, rest) => self.on_vm(name, rest, request).await,
            ("apps", name, rest) => self.on_apps(name, rest, request).await,
            ("functions", Some(name), _) => Ok(self.functions.handle(name, request, tunnel).await),
            ("functions-state", None, None) => Ok(self.functions_state(&request)),
            ("functions-forget", None, None) => self.forget_function(request).await,
            ("ws", Some(name), _) => self.web_socket(name, request, tunnel),
            ("terminal", None, None) => self.terminal(&request, tunnel),
            _ => Ok(not_found(&path)),
        }
    }

    /// Hands an app what is meant for it.
    async fn http(
        &self,
        name: &str,
        mut request: Request<Body>,
    ) -> Result<Response<Body>, Failure> {
        let spec = spec(name, request.headers())?;
        let wait = wait(request.headers());
        *request.uri_mut() = within_app(request.uri(), "/http/", name)?;
        strip(request.headers_mut());
        let mut response = self.apps.request(&self.vm, spec, wait, request).await?;
        // What an app calls a failure of the gateway's is none.
        strip(response.headers_mut());
        Ok(response)
    }

    fn web_socket(
        &self,
        name: &str,
        mut request: Request<Body>,
        tunnel: Option<Tunnel>,
    ) -> Result<Response<Body>, Failure> {
        let tunnel = tunnel.ok_or_else(|| Failure::Invalid("It needs a tunnel".to_owned()))?;
        let spec = spec(name, request.headers())?;
        let wait = wait(request.headers());
        *request.uri_mut() = within_app(request.uri(), "/ws/", name)?;
        strip(request.headers_mut());
        let (head, _body) = request.into_parts();
        let (world, vm, apps) = (
            World::clone(&self.world),
            self.vm.clone(),
            self.apps.clone(),
        );
        self.world.spawn(Box::pin(async move {
            websocket::run(&world, &vm, &apps, &spec, wait, head, tunnel).await;
        }));
        Ok(nothing())
    }

    fn terminal(
        &self,
        request: &Request<Body>,
        tunnel: Option<Tunnel>,
    ) -> Result<Response<Body>, Failure> {
        let tunnel = tunnel.ok_or_else(|| Failure::Invalid("It needs a tunnel".to_owned()))?;
        let query = Query::of(request.uri());
        let size = control::Pty {
            columns: query.number("columns").unwrap_or(80),
            rows: query.number("rows").unwrap_or(24),
        };
        let app = query.text("app");
        let vm = self.vm.clone();
        self.world.spawn(Box::pin(async move {
            terminal::run(&vm, app, size, tunnel).await;
        }));
        Ok(nothing())
    }
}

/// The path that an app sees.
fn within_app(uri: &Uri, prefix: &str, name: &str) -> Result<Uri, Failure> {
    let target = uri.path_and_query().map_or("", |target| target.as_str());
    let target = target.strip_prefix(prefix).unwrap_or_default();
    let target = target.strip_prefix(name).unwrap_or_default();
    let slash = if target.starts_with('/') { "" } else { "/" };
    let target = format!("{slash}{target}").parse();
    target.map_err(|error: http::uri::InvalidUri| Failure::Invalid(error.to_string()))
}

/// The app that a request is for.
fn spec(name: &str, headers: &HeaderMap) -> Result<AppSpec, Failure> {
    let spec = headers
        .get("x-gateway-app")
        .map_or(&b""[..], HeaderValue::as_bytes);
    let spec = AppSpec::parse(spec)?;
    if spec.name == name {
        return Ok(spec);
    }
    let reason = format!("The request for \"{name}\" describes \"{}\"", spec.name);
    Err(Failure::Invalid(reason))
}

/// How long a request waits for a start.
fn wait(headers: &HeaderMap) -> Milliseconds {
    let wait = headers.get("x-gateway-wait");
    let wait = wait.and_then(|wait| wait.to_str().ok()?.parse().ok());
    wait.unwrap_or(WAIT)
}

/// The whole of a body of the router's own.
async fn read(mut body: Body) -> Result<Bytes, Failure> {
    let mut all = BytesMut::new();
    while let Some(chunk) = body.next().await {
        let chunk = chunk.map_err(|interrupted| Failure::Invalid(interrupted.to_string()))?;
        if all.len() + chunk.len() > LONGEST_BODY {
            return Err(Failure::Invalid("The body is too long".to_owned()));
        }
        all.extend_from_slice(&chunk);
    }
    Ok(all.freeze())
}

fn json(value: &Value) -> Response<Body> {
    json_response(StatusCode::OK, value)
}

fn nothing() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

fn not_found(path: &str) -> Response<Body> {
    let message = format!("There is no /{path}");
    json_response(
        StatusCode::NOT_FOUND,
        &serde_json::json!({"message": message}),
    )
}

fn not_allowed(allow: &'static str) -> Response<Body> {
    let message = serde_json::json!({"message": "The method is not allowed"});
    let mut response = json_response(StatusCode::METHOD_NOT_ALLOWED, &message);
    let headers = response.headers_mut();
    headers.insert(header::ALLOW, HeaderValue::from_static(allow));
    response
}

/// A stream of events.
fn events(chunks: impl futures::Stream<Item = Bytes> + 'static) -> Response<Body> {
    let mut response = Response::new(Body::stream(chunks.map(Ok)));
    let headers = response.headers_mut();
    let events = HeaderValue::from_static("text/event-stream");
    headers.insert(header::CONTENT_TYPE, events);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn event(value: &Value) -> Bytes {
    format!("data: {value}\n\n").into()
}

impl fmt::Debug for Inside {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Inside")
            .field("vm", &self.vm)
            .field("apps", &self.apps)
            .finish_non_exhaustive()
    }
}
