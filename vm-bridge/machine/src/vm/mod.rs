//! The machine's life: it boots when it is needed, pauses when it is not, and says how it is.
//!
//! What is promised:
//! - Nothing is loaded before somebody needs the machine; whoever needs it while it boots waits for
//!   the same boot.
//! - Every boot ends, in a machine whose agent answers or in a failure.
//! - Whatever ends a life, the next need begins another one.

mod boot;
mod life;
pub mod settings;
pub mod status;

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    fmt,
    rc::{Rc, Weak},
};

use control::{Answer, Request};
use disk::Manifest;
use futures::{
    FutureExt as _,
    future::{LocalBoxFuture, Shared},
};

use crate::{
    agent::News,
    engine::{self, Event},
    failure::Failure,
    network::Network,
    parts::Parts,
    surroundings::{Bell, Milliseconds, Task, within},
};
pub use life::Switchboard;
pub use life::{Life, Use};
use life::{Socket, Uses};
pub use settings::Settings;
use status::{Runtime, State, Watched};

/// How long is waited for what.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Without any sign of progress, before a boot is given up.
    pub silence: Milliseconds,
    /// Between a boot that failed and the next that nobody asked for by name.
    pub again: Milliseconds,
    /// Without need, before the machine stands still.
    pub idle: Milliseconds,
    /// For programs to end when the machine is switched off.
    pub grace: u32,
    /// For the agent to say that all is written.
    pub power_off: Milliseconds,
    /// Between two tries to go on when the guest is stuck.
    pub stuck: Milliseconds,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            silence: 90_000,
            again: 5_000,
            idle: 600_000,
            grace: 3_000,
            power_off: 15_000,
            stuck: 5_000,
        }
    }
}

/// For the agent to be reached again after the machine stood still.
const WAKE: Milliseconds = 10_000;

/// Lines of the guest's console that are kept.
const CONSOLE: usize = 200;
/// Of those, the ones that a failure shows.
const CONSOLE_SHOWN: usize = 20;

/// Those who serve a guest.
pub type Services = Vec<Box<dyn fmt::Debug>>;

/// What brings them.
pub type Serve = dyn Fn(&Rc<dyn Network>) -> Services;

/// Whom a machine tells.
pub struct Hooks {
    /// Connects those who serve a guest with its network; what is returned lives as long as that.
    pub serve: Box<Serve>,
    /// What the agent tells, and that a life is over.
    pub news: Box<dyn Fn(&News)>,
    /// A machine has booted.
    pub ready: Box<dyn Fn()>,
}

/// The machine.
#[derive(Clone)]
pub struct Vm(Rc<Inner>);

/// A way to a machine that does not keep it.
#[derive(Clone)]
pub struct WeakVm(Weak<Inner>);

impl fmt::Debug for WeakVm {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("WeakVm")
    }
}

impl fmt::Debug for Hooks {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Hooks")
    }
}

impl WeakVm {
    pub fn upgrade(&self) -> Option<Vm> {
        self.0.upgrade().map(Vm)
    }
}

struct Inner {
    parts: Parts,
    limits: Limits,
    settings: RefCell<Settings>,
    /// As they were sent last.
    said: RefCell<Vec<u8>>,
    status: Watched,
    manifest: RefCell<Option<Rc<Manifest>>>,
    life: RefCell<Option<Rc<Life>>>,
    boot: RefCell<Option<Boot>>,
    /// The engine of the life that is, or is to be.
    engine: RefCell<Option<Rc<dyn engine::Engine>>>,
    /// Which life is meant by an engine's events: those of an earlier one mean nothing any more.
    number: Cell<u64>,
    console: RefCell<VecDeque<String>>,
    /// When the engine or the guest was heard of last.
    heard: Cell<Milliseconds>,
    failed: Cell<Option<Milliseconds>>,
    /// Why the boot that is under way cannot go on.
    ended: Cell<Option<Failure>>,
    /// It is being stopped: that its engine ends is no failure.
    stopping: Cell<bool>,
    /// Bytes that the guest's disk may still take, where there is no room for more.
    room: Cell<Option<u64>>,
    changed: Bell,
    uses: Rc<Uses>,
    hooks: Hooks,
    idle: RefCell<Option<Task>>,
}

type Booted = Result<Rc<Life>, Failure>;

struct Boot {
    outcome: Shared<LocalBoxFuture<'static, Booted>>,
    _task: Task,
}

impl Vm {
    /// A machine of which nothing is loaded. The hooks are given a way to it.
    pub fn new_cyclic(parts: Parts, limits: Limits, hooks: impl FnOnce(&WeakVm) -> Hooks) -> Self {
        let uses = Rc::new(Uses::new(&parts.world));
        Self(Rc::new_cyclic(|weak| Inner {
            parts,
            limits,
            settings: RefCell::default(),
            said: RefCell::default(),
            status: Watched::default(),
            manifest: RefCell::default(),
            life: RefCell::default(),
            boot: RefCell::default(),
            engine: RefCell::default(),
            number: Cell::new(0),
            console: RefCell::default(),
            heard: Cell::new(0),
            failed: Cell::new(None),
            ended: Cell::new(None),
            stopping: Cell::new(false),
            room: Cell::new(None),
            changed: Bell::default(),
            uses,
            hooks: hooks(&WeakVm(weak.clone())),
            idle: RefCell::default(),
        }))
    }

    pub fn downgrade(&self) -> WeakVm {
        WeakVm(Rc::downgrade(&self.0))
    }

    pub fn parts(&self) -> &Parts {
        &self.0.parts
    }

    /// Whether it is on its way.
    pub fn is_booting(&self) -> bool {
        self.0.boot.borrow().is_some()
    }

    pub fn status(&self) -> &Watched {
        &self.0.status
    }

    pub fn settings(&self) -> Settings {
        self.0.settings.borrow().clone()
    }

    /// Takes settings; those that a running machine cannot take are for the next boot.
    pub fn set(&self, settings: Settings) {
        if *self.0.settings.borrow() != settings {
            self.0.settings.replace(settings);
            self.0.show_runtimes();
        }
    }

    /// Takes settings as the router sends them with its requests.
    pub fn set_from(&self, json: &[u8]) {
        // Nearly always the same as before.
        if *self.0.said.borrow() != json {
            self.0.said.replace(json.to_vec());
            self.set(self.settings().with(json));
        }
    }

    /// The life that is, if there is one, as it is.
    pub fn life(&self) -> Option<Rc<Life>> {
        self.0.life.borrow().clone()
    }

    /// A machine that runs: this one, or the one that is being booted, or another one. Directly after
    /// a boot that failed there is none; [`Vm::start`] tries again at once.
    pub async fn running(&self) -> Booted {
        if let Some(life) = self.life() {
            self.go_on(&life).await;
            return Ok(life);
        }
        let now = self.0.parts.world.now();
        let failed = self.0.failed.get();
        let failure = self.0.status.get().error;
        if let (Some(at), Some(failure)) = (failed, failure)
            && now < at + self.0.limits.again
        {
            return Err(failure);
        }
        self.start().await
    }

    /// Boots, unless it runs or boots already.
    pub async fn start(&self) -> Booted {
        if let Some(life) = self.life() {
            self.go_on(&life).await;
            return Ok(life);
        }
        let outcome = self.boot();
        outcome.await
    }

    /// Begins to boot, unless it runs or boots already. How that goes is its status.
    pub fn begin(&self) {
        let vm = self.clone();
        self.0.parts.world.spawn(Box::pin(async move {
            let _ = vm.start().await;
        }));
        if self.life().is_none() {
            drop(self.boot());
        }
    }

    /// Begins to boot, or meets the boot that was begun.
    fn boot(&self) -> Shared<LocalBoxFuture<'static, Booted>> {
        if let Some(boot) = &*self.0.boot.borrow() {
            return boot.outcome.clone();
        }
        self.announce_boot();
        let vm = self.clone();
        let work: LocalBoxFuture<'static, Booted> = Box::pin(async move { vm.begin_life().await });
        let outcome = work.shared();
        let task = Task::run(&self.0.parts.world, outcome.clone().map(drop));
        self.0.boot.replace(Some(Boot {
            outcome: outcome.clone(),
            _task: task,
        }));
        outcome
    }

    /// Stops. Programs are told before.
    pub async fn stop(&self) {
        let boot = self
            .0
            .boot
            .borrow()
            .as_ref()
            .map(|boot| boot.outcome.clone());
        if let Some(boot) = boot {
            self.end(Failure::vm("The machine was stopped while it booted"));
            // That is what it fails with.
            let _ = boot.await;
        }
        self.0.stopping.set(true);
        let life = self.0.life.take();
        self.0.idle.take();
        if let Some(life) = &life {
            self.go_on(life).await;
            self.0.status.change(|status| {
                "stopping Linux".clone_into(&mut status.stage);
            });
            let grace = self.0.limits.grace;
            let request = Request::PowerOff { grace };
            // A guest that does not answer is stopped all the same.
            let _ = life.agent.ask(request, self.0.limits.power_off).await;
        }
        // What it tells from now on is expected.
        self.0.number.set(self.0.number.get() + 1);
        self.0.failed.set(None);
        let engine = self.0.engine.take();
        drop(life);
        if let Some(engine) = engine {
            engine.stop().await;
        }
        self.0.stopping.set(false);
        self.0.status.change(|status| {
            status.state = State::Stopped;
            "the machine was stopped".clone_into(&mut status.stage);
            (status.loaded, status.total) = (0, 0);
            (status.snapshot, status.boot_ms, status.usage) = (None, None, None);
            status.error = None;
        });
        (self.0.hooks.news)(&News::Lost);
    }

    /// Asks the guest what it uses.
    pub async fn look(&self) {
        let Some(life) = self.life() else { return };
        if self.0.status.state() != State::Ready {
            return;
        }
        if let Ok(Answer::Usage(usage)) = life.agent.ask(Request::Usage, 500).await {
            self.0.status.used(usage);
        }
    }

    /// What the image has. It is fetched where it is not known.
    pub async fn manifest(&self) -> Result<Rc<Manifest>, Failure> {
        let known = self.0.manifest.borrow().clone();
        if let Some(manifest) = known {
            return Ok(manifest);
        }
        let manifest = self.0.parts.engines.manifest().await?;
        self.0.manifest.replace(Some(Rc::clone(&manifest)));
        self.0.show_runtimes();
        Ok(manifest)
    }

    /// Installs a runtime: it is attached from now on, and by every boot.
    pub async fn install(&self, name: &str) -> Result<(), Failure> {
        self.known(name).await?;
        if let Some(life) = self.life() {
            self.go_on(&life).await;
            life.attach(name).await?;
        }
        let mut settings = self.settings();
        if !settings.runtimes.iter().any(|runtime| runtime == name) {
            settings.runtimes.push(name.to_owned());
        }
        self.set(settings);
        Ok(())
    }

    /// Removes a runtime. While an app uses it, it stays.
    pub async fn uninstall(&self, name: &str) -> Result<(), Failure> {
        self.known(name).await?;
        if let Some(life) = self.life() {
            self.go_on(&life).await;
            life.detach(name).await?;
        }
        let mut settings = self.settings();
        settings.runtimes.retain(|runtime| runtime != name);
        self.set(settings);
        Ok(())
    }

    /// Which of these layers are not installed.
    pub fn missing(&self, layers: &[String]) -> Vec<String> {
        let settings = self.0.settings.borrow();
        let is_there = |layer: &&String| !settings.runtimes.contains(layer);
        layers.iter().filter(is_there).cloned().collect()
    }

    /// The machine is not to pause while this value lives.
    pub fn in_use(&self) -> Use {
        self.0.uses.begin()
    }

    /// What the console said last.
    pub fn console(&self) -> Vec<String> {
        self.0.console.borrow().iter().cloned().collect()
    }

    /// There must be such a runtime in the image.
    async fn known(&self, name: &str) -> Result<(), Failure> {
        let manifest = self.manifest().await?;
        let known = manifest.layers.iter().skip(1);
        if known.into_iter().any(|layer| layer.name == name) {
            return Ok(());
        }
        let reason = format!("The image has no runtime \"{name}\"");
        Err(Failure::Invalid(reason))
    }

    /// Wakes a machine that stands still.
    async fn go_on(&self, life: &Rc<Life>) {
        drop(self.in_use());
        if self.0.status.state() == State::Paused {
            life.resume();
            let error = self.lacks_room();
            self.0.status.change(|status| {
                status.state = State::Ready;
                status.stage.clear();
                status.error = error;
            });
        }
        if !life.agent.is_connected() {
            // It is being dialled again; whoever asks it hears if it does not answer.
            let _ = within(&self.0.parts.world, WAKE, life.agent.connected()).await;
        }
    }

    /// A life cannot go on, or not begin.
    fn end(&self, failure: Failure) {
        if self.0.stopping.get() {
            return;
        }
        if self.0.boot.borrow().is_some() {
            self.0.ended.set(Some(failure));
            self.0.changed.ring();
        } else {
            self.fail(failure);
        }
    }

    /// The life is over, and nobody wanted that.
    fn fail(&self, failure: Failure) {
        let failure = match failure {
            Failure::Vm { code, message, .. } => Failure::Vm {
                code,
                message,
                console: self.last_console(),
            },
            other => other,
        };
        self.0.number.set(self.0.number.get() + 1);
        self.0.failed.set(Some(self.0.parts.world.now()));
        self.0.life.take();
        self.0.idle.take();
        if let Some(engine) = self.0.engine.take() {
            self.0.parts.world.spawn(engine.stop());
        }
        self.0.status.change(|status| {
            status.state = State::Error;
            "the machine does not run".clone_into(&mut status.stage);
            status.usage = None;
            status.error = Some(failure);
        });
        (self.0.hooks.news)(&News::Lost);
    }

    fn last_console(&self) -> Vec<String> {
        let console = self.0.console.borrow();
        let skipped = console.len().saturating_sub(CONSOLE_SHOWN);
        console.iter().skip(skipped).cloned().collect()
    }

    /// Pauses the machine whenever nobody has needed it for long.
    fn watch_idleness(&self) {
        let weak = Rc::downgrade(&self.0);
        let (world, limit) = (Rc::clone(&self.0.parts.world), self.0.limits.idle);
        let work = async move {
            let mut wait = limit;
            loop {
                world.sleep(wait).await;
                let Some(vm) = weak.upgrade().map(Self) else {
                    return;
                };
                let idle = vm.0.uses.idle_since();
                let idle = idle.map_or(0, |since| world.now().saturating_sub(since));
                wait = limit.saturating_sub(idle).max(1_000);
                let Some(life) = vm.life() else { return };
                if idle >= limit && vm.0.status.state() == State::Ready && !life.agent.is_busy() {
                    life.pause();
                    vm.0.status.change(|status| {
                        status.state = State::Paused;
                        "nobody needs it now".clone_into(&mut status.stage);
                    });
                    wait = limit;
                }
            }
        };
        self.0
            .idle
            .replace(Some(Task::run(&self.0.parts.world, work)));
    }
}

impl Inner {
    fn show_runtimes(&self) {
        let manifest = self.manifest.borrow().clone();
        if let Some(manifest) = manifest {
            let runtimes = Runtime::of(&manifest, &self.settings.borrow().runtimes);
            self.status.change(|status| status.runtimes = runtimes);
        }
    }

    fn heard(&self) {
        self.heard.set(self.parts.world.now());
    }

    fn log(&self, line: String) {
        let mut console = self.console.borrow_mut();
        if console.len() == CONSOLE {
            console.pop_front();
        }
        console.push_back(line);
    }
}

impl fmt::Debug for Vm {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Vm")
            .field("status", &self.0.status)
            .finish_non_exhaustive()
    }
}
