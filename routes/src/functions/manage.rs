//! `/gateway/functions`: what is deployed, for the gateway's own page and those who hold the secret key,
//! and for whoever runs it.

use std::rc::Rc;

use http::{HeaderValue, Method, Request, Response, StatusCode, header, request::Parts};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Function, Functions, Memory, Version, audit, collect, end_old, environment,
    error::FunctionError,
    is_name, logs,
    settings::{Draft, Settings},
    sql,
};
use crate::{
    Body, World,
    apps::sql::values,
    blobs::Files,
    bundle::{self, Archive, Kind, Limits, form::Upload},
    database::{Database, Session},
    project::Project,
    router::json_response,
    vm::{LARGEST_BODY, Managed, Worker},
};

/// The largest ZIP, in bytes.
const LARGEST_ZIP: usize = 20 * 1024 * 1024;
/// What may be in it: the same as whoever runs it takes.
const LIMITS: Limits = Limits {
    entries: 10_000,
    file: 64 * 1024 * 1024,
    total: 64 * 1024 * 1024,
    ratio: 500,
};
/// What is run.
const PROGRAM: &str = "bundle/index.js";
/// What the bundler says of it.
const META: &str = "bundle/meta.json";
/// The largest of that, in bytes.
const LARGEST_META: u64 = 1024 * 1024;
/// What metrics are of, in seconds, where nothing else is asked for.
const WINDOW: u64 = 24 * 60 * 60;

/// One request about functions.
struct Context<'a, W> {
    world: &'a W,
    memory: &'a Memory,
    project: &'a Project,
    known: Rc<Functions>,
}

#[derive(Deserialize)]
struct Meta {
    entrypoint: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rollback {
    version: u32,
}

/// Answers a request whose path behind the functions' own is `path`: empty, or from a `/` on.
pub async fn handle<W: World>(
    world: &W,
    memory: &Memory,
    project: &Project,
    path: &str,
    request: Request<Body>,
) -> Result<Response<Body>, FunctionError> {
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
    if name == audit::NAME && !managed.is_internal && action.is_none() {
        return match head.method.as_str() {
            "GET" | "HEAD" => audit::read(world, project, &head).await,
            _ => Err(FunctionError::Method("OPTIONS,GET,HEAD")),
        };
    }
    if !name.is_empty() && !is_name(name) {
        return Err(FunctionError::Name(name.to_owned()));
    }
    if managed.is_internal {
        return context
            .internal(&head, body, name, action, managed.rest)
            .await;
    }
    if managed.rest.is_some() {
        return Err(FunctionError::Unknown(path.to_owned()));
    }
    match (head.method.as_str(), name, action) {
        ("GET" | "HEAD", "", None) => Ok(context.list()),
        (_, "", _) => Err(FunctionError::Method("OPTIONS,GET,HEAD")),
        ("GET" | "HEAD", name, None) => {
            let function = context.function(name)?;
            Ok(context.show(StatusCode::OK, &function))
        }
        ("PUT", name, None) => context.deploy(name, &head, body).await,
        ("PATCH", name, None) => context.change(name, body).await,
        ("DELETE", name, None) => context.delete(name).await,
        (_, _, None) => Err(FunctionError::Method("OPTIONS,GET,HEAD,PUT,PATCH,DELETE")),
        ("GET" | "HEAD", name, Some("versions")) => {
            let function = context.function(name)?;
            Ok(json_response(StatusCode::OK, function.versions_to_json()))
        }
        ("GET" | "HEAD", name, Some("source")) => context.source(name, &head).await,
        ("GET" | "HEAD", name, Some("logs")) => {
            context.function(name)?;
            logs::read(world, memory, project, name, &head).await
        }
        ("DELETE", name, Some("logs")) => context.clear_logs(name).await,
        ("GET" | "HEAD", name, Some("metrics")) => context.metrics(name, &head).await,
        (_, _, Some("versions" | "source" | "metrics")) => {
            Err(FunctionError::Method("OPTIONS,GET,HEAD"))
        }
        (_, _, Some("logs")) => Err(FunctionError::Method("OPTIONS,GET,HEAD,DELETE")),
        ("POST", name, Some("rollback")) => context.roll_back(name, body).await,
        (_, _, Some("rollback")) => Err(FunctionError::Method("OPTIONS,POST")),
        (_, _, Some(_)) => Err(FunctionError::Unknown(path.to_owned())),
    }
}

impl<'a, W: World> Context<'a, W> {
    fn function(&self, name: &str) -> Result<Rc<Function>, FunctionError> {
        let function = self.known.by_name.get(name).map(Rc::clone);
        function.ok_or_else(|| FunctionError::Unknown(name.to_owned()))
    }

    fn files(&self) -> Result<Rc<dyn Files>, FunctionError> {
        self.world
            .files(&self.project.name)
            .ok_or(FunctionError::NoPlace)
    }

    fn database(&self) -> Database<'a, W> {
        Database::new(self.world, &self.project.name)
    }

    fn show(&self, status: StatusCode, function: &Function) -> Response<Body> {
        json_response(status, function.to_json(self.project))
    }

    fn list(&self) -> Response<Body> {
        let functions = self.known.by_name.values();
        let functions = functions.map(|function| function.to_json(self.project));
        json_response(StatusCode::OK, functions.collect())
    }

    async fn deploy(
        &self,
        name: &str,
        head: &Parts,
        body: Body,
    ) -> Result<Response<Body>, FunctionError> {
        let files = self.files()?;
        let upload = Upload::read(head, body, "function", LARGEST_ZIP).await?;
        let draft = match &upload.settings {
            Some(json) => Draft::parse(json)?,
            None => Draft::default(),
        };
        let before = self.known.by_name.get(name);
        let settings = before.map_or_else(Settings::default, |before| before.settings.clone());
        let settings = draft.apply(&settings)?;
        let archive = Archive::read(upload.zip, &LIMITS)?;
        let meta = meta(&archive)?;
        let entrypoint = match draft.entrypoint()? {
            Some(entrypoint) => entrypoint.to_owned(),
            None => meta.entrypoint.unwrap_or_else(|| "index.ts".to_owned()),
        };
        let bundle = bundle::store_as_is(self.world, &files, &archive).await?;
        let statements = sql::deploy(name, &settings, &entrypoint, &bundle);
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
        let [_, _, dropped, function] = results.as_slice() else {
            return Err(FunctionError::NoTable);
        };
        let function = sql::function(function);
        let function = function.ok_or_else(|| FunctionError::Unknown(name.to_owned()))?;
        for file in values::<String>(dropped) {
            bundle::remove(&files, &file).await;
        }
        self.sweep(&files, &bundle.file).await;
        if before.is_some() {
            end_old(self.world, &self.project.name, name).await;
        }
        let status = match before {
            Some(_) => StatusCode::OK,
            None => StatusCode::CREATED,
        };
        Ok(self.show(status, &function))
    }

    /// Removes what an earlier life of the gateway did not finish. A database in memory may have the name
    /// of one whose rows are elsewhere now, and says nothing about bundles.
    async fn sweep(&self, files: &Rc<dyn Files>, new: &str) {
        let host = self.world.host(&self.project.name);
        if host.is_some_and(|host| host.durable) {
            let versions = self.known.by_name.values();
            let versions = versions.flat_map(|function| &function.versions);
            let known = versions.map(|version| version.bundle.file.as_str());
            let known: Vec<&str> = known.chain([new]).collect();
            bundle::sweep(files, Kind::Function, &known, self.world.now().0).await;
        }
    }

    async fn change(&self, name: &str, body: Body) -> Result<Response<Body>, FunctionError> {
        let before = self.function(name)?;
        let draft = Draft::parse(&collect(body).await?)?;
        if draft.entrypoint.is_some() {
            let message = "entrypoint comes with what is deployed".to_owned();
            return Err(FunctionError::Request(message));
        }
        let settings = draft.apply(&before.settings)?;
        self.alter(name, sql::update(name, &settings), || {
            FunctionError::Unknown(name.to_owned())
        })
        .await
    }

    async fn roll_back(&self, name: &str, body: Body) -> Result<Response<Body>, FunctionError> {
        self.function(name)?;
        let wanted: Rollback = serde_json::from_slice(&collect(body).await?)
            .map_err(|error| FunctionError::Request(error.to_string()))?;
        let version = wanted.version;
        self.alter(name, sql::activate(name, version), || {
            FunctionError::Version {
                name: name.to_owned(),
                version,
            }
        })
        .await
    }

    /// Runs a statement that gives a row where it changed the function, and shows what it is then.
    async fn alter(
        &self,
        name: &str,
        statement: crate::database::Statement,
        missing: impl FnOnce() -> FunctionError,
    ) -> Result<Response<Body>, FunctionError> {
        let statements = [statement, sql::one(name)];
        let results = self
            .database()
            .run(&Session::default(), &statements)
            .await?;
        self.memory.forget(&self.project.name);
        let [changed, function] = results.as_slice() else {
            return Err(FunctionError::NoTable);
        };
        if changed.rows.is_empty() {
            return Err(missing());
        }
        let function = sql::function(function);
        let function = function.ok_or_else(|| FunctionError::Unknown(name.to_owned()))?;
        end_old(self.world, &self.project.name, name).await;
        Ok(self.show(StatusCode::OK, &function))
    }

    async fn delete(&self, name: &str) -> Result<Response<Body>, FunctionError> {
        let function = self.function(name)?;
        self.database()
            .one(&Session::default(), sql::delete(name))
            .await?;
        self.memory.forget(&self.project.name);
        self.memory.let_go(&self.project.name, name);
        end_old(self.world, &self.project.name, name).await;
        if let Some(files) = self.world.files(&self.project.name) {
            for version in &function.versions {
                bundle::remove(&files, &version.bundle.file).await;
            }
        }
        Ok(json_response(StatusCode::OK, json!({"name": name})))
    }

    async fn source(&self, name: &str, head: &Parts) -> Result<Response<Body>, FunctionError> {
        let function = self.function(name)?;
        let number = match parameter(head, "version") {
            None => function.version,
            Some(number) => number.parse().map_err(|_not_a_number| {
                FunctionError::Request("version is a number".to_owned())
            })?,
        };
        let version = function.numbered(number);
        let version = version.ok_or_else(|| FunctionError::Version {
            name: name.to_owned(),
            version: number,
        })?;
        self.zip(version).await
    }

    async fn zip(&self, version: &Version) -> Result<Response<Body>, FunctionError> {
        let chunks = bundle::read(&self.files()?, &version.bundle).await?;
        let mut response = Response::new(Body::Stream(chunks));
        let headers = response.headers_mut();
        let zip = HeaderValue::from_static("application/zip");
        headers.insert(header::CONTENT_TYPE, zip);
        headers.insert(header::CONTENT_LENGTH, version.bundle.bytes.into());
        Ok(response)
    }

    async fn clear_logs(&self, name: &str) -> Result<Response<Body>, FunctionError> {
        self.function(name)?;
        self.database()
            .one(&Session::default(), sql::clear_lines(name))
            .await?;
        Ok(nothing(StatusCode::NO_CONTENT))
    }

    /// What its lines say of its requests, and what whoever runs it says of now.
    async fn metrics(&self, name: &str, head: &Parts) -> Result<Response<Body>, FunctionError> {
        self.function(name)?;
        let window: u64 = match parameter(head, "window") {
            None => WINDOW,
            Some(window) => window.parse().map_err(|_not_a_number| {
                FunctionError::Request("window is a number of seconds".to_owned())
            })?,
        };
        let since = self
            .world
            .now()
            .0
            .saturating_sub(window.saturating_mul(1000));
        let counted = self
            .database()
            .one(
                &Session::default().read_only(),
                sql::metrics(name, since.min(i64::MAX.unsigned_abs())),
            )
            .await?;
        let Some(Value::Object(mut metrics)) = sql::json(&counted) else {
            return Err(FunctionError::NoTable);
        };
        let state = self.state(name).await.unwrap_or_default();
        for field in [
            "state",
            "isolates",
            "active",
            "queued",
            "memory_bytes",
            "cpu_ms",
        ] {
            let value = state.get(field).cloned().unwrap_or_default();
            metrics.insert(field.to_owned(), value);
        }
        metrics.insert("window_s".to_owned(), window.into());
        Ok(json_response(StatusCode::OK, metrics.into()))
    }

    /// What whoever runs functions says of one; nothing where nobody does.
    async fn state(&self, name: &str) -> Option<Value> {
        let worker = Worker::new(self.world, &self.project.name, "");
        let path = "/functions-state";
        let response = worker.ask(Method::GET, path, Body::Empty, false).await;
        let body = response.ok()?.into_body().collect(LARGEST_BODY * 16).await;
        let states: Vec<Value> = serde_json::from_slice(&body.ok()?).ok()?;
        states
            .into_iter()
            .find(|state| state.get("name").and_then(Value::as_str) == Some(name))
    }

    /// What whoever runs functions asks, and says, itself.
    async fn internal(
        &self,
        head: &Parts,
        body: Body,
        name: &str,
        action: Option<&str>,
        sha256: Option<&str>,
    ) -> Result<Response<Body>, FunctionError> {
        match (head.method.as_str(), action, sha256) {
            ("GET" | "HEAD", Some("bundle"), Some(sha256)) => {
                let function = self.function(name)?;
                let version = function.hashed(sha256);
                let version = version.ok_or_else(|| {
                    FunctionError::Unknown(format!("{name} with the bundle {sha256}"))
                })?;
                self.zip(version).await
            }
            ("GET" | "HEAD", Some("env"), None) => self.environment(name).await,
            ("POST", Some("logs"), None) => {
                self.function(name)?;
                let batch = body.collect(logs::LARGEST_BATCH).await?;
                let lines = logs::parse(&batch)?;
                logs::write(self.world, self.memory, self.project, name, lines).await?;
                Ok(nothing(StatusCode::ACCEPTED))
            }
            (_, Some("bundle"), Some(_)) | (_, Some("env"), None) => {
                Err(FunctionError::Method("GET,HEAD"))
            }
            (_, Some("logs"), None) => Err(FunctionError::Method("POST")),
            _ => Err(FunctionError::Unknown(name.to_owned())),
        }
    }

    async fn environment(&self, name: &str) -> Result<Response<Body>, FunctionError> {
        self.function(name)?;
        let opened = self.memory.opened(self.world, &self.project.name).await?;
        let mut env = environment::own(self.world, self.project);
        let hash = environment::hash(&env, &self.known);
        env.extend(opened.values.clone());
        let lines = opened.unreadable.iter().map(|secret| logs::Line {
            at: self.world.now().0,
            version: None,
            execution_id: None,
            trace: None,
            level: logs::Level::Error,
            event: logs::Event::Error,
            message: format!(
                "The secret {secret} cannot be opened: it was sealed with another key. Set it again."
            ),
            stack: None,
            status: None,
            ms: None,
            failure: None,
            call: None,
        });
        let lines = lines.collect();
        logs::write(self.world, self.memory, self.project, name, lines).await?;
        let mut response = json_response(StatusCode::OK, json!({"hash": hash, "env": env}));
        let value = HeaderValue::from_static("no-store");
        response.headers_mut().insert(header::CACHE_CONTROL, value);
        Ok(response)
    }
}

/// What is said of a bundle that can be run.
fn meta(archive: &Archive) -> Result<Meta, FunctionError> {
    let refuse = |message: String| Err(FunctionError::Request(message));
    let missing = [PROGRAM, META]
        .into_iter()
        .find(|path| !archive.contains(path));
    if let Some(path) = missing {
        return refuse(format!(
            "The ZIP has no {path}: bundle the function first, as gateway.functions.deploy and \
             cargo xtask functions deploy do"
        ));
    }
    let entry = archive.file(META);
    let Some(entry) = entry.filter(|entry| entry.size <= LARGEST_META) else {
        return refuse(format!("{META} is larger than {LARGEST_META} bytes"));
    };
    let mut json = Vec::new();
    let mut unpack = archive.unpack(entry);
    while let Some(piece) = unpack.piece()? {
        json.extend_from_slice(&piece);
    }
    match serde_json::from_slice(&json) {
        Ok(meta) => Ok(meta),
        Err(error) => refuse(format!("{META}: {error}")),
    }
}

fn parameter<'a>(head: &'a Parts, name: &str) -> Option<&'a str> {
    let query = head.uri.query().unwrap_or_default();
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
}

fn nothing(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = status;
    response
}
