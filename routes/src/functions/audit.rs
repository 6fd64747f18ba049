//! The audit: which function asked the database for what, as whom, and for which request.
//!
//! Whoever runs functions writes it down ([`logs`]) with what this module tells it of each
//! call: the role that its token proved. The newest calls of a project are kept for a month, whatever
//! becomes of the function. Queries are not kept: they may have what is nobody's business.

use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, request::Parts};
use serde_json::Value;

use super::{
    error::FunctionError,
    logs::{self, number, parameters},
    sql,
};
use crate::{
    Body, World,
    apps::sql::values,
    database::{Database, Session},
    identity,
    project::Project,
    router::Guest,
    table::{DEFAULT_PROJECT, Endpoint, Route},
    world::Timestamp,
};

/// What stands in the place of a function's name, and can be none.
pub(super) const NAME: &str = "_calls";
/// Milliseconds that a call is kept.
pub(super) const LIFETIME: u64 = 30 * 24 * 60 * 60 * 1000;

/// The request that led to this one; only whoever runs functions says it.
const TRACE: &str = "x-gateway-trace";
/// As whom a function asked the database, told to whoever runs it: empty for nobody.
const ROLE: HeaderName = HeaderName::from_static("x-gateway-role");

/// A function that asks the database.
#[derive(Debug)]
pub struct Asker {
    pub project: String,
    headers: HeaderMap,
}

impl Asker {
    /// None where no function asks, or where it is not the database that answers.
    pub fn of(request: &Request<Body>, route: &Route<'_>) -> Option<Self> {
        let is_function =
            request.extensions().get::<Guest>().is_some() && request.headers().contains_key(TRACE);
        let is_database = match route.endpoint {
            Endpoint::Rest
            | Endpoint::GraphQl
            | Endpoint::Auth
            | Endpoint::Storage
            | Endpoint::Query => true,
            Endpoint::Status
            | Endpoint::Outbox
            | Endpoint::Vm
            | Endpoint::Apps
            | Endpoint::DeployedFunctions
            | Endpoint::Secrets
            | Endpoint::Backup
            | Endpoint::Shim
            | Endpoint::Wake
            | Endpoint::Functions
            | Endpoint::Realtime
            | Endpoint::App
            | Endpoint::Health
            | Endpoint::Unknown => false,
        };
        if !is_function || !is_database {
            return None;
        }
        let mut head = Request::new(());
        *head.uri_mut() = request.uri().clone();
        *head.headers_mut() = request.headers().clone();
        let (mut head, ()) = head.into_parts();
        identity::take_key(&mut head);
        Some(Self {
            project: route.project.unwrap_or(DEFAULT_PROJECT).to_owned(),
            headers: head.headers,
        })
    }

    /// Says in the answer as whom it was asked.
    pub fn tell(&self, project: &Project, now: Timestamp, response: &mut Response<Body>) {
        let identity = project.identify(&self.headers, now);
        let role = identity.map_or_else(|_refused| String::new(), |identity| identity.role);
        if let Ok(role) = HeaderValue::from_bytes(role.as_bytes()) {
            response.headers_mut().insert(ROLE, role);
        }
    }
}

/// Which calls are to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    pub(super) tail: u32,
    /// Milliseconds since the Unix epoch.
    pub(super) since: u64,
    pub(super) function: Option<String>,
    pub(super) trace: Option<String>,
    pub(super) role: Option<String>,
    /// Text that stands in the method and the path, in whichever case.
    pub(super) search: Option<String>,
}

impl Default for Query {
    fn default() -> Self {
        Self {
            tail: 200,
            since: 0,
            function: None,
            trace: None,
            role: None,
            search: None,
        }
    }
}

impl Query {
    fn read(head: &Parts) -> Result<Self, FunctionError> {
        let mut read = Self::default();
        for (name, value) in parameters(head).filter(|(_, value)| !value.is_empty()) {
            match name {
                "tail" => {
                    let tail = number(name, &value)?;
                    read.tail = u32::try_from(tail)
                        .map_or(sql::KEPT_CALLS, |tail| tail.min(sql::KEPT_CALLS));
                }
                "since" => read.since = number(name, &value)?,
                "function" => read.function = Some(value),
                "trace" => read.trace = Some(value),
                "role" => read.role = Some(value),
                "search" => read.search = Some(value),
                _ => {}
            }
        }
        Ok(read)
    }
}

/// `application/x-ndjson`: the newest calls that are asked for, the oldest of them first.
pub(super) async fn read(
    world: &impl World,
    project: &Project,
    head: &Parts,
) -> Result<Response<Body>, FunctionError> {
    let query = Query::read(head)?;
    let found = Database::new(world, &project.name)
        .one(&Session::default().read_only(), sql::read_calls(&query))
        .await?;
    Ok(logs::lines(&values::<Value>(&found).collect::<Vec<_>>()))
}
