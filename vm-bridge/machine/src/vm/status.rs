//! How the machine is, for whoever watches.

use std::{
    cell::{Cell, RefCell},
    fmt,
};

use control::Usage;
use disk::Manifest;
use serde_json::{Value, json};

use crate::{failure::Failure, surroundings::Bell};

/// Where the machine is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum State {
    /// Nothing of it was loaded.
    #[default]
    Unloaded,
    /// What it needs is being loaded.
    Loading,
    /// It runs, and its agent does not answer yet.
    Booting,
    Ready,
    /// It stands still until it is needed, or until something is mended.
    Paused,
    /// It was asked to stop.
    Stopped,
    /// It does not run, and should.
    Error,
}

impl State {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unloaded => "unloaded",
            Self::Loading => "loading",
            Self::Booting => "booting",
            Self::Ready => "ready",
            Self::Paused => "paused",
            Self::Stopped => "stopped",
            Self::Error => "error",
        }
    }
}

/// What is known of the machine.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Status {
    pub state: State,
    /// What it is about, for a person.
    pub stage: String,
    pub loaded: u64,
    pub total: u64,
    pub engine: Option<&'static str>,
    /// MiB.
    pub memory: Option<u32>,
    /// Whether it began from a snapshot; `None` before it has begun.
    pub snapshot: Option<bool>,
    pub boot_ms: Option<u64>,
    pub error: Option<Failure>,
    pub runtimes: Vec<Runtime>,
    pub usage: Option<Usage>,
}

/// A layer beside the base.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Runtime {
    pub name: String,
    pub title: String,
    pub version: String,
    pub bytes: u64,
    pub installed: bool,
}

impl Runtime {
    /// What an image has, and which of it is installed.
    pub fn of(manifest: &Manifest, installed: &[String]) -> Vec<Self> {
        let layers = manifest.layers.iter().skip(1);
        let runtime = |layer: &disk::manifest::Layer| Self {
            name: layer.name.clone(),
            title: layer.title.clone(),
            version: layer.version.clone(),
            bytes: layer.used,
            installed: installed.contains(&layer.name),
        };
        layers.map(runtime).collect()
    }
}

impl Status {
    pub fn to_json(&self) -> Value {
        let from = |snapshot| if snapshot { "snapshot" } else { "cold" };
        json!({
            "state": self.state.name(),
            "stage": self.stage,
            "loaded": self.loaded,
            "total": self.total,
            "engine": self.engine,
            "memory": self.memory,
            "from": self.snapshot.map(from),
            "boot_ms": self.boot_ms,
            "error": self.error.as_ref().map(Failure::to_error),
            "runtimes": self.runtimes.iter().map(|runtime| json!({
                "name": runtime.name,
                "title": runtime.title,
                "version": runtime.version,
                "bytes": runtime.bytes,
                "installed": runtime.installed,
            })).collect::<Vec<_>>(),
            "guest": self.usage.as_ref().map(|usage| json!({
                "memory_used": usage.memory_used,
                "memory_total": usage.memory_total,
                "load": f64::from(usage.load) / 100.0,
                "disk_used": usage.disk_used,
                "disk_total": usage.disk_total,
            })),
        })
    }
}

/// The status, and who watches it.
#[derive(Default)]
pub struct Watched {
    status: RefCell<Status>,
    version: Cell<u64>,
    changed: Bell,
}

impl Watched {
    pub fn get(&self) -> Status {
        self.status.borrow().clone()
    }

    pub fn state(&self) -> State {
        self.status.borrow().state
    }

    pub fn change(&self, change: impl FnOnce(&mut Status)) {
        change(&mut self.status.borrow_mut());
        self.version.set(self.version.get() + 1);
        self.changed.ring();
    }

    /// What the machine uses; nobody is woken for that.
    pub fn used(&self, usage: Usage) {
        self.status.borrow_mut().usage = Some(usage);
    }

    /// Waits until there is a later version than `seen`.
    pub async fn later(&self, seen: u64) -> u64 {
        let later = || (self.version.get() != seen).then(|| self.version.get());
        self.changed.wait(later).await
    }

    pub fn version(&self) -> u64 {
        self.version.get()
    }
}

impl fmt::Debug for Watched {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.status.borrow().fmt(formatter)
    }
}
