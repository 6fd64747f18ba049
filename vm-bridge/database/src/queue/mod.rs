//! One queue before one Postgres session: what runs next, and who hears of it.
//!
//! A machine without I/O. The shell calls `handle_*`; after each it empties [`Queue::poll_output`]
//! and sets one timer to [`Queue::poll_timeout`]. At most one [`Output::Execute`] or
//! [`Output::Sync`] is unanswered at a time.
//!
//! What is promised:
//! - **Invariant:** between the first and the last exchange of a transaction nothing of another
//!   conversation runs.
//! - Clients take turns; one client's exchanges run in the order in which they came.
//! - **Invariant:** no byte of an answer leaves before what it rests on is durable.
//! - What one exchange leaves in the session (settings, roles, prepared statements, LISTENs,
//!   temporary tables) is gone before another conversation's runs.
//! - A session that lost its place is never used again.

mod clients;
mod outgoing;
mod session;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use bytes::Bytes;
use port::{Conversation, Failure, Frame, Malformed, Milliseconds, Refusal, Storage, Welcome};

use crate::{backend, frontend, migrations::Runner};
use clients::{Clients, Waiting};
use outgoing::Outgoing;
use session::{Holder, Session, Step};

/// Settings and identity as they were when the session was opened. A standalone Postgres has no
/// default for the session's user: once changed, even for one transaction, it stays so unless it
/// was named before; so it is named here, and never left to `default`.
const RESET: &str = "set session authorization postgres; set role none; reset all";

/// Names one client's port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId(pub u32);

/// How much and how long.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Exchanges that may wait.
    pub waiting: usize,
    /// Bytes of one exchange.
    pub exchange: usize,
    /// Bytes of all exchanges that wait.
    pub backlog: usize,
    /// Bytes of answers not yet taken, over which nothing new runs.
    pub unread: usize,
    /// For a reader to take something while there are more.
    pub stall: Milliseconds,
    /// For the next exchange of a held transaction.
    pub hold: Milliseconds,
    /// Exchanges that are made durable together, and how long the first of them waits for the others.
    pub group: usize,
    pub gather: Milliseconds,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            waiting: 2_000,
            exchange: 128 * 1024 * 1024,
            backlog: 256 * 1024 * 1024,
            unread: 256 * 1024 * 1024,
            stall: 30_000,
            hold: 5_000,
            group: 64,
            gather: 10,
        }
    }
}

/// What the queue is told about the database it serves.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The build of the worker.
    pub build: String,
    /// The Web Lock that the worker holds while it lives; empty: none.
    pub life: String,
    /// SQL that follows every reset of the session, where its start-up settings do not suffice.
    pub baseline: String,
    pub limits: Limits,
}

/// What the shell must do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Let the session run these messages, then call [`Queue::handle_answer`].
    Execute { messages: Bytes },
    /// Make durable what was written, then call [`Queue::handle_synced`].
    Sync,
    /// Post this buffer, transferring it.
    Post { client: ClientId, buffer: Bytes },
    /// Request this Web Lock in shared mode; when it is granted call [`Queue::handle_gone`].
    Watch { client: ClientId, life: String },
    /// Close the port and give up its watch; nothing more is said about it.
    Close { client: ClientId },
    /// The session cannot be used any more; the text is for a person. Nothing follows but refusals.
    Broken { text: String },
}

#[derive(Debug)]
pub struct Queue {
    settings: Settings,
    clients: Clients,
    session: Session,
    /// Answers that wait for a sync, in order, and notifications among them.
    parked: Vec<Parked>,
    parked_since: Milliseconds,
    outgoing: Outgoing,
    outputs: VecDeque<Output>,
    /// What clients are told once the database is open; none before.
    welcome: Option<Welcome>,
    storage: Storage,
    migration: u32,
    created: bool,
    started: Milliseconds,
}

#[derive(Debug)]
enum Parked {
    Answer {
        client: ClientId,
        conversation: Conversation,
        answer: Bytes,
    },
    Notify {
        channel: String,
        payload: String,
    },
}

impl Queue {
    /// A queue before a session that is still to be opened: whoever comes is told so and waits.
    pub fn new(settings: Settings, now: Milliseconds) -> Self {
        Self {
            settings,
            clients: Clients::default(),
            session: Session::default(),
            parked: Vec::new(),
            parked_since: now,
            outgoing: Outgoing::default(),
            outputs: VecDeque::new(),
            welcome: None,
            storage: Storage::Memory,
            migration: 0,
            created: false,
            started: now,
        }
    }

    /// The session is open. It is prepared first, by our migrations if a runner is given.
    pub fn handle_opened(&mut self, storage: Storage, runner: Option<Runner>) {
        if !matches!(self.session.step, Step::Opening) {
            return;
        }
        self.storage = storage;
        match runner {
            Some(runner) => self.prepare(runner),
            None => self.reset(true),
        }
    }

    /// The next thing for the shell to do.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Queue::handle_timeout`] is to be called; never, if none.
    pub fn poll_timeout(&self) -> Option<Milliseconds> {
        let hold = match (&self.session.holder, &self.session.step) {
            (Some(holder), Step::Idle) => Some(holder.since + self.settings.limits.hold),
            (Some(_) | None, _) => None,
        };
        let stall = self
            .crowded()
            .then(|| self.outgoing.oldest_stall())
            .flatten()
            .map(|since| since + self.settings.limits.stall);
        hold.into_iter().chain(stall).min()
    }

    /// Something is due.
    pub fn handle_timeout(&mut self, now: Milliseconds) {
        if let (Some(holder), Step::Idle) = (&self.session.holder, &self.session.step)
            && holder.since + self.settings.limits.hold <= now
        {
            self.session.holder = None;
            self.session.open = true;
        }
        if self.crowded() {
            let stalled = self.outgoing.stalled(now, self.settings.limits.stall);
            for (client, conversation) in stalled {
                self.fail(client, conversation, Failure::Stalled);
            }
        }
        self.advance(now);
    }

    /// A buffer arrived from a client; the first one makes it known.
    pub fn handle_buffer(&mut self, client: ClientId, buffer: Bytes, now: Milliseconds) {
        match Frame::decode(buffer) {
            Ok(frame) => self.handle_frame(client, frame, now),
            Err(Malformed::Version { .. }) => self.refuse(client, Refusal::Version),
            Err(malformed) => {
                self.refuse(client, Refusal::Malformed(malformed.to_string()));
            }
        }
        self.advance(now);
    }

    /// The client's port failed or its life lock was granted.
    pub fn handle_gone(&mut self, client: ClientId, now: Milliseconds) {
        self.forget(client);
        self.advance(now);
    }

    /// The session's answer to the last [`Output::Execute`], and whether anything was written to
    /// storage meanwhile.
    pub fn handle_answer(&mut self, answer: Bytes, wrote: bool, now: Milliseconds) {
        if matches!(self.session.step, Step::Broken(_)) {
            return;
        }
        self.session.unsynced |= wrote;
        let summary = backend::summarize(&answer);
        let Some(status) = summary.status else {
            self.break_down("The database session stopped answering.");
            return;
        };
        match std::mem::replace(&mut self.session.step, Step::Idle) {
            Step::Preparing(mut runner) => match runner.handle(&answer) {
                Ok(()) => self.prepare(runner),
                Err(fault) => self.break_down(&fault.to_string()),
            },
            Step::Exchange {
                client,
                conversation,
                hold,
            } => {
                self.session.lasting |= summary.lasting;
                self.session.holder = match client {
                    Some(client) if hold && status != b'I' => Some(Holder {
                        client,
                        conversation,
                        since: now,
                        status,
                    }),
                    Some(_) | None => None,
                };
                self.session.used = self.session.holder.is_none();
                self.session.open = self.session.used && status != b'I';
                if self.parked.is_empty() {
                    self.parked_since = now;
                }
                for (channel, payload) in summary.notifications {
                    self.parked.push(Parked::Notify { channel, payload });
                }
                if let Some(client) = client {
                    self.parked.push(Parked::Answer {
                        client,
                        conversation,
                        answer,
                    });
                }
                // What an open transaction wrote need not last before its end.
                self.session.unsaved |= self.session.unsynced && status == b'I';
                if !self.session.unsaved {
                    self.release(now);
                }
            }
            Step::Resetting if summary.error.is_some() => {
                let (code, message) = summary.error.unwrap_or_default();
                self.break_down(&format!(
                    "The database session could not be reset: {message} ({code})"
                ));
            }
            Step::Opening
            | Step::RollingBack
            | Step::Resetting
            | Step::Idle
            | Step::Syncing
            | Step::Broken(_) => {}
        }
        self.advance(now);
    }

    /// The outcome of the last [`Output::Sync`]; an error's text is for a person.
    pub fn handle_synced(&mut self, outcome: Result<(), String>, now: Milliseconds) {
        if !matches!(self.session.step, Step::Syncing) {
            return;
        }
        match outcome {
            Ok(()) => {
                self.session.step = Step::Idle;
                self.session.unsynced = false;
                self.session.unsaved = false;
                self.release(now);
                self.advance(now);
            }
            Err(text) => {
                let text = format!("What was written could not be saved: {text}");
                for parked in std::mem::take(&mut self.parked) {
                    if let Parked::Answer {
                        client,
                        conversation,
                        ..
                    } = parked
                    {
                        self.fail(client, conversation, Failure::Broken(text.clone()));
                    }
                }
                self.break_down(&text);
            }
        }
    }

    /// The session could not be opened, or threw instead of answering; the text is for a person.
    pub fn handle_broken(&mut self, text: &str) {
        if !matches!(self.session.step, Step::Broken(_)) {
            self.break_down(text);
        }
    }

    fn handle_frame(&mut self, client: ClientId, frame: Frame, now: Milliseconds) {
        match frame {
            Frame::Hello { life, .. } => self.hello(client, life),
            Frame::Goodbye => self.forget(client),
            _ if !self.clients.knows(client) => {
                self.refuse(client, Refusal::Malformed("no Hello came first".to_owned()));
            }
            Frame::Exchange {
                conversation,
                continues,
                hold,
                messages,
            } => self.exchange(client, conversation, continues, hold, &messages, now),
            Frame::Credit {
                conversation,
                bytes,
            } => {
                self.outgoing.credit(client, conversation, bytes, now);
                self.pump(client, conversation, now);
            }
            Frame::Cancel { conversation } => self.cancel(client, conversation),
            Frame::Opening { .. }
            | Frame::Welcome(_)
            | Frame::Refused(_)
            | Frame::Body { .. }
            | Frame::Failed { .. }
            | Frame::Notify { .. } => {
                let text = "a frame that no client of a database sends".to_owned();
                self.refuse(client, Refusal::Malformed(text));
            }
        }
    }

    fn hello(&mut self, client: ClientId, life: String) {
        if let Step::Broken(text) = &self.session.step {
            let refusal = Refusal::Broken(text.clone());
            self.refuse(client, refusal);
            return;
        }
        if self.clients.knows(client) {
            self.refuse(client, Refusal::Malformed("a second Hello".to_owned()));
            return;
        }
        self.clients.add(client);
        let opening = Frame::Opening {
            build: self.settings.build.clone(),
            life: self.settings.life.clone(),
        };
        self.post(client, &opening);
        if !life.is_empty() {
            self.outputs.push_back(Output::Watch { client, life });
        }
        if let Some(welcome) = self.welcome.clone() {
            self.post(client, &Frame::Welcome(welcome));
        }
    }

    fn exchange(
        &mut self,
        client: ClientId,
        conversation: Conversation,
        continues: bool,
        hold: bool,
        messages: &Bytes,
        now: Milliseconds,
    ) {
        if self.clients.waits(client, conversation)
            || self.outgoing.has(client, conversation)
            || self.session.runs(client, conversation)
        {
            let text = "a conversation that is under way".to_owned();
            self.refuse(client, Refusal::Malformed(text));
            return;
        }
        let status = match &self.session.holder {
            Some(holder) if holder.is(client, conversation) => Some(holder.status),
            Some(_) | None => None,
        };
        if continues != status.is_some() {
            self.fail(client, conversation, Failure::TransactionLost);
            return;
        }
        match frontend::check(messages, self.settings.limits.exchange) {
            Err(fault) => {
                let answer = fault.answer(status.unwrap_or(b'I'));
                self.outgoing.add(client, conversation, answer);
                self.pump(client, conversation, now);
            }
            Ok(script) => {
                let limits = &self.settings.limits;
                if self.clients.waiting() >= limits.waiting
                    || self.clients.backlog() + script.messages.len() > limits.backlog
                {
                    self.fail(client, conversation, Failure::Busy);
                    return;
                }
                self.clients.push(
                    client,
                    Waiting {
                        conversation,
                        hold,
                        script,
                    },
                );
            }
        }
    }

    fn cancel(&mut self, client: ClientId, conversation: Conversation) {
        self.clients.remove_waiting(client, conversation);
        self.outgoing.remove(client, conversation);
        self.parked.retain(|parked| {
            !matches!(parked, Parked::Answer { client: of, conversation: in_, .. }
                if *of == client && *in_ == conversation)
        });
        self.session
            .abandon(|of, in_| of == client && in_ == conversation);
    }

    /// Drops all that was for this client; its open transaction is rolled back.
    fn forget(&mut self, client: ClientId) {
        if !self.clients.remove(client) {
            return;
        }
        self.outgoing.remove_client(client);
        self.parked
            .retain(|parked| !matches!(parked, Parked::Answer { client: of, .. } if *of == client));
        self.session.abandon(|of, _| of == client);
        self.outputs.push_back(Output::Close { client });
    }

    fn refuse(&mut self, client: ClientId, refusal: Refusal) {
        self.post(client, &Frame::Refused(refusal));
        if self.clients.knows(client) {
            self.forget(client);
        } else {
            self.outputs.push_back(Output::Close { client });
        }
    }

    /// Starts whatever is to happen next, if the session is free.
    fn advance(&mut self, now: Milliseconds) {
        if !matches!(self.session.step, Step::Idle) {
            return;
        }
        if self.session.open {
            self.roll_back();
            return;
        }
        if self.session.used {
            self.reset(self.session.lasting);
            return;
        }
        if self.welcome.is_none() && !self.session.unsynced {
            self.welcome_all(now);
        }
        let gathering = self.parked.len() < self.settings.limits.group
            && now < self.parked_since + self.settings.limits.gather;
        if self.welcome.is_some()
            && (self.parked.is_empty() || gathering)
            && (self.session.holder.is_some() || !self.crowded())
            && let Some((client, waiting)) = self.clients.pop(self.session.holder.as_ref())
        {
            self.run(client, waiting);
            return;
        }
        // An open transaction has nothing of its own to save before its end.
        if !self.parked.is_empty() || (self.session.unsynced && self.session.holder.is_none()) {
            self.session.step = Step::Syncing;
            self.outputs.push_back(Output::Sync);
        }
    }

    fn run(&mut self, client: ClientId, waiting: Waiting) {
        self.session.lasting |= waiting.script.prepares;
        self.session.step = Step::Exchange {
            client: Some(client),
            conversation: waiting.conversation,
            hold: waiting.hold,
        };
        self.outputs.push_back(Output::Execute {
            messages: waiting.script.messages,
        });
    }

    fn roll_back(&mut self) {
        self.session.open = false;
        self.session.used = true;
        self.session.step = Step::RollingBack;
        self.outputs.push_back(Output::Execute {
            messages: frontend::query("rollback"),
        });
    }

    /// Takes the session back to what it was when it was opened. Settings and roles go always,
    /// since a function may have set them unseen; the rest only where a command can have left it,
    /// because that throws away the plans of every function too.
    fn reset(&mut self, lasting: bool) {
        self.session.used = false;
        self.session.lasting = false;
        self.session.step = Step::Resetting;
        let baseline = &self.settings.baseline;
        let messages = if lasting {
            let discard = frontend::query("discard all");
            let listen = frontend::query(&format!("{RESET}; listen pgrst; {baseline}"));
            [discard, listen].concat().into()
        } else {
            frontend::query(&format!("{RESET}; {baseline}"))
        };
        self.outputs.push_back(Output::Execute { messages });
    }

    fn prepare(&mut self, runner: Runner) {
        if let Some(messages) = runner.poll() {
            self.session.step = Step::Preparing(runner);
            self.outputs.push_back(Output::Execute { messages });
        } else {
            self.migration = runner.latest();
            self.created = runner.created();
            self.reset(true);
        }
    }

    fn welcome_all(&mut self, now: Milliseconds) {
        let welcome = Welcome {
            build: self.settings.build.clone(),
            storage: self.storage,
            migration: self.migration,
            created: self.created,
            milliseconds: u32::try_from(now.saturating_sub(self.started)).unwrap_or(u32::MAX),
        };
        for client in self.clients.ids() {
            self.post(client, &Frame::Welcome(welcome.clone()));
        }
        self.welcome = Some(welcome);
    }

    fn release(&mut self, now: Milliseconds) {
        for parked in std::mem::take(&mut self.parked) {
            match parked {
                Parked::Answer {
                    client,
                    conversation,
                    answer,
                } => {
                    self.outgoing.add(client, conversation, answer);
                    self.pump(client, conversation, now);
                }
                Parked::Notify { channel, payload } => {
                    let frame = Frame::Notify { channel, payload };
                    for client in self.clients.ids() {
                        self.post(client, &frame);
                    }
                }
            }
        }
    }

    fn crowded(&self) -> bool {
        self.outgoing.unread() > self.settings.limits.unread
    }

    fn pump(&mut self, client: ClientId, conversation: Conversation, now: Milliseconds) {
        while let Some(frame) = self.outgoing.next(client, conversation, now) {
            self.post(client, &frame);
        }
    }

    fn fail(&mut self, client: ClientId, conversation: Conversation, failure: Failure) {
        self.outgoing.remove(client, conversation);
        self.post(
            client,
            &Frame::Failed {
                conversation,
                failure,
            },
        );
    }

    /// The session is never used again. Whoever it broke under hears of it; the others may try the
    /// next worker, except where a next one would meet the same.
    fn break_down(&mut self, text: &str) {
        if let Step::Exchange {
            client: Some(client),
            conversation,
            ..
        } = self.session.step
        {
            self.fail(client, conversation, Failure::Broken(text.to_owned()));
        }
        self.session = Session {
            step: Step::Broken(text.to_owned()),
            ..Session::default()
        };
        self.parked.clear();
        let refusal = if self.welcome.is_some() {
            Refusal::Closing
        } else {
            Refusal::Broken(text.to_owned())
        };
        for client in self.clients.ids() {
            self.refuse(client, refusal.clone());
        }
        self.outputs.push_back(Output::Broken {
            text: text.to_owned(),
        });
    }

    fn post(&mut self, client: ClientId, frame: &Frame) {
        let buffer = frame.encode();
        self.outputs.push_back(Output::Post { client, buffer });
    }
}
