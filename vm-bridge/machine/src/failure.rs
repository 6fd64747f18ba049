//! What cannot be answered by the guest is answered here, with a code that the router knows.

use control::{Exit, Line};
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use port::peer::Body;
use serde_json::{Value, json};

use crate::{agent, engine, http as client};

/// The header that tells the router that an answer is not an app's own.
pub const HEADER: HeaderName = HeaderName::from_static("x-gateway-failure");

/// Why there is no answer from the guest.
#[derive(Debug, Clone, PartialEq)]
pub enum Failure {
    /// It was still starting when the wait was over.
    Starting {
        state: &'static str,
        stage: String,
        loaded: u64,
        total: u64,
    },
    /// The app did not listen by its start deadline.
    NeverListened { lines: Vec<Line> },
    /// The app ended, or could not be started.
    Crashed {
        reason: String,
        exit: Option<Exit>,
        lines: Vec<Line>,
    },
    /// Layers that the app needs are not installed.
    RuntimeMissing { missing: Vec<String> },
    /// The machine itself. `console` is what it said last.
    Vm {
        code: &'static str,
        message: String,
        console: Vec<String>,
    },
    /// Nothing listens on the app's port any more.
    Refused { lines: Vec<Line> },
    /// The app's answer is not HTTP.
    BadResponse(String),
    /// The app closed the connection before it answered.
    ClosedEarly { lines: Vec<Line> },
    /// The app did not answer in time.
    Timeout,
    /// There is no room for what the app or its files need.
    DiskFull(String),
    /// Too much is under way.
    TooManyConnections,
    /// The request cannot be.
    Invalid(String),
}

impl Failure {
    /// The machine is there and does not do what it should.
    pub fn vm(message: impl Into<String>) -> Self {
        Self::Vm {
            code: "vm-failed",
            message: message.into(),
            console: Vec::new(),
        }
    }

    /// One word for the router.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Starting { .. } => "starting",
            Self::NeverListened { .. } => "never-listened",
            Self::Crashed { .. } => "crashed",
            Self::RuntimeMissing { .. } => "runtime-missing",
            Self::Vm { .. } => "vm-failed",
            Self::Refused { .. } => "refused",
            Self::BadResponse(_) => "bad-response",
            Self::ClosedEarly { .. } => "closed-early",
            Self::Timeout => "timeout",
            Self::DiskFull(_) => "disk-full",
            Self::TooManyConnections => "too-many-connections",
            Self::Invalid(_) => "invalid",
        }
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::Starting { .. }
            | Self::NeverListened { .. }
            | Self::Vm { .. }
            | Self::TooManyConnections => StatusCode::SERVICE_UNAVAILABLE,
            Self::Crashed { .. }
            | Self::Refused { .. }
            | Self::BadResponse(_)
            | Self::ClosedEarly { .. } => StatusCode::BAD_GATEWAY,
            Self::RuntimeMissing { .. } => StatusCode::FAILED_DEPENDENCY,
            Self::Timeout => StatusCode::GATEWAY_TIMEOUT,
            Self::DiskFull(_) => StatusCode::INSUFFICIENT_STORAGE,
            Self::Invalid(_) => StatusCode::BAD_REQUEST,
        }
    }

    fn to_json(&self) -> Value {
        match self {
            Self::Starting {
                state,
                stage,
                loaded,
                total,
            } => json!({
                "message": "It is still starting",
                "state": state,
                "stage": stage,
                "loaded": loaded,
                "total": total,
            }),
            Self::NeverListened { lines } => json!({
                "message": "The app runs, and does not listen on its port",
                "hint": "It has to listen on the port in the environment variable PORT, on 0.0.0.0",
                "lines": texts(lines),
            }),
            Self::Crashed {
                reason,
                exit,
                lines,
            } => json!({
                "message": reason,
                "exit": exit.map(exit_json),
                "lines": texts(lines),
            }),
            Self::RuntimeMissing { missing } => json!({
                "message": format!("The app needs what is not installed: {}", missing.join(", ")),
                "hint": "Install the runtime, then try again",
                "missing": missing,
            }),
            Self::Vm {
                code,
                message,
                console,
            } => json!({"message": message, "reason": code, "lines": console}),
            Self::Refused { lines } => json!({
                "message": "Nothing listens on the app's port any more",
                "lines": texts(lines),
            }),
            Self::ClosedEarly { lines } => json!({
                "message": "The app closed the connection before it answered",
                "lines": texts(lines),
            }),
            Self::Timeout => json!({"message": "The app did not answer in time"}),
            Self::DiskFull(reason) => json!({
                "message": reason,
                "hint": "Remove apps that are not needed, or let the browser give this site more room",
            }),
            Self::TooManyConnections => {
                json!({"message": "Too many requests are under way"})
            }
            Self::BadResponse(reason) | Self::Invalid(reason) => json!({"message": reason}),
        }
    }

    /// What it says, for a person.
    pub fn message(&self) -> String {
        let json = self.to_json();
        let message = json.get("message").and_then(Value::as_str);
        message.unwrap_or_default().to_owned()
    }

    /// As a status tells it: one word, and a sentence.
    pub fn to_error(&self) -> Value {
        let code = match self {
            Self::Vm { code, .. } => code,
            other => other.code(),
        };
        let mut error = self.to_json();
        error["code"] = code.into();
        error
    }

    /// The answer that tells it.
    pub fn into_response(self) -> Response<Body> {
        let mut response = json_response(self.status(), &self.to_json());
        let headers = response.headers_mut();
        headers.insert(HEADER, HeaderValue::from_static(self.code()));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}

/// An answer of ours.
pub(crate) fn json_response(status: StatusCode, value: &Value) -> Response<Body> {
    let text = value.to_string();
    let length = text.len();
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    let json = HeaderValue::from_static("application/json");
    headers.insert(header::CONTENT_TYPE, json);
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    response
}

fn texts(lines: &[Line]) -> Vec<&str> {
    lines.iter().map(|line| line.text.as_str()).collect()
}

/// How a process ended, as JSON tells it.
pub(crate) fn exit_json(exit: Exit) -> Value {
    match exit {
        Exit::Code { code } => json!({"code": code}),
        Exit::Signal { signal } => json!({"signal": signal}),
        Exit::OutOfMemory => json!({"out_of_memory": true}),
    }
}

impl From<client::Failure> for Failure {
    fn from(failure: client::Failure) -> Self {
        match failure {
            client::Failure::Refused => Self::Refused { lines: Vec::new() },
            client::Failure::Unreachable => Self::vm(failure.to_string()),
            client::Failure::BadResponse(_) => Self::BadResponse(failure.to_string()),
            client::Failure::ClosedEarly => Self::ClosedEarly { lines: Vec::new() },
            client::Failure::Timeout => Self::Timeout,
            client::Failure::TooManyConnections => Self::TooManyConnections,
            client::Failure::Request(_) => Self::Invalid(failure.to_string()),
        }
    }
}

impl From<engine::Failure> for Failure {
    fn from(failure: engine::Failure) -> Self {
        if failure == engine::Failure::DiskFull {
            return Self::DiskFull(failure.to_string());
        }
        Self::Vm {
            code: failure.code(),
            message: failure.to_string(),
            console: Vec::new(),
        }
    }
}

impl From<agent::Failed> for Failure {
    fn from(failed: agent::Failed) -> Self {
        let agent::Failed::Agent(failure) = failed else {
            return Self::vm(sentence(&failed.to_string()));
        };
        let reason = sentence(&failure.to_string());
        match failure {
            control::Failure::DiskFull => Self::DiskFull(reason),
            control::Failure::LayerMissing { layers } => Self::RuntimeMissing { missing: layers },
            control::Failure::NoProgram { .. } => Self::Crashed {
                reason,
                exit: None,
                lines: Vec::new(),
            },
            control::Failure::Busy => Self::TooManyConnections,
            control::Failure::UnknownApp { .. }
            | control::Failure::LayerInUse { .. }
            | control::Failure::BundleRefused { .. }
            | control::Failure::AppsRunning { .. }
            | control::Failure::NoFile { .. }
            | control::Failure::Invalid { .. } => Self::Invalid(reason),
            control::Failure::NotMounted
            | control::Failure::DiskDamaged { .. }
            | control::Failure::BundleMissing
            | control::Failure::Cancelled
            | control::Failure::System { .. } => Self::vm(reason),
        }
    }
}

/// With a capital letter.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(letters).collect()
    })
}
