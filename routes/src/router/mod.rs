//! The router: a request to the part that answers it.

use std::{cell::RefCell, collections::HashSet, rc::Rc};

use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use serde_json::json;

use crate::{
    ApiError, Body, World, apps, auth, backup,
    config::Config,
    console, cors, functions, identity, outbox,
    project::{LoadError, Project, Registry},
    rest, schema, status, storage,
    table::{self, DEFAULT_PROJECT, Endpoint, Route},
    vm,
};

/// Everything that answers requests, for every project.
#[derive(Debug)]
pub struct Router<W> {
    projects: Registry<W>,
    /// The projects whose files were looked through for what no row names.
    swept: RefCell<HashSet<String>>,
    /// What is known of guest applications.
    apps: apps::Memory,
    /// What is known of functions.
    functions: functions::Memory,
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

/// Says that a request comes from inside the virtual machine: from a program of an application, by
/// `localhost:5173`, or from the VM worker itself where it has the header [`INTERNAL`].
///
/// **Invariant:** it is never [`Trusted`] and never a [`Client`]'s, whatever else was said of it.
#[derive(Debug, Clone, Copy)]
pub struct Guest;

/// The header with which the VM worker asks for what is for itself alone. It means something beside
/// [`Guest`] only, and the worker lets no program inside send it.
pub const INTERNAL: &str = "x-gateway-internal";

/// What a service worker knows of a request beside its headers, among which it sees no `Cookie`,
/// `Origin`, `Referer` and `Sec-Fetch-…`. Where the shell says it, the gateway keeps the cookies of
/// guest applications; where it does not, they travel as headers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sender {
    /// The URL that its page or worker was made with (`Client.url`, which no script changes); `None`
    /// for a navigation.
    pub url: Option<String>,
    /// `Request.referrer`, where there is one.
    pub referrer: Option<String>,
    /// `Request.mode`: `navigate`, `cors`, `no-cors`, `same-origin`, `websocket`.
    pub mode: String,
    /// `Request.destination`: `document`, `iframe`, `script`, or empty for `fetch()`.
    pub destination: String,
    /// Whether it may carry cookies (`Request.credentials` is not `omit`).
    pub credentials: bool,
}

/// A request on its way into the virtual machine of a project: what [`Router::tunnel`] makes of a
/// WebSocket.
#[derive(Debug)]
pub struct Tunnel {
    pub project: String,
    /// For [`World::guest`], or for the line with a port attached.
    pub request: Request<Body>,
}

/// The payloads of the channel `pgrst`. Settings and schema are read together, so both mean the
/// same here.
const RELOADS: [&str; 3] = ["", "reload schema", "reload config"];

impl<W: World + 'static> Router<W> {
    /// A router for projects with these settings, as far as their databases do not have others.
    pub fn new(world: W, config: Config) -> Self {
        Self {
            projects: Registry::new(Rc::new(world), config),
            swept: RefCell::default(),
            apps: apps::Memory::default(),
            functions: functions::Memory::default(),
        }
    }

    /// What the router asks for time, randomness and databases.
    pub fn world(&self) -> &W {
        self.projects.world()
    }

    /// The database of `project` answers from now on, or is another one. What it notified before now was
    /// missed.
    pub fn connected(&self, project: &str) {
        self.projects.reload(project);
        self.apps.forget_all(project);
        self.functions.forget(project);
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

    /// Where a WebSocket leads: a GET of `/app/<name>/…`, of a function, or of `/gateway/vm/terminal` by the
    /// gateway's own page, with what a page's script said of it. Else the answer that says why it leads nowhere.
    pub async fn tunnel(&self, request: Request<Body>) -> Result<Tunnel, Response<Body>> {
        let tunnel = Box::pin(self.find_tunnel(request)).await;
        tunnel.map_err(ApiError::into_response)
    }

    async fn find_tunnel(&self, mut request: Request<Body>) -> Result<Tunnel, ApiError> {
        let path = request.uri().path().to_owned();
        // Only pages have them.
        if request.extensions().get::<Guest>().is_some() {
            return Err(unknown(&path));
        }
        let resolved = resolved(&request);
        if let Some(resolved) = resolved {
            *request.uri_mut() = resolved;
        }
        let own_path = request.uri().path().to_owned();
        let route = table::find(&own_path).ok_or_else(|| unknown(&path))?;
        let name = route.project.unwrap_or(DEFAULT_PROJECT);
        let (head, _) = request.into_parts();
        match (route.endpoint, route.rest) {
            (Endpoint::App, rest) => {
                let project = self.project(name).await?;
                let world = self.projects.shared_world();
                let app = (route.name, rest);
                apps::traffic::tunnel(world, &self.apps, project, app, &head).await
            }
            (Endpoint::Functions, rest) => {
                let project = self.project(name).await?;
                let world = self.projects.shared_world();
                let memory = (&self.functions, &self.apps);
                functions::invoke::tunnel(world, memory, project, rest, &head).await
            }
            (Endpoint::Vm, "/terminal") => {
                if head.extensions.get::<Trusted>().is_none() {
                    let message = "Only the gateway's own page has a terminal";
                    return Err(ApiError::new(StatusCode::FORBIDDEN, "GW403", message));
                }
                let project = self.project(name).await?;
                vm::terminal(self.world(), &self.apps, &project, &head).await
            }
            _ => Err(unknown(&path)),
        }
    }

    /// Answers a request; never fails.
    pub async fn handle(&self, mut request: Request<Body>) -> Handled {
        if request.extensions().get::<Guest>().is_some() {
            let extensions = request.extensions_mut();
            extensions.remove::<Trusted>();
            extensions.remove::<Client>();
            extensions.remove::<Sender>();
        }
        // What an application's page asks of the root of its origin is the application's own.
        if let Some(resolved) = resolved(&request) {
            if is_navigation(&request) {
                return Handled::Response(moved(&resolved));
            }
            *request.uri_mut() = resolved;
        }
        let Some(route) = table::find(request.uri().path()) else {
            return Handled::PassThrough;
        };
        let endpoint = route.endpoint;
        // What is behind a prefix that no project has is the network's, as a folder of a site.
        if endpoint == Endpoint::App
            && let Some(name) = route.project
            && !self.projects.knows(name)
            && !self.world().has_project(name).await
        {
            return Handled::PassThrough;
        }
        let config = self.projects.config();
        let origin = request.headers().get(header::ORIGIN).cloned();
        let is_head = request.method() == Method::HEAD;
        let asker = functions::audit::Asker::of(&request, &route);
        let trace = config.server_trace_header.as_deref();
        let trace = trace.and_then(|name| {
            let value = request.headers().get(name)?.clone();
            Some((header::HeaderName::from_bytes(name.as_bytes()).ok()?, value))
        });
        let preflight = match endpoint {
            // An application answers for itself.
            Endpoint::Status | Endpoint::App => None,
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
        let headers = response.headers();
        let says_itself = endpoint == Endpoint::Functions
            && headers.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN);
        if !matches!(endpoint, Endpoint::Status | Endpoint::App) && !says_itself {
            let allowed = config.server_cors_allowed_origins.as_deref();
            cors::allow(origin.as_ref(), allowed, response.headers_mut());
        }
        if let Some(asker) = asker
            && let Ok(project) = self.project(&asker.project).await
        {
            asker.tell(&project, self.world().now(), &mut response);
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
        if request.extensions().get::<Guest>().is_some() && !is_for_guests(&request, &route) {
            return Err(unknown(&path));
        }
        let name = route.project.unwrap_or(DEFAULT_PROJECT);
        match route.endpoint {
            Endpoint::Health => allow(&request, &[Method::GET, Method::HEAD], || Ok(health())),
            Endpoint::Unknown => Err(unknown(&path)),
            Endpoint::Wake => allow(&request, &[Method::GET, Method::HEAD], || Ok(no_content())),
            Endpoint::Shim => allow(&request, &[Method::GET, Method::HEAD], || Ok(apps::shim())),
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
            Endpoint::Vm => {
                let project = self.project(name).await?;
                // They wait for much at once; every request would carry the room for it.
                let answer = vm::handle(self.world(), &self.apps, &project, route.rest, request);
                Box::pin(answer).await
            }
            Endpoint::Apps => {
                let project = self.project(name).await?;
                let answer = apps::handle(self.world(), &self.apps, &project, route.rest, request);
                Ok(Box::pin(answer).await?)
            }
            Endpoint::DeployedFunctions => {
                let project = self.project(name).await?;
                let (world, memory) = (self.world(), &self.functions);
                let answer = functions::handle(world, memory, &project, route.rest, request);
                Ok(Box::pin(answer).await?)
            }
            Endpoint::Secrets => {
                let project = self.project(name).await?;
                let (world, memory) = (self.world(), &self.functions);
                let answer =
                    functions::handle_secrets(world, memory, &project, route.rest, request);
                Ok(Box::pin(answer).await?)
            }
            Endpoint::Backup => {
                let project = self.project(name).await?;
                let world = self.projects.shared_world();
                Ok(Box::pin(backup::handle(world, &project, request)).await?)
            }
            Endpoint::Functions => {
                let project = self.project(name).await?;
                let world = self.projects.shared_world();
                let memory = (&self.functions, &self.apps);
                let answer = functions::invoke::handle(world, memory, project, route.rest, request);
                Ok(Box::pin(answer).await)
            }
            Endpoint::App => {
                let project = self.project(name).await?;
                let world = self.projects.shared_world();
                let app = (route.name, route.rest);
                let answer = apps::traffic::handle(world, &self.apps, project, app, request);
                Ok(Box::pin(answer).await)
            }
            Endpoint::Realtime => Err(missing()),
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
        let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
        // Auth waits for much at once; every request would carry the room for it.
        let response = Box::pin(auth::handle(self.world(), &project, path, request)).await;
        // A session may have begun or ended, by a link too.
        if !is_read || !response.status().is_success() {
            self.apps.forget_tokens(name);
        }
        Ok(response)
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
        // Whoever may run SQL may change what is deployed by it.
        self.apps.forget(name);
        self.functions.forget(name);
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

/// The address that a request of an application's page means, where it is not the one it has.
fn resolved(request: &Request<Body>) -> Option<Uri> {
    let sender = request.extensions().get::<Sender>()?;
    // A frame or a worker without an address of its own is told by who it was made by.
    let url = sender.url.as_ref().filter(|url| url.starts_with("http"));
    let page = url.or(sender.referrer.as_ref())?;
    let uri = request.uri();
    let target = apps::resolve(page, &uri.to_string())?;
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(target.try_into().ok()?);
    Uri::from_parts(parts).ok()
}

fn is_navigation(request: &Request<Body>) -> bool {
    let sender = request.extensions().get::<Sender>();
    sender.is_some_and(|sender| sender.mode == "navigate")
}

/// Sends a navigation to where it meant to go, with its method and its body.
fn moved(uri: &Uri) -> Response<Body> {
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = StatusCode::TEMPORARY_REDIRECT;
    let target = uri.path_and_query().map_or("/", |target| target.as_str());
    if let Ok(target) = HeaderValue::from_str(target) {
        response.headers_mut().insert(header::LOCATION, target);
    }
    response
}

/// Whether a path is there for the virtual machine: the APIs and the applications are; of the gateway's
/// own paths only those that the VM worker itself needs, and for itself alone.
fn is_for_guests(request: &Request<Body>, route: &Route<'_>) -> bool {
    let is_internal = request.headers().contains_key(INTERNAL);
    match route.endpoint {
        Endpoint::Status
        | Endpoint::Outbox
        | Endpoint::Vm
        | Endpoint::Secrets
        | Endpoint::Backup
        | Endpoint::Shim => false,
        Endpoint::Apps | Endpoint::DeployedFunctions | Endpoint::Wake => is_internal,
        Endpoint::Rest
        | Endpoint::GraphQl
        | Endpoint::Auth
        | Endpoint::Storage
        | Endpoint::Functions
        | Endpoint::Realtime
        | Endpoint::App
        | Endpoint::Query
        | Endpoint::Health
        | Endpoint::Unknown => true,
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

fn no_content() -> Response<Body> {
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

fn health() -> Response<Body> {
    json_response(
        StatusCode::OK,
        json!({"status": "ok", "version": env!("CARGO_PKG_VERSION")}),
    )
}

/// What is not there yet says so.
fn missing() -> ApiError {
    let message = "Realtime is not part of this gateway yet";
    ApiError::new(StatusCode::NOT_IMPLEMENTED, "GW501", message)
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
