//! The host of the edge functions: one Node whose threads are the worker's isolates
//! (`vm-bridge/machine/src/functions/guest`). The worker speaks to it directly.
//!
//! It is no app: no list has it, no data disk knows it, and it has limits and a user of its own. Its
//! port is the agent's from the first moment on, so that nobody can stand in for it; the listening
//! socket is its standard input. It is started when somebody calls who may, and in a snapshot it runs
//! already. When it ends, who calls next starts it again.

use std::fs::{self, File};
use std::io::Read;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, BorrowedFd};

use control::{Exit, Failure, Limits};
use rustix::process::{Resource, Rlimit, prlimit};

use super::apps::pid;
use super::machine::Hold;
use super::{Place, Service, may_drive};
use crate::life::{Life, Millis, Next};
use crate::program;
use crate::system::cgroup::Group;
use crate::system::disk::system;
use crate::system::enter::{Entry, Report};
use crate::system::spawn::{self, Pending, Spawned, Streams};
use crate::system::{self, console};

/// The layer that has Node.
pub(super) const LAYER: &str = "node";
/// What it runs, and where in its room.
const SCRIPT: &str = include_str!("functions.cjs");
const SCRIPT_PATH: &str = "/run/functions.cjs";
/// What V8 compiles the emulator has to translate anew, and until then it interprets it: a request to
/// code that V8 itself interprets takes 40 ms at p50 and 70 at p95, one to code that it compiles as it
/// does elsewhere 55 and 300. So only what has run for thirty times as long as usual is compiled.
const NO_BASELINE: &str = "--no-sparkplug";
const LATE: &str = "--interrupt-budget=4000000";
/// On one processor, whoever helps to collect garbage is waited for: with four helpers p95 is twice as
/// long.
const ALONE: &str = "--single-threaded-gc";
/// Where it listens: below 1024, and so nobody else's.
const PORT: u16 = 2;
/// What it says once it can be called.
const READY: &[u8] = b"ready\n";
/// Its user. Those of apps begin at 10,000.
const USER: u32 = 9_000;
/// Its room and its control group. No app has that name.
const NAME: &str = ".functions";
/// Threads, of which each Node, each function and each of its files in flight has some.
const PROCESSES: u32 = 512;
/// `RLIMIT_NICE` for whoever may set any nice value from 0 on (`getrlimit(2)`).
const MAY_RENICE: u64 = 20;
/// One that died too often is not started again before that.
const REST: Millis = 30_000;
/// How long a snapshot waits for it.
const PATIENCE: Millis = 600_000;

/// Who hosts functions, where somebody can.
#[derive(Debug, Default)]
pub(super) struct Functions {
    listener: Option<TcpListener>,
    host: Option<Host>,
    life: Life,
    not_before: Millis,
}

/// Its process.
#[derive(Debug)]
struct Host {
    pid: u32,
    began: Millis,
    output: Option<File>,
    error: Option<File>,
    report: Option<Pending>,
    hold: Hold,
    group: Option<Group>,
    said: Vec<u8>,
    is_ready: bool,
}

/// What is polled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stream {
    Calls,
    Report,
    Output,
    Error,
}

impl Functions {
    pub(super) fn begin(place: &Place) -> Self {
        if !place.guest {
            return Self::default();
        }
        let bound = TcpListener::bind(SocketAddr::new(place.listen.ip(), PORT)).and_then(|bound| {
            bound.set_nonblocking(true)?;
            Ok(bound)
        });
        if let Err(error) = &bound {
            console(format_args!("no functions: {error}"));
        }
        Self {
            listener: bound.ok(),
            ..Self::default()
        }
    }

    /// What to poll: its process, or else whether somebody calls.
    pub(super) fn files(&self, now: Millis) -> impl Iterator<Item = (Stream, BorrowedFd<'_>)> {
        let host = self.host.as_ref();
        let waits = host.is_none() && now >= self.not_before;
        let calls = self.listener.as_ref().filter(|_| waits).map(AsFd::as_fd);
        let report = host.and_then(|host| host.report.as_ref());
        let output = host.and_then(|host| host.output.as_ref());
        let error = host.and_then(|host| host.error.as_ref());
        [
            (Stream::Calls, calls),
            (Stream::Report, report.map(|report| report.pipe().as_fd())),
            (Stream::Output, output.map(AsFd::as_fd)),
            (Stream::Error, error.map(AsFd::as_fd)),
        ]
        .into_iter()
        .filter_map(|(stream, file)| Some((stream, file?)))
    }

    /// When calls are to be heard again.
    pub(super) fn deadline(&self, now: Millis) -> Option<Millis> {
        (self.host.is_none() && self.not_before > now).then_some(self.not_before)
    }

    /// Whether nothing of it is on its way: it can be called, or it is not there.
    pub(super) fn are_settled(&self) -> bool {
        let now = system::monotonic();
        self.host
            .as_ref()
            .is_none_or(|host| host.is_ready || now > host.began + PATIENCE)
    }
}

impl Service {
    pub(super) fn functions_are_ready(&mut self, stream: Stream) {
        match stream {
            Stream::Calls => self.called(),
            Stream::Report => self.read_functions_report(),
            Stream::Output | Stream::Error => self.read_functions(stream),
        }
    }

    /// Somebody calls, and there is nobody: whoever takes the call is started, and finds it waiting.
    fn called(&mut self) {
        if self.layers.contains_key(LAYER) && self.powering_off.is_none() {
            return self.start_functions();
        }
        // There will be none.
        let Some(listener) = &self.functions.listener else {
            return;
        };
        if let Ok((_hung_up, peer)) = listener.accept()
            && !may_drive(peer.ip(), self.place.peer)
        {
            console(format_args!("{peer} is not the gateway"));
        }
    }

    /// Starts it, unless it runs.
    pub(super) fn start_functions(&mut self) {
        if self.functions.host.is_some() || self.functions.listener.is_none() {
            return;
        }
        let now = system::monotonic();
        self.functions.life.begin(now);
        match self.spawn_functions(now) {
            Ok(host) => self.functions.host = Some(host),
            Err(failure) => {
                console(failure);
                self.functions.not_before = now + REST;
            }
        }
    }

    fn spawn_functions(&mut self, now: Millis) -> Result<Host, Failure> {
        let hold = self.hold_warm(NAME, LAYER)?;
        match self.spawn_functions_in() {
            Ok((spawned, group)) => Ok(Host {
                pid: spawned.pid,
                began: now,
                output: spawned.output,
                error: spawned.error,
                report: Some(spawned.report),
                hold,
                group,
                said: Vec::new(),
                is_ready: false,
            }),
            Err(failure) => {
                self.rooms.release(hold);
                self.forget_warm_room(NAME);
                Err(failure)
            }
        }
    }

    fn spawn_functions_in(&mut self) -> Result<(Spawned, Option<Group>), Failure> {
        let root = self.rooms.path(NAME);
        let script = root.join(SCRIPT_PATH.trim_start_matches('/'));
        fs::write(script, SCRIPT).map_err(system("write a script"))?;
        let group = self.groups.as_ref().map(|groups| groups.app(NAME));
        if let Some(group) = &group {
            group.make().map_err(system("make a control group"))?;
            let (_, total) = system::usage::memory();
            group.limit(&Limits {
                memory: total / 4 * 3,
                processes: PROCESSES,
                nice: 0,
            });
        }
        let command = ["node", NO_BASELINE, LATE, ALONE, SCRIPT_PATH].map(Into::into);
        let entry = Entry {
            room: Some(root),
            cgroup: group.as_ref().map(|group| group.path().to_owned()),
            uid: Some(USER),
            nice: 0,
            directory: "/tmp".into(),
            terminal: false,
            report: self.report(),
            command: command
                .into_iter()
                .chain([self.place.peer.to_string().into()])
                .collect(),
        };
        let env = [
            ("PATH".to_owned(), program::PATH.to_owned()),
            ("LANG".to_owned(), "C.UTF-8".to_owned()),
            ("HOME".to_owned(), "/tmp".to_owned()),
        ];
        let Some(listener) = &self.functions.listener else {
            return Err(system("serve functions")("there is no socket"));
        };
        let streams = Streams::Serving(listener);
        let spawned =
            spawn::spawn(&self.place.agent, &entry, &env, streams).map_err(system("start Node"))?;
        // Its threads in advance are nice until somebody wants them.
        let limit = Rlimit {
            current: Some(MAY_RENICE),
            maximum: Some(MAY_RENICE),
        };
        if let Some(pid) = pid(spawned.pid)
            && let Err(error) = prlimit(Some(pid), Resource::Nice, limit)
        {
            console(format_args!("functions start slowly: {error}"));
        }
        Ok((spawned, group))
    }

    fn read_functions_report(&mut self) {
        let Some(host) = &mut self.functions.host else {
            return;
        };
        let Some(report) = host.report.as_mut().and_then(Pending::read) else {
            return;
        };
        host.report = None;
        match report {
            Report::Runs => {}
            Report::Program(reason) | Report::System(reason) => {
                console(format_args!("functions cannot be run: {reason}"));
            }
        }
    }

    /// What it says is for whoever reads the console.
    fn read_functions(&mut self, stream: Stream) {
        let mut buffer = [0; 4_096];
        let Some(host) = &mut self.functions.host else {
            return;
        };
        let file = match stream {
            Stream::Error => &mut host.error,
            Stream::Calls | Stream::Report | Stream::Output => &mut host.output,
        };
        let Some(open) = file else { return };
        let length = match open.read(&mut buffer) {
            Ok(length) => length,
            Err(error) if super::link::is_transient(&error) => return,
            Err(_) => 0,
        };
        let said = &buffer[..length];
        if length == 0 {
            *file = None;
        } else if stream == Stream::Output && !host.is_ready {
            host.said.extend_from_slice(said);
            host.is_ready = host.said.starts_with(READY);
        } else {
            let said = String::from_utf8_lossy(said);
            console(format_args!("functions: {}", said.trim_end()));
        }
    }

    /// Whether it was the process of the functions.
    pub(super) fn functions_ended(&mut self, pid: u32, exit: Exit) -> bool {
        if self
            .functions
            .host
            .as_ref()
            .is_none_or(|host| host.pid != pid)
        {
            return false;
        }
        self.read_functions_report();
        for stream in [Stream::Output, Stream::Error] {
            self.read_functions(stream);
        }
        console(format_args!("the host of functions ended: {exit}"));
        self.drop_functions();
        let now = system::monotonic();
        self.functions.not_before = match self.functions.life.end(now) {
            Next::Again { at } => at,
            Next::GiveUp => {
                self.functions.life = Life::default();
                now + REST
            }
        };
        true
    }

    /// Ends it.
    pub(super) fn drop_functions(&mut self) {
        let Some(host) = self.functions.host.take() else {
            return;
        };
        if let Some(pid) = pid(host.pid) {
            let _gone = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
        self.rooms.release(host.hold);
        self.forget_warm_room(NAME);
        if let Some(group) = &host.group {
            group.kill();
            group.remove();
        }
    }
}
