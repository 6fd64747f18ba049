//! `GET /gateway/status`: what the gateway's page shows of a project, keys included.

use http::{HeaderValue, Response, StatusCode, header};
use serde_json::json;

use crate::{
    ApiError, Body, World,
    project::Project,
    router::json_response,
    wire::{Messages, Pipeline},
    world::Exchange,
};

const DATABASE: &str = "\
select pg_catalog.pg_database_size(pg_catalog.current_database()), \
pg_catalog.current_setting('server_version')";

/// Asks the database for its size and version, and the world for where it is.
pub async fn read(world: &impl World, project: &Project) -> Result<Response<Body>, ApiError> {
    let mut pipeline = Pipeline::new();
    pipeline.query(DATABASE, &[]).sync();
    let Ok(messages) = pipeline.finish() else {
        return Err(silent());
    };
    let exchange = Exchange {
        messages,
        idempotent: true,
        transaction: None,
        hold: false,
    };
    let answer = world.exchange(&project.name, exchange).await?;
    let statements = Messages::new(answer).statements().await?;
    let row = statements
        .results
        .first()
        .and_then(|result| result.rows.first());
    let row = row.ok_or_else(silent)?;
    let size: u64 = row
        .text(0)
        .and_then(|size| size.parse().ok())
        .ok_or_else(silent)?;
    let host = world.host(&project.name);
    let status = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "project": project.name,
        "owner": host.as_ref().and_then(|host| host.owner.as_deref()),
        "storage": host.as_ref().map(|host| json!({"kind": host.storage, "durable": host.durable})),
        "database_size": size,
        "memory": {"wasm": world.memory()},
        "postgres_version": row.text(1),
        "keys": project.keys,
    });
    let mut response = json_response(StatusCode::OK, status);
    let no_store = HeaderValue::from_static("no-store");
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, no_store);
    Ok(response)
}

fn silent() -> ApiError {
    let message = "The database did not say how large it is";
    ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "GW500", message)
}
