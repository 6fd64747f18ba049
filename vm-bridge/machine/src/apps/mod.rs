//! The apps' lives: each is started when it is asked for, and none waits for another.
//!
//! What is promised:
//! - Whoever asks for an app that is being started waits for the same start, at most as long as it
//!   says it will.
//! - A start goes on when those who waited for it are gone, and ends by its deadline. Asking for it
//!   by name again begins no other one, unless the app is to be another.
//! - An app that ended is told of with what it wrote last.

mod life;
pub mod logs;
pub mod spec;
mod start;

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    fmt,
    rc::Rc,
};

use control::{AppStatus, AppUsage, Event, Line, Request, State, Usage};
use futures::{StreamExt as _, future, stream};
use http::Response;
use port::peer::Body;
use serde_json::{Value, json};

use crate::{
    agent::{Failed, News},
    failure::{Failure, exit_json},
    gateway::Router,
    http as client,
    postgres::Roles,
    surroundings::{Milliseconds, World, within},
    vm::{Life, Vm},
};
use life::{App, Starting};
pub use spec::AppSpec;
use start::Asked;

/// How long is waited for what.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// For the agent to answer what it can answer at once.
    pub answer: Milliseconds,
    /// For a program to be begun.
    pub start: Milliseconds,
    /// For a bundle to be unpacked, once all of it was sent.
    pub unpack: Milliseconds,
    /// For an app to end before it is killed.
    pub grace: u32,
    /// For the agent to notice that an app has ended.
    pub notice: Milliseconds,
    /// After a crash, before a request starts the app again.
    pub again: Milliseconds,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            answer: 10_000,
            start: 60_000,
            unpack: 120_000,
            grace: 5_000,
            notice: 500,
            again: 3_000,
        }
    }
}

/// Lines that tell of a failure.
const LAST_LINES: usize = 20;

/// All apps.
#[derive(Clone)]
pub struct Apps(Rc<Inner>);

struct Inner {
    world: World,
    router: Rc<dyn Router>,
    limits: Limits,
    roles: Rc<Roles>,
    apps: RefCell<BTreeMap<String, Rc<App>>>,
    /// The name of the guest's life.
    boot: Cell<Option<[u8; 16]>>,
}

impl Apps {
    pub fn new(world: World, router: Rc<dyn Router>, roles: Rc<Roles>, limits: Limits) -> Self {
        Self(Rc::new(Inner {
            world,
            router,
            limits,
            roles,
            apps: RefCell::default(),
            boot: Cell::new(None),
        }))
    }

    /// Takes what the agent tells. `runs` says whether there is a machine at all.
    pub fn handle(&self, news: &News, runs: bool) {
        match news {
            News::Connected(welcome) => {
                if self.0.boot.replace(Some(welcome.boot)) != Some(welcome.boot) {
                    for app in self.0.apps.borrow().values() {
                        app.set_told(false);
                    }
                }
                for app in self.0.apps.borrow().values() {
                    let name = app.name();
                    let told = welcome.apps.iter().find(|status| status.name == name);
                    app.set(told.cloned(), self.0.world.now());
                }
                for status in &welcome.apps {
                    self.app(&status.name)
                        .set(Some(status.clone()), self.0.world.now());
                }
            }
            News::Event(Event::App(status)) => {
                self.app(&status.name)
                    .set(Some(status.clone()), self.0.world.now());
            }
            News::Event(Event::Log { app, lines }) => self.app(app).log(lines.clone()),
            News::Event(Event::Removed { app }) => {
                if let Some(app) = self.known(app) {
                    app.set(None, self.0.world.now());
                }
            }
            News::Lost if !runs => {
                for app in self.0.apps.borrow().values() {
                    app.set(None, self.0.world.now());
                }
            }
            News::Lost => {}
        }
    }

    /// Asks an app over HTTP; it is started where it does not run.
    pub async fn request(
        &self,
        vm: &Vm,
        spec: AppSpec,
        wait: Milliseconds,
        request: http::Request<Body>,
    ) -> Result<Response<Body>, Failure> {
        let life = self.ready(vm, &spec, wait).await?;
        let used = life.in_use();
        match life.http.request(spec.port, request).await {
            Ok(response) => Ok(response.map(|body| {
                if body.is_empty() {
                    return body;
                }
                // As long as somebody reads it, the machine is needed.
                Body::stream(body.inspect(move |_chunk| _ = &used))
            })),
            Err(failure) => Err(self.explain(&life, &spec, failure).await),
        }
    }

    /// Asks an app to speak another protocol.
    pub async fn upgrade(
        &self,
        vm: &Vm,
        spec: &AppSpec,
        wait: Milliseconds,
        head: &http::request::Parts,
    ) -> Result<client::Upgrade, Failure> {
        let life = self.ready(vm, spec, wait).await?;
        match life.http.upgrade(spec.port, head).await {
            Ok(upgrade) => Ok(upgrade),
            Err(failure) => Err(self.explain(&life, spec, failure).await),
        }
    }

    /// Waits until an app runs, and starts it where nobody did.
    pub async fn ready(
        &self,
        vm: &Vm,
        spec: &AppSpec,
        wait: Milliseconds,
    ) -> Result<Rc<Life>, Failure> {
        let app = self.app(&spec.name);
        self.introduce(spec);
        if let Some(life) = vm.life()
            && app.runs(spec)
        {
            // It may stand still.
            vm.running().await?;
            return Ok(life);
        }
        let starting = self.begin_start(vm, &app, spec, Asked::ByRequest);
        match within(&self.0.world, wait, starting).await {
            Ok(started) => started,
            Err(_elapsed) => Err(progress(vm, &app)),
        }
    }

    /// Starts an app, also where it runs or has crashed just now.
    pub async fn start(&self, vm: &Vm, spec: &AppSpec, wait: Milliseconds) -> Result<(), Failure> {
        let app = self.app(&spec.name);
        self.introduce(spec);
        if vm.life().is_some() && app.runs(spec) {
            return Ok(());
        }
        if app.starting_so(spec).is_none() {
            app.give_up_start();
        }
        let starting = self.begin_start(vm, &app, spec, Asked::ByName);
        wait_for(&self.0.world, vm, &app, wait, starting).await
    }

    /// Starts an app in place of what runs under its name.
    pub async fn restart(
        &self,
        vm: &Vm,
        spec: &AppSpec,
        wait: Milliseconds,
    ) -> Result<(), Failure> {
        let app = self.app(&spec.name);
        self.introduce(spec);
        app.give_up_start();
        let starting = self.begin_start(vm, &app, spec, Asked::Anew);
        wait_for(&self.0.world, vm, &app, wait, starting).await
    }

    /// Stops an app. It is no error where it does not run.
    pub async fn stop(&self, vm: &Vm, name: &str) -> Result<(), Failure> {
        if let Some(app) = self.known(name) {
            app.give_up_start();
        }
        let Some(life) = vm.life() else {
            return Ok(());
        };
        vm.running().await?;
        self.end(&life, name).await
    }

    /// Ends what runs of an app.
    async fn end(&self, life: &Life, name: &str) -> Result<(), Failure> {
        let grace = self.0.limits.grace;
        let request = Request::Stop {
            app: name.to_owned(),
            grace,
        };
        let limit = self.0.limits.answer + u64::from(grace);
        match life.agent.ask(request, limit).await {
            Ok(control::Answer::App(status)) => {
                self.app(name).set(Some(status), self.0.world.now());
                Ok(())
            }
            Ok(_) | Err(Failed::Agent(control::Failure::UnknownApp { .. })) => Ok(()),
            Err(failed) => Err(failed.into()),
        }
    }

    /// Deletes an app and all that it wrote, if the machine runs; else the next boot finds that it is
    /// not deployed any more.
    pub async fn remove(&self, vm: &Vm, name: &str) -> Result<(), Failure> {
        if let Some(app) = self.0.apps.borrow_mut().remove(name) {
            app.give_up_start();
            if let Some(spec) = app.spec() {
                self.0.roles.forget(&spec.role);
            }
        }
        let Some(life) = vm.life() else {
            return Ok(());
        };
        vm.running().await?;
        let app = name.to_owned();
        let answer = life
            .agent
            .ask(Request::Remove { app }, self.0.limits.unpack);
        answer.await?;
        // What was told of it meanwhile is of the past.
        self.0.apps.borrow_mut().remove(name);
        Ok(())
    }

    /// Takes the machine in after a boot: what is not deployed any more is removed, what is to run by
    /// itself is started, as it is to be now, and what is not to is ended. What cannot be asked or done
    /// now is left for the next boot.
    pub async fn settle(&self, vm: &Vm) {
        let Some(life) = vm.life() else { return };
        // It tells unasked only of those that it starts.
        let (deployed, ()) = future::join(self.deployed(), self.look(&life.agent)).await;
        let Some(deployed) = deployed else { return };
        // Whatever was asked for since this worker began is deployed, or was a moment ago.
        let gone: Vec<String> = {
            let apps = self.0.apps.borrow();
            let is_gone = |app: &&Rc<App>| {
                app.spec().is_none() && !deployed.iter().any(|spec| spec.name == app.name())
            };
            let gone = apps.values().filter(is_gone);
            gone.map(|app| app.name().to_owned()).collect()
        };
        for name in gone {
            let _ = self.remove(vm, &name).await;
        }
        for spec in deployed {
            let app = self.app(&spec.name);
            self.introduce(&spec);
            if spec.autostart && !app.runs(&spec) {
                // It goes on by itself, and says how it went.
                drop(self.begin_start(vm, &app, &spec, Asked::ByRequest));
            } else if app.is_up() && !app.was_told() && !app.is_being_started() {
                // The guest has begun it by itself, for it was to when the guest ended.
                let _ = self.end(&life, &spec.name).await;
            }
        }
    }

    /// Everything that is deployed, as the router knows it.
    async fn deployed(&self) -> Option<Vec<AppSpec>> {
        let response = self.ask_router("/gateway/apps").await.ok()?;
        let mut body = response.into_body();
        let mut json = Vec::new();
        while let Some(chunk) = body.next().await {
            json.extend_from_slice(&chunk.ok()?);
        }
        let json: Value = serde_json::from_slice(&json).ok()?;
        let apps = json.get("apps")?.as_array()?.iter();
        // One that cannot be read is no reason to remove the others.
        apps.map(|app| AppSpec::parse(app.to_string().as_bytes()).ok())
            .collect()
    }

    /// How the apps are, for whoever asks.
    pub fn list(&self, vm: &Vm) -> Value {
        let usage = vm.status().get().usage;
        let apps = self.0.apps.borrow();
        let runs = vm.life().is_some();
        apps.values()
            .filter(|app| app.status().is_some() || app.spec().is_some())
            .map(|app| describe(app, runs, usage.as_ref()))
            .collect()
    }

    /// How one app is.
    pub fn describe(&self, vm: &Vm, name: &str) -> Value {
        let usage = vm.status().get().usage;
        describe(&self.app(name), vm.life().is_some(), usage.as_ref())
    }

    /// The newest lines of an app: from the guest if it runs, else those that are kept here.
    pub async fn lines(&self, vm: &Vm, name: &str, tail: usize) -> Vec<Line> {
        if let Some(life) = vm.life() {
            let request = Request::Logs {
                app: name.to_owned(),
                tail: u32::try_from(tail).unwrap_or(u32::MAX),
            };
            let answer = life.agent.ask(request, self.0.limits.answer);
            if let Ok(control::Answer::Lines(lines)) = answer.await
                && !lines.is_empty()
            {
                return lines;
            }
        }
        self.known(name).map_or_else(Vec::new, |app| app.tail(tail))
    }

    /// The newest lines of an app, and all that follow.
    pub async fn follow(
        &self,
        vm: &Vm,
        name: &str,
        tail: usize,
    ) -> impl futures::Stream<Item = Line> + use<> {
        let lines = self.lines(vm, name, tail).await;
        let app = self.app(name);
        let seen = app.lines_so_far();
        let later = stream::unfold((app, seen), |(app, seen)| async move {
            let lines = app.later_lines(seen).await;
            let seen = app.lines_so_far();
            Some((stream::iter(lines), (app, seen)))
        });
        stream::iter(lines).chain(later.flatten())
    }

    /// What the router says in answer to a request of the worker's own.
    async fn ask_router(&self, path: &str) -> Result<Response<Body>, Failure> {
        let request = http::Request::get(format!("http://gateway{path}"))
            .header("x-gateway-internal", "1")
            .body(Body::empty())
            .map_err(|error| Failure::Invalid(error.to_string()))?;
        let response = self.0.router.request(request).await;
        let response = response.map_err(|lost| Failure::vm(format!("The gateway: {lost}")))?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        Err(Failure::vm(format!("The gateway answered {status}")))
    }

    fn introduce(&self, spec: &AppSpec) {
        self.0.roles.know(&spec.role, &spec.role_password);
        self.app(&spec.name).introduce(spec);
    }

    fn app(&self, name: &str) -> Rc<App> {
        let mut apps = self.0.apps.borrow_mut();
        let app = apps
            .entry(name.to_owned())
            .or_insert_with(|| Rc::new(App::new(name)));
        Rc::clone(app)
    }

    fn known(&self, name: &str) -> Option<Rc<App>> {
        self.0.apps.borrow().get(name).cloned()
    }

    /// What a failed request has to do with the app's life.
    async fn explain(&self, life: &Life, spec: &AppSpec, failure: client::Failure) -> Failure {
        let is_end = matches!(
            failure,
            client::Failure::Refused | client::Failure::ClosedEarly
        );
        if !is_end {
            return failure.into();
        }
        let app = self.app(&spec.name);
        // The kernel tells of an end before the agent does.
        let _ = within(&self.0.world, self.0.limits.notice, app.not_running()).await;
        let lines = self.last_lines(life, &spec.name).await;
        let exit = app.status().filter(|status| status.state != State::Running);
        if let Some(exit) = exit.and_then(|status| status.exit) {
            return Failure::Crashed {
                reason: format!("The app ended: {exit}"),
                exit: Some(exit),
                lines,
            };
        }
        if failure == client::Failure::Refused {
            return Failure::Refused { lines };
        }
        Failure::ClosedEarly { lines }
    }

    async fn last_lines(&self, life: &Life, name: &str) -> Vec<Line> {
        let request = Request::Logs {
            app: name.to_owned(),
            tail: u32::try_from(LAST_LINES).unwrap_or(u32::MAX),
        };
        match life.agent.ask(request, 1_000).await {
            Ok(control::Answer::Lines(lines)) => lines,
            Ok(_) | Err(_) => self.app(name).tail(LAST_LINES),
        }
    }
}

/// Waits for a start as long as is said.
async fn wait_for(
    world: &World,
    vm: &Vm,
    app: &App,
    wait: Milliseconds,
    starting: Starting,
) -> Result<(), Failure> {
    match within(world, wait, starting).await {
        Ok(started) => started.map(drop),
        Err(_elapsed) => Err(progress(vm, app)),
    }
}

/// How far a start is.
fn progress(vm: &Vm, app: &App) -> Failure {
    let status = vm.status().get();
    if vm.life().is_none() {
        return Failure::Starting {
            state: status.state.name(),
            stage: status.stage,
            loaded: status.loaded,
            total: status.total,
        };
    }
    Failure::Starting {
        state: "starting",
        stage: app.stage().to_owned(),
        loaded: 0,
        total: 0,
    }
}

fn describe(app: &App, runs: bool, usage: Option<&Usage>) -> Value {
    let status: Option<AppStatus> = app.status().filter(|_| runs);
    let is_this = |usage: &&AppUsage| usage.name == app.name();
    let usage = usage.and_then(|usage| usage.apps.iter().find(is_this));
    let state = match &status {
        _ if app.is_being_started() => "starting",
        None if runs => "stopped",
        None => "unloaded",
        Some(status) => match status.state {
            State::Starting => "starting",
            State::Running => "running",
            State::Stopped => "stopped",
            State::Crashed => "crashed",
        },
    };
    let lines = app.tail(LAST_LINES);
    json!({
        "name": app.name(),
        "state": state,
        "stage": app.is_being_started().then(|| app.stage()),
        "pid": status.as_ref().and_then(|status| status.pid),
        "since": status.as_ref().map(|status| status.since),
        "memory": usage.map(|usage| usage.memory),
        "cpu": usage.map(|usage| usage.cpu),
        "processes": usage.map(|usage| usage.processes),
        "restarts": status.as_ref().map_or(0, |status| status.restarts),
        "exit": status.and_then(|status| status.exit).map(exit_json),
        "last_lines": lines.iter().map(logs::to_json).collect::<Vec<_>>(),
    })
}

impl fmt::Debug for Apps {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_tuple("Apps")
            .field(&self.0.apps.borrow().keys())
            .finish()
    }
}
