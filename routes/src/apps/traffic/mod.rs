//! Requests under `/app/<name>`, to the application and back.
//!
//! What an application sees: the path without `/app/<name>`; `Host` and `X-Forwarded-Host` as the page
//! has them, `X-Forwarded-Proto`, `-Prefix` and `-For`; `Authorization` by the identity rule
//! ([`identity`]); the cookies of its own jar ([`cookies`]); `Origin`, `Referer` and `Sec-Fetch-Site` so that
//! its own pages are one site with it and every other page is another ([`request`]). No encoding of bodies
//! is accepted, because a page gets an answer of a service worker's as it is.
//!
//! What its pages see: `Location` and what is like it behind the prefix ([`headers`]), HTML with the shim
//! and its URLs behind the prefix ([`html`]), no `Set-Cookie`, and for failures of the machine the statuses
//! of the contract ([`failure`]). Answers of one part (206), without a body, and of other media types keep
//! their bytes, their tags and their lengths.
//!
//! All applications are one origin in the browser, with each other and with the gateway. Their cookies and
//! their requests are kept apart here; what one page does to another of its origin by script, as in a frame,
//! no gateway sees.

pub mod address;
pub mod cookies;
pub(crate) mod encoding;
pub mod failure;
pub mod headers;
pub mod html;
pub mod identity;
pub mod request;

use std::rc::Rc;

use futures::StreamExt as _;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header, request::Parts};

use self::{
    address::Place,
    cookies::{Change, Setting},
    failure::Audience,
    html::Rewriter,
    request::Visit,
};
use super::{App, Memory, error::AppError, is_name, sql};
use crate::{
    ApiError, Body, World,
    database::{Database, Session},
    project::Project,
    router::Tunnel,
    table,
    vm::{
        Worker,
        worker::{Code, Failure},
    },
    world::Unavailable,
};

/// The header with which a page of the gateway's asks how far an application is.
const PROGRESS: &str = "x-gateway-progress";

/// Who asks for what of which application.
struct Asked<W> {
    world: Rc<W>,
    project: Rc<Project>,
    app: Rc<App>,
    /// The virtual machine's settings.
    vm: String,
    visit: Visit,
}

/// Answers a request to the application `name`, whose path there is `rest`: empty, or from a `/` on.
pub async fn handle<W: World + 'static>(
    world: Rc<W>,
    memory: &Memory,
    project: Rc<Project>,
    (name, rest): (&str, &str),
    request: Request<Body>,
) -> Response<Body> {
    let audience = Audience::of(&request);
    let (head, body) = request.into_parts();
    let asked = match find(&world, memory, &project, name, rest, &head).await {
        Ok(asked) => asked,
        Err(error) => return failure::refuse(audience, error.into()),
    };
    if rest.is_empty() {
        return asked.redirect(&head);
    }
    if head.headers.contains_key(PROGRESS) {
        return asked.progress().await;
    }
    let sent = asked.send(memory, &head, body).await;
    match sent {
        Err(error) => failure::refuse(audience, super::error::unavailable(&error)),
        Ok(response) => match Failure::read(response).await {
            Ok(failure) => failure::respond(audience, &asked.app, &head.method, failure),
            Err(response) => asked.receive(memory, &head, response),
        },
    }
}

/// Where a WebSocket to the application `name` leads.
pub async fn tunnel<W: World + 'static>(
    world: Rc<W>,
    memory: &Memory,
    project: Rc<Project>,
    (name, rest): (&str, &str),
    head: &Parts,
) -> Result<Tunnel, ApiError> {
    let mut asked = find(&world, memory, &project, name, rest, head).await?;
    if rest.is_empty() {
        asked.visit.place.path.insert(0, '/');
    }
    let head = asked.request("ws", memory, head).await;
    let mut request = Request::from_parts(head, Body::Empty);
    if let Ok(settings) = HeaderValue::from_str(&asked.vm) {
        let headers = request.headers_mut();
        headers.insert(crate::vm::worker::SETTINGS, settings);
    }
    Ok(Tunnel {
        project: asked.project.name.clone(),
        request,
    })
}

async fn find<W: World + 'static>(
    world: &Rc<W>,
    memory: &Memory,
    project: &Rc<Project>,
    name: &str,
    rest: &str,
    head: &Parts,
) -> Result<Asked<W>, AppError> {
    let unknown = || AppError::Unknown(name.to_owned());
    if !is_name(name) {
        return Err(unknown());
    }
    let known = memory.get(&**world, &project.name).await?;
    let app = known.by_name.get(name).ok_or_else(unknown)?;
    if request::climbs(rest) {
        let message = "The path leads out of the application".to_owned();
        return Err(AppError::Request(message));
    }
    let place = Place {
        // As it was asked for: a project may be named in a path or not.
        prefix: head
            .uri
            .path()
            .strip_suffix(rest)
            .unwrap_or_default()
            .to_owned(),
        origin: origin(&**world, head),
        port: app.settings.port.unwrap_or_default(),
        path: match head.uri.query() {
            Some(query) => format!("{rest}?{query}"),
            None => rest.to_owned(),
        },
    };
    Ok(Asked {
        world: Rc::clone(world),
        project: Rc::clone(project),
        app: Rc::clone(app),
        vm: known.vm.clone(),
        visit: Visit::read(place, head),
    })
}

/// The origin that pages know.
pub(crate) fn origin(world: &impl World, head: &Parts) -> String {
    let host = head.headers.get(header::HOST);
    let host = host.and_then(|host| host.to_str().ok());
    match (head.uri.scheme_str(), head.uri.authority()) {
        (Some(scheme), Some(authority)) => format!("{scheme}://{authority}"),
        _ => world
            .origin()
            .or_else(|| host.map(|host| format!("http://{host}")))
            .unwrap_or_else(|| "http://localhost".to_owned()),
    }
}

impl<W: World + 'static> Asked<W> {
    /// An application's own address is a folder.
    fn redirect(&self, head: &Parts) -> Response<Body> {
        let query = head.uri.query().map(|query| format!("?{query}"));
        let location = format!("{}/{}", self.visit.place.prefix, query.unwrap_or_default());
        let mut response = Response::new(Body::Empty);
        *response.status_mut() = StatusCode::PERMANENT_REDIRECT;
        if let Ok(location) = HeaderValue::from_str(&location) {
            response.headers_mut().insert(header::LOCATION, location);
        }
        response
    }

    fn worker(&self) -> Worker<'_, W> {
        Worker::new(&self.world, &self.project.name, &self.vm)
    }

    /// The request as the worker gets it, under one of its paths for applications.
    async fn request(&self, kind: &str, memory: &Memory, head: &Parts) -> Parts {
        let visit = &self.visit;
        let now = self.world.now();
        let cookie = if visit.has_jar() {
            let jars = memory.jars(&self.project.name);
            let jars = jars.borrow();
            let jar = jars.get(&self.app.name);
            jar.and_then(|jar| jar.header(&visit.place.path, visit.site, now.0))
        } else {
            None
        };
        let authorization = identity::authorization(
            &*self.world,
            memory,
            &self.project,
            head,
            &visit.place.origin,
        )
        .await;
        visit.head(kind, &self.app, &self.project, head, cookie, authorization)
    }

    async fn send(
        &self,
        memory: &Memory,
        head: &Parts,
        body: Body,
    ) -> Result<Response<Body>, Unavailable> {
        let head = self.request("http", memory, head).await;
        self.worker()
            .send(Request::from_parts(head, body), true)
            .await
    }

    /// The application's answer as its client gets it.
    fn receive(
        &self,
        memory: &Memory,
        head: &Parts,
        mut response: Response<Body>,
    ) -> Response<Body> {
        let visit = &self.visit;
        self.keep_cookies(memory, response.headers_mut());
        headers::rewrite(&visit.place, response.headers_mut());
        let has_body = head.method != Method::HEAD
            && !matches!(
                response.status(),
                StatusCode::NOT_MODIFIED | StatusCode::NO_CONTENT | StatusCode::PARTIAL_CONTENT
            );
        if has_body {
            response = match encoding::decode(response) {
                Ok(response) => response,
                // A page could not read it; any other client may.
                Err(response) if !visit.has_jar() => return response,
                Err(response) => {
                    let encoding = response.headers().get(header::CONTENT_ENCODING);
                    let encoding = encoding.and_then(|encoding| encoding.to_str().ok());
                    let failure = Failure {
                        code: Code::BadResponse,
                        body: serde_json::json!({"message": format!(
                            "The application sent its answer in the encoding {}, which was not asked for",
                            encoding.unwrap_or_default()
                        )}),
                    };
                    return failure.into_response();
                }
            };
        }
        let is_page = is_html(response.headers())
            && !matches!(
                response.status(),
                StatusCode::PARTIAL_CONTENT | StatusCode::NOT_MODIFIED
            );
        if !is_page {
            return response;
        }
        changed(response.headers_mut());
        if !has_body {
            return response;
        }
        let shim = visit.is_document.then(|| self.shim(response.headers_mut()));
        let rewriter = Rewriter::new(visit.place.clone(), shim);
        response.map(|body| rewritten(rewriter, body))
    }

    /// What stands at the beginning of a page's head.
    fn shim(&self, headers: &mut HeaderMap) -> String {
        let Place { prefix, origin, .. } = &self.visit.place;
        let nonce = headers::allow_script(headers, &format!("{origin}{}", table::SHIM));
        let nonce = nonce.map(|nonce| format!(" nonce=\"{nonce}\""));
        format!(
            "<script src=\"{}\" data-app=\"{}\" data-prefix=\"{prefix}\"{}></script>",
            table::SHIM,
            self.app.name,
            nonce.unwrap_or_default()
        )
    }

    /// Puts what an answer sets into the application's jar, and takes it out of the answer. Where there is
    /// no jar, the cookie stays the application's own by its path.
    fn keep_cookies(&self, memory: &Memory, headers: &mut HeaderMap) {
        let visit = &self.visit;
        let set: Vec<HeaderValue> = headers
            .get_all(header::SET_COOKIE)
            .iter()
            .cloned()
            .collect();
        if set.is_empty() {
            return;
        }
        headers.remove(header::SET_COOKIE);
        let set = set
            .iter()
            .filter_map(|value| std::str::from_utf8(value.as_bytes()).ok());
        if !visit.has_jar() {
            for value in set {
                let value = request::cookie_behind(&visit.place.prefix, value);
                if let Ok(value) = HeaderValue::from_str(&value) {
                    headers.append(header::SET_COOKIE, value);
                }
            }
            return;
        }
        if !visit.may_set() {
            return;
        }
        let setting = Setting {
            path: &visit.place.path,
            prefix: &visit.place.prefix,
            host: visit.host_name(),
            now: self.world.now().0,
        };
        let jars = memory.jars(&self.project.name);
        let mut jars = jars.borrow_mut();
        let jar = jars.entry(self.app.name.clone()).or_default();
        let changes: Vec<Change> = set.flat_map(|value| jar.set(value, &setting)).collect();
        if changes.is_empty() {
            return;
        }
        let name = &self.app.name;
        let statements: Vec<_> = changes
            .iter()
            .map(|change| match change {
                Change::Put(cookie) => sql::keep_cookie(name, cookie),
                Change::Remove { name: cookie, path } => sql::forget_cookie(name, cookie, path),
            })
            .collect();
        let (world, project) = (Rc::clone(&self.world), self.project.name.clone());
        self.world.spawn(Box::pin(async move {
            // It is in memory; where the database is away it may be lost with the gateway.
            let database = Database::new(&*world, &project);
            let _ = database.run(&Session::default(), &statements).await;
        }));
    }

    /// How far the application is, for the page that waits for it: 503 while it makes sense to wait, and
    /// then `{"ready":true}`, whatever the next request will be answered.
    async fn progress(&self) -> Response<Body> {
        let worker = self.worker();
        let read = async |path| {
            let response = worker
                .ask(Method::GET, path, Body::Empty, false)
                .await
                .ok()?;
            let body = response.into_body().collect(1024 * 1024).await.ok()?;
            serde_json::from_slice::<serde_json::Value>(&body).ok()
        };
        let machine = read("/vm").await;
        let apps = read("/apps").await;
        failure::progress(&self.app.name, machine, apps)
    }
}

fn is_html(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE);
    let value = value
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let lower = value.to_ascii_lowercase();
    let media = lower.split(';').next().unwrap_or_default().trim();
    media == "text/html" && !lower.contains("utf-16") && !lower.contains("utf-32")
}

/// The bytes of an answer are other ones than the application sent: what was said of them is taken back.
fn changed(headers: &mut HeaderMap) {
    for name in [
        "content-length",
        "accept-ranges",
        "content-md5",
        "digest",
        "content-digest",
        "repr-digest",
    ] {
        headers.remove(name);
    }
    // The same page still, but not byte by byte.
    if let Some(tag) = headers.get(header::ETAG)
        && !tag.as_bytes().starts_with(b"W/")
        && let Ok(weak) = HeaderValue::from_bytes(&[b"W/", tag.as_bytes()].concat())
    {
        headers.insert(header::ETAG, weak);
    }
}

/// A page, rewritten as it comes.
fn rewritten(rewriter: Rewriter, body: Body) -> Body {
    let state = (Some(rewriter), body.into_chunks());
    Body::Stream(Box::pin(futures::stream::unfold(
        state,
        |(rewriter, mut chunks)| async move {
            let mut rewriter = rewriter?;
            loop {
                match chunks.next().await {
                    Some(Ok(chunk)) => {
                        let ready = rewriter.feed(&chunk);
                        if !ready.is_empty() {
                            return Some((Ok(ready.into()), (Some(rewriter), chunks)));
                        }
                    }
                    Some(Err(error)) => return Some((Err(error), (None, chunks))),
                    None => {
                        let rest = rewriter.finish();
                        return (!rest.is_empty()).then(|| (Ok(rest.into()), (None, chunks)));
                    }
                }
            }
        },
    )))
}
