//! Apps: their processes, from being asked to start to being gone.

mod start;
mod watch;

use std::collections::VecDeque;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};

use control::{Answer, App, AppStatus, AppUsage, Event, Exit, Failure, MAX_FRAME, State};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use super::Service;
use super::jobs::{Ask, disk_failure};
use super::machine::Hold;
use crate::life::{Life, Millis};
use crate::log::Log;
use crate::program;
use crate::store::Saved;
use crate::system::cgroup::Group;
use crate::system::disk::system;
use crate::system::spawn::Pending;
use crate::system::{self, console};

/// How long an app that is replaced may take to end.
const GRACE: u32 = 5_000;
/// How long the processes of an app may take to vanish after they were killed.
const VANISH: Millis = 5_000;
/// How often is looked whether they did.
const LOOK: Millis = 5;

/// What is asked of an app.
#[derive(Debug)]
pub(super) enum Change {
    Start(App),
    Stop {
        grace: u32,
    },
    Restart {
        grace: u32,
    },
    Remove,
    /// End, and run again after the next boot.
    Rest {
        grace: u32,
    },
}

/// What an app has that can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stream {
    Output,
    Error,
    Report,
}

/// An app that the agent knows.
#[derive(Debug)]
pub(super) struct Hosted {
    pub(super) app: App,
    pub(super) uid: u32,
    state: State,
    since: u64,
    exit: Option<Exit>,
    life: Life,
    log: Log,
    pub(super) phase: Phase,
    process: Option<Process>,
    group: Option<Group>,
    queue: VecDeque<(Option<Ask>, Change)>,
    /// It was to run when the data disk was mounted, and misses a layer.
    waits_for_layers: bool,
    /// When to look next whether it listens.
    look: Millis,
    unflooded: Millis,
}

/// The first process of an app.
#[derive(Debug)]
pub(super) struct Process {
    pid: u32,
    output: Option<File>,
    error: Option<File>,
    report: Option<Pending>,
    hold: Option<Hold>,
    /// Processes that the kernel had killed for memory before.
    out_of_memory: u64,
    began: Millis,
}

impl Process {
    pub(super) fn new(
        pid: u32,
        output: Option<File>,
        error: Option<File>,
        report: Option<Pending>,
        out_of_memory: u64,
    ) -> Self {
        Self {
            pid,
            output,
            error,
            report,
            hold: None,
            out_of_memory,
            began: system::monotonic(),
        }
    }
}

/// What the agent does about an app.
#[derive(Debug)]
pub(super) enum Phase {
    Still,
    /// Its process does not run the program yet. It may have failed to.
    Launching {
        ask: Option<Ask>,
        failed: Option<Failure>,
    },
    Up,
    /// It ended, and is started again then.
    Waiting {
        at: Millis,
    },
    /// It was asked to end, and is killed then.
    Ending {
        at: Millis,
        then: Then,
    },
    /// Its first process ended; the others are being killed.
    Clearing {
        since: Millis,
        then: Then,
    },
    Removing {
        ask: Option<Ask>,
    },
}

/// What follows when no process of an app is left.
#[derive(Debug)]
pub(super) enum Then {
    /// It ended by itself.
    Crashed,
    /// It could not run the program.
    Failed {
        ask: Option<Ask>,
        failure: Failure,
    },
    Stop {
        ask: Option<Ask>,
    },
    Start {
        ask: Option<Ask>,
        app: Box<App>,
    },
    Remove {
        ask: Option<Ask>,
    },
}

impl Hosted {
    fn new(app: App, uid: u32, group: Option<Group>) -> Self {
        Self {
            app,
            uid,
            state: State::Stopped,
            since: system::wall(),
            exit: None,
            life: Life::default(),
            log: Log::new(system::monotonic()),
            phase: Phase::Still,
            process: None,
            group,
            queue: VecDeque::new(),
            waits_for_layers: false,
            look: 0,
            unflooded: 0,
        }
    }

    fn status(&self) -> AppStatus {
        AppStatus {
            name: self.app.name.clone(),
            state: self.state,
            pid: self.process.as_ref().map(|process| process.pid),
            since: self.since,
            restarts: self.life.restarts(),
            exit: self.exit,
            port: self.app.port,
            bundle: self.app.bundle,
            autostart: self.app.autostart,
        }
    }

    pub(super) fn has_process(&self) -> bool {
        self.process.is_some()
    }

    /// Whether something of it is under way that wants the processor.
    pub(super) fn is_starting(&self) -> bool {
        /// Who does not listen after that may never do.
        const HOPE: Millis = 30_000;
        let young = |process: &Process| system::monotonic() < process.began + HOPE;
        let starting = self.state == State::Starting && self.process.as_ref().is_some_and(young);
        starting || !self.queue.is_empty()
    }

    pub(super) fn usage(&self) -> Option<AppUsage> {
        let group = self.group.as_ref()?;
        Some(group.usage(&self.app.name))
    }

    pub(super) fn group(&self) -> Option<&Group> {
        self.group.as_ref()
    }

    /// What to poll.
    pub(super) fn files(&self, now: Millis) -> impl Iterator<Item = (Stream, BorrowedFd<'_>)> {
        let process = self.process.as_ref();
        let calm = process.filter(|_| now >= self.unflooded);
        let output = calm.and_then(|process| process.output.as_ref());
        let error = calm.and_then(|process| process.error.as_ref());
        let report = process.and_then(|process| process.report.as_ref());
        [
            (Stream::Output, output),
            (Stream::Error, error),
            (Stream::Report, report.map(Pending::pipe)),
        ]
        .into_iter()
        .filter_map(|(stream, file)| Some((stream, file?.as_fd())))
    }

    /// When something is to be done about it.
    pub(super) fn deadline(&self, now: Millis) -> Option<Millis> {
        let phase = match &self.phase {
            Phase::Still | Phase::Launching { .. } | Phase::Removing { .. } => None,
            Phase::Up => (self.state == State::Starting).then_some(self.look),
            Phase::Waiting { at } | Phase::Ending { at, .. } => Some(*at),
            Phase::Clearing { .. } => Some(now + LOOK),
        };
        let flood = (self.process.is_some() && self.unflooded > now).then_some(self.unflooded);
        phase.into_iter().chain(flood).min()
    }

    /// SIGKILL to all its processes.
    pub(super) fn kill(&self) {
        if let Some(group) = &self.group {
            group.kill();
        }
        self.signal_group(Signal::KILL);
    }

    /// SIGKILL to what was started with its first process, and not to commands beside it.
    fn kill_main(&self) {
        if let Some(group) = &self.group {
            main_of(group).kill();
        }
        self.signal_group(Signal::KILL);
    }

    fn signal_group(&self, signal: Signal) {
        if let Some(pid) = self.process.as_ref().and_then(|process| pid(process.pid)) {
            let _gone = kill_process_group(pid, signal);
        }
    }

    /// Whether any process that was started with its first one is left.
    fn is_populated(&self) -> bool {
        let group = self.group.as_ref();
        group.is_some_and(|group| main_of(group).is_populated())
    }
}

/// The group of an app's own processes; commands beside it have groups of their own.
fn main_of(group: &Group) -> Group {
    group.inner("main")
}

pub(super) fn pid(pid: u32) -> Option<Pid> {
    i32::try_from(pid).ok().and_then(Pid::from_raw)
}

impl Service {
    pub(super) fn statuses(&self) -> Vec<AppStatus> {
        self.apps.values().map(Hosted::status).collect()
    }

    /// The ones that are to run.
    pub(super) fn starting(&self) -> Vec<AppStatus> {
        let starting = |hosted: &&Hosted| {
            hosted.has_process() || !hosted.queue.is_empty() || hosted.waits_for_layers
        };
        let apps = self.apps.values().filter(starting);
        apps.map(Hosted::status).collect()
    }

    pub(super) fn tail(&self, app: &str, tail: u32) -> Result<Answer, Failure> {
        let Some(hosted) = self.apps.get(app) else {
            return Err(unknown(app));
        };
        let tail = usize::try_from(tail).unwrap_or(usize::MAX);
        Ok(Answer::Lines(hosted.log.tail(tail, MAX_FRAME / 2)))
    }

    /// Apps that the data disk has. Those that were to run are started.
    pub(super) fn adopt_saved(&mut self, saved: Vec<Saved>) {
        for Saved { app, wanted } in saved {
            let Ok(hosted) = self.host(&app) else {
                continue;
            };
            hosted.waits_for_layers = wanted && app.autostart;
        }
        self.start_what_waited();
    }

    /// Starts the apps that waited for layers and miss none any more.
    pub(super) fn start_what_waited(&mut self) {
        let complete: Vec<App> = self
            .apps
            .values()
            .filter(|hosted| hosted.waits_for_layers)
            .filter(|hosted| self.missing(&hosted.app.layers).is_empty())
            .map(|hosted| hosted.app.clone())
            .collect();
        for app in complete {
            let name = app.name.clone();
            self.queue(&name, None, Change::Start(app));
        }
    }

    fn host(&mut self, app: &App) -> Result<&mut Hosted, Failure> {
        let group = self.groups.as_ref().map(|groups| groups.app(&app.name));
        let uid = if self.place.guest {
            let user = self.store()?.user(&app.name);
            user.map_err(|error| disk_failure(&error, "give the app a user"))?
        } else {
            rustix::process::getuid().as_raw()
        };
        let hosted = Hosted::new(app.clone(), uid, group);
        Ok(self.apps.entry(app.name.clone()).or_insert(hosted))
    }

    /// Something is asked of an app.
    pub(super) fn change(&mut self, ask: Ask, name: String, change: Change) {
        match self.admit(&name, &change) {
            Ok(true) => self.queue(&name, Some(ask), change),
            Ok(false) => self.forget(&name, Some(ask)),
            Err(failure) => self.answer(ask, Err(failure)),
        }
    }

    /// Whether the app exists, or does from now on.
    fn admit(&mut self, name: &str, change: &Change) -> Result<bool, Failure> {
        self.store()?;
        if self.powering_off.is_some() {
            return Err(Failure::Busy);
        }
        match change {
            Change::Start(app) => {
                program::check(app).map_err(|wrong| Failure::Invalid { reason: wrong.0 })?;
                self.host(app)?;
                Ok(true)
            }
            Change::Remove => {
                program::name(name).map_err(|wrong| Failure::Invalid { reason: wrong.0 })?;
                Ok(self.apps.contains_key(name))
            }
            _ if self.apps.contains_key(name) => Ok(true),
            _ => Err(unknown(name)),
        }
    }

    pub(super) fn queue(&mut self, name: &str, ask: Option<Ask>, change: Change) {
        if let Some(hosted) = self.apps.get_mut(name) {
            hosted.waits_for_layers = false;
            hosted.queue.push_back((ask, change));
        }
        self.advance(name);
    }

    /// Does what is asked of an app next, unless something is being done.
    fn advance(&mut self, name: &str) {
        loop {
            let Some(hosted) = self.apps.get_mut(name) else {
                return;
            };
            let (Phase::Still | Phase::Up | Phase::Waiting { .. }) = hosted.phase else {
                return;
            };
            let Some((ask, change)) = hosted.queue.pop_front() else {
                return;
            };
            self.begin_change(name, ask, change);
        }
    }

    fn begin_change(&mut self, name: &str, ask: Option<Ask>, change: Change) {
        match change {
            // Asked for again, or what the guest began by itself: it may be a process that was warm.
            Change::Start(app) if self.is_so(name, &app) => self.answer_status(name, ask),
            Change::Start(app) => match self.can_start(&app) {
                Ok(()) => {
                    let app = Box::new(app);
                    self.end(name, GRACE, Then::Start { ask, app });
                }
                Err(failure) => self.fail(ask, failure),
            },
            Change::Restart { grace } => {
                let Some(app) = self.apps.get(name).map(|hosted| hosted.app.clone()) else {
                    return;
                };
                match self.can_start(&app) {
                    Ok(()) => {
                        let app = Box::new(app);
                        self.end(name, grace, Then::Start { ask, app });
                    }
                    Err(failure) => self.fail(ask, failure),
                }
            }
            Change::Stop { grace } => {
                let forgotten = self.store().cloned().and_then(|store| {
                    let wanted = store.want(name, false);
                    wanted.map_err(|error| disk_failure(&error, "remember that it is stopped"))
                });
                if let Err(failure) = forgotten {
                    console(failure);
                }
                self.end(name, grace, Then::Stop { ask });
            }
            Change::Rest { grace } => self.end(name, grace, Then::Stop { ask }),
            Change::Remove => self.end(name, 0, Then::Remove { ask }),
        }
    }

    /// Whether exactly this runs, or is being started for the first time.
    fn is_so(&self, name: &str, app: &App) -> bool {
        self.apps.get(name).is_some_and(|hosted| {
            let goes_on = match hosted.state {
                State::Running => true,
                State::Starting => hosted.exit.is_none(),
                State::Stopped | State::Crashed => false,
            };
            goes_on && hosted.has_process() && hosted.app == *app
        })
    }

    fn can_start(&self, app: &App) -> Result<(), Failure> {
        let missing = self.missing(&app.layers);
        if !missing.is_empty() {
            return Err(Failure::LayerMissing { layers: missing });
        }
        if self.store()?.has_bundle(&app.name, app.bundle) {
            Ok(())
        } else {
            Err(Failure::BundleMissing)
        }
    }

    /// Ends what runs, and does the rest when nothing does.
    fn end(&mut self, name: &str, grace: u32, then: Then) {
        let Some(hosted) = self.apps.get_mut(name) else {
            return;
        };
        let Some(process) = &hosted.process else {
            hosted.phase = Phase::Still;
            return self.then(name, then);
        };
        if grace > 0
            && let Some(pid) = pid(process.pid)
        {
            let _gone = kill_process(pid, Signal::TERM);
        }
        let at = system::monotonic() + Millis::from(grace);
        hosted.phase = Phase::Ending { at, then };
    }

    fn then(&mut self, name: &str, then: Then) {
        match then {
            Then::Crashed => self.crashed(name),
            Then::Failed { ask, failure } => {
                self.could_not_start(name, ask, failure);
            }
            Then::Stop { ask } => {
                self.set_state(name, State::Stopped);
                self.answer_status(name, ask);
            }
            Then::Start { ask, app } => self.launch(name, ask, *app),
            Then::Remove { ask } => self.forget(name, ask),
        }
    }

    /// Deletes what there is of an app.
    fn forget(&mut self, name: &str, ask: Option<Ask>) {
        self.receiving.retain(|_, receiving| receiving.app != name);
        let removed = self.store().cloned().and_then(|store| {
            let removed = store.remove(name);
            removed.map_err(|error| disk_failure(&error, "delete the app"))?;
            let name = Some(name.to_owned());
            self.jobs
                .empty_trash(store, name)
                .map_err(system("begin a job"))
        });
        match (removed, self.apps.get_mut(name)) {
            (Ok(()), Some(hosted)) => {
                // Commands beside the app, too.
                hosted.kill();
                hosted.phase = Phase::Removing { ask };
                self.rooms.take_down(name);
            }
            (Ok(()), None) => {
                if let Some(ask) = ask {
                    self.answer(ask, Ok(Answer::Done));
                }
            }
            (Err(failure), _) => self.fail(ask, failure),
        }
    }

    /// An app's files are deleted.
    pub(super) fn removed(&mut self, name: &str) {
        let removing = |hosted: &Hosted| matches!(hosted.phase, Phase::Removing { .. });
        if !self.apps.get(name).is_some_and(removing) {
            return;
        }
        let Some(hosted) = self.apps.remove(name) else {
            return;
        };
        if let Some(group) = &hosted.group {
            group.remove();
        }
        self.tell(Event::Removed {
            app: name.to_owned(),
        });
        if let Phase::Removing { ask: Some(ask) } = hosted.phase {
            self.answer(ask, Ok(Answer::Done));
        }
        // What was asked meanwhile is asked of an app that is not there any more.
        for (ask, change) in hosted.queue {
            if let Some(ask) = ask {
                self.change(ask, name.to_owned(), change);
            }
        }
    }

    fn set_state(&mut self, name: &str, state: State) {
        if let Some(hosted) = self.apps.get_mut(name) {
            hosted.state = state;
            hosted.since = system::wall();
            let status = hosted.status();
            self.tell(Event::App(status));
        }
    }

    fn answer_status(&mut self, name: &str, ask: Option<Ask>) {
        if let (Some(ask), Some(hosted)) = (ask, self.apps.get(name)) {
            let status = hosted.status();
            self.answer(ask, Ok(Answer::App(status)));
        }
    }

    fn fail(&mut self, ask: Option<Ask>, failure: Failure) {
        match ask {
            Some(ask) => self.answer(ask, Err(failure)),
            None => console(failure),
        }
    }
}

fn unknown(app: &str) -> Failure {
    Failure::UnknownApp {
        app: app.to_owned(),
    }
}
