//! From what came of a plan to the HTTP response.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header};

use super::{
    media::MediaType,
    openapi::{self, Visible},
    plan::{CallPlan, DescribePlan, MutatePlan, Mutation, Plan, ReadPlan},
    preferences::{Preferences, Resolution, Return},
    request::{Action, RestRequest},
    run::Outcome,
};
use crate::{ApiError, Body, config::Config, schema::SchemaCache};

mod database;
mod range;
mod settings;
mod verdict;

pub use database::database_error;
pub use verdict::{VerdictError, judge, needs_verdict};

const CONTENT_PROFILE: HeaderName = HeaderName::from_static("content-profile");
const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// In bytes.
const LONGEST_LOCATION: usize = 8 * 1024;

/// A response before the settings of the database may change it.
struct Draft {
    status: StatusCode,
    headers: HeaderMap,
    body: Body,
}

/// Answers what was run.
///
/// Bad `response.headers` and
/// `response.status` are errors of the API's author: 500 PGRST111 and PGRST112.
pub fn respond(
    plan: &Plan,
    request: &RestRequest,
    outcome: Outcome,
    cache: &SchemaCache,
    config: &Config,
) -> Result<Response<Body>, ApiError> {
    let overrides = settings::Overrides::read(outcome.response_settings())?;
    let mut draft = match plan {
        Plan::Read(plan) => read(plan, request, outcome, config.db_max_rows)?,
        Plan::Mutate(plan) => mutation(plan, request, outcome),
        Plan::Call(plan) => call(plan, request, outcome)?,
        Plan::Describe(plan) => {
            let draft = description(plan, request, outcome, cache, config)?;
            return Ok(finish(draft, &request.method));
        }
        Plan::Allow(methods) => return Ok(allow(methods)),
    };
    overrides.apply(&mut draft);
    Ok(finish(draft, &request.method))
}

/// Answers OPTIONS, which runs nothing.
pub fn nothing_run(plan: &Plan) -> Response<Body> {
    match plan {
        Plan::Allow(methods) => allow(methods),
        Plan::Read(_) | Plan::Mutate(_) | Plan::Call(_) | Plan::Describe(_) => {
            Response::new(Body::Empty)
        }
    }
}

fn allow(methods: &str) -> Response<Body> {
    let mut headers = HeaderMap::new();
    put(&mut headers, header::ALLOW, methods);
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_ORIGIN,
        HeaderValue::from_static("*"),
    );
    let draft = Draft {
        status: StatusCode::OK,
        headers,
        body: Body::Empty,
    };
    finish(draft, &Method::OPTIONS)
}

fn read(
    plan: &ReadPlan,
    request: &RestRequest,
    outcome: Outcome,
    max_rows: Option<u64>,
) -> Result<Draft, ApiError> {
    let mut headers = HeaderMap::new();
    let content_type = plan.rendition.media.content_type();
    if outcome.is_explained() {
        return Ok(explained(request, &content_type, outcome));
    }
    let total = range::total(&outcome, plan.count, max_rows);
    let page = range::Page {
        offset: request.range.offset,
        rows: outcome.page(),
        total,
    };
    put(&mut headers, header::CONTENT_RANGE, &page.content_range());
    let mut location = format!("/{}", plan.table.name);
    if !request.query.canonical.is_empty() {
        location.push('?');
        location.push_str(&request.query.canonical);
    }
    // Clients give up on headers of 16 KB (undici, and with it Node); the answer is what they want.
    if location.len() <= LONGEST_LOCATION {
        put(&mut headers, header::CONTENT_LOCATION, &location);
    }
    typed(&mut headers, request, &content_type);
    let honoured = Preferences {
        resolution: None,
        representation: None,
        missing: None,
        max_affected: None,
        ..request.preferences.clone()
    };
    applied(&mut headers, &honoured);
    page.draft(headers, outcome.body)
}

fn mutation(plan: &MutatePlan, request: &RestRequest, outcome: Outcome) -> Draft {
    let content_type = plan.rendition.media.content_type();
    if outcome.is_explained() {
        return explained(request, &content_type, outcome);
    }
    let preferences = &request.preferences;
    let mut headers = HeaderMap::new();
    let rows = outcome.page();
    let counted = preferences.count.map(|_| rows);
    let shows = preferences.representation == Some(Return::Representation);
    let (status, honoured) = match (&plan.mutation, request.action) {
        (Mutation::Insert { .. }, Action::SingleUpsert) => {
            let status = match outcome.inserted() {
                _ if !shows => StatusCode::NO_CONTENT,
                Some(1..) => StatusCode::CREATED,
                Some(_) | None => StatusCode::OK,
            };
            let honoured = Preferences {
                resolution: None,
                missing: None,
                max_affected: None,
                ..preferences.clone()
            };
            (status, honoured)
        }
        (Mutation::Insert { .. }, _) => {
            if let Some(key) = outcome.location() {
                let location = location(&plan.table.name, &key);
                put(&mut headers, header::LOCATION, &location);
            }
            let range = range::unranged(None, counted);
            put(&mut headers, header::CONTENT_RANGE, &range);
            // Nothing was new: not a row, or updates only.
            let merged = preferences.resolution == Some(Resolution::MergeDuplicates);
            let status = match outcome.inserted() {
                Some(1..) => StatusCode::CREATED,
                Some(_) | None if merged => StatusCode::OK,
                Some(_) | None => StatusCode::CREATED,
            };
            let honoured = Preferences {
                resolution: preferences.resolution.filter(|_| plan.resolves_conflicts),
                max_affected: None,
                ..preferences.clone()
            };
            (status, honoured)
        }
        (Mutation::Update { .. } | Mutation::Delete { .. }, _) => {
            let is_update = matches!(plan.mutation, Mutation::Update { .. });
            let range = range::unranged(is_update.then_some(rows), counted);
            put(&mut headers, header::CONTENT_RANGE, &range);
            let honoured = Preferences {
                resolution: None,
                missing: preferences.missing.filter(|_| is_update),
                ..preferences.clone()
            };
            let status = if shows {
                StatusCode::OK
            } else {
                StatusCode::NO_CONTENT
            };
            (status, honoured)
        }
    };
    applied(&mut headers, &honoured);
    if shows {
        typed(&mut headers, request, &content_type);
    }
    Draft {
        status,
        headers,
        body: if shows { outcome.body } else { Body::Empty },
    }
}

fn call(plan: &CallPlan, request: &RestRequest, outcome: Outcome) -> Result<Draft, ApiError> {
    let content_type = plan.rendition.media.content_type();
    if outcome.is_explained() {
        return Ok(explained(request, &content_type, outcome));
    }
    let mut headers = HeaderMap::new();
    let page = range::Page {
        offset: request.range.offset,
        rows: outcome.page(),
        total: outcome.total(),
    };
    put(&mut headers, header::CONTENT_RANGE, &page.content_range());
    let honoured = Preferences {
        resolution: None,
        representation: None,
        missing: None,
        ..request.preferences.clone()
    };
    applied(&mut headers, &honoured);
    if plan.routine.returns_void() {
        return Ok(Draft {
            status: StatusCode::NO_CONTENT,
            headers,
            body: Body::Empty,
        });
    }
    typed(&mut headers, request, &content_type);
    page.draft(headers, outcome.body)
}

/// PostgREST gives it no other media type, whichever acceptable one was asked for.
fn description(
    plan: &DescribePlan,
    request: &RestRequest,
    outcome: Outcome,
    cache: &SchemaCache,
    config: &Config,
) -> Result<Draft, ApiError> {
    let visible = match outcome.body {
        _ if !plan.follows_privileges => Visible::All,
        Body::Full(json) => Visible::read(&json)?,
        Body::Empty | Body::Stream(_) => Visible::read(&[])?,
    };
    let mut headers = HeaderMap::new();
    typed(&mut headers, request, &MediaType::OpenApi.content_type());
    let body = if request.method == Method::HEAD {
        Body::Empty
    } else {
        let document = openapi::describe(cache, config, &plan.schema, &visible, &request.server);
        document.to_string().into()
    };
    Ok(Draft {
        status: StatusCode::OK,
        headers,
        body,
    })
}

fn explained(request: &RestRequest, content_type: &str, outcome: Outcome) -> Draft {
    let mut headers = HeaderMap::new();
    typed(&mut headers, request, content_type);
    Draft {
        status: StatusCode::OK,
        headers,
        body: outcome.body,
    }
}

/// Adds `Content-Length` where the length is known, and drops the body where none may be.
fn finish(draft: Draft, method: &Method) -> Response<Body> {
    let Draft {
        status,
        mut headers,
        body,
    } = draft;
    let bodiless = *method == Method::HEAD
        || status == StatusCode::NO_CONTENT
        || status == StatusCode::RESET_CONTENT
        || status == StatusCode::NOT_MODIFIED;
    let body = if bodiless { Body::Empty } else { body };
    let length = match &body {
        Body::Empty => Some(0),
        Body::Full(bytes) => Some(bytes.len()),
        Body::Stream(_) => None,
    };
    if let Some(length) = length
        && !bodiless
    {
        headers.insert(header::CONTENT_LENGTH, length.into());
    }
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

fn typed(headers: &mut HeaderMap, request: &RestRequest, content_type: &str) {
    put(headers, header::CONTENT_TYPE, content_type);
    if request.profile_chosen {
        put(headers, CONTENT_PROFILE, &request.schema);
    }
}

fn applied(headers: &mut HeaderMap, honoured: &Preferences) {
    if let Some(applied) = honoured.applied() {
        put(headers, PREFERENCE_APPLIED, &applied);
    }
}

/// `/table?key=eq.value`, of the row's key.
fn location(table: &str, key: &[(String, Option<String>)]) -> String {
    use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
    const KEPT: &AsciiSet = &NON_ALPHANUMERIC
        .remove(b'-')
        .remove(b'_')
        .remove(b'.')
        .remove(b'~');
    let mut location = format!("/{table}");
    for (index, (column, value)) in key.iter().enumerate() {
        let value = match value {
            Some(value) => format!("eq.{value}"),
            None => "is.null".to_owned(),
        };
        location.push(if index == 0 { '?' } else { '&' });
        location.extend(utf8_percent_encode(column, KEPT));
        location.push('=');
        location.extend(utf8_percent_encode(&value, KEPT));
    }
    location
}

/// Sets a header. What no header can carry (a control character in a table's name) is left out:
/// the answer is whole without it.
fn put(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_maybe_shared(Bytes::copy_from_slice(value.as_bytes())) {
        headers.insert(name, value);
    }
}
