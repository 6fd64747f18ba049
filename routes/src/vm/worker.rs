//! Requests to the VM worker of a project, and what its answers mean.

use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use serde_json::Value;

use crate::{
    ApiError, Body, World, apps::error::unavailable, router::json_response, world::Unavailable,
};

/// The header with the machine's settings: it may be what starts it.
pub const SETTINGS: &str = "x-gateway-vm";
/// The header of an answer that is the worker's own and tells of a failure: its code.
pub const FAILURE: &str = "x-gateway-failure";
/// What the headers between the gateway and the worker begin with.
pub const OWN_HEADERS: &str = "x-gateway-";

/// The largest answer of the worker's own, in bytes.
const LARGEST_ANSWER: usize = 1024 * 1024;

/// The worker that runs a project's virtual machine, if anybody does.
#[derive(Debug)]
pub struct Worker<'a, W> {
    world: &'a W,
    project: &'a str,
    settings: &'a str,
}

impl<'a, W: World> Worker<'a, W> {
    /// `settings` is JSON in ASCII; empty for requests that start nothing.
    pub const fn new(world: &'a W, project: &'a str, settings: &'a str) -> Self {
        Self {
            world,
            project,
            settings,
        }
    }

    /// Sends a request; `wake` starts a worker where there is none.
    pub async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Body,
        wake: bool,
    ) -> Result<Response<Body>, Unavailable> {
        let mut request = Request::new(body);
        *request.method_mut() = method;
        let uri = path.try_into();
        *request.uri_mut() = uri.map_err(|error: http::uri::InvalidUri| {
            Unavailable::Broken(format!("{path}: {error}"))
        })?;
        if !matches!(request.body(), Body::Empty) {
            let json = HeaderValue::from_static("application/json");
            request.headers_mut().insert(header::CONTENT_TYPE, json);
        }
        self.send(request, wake).await
    }

    /// Sends a request that is made already.
    pub async fn send(
        &self,
        mut request: Request<Body>,
        wake: bool,
    ) -> Result<Response<Body>, Unavailable> {
        if !self.settings.is_empty()
            && let Ok(settings) = HeaderValue::from_str(self.settings)
        {
            request.headers_mut().insert(SETTINGS, settings);
        }
        self.world.guest(self.project, request, wake).await
    }

    /// Sends a request and hands on what comes back.
    pub async fn forward(
        &self,
        method: Method,
        path: &str,
        body: Body,
        wake: bool,
    ) -> Result<Response<Body>, ApiError> {
        answer(self.ask(method, path, body, wake).await).await
    }
}

/// A failure of the virtual machine or of an application in it, as the worker tells it.
#[derive(Debug, Clone, PartialEq)]
pub struct Failure {
    pub code: Code,
    /// JSON: `message`, and what else belongs to the code.
    pub body: Value,
}

/// What failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// It was still starting when the wait was over.
    Starting,
    /// It did not listen within its start deadline.
    NeverListened,
    Crashed,
    /// Layers are not installed.
    RuntimeMissing,
    /// The virtual machine itself.
    VmFailed,
    /// Nothing listens any more.
    Refused,
    /// No HTTP, or broken HTTP.
    BadResponse,
    ClosedEarly,
    /// No answer for too long.
    Timeout,
    DiskFull,
    TooManyConnections,
    /// The worker cannot have it so; a client's mistake.
    Invalid,
    /// Of another version.
    Unknown,
}

/// Codes as the worker writes them, and the statuses that clients see.
const CODES: [(&str, Code, StatusCode); 12] = [
    ("starting", Code::Starting, StatusCode::SERVICE_UNAVAILABLE),
    (
        "never-listened",
        Code::NeverListened,
        StatusCode::SERVICE_UNAVAILABLE,
    ),
    ("crashed", Code::Crashed, StatusCode::BAD_GATEWAY),
    (
        "runtime-missing",
        Code::RuntimeMissing,
        StatusCode::FAILED_DEPENDENCY,
    ),
    ("vm-failed", Code::VmFailed, StatusCode::SERVICE_UNAVAILABLE),
    ("refused", Code::Refused, StatusCode::BAD_GATEWAY),
    ("bad-response", Code::BadResponse, StatusCode::BAD_GATEWAY),
    ("closed-early", Code::ClosedEarly, StatusCode::BAD_GATEWAY),
    ("timeout", Code::Timeout, StatusCode::GATEWAY_TIMEOUT),
    (
        "disk-full",
        Code::DiskFull,
        StatusCode::INSUFFICIENT_STORAGE,
    ),
    (
        "too-many-connections",
        Code::TooManyConnections,
        StatusCode::SERVICE_UNAVAILABLE,
    ),
    ("invalid", Code::Invalid, StatusCode::BAD_REQUEST),
];

impl Code {
    fn named(name: &str) -> Self {
        let found = CODES.iter().find(|(code, ..)| *code == name);
        found.map_or(Self::Unknown, |(_, code, _)| *code)
    }

    /// As the worker writes it.
    pub fn as_str(self) -> &'static str {
        let found = CODES.iter().find(|(_, code, _)| *code == self);
        found.map_or("unknown", |(name, ..)| name)
    }

    pub fn status(self) -> StatusCode {
        let found = CODES.iter().find(|(_, code, _)| *code == self);
        found.map_or(StatusCode::BAD_GATEWAY, |(_, _, status)| *status)
    }

    /// Whether the same request may be answered in a while.
    pub fn may_be_retried(self) -> bool {
        match self {
            Self::Starting | Self::NeverListened | Self::VmFailed | Self::TooManyConnections => {
                true
            }
            Self::Crashed
            | Self::RuntimeMissing
            | Self::Refused
            | Self::BadResponse
            | Self::ClosedEarly
            | Self::Timeout
            | Self::DiskFull
            | Self::Invalid
            | Self::Unknown => false,
        }
    }
}

impl Failure {
    /// The failure that an answer tells of; any other answer comes back.
    pub async fn read(response: Response<Body>) -> Result<Self, Response<Body>> {
        let (code, body) = told(response).await?;
        Ok(Self {
            code: Code::named(&code),
            body,
        })
    }

    /// What it says, for a person.
    pub fn message(&self) -> &str {
        let message = self.body.get("message").and_then(Value::as_str);
        message.unwrap_or("The virtual machine gave no reason")
    }

    /// JSON of what happened: `code`, `message`, and what the worker said beside it (`hint`, `lines`,
    /// `missing`, `stage`, `loaded`, `total`).
    pub fn into_response(self) -> Response<Body> {
        let message = self.message().to_owned();
        let mut body = match self.body {
            Value::Object(body) => body,
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Array(_) => serde_json::Map::new(),
        };
        body.insert("code".to_owned(), self.code.as_str().into());
        body.insert("message".to_owned(), message.into());
        let mut response = json_response(self.code.status(), body.into());
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if self.code.may_be_retried() {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

/// The code of the failure that an answer tells of, and what it says beside it; any other answer comes
/// back.
pub async fn told(response: Response<Body>) -> Result<(String, Value), Response<Body>> {
    let Some(code) = response.headers().get(FAILURE) else {
        return Err(response);
    };
    let code = code.to_str().unwrap_or_default().to_owned();
    let body = response.into_body().collect(LARGEST_ANSWER).await;
    let body = body
        .ok()
        .and_then(|body| serde_json::from_slice(&body).ok());
    Ok((code, body.unwrap_or_default()))
}

/// The worker's own answer as a client gets it.
pub async fn answer(
    answer: Result<Response<Body>, Unavailable>,
) -> Result<Response<Body>, ApiError> {
    let response = answer.map_err(|error| unavailable(&error))?;
    match Failure::read(response).await {
        Ok(failure) => Ok(failure.into_response()),
        Err(mut response) => {
            strip_own(response.headers_mut());
            Ok(response)
        }
    }
}

/// Takes out what is between the gateway and the worker only.
pub fn strip_own(headers: &mut HeaderMap) {
    let own: Vec<_> = headers
        .keys()
        .filter(|name| name.as_str().starts_with(OWN_HEADERS))
        .cloned()
        .collect();
    for name in own {
        headers.remove(name);
    }
}
