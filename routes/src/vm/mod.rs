//! `/gateway/vm`: the virtual machine, for the gateway's own page and those who hold the secret key.
//!
//! | request | answer |
//! | --- | --- |
//! | `GET /gateway/vm` | its status; `{"state":"unloaded",…}` where nobody runs it |
//! | `GET /gateway/vm/events` | the same as `text/event-stream`, each time it changes |
//! | `POST /gateway/vm/start`, `…/stop`, `…/restart` | as the VM worker answers |
//! | `GET`, `PUT /gateway/vm/settings` | `{"engine","memory","outbound":{"allow":[…]},"runtimes":[…]}` |
//! | `PUT`, `DELETE /gateway/vm/runtimes/{name}` | installs and removes a layer: attached now, and by every start |
//! | `POST /gateway/vm/exec` | `{"exit","stdout","stderr"}` |
//!
//! The settings are kept in `gateway.settings` and go with every request to the worker that may start the
//! machine, in the header [`worker::SETTINGS`]. No GET starts it.

mod managed;
pub mod settings;
pub mod worker;

use http::{HeaderValue, Method, Request, Response, StatusCode, header, request::Parts};
use serde_json::{Value, json};

pub(crate) use managed::Managed;
pub use settings::Settings;
pub use worker::Worker;

use crate::{
    ApiError, Body, World,
    apps::{self, error::AppError, is_name, sql},
    database::{Database, Session},
    project::Project,
    router::{Trusted, Tunnel, json_response},
    world::Unavailable,
};

/// The largest body of a request that is no deployment.
pub(crate) const LARGEST_BODY: usize = 256 * 1024;

/// Lets those pass who may see and change what runs: the gateway's own page, and the secret key.
pub(crate) fn authorize(
    world: &impl World,
    project: &Project,
    head: &Parts,
    what: &str,
) -> Result<(), ApiError> {
    if head.extensions.get::<Trusted>().is_some() {
        return Ok(());
    }
    project.authorize(&head.headers, world.now(), what)
}

/// Answers a request whose path behind the machine's own is `path`: empty, or from a `/` on.
pub async fn handle<W: World>(
    world: &W,
    memory: &apps::Memory,
    project: &Project,
    path: &str,
    request: Request<Body>,
) -> Result<Response<Body>, ApiError> {
    let (head, body) = request.into_parts();
    authorize(world, project, &head, "The virtual machine")?;
    let path = path.trim_end_matches('/');
    let known = memory.get(world, &project.name).await?;
    let worker = Worker::new(world, &project.name, &known.vm);
    let is_read = matches!(head.method, Method::GET | Method::HEAD);
    match (head.method.as_str(), path) {
        ("GET" | "HEAD", "") => status(&worker).await,
        ("GET" | "HEAD", "/events") => events(&worker).await,
        ("POST", "/start" | "/restart") => {
            worker
                .forward(
                    Method::POST,
                    &format!("/vm{path}"),
                    known.vm.clone().into(),
                    true,
                )
                .await
        }
        ("POST", "/stop") => match worker
            .ask(Method::POST, "/vm/stop", Body::Empty, false)
            .await
        {
            Err(Unavailable::NoOwner) => Ok(json_response(StatusCode::OK, unloaded())),
            answer => worker::answer(answer).await,
        },
        ("GET" | "HEAD", "/settings") => Ok(json_response(
            StatusCode::OK,
            serde_json::from_str(&known.vm).unwrap_or_default(),
        )),
        ("PUT", "/settings") => {
            let settings = change(world, project, &known.vm, body).await?;
            memory.forget(&project.name);
            let text = settings.to_string();
            // Where none runs there is nobody to tell: every start says it again.
            let told = worker
                .ask(Method::PUT, "/vm/settings", text.into(), false)
                .await;
            match told {
                Ok(_) | Err(Unavailable::NoOwner) => {}
                Err(error) => return Err(apps::error::unavailable(&error)),
            }
            Ok(json_response(StatusCode::OK, settings))
        }
        ("POST", "/exec") => {
            let body = body.collect(LARGEST_BODY).await?;
            worker
                .forward(Method::POST, "/vm/exec", body.into(), true)
                .await
        }
        ("PUT" | "DELETE", path) => match path.strip_prefix("/runtimes/") {
            Some(name) if is_name(name) => {
                let is_installed = head.method == Method::PUT;
                let path = format!("/vm/runtimes/{name}");
                let forwarded = worker.forward(head.method.clone(), &path, Body::Empty, true);
                let response = forwarded.await?;
                if response.status().is_success() {
                    // The next machine of this project has it, or not, from its start on.
                    let settings: Settings = serde_json::from_str(&known.vm).unwrap_or_default();
                    keep(world, project, &settings.with_runtime(name, is_installed)).await?;
                    memory.forget(&project.name);
                }
                Ok(response)
            }
            Some(_) | None => Err(no_such(path)),
        },
        (_, "" | "/events") => Err(AppError::Method("OPTIONS,GET,HEAD").into()),
        (_, "/start" | "/stop" | "/restart" | "/exec") => {
            Err(AppError::Method("OPTIONS,POST").into())
        }
        (_, "/settings") => Err(AppError::Method("OPTIONS,GET,HEAD,PUT").into()),
        (_, path) if path.starts_with("/runtimes/") && is_read => {
            Err(AppError::Method("OPTIONS,PUT,DELETE").into())
        }
        (_, path) => Err(no_such(path)),
    }
}

/// Where a terminal into the machine leads, with the size and the application that its query names.
pub async fn terminal<W: World>(
    world: &W,
    memory: &apps::Memory,
    project: &Project,
    head: &Parts,
) -> Result<Tunnel, ApiError> {
    let known = memory.get(world, &project.name).await?;
    let query = head.uri.query().map(|query| format!("?{query}"));
    let uri = format!("/terminal{}", query.unwrap_or_default());
    let mut request = Request::new(Body::Empty);
    *request.uri_mut() = uri.try_into().map_err(|_not_a_uri| no_such("/terminal"))?;
    if let Ok(settings) = HeaderValue::from_str(&known.vm) {
        request.headers_mut().insert(worker::SETTINGS, settings);
    }
    Ok(Tunnel {
        project: project.name.clone(),
        request,
    })
}

fn no_such(path: &str) -> ApiError {
    let message = format!("The virtual machine has no {path}");
    ApiError::new(StatusCode::NOT_FOUND, "GW404", message)
}

/// What is said of a machine that nobody runs.
pub fn unloaded() -> Value {
    json!({
        "state": "unloaded",
        "stage": "The virtual machine is not running",
        "loaded": 0,
        "total": 0,
        "engine": null,
        "memory": null,
        "from": null,
        "boot_ms": null,
        "error": null,
        "runtimes": [],
        "guest": null,
    })
}

async fn status<W: World>(worker: &Worker<'_, W>) -> Result<Response<Body>, ApiError> {
    match worker.ask(Method::GET, "/vm", Body::Empty, false).await {
        Err(Unavailable::NoOwner) => Ok(json_response(StatusCode::OK, unloaded())),
        answer => worker::answer(answer).await,
    }
}

/// Where nobody runs the machine the stream says so and ends; its reader asks again.
async fn events<W: World>(worker: &Worker<'_, W>) -> Result<Response<Body>, ApiError> {
    let answer = worker.ask(Method::GET, "/vm/events", Body::Empty, false);
    let mut response = match answer.await {
        Err(Unavailable::NoOwner) => {
            let text = format!("retry: 2000\ndata: {}\n\n", unloaded());
            Response::new(Body::from(text))
        }
        answer => return worker::answer(answer).await,
    };
    let headers = response.headers_mut();
    let media_type = HeaderValue::from_static("text/event-stream");
    headers.insert(header::CONTENT_TYPE, media_type);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

async fn change(
    world: &impl World,
    project: &Project,
    before: &str,
    body: Body,
) -> Result<Value, ApiError> {
    let body = body.collect(LARGEST_BODY).await?;
    let before: Settings = serde_json::from_str(before).unwrap_or_default();
    let settings = before.change(&body).map_err(AppError::from)?;
    keep(world, project, &settings).await
}

async fn keep(
    world: &impl World,
    project: &Project,
    settings: &Settings,
) -> Result<Value, ApiError> {
    let text = json!(settings);
    Database::new(world, &project.name)
        .one(
            &Session::default(),
            sql::keep_vm_settings(&text.to_string()),
        )
        .await
        .map_err(AppError::from)?;
    Ok(text)
}
