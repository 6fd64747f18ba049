//! A runtime that runs already, so that an app on it need not wait for that to start, which takes
//! Node a quarter of a minute and Python half of that in an emulated machine, and which a snapshot
//! can hold.
//!
//! While a runtime's layer is attached one such process waits, as root, in a room of its own, running
//! `node.cjs` or `python.py`. An app takes it over: it gets the app's control group, the app's room as
//! its root, and is told the app's user, environment and program. Then another one is started, when
//! nothing else is.

mod kind;

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{OpenOptionsExt, fchown};
use std::process::{Command, Stdio};

use control::{App, Exit, Failure};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use rustix::fs::OFlags;

pub(super) use kind::Kind;

use super::Service;
use super::apps::{Process, pid};
use super::jobs::Ask;
use super::machine::Hold;
use crate::life::Millis;
use crate::program;
use crate::system::cgroup::Group;
use crate::system::disk::system;
use crate::system::enter::Entry;
use crate::system::spawn::{self, Pending, Streams};
use crate::system::usage::Uptime;
use crate::system::{self, console};

/// Where it is told what to become.
const GO: &str = "/run/go";
const READY: &[u8] = b"ready\n";
/// How long after something was started or attached the next one is, if for this part of the time the
/// processor had nothing to do: there is one, and whoever is answered meanwhile would wait for it.
const CALM: Millis = 3_000;
const IDLE: f64 = 0.6;
/// How long a snapshot waits for it.
const PATIENCE: Millis = 600_000;
/// The clock of a snapshot, 2000-01-01: so long ago that libraries which renew their randomness by
/// the hour do so as soon as the worker sets the clock.
const SNAPSHOT_TIME: u64 = 946_684_800_000;

/// The process that waits.
#[derive(Debug)]
pub(super) struct Warm {
    kind: Kind,
    pid: u32,
    output: File,
    error: Option<File>,
    _report: Pending,
    hold: Hold,
    room: String,
    group: Option<Group>,
    said: Vec<u8>,
}

/// When to start the next one, and who waits for it.
#[derive(Debug, Default)]
pub(super) struct Warmth {
    /// One of a kind at most.
    warm: Vec<Warm>,
    not_before: Millis,
    /// When the time began that is to be calm.
    since: Option<Uptime>,
    /// A process that ended before it was ready is not tried again until a layer comes.
    given_up: Vec<Kind>,
    quiescing: Option<(Ask, Millis)>,
}

impl Warm {
    fn is_ready(&self) -> bool {
        self.said.starts_with(READY)
    }
}

impl Warmth {
    /// What to poll.
    pub(super) fn outputs(&self) -> impl Iterator<Item = (Kind, &File)> {
        let waiting = self.warm.iter().filter(|warm| !warm.is_ready());
        waiting.map(|warm| (warm.kind, &warm.output))
    }

    pub(super) fn is_quiescing(&self) -> bool {
        self.quiescing.is_some()
    }

    /// Whether the time that was to be calm was.
    fn was_calm(&self) -> bool {
        let times = self.since.zip(Uptime::now());
        times.is_none_or(|(since, now)| now.idle_since(&since) >= IDLE)
    }

    /// A worker came that wants the guest awake.
    pub(super) fn wake(&mut self) {
        self.quiescing = None;
    }
}

impl Service {
    /// When something is to be done about it.
    pub(super) fn warm_deadline(&self) -> Option<Millis> {
        let quiescing = self.warmth.quiescing.map(|(_, until)| until);
        let start = self.lacking().next().map(|_kind| self.warmth.not_before);
        quiescing.into_iter().chain(start).min()
    }

    /// What is to be started. Where something starts already, that comes first.
    fn lacking(&self) -> impl Iterator<Item = Kind> + '_ {
        let may = self.place.guest
            && self.powering_off.is_none()
            && self.warmth.warm.iter().all(Warm::is_ready)
            && !self.apps.values().any(super::apps::Hosted::is_starting);
        let lacks = move |kind: &Kind| {
            may && self.layers.contains_key(kind.layer())
                && !self.warmth.given_up.contains(kind)
                && !self.warmth.warm.iter().any(|warm| warm.kind == *kind)
        };
        Kind::ALL.into_iter().filter(lacks)
    }

    /// Something begins that should have the processor for itself.
    pub(super) fn be_calm(&mut self) {
        self.warmth.not_before = system::monotonic() + CALM;
        self.warmth.since = Uptime::now();
    }

    pub(super) fn layer_came(&mut self) {
        self.warmth.given_up.clear();
        self.be_calm();
    }

    pub(super) fn tick_warm(&mut self) {
        let now = system::monotonic();
        if now >= self.warmth.not_before {
            let next = self.lacking().next();
            match next {
                Some(kind) if self.warmth.was_calm() => self.start_warm(kind),
                Some(_) => self.be_calm(),
                None => {}
            }
        }
        if let Some((ask, until)) = self.warmth.quiescing {
            let ready = self.warmth.warm.iter().all(Warm::is_ready) && self.functions.are_settled();
            if ready || now >= until {
                self.warmth.quiescing = None;
                self.end_quiesce(ask);
            }
        }
    }

    /// Goes to rest, with a process that never heard of today.
    pub(super) fn quiesce_warm(&mut self, ask: Ask) {
        self.drop_warm();
        self.drop_functions();
        self.warmth.given_up.clear();
        self.warmth.quiescing = Some((ask, system::monotonic() + PATIENCE));
        let lacking: Vec<Kind> = self.lacking().collect();
        if lacking.is_empty() {
            return;
        }
        if let Err(error) = system::set_wall(SNAPSHOT_TIME) {
            console(format_args!("could not set the clock: {error}"));
        }
        for kind in lacking {
            self.start_warm(kind);
        }
        if self.layers.contains_key(super::functions::LAYER) {
            self.start_functions();
        }
    }

    fn start_warm(&mut self, kind: Kind) {
        match self.spawn_warm(kind) {
            Ok(warm) => self.warmth.warm.push(warm),
            Err(failure) => {
                console(failure);
                self.warmth.given_up.push(kind);
            }
        }
    }

    fn spawn_warm(&mut self, kind: Kind) -> Result<Warm, Failure> {
        let number = self.number();
        let room = format!(".warm-{number}");
        let hold = self.hold_warm(&room, kind.layer())?;
        match self.spawn_warm_in(kind, &room, number) {
            Ok((spawned, group)) => Ok(Warm {
                kind,
                pid: spawned.pid,
                output: match spawned.output {
                    Some(output) => output,
                    None => return Err(system("read its output")("there is none")),
                },
                error: spawned.error,
                _report: spawned.report,
                hold,
                room,
                group,
                said: Vec::new(),
            }),
            Err(failure) => {
                self.rooms.release(hold);
                self.forget_warm_room(&room);
                Err(failure)
            }
        }
    }

    fn spawn_warm_in(
        &mut self,
        kind: Kind,
        room: &str,
        number: u32,
    ) -> Result<(spawn::Spawned, Option<Group>), Failure> {
        let root = self.rooms.path(room);
        let inside = |path: &str| root.join(path.trim_start_matches('/'));
        fs::write(inside(kind.script_path()), kind.script()).map_err(system("write a script"))?;
        mkfifo(&inside(GO), Mode::S_IRUSR | Mode::S_IWUSR).map_err(system("make a pipe"))?;
        let group = self.groups.as_ref().map(|groups| groups.idle(number));
        if let Some(group) = &group {
            group.make().map_err(system("make a control group"))?;
        }
        let entry = Entry {
            room: Some(root),
            cgroup: group.as_ref().map(|group| group.path().to_owned()),
            uid: None,
            nice: 0,
            directory: "/".into(),
            terminal: false,
            report: self.report(),
            command: [kind.program(), kind.script_path()].map(Into::into).into(),
        };
        let mut env = program::root_environment(&[]);
        env.extend(
            kind.environment()
                .map(|(name, value)| (name.to_owned(), value.to_owned())),
        );
        let spawned = spawn::spawn(&self.place.agent, &entry, &env, Streams::Log)
            .map_err(system("start a runtime"))?;
        Ok((spawned, group))
    }

    /// The process said something.
    pub(super) fn warm_said(&mut self, kind: Kind) {
        let Some(warm) = self.warmth.warm.iter_mut().find(|warm| warm.kind == kind) else {
            return;
        };
        let mut buffer = [0; 256];
        if let Ok(length) = warm.output.read(&mut buffer) {
            warm.said.extend_from_slice(&buffer[..length]);
        }
    }

    /// Whether it was the process that waits.
    pub(super) fn warm_process_ended(&mut self, pid: u32, exit: Exit) -> bool {
        let Some(at) = self.warmth.warm.iter().position(|warm| warm.pid == pid) else {
            return false;
        };
        let mut warm = self.warmth.warm.remove(at);
        let mut words = String::new();
        if let Some(error) = &mut warm.error {
            let _what_there_is = error.read_to_string(&mut words);
        }
        let program = warm.kind.program();
        console(format_args!(
            "the warm {program} ended: {exit} {}",
            words.trim()
        ));
        self.warmth.given_up.push(warm.kind);
        self.end_warm(warm);
        true
    }

    /// Ends all of them.
    pub(super) fn drop_warm(&mut self) {
        for warm in std::mem::take(&mut self.warmth.warm) {
            self.end_warm(warm);
        }
    }

    fn end_warm(&mut self, warm: Warm) {
        if let Some(pid) = pid(warm.pid) {
            let _gone = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
        if let Some(group) = &warm.group {
            group.kill();
        }
        self.let_go(warm.hold, &warm.room, warm.group.as_ref());
    }

    fn let_go(&mut self, hold: Hold, room: &str, group: Option<&Group>) {
        self.rooms.release(hold);
        self.forget_warm_room(room);
        if let Some(group) = group {
            group.remove();
        }
    }

    /// The process for an app to take over, if there is one for it. Those that are not ready are
    /// ended, for the app is faster alone.
    pub(super) fn take_warm(&mut self, app: &App) -> Option<Warm> {
        self.be_calm();
        let warm = std::mem::take(&mut self.warmth.warm);
        let (ready, starting): (Vec<Warm>, Vec<Warm>) = warm.into_iter().partition(Warm::is_ready);
        self.warmth.warm = ready;
        for warm in starting {
            self.end_warm(warm);
        }
        let kind = Kind::of(app)?;
        let at = self.warmth.warm.iter().position(|warm| warm.kind == kind)?;
        Some(self.warmth.warm.remove(at))
    }

    /// Makes the process the app's. Where that fails it is dead.
    pub(super) fn adopt_warm(
        &mut self,
        warm: Warm,
        name: &str,
        main: Option<&Group>,
        out_of_memory: u64,
    ) -> Result<Process, Failure> {
        let Some(hosted) = self.apps.get(name) else {
            return Err(Failure::UnknownApp {
                app: name.to_owned(),
            });
        };
        let (app, uid) = (hosted.app.clone(), hosted.uid);
        let moved = self.move_warm(&warm, name, main, &app, uid);
        let Warm {
            kind: _,
            pid: number,
            output,
            error,
            hold,
            room,
            group,
            ..
        } = warm;
        if moved.is_err()
            && let Some(pid) = pid(number)
        {
            let _gone = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
        self.let_go(hold, &room, group.as_ref());
        moved?;
        Ok(Process::new(
            number,
            Some(output),
            error,
            None,
            out_of_memory,
        ))
    }

    fn move_warm(
        &self,
        warm: &Warm,
        name: &str,
        main: Option<&Group>,
        app: &App,
        uid: u32,
    ) -> Result<(), Failure> {
        // Whatever follows must have a reader: it is there, for it said it is ready.
        let go = self.rooms.path(&warm.room).join(GO.trim_start_matches('/'));
        let mut go = OpenOptions::new()
            .write(true)
            .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
            .open(go)
            .map_err(system("reach the warm runtime"))?;
        rustix::fs::fcntl_setfl(&go, OFlags::empty()).map_err(system("reach the warm runtime"))?;
        if let Some(main) = main {
            main.adopt(warm.pid).map_err(system("move a process"))?;
        }
        for tid in fs::read_dir(format!("/proc/{}/task", warm.pid))
            .into_iter()
            .flatten()
            .flatten()
        {
            let tid = tid.file_name().to_string_lossy().parse().ok();
            let nice = i32::from(app.limits.nice);
            let _gone = rustix::process::setpriority_process(tid.and_then(pid), nice);
        }
        // It may open them again by their names in /proc.
        for pipe in [Some(&warm.output), warm.error.as_ref()]
            .into_iter()
            .flatten()
        {
            fchown(pipe, Some(uid), Some(uid)).map_err(system("hand over a pipe"))?;
        }
        let moved = Command::new(&self.place.agent)
            .arg("adopt")
            .arg(warm.pid.to_string())
            .arg(self.rooms.path(name))
            .stdin(Stdio::null())
            .status()
            .map_err(system("move a process"))?;
        if !moved.success() {
            return Err(system("move a process")(moved));
        }
        let seed = super::fresh_name();
        let seed = u32::from_le_bytes([seed[0], seed[1], seed[2], seed[3]]);
        go.write_all(kind::orders(app, uid, seed).as_bytes())
            .map_err(system("tell the warm runtime"))
    }
}
