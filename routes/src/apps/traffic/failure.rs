//! What is answered where an application does not: JSON, and for a person at a browser a page.
//!
//! | what happened | status |
//! | --- | --- |
//! | there is no such application | 404 |
//! | a runtime is not installed | 424, with `missing` |
//! | it crashed, its answer was no HTTP, it closed the connection | 502, with its last lines |
//! | it is starting, or no tab runs the machine | 503 and `Retry-After`; the page shows progress |
//! | it did not listen within its start deadline | 503 |
//! | it did not answer within the gateway's deadline | 504 |
//! | the machine's disk is full | 507 |

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::{
    ApiError, Body,
    apps::App,
    router::{Sender, json_response},
    vm::worker::{Code, Failure},
};

const PAGE: &str = include_str!("page.html");
const SCRIPT: &str = include_str!("page.js");

/// Who reads what is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    Program,
    Person,
}

impl Audience {
    /// A navigation is a person's; without `Sec-Fetch-Mode`, one that asks for HTML.
    pub fn of(request: &Request<Body>) -> Self {
        let header = |name: &str| {
            let value = request.headers().get(name);
            value.and_then(|value| value.to_str().ok())
        };
        let sender = request.extensions().get::<Sender>();
        let mode = match sender {
            Some(sender) => Some(sender.mode.as_str()),
            None => header("sec-fetch-mode"),
        };
        let is_person = match mode {
            Some(mode) => mode == "navigate",
            None => header("accept").is_some_and(|accept| accept.contains("text/html")),
        };
        if is_person {
            Self::Person
        } else {
            Self::Program
        }
    }
}

/// What a page says.
#[derive(Default)]
struct Page<'a> {
    title: String,
    message: &'a str,
    hint: &'a str,
    lines: Vec<String>,
    /// Whether it waits and looks again.
    waits: bool,
    /// Whether it may be asked for again without doing anything twice.
    is_safe: bool,
}

/// An answer of the gateway's own.
pub fn refuse(audience: Audience, error: ApiError) -> Response<Body> {
    if audience == Audience::Program {
        return error.into_response();
    }
    let waits = error.status == StatusCode::SERVICE_UNAVAILABLE;
    let page = Page {
        title: error.message.clone(),
        hint: error.hint.as_deref().unwrap_or_default(),
        waits,
        is_safe: true,
        ..Page::default()
    };
    let mut response = page.into_response(error.status);
    for (name, value) in &error.headers {
        response.headers_mut().append(name, value.clone());
    }
    response
}

/// An answer that tells of a failure of the machine, or of an application in it.
pub fn respond(
    audience: Audience,
    app: &App,
    method: &Method,
    mut failure: Failure,
) -> Response<Body> {
    if failure.code == Code::RuntimeMissing && failure.body.get("missing").is_none() {
        let layers = app.settings.runtime.layers();
        failure.body = json!({"message": failure.message(), "missing": layers});
    }
    if audience == Audience::Program {
        return failure.into_response();
    }
    let list = |name: &str| -> Vec<String> {
        let list = failure.body.get(name).and_then(Value::as_array);
        let items = list.into_iter().flatten();
        items.map(line).collect()
    };
    let name = &app.name;
    let (title, hint) = match failure.code {
        Code::Starting => (format!("{name} is starting"), ""),
        Code::NeverListened => (
            format!("{name} does not answer"),
            "It was started, and nothing listened at its port in time. It has to listen at the port in the \
             variable PORT.",
        ),
        Code::Crashed => (format!("{name} crashed"), ""),
        Code::RuntimeMissing => (
            format!("{name} needs a runtime that is not installed"),
            "Install it on the gateway's page, under Virtual machine.",
        ),
        Code::VmFailed => ("The virtual machine failed".to_owned(), ""),
        Code::Refused => (format!("{name} does not listen any more"), ""),
        Code::BadResponse => (format!("The answer of {name} was no HTTP"), ""),
        Code::ClosedEarly => (
            format!("{name} closed the connection without an answer"),
            "",
        ),
        Code::Timeout => (format!("{name} did not answer in time"), ""),
        Code::DiskFull => ("The disk of the virtual machine is full".to_owned(), ""),
        Code::TooManyConnections => (format!("{name} has too many connections"), ""),
        Code::Invalid | Code::Unknown => (format!("{name} could not be asked"), ""),
    };
    let own_hint = failure.body.get("hint").and_then(Value::as_str);
    let lines = match failure.code {
        Code::RuntimeMissing => list("missing"),
        Code::Starting
        | Code::NeverListened
        | Code::Crashed
        | Code::VmFailed
        | Code::Refused
        | Code::BadResponse
        | Code::ClosedEarly
        | Code::Timeout
        | Code::DiskFull
        | Code::TooManyConnections
        | Code::Invalid
        | Code::Unknown => list("lines"),
    };
    let stage = failure.body.get("stage").and_then(Value::as_str);
    let page = Page {
        title,
        message: stage.unwrap_or_else(|| failure.message()),
        hint: own_hint.unwrap_or(hint),
        lines,
        waits: failure.code == Code::Starting,
        is_safe: *method == Method::GET,
    };
    let mut response = page.into_response(failure.code.status());
    if failure.code.may_be_retried() {
        let later = HeaderValue::from_static("1");
        response.headers_mut().insert(header::RETRY_AFTER, later);
    }
    response
}

/// A line of a log: text, or `{"line": …}` as logs have it.
fn line(item: &Value) -> String {
    let text = item.as_str().or_else(|| item.get("line")?.as_str());
    text.map_or_else(|| item.to_string(), str::to_owned)
}

/// How far an application is, by what the worker says of the machine and of all applications.
pub fn progress(name: &str, machine: Option<Value>, apps: Option<Value>) -> Response<Body> {
    let text = |value: &Value, name: &str| value.get(name)?.as_str().map(str::to_owned);
    let apps = apps.unwrap_or_default();
    let app = apps
        .as_array()
        .into_iter()
        .flatten()
        .find(|app| text(app, "name").as_deref() == Some(name));
    let app = app.and_then(|app| text(app, "state"));
    let state = machine.as_ref().and_then(|machine| text(machine, "state"));
    let state = state.unwrap_or_else(|| "unloaded".to_owned());
    let waits = match state.as_str() {
        "unloaded" | "loading" | "booting" => true,
        _ => app.as_deref() == Some("starting"),
    };
    if !waits {
        return no_store(json_response(StatusCode::OK, json!({"ready": true})));
    }
    let machine = machine.unwrap_or_default();
    let stage = match app.as_deref() {
        Some("starting") if state == "ready" => Some(format!("{name} is starting")),
        _ => text(&machine, "stage"),
    };
    let body = json!({
        "code": "starting",
        "state": state,
        "stage": stage.unwrap_or_else(|| "No tab runs the virtual machine".to_owned()),
        "loaded": machine.get("loaded").and_then(Value::as_u64).unwrap_or(0),
        "total": machine.get("total").and_then(Value::as_u64).unwrap_or(0),
    });
    let mut response = no_store(json_response(StatusCode::SERVICE_UNAVAILABLE, body));
    let later = HeaderValue::from_static("1");
    response.headers_mut().insert(header::RETRY_AFTER, later);
    response
}

fn no_store(mut response: Response<Body>) -> Response<Body> {
    let value = HeaderValue::from_static("no-store");
    response.headers_mut().insert(header::CACHE_CONTROL, value);
    response
}

impl Page<'_> {
    /// A page that needs nothing but itself: an application's page is not trusted with the gateway's own
    /// paths, so it asks for its own address again.
    fn into_response(self, status: StatusCode) -> Response<Body> {
        let lines: Vec<_> = self.lines.iter().map(|line| escape(line)).collect();
        let hidden = |is_hidden: bool| if is_hidden { " hidden" } else { "" };
        let refresh = if self.waits && self.is_safe {
            "<noscript><meta http-equiv=\"refresh\" content=\"2\"></noscript>"
        } else {
            ""
        };
        let script = if self.waits { SCRIPT } else { "" };
        let fields = [
            ("title", escape(&self.title)),
            ("refresh", refresh.to_owned()),
            ("message", escape(self.message)),
            ("hint", escape(self.hint)),
            ("no-lines", hidden(lines.is_empty()).to_owned()),
            ("lines", lines.join("\n")),
            ("no-wait", hidden(!self.waits).to_owned()),
            ("safe", self.is_safe.to_string()),
            ("script", script.to_owned()),
        ];
        let text = fill(PAGE, &fields);
        let hash = STANDARD.encode(Sha256::digest(script));
        let policy = format!(
            "default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{hash}'; connect-src 'self'; \
             base-uri 'none'; form-action 'none'"
        );
        let mut response = no_store(Response::new(Body::from(text)));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        let html = HeaderValue::from_static("text/html; charset=utf-8");
        headers.insert(header::CONTENT_TYPE, html);
        if let Ok(policy) = HeaderValue::from_str(&policy) {
            headers.insert(header::CONTENT_SECURITY_POLICY, policy);
        }
        response
    }
}

/// A text with `{{name}}` in it, each once filled.
fn fill(text: &str, fields: &[(&str, String)]) -> String {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        filled.push_str(before);
        let (name, after) = after.split_once("}}").unwrap_or((after, ""));
        let field = fields.iter().find(|(field, _)| *field == name);
        filled.push_str(field.map_or("", |(_, value)| value));
        rest = after;
    }
    filled.push_str(rest);
    filled
}

/// Text as HTML.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            letter => escaped.push(letter),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_filled_once_and_nothing_is_markup() {
        let fields = [("a", escape("<b> & {{b}}")), ("b", "x".to_owned())];
        assert_eq!(
            fill("1{{a}}2{{b}}{{c}}3", &fields),
            "1&lt;b&gt; &amp; {{b}}2x3"
        );
        let page = Page {
            title: "<script>1</script>".to_owned(),
            message: "\"'",
            lines: vec!["</pre><img src=x onerror=alert(1)>".to_owned()],
            ..Page::default()
        };
        let response = page.into_response(StatusCode::BAD_GATEWAY);
        let body = futures::executor::block_on(response.into_body().collect(usize::MAX)).unwrap();
        let body = String::from_utf8(body.to_vec()).unwrap();
        assert!(!body.contains("<script>1") && !body.contains("<img") && !body.contains("{{"));
    }

    #[test]
    fn the_pages_own_script_is_the_one_that_its_policy_names() {
        let page = Page {
            waits: true,
            ..Page::default()
        };
        let response = page.into_response(StatusCode::SERVICE_UNAVAILABLE);
        let policy = response.headers()[header::CONTENT_SECURITY_POLICY].clone();
        let body = futures::executor::block_on(response.into_body().collect(usize::MAX)).unwrap();
        let body = String::from_utf8(body.to_vec()).unwrap();
        let script = body
            .split_once("<script>")
            .unwrap()
            .1
            .split_once("</script>")
            .unwrap()
            .0;
        let hash = STANDARD.encode(Sha256::digest(script));
        assert!(policy.to_str().unwrap().contains(&hash));
    }

    #[test]
    fn waiting_ends_when_there_is_something_to_see() {
        let status = |machine: Option<&str>, app: Option<&str>| {
            let machine = machine.map(|state| json!({"state": state, "stage": "x"}));
            let apps = app.map(|state| json!([{"name": "other", "state": "starting"}, {"name": "shop", "state": state}]));
            progress("shop", machine, apps).status().as_u16()
        };
        let cases = [
            (None, None, 503),
            (Some("loading"), None, 503),
            (Some("booting"), Some("stopped"), 503),
            (Some("ready"), Some("starting"), 503),
            (Some("ready"), Some("running"), 200),
            (Some("ready"), Some("crashed"), 200),
            (Some("ready"), Some("stopped"), 200),
            (Some("ready"), None, 200),
            (Some("error"), None, 200),
        ];
        for (machine, app, expected) in cases {
            assert_eq!(status(machine, app), expected, "{machine:?} {app:?}");
        }
    }
}
