//! Errors of Postgres as HTTP: SQLSTATE to status, and errors that functions raise on purpose.
//!
//! Source: PostgREST, "HTTP Status Codes" and "RAISE errors with HTTP Status Codes".

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{ApiError, wire::PgError};

/// The answer to an error of Postgres. `authenticated` says that the client is somebody.
pub fn database_error(error: &PgError, authenticated: bool) -> ApiError {
    if error.sqlstate == "PGRST" {
        return raised(error);
    }
    let status = status(error, authenticated);
    let mut answer = ApiError::new(status, error.sqlstate.as_str(), error.message.as_str());
    answer.details = error.detail.as_deref().map(Value::from);
    answer.hint.clone_from(&error.hint);
    if status == StatusCode::UNAUTHORIZED {
        answer = answer.header(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    answer
}

fn status(error: &PgError, authenticated: bool) -> StatusCode {
    let state = error.sqlstate.as_str();
    let message = error.message.as_str();
    match state {
        "23503" | "23505" => return StatusCode::CONFLICT,
        "25006" => return StatusCode::METHOD_NOT_ALLOWED,
        // A statement without WHERE that the database refuses is the client's own doing.
        "21000" if message.ends_with("requires a WHERE clause") => return StatusCode::BAD_REQUEST,
        // The role of a token does not exist.
        "22023" if message.starts_with("role") && message.ends_with("does not exist") => {
            return StatusCode::UNAUTHORIZED;
        }
        "21000" | "42P17" | "53400" => return StatusCode::INTERNAL_SERVER_ERROR,
        "57P01" => return StatusCode::SERVICE_UNAVAILABLE,
        "P0001" => return StatusCode::BAD_REQUEST,
        "42883" if message.starts_with("function xmlagg(") => return StatusCode::NOT_ACCEPTABLE,
        "42883" | "42P01" => return StatusCode::NOT_FOUND,
        "42501" if authenticated => return StatusCode::FORBIDDEN,
        "42501" => return StatusCode::UNAUTHORIZED,
        _ => {}
    }
    if let Some(chosen) = state.strip_prefix("PT") {
        let chosen = chosen.parse().ok();
        return chosen.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    }
    match state.get(..2).unwrap_or_default() {
        "08" | "53" => StatusCode::SERVICE_UNAVAILABLE,
        "0L" | "0P" | "28" => StatusCode::FORBIDDEN,
        "09" | "25" | "2D" | "38" | "39" | "3B" | "40" | "54" | "55" | "57" | "58" | "F0"
        | "HV" | "P0" | "XX" => StatusCode::INTERNAL_SERVER_ERROR,
        _ => StatusCode::BAD_REQUEST,
    }
}

/// What `RAISE SQLSTATE 'PGRST'` says in its message.
#[derive(Deserialize)]
struct RaisedMessage {
    code: String,
    message: String,
    details: Option<String>,
    hint: Option<String>,
}

/// What it says in its detail.
#[derive(Deserialize)]
struct RaisedDetail {
    status: u16,
    headers: Map<String, Value>,
}

/// An error whose whole response the function decides; 500 PGRST121 where it cannot be read.
fn raised(error: &PgError) -> ApiError {
    const MESSAGE_HINT: &str = "MESSAGE must be a JSON object with obligatory keys: 'code', \
        'message' and optional keys: 'details', 'hint'.";
    const DETAIL_HINT: &str = "DETAIL must be a JSON object with obligatory keys: 'status', \
        'headers' and optional key: 'status_text'.";
    let Ok(message) = serde_json::from_str::<RaisedMessage>(&error.message) else {
        let details = format!("Invalid JSON value for MESSAGE: '{}'", error.message);
        return unreadable(details, MESSAGE_HINT);
    };
    let Some(detail) = &error.detail else {
        let details = "DETAIL is missing in the RAISE statement".to_owned();
        return unreadable(details, DETAIL_HINT);
    };
    let read = serde_json::from_str::<RaisedDetail>(detail).ok();
    let Some((status, headers)) = read.and_then(|read| response(&read)) else {
        let details = format!("Invalid JSON value for DETAIL: '{detail}'");
        return unreadable(details, DETAIL_HINT);
    };
    let mut answer = ApiError::new(status, message.code, message.message);
    answer.details = message.details.map(Value::from);
    answer.hint = message.hint;
    for (name, value) in headers {
        answer = answer.header(name, value);
    }
    answer
}

fn response(detail: &RaisedDetail) -> Option<(StatusCode, Vec<(HeaderName, HeaderValue)>)> {
    let status = StatusCode::from_u16(detail.status).ok()?;
    let headers = detail
        .headers
        .iter()
        .map(|(name, value)| {
            let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
            let value = Bytes::copy_from_slice(value.as_str()?.as_bytes());
            Some((name, HeaderValue::from_maybe_shared(value).ok()?))
        })
        .collect::<Option<_>>()?;
    Some((status, headers))
}

fn unreadable(details: String, hint: &str) -> ApiError {
    ApiError::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "PGRST121",
        "Could not parse JSON in the \"RAISE SQLSTATE 'PGRST'\" error",
    )
    .details(details)
    .hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(sqlstate: &str, message: &str, detail: Option<&str>) -> PgError {
        PgError {
            sqlstate: sqlstate.to_owned(),
            message: message.to_owned(),
            detail: detail.map(str::to_owned),
            ..PgError::default()
        }
    }

    #[test]
    fn states_have_a_status() {
        for (sqlstate, message, anonymous, authenticated) in [
            ("42501", "permission denied", 401, 403),
            ("42P01", "no table", 404, 404),
            ("42883", "no function", 404, 404),
            ("42883", "function xmlagg(text) does not exist", 406, 406),
            ("23505", "twice", 409, 409),
            ("23503", "nowhere", 409, 409),
            ("23502", "null", 400, 400),
            ("25006", "read-only", 405, 405),
            ("21000", "two rows", 500, 500),
            ("21000", "DELETE requires a WHERE clause", 400, 400),
            ("22023", "role \"x\" does not exist", 401, 401),
            ("22023", "something else", 400, 400),
            ("22P02", "no number", 400, 400),
            ("P0001", "raised", 400, 400),
            ("P0002", "no data", 500, 500),
            ("54001", "stack depth", 500, 500),
            ("53400", "limit", 500, 500),
            ("53300", "connections", 503, 503),
            ("PT402", "pay", 402, 402),
            ("PTabc", "what", 500, 500),
            ("", "nothing", 400, 400),
        ] {
            let of = |authenticated| {
                let answer = database_error(&error(sqlstate, message, None), authenticated);
                let asks = answer.headers.contains_key(header::WWW_AUTHENTICATE);
                assert_eq!(
                    asks,
                    answer.status == StatusCode::UNAUTHORIZED,
                    "{sqlstate}"
                );
                answer.status.as_u16()
            };
            assert_eq!(
                (of(false), of(true)),
                (anonymous, authenticated),
                "{sqlstate}"
            );
        }
    }

    #[test]
    fn functions_may_decide_the_response() {
        let answer = |message, detail| database_error(&error("PGRST", message, detail), true);
        let message = r#"{"code": "123", "message": "ABC", "details": "DEF", "hint": "XYZ"}"#;
        let detail = r#"{"status": 332, "headers": {"X-Header": "str"}}"#;
        let decided = answer(message, Some(detail));
        assert_eq!(
            (decided.status.as_u16(), decided.code.as_str()),
            (332, "123")
        );
        assert_eq!(decided.headers["x-header"], "str");
        for (message, detail, details) in [
            (
                "INVALID",
                Some(detail),
                "Invalid JSON value for MESSAGE: 'INVALID'",
            ),
            (
                message,
                Some("INVALID"),
                "Invalid JSON value for DETAIL: 'INVALID'",
            ),
            (message, None, "DETAIL is missing in the RAISE statement"),
        ] {
            let unreadable = answer(message, detail);
            assert_eq!(unreadable.code, "PGRST121");
            assert_eq!(unreadable.details, Some(Value::from(details)));
        }
    }
}
