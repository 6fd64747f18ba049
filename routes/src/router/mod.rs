//! The router: a request to the part that answers it.

use std::{cell::RefCell, collections::HashSet, rc::Rc};

use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use serde_json::json;

use crate::{
    ApiError, Body, World, auth,
    config::Config,
    console, cors, identity, outbox,
    project::{LoadError, Project, Registry},
    rest, schema, status, storage,
    table::{self, DEFAULT_PROJECT, Endpoint, Route},
};

/// Everything that answers requests, for every project.
#[derive(Debug)]
pub struct Router<W> {
    projects: Registry<W>,
    /// The projects whose files were looked through for what no row names.
    swept: RefCell<HashSet<String>>,
}

/// What becomes of a request.
#[derive(Debug)]
pub enum Handled {
    Response(Response<Body>),
    /// Not the gateway's after all: the network answers it.
    PassThrough,
}

/// Says that who sent a request may see the project's keys: the gateway's own page, and nobody under
/// `/app/`. The shell knows its clients and puts it among the request's extensions.
#[derive(Debug, Clone, Copy)]
pub struct Trusted;

/// Who sent a request, as the shell names its clients: a page or a worker, for as long as it lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client(pub String);

/// The payloads of the channel `pgrst`. Settings and schema are read together, so both mean the
/// same here.
const RELOADS: [&str; 3] = ["", "reload schema", "reload config"];

impl<W: World + 'static> Router<W> {
    /// A router for projects with these settings, as far as their databases do not have others.
    pub fn new(world: W, config: Config) -> Self {
        Self {
            projects: Registry::new(Rc::new(world), config),
            swept: RefCell::default(),
        }
    }

    /// What the router asks for time, randomness and databases.
    pub fn world(&self) -> &W {
        self.projects.world()
    }

    /// The database of `project` answers from now on. What it notified before now was missed.
    pub fn connected(&self, project: &str) {
        self.projects.reload(project);
    }

    /// Postgres notified in the database of `project`.
    pub fn notified(&self, project: &str, channel: &str, payload: &str) {
        if channel == "pgrst" && RELOADS.contains(&payload) {
            self.projects.reload(project);
        }
    }

    /// What is known of a project, loaded from its database where it is not yet.
    pub async fn project(&self, name: &str) -> Result<Rc<Project>, ApiError> {
        self.projects.get(name).await
    }

    /// Answers a request; never fails.
    pub async fn handle(&self, request: Request<Body>) -> Handled {
        let Some(route) = table::find(request.uri().path()) else {
            return Handled::PassThrough;
        };
        let endpoint = route.endpoint;
        // What is behind a prefix that no project has is the network's, as a folder of a site.
        if endpoint == Endpoint::App && route.project.is_some_and(|name| !self.projects.knows(name))
        {
            return Handled::PassThrough;
        }
        let config = self.projects.config();
        let origin = request.headers().get(header::ORIGIN).cloned();
        let is_head = request.method() == Method::HEAD;
        let trace = config.server_trace_header.as_deref();
        let trace = trace.and_then(|name| {
            let value = request.headers().get(name)?.clone();
            Some((header::HeaderName::from_bytes(name.as_bytes()).ok()?, value))
        });
        let preflight = match endpoint {
            Endpoint::Status => None,
            _ => cors::preflight(&request),
        };
        let mut response = match preflight {
            Some(response) => response,
            None => self
                .route(request)
                .await
                .unwrap_or_else(ApiError::into_response),
        };
        // The page's own origin is the only one that may read the project's keys.
        if endpoint != Endpoint::Status {
            let allowed = config.server_cors_allowed_origins.as_deref();
            cors::allow(origin.as_ref(), allowed, response.headers_mut());
        }
        if let Some((name, value)) = trace {
            response.headers_mut().insert(name, value);
        }
        finish(is_head, &mut response);
        Handled::Response(response)
    }

    async fn route(&self, request: Request<Body>) -> Result<Response<Body>, ApiError> {
        let path = request.uri().path().to_owned();
        let route = table::find(&path).ok_or_else(|| unknown(&path))?;
        let name = route.project.unwrap_or(DEFAULT_PROJECT);
        match route.endpoint {
            Endpoint::Health => allow(&request, &[Method::GET, Method::HEAD], || Ok(health())),
            Endpoint::Unknown => Err(unknown(&path)),
            Endpoint::Status => self.status(name, &request).await,
            Endpoint::Outbox => self.outbox(name, &request, route.rest).await,
            Endpoint::Query => self.query(name, request).await,
            Endpoint::Rest => self.rest(name, request, route.rest).await,
            Endpoint::GraphQl => {
                let mut request = request;
                let profile = HeaderValue::from_static("graphql_public");
                request
                    .headers_mut()
                    .insert("accept-profile", profile.clone());
                request.headers_mut().insert("content-profile", profile);
                self.rest(name, request, "/rpc/graphql").await
            }
            Endpoint::Auth => self.auth(name, request, route.rest).await,
            Endpoint::Storage => self.storage(name, request, route.rest).await,
            Endpoint::Functions | Endpoint::Realtime | Endpoint::App => Ok(missing(&route)),
        }
    }

    async fn rest(
        &self,
        name: &str,
        request: Request<Body>,
        path: &str,
    ) -> Result<Response<Body>, ApiError> {
        let project = self.project(name).await?;
        let (mut head, body) = request.into_parts();
        identity::take_key(&mut head);
        let arrived = self.world().clock();
        let identity = project.identify(&head.headers, self.world().now())?;
        let body = body.collect(project.config.max_body_bytes).await?;
        if mentions_timezone(&head.headers) {
            let loaded = schema::load_timezones(self.world(), name, &project.snapshot.schema).await;
            loaded.map_err(LoadError::from)?;
        }
        let context = rest::Context {
            project: name,
            config: &project.config,
            cache: &project.snapshot.schema,
            identity: &identity,
            arrived,
        };
        rest::handle(self.world(), context, &head, path, body).await
    }

    async fn auth(
        &self,
        name: &str,
        request: Request<Body>,
        path: &str,
    ) -> Result<Response<Body>, ApiError> {
        let project = self.project(name).await?;
        // Auth waits for much at once; every request would carry the room for it.
        Ok(Box::pin(auth::handle(self.world(), &project, path, request)).await)
    }

    async fn storage(
        &self,
        name: &str,
        request: Request<Body>,
        path: &str,
    ) -> Result<Response<Body>, ApiError> {
        let project = self.project(name).await?;
        // Once for each life of the gateway: what an earlier one did not finish.
        if self.swept.borrow_mut().insert(name.to_owned()) {
            let (world, name) = (self.projects.shared_world(), name.to_owned());
            self.world().spawn(Box::pin(async move {
                // What could not be swept now will be after the next start.
                let _ = storage::sweep::sweep(&*world, &name).await;
            }));
        }
        Ok(storage::handle(self.world(), &project, path, request).await)
    }

    async fn query(&self, name: &str, request: Request<Body>) -> Result<Response<Body>, ApiError> {
        if request.method() != Method::POST {
            return allow(&request, &[Method::POST], || Ok(Response::default()));
        }
        let project = self.project(name).await?;
        let answered = console::handle(self.world(), &project, request).await?;
        // They come from the worker as well, but perhaps after the next request.
        for notification in answered.notifications {
            self.notified(name, &notification.channel, &notification.payload);
        }
        Ok(answered.response)
    }

    async fn outbox(
        &self,
        name: &str,
        request: &Request<Body>,
        path: &str,
    ) -> Result<Response<Body>, ApiError> {
        let project = self.project(name).await?;
        outbox::handle(self.world(), &project, path, request).await
    }

    async fn status(
        &self,
        name: &str,
        request: &Request<Body>,
    ) -> Result<Response<Body>, ApiError> {
        if request.extensions().get::<Trusted>().is_none() {
            let message = "Only the gateway's own page may see a project's keys";
            return Err(ApiError::new(StatusCode::FORBIDDEN, "GW403", message));
        }
        let project = self.project(name).await?;
        let status = status::read(self.world(), &project).await?;
        allow(request, &[Method::GET, Method::HEAD], || Ok(status))
    }
}

/// Names of time zones are many and seldom wanted, so they are read when a request brings one.
fn mentions_timezone(headers: &HeaderMap) -> bool {
    let preferences = headers.get_all("prefer").iter();
    preferences
        .filter_map(|value| value.to_str().ok())
        .any(|value| value.contains("timezone"))
}

/// Answers, or says which methods there are.
fn allow<B>(
    request: &Request<B>,
    methods: &[Method],
    answer: impl FnOnce() -> Result<Response<Body>, ApiError>,
) -> Result<Response<Body>, ApiError> {
    let method = request.method();
    if methods.contains(method) {
        return answer();
    }
    let names: Vec<&str> = methods.iter().map(Method::as_str).collect();
    let names = format!("OPTIONS,{}", names.join(","));
    let allowed = HeaderValue::from_str(&names).unwrap_or(HeaderValue::from_static("OPTIONS"));
    if method == Method::OPTIONS {
        let mut response = Response::new(Body::Empty);
        response.headers_mut().insert(header::ALLOW, allowed);
        return Ok(response);
    }
    let message = format!("{method} is not allowed here");
    Err(
        ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "GW405", message)
            .header(header::ALLOW, allowed),
    )
}

fn unknown(path: &str) -> ApiError {
    let message = format!("No API answers {path}");
    ApiError::new(StatusCode::NOT_FOUND, "GW404", message)
}

fn health() -> Response<Body> {
    json_response(
        StatusCode::OK,
        json!({"status": "ok", "version": env!("CARGO_PKG_VERSION")}),
    )
}

/// What is not there yet says so, in the shape of errors that its clients read.
fn missing(route: &Route<'_>) -> Response<Body> {
    let status = StatusCode::NOT_IMPLEMENTED;
    let part = match route.endpoint {
        Endpoint::Functions => "The runtime of edge functions",
        Endpoint::Realtime => "Realtime",
        Endpoint::App => "The runtime of guest applications",
        Endpoint::GraphQl => "GraphQL",
        Endpoint::Rest
        | Endpoint::Auth
        | Endpoint::Storage
        | Endpoint::Query
        | Endpoint::Status
        | Endpoint::Outbox
        | Endpoint::Health
        | Endpoint::Unknown => "This API",
    };
    let message = format!("{part} is not part of this gateway yet");
    let body = match route.endpoint {
        Endpoint::Functions => json!({"code": "NOT_IMPLEMENTED", "message": message}),
        _ => return ApiError::new(status, "GW501", message).into_response(),
    };
    json_response(status, body)
}

pub(crate) fn json_response(status: StatusCode, body: serde_json::Value) -> Response<Body> {
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/json; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

/// Says how long the body is where that is known, and leaves it out where HTTP has none.
fn finish(is_head: bool, response: &mut Response<Body>) {
    let length = match response.body() {
        Body::Empty => Some(0),
        Body::Full(bytes) => Some(bytes.len()),
        Body::Stream(_) => None,
    };
    let status = response.status();
    let has_body = !status.is_informational()
        && status != StatusCode::NO_CONTENT
        && status != StatusCode::NOT_MODIFIED;
    let known = response.headers().contains_key(header::CONTENT_LENGTH);
    // An empty body of a HEAD may stand for any other.
    if let Some(length) = length
        && has_body
        && !known
        && !(is_head && length == 0)
    {
        response
            .headers_mut()
            .insert(header::CONTENT_LENGTH, length.into());
    }
    if is_head || !has_body {
        *response.body_mut() = Body::Empty;
    }
}

#[cfg(test)]
mod tests;
