//! A Node that runs already, so that an app on it need not wait for Node to start, which takes a
//! quarter of a minute in an emulated machine, and which a snapshot can hold.
//!
//! While the layer `node` is attached one such process waits, as root, in a room of its own, running
//! `warm.cjs`. An app takes it over: it gets the app's control group, the app's room as its root, and
//! is told the app's user, environment and program. Then another one is started, when nothing else
//! is.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{OpenOptionsExt, fchown};
use std::process::{Command, Stdio};

use control::{App, Exit, Failure, Runtime};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use rustix::fs::OFlags;

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
use crate::system::{self, console};

/// The layer that has Node.
const LAYER: &str = "node";
/// What it runs, and where in its room.
const SCRIPT: &str = include_str!("warm.cjs");
const SCRIPT_PATH: &str = "/run/warm.cjs";
/// Where it is told what to become.
const GO: &str = "/run/go";
const READY: &[u8] = b"ready\n";
/// How long after something was started or attached the next one is.
const CALM: Millis = 3_000;
/// How long a snapshot waits for it.
const PATIENCE: Millis = 600_000;
/// The clock of a snapshot, 2000-01-01: so long ago that libraries which renew their randomness by
/// the hour do so as soon as the worker sets the clock.
const SNAPSHOT_TIME: u64 = 946_684_800_000;

/// What the environment says to Node or its libraries when they start: such an app starts plainly.
const READ_AT_START: [&str; 6] = [
    "LD_LIBRARY_PATH",
    "LD_PRELOAD",
    "OPENSSL_CONF",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "UV_THREADPOOL_SIZE",
];

/// The process that waits.
#[derive(Debug)]
pub(super) struct Warm {
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
    warm: Option<Warm>,
    not_before: Millis,
    /// A process that ended before it was ready is not tried again until a layer comes.
    given_up: bool,
    quiescing: Option<(Ask, Millis)>,
}

impl Warm {
    fn is_ready(&self) -> bool {
        self.said.starts_with(READY)
    }
}

impl Warmth {
    /// What to poll.
    pub(super) fn output(&self) -> Option<&File> {
        let waiting = self.warm.as_ref().filter(|warm| !warm.is_ready());
        waiting.map(|warm| &warm.output)
    }

    pub(super) fn is_quiescing(&self) -> bool {
        self.quiescing.is_some()
    }

    /// A worker came that wants the guest awake.
    pub(super) fn wake(&mut self) {
        self.quiescing = None;
    }
}

/// Whether the app is Node with nothing about it that has to be there when Node starts.
fn can_take_over(app: &App) -> bool {
    let runtime = matches!(app.runtime, Runtime::Node { .. } | Runtime::Next);
    let plain = |name: &str| {
        name == "NODE_ENV" || !(name.starts_with("NODE_") || READ_AT_START.contains(&name))
    };
    runtime
        && app.layers.iter().any(|layer| layer == LAYER)
        && app.env.iter().all(|(name, _)| plain(name))
}

/// What the process is told.
fn orders(app: &App, uid: u32, seed: u32) -> String {
    let script = program::script(app);
    let mut words = vec![uid.to_string(), seed.to_string()];
    words.push(script.len().to_string());
    words.extend(script);
    if let Some(entry) = words.get_mut(3) {
        *entry = format!("{}/{entry}", program::FILES);
    }
    let env = program::environment(app);
    words.extend(env.iter().map(|(name, value)| format!("{name}={value}")));
    words.join("\0")
}

impl Service {
    /// When something is to be done about it.
    pub(super) fn warm_deadline(&self) -> Option<Millis> {
        let quiescing = self.warmth.quiescing.map(|(_, until)| until);
        let start = self.lacks_warmth().then_some(self.warmth.not_before);
        quiescing.into_iter().chain(start).min()
    }

    fn lacks_warmth(&self) -> bool {
        self.place.guest
            && self.warmth.warm.is_none()
            && !self.warmth.given_up
            && self.powering_off.is_none()
            && self.layers.contains_key(LAYER)
            && !self.apps.values().any(super::apps::Hosted::is_starting)
    }

    /// Something begins that should have the processor for itself.
    pub(super) fn be_calm(&mut self) {
        self.warmth.not_before = system::monotonic() + CALM;
    }

    pub(super) fn layer_came(&mut self) {
        self.warmth.given_up = false;
        self.be_calm();
    }

    pub(super) fn tick_warm(&mut self) {
        let now = system::monotonic();
        if self.lacks_warmth() && now >= self.warmth.not_before {
            self.start_warm();
        }
        if let Some((ask, until)) = self.warmth.quiescing {
            let ready = self.warmth.warm.as_ref().is_none_or(Warm::is_ready)
                && self.functions.are_settled();
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
        self.warmth.given_up = false;
        self.warmth.quiescing = Some((ask, system::monotonic() + PATIENCE));
        if !self.lacks_warmth() {
            return;
        }
        if let Err(error) = system::set_wall(SNAPSHOT_TIME) {
            console(format_args!("could not set the clock: {error}"));
        }
        self.start_warm();
        self.start_functions();
    }

    fn start_warm(&mut self) {
        match self.spawn_warm() {
            Ok(warm) => self.warmth.warm = Some(warm),
            Err(failure) => {
                console(failure);
                self.warmth.given_up = true;
            }
        }
    }

    fn spawn_warm(&mut self) -> Result<Warm, Failure> {
        let number = self.number();
        let room = format!(".warm-{number}");
        let hold = self.hold_warm(&room, LAYER)?;
        match self.spawn_warm_in(&room, number) {
            Ok((spawned, group)) => Ok(Warm {
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
        room: &str,
        number: u32,
    ) -> Result<(spawn::Spawned, Option<Group>), Failure> {
        let root = self.rooms.path(room);
        let inside = |path: &str| root.join(path.trim_start_matches('/'));
        fs::write(inside(SCRIPT_PATH), SCRIPT).map_err(system("write a script"))?;
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
            command: vec!["node".into(), SCRIPT_PATH.into()],
        };
        let mut env = program::root_environment(&[]);
        env.push(("NODE_ENV".to_owned(), "production".to_owned()));
        let spawned = spawn::spawn(&self.place.agent, &entry, &env, Streams::Log)
            .map_err(system("start Node"))?;
        Ok((spawned, group))
    }

    /// The process said something.
    pub(super) fn warm_said(&mut self) {
        let Some(warm) = &mut self.warmth.warm else {
            return;
        };
        let mut buffer = [0; 256];
        if let Ok(length) = warm.output.read(&mut buffer) {
            warm.said.extend_from_slice(&buffer[..length]);
        }
    }

    /// Whether it was the process that waits.
    pub(super) fn warm_process_ended(&mut self, pid: u32, exit: Exit) -> bool {
        let is_it = |warm: &&Warm| warm.pid == pid;
        let Some(warm) = self.warmth.warm.as_mut().filter(|warm| is_it(&&**warm)) else {
            return false;
        };
        let mut words = String::new();
        if let Some(error) = &mut warm.error {
            let _what_there_is = error.read_to_string(&mut words);
        }
        console(format_args!("the warm Node ended: {exit} {}", words.trim()));
        self.drop_warm();
        self.warmth.given_up = true;
        true
    }

    /// Ends it.
    pub(super) fn drop_warm(&mut self) {
        let Some(warm) = self.warmth.warm.take() else {
            return;
        };
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

    /// The process for an app to take over, if there is one for it. Where it is not ready it is
    /// ended, for the app is faster alone.
    pub(super) fn take_warm(&mut self, app: &App) -> Option<Warm> {
        self.be_calm();
        let ready = self.warmth.warm.as_ref().is_some_and(Warm::is_ready);
        if !ready {
            self.drop_warm();
            return None;
        }
        can_take_over(app)
            .then(|| self.warmth.warm.take())
            .flatten()
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
            .map_err(system("reach the warm Node"))?;
        rustix::fs::fcntl_setfl(&go, OFlags::empty()).map_err(system("reach the warm Node"))?;
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
        go.write_all(orders(app, uid, seed).as_bytes())
            .map_err(system("tell the warm Node"))
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;
    use crate::program::tests::app;

    fn node() -> App {
        let mut app = app(Runtime::Node {
            entry: "src/main.mjs".to_owned(),
        });
        app.layers.push(LAYER.to_owned());
        app
    }

    #[test]
    fn the_process_is_told_everything() {
        let said = orders(&node(), 10_001, 7).replace('\0', "\n");
        expect![[r"
            10001
            7
            1
            /app/src/main.mjs
            PORT=3000
            HOST=127.0.0.1
            HOME=/home/app
            USER=app
            PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
            LANG=C.UTF-8
            NODE_ENV=production
            PYTHONUNBUFFERED=1
            SECRET=a=b"]]
        .assert_eq(&said);
        let mut next = node();
        next.runtime = Runtime::Next;
        let said = orders(&next, 1, 2).replace('\0', " ");
        let begin = "1 2 6 /app/node_modules/next/dist/bin/next start -p 3000 -H 0.0.0.0 PORT=";
        assert!(said.starts_with(begin), "{said}");
    }

    #[test]
    fn what_node_reads_at_its_start_needs_a_start() {
        let takes_over = |change: fn(&mut App)| {
            let mut app = node();
            change(&mut app);
            can_take_over(&app)
        };
        let env = |app: &mut App, name: &str| app.env.push((name.to_owned(), "x".to_owned()));
        assert!(takes_over(|_| ()));
        assert!(takes_over(|app| app.runtime = Runtime::Next));
        assert!(!takes_over(|app| app.runtime = Runtime::Static));
        assert!(!takes_over(|app| app.layers.clear()));
        let mut app = node();
        env(&mut app, "NODE_ENV");
        assert!(can_take_over(&app));
        for name in ["NODE_OPTIONS", "NODE_EXTRA_CA_CERTS", "LD_PRELOAD"] {
            let mut app = node();
            env(&mut app, name);
            assert!(!can_take_over(&app), "{name}");
        }
    }
}
