//! Commands: programs that the worker runs and listens to, with or without a terminal.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd};

use control::{Answer, Channel, Exit, Failure, Incoming, Outgoing, Overrun, Pty, ToWorker};
use rustix::event::PollFlags;
use rustix::process::{Signal, kill_process_group};

use super::Service;
use super::apps::pid;
use super::jobs::Ask;
use super::link::is_transient;
use super::machine::{Hold, OWNER};
use crate::program;
use crate::system::cgroup::Group;
use crate::system::disk::system;
use crate::system::enter::{Entry, Report};
use crate::system::spawn::{self, Pending, Streams};

/// End of file, as a terminal understands it.
const END_OF_FILE: u8 = 4;

/// What a command has that can be read or written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stream {
    Input,
    Output,
    Error,
    Report,
}

/// A command that runs, or whose output is not all sent.
#[derive(Debug)]
pub(super) struct Running {
    program: String,
    pid: u32,
    terminal: bool,
    input: Option<File>,
    incoming: Incoming,
    waiting: VecDeque<u8>,
    output: Option<File>,
    to_output: Outgoing,
    error: Option<File>,
    to_error: Outgoing,
    report: Option<Pending>,
    failed: Option<Failure>,
    exit: Option<Exit>,
    /// Signals that came before the program ran.
    signals: Vec<u8>,
    hold: Option<Hold>,
    group: Option<Group>,
}

impl Running {
    /// What to poll, and for what.
    pub(super) fn files(
        &self,
        full: bool,
    ) -> impl Iterator<Item = (Stream, BorrowedFd<'_>, PollFlags)> {
        let out = |file: &'_ Option<File>, to: &Outgoing| !full && to.room() > 0 && file.is_some();
        let input = self.input.as_ref().filter(|_| !self.waiting.is_empty());
        let output = self
            .output
            .as_ref()
            .filter(|_| out(&self.output, &self.to_output));
        let error = self
            .error
            .as_ref()
            .filter(|_| out(&self.error, &self.to_error));
        let report = self.report.as_ref().map(Pending::pipe);
        [
            (Stream::Input, input, PollFlags::OUT),
            (Stream::Output, output, PollFlags::IN),
            (Stream::Error, error, PollFlags::IN),
            (Stream::Report, report, PollFlags::IN),
        ]
        .into_iter()
        .filter_map(|(stream, file, flags)| Some((stream, file?.as_fd(), flags)))
    }

    pub(super) fn grant(&mut self, channel: Channel, bytes: u32) {
        match channel {
            Channel::Output => self.to_output.grant(bytes),
            Channel::Error => self.to_error.grant(bytes),
            Channel::Input => {}
        }
    }

    pub(super) fn resize(&self, size: Pty) {
        if let Some(terminal) = self.output.as_ref().filter(|_| self.terminal) {
            spawn::resize(terminal, size);
        }
    }

    /// For its processes, once the program runs.
    pub(super) fn signal(&mut self, number: u8) {
        if self.report.is_some() {
            self.signals.push(number);
            return;
        }
        let signal = Signal::from_named_raw(i32::from(number));
        if let (Some(signal), Some(pid), None) = (signal, pid(self.pid), self.exit) {
            let _gone = kill_process_group(pid, signal);
        }
    }

    pub(super) fn input(&mut self, offset: u64, last: bool, bytes: Vec<u8>) -> Result<(), Overrun> {
        self.incoming.receive(offset, bytes.len(), last)?;
        self.waiting.extend(bytes);
        if last && self.terminal {
            self.waiting.push_back(END_OF_FILE);
        }
        self.close_finished_input();
        Ok(())
    }

    fn close_finished_input(&mut self) {
        if self.incoming.is_ended() && self.waiting.is_empty() {
            self.input = None;
        }
    }

    /// Writes what can be written; how much.
    fn write_input(&mut self) -> usize {
        let mut written = 0;
        while let (Some(input), (bytes, _)) = (&mut self.input, self.waiting.as_slices()) {
            if bytes.is_empty() {
                break;
            }
            match input.write(bytes) {
                Ok(length) => {
                    self.waiting.drain(..length);
                    written += length;
                }
                Err(error) if is_transient(&error) => break,
                Err(_) => {
                    // Nobody reads it: the rest goes nowhere, as in a shell.
                    written += self.waiting.len();
                    self.waiting.clear();
                    self.input = None;
                }
            }
        }
        self.close_finished_input();
        written
    }

    fn kill(&self) {
        if let Some(group) = &self.group {
            group.kill();
        }
        if let Some(pid) = pid(self.pid) {
            let _gone = kill_process_group(pid, Signal::KILL);
        }
    }
}

impl Service {
    pub(super) fn execute(
        &mut self,
        ask: Ask,
        command: Vec<String>,
        env: &[(String, String)],
        app: Option<String>,
        pty: Option<Pty>,
    ) -> Result<(), Failure> {
        let wrong = |wrong: program::Wrong| Failure::Invalid { reason: wrong.0 };
        program::check_command(&command).map_err(wrong)?;
        program::environment_is_one(env).map_err(wrong)?;
        let hold = match &app {
            Some(app) => self.hold_app(app)?,
            None => self.hold_owner()?,
        };
        let running = self.start_command(command, env, app.as_deref(), pty, hold.is_some());
        match running {
            Ok(mut running) => {
                running.hold = hold;
                self.commands.insert(ask, running);
                Ok(())
            }
            Err(failure) => {
                if let Some(hold) = hold {
                    self.rooms.release(hold);
                }
                Err(failure)
            }
        }
    }

    fn start_command(
        &mut self,
        command: Vec<String>,
        env: &[(String, String)],
        app: Option<&str>,
        pty: Option<Pty>,
        apart: bool,
    ) -> Result<Running, Failure> {
        let (number, report) = (self.number(), self.report());
        let hosted = app.and_then(|app| self.apps.get(app));
        let group = match hosted {
            Some(hosted) => hosted
                .group()
                .map(|group| group.inner(&format!("command-{number}"))),
            None => self.groups.as_ref().map(|groups| groups.command(number)),
        };
        if let Some(group) = &group {
            group.make().map_err(system("make a control group"))?;
        }
        let room = apart.then(|| self.rooms.path(app.unwrap_or(OWNER)));
        let devices = match &room {
            Some(room) => room.join("dev"),
            None => "/dev".into(),
        };
        let directory = match (hosted, apart) {
            (Some(_), true) => program::FILES.into(),
            (Some(hosted), false) => {
                let app = &hosted.app;
                self.store()?.bundle(&app.name, app.bundle)
            }
            (None, true) => "/root".into(),
            (None, false) => "/".into(),
        };
        let mut env = match hosted {
            Some(hosted) => {
                let mut all = program::environment(&hosted.app);
                all.extend_from_slice(env);
                program::overlaid(&[], &all)
            }
            None => program::root_environment(env),
        };
        if pty.is_some() && !env.iter().any(|(name, _)| name == "TERM") {
            env.push(("TERM".to_owned(), "xterm-256color".to_owned()));
        }
        let program = command[0].clone();
        let entry = Entry {
            room,
            cgroup: group.as_ref().map(|group| group.path().to_owned()),
            uid: hosted.filter(|_| apart).map(|hosted| hosted.uid),
            nice: hosted.map_or(0, |hosted| hosted.app.limits.nice),
            directory,
            terminal: pty.is_some(),
            report,
            command: command.into_iter().map(Into::into).collect(),
        };
        let streams = match pty {
            Some(size) => Streams::Terminal {
                devices: &devices,
                size,
            },
            None => Streams::Pipes,
        };
        let spawned = spawn::spawn(&self.place.agent, &entry, &env, streams)
            .map_err(system("start a process"))?;
        Ok(Running {
            program,
            pid: spawned.pid,
            terminal: pty.is_some(),
            input: spawned.input,
            incoming: Incoming::default(),
            waiting: VecDeque::new(),
            output: spawned.output,
            to_output: Outgoing::default(),
            error: spawned.error,
            to_error: Outgoing::default(),
            report: Some(spawned.report),
            failed: None,
            exit: None,
            signals: Vec::new(),
            hold: None,
            group,
        })
    }

    pub(super) fn command_is_ready(&mut self, ask: Ask, stream: Stream) {
        let Some(running) = self.commands.get_mut(&ask) else {
            return;
        };
        match stream {
            Stream::Input => {
                let written = running.write_input();
                if let Some(bytes) = running.incoming.consume(written) {
                    let conversation = ask.conversation;
                    self.send_for(
                        ask,
                        &ToWorker::Credit {
                            conversation,
                            bytes,
                        },
                    );
                }
            }
            Stream::Output => self.read_command(ask, Channel::Output),
            Stream::Error => self.read_command(ask, Channel::Error),
            Stream::Report => self.read_command_report(ask),
        }
        self.finish_command(ask);
    }

    /// Sends on what a command wrote.
    fn read_command(&mut self, ask: Ask, channel: Channel) {
        let Some(running) = self.commands.get_mut(&ask) else {
            return;
        };
        let (file, to) = match channel {
            Channel::Output => (&mut running.output, &mut running.to_output),
            Channel::Error | Channel::Input => (&mut running.error, &mut running.to_error),
        };
        let Some(open) = file else { return };
        let mut bytes = vec![0; to.room().min(32 * 1024)];
        if bytes.is_empty() {
            return;
        }
        let length = match open.read(&mut bytes) {
            Ok(length) => length,
            Err(error) if is_transient(&error) => return,
            // A terminal's other end is closed so.
            Err(_) => 0,
        };
        bytes.truncate(length);
        let last = length == 0;
        if last {
            *file = None;
        }
        let chunk = ToWorker::Chunk {
            conversation: ask.conversation,
            channel,
            offset: to.send(length),
            last,
            bytes,
        };
        self.send_for(ask, &chunk);
    }

    fn read_command_report(&mut self, ask: Ask) {
        let Some(running) = self.commands.get_mut(&ask) else {
            return;
        };
        let Some(report) = running.report.as_mut().and_then(Pending::read) else {
            return;
        };
        running.report = None;
        running.failed = match report {
            Report::Runs => None,
            Report::Program(reason) => Some(Failure::NoProgram {
                program: running.program.clone(),
                reason,
            }),
            Report::System(reason) => Some(Failure::System { reason }),
        };
        for signal in std::mem::take(&mut running.signals) {
            running.signal(signal);
        }
    }

    pub(super) fn command_process_ended(&mut self, pid: u32, exit: Exit) {
        let of_pid = |(_, running): &(&Ask, &Running)| running.pid == pid && running.exit.is_none();
        let Some(ask) = self.commands.iter().find(of_pid).map(|(ask, _)| *ask) else {
            return;
        };
        self.read_command_report(ask);
        if let Some(running) = self.commands.get_mut(&ask) {
            running.exit = Some(exit);
            // What it left behind holds its streams open.
            running.kill();
        }
        self.finish_command(ask);
    }

    /// Answers, when it ended and everything it wrote is sent.
    fn finish_command(&mut self, ask: Ask) {
        let Some(running) = self.commands.get_mut(&ask) else {
            return;
        };
        let Some(exit) = running.exit else { return };
        let written = running.output.is_some() || running.error.is_some();
        if running.failed.is_none() && written {
            return;
        }
        if let Some(running) = self.commands.remove(&ask) {
            let result = match running.failed {
                Some(failure) => Err(failure),
                None => Ok(Answer::Exited(exit)),
            };
            self.answer(ask, result);
            self.leave(running.hold, running.group.as_ref());
        }
    }

    fn leave(&mut self, hold: Option<Hold>, group: Option<&Group>) {
        if let Some(hold) = hold {
            self.rooms.release(hold);
        }
        if let Some(group) = group {
            group.remove();
        }
    }

    pub(super) fn cancel_command(&mut self, ask: Ask) {
        if let Some(running) = self.commands.remove(&ask) {
            running.kill();
            self.leave(running.hold, running.group.as_ref());
            self.answer(ask, Err(Failure::Cancelled));
        }
    }

    /// Every command of every connection.
    pub(super) fn cancel_commands(&mut self) {
        let asks: Vec<Ask> = self.commands.keys().copied().collect();
        for ask in asks {
            self.cancel_command(ask);
        }
    }
}
