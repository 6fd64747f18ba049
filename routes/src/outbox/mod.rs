//! `/gateway/outbox`: the mails and text messages that Auth wrote, for those who hold the secret key.
//!
//! | request | answer |
//! | --- | --- |
//! | `GET /gateway/outbox` | a page of messages, the newest first: `{"total","start","messages"}` |
//! | `DELETE /gateway/outbox` | 204; all are gone, or with `query` those that it finds |
//! | `GET /gateway/outbox/{id}` | one message |
//! | `DELETE /gateway/outbox/{id}` | 204; that one is gone |
//!
//! Parameters of the list: `start` (0), `limit` (50, at most 250), and `query`: words, each of which
//! stands in the recipient, the subject, the kind, the code or the text, in whichever case. `total`
//! counts what the query finds.
//!
//! A message: `id`, `created_at`, `channel` (`email`, `sms`, `whatsapp`), `kind` (GoTrue's template:
//! `confirmation`, `invite`, `recovery`, `magic_link`, `email_change`, `reauthentication`, `…_notification`;
//! for text messages `confirmation`, `phone_change`, `reauthentication`, `mfa`), `sender`, `recipient`,
//! `subject`, `html` (null for text messages), `text`, `link` and `code` (or null), `user_id`,
//! `delivery`: `kept` (it stays here), `sent` or `failed`, with `delivered_at` and `failure`.
//!
//! `html` comes from templates and holds what users named: show it only in a sandbox.
//!
//! The newest [`KEPT`] messages are kept.

mod sql;

use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use percent_encoding::percent_decode_str;

pub use sql::{Channel, Delivery, KEPT, Message, deliver, insert};

use crate::{
    ApiError, Body, World,
    database::{Database, DatabaseError, Session},
    project::Project,
    wire::StatementResult,
};

const LIMIT: u32 = 50;
const LARGEST_LIMIT: u32 = 250;

/// Answers a request whose path behind the outbox is `path`: empty, or `/` and a message's id.
pub async fn handle(
    world: &impl World,
    project: &Project,
    path: &str,
    request: &Request<Body>,
) -> Result<Response<Body>, ApiError> {
    project.authorize(request.headers(), world.now(), "The outbox")?;
    let query = request.uri().query().unwrap_or_default();
    let id = path.trim_matches('/');
    let ask = async |statement, session: Session| {
        let database = Database::new(world, &project.name);
        database.one(&session, statement).await
    };
    let reading = || Session::default().read_only();
    match (request.method(), id) {
        (&Method::GET | &Method::HEAD, "") => {
            let page = Page::read(query)?;
            let found = ask(sql::list(&page), reading()).await.map_err(failed)?;
            Ok(answer(first(&found).ok_or_else(missing)?))
        }
        (&Method::DELETE, "") => {
            let page = Page::read(query)?;
            ask(sql::delete_all(&page), Session::default())
                .await
                .map_err(failed)?;
            Ok(gone())
        }
        (&Method::GET | &Method::HEAD, id) => {
            let found = ask(sql::one(id), reading()).await.map_err(failed)?;
            Ok(answer(first(&found).ok_or_else(missing)?))
        }
        (&Method::DELETE, id) => {
            let found = ask(sql::delete(id), Session::default())
                .await
                .map_err(failed)?;
            first(&found).ok_or_else(missing)?;
            Ok(gone())
        }
        (method, _) => {
            let message = format!("{method} is not allowed here");
            let allowed = HeaderValue::from_static("OPTIONS,GET,HEAD,DELETE");
            let error = ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "GW405", message);
            Err(error.header(header::ALLOW, allowed))
        }
    }
}

/// Which messages, and how many of them.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Page {
    start: u32,
    limit: u32,
    words: Vec<String>,
}

impl Page {
    fn read(query: &str) -> Result<Self, ApiError> {
        let mut page = Self {
            start: 0,
            limit: LIMIT,
            words: Vec::new(),
        };
        for pair in query.split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = value.replace('+', " ");
            let value = percent_decode_str(&value).decode_utf8_lossy();
            let number = || {
                value.parse::<u32>().map_err(|_not_a_number| {
                    let message = format!("{name} is a number");
                    ApiError::new(StatusCode::BAD_REQUEST, "GW400", message)
                })
            };
            match name {
                "start" => page.start = number()?,
                "limit" => page.limit = number()?.min(LARGEST_LIMIT),
                "query" => page.words = value.split_whitespace().map(str::to_owned).collect(),
                _ => {}
            }
        }
        Ok(page)
    }
}

fn first(result: &StatementResult) -> Option<String> {
    Some(result.rows.first()?.text(0)?.to_owned())
}

fn answer(json: String) -> Response<Body> {
    let mut response = Response::new(Body::from(json));
    let headers = response.headers_mut();
    let media_type = HeaderValue::from_static("application/json; charset=utf-8");
    headers.insert(header::CONTENT_TYPE, media_type);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn gone() -> Response<Body> {
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

fn missing() -> ApiError {
    ApiError::new(StatusCode::NOT_FOUND, "GW404", "There is no such message")
}

/// An id that is none names no message; a database that was not made by the gateway has no outbox.
fn failed(error: DatabaseError) -> ApiError {
    const INVALID_TEXT: &str = "22P02";
    if error.sqlstate() == Some(INVALID_TEXT) || error.lacks_table() {
        return missing();
    }
    error.into()
}
