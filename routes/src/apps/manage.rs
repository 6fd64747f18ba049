//! `/gateway/apps`: what is deployed, for the gateway's own page and those who hold the secret key.

use std::{collections::HashMap, rc::Rc};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderValue, Method, Request, Response, StatusCode, header, request::Parts};
use serde_json::{Value, json};

use super::{
    Memory,
    app::{self, App},
    error::AppError,
    memory::Apps,
    name::is_name,
    settings::Draft,
    sql,
};
use crate::{
    Body, World,
    blobs::Files,
    bundle::{self, Archive, Bundle, Kind, Limits, form::Upload},
    database::{Database, Session},
    project::Project,
    router::json_response,
    vm::{self, LARGEST_BODY, Managed, Worker},
    world::Unavailable,
};

/// The largest ZIP, in bytes.
const LARGEST_ZIP: usize = 256 * 1024 * 1024;

/// One request about applications.
struct Context<'a, W> {
    world: &'a W,
    memory: &'a Memory,
    project: &'a Project,
    known: Rc<Apps>,
}

/// Answers a request whose path behind the applications' own is `path`: empty, or from a `/` on.
pub async fn handle<W: World>(
    world: &W,
    memory: &Memory,
    project: &Project,
    path: &str,
    request: Request<Body>,
) -> Result<Response<Body>, AppError> {
    let (head, body) = request.into_parts();
    let managed = Managed::read(world, project, path, &head)?;
    let Managed { name, action, .. } = managed;
    let known = memory.get(world, &project.name).await?;
    let context = Context {
        world,
        memory,
        project,
        known,
    };
    if !name.is_empty() && !is_name(name) {
        return Err(AppError::Name(name.to_owned()));
    }
    if managed.is_internal {
        return context.internal(&head, name, action, managed.rest).await;
    }
    if managed.rest.is_some() {
        return Err(AppError::Unknown(path.to_owned()));
    }
    match (head.method.as_str(), name, action) {
        ("GET" | "HEAD", "", None) => context.list().await,
        (_, "", _) => Err(AppError::Method("OPTIONS,GET,HEAD")),
        ("GET" | "HEAD", name, None) => {
            let app = context.app(name)?;
            Ok(json_response(StatusCode::OK, context.show(&app).await))
        }
        ("PUT", name, None) => context.deploy(name, &head, body).await,
        ("PATCH", name, None) => context.change(name, body).await,
        ("DELETE", name, None) => context.delete(name).await,
        (_, _, None) => Err(AppError::Method("OPTIONS,GET,HEAD,PUT,PATCH,DELETE")),
        ("POST", name, Some(action @ ("start" | "restart"))) => context.run(name, action).await,
        ("POST", name, Some("stop")) => context.stop(name).await,
        (_, _, Some("start" | "stop" | "restart")) => Err(AppError::Method("OPTIONS,POST")),
        ("GET" | "HEAD", name, Some("logs")) => context.logs(name, &head).await,
        (_, _, Some("logs")) => Err(AppError::Method("OPTIONS,GET,HEAD")),
        (_, _, Some(_)) => Err(AppError::Unknown(path.to_owned())),
    }
}

impl<'a, W: World> Context<'a, W> {
    fn worker(&'a self) -> Worker<'a, W> {
        Worker::new(self.world, &self.project.name, &self.known.vm)
    }

    fn app(&self, name: &str) -> Result<Rc<App>, AppError> {
        let app = self.known.by_name.get(name).map(Rc::clone);
        app.ok_or_else(|| AppError::Unknown(name.to_owned()))
    }

    fn files(&self) -> Result<Rc<dyn Files>, AppError> {
        self.world
            .files(&self.project.name)
            .ok_or(AppError::NoPlace)
    }

    fn database(&self) -> Database<'a, W> {
        Database::new(self.world, &self.project.name)
    }

    /// What the VM worker says of each application; nothing where none runs.
    async fn runs(&self) -> HashMap<String, Value> {
        let worker = self.worker();
        let answer = worker.ask(Method::GET, "/apps", Body::Empty, false).await;
        let Ok(response) = answer else {
            return HashMap::new();
        };
        let body = response.into_body().collect(LARGEST_BODY * 16).await;
        let runs: Vec<Value> = body
            .ok()
            .and_then(|body| serde_json::from_slice(&body).ok())
            .unwrap_or_default();
        runs.into_iter()
            .filter_map(|run| Some((run.get("name")?.as_str()?.to_owned(), run)))
            .collect()
    }

    async fn show(&self, app: &App) -> Value {
        let runs = self.runs().await;
        app.to_json(self.project, runs.get(&app.name))
    }

    async fn list(&self) -> Result<Response<Body>, AppError> {
        let runs = self.runs().await;
        let apps = self.known.by_name.values();
        let apps = apps.map(|app| app.to_json(self.project, runs.get(&app.name)));
        Ok(json_response(StatusCode::OK, apps.collect()))
    }

    /// Whether the VM worker runs it, or is about to.
    async fn is_running(&self, name: &str) -> bool {
        let runs = self.runs().await;
        let state = runs.get(name).and_then(|run| run.get("state")?.as_str());
        matches!(state, Some("running" | "starting"))
    }

    async fn deploy(
        &self,
        name: &str,
        head: &Parts,
        body: Body,
    ) -> Result<Response<Body>, AppError> {
        let files = self.files()?;
        let upload = Upload::read(head, body, "app", LARGEST_ZIP).await?;
        let draft = match &upload.settings {
            Some(json) => Draft::parse(json)?,
            None => Draft::of_query(head.uri.query().unwrap_or_default())?,
        };
        let archive = Archive::read(upload.zip, &Limits::default())?.without_folder();
        let before = self.known.by_name.get(name);
        let settings = draft.apply(before.map(|app| &app.settings), |path| {
            archive.contains(path)
        })?;
        let bundle = bundle::store(self.world, &files, &archive).await?;
        let mut password = [0; 24];
        self.world.random(&mut password);
        let password = URL_SAFE_NO_PAD.encode(password);
        let statements = [
            sql::deploy(name, &app::role(name), &password, &settings, &bundle),
            sql::create_role(name),
        ];
        let results = self.database().run(&Session::default(), &statements).await;
        let results = match results {
            Ok(results) => results,
            Err(error) => {
                // Whether it took effect may be unknown: then the sweep decides, later.
                if error.sqlstate().is_some() {
                    bundle::remove(&files, &bundle.file).await;
                }
                return Err(error.into());
            }
        };
        self.memory.forget(&self.project.name);
        let app = results.first().and_then(sql::app);
        let app = app.ok_or_else(|| AppError::Unknown(name.to_owned()))?;
        self.restart_where_it_runs(&app).await;
        if let Some(before) = before {
            bundle::remove(&files, &before.bundle.file).await;
        }
        self.sweep(&files, &bundle.file).await;
        let status = match before {
            Some(_) => StatusCode::OK,
            None => StatusCode::CREATED,
        };
        Ok(json_response(status, self.show(&app).await))
    }

    /// Removes what an earlier life of the gateway did not finish. A database in memory may have the name
    /// of one whose rows are elsewhere now, and says nothing about bundles.
    async fn sweep(&self, files: &Rc<dyn Files>, new: &str) {
        let host = self.world.host(&self.project.name);
        if host.is_some_and(|host| host.durable) {
            let known = self.known.by_name.values();
            let known = known.map(|app| app.bundle.file.as_str());
            let known: Vec<&str> = known.chain([new]).collect();
            bundle::sweep(files, Kind::App, &known, self.world.now().0).await;
        }
    }

    async fn change(&self, name: &str, body: Body) -> Result<Response<Body>, AppError> {
        let before = self.app(name)?;
        let body = body.collect(LARGEST_BODY).await?;
        let draft = Draft::parse(&body)?;
        let asks_for_files = draft.entry.is_some() || draft.runtime.is_some();
        let paths = if asks_for_files {
            bundle::paths(&self.files()?, &before.bundle).await?
        } else {
            std::collections::HashSet::new()
        };
        let contains = |path: &str| !asks_for_files || paths.contains(path);
        let settings = draft.apply(Some(&before.settings), contains)?;
        let updated = self
            .database()
            .one(&Session::default(), sql::update(name, &settings))
            .await?;
        self.memory.forget(&self.project.name);
        let app = sql::app(&updated).ok_or_else(|| AppError::Unknown(name.to_owned()))?;
        if app.settings != before.settings {
            self.restart_where_it_runs(&app).await;
        }
        Ok(json_response(StatusCode::OK, self.show(&app).await))
    }

    /// What fails here is told by the application's state.
    async fn restart_where_it_runs(&self, app: &App) {
        if !self.is_running(&app.name).await {
            return;
        }
        let path = format!("/apps/{}/restart", app.name);
        let spec = app.spec(self.project);
        let worker = self.worker();
        let _ = worker.ask(Method::POST, &path, spec.into(), false).await;
    }

    async fn delete(&self, name: &str) -> Result<Response<Body>, AppError> {
        let app = self.app(name)?;
        let path = format!("/apps/{name}");
        let worker = self.worker();
        let stopped = worker.ask(Method::DELETE, &path, Body::Empty, false).await;
        match stopped {
            Ok(_) | Err(Unavailable::NoOwner) => {}
            Err(error) => return Err(error.into()),
        }
        let statements = [sql::drop_role(name), sql::delete(name)];
        let results = self
            .database()
            .run(&Session::default(), &statements)
            .await?;
        self.memory.forget(&self.project.name);
        let jars = self.memory.jars(&self.project.name);
        jars.borrow_mut().remove(name);
        if let Some(files) = self.world.files(&self.project.name) {
            bundle::remove(&files, &app.bundle.file).await;
        }
        let kept: Option<Vec<String>> = results.first().and_then(|kept| sql::values(kept).next());
        let body = json!({"name": name, "kept": kept.unwrap_or_default()});
        Ok(json_response(StatusCode::OK, body))
    }

    async fn run(&self, name: &str, action: &str) -> Result<Response<Body>, AppError> {
        let app = self.app(name)?;
        let path = format!("/apps/{name}/{action}");
        let spec = app.spec(self.project);
        let worker = self.worker();
        let response = worker
            .forward(Method::POST, &path, spec.into(), true)
            .await?;
        if !response.status().is_success() {
            return Ok(response);
        }
        Ok(json_response(StatusCode::OK, self.show(&app).await))
    }

    async fn stop(&self, name: &str) -> Result<Response<Body>, AppError> {
        let app = self.app(name)?;
        let path = format!("/apps/{name}/stop");
        let worker = self.worker();
        let answer = worker.ask(Method::POST, &path, Body::Empty, false).await;
        if !matches!(answer, Err(Unavailable::NoOwner)) {
            let response = vm::worker::answer(answer).await?;
            if !response.status().is_success() {
                return Ok(response);
            }
        }
        Ok(json_response(StatusCode::OK, self.show(&app).await))
    }

    /// `application/x-ndjson`, or with `follow=true` `text/event-stream`. What does not run has said
    /// nothing.
    async fn logs(&self, name: &str, head: &Parts) -> Result<Response<Body>, AppError> {
        self.app(name)?;
        let query = head.uri.query().unwrap_or_default();
        let value = |name: &str| {
            let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
        };
        let follow = value("follow") == Some("true");
        let tail: u32 = match value("tail") {
            None => 200,
            Some(tail) => tail
                .parse()
                .map_err(|_not_a_number| AppError::Request("tail is a number".to_owned()))?,
        };
        let path = format!("/apps/{name}/logs?follow={follow}&tail={tail}");
        let worker = self.worker();
        let answer = worker.ask(Method::GET, &path, Body::Empty, false).await;
        if let Err(Unavailable::NoOwner) = answer {
            let mut response = Response::new(Body::from(
                if follow { "retry: 2000\n\n" } else { "" }.to_owned(),
            ));
            let media_type = if follow {
                "text/event-stream"
            } else {
                "application/x-ndjson"
            };
            let headers = response.headers_mut();
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
            return Ok(response);
        }
        Ok(vm::worker::answer(answer).await?)
    }

    /// What the VM worker itself asks: everything it has to know of what is deployed, and the bundles.
    async fn internal(
        &self,
        head: &Parts,
        name: &str,
        action: Option<&str>,
        sha256: Option<&str>,
    ) -> Result<Response<Body>, AppError> {
        if !matches!(head.method, Method::GET | Method::HEAD) {
            return Err(AppError::Method("GET,HEAD"));
        }
        match (name, action, sha256) {
            ("", None, None) => {
                let specs = self.known.by_name.values();
                let specs: Vec<_> = specs.map(|app| app.spec(self.project)).collect();
                let body = format!(r#"{{"vm":{},"apps":[{}]}}"#, self.known.vm, specs.join(","));
                let mut response = Response::new(Body::from(body));
                let json = HeaderValue::from_static("application/json");
                response.headers_mut().insert(header::CONTENT_TYPE, json);
                Ok(response)
            }
            (name, Some("bundle"), Some(sha256)) => {
                let app = self.app(name)?;
                if app.bundle.sha256 != sha256 {
                    return Err(AppError::Unknown(format!(
                        "{name} with the bundle {sha256}"
                    )));
                }
                self.bundle(&app.bundle).await
            }
            (name, ..) => Err(AppError::Unknown(name.to_owned())),
        }
    }

    async fn bundle(&self, bundle: &Bundle) -> Result<Response<Body>, AppError> {
        let chunks = bundle::read(&self.files()?, bundle).await?;
        let mut response = Response::new(Body::Stream(chunks));
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/x-tar"),
        );
        headers.insert(header::CONTENT_LENGTH, bundle.bytes.into());
        Ok(response)
    }
}
