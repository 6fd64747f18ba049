//! What the router says of a function with each request to it.

use http::{HeaderMap, HeaderValue};
use serde::Deserialize;

use super::Failure;
use crate::surroundings::Milliseconds;

/// The header that describes the function.
pub const HEADER: &str = "x-gateway-function";

/// Where a function may run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub enum Host {
    #[default]
    #[serde(rename = "isolate")]
    Isolate,
    #[serde(rename = "vm")]
    Vm,
    #[serde(rename = "vm-or-isolate")]
    VmOrIsolate,
}

/// How much of everything a function may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Limits {
    pub memory_mib: u32,
    /// Of an isolate's whole life.
    pub wall_clock_ms: Milliseconds,
    /// Without a pause.
    pub cpu_ms: Milliseconds,
    /// From a request to its answer's head.
    pub timeout_ms: Milliseconds,
    /// Requests at a time.
    pub concurrency: usize,
    /// Requests that wait.
    pub queue: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_mib: 256,
            wall_clock_ms: 400_000,
            cpu_ms: 2_000,
            timeout_ms: 150_000,
            concurrency: 64,
            queue: 256,
        }
    }
}

/// One deployed version of a function, with its environment.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Spec {
    pub name: String,
    pub version: u32,
    /// Of its bundle.
    pub sha256: String,
    /// A hash of its environment.
    pub env: String,
    #[serde(default)]
    pub host: Host,
    #[serde(default)]
    pub limits: Limits,
}

/// What is said of one request.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Call {
    #[serde(flatten)]
    pub spec: Spec,
    pub execution_id: String,
    pub trace: String,
    /// Of the gateway, as its clients know it, with the project's prefix.
    pub url: String,
}

impl Call {
    /// Reads the header of a request to the function `name`.
    pub fn of(name: &str, headers: &HeaderMap) -> Result<Self, Failure> {
        let told = headers.get(HEADER).map_or(&b""[..], HeaderValue::as_bytes);
        let call: Self = serde_json::from_slice(told).map_err(|error| {
            Failure::Invalid(format!("The function's description is malformed: {error}"))
        })?;
        if call.spec.name == name {
            return Ok(call);
        }
        let other = &call.spec.name;
        let reason = format!("The request for \"{name}\" describes \"{other}\"");
        Err(Failure::Invalid(reason))
    }
}
