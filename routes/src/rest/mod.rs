//! `/rest/v1` as PostgREST v14 answers it.
//!
//! The stages, in the order of travel; each takes the last one's output by value:
//! `query`, `preferences`, `media`, `payload` -> `request` (parse) -> `plan` -> `sql` -> `run` ->
//! `respond`.

use std::time::Duration;

use bytes::Bytes;
use http::{Response, request::Parts};

use crate::{ApiError, Body, World, config::Config, identity::Identity, schema::SchemaCache};

#[cfg(test)]
mod fixture;
pub mod media;
pub mod openapi;
pub mod payload;
pub mod plan;
pub mod preferences;
pub mod query;
pub mod request;
pub mod respond;
pub mod run;
pub mod sql;
mod timing;
mod transaction;

use request::RestRequest;
use respond::VerdictError;
use timing::Timing;

/// Whose database answers, by which settings, to whom.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    pub project: &'a str,
    pub config: &'a Config,
    pub cache: &'a SchemaCache,
    pub identity: &'a Identity,
    /// When it began to find out who asks.
    pub arrived: Duration,
}

/// Answers a request whose path behind the API's prefix is `path` (`/todos`, still encoded).
pub async fn handle<W: World>(
    world: &W,
    context: Context<'_>,
    parts: &Parts,
    path: &str,
    body: Bytes,
) -> Result<Response<Body>, ApiError> {
    let Context { config, cache, .. } = context;
    let mut timing = Timing::start(world, context.arrived);
    let mut request = RestRequest::parse(parts, body, path, config)?;
    request
        .preferences
        .check_timezone(|zone| cache.timezones.contains(zone))?;
    timing.parsed(world);

    let plan = plan::plan(&request, cache, config)?;
    timing.planned(world);
    let Some(script) = sql::script(&plan, config.db_max_rows) else {
        return Ok(respond::nothing_run(&plan));
    };

    let transaction = transaction::of(context, &request, &plan);
    let streams = transaction::streams(&plan, &transaction);
    let judge = |outcome: &run::Outcome| {
        respond::judge(&plan, request.action, &request.preferences, outcome)
    };
    let outcome = run::run(
        world,
        context.project,
        &script,
        &transaction,
        streams,
        judge,
    )
    .await
    .map_err(|error: VerdictError| error.into_api_error(context.is_authenticated()))?;
    timing.ran(world);

    let mut response = respond::respond(&plan, &request, outcome, cache, config)?;
    if config.server_timing_enabled {
        timing.show(world, &mut response);
    }
    Ok(response)
}

impl Context<'_> {
    /// Whether the client is somebody.
    fn is_authenticated(&self) -> bool {
        Some(&self.identity.role) != self.config.db_anon_role.as_ref()
    }
}
