//! `agent serve`: one thread that polls everything.

mod apps;
mod commands;
mod files;
mod functions;
mod jobs;
mod link;
mod machine;
mod warm;

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use control::{
    Answer, Event, Exit, Failure, Hello, Malformed, PORT, PROTOCOL, Refusal, Request, ToAgent,
    ToWorker, Welcome,
};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{WaitOptions, WaitStatus};

use crate::life::Millis;
use crate::store::Store;
use crate::system::cgroup::Groups;
use crate::system::{self, boot, console};
use apps::Hosted;
use commands::Running;
use files::{Reading, Receiving};
use jobs::{Ask, Jobs, Said};
use link::{Link, Over};
use machine::Rooms;

/// Commands, uploads and reads at a time.
const CONVERSATIONS: usize = 64;

/// Where the service is.
#[derive(Debug)]
pub(crate) struct Place {
    /// This program's own file.
    agent: PathBuf,
    /// For what is gone with the machine.
    run: PathBuf,
    /// Where the data disk is mounted.
    data: PathBuf,
    listen: SocketAddr,
    /// The only address that may drive the agent.
    peer: IpAddr,
    /// Whether this is a guest: apps have rooms, users and control groups of their own. Else they
    /// are processes like any other, for tests by an ordinary user.
    guest: bool,
}

impl Place {
    pub(crate) fn guest(agent: &Path) -> Self {
        Self {
            agent: agent.to_owned(),
            run: "/run".into(),
            data: "/run/data".into(),
            listen: SocketAddr::from(([10, 0, 2, 15], PORT)),
            peer: Ipv4Addr::new(10, 0, 2, 2).into(),
            guest: true,
        }
    }

    pub(crate) fn here(agent: &Path, folder: &Path) -> Self {
        Self {
            agent: agent.to_owned(),
            run: folder.join("run"),
            data: folder.join("data"),
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            peer: Ipv4Addr::LOCALHOST.into(),
            guest: false,
        }
    }
}

/// Serves for ever, or says why it could not begin.
pub(crate) fn serve(place: Place) -> ExitCode {
    let began = Service::begin(place);
    match began.and_then(|mut service| service.run()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            console(format_args!("could not serve: {error}"));
            ExitCode::FAILURE
        }
    }
}

#[derive(Debug)]
struct Service {
    place: Place,
    groups: Option<Groups>,
    signals: SignalFd,
    listener: TcpListener,
    jobs: Jobs,
    link: Option<Link>,
    /// Counts the connections.
    links: u32,
    /// The name of this life of the guest, once a worker has given it randomness.
    boot: Option<[u8; 16]>,
    layers: BTreeMap<String, String>,
    store: Option<Store>,
    rooms: Rooms,
    warmth: warm::Warmth,
    functions: functions::Functions,
    apps: BTreeMap<String, Hosted>,
    commands: BTreeMap<Ask, Running>,
    receiving: BTreeMap<Ask, Receiving>,
    reading: BTreeMap<Ask, Reading>,
    /// Numbers for what needs a name of its own.
    counter: u32,
    powering_off: Option<machine::PoweringOff>,
}

/// What a polled file is.
#[derive(Debug, Clone)]
enum Source {
    Signals,
    Listener,
    Jobs,
    Link,
    Warm(warm::Kind),
    Functions(functions::Stream),
    App(String, apps::Stream),
    Command(Ask, commands::Stream),
}

impl Service {
    fn begin(place: Place) -> io::Result<Self> {
        let mut mask = SigSet::empty();
        mask.add(Signal::SIGCHLD);
        mask.add(Signal::SIGTERM);
        mask.thread_block()?;
        let signals = SignalFd::with_flags(&mask, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?;
        nix::sys::prctl::set_child_subreaper(true)?;
        fs::create_dir_all(&place.run)?;
        let _none_left = fs::remove_dir_all(place.run.join("reports"));
        let groups = open_groups(&place);
        if place.guest {
            machine::clear(&place.run, &place.data);
        }
        let listener = TcpListener::bind(place.listen)?;
        listener.set_nonblocking(true)?;
        let functions = functions::Functions::begin(&place);
        if !place.guest {
            // For whoever started it: where it listens.
            let port = listener.local_addr()?.port();
            writeln!(io::stdout(), "{port}")?;
        }
        Ok(Self {
            boot: None,
            rooms: Rooms::new(place.run.join("rooms")),
            place,
            groups,
            warmth: warm::Warmth::default(),
            functions,
            signals,
            listener,
            jobs: Jobs::new()?,
            link: None,
            links: 0,
            layers: BTreeMap::new(),
            store: None,
            apps: BTreeMap::new(),
            commands: BTreeMap::new(),
            receiving: BTreeMap::new(),
            reading: BTreeMap::new(),
            counter: 0,
            powering_off: None,
        })
    }

    /// Until a signal asks it to end, which only tests send.
    fn run(&mut self) -> io::Result<()> {
        loop {
            let ready = self.wait()?;
            for source in ready {
                match source {
                    Source::Signals => {
                        if self.take_signals() {
                            return Ok(());
                        }
                    }
                    Source::Listener => self.accept(),
                    Source::Jobs => self.hear(),
                    Source::Link => self.read_link(),
                    Source::Warm(kind) => self.warm_said(kind),
                    Source::Functions(stream) => self.functions_are_ready(stream),
                    Source::App(app, stream) => self.app_wrote(&app, stream),
                    Source::Command(ask, stream) => self.command_is_ready(ask, stream),
                }
            }
            self.tick_apps();
            self.tick_warm();
            self.tick_reading();
            self.tick_power_off();
            self.flush();
        }
    }

    /// Waits for one of the files, or for the first deadline.
    fn wait(&self) -> io::Result<Vec<Source>> {
        let mut sources: Vec<(Source, BorrowedFd<'_>, PollFlags)> = vec![
            (Source::Signals, self.signals.as_fd(), PollFlags::IN),
            (Source::Listener, self.listener.as_fd(), PollFlags::IN),
            (Source::Jobs, self.jobs.wake().as_fd(), PollFlags::IN),
        ];
        if let Some(link) = &self.link {
            let mut flags = PollFlags::empty();
            if !link.closing && !link.is_flooded() {
                flags |= PollFlags::IN;
            }
            if link.has_unsent() {
                flags |= PollFlags::OUT;
            }
            sources.push((Source::Link, link.stream().as_fd(), flags));
        }
        for (kind, output) in self.warmth.outputs() {
            sources.push((Source::Warm(kind), output.as_fd(), PollFlags::IN));
        }
        let now = system::monotonic();
        for (stream, file) in self.functions.files(now) {
            sources.push((Source::Functions(stream), file, PollFlags::IN));
        }
        for (name, hosted) in &self.apps {
            for (stream, file) in hosted.files(now) {
                sources.push((Source::App(name.clone(), stream), file, PollFlags::IN));
            }
        }
        let full = self.link.as_ref().is_none_or(Link::is_full);
        for (ask, running) in &self.commands {
            for (stream, file, flags) in running.files(full) {
                sources.push((Source::Command(*ask, stream), file, flags));
            }
        }
        let mut polled: Vec<PollFd<'_>> = sources
            .iter()
            .map(|(_, file, flags)| PollFd::from_borrowed_fd(*file, *flags))
            .collect();
        let timeout = self.next_deadline(now).map(|deadline| {
            let left = deadline.saturating_sub(now);
            Timespec::try_from(Duration::from_millis(left)).unwrap_or_default()
        });
        match poll(&mut polled, timeout.as_ref()) {
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => return Ok(Vec::new()),
            Err(error) => return Err(error.into()),
        }
        let ready: Vec<bool> = polled
            .iter()
            .map(|polled| !polled.revents().is_empty())
            .collect();
        Ok(sources
            .into_iter()
            .zip(ready)
            .filter(|(_, ready)| *ready)
            .map(|((source, ..), _)| source)
            .collect())
    }

    fn next_deadline(&self, now: Millis) -> Option<Millis> {
        let apps = self.apps.values().filter_map(|app| app.deadline(now));
        let power = self
            .powering_off
            .as_ref()
            .map(machine::PoweringOff::deadline);
        let reading = (!self.reading.is_empty()
            && self.link.as_ref().is_some_and(|link| !link.is_full())
            && self.reading.values().any(Reading::can_go))
        .then_some(now);
        let warm = self.warm_deadline();
        let functions = self.functions.deadline(now);
        apps.chain(power)
            .chain(reading)
            .chain(warm)
            .chain(functions)
            .min()
    }

    /// Buries the dead. Whether the service is to end.
    fn take_signals(&mut self) -> bool {
        while let Ok(Some(signal)) = self.signals.read_signal() {
            if signal.ssi_signo == Signal::SIGTERM as u32 {
                self.kill_everything();
                return true;
            }
        }
        while let Ok(Some((pid, status))) = rustix::process::wait(WaitOptions::NOHANG) {
            if let Ok(pid) = u32::try_from(pid.as_raw_nonzero().get()) {
                self.process_ended(pid, exit_of(status));
            }
        }
        false
    }

    fn process_ended(&mut self, pid: u32, exit: Exit) {
        if !self.app_process_ended(pid, exit)
            && !self.warm_process_ended(pid, exit)
            && !self.functions_ended(pid, exit)
        {
            self.command_process_ended(pid, exit);
        }
    }

    fn accept(&mut self) {
        match self.listener.accept() {
            Ok((stream, peer)) if may_drive(peer.ip(), self.place.peer) => {
                match Link::new(stream) {
                    Ok(link) => {
                        self.drop_link();
                        self.links += 1;
                        self.link = Some(link);
                    }
                    Err(error) => console(format_args!("a connection failed: {error}")),
                }
            }
            Ok((_, peer)) => console(format_args!("{peer} is not the gateway")),
            Err(_) => {}
        }
    }

    /// Nobody hears what was asked on the connection any more.
    fn drop_link(&mut self) {
        self.link = None;
        self.cancel_commands();
        self.receiving.clear();
        let reading = std::mem::take(&mut self.reading);
        for (_, reading) in reading {
            self.end_reading(reading);
        }
    }

    fn read_link(&mut self) {
        let Some(link) = &mut self.link else { return };
        if link.closing {
            return;
        }
        let frames = match link.read() {
            Ok(frames) => frames,
            Err(Over::Closed) => return self.drop_link(),
            Err(Over::Broken(Malformed::Version { .. })) => {
                return self.refuse(Refusal::Version { protocol: PROTOCOL });
            }
            Err(Over::Broken(malformed)) => {
                return self.refuse(Refusal::Malformed {
                    reason: malformed.to_string(),
                });
            }
        };
        for frame in frames {
            let Some(link) = self.link.as_ref().filter(|link| !link.closing) else {
                return;
            };
            match (link.greeted, frame) {
                (false, ToAgent::Hello(hello)) => self.greet(&hello),
                (true, frame) => self.take(frame),
                (false, _) => self.refuse_broken("the first frame is no Hello"),
            }
        }
    }

    fn refuse_broken(&mut self, reason: &str) {
        self.refuse(Refusal::Malformed {
            reason: reason.to_owned(),
        });
    }

    fn refuse(&mut self, refusal: Refusal) {
        self.send(&ToWorker::Refused(refusal));
        if let Some(link) = &mut self.link {
            link.closing = true;
        }
    }

    fn greet(&mut self, hello: &Hello) {
        if hello.protocol != PROTOCOL {
            return self.refuse(Refusal::Version { protocol: PROTOCOL });
        }
        if self.place.guest {
            if let Err(error) = system::set_wall(hello.now) {
                console(format_args!("could not set the clock: {error}"));
            }
            if let Err(error) = system::entropy::credit(&hello.entropy) {
                console(format_args!("could not add entropy: {error}"));
            }
        }
        if let Some(link) = &mut self.link {
            link.greeted = true;
        }
        self.warmth.wake();
        // Until the disk is mounted no life has begun that a name could be of, and a snapshot may be made of
        // this moment: every machine made of it would have the name.
        if self.store.is_none() {
            self.boot = None;
        }
        let boot = *self.boot.get_or_insert_with(fresh_name);
        self.send(&ToWorker::Hello(Welcome {
            protocol: PROTOCOL,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            boot,
            layers: self.layers.keys().cloned().collect(),
            mounted: self.store.is_some(),
            apps: self.statuses(),
        }));
    }

    fn take(&mut self, frame: ToAgent) {
        let link = self.links;
        let ask = |conversation| Ask { link, conversation };
        match frame {
            ToAgent::Hello(_) => self.refuse_broken("a second Hello"),
            ToAgent::Ask {
                conversation,
                request,
            } => self.asked(ask(conversation), request),
            ToAgent::Chunk {
                conversation,
                offset,
                last,
                bytes,
            } => self.input(ask(conversation), offset, last, bytes),
            ToAgent::Credit {
                conversation,
                channel,
                bytes,
            } => {
                if let Some(running) = self.commands.get_mut(&ask(conversation)) {
                    running.grant(channel, bytes);
                } else if let Some(reading) = self.reading.get_mut(&ask(conversation)) {
                    reading.grant(bytes);
                }
            }
            ToAgent::Resize { conversation, size } => {
                if let Some(running) = self.commands.get(&ask(conversation)) {
                    running.resize(size);
                }
            }
            ToAgent::Signal {
                conversation,
                signal,
            } => {
                if let Some(running) = self.commands.get_mut(&ask(conversation)) {
                    running.signal(signal);
                }
            }
            ToAgent::Cancel { conversation } => self.cancel(ask(conversation)),
        }
    }

    fn asked(&mut self, ask: Ask, request: Request) {
        let busy = self.commands.len() + self.receiving.len() + self.reading.len();
        if self.commands.contains_key(&ask)
            || self.receiving.contains_key(&ask)
            || self.reading.contains_key(&ask)
        {
            return self.refuse_broken("a conversation has the number of another one");
        }
        match request {
            Request::Mount { device } => {
                let result = self.mount(&device);
                self.answer(ask, result);
            }
            Request::Attach { layer, device } => {
                let result = self.attach(&layer, &device);
                self.answer(ask, result.map(|()| Answer::Done));
            }
            Request::Detach { layer } => {
                let result = self.detach(&layer);
                self.answer(ask, result.map(|()| Answer::Done));
            }
            Request::HasBundle { app, bundle } => {
                let result = self.store().map(|store| Answer::Bundle {
                    present: crate::program::name(&app).is_ok() && store.has_bundle(&app, bundle),
                });
                self.answer(ask, result);
            }
            Request::PutBundle { .. } | Request::Exec { .. } | Request::ReadFile { .. }
                if busy >= CONVERSATIONS =>
            {
                self.answer(ask, Err(Failure::Busy));
            }
            Request::PutBundle { app, bundle, bytes } => {
                if let Err(failure) = self.receive(ask, app, bundle, bytes) {
                    self.answer(ask, Err(failure));
                }
            }
            Request::Start(app) => self.change(ask, app.name.clone(), apps::Change::Start(app)),
            Request::Stop { app, grace } => self.change(ask, app, apps::Change::Stop { grace }),
            Request::Restart { app, grace } => {
                self.change(ask, app, apps::Change::Restart { grace });
            }
            Request::Remove { app } => self.change(ask, app, apps::Change::Remove),
            Request::Exec {
                command,
                env,
                app,
                pty,
            } => {
                if let Err(failure) = self.execute(ask, command, &env, app, pty) {
                    self.answer(ask, Err(failure));
                }
            }
            Request::ReadFile {
                app,
                path,
                offset,
                limit,
            } => {
                if let Err(failure) = self.read_file(ask, app, &path, offset, limit) {
                    self.answer(ask, Err(failure));
                }
            }
            Request::Apps => {
                let apps = Answer::Apps(self.statuses());
                self.answer(ask, Ok(apps));
            }
            Request::Logs { app, tail } => {
                let result = self.tail(&app, tail);
                self.answer(ask, result);
            }
            Request::Usage => {
                let usage = Answer::Usage(self.usage());
                self.answer(ask, Ok(usage));
            }
            Request::Sync => {
                if let Err(failure) = self.sync(ask) {
                    self.answer(ask, Err(failure));
                }
            }
            Request::Quiesce => self.quiesce(ask),
            Request::PowerOff { grace } => self.power_off(ask, grace),
            Request::Room { bytes } => {
                if let Err(failure) = self.hold_room(ask, bytes) {
                    self.answer(ask, Err(failure));
                }
            }
        }
    }

    /// A chunk of some Input.
    fn input(&mut self, ask: Ask, offset: u64, last: bool, bytes: Vec<u8>) {
        let taken = if let Some(running) = self.commands.get_mut(&ask) {
            running.input(offset, last, bytes)
        } else if let Some(receiving) = self.receiving.get_mut(&ask) {
            receiving.input(offset, last, bytes)
        } else {
            // Of a conversation that was answered meanwhile.
            Ok(())
        };
        if let Err(overrun) = taken {
            self.refuse_broken(&overrun.to_string());
        }
    }

    fn cancel(&mut self, ask: Ask) {
        self.cancel_command(ask);
        if self.receiving.remove(&ask).is_some() {
            // Its thread finds the source gone; what it says then is of no conversation any more.
            self.answer(ask, Err(Failure::Cancelled));
        }
        if let Some(reading) = self.reading.remove(&ask) {
            self.end_reading(reading);
            self.answer(ask, Err(Failure::Cancelled));
        }
    }

    /// What the jobs said.
    fn hear(&mut self) {
        for said in self.jobs.heard() {
            match said {
                Said::Consumed { ask, bytes } => self.consumed(ask, bytes),
                Said::Unpacked { ask, result } => {
                    if self.receiving.remove(&ask).is_some() {
                        self.answer(ask, result.map(|()| Answer::Done));
                    }
                }
                Said::Done { ask, result } => match (ask, result) {
                    (Some(ask), result) => self.answer(ask, result.map(|()| Answer::Done)),
                    (None, Err(failure)) => console(failure),
                    (None, Ok(())) => {}
                },
                Said::Removed { app } => self.removed(&app),
            }
        }
    }

    /// Ends a conversation. Nothing is sent on another connection than the one that asked.
    fn answer(&mut self, ask: Ask, result: Result<Answer, Failure>) {
        let conversation = ask.conversation;
        let frame = match result {
            Ok(answer) => ToWorker::Answer {
                conversation,
                answer,
            },
            Err(failure) => ToWorker::Failed {
                conversation,
                failure,
            },
        };
        self.send_for(ask, &frame);
    }

    fn send_for(&mut self, ask: Ask, frame: &ToWorker) {
        if ask.link == self.links {
            self.send(frame);
        }
    }

    fn send(&mut self, frame: &ToWorker) {
        if let Some(link) = self.link.as_mut().filter(|link| !link.closing) {
            link.send(frame);
        }
    }

    /// Tells what happened, if the worker said Hello. Of log lines only what there is room for.
    fn tell(&mut self, event: Event) {
        let Some(link) = self.link.as_ref().filter(|link| link.greeted) else {
            return;
        };
        if matches!(event, Event::Log { .. }) && link.is_full() {
            return;
        }
        self.send(&ToWorker::Event(event));
    }

    fn flush(&mut self) {
        if let Some(link) = &mut self.link
            && link.flush().is_err()
        {
            self.drop_link();
        }
    }

    fn store(&self) -> Result<&Store, Failure> {
        self.store.as_ref().ok_or(Failure::NotMounted)
    }

    fn number(&mut self) -> u32 {
        self.counter = self.counter.wrapping_add(1);
        self.counter
    }

    /// A name for a report that no other one has.
    fn report(&mut self) -> PathBuf {
        let number = self.number();
        self.place.run.join("reports").join(number.to_string())
    }
}

fn open_groups(place: &Place) -> Option<Groups> {
    if !place.guest {
        return None;
    }
    match Groups::open(Path::new(boot::GROUPS)) {
        Ok((groups, missing)) => {
            for reason in missing {
                console(reason);
            }
            groups.clear();
            Some(groups)
        }
        Err(error) => {
            console(format_args!("no control groups: {error}"));
            None
        }
    }
}

/// Whether a connection from there may drive the agent. Programs of the guest have the guest's own
/// addresses, and cannot take another one.
fn may_drive(peer: IpAddr, gateway: IpAddr) -> bool {
    peer == gateway
}

fn exit_of(status: WaitStatus) -> Exit {
    let byte = |number: i32| u8::try_from(number).unwrap_or(u8::MAX);
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => Exit::Code { code: byte(code) },
        (None, Some(signal)) => Exit::Signal {
            signal: byte(signal),
        },
        (None, None) => Exit::Code { code: u8::MAX },
    }
}

/// Sixteen bytes that nobody else has. Asked before a worker gave it randomness, the kernel would
/// take seconds to make some.
fn fresh_name() -> [u8; 16] {
    use std::io::Read;
    let mut name = [0; 16];
    let read = fs::File::open("/dev/urandom").and_then(|mut random| random.read_exact(&mut name));
    if read.is_err() {
        name[..8].copy_from_slice(&system::wall().to_le_bytes());
        name[8..].copy_from_slice(&system::monotonic().to_le_bytes());
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_gateway_may_drive_the_agent() {
        let place = Place::guest(Path::new("/sbin/agent"));
        let allowed = |address: &str| may_drive(address.parse().unwrap(), place.peer);
        assert!(allowed("10.0.2.2"));
        for own in [
            "127.0.0.1",
            "10.0.2.15",
            "0.0.0.0",
            "10.0.2.3",
            "::1",
            "::ffff:10.0.2.2",
        ] {
            assert!(!allowed(own), "{own}");
        }
        assert!(place.listen.port() < 1024);
    }
}
