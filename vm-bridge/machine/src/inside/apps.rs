//! Requests about the apps.

use futures::StreamExt as _;
use http::{HeaderValue, Method, Request, Response, header};
use port::peer::Body;

use super::{
    AppSpec, Failure, Inside, Milliseconds, Query, event, events, json, not_allowed, not_found,
    read, spec, wait,
};
use crate::apps::logs;

/// A start that is asked for by name ends by its own deadlines.
const NO_LIMIT: Milliseconds = 3_600_000;

/// Lines that are told where nobody says how many.
const TAIL: usize = 200;

impl Inside {
    pub(super) async fn on_apps(
        &self,
        name: Option<&str>,
        rest: Option<&str>,
        request: Request<Body>,
    ) -> Result<Response<Body>, Failure> {
        let method = request.method().clone();
        match (name, rest) {
            (None | Some(""), None) if method == Method::GET => {
                self.vm.look().await;
                Ok(json(&self.apps.list(&self.vm)))
            }
            (Some(name), None) if method == Method::DELETE => {
                self.apps.remove(&self.vm, name).await?;
                Ok(super::nothing())
            }
            (Some(name), Some("start")) if method == Method::POST => {
                let (spec, wait) = told(name, request).await?;
                self.apps.start(&self.vm, &spec, wait).await?;
                Ok(json(&self.apps.describe(&self.vm, name)))
            }
            (Some(name), Some("restart")) if method == Method::POST => {
                let (spec, wait) = told(name, request).await?;
                self.apps.restart(&self.vm, &spec, wait).await?;
                Ok(json(&self.apps.describe(&self.vm, name)))
            }
            (Some(name), Some("stop")) if method == Method::POST => {
                self.apps.stop(&self.vm, name).await?;
                Ok(json(&self.apps.describe(&self.vm, name)))
            }
            (Some(name), Some("logs")) if method == Method::GET => {
                Ok(self.logs(name, &Query::of(request.uri())).await)
            }
            (None | Some(""), None) | (Some(_), Some("logs")) => Ok(not_allowed("GET")),
            (Some(_), None) => Ok(not_allowed("DELETE")),
            (Some(_), Some("start" | "stop" | "restart")) => Ok(not_allowed("POST")),
            _ => Ok(not_found(request.uri().path().trim_start_matches('/'))),
        }
    }

    async fn logs(&self, name: &str, query: &Query) -> Response<Body> {
        let tail = query.number("tail").unwrap_or(TAIL);
        if query.flag("follow") {
            let lines = self.apps.follow(&self.vm, name, tail).await;
            return events(lines.map(|line| event(&logs::to_json(&line))));
        }
        let lines = self.apps.lines(&self.vm, name, tail).await;
        let text: String = lines
            .iter()
            .flat_map(|line| [logs::to_json(line).to_string(), "\n".to_owned()])
            .collect();
        let mut response = Response::new(Body::from(text));
        let lines = HeaderValue::from_static("application/x-ndjson");
        response.headers_mut().insert(header::CONTENT_TYPE, lines);
        response
    }
}

/// The app that a request is about, from its body or its header; and how long it waits.
async fn told(name: &str, request: Request<Body>) -> Result<(AppSpec, Milliseconds), Failure> {
    let (head, body) = request.into_parts();
    let wait = if head.headers.contains_key("x-gateway-wait") {
        wait(&head.headers)
    } else {
        NO_LIMIT
    };
    let body = read(body).await?;
    if body.is_empty() {
        return Ok((spec(name, &head.headers)?, wait));
    }
    let spec = AppSpec::parse(&body)?;
    if spec.name == name {
        return Ok((spec, wait));
    }
    let reason = format!("The request for \"{name}\" describes \"{}\"", spec.name);
    Err(Failure::Invalid(reason))
}
