//! One app: what is known of it.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

use control::{AppStatus, Line, State};
use futures::future::{AbortHandle, LocalBoxFuture, Shared};

use super::{AppSpec, logs::Logs};
use crate::{
    failure::Failure,
    surroundings::{Bell, Milliseconds, Task},
    vm::Life,
};

pub(super) struct App {
    name: String,
    spec: RefCell<Option<AppSpec>>,
    /// As the agent told it last; none where it does not know the app.
    status: RefCell<Option<AppStatus>>,
    /// When it was told last that it ended.
    ended: Cell<Option<Milliseconds>>,
    start: RefCell<Option<Start>>,
    /// Whether this life of the guest was told how it is to be. Until then it is what it was when the
    /// guest ended.
    told: Cell<bool>,
    stage: Cell<&'static str>,
    logs: RefCell<Logs>,
    changed: Bell,
}

pub(super) type Started = Result<Rc<Life>, Failure>;
pub(super) type Starting = Shared<LocalBoxFuture<'static, Started>>;

struct Start {
    spec: AppSpec,
    outcome: Starting,
    /// Ends it, also for those who wait for it.
    handle: AbortHandle,
    _task: Task,
}

impl App {
    pub(super) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            spec: RefCell::default(),
            status: RefCell::default(),
            ended: Cell::new(None),
            start: RefCell::default(),
            told: Cell::new(false),
            stage: Cell::new(""),
            logs: RefCell::default(),
            changed: Bell::default(),
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn spec(&self) -> Option<AppSpec> {
        self.spec.borrow().clone()
    }

    pub(super) fn introduce(&self, spec: &AppSpec) {
        self.spec.replace(Some(spec.clone()));
    }

    pub(super) fn status(&self) -> Option<AppStatus> {
        self.status.borrow().clone()
    }

    /// The agent has told how it is.
    pub(super) fn set(&self, status: Option<AppStatus>, now: Milliseconds) {
        let ends =
            |status: &AppStatus| (status.restarts, status.exit, status.state == State::Crashed);
        let before = self.status.borrow().as_ref().map(ends);
        let after = status.as_ref().map(ends);
        if after.is_some_and(|(_, exit, _)| exit.is_some()) && before != after {
            self.ended.set(Some(now));
        }
        self.status.replace(status);
        self.changed.ring();
    }

    /// The guest knows how it is to be, or does not know any more.
    pub(super) fn set_told(&self, told: bool) {
        self.told.set(told);
    }

    pub(super) fn was_told(&self) -> bool {
        self.told.get()
    }

    /// Whether it runs as it is to run now. Its environment and limits are compared by the guest alone,
    /// once in each of its lives: whoever changes those later starts it anew.
    pub(super) fn runs(&self, spec: &AppSpec) -> bool {
        self.was_told() && self.is(spec, State::Running)
    }

    /// Whether the guest does anything for it.
    pub(super) fn is_up(&self) -> bool {
        let status = self.status.borrow();
        let state = status.as_ref().map(|status| status.state);
        matches!(state, Some(State::Starting | State::Running))
    }

    /// Whether it is this app, in this state.
    pub(super) fn is(&self, spec: &AppSpec, state: State) -> bool {
        self.status.borrow().as_ref().is_some_and(|status| {
            status.state == state
                && status.port == spec.port
                && spec.digest().is_ok_and(|digest| digest == status.bundle)
        })
    }

    /// How long ago it was told that it ended.
    pub(super) fn ended_before(&self, now: Milliseconds) -> Option<Milliseconds> {
        self.ended.get().map(|at| now.saturating_sub(at))
    }

    /// Waits until it does not run.
    pub(super) async fn not_running(&self) {
        let runs = || {
            let status = self.status.borrow();
            status
                .as_ref()
                .is_some_and(|status| status.state == State::Running)
        };
        self.changed.wait(|| (!runs()).then_some(())).await;
    }

    /// Waits until what is known of it satisfies `look`.
    pub(super) async fn until<Found>(
        &self,
        mut look: impl FnMut(Option<&AppStatus>) -> Option<Found>,
    ) -> Found {
        let look = || look(self.status.borrow().as_ref());
        self.changed.wait(look).await
    }

    pub(super) fn starting(&self) -> Option<Starting> {
        let start = self.start.borrow();
        start.as_ref().map(|start| start.outcome.clone())
    }

    /// The start that is under way, if it is of exactly this.
    pub(super) fn starting_so(&self, spec: &AppSpec) -> Option<Starting> {
        let start = self.start.borrow();
        let start = start.as_ref().filter(|start| start.spec == *spec);
        start.map(|start| start.outcome.clone())
    }

    pub(super) fn is_being_started(&self) -> bool {
        self.start.borrow().is_some()
    }

    pub(super) fn begin(&self, spec: AppSpec, outcome: Starting, handle: AbortHandle, task: Task) {
        self.start.replace(Some(Start {
            spec,
            outcome,
            handle,
            _task: task,
        }));
    }

    pub(super) fn started(&self) {
        self.start.take();
    }

    /// Whoever waits for a start hears that it was given up; nothing of it goes on.
    pub(super) fn give_up_start(&self) {
        let start = self.start.take();
        if let Some(start) = start {
            start.handle.abort();
        }
    }

    pub(super) fn stage(&self) -> &'static str {
        self.stage.get()
    }

    pub(super) fn set_stage(&self, stage: &'static str) {
        self.stage.set(stage);
    }

    pub(super) fn log(&self, lines: Vec<Line>) {
        self.logs.borrow_mut().push(lines);
        self.changed.ring();
    }

    pub(super) fn tail(&self, count: usize) -> Vec<Line> {
        self.logs.borrow().tail(count)
    }

    pub(super) fn lines_so_far(&self) -> u64 {
        self.logs.borrow().end()
    }

    /// Waits for lines after the first `seen`.
    pub(super) async fn later_lines(&self, seen: u64) -> Vec<Line> {
        let later = || {
            let logs = self.logs.borrow();
            (logs.end() > seen).then(|| logs.since(seen))
        };
        self.changed.wait(later).await
    }
}
