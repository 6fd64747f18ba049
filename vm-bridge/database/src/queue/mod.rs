//! One queue before one Postgres session: what runs next, and who hears of it.
//!
//! A machine without I/O. The shell calls `handle_*`; after each it empties [`Queue::poll_output`]
//! and sets one timer to [`Queue::poll_timeout`]. At most one [`Output::Execute`],
//! [`Output::Sync`] or [`Output::Pause`] is unanswered at a time.
//!
//! What is promised:
//! - **Invariant:** between the first and the last exchange of a transaction nothing of another
//!   conversation runs.
//! - Clients take turns; one client's exchanges run in the order in which they came.
//! - **Invariant:** no byte of an answer leaves before what it rests on is durable.
//! - What one exchange leaves in the session (settings, roles, prepared statements, LISTENs,
//!   temporary tables) is gone before another conversation's runs.
//! - An exchange that was cancelled while the session was busy with others never runs.
//! - A session that lost its place is never used again.

mod clients;
mod inbox;
mod limits;
mod outgoing;
mod session;
#[cfg(test)]
mod tests;
mod turn;

use std::collections::VecDeque;

use bytes::Bytes;
use port::{Conversation, Failure, Frame, Malformed, Milliseconds, Refusal, Storage, Welcome};

use crate::{backend, migrations::Runner};
use clients::Clients;
pub use limits::{Limits, Settings};
use outgoing::Outgoing;
use session::{Holder, Session, Step};

/// Names one client's port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId(pub u32);

/// What the shell must do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Let the session run these messages, then call [`Queue::handle_answer`].
    Execute { messages: Bytes },
    /// Make durable what was written, then call [`Queue::handle_synced`].
    Sync,
    /// Let in what waits at the ports, then call [`Queue::handle_paused`].
    Pause,
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
    /// Since when nothing was let in.
    busy_since: Milliseconds,
    /// Nothing ran since the last [`Output::Pause`].
    listened: bool,
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
            busy_since: now,
            listened: false,
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
        self.wake(now);
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
        self.wake(now);
    }

    /// The client's port failed or its life lock was granted.
    pub fn handle_gone(&mut self, client: ClientId, now: Milliseconds) {
        self.forget(client);
        self.wake(now);
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
            | Step::Listening
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
                self.wake(now);
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

    /// What waited at the ports came in since the last [`Output::Pause`].
    pub fn handle_paused(&mut self, now: Milliseconds) {
        if matches!(self.session.step, Step::Listening) {
            self.session.step = Step::Idle;
            self.listened = true;
            self.wake(now);
        }
    }

    /// The session could not be opened, or threw instead of answering; the text is for a person.
    pub fn handle_broken(&mut self, text: &str) {
        if !matches!(self.session.step, Step::Broken(_)) {
            self.break_down(text);
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

    /// The session is never used again. Whoever it broke under hears of it; the others are
    /// refused.
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
        // It broke after them, perhaps because of them: none of them is to be tried again unasked.
        for parked in std::mem::take(&mut self.parked) {
            if let Parked::Answer {
                client,
                conversation,
                ..
            } = parked
            {
                self.fail(client, conversation, Failure::Broken(text.to_owned()));
            }
        }
        let refusal = self.broken(text);
        for client in self.clients.ids() {
            self.refuse(client, refusal.clone());
        }
        self.outputs.push_back(Output::Broken {
            text: text.to_owned(),
        });
    }

    /// What is said when there is no session: the next worker opens what was open before, and meets
    /// again what kept this one from opening.
    fn broken(&self, text: &str) -> Refusal {
        if self.welcome.is_some() {
            Refusal::Closing
        } else {
            Refusal::Broken(text.to_owned())
        }
    }

    fn post(&mut self, client: ClientId, frame: &Frame) {
        let buffer = frame.encode();
        self.outputs.push_back(Output::Post { client, buffer });
    }
}
