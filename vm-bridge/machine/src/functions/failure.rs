//! Why a function did not answer, with a code that the router knows.

use http::{HeaderValue, Response, StatusCode, header};
use port::peer::Body;
use serde_json::json;

use crate::failure::{HEADER, json_response};

/// What an isolate may not take more of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    Memory,
    Cpu,
    WallClock,
}

impl Limit {
    /// As the answer, and `beforeunload`, say it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Cpu => "cpu",
            Self::WallClock => "wall_clock",
        }
    }
}

/// Why there is no answer of the function's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// Its module threw, or never came to its end.
    Boot(String),
    /// It threw, or what it answered is no answer, or it ended.
    Worker(String),
    Limit(Limit),
    /// It did not answer in time.
    Timeout,
    /// There is no such function any more.
    Missing,
    /// Too many requests wait for it.
    QueueFull,
    /// It wants to run where it cannot.
    Vm(String),
    /// The gateway's own request is malformed, or the gateway cannot be asked.
    Invalid(String),
}

impl Failure {
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Boot(_) => "boot-error",
            Self::Worker(_) => "worker-error",
            Self::Limit(_) => "worker-limit",
            Self::Timeout => "timeout",
            Self::Missing => "function-missing",
            Self::QueueFull => "queue-full",
            Self::Vm(_) => "vm-failed",
            Self::Invalid(_) => "invalid",
        }
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::Boot(_) | Self::QueueFull | Self::Vm(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Worker(_) => StatusCode::INTERNAL_SERVER_ERROR,
            // What edge-runtime answers has no name.
            Self::Limit(_) => StatusCode::from_u16(546).unwrap_or(StatusCode::BAD_GATEWAY),
            Self::Timeout => StatusCode::GATEWAY_TIMEOUT,
            Self::Missing => StatusCode::NOT_FOUND,
            Self::Invalid(_) => StatusCode::BAD_REQUEST,
        }
    }

    /// For a person.
    pub fn message(&self) -> String {
        match self {
            Self::Boot(reason)
            | Self::Worker(reason)
            | Self::Vm(reason)
            | Self::Invalid(reason) => reason.clone(),
            Self::Limit(Limit::Memory) => {
                "The function took more memory than it may, and was ended".to_owned()
            }
            Self::Limit(Limit::Cpu) => {
                "The function computed for longer than it may without a pause, and was ended"
                    .to_owned()
            }
            Self::Limit(Limit::WallClock) => {
                "The function ran for longer than it may, and was ended".to_owned()
            }
            Self::Timeout => "The function did not answer in time".to_owned(),
            Self::Missing => "The function is not there any more".to_owned(),
            Self::QueueFull => "Too many requests wait for the function".to_owned(),
        }
    }

    /// The answer that tells it.
    pub fn into_response(self) -> Response<Body> {
        let mut told = json!({"message": self.message()});
        if let Self::Limit(limit) = &self {
            told["limit"] = limit.name().into();
        }
        let mut response = json_response(self.status(), &told);
        let headers = response.headers_mut();
        headers.insert(HEADER, HeaderValue::from_static(self.code()));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}
