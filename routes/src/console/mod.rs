//! `POST /pg/query`: SQL as the database's owner, for those who hold the secret key.
//!
//! The body is `{"query": "…"}`. The answer is postgres-meta's: the rows of the last statement that
//! has some, as objects. With `Accept: application/vnd.gateway.results+json` it is every
//! statement's result instead, and an error stands beside the results before it.

mod array;
mod results;
mod rows;

use std::collections::BTreeSet;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use serde::Deserialize;
use serde_json::Value;

use crate::{
    ApiError, Body, World,
    project::Project,
    wire::{Messages, Notification, Pipeline, Statements},
    world::Exchange,
};
use results::TypeNames;

/// Asks for every statement's result.
const RESULTS: &str = "application/vnd.gateway.results+json";
const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");

#[derive(Deserialize)]
struct Command {
    query: String,
}

/// An answer, and what the statements notified while they ran.
#[derive(Debug)]
pub struct Answered {
    pub response: Response<Body>,
    pub notifications: Vec<Notification>,
}

/// Runs the SQL in the request's body.
pub async fn handle(
    world: &impl World,
    project: &Project,
    request: Request<Body>,
) -> Result<Answered, ApiError> {
    project.authorize(request.headers(), world.now(), "SQL")?;
    let (head, body) = request.into_parts();
    let body = body.collect(project.config.max_body_bytes).await?;
    let command = read(&body)?;
    let statements = run(world, &project.name, &command.query).await?;
    let notifications = statements.notifications.clone();
    let response = if wants_results(&head.headers) {
        let names = type_names(world, &project.name, &statements).await;
        let mut response = Response::new(results::render(&statements, &names).into());
        let media_type = HeaderValue::from_static(RESULTS);
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, media_type);
        response
    } else {
        let (status, body) = match &statements.error {
            None => (StatusCode::OK, rows::render(&statements.results)),
            Some(failure) => (
                StatusCode::BAD_REQUEST,
                rows::render_error(&failure.error, &command.query),
            ),
        };
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = status;
        response.headers_mut().insert(header::CONTENT_TYPE, JSON);
        response
    };
    Ok(Answered {
        response,
        notifications,
    })
}

fn read(body: &[u8]) -> Result<Command, ApiError> {
    serde_json::from_slice(body).map_err(|error| {
        ApiError::new(
            StatusCode::BAD_REQUEST,
            "GW400",
            "Expected a JSON object with the SQL as \"query\"",
        )
        .details(error.to_string())
    })
}

fn wants_results(headers: &HeaderMap) -> bool {
    let accepts = headers.get_all(header::ACCEPT).iter();
    accepts
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|media_type| media_type.split(';').next().unwrap_or_default().trim() == RESULTS)
}

async fn run(world: &impl World, project: &str, sql: &str) -> Result<Statements, ApiError> {
    let mut pipeline = Pipeline::new();
    pipeline.simple(sql);
    let messages = pipeline.finish()?;
    let exchange = exchange(messages, false);
    Ok(Messages::new(world.exchange(project, exchange).await?)
        .statements()
        .await?)
}

/// The names of the columns' types. A query that fails leaves them unnamed: the results are there
/// and count more.
async fn type_names(world: &impl World, project: &str, statements: &Statements) -> TypeNames {
    let columns = statements
        .results
        .iter()
        .filter_map(|result| result.columns.as_ref());
    let types: BTreeSet<(u32, i32)> = columns
        .flatten()
        .map(|column| (column.type_oid, column.type_modifier))
        .collect();
    let mut names = TypeNames::new();
    if types.is_empty() {
        return names;
    }
    let list = |items: Vec<String>| format!("{{{}}}", items.join(","));
    let mut pipeline = Pipeline::new();
    pipeline
        .query(
            "select format_type(oid, modifier) \
             from unnest($1::oid[], $2::int[]) with ordinality as types (oid, modifier, position) \
             order by position",
            &[
                list(types.iter().map(|(oid, _)| oid.to_string()).collect()).into(),
                list(
                    types
                        .iter()
                        .map(|(_, modifier)| modifier.to_string())
                        .collect(),
                )
                .into(),
            ],
        )
        .sync();
    let Ok(messages) = pipeline.finish() else {
        return names;
    };
    if let Ok(answer) = world.exchange(project, exchange(messages, true)).await
        && let Ok(answer) = Messages::new(answer).statements().await
        && let Some(result) = answer.results.first()
    {
        let texts = result
            .rows
            .iter()
            .filter_map(|row| row.text(0).map(str::to_owned));
        names.extend(types.into_iter().zip(texts));
    }
    names
}

fn exchange(messages: Bytes, idempotent: bool) -> Exchange {
    Exchange {
        messages,
        idempotent,
        transaction: None,
        hold: false,
    }
}

/// JSON text that is certain to be JSON: our own values have no keys that cannot be written.
fn to_json(value: &Value) -> String {
    value.to_string()
}
