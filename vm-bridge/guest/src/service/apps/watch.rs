//! Watches over apps: what they write, whether they listen, how they end.

use std::io::Read;
use std::mem;

use control::{Event, Exit, Failure, Line, State};

use super::super::Service;
use super::super::link::is_transient;
use super::{Hosted, Phase, Stream, Then, VANISH};
use crate::life::{Millis, Next};
use crate::program;
use crate::system;
use crate::system::cgroup::Group;
use crate::system::enter::Report;
use crate::system::spawn::Pending;

/// How long the pipe of a flood is left alone, so that reading it does not take the processor.
const FLOOD: Millis = 20;

impl Service {
    /// An app has something to read.
    pub(crate) fn app_wrote(&mut self, name: &str, stream: Stream) {
        match stream {
            Stream::Report => self.read_report(name),
            Stream::Output | Stream::Error => {
                self.read_output(name, stream);
            }
        }
    }

    /// Reads once. Whether there may be more.
    pub(crate) fn read_output(&mut self, name: &str, stream: Stream) -> bool {
        let mut buffer = vec![0; 64 * 1024];
        let Some(hosted) = self.apps.get_mut(name) else {
            return false;
        };
        let Some(process) = &mut hosted.process else {
            return false;
        };
        let (file, written) = match stream {
            Stream::Output => (&mut process.output, control::Stream::Output),
            Stream::Error | Stream::Report => (&mut process.error, control::Stream::Error),
        };
        let Some(open) = file else { return false };
        let length = match open.read(&mut buffer) {
            Ok(0) => {
                *file = None;
                return false;
            }
            Ok(length) => length,
            Err(error) => {
                if !is_transient(&error) {
                    *file = None;
                }
                return false;
            }
        };
        let (now, wall) = (system::monotonic(), system::wall());
        let lines = hosted.log.write(written, &buffer[..length], now, wall);
        if hosted.log.is_flooded() {
            hosted.unflooded = now + FLOOD;
        }
        self.tell_lines(name, lines);
        true
    }

    pub(crate) fn tell_lines(&mut self, name: &str, lines: Vec<Line>) {
        if !lines.is_empty() {
            self.tell(Event::Log {
                app: name.to_owned(),
                lines,
            });
        }
    }

    pub(crate) fn say(&mut self, name: &str, text: String) {
        if let Some(hosted) = self.apps.get_mut(name) {
            let line = hosted.log.say(text, system::wall());
            self.tell_lines(name, vec![line]);
        }
    }

    pub(crate) fn read_report(&mut self, name: &str) {
        let Some(hosted) = self.apps.get_mut(name) else {
            return;
        };
        let Some(process) = &mut hosted.process else {
            return;
        };
        let Some(report) = process.report.as_mut().and_then(Pending::read) else {
            return;
        };
        process.report = None;
        let failure = match report {
            Report::Runs => {
                if let Phase::Launching { ask, .. } = hosted.phase {
                    hosted.phase = Phase::Up;
                    self.answer_status(name, ask);
                    self.advance(name);
                }
                return;
            }
            Report::Program(reason) => Failure::NoProgram {
                program: program::command(&hosted.app).swap_remove(0),
                reason,
            },
            Report::System(reason) => Failure::System { reason },
        };
        if let Phase::Launching { failed, .. } = &mut hosted.phase {
            *failed = Some(failure);
        }
    }

    /// Whether it was the first process of an app.
    pub(crate) fn app_process_ended(&mut self, pid: u32, exit: Exit) -> bool {
        let of_app = |hosted: &&mut Hosted| {
            let process = hosted.process.as_ref();
            process.is_some_and(|process| process.pid == pid)
        };
        let Some(name) = self
            .apps
            .values_mut()
            .find(of_app)
            .map(|hosted| hosted.app.name.clone())
        else {
            return false;
        };
        self.read_report(&name);
        let Some(hosted) = self.apps.get_mut(&name) else {
            return true;
        };
        hosted.kill_main();
        let before = hosted.process.as_ref().map_or(0, |p| p.out_of_memory);
        let killed = hosted.group.as_ref().map_or(0, Group::out_of_memory) > before;
        hosted.exit = Some(if killed && is_kill(exit) {
            Exit::OutOfMemory
        } else {
            exit
        });
        let since = system::monotonic();
        let then = match mem::replace(&mut hosted.phase, Phase::Still) {
            Phase::Ending { then, .. } | Phase::Clearing { then, .. } => then,
            Phase::Launching {
                ask,
                failed: Some(failure),
            } => Then::Failed { ask, failure },
            Phase::Launching { ask, failed: None } => {
                // It ran, and ended before that was heard.
                self.answer_status(&name, ask);
                Then::Crashed
            }
            Phase::Still | Phase::Up | Phase::Waiting { .. } | Phase::Removing { .. } => {
                Then::Crashed
            }
        };
        if let Some(hosted) = self.apps.get_mut(&name) {
            hosted.phase = Phase::Clearing { since, then };
        }
        true
    }

    /// What is due.
    pub(crate) fn tick_apps(&mut self) {
        let now = system::monotonic();
        let names: Vec<String> = self.apps.keys().cloned().collect();
        for name in names {
            let Some(hosted) = self.apps.get_mut(&name) else {
                continue;
            };
            let clearing = matches!(hosted.phase, Phase::Clearing { .. });
            let populated = clearing && hosted.is_populated();
            match &mut hosted.phase {
                Phase::Ending { at, then } if now >= *at => {
                    *at = now + VANISH;
                    let with_commands = !matches!(then, Then::Stop { .. });
                    if with_commands {
                        hosted.kill();
                    } else {
                        hosted.kill_main();
                    }
                }
                Phase::Clearing { since, .. } => {
                    if !populated || now >= *since + VANISH {
                        self.settle(&name);
                    } else {
                        hosted.kill_main();
                    }
                }
                Phase::Waiting { at } if now >= *at => {
                    if let Err(failure) = self.start_process(&name, None) {
                        self.could_not_start(&name, None, failure);
                    } else {
                        self.set_state(&name, State::Starting);
                    }
                }
                Phase::Up if hosted.state == State::Starting && now >= hosted.look => {
                    self.look_whether_it_listens(&name, now);
                }
                _ => {}
            }
        }
    }

    pub(crate) fn look_whether_it_listens(&mut self, name: &str, now: Millis) {
        let Some(hosted) = self.apps.get_mut(name) else {
            return;
        };
        if system::usage::listens(hosted.app.port, hosted.uid) {
            self.set_state(name, State::Running);
        } else {
            let began = hosted.process.as_ref().map_or(now, |process| process.began);
            hosted.look = now + (now.saturating_sub(began) / 8).clamp(10, 250);
        }
    }

    /// No process of an app is left.
    pub(crate) fn settle(&mut self, name: &str) {
        for stream in [Stream::Output, Stream::Error] {
            // What is in a pipe whose writers are dead has an end.
            while self.read_output(name, stream) {}
        }
        let Some(hosted) = self.apps.get_mut(name) else {
            return;
        };
        let process = hosted.process.take();
        hosted.unflooded = 0;
        let lines = hosted.log.end(system::monotonic(), system::wall());
        let phase = mem::replace(&mut hosted.phase, Phase::Still);
        self.tell_lines(name, lines);
        if let Some(hold) = process.and_then(|process| process.hold) {
            self.rooms.release(hold);
        }
        if let Phase::Clearing { then, .. } = phase {
            self.then(name, then);
        }
        self.advance(name);
    }

    /// An app ended by itself, and nothing of it is left.
    pub(crate) fn crashed(&mut self, name: &str) {
        let now = system::monotonic();
        let Some(hosted) = self.apps.get_mut(name) else {
            return;
        };
        let exit = hosted
            .exit
            .map_or_else(String::new, |exit| exit.to_string());
        match hosted.life.end(now) {
            Next::Again { at } => {
                hosted.phase = Phase::Waiting { at };
                let delay = at - now;
                self.say(name, format!("ended: {exit}; started again in {delay} ms"));
                self.set_state(name, State::Starting);
            }
            Next::GiveUp => {
                hosted.phase = Phase::Still;
                self.say(name, format!("ended: {exit}; it ended too often"));
                self.set_state(name, State::Crashed);
            }
        }
    }
}

/// By SIGKILL, or by a shell whose last command was.
fn is_kill(exit: Exit) -> bool {
    matches!(exit, Exit::Signal { signal: 9 } | Exit::Code { code: 137 })
}
