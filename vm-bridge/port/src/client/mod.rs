//! The client's side of a port: conversations, credit, deadlines, and the loss of the owner.
//!
//! A machine without I/O. The shell calls `handle_*` and [`Client::open`], [`Client::read`],
//! [`Client::cancel`]; after each it empties [`Client::poll_output`] and sets one timer to
//! [`Client::poll_timeout`], at which it calls [`Client::handle_timeout`].
//!
//! What is promised:
//! - Every conversation ends: by its answer's last byte or by a [`Lost`].
//! - When the owner goes away, an exchange that may run twice and of whose answer nothing was read
//!   yet is sent to the next owner; every other one ends with [`Lost::OwnerLost`].
//! - No byte of an answer is skipped or repeated.

mod talk;

use std::{
    collections::{BTreeMap, VecDeque},
    task::Poll,
};

use bytes::Bytes;

use crate::{Conversation, Failure, Frame, Malformed, Milliseconds, PROTOCOL, Refusal, Welcome};
use talk::{Stage, Talk};

/// Names one port that was handed to the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortId(pub u32);

/// Whole frontend messages of the Postgres wire protocol, to be answered as one.
#[derive(Debug, Clone)]
pub struct Exchange {
    /// The last one is a Sync or a simple Query.
    pub messages: Bytes,
    /// Whether running it twice is harmless.
    pub idempotent: bool,
    /// The conversation whose open transaction it continues.
    pub continues: Option<Conversation>,
    /// Whether a transaction still open afterwards is kept for the next exchange of this
    /// conversation.
    pub hold: bool,
}

/// How long the client waits for what.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// For a page to hand over a port.
    pub owner: Milliseconds,
    /// For the worker behind a port to say that it is there. It cannot while a query runs.
    pub greeting: Milliseconds,
    /// Between two requests for a port.
    pub ask: Milliseconds,
    /// For an owner that is there to open its database.
    pub opening: Milliseconds,
    /// For the next bytes of an answer.
    pub answer: Milliseconds,
    /// For the next exchange of a held transaction. The database's own limit is the one that
    /// matters; this one only forgets.
    pub hold: Milliseconds,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            owner: 5_000,
            greeting: 15_000,
            ask: 500,
            opening: 60_000,
            answer: 60_000,
            hold: 60_000,
        }
    }
}

/// Why a conversation has no (whole) answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lost {
    /// Nobody answered for the database.
    NoOwner,
    /// The owner went away; whether the exchange took effect is unknown.
    OwnerLost,
    /// The owner is there and did not answer in time; whether it took effect is unknown.
    Deadline,
    /// Too many exchanges are waiting; it was not run.
    Busy,
    /// The transaction it continues was rolled back meanwhile; it was not run.
    TransactionLost,
    /// The reader took nothing for too long while memory ran short.
    Stalled,
    /// The worker speaks another version of the port protocol.
    Version { ours: u16, theirs: u16 },
    /// The database could not be opened, or broke; for a person. No retry mends it.
    Broken(String),
}

/// What the shell must do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Ask every page for a port, and hand it in with [`Client::handle_port`].
    WantPort,
    /// Post this buffer, transferring it.
    Post { port: PortId, buffer: Bytes },
    /// Request this Web Lock in shared mode; when it is granted call [`Client::handle_lost`].
    Watch { port: PortId, life: String },
    /// Close the port and give up its watch; nothing more is said about it.
    Close { port: PortId },
    /// The database answers from now on. Whatever was notified before now was missed.
    Connected { port: PortId },
    /// [`Client::read`] has something new.
    Readable { conversation: Conversation },
    /// Postgres notified.
    Notify { channel: String, payload: String },
}

/// One client of one project's database.
#[derive(Debug)]
pub struct Client {
    build: String,
    life: String,
    limits: Limits,
    link: Link,
    talks: BTreeMap<Conversation, Talk>,
    conversations: u32,
    ports: u32,
    outputs: VecDeque<Output>,
}

#[derive(Debug)]
enum Link {
    /// No port. `ask` is when to request one again; none while nobody needs one.
    Down {
        ask: Option<Milliseconds>,
    },
    /// Hello was posted.
    Greeting {
        port: PortId,
        deadline: Milliseconds,
    },
    /// The owner is there and opens its database.
    Opening {
        port: PortId,
        deadline: Milliseconds,
    },
    Ready {
        port: PortId,
        welcome: Welcome,
    },
}

impl Link {
    fn port(&self) -> Option<PortId> {
        match self {
            Self::Down { .. } => None,
            Self::Greeting { port, .. } | Self::Opening { port, .. } | Self::Ready { port, .. } => {
                Some(*port)
            }
        }
    }
}

impl Client {
    /// A client that holds the Web Lock `life` while it lives (empty: none).
    pub fn new(build: &str, life: &str, limits: Limits) -> Self {
        Self {
            build: build.to_owned(),
            life: life.to_owned(),
            limits,
            link: Link::Down { ask: None },
            talks: BTreeMap::new(),
            conversations: 0,
            ports: 0,
            outputs: VecDeque::new(),
        }
    }

    /// What the connected database said about itself.
    pub fn welcome(&self) -> Option<&Welcome> {
        match &self.link {
            Link::Ready { welcome, .. } => Some(welcome),
            Link::Down { .. } | Link::Greeting { .. } | Link::Opening { .. } => None,
        }
    }

    /// Asks for a port without waiting for the first exchange.
    pub fn connect(&mut self, now: Milliseconds) {
        if matches!(self.link, Link::Down { ask: None }) {
            self.ask(now);
        }
    }

    /// Starts an exchange. Its answer is read with [`Client::read`].
    pub fn open(&mut self, exchange: Exchange, now: Milliseconds) -> Conversation {
        let (conversation, talk) = match exchange.continues {
            None => (self.fresh(), Talk::new(exchange, now)),
            Some(conversation) if self.holds(conversation, now) => {
                (conversation, Talk::new(exchange, now))
            }
            Some(_) => {
                let mut talk = Talk::new(exchange, now);
                talk.fail(Lost::TransactionLost);
                (self.fresh(), talk)
            }
        };
        self.talks.insert(conversation, talk);
        self.send_waiting(now);
        self.connect(now);
        conversation
    }

    /// The next bytes of the answer; `None` after the last. After an end or an error the
    /// conversation is forgotten, except that a held one can be continued.
    pub fn read(
        &mut self,
        conversation: Conversation,
        now: Milliseconds,
    ) -> Poll<Option<Result<Bytes, Lost>>> {
        let Some(talk) = self.talks.get_mut(&conversation) else {
            return Poll::Ready(None);
        };
        if let Some((bytes, grant)) = talk.take() {
            if grant > 0
                && let Some(port) = talk.sent_on()
            {
                talk.granted(grant, now + self.limits.answer);
                self.post(
                    port,
                    &Frame::Credit {
                        conversation,
                        bytes: grant,
                    },
                );
            }
            return Poll::Ready(Some(Ok(bytes)));
        }
        match talk.end() {
            None => Poll::Pending,
            Some(Ok(())) => {
                self.settle(conversation, now);
                Poll::Ready(None)
            }
            Some(Err(lost)) => {
                self.talks.remove(&conversation);
                Poll::Ready(Some(Err(lost)))
            }
        }
    }

    /// Nobody reads this answer any more. An answer that has arrived whole is only forgotten; a
    /// transaction it left open stays held.
    pub fn cancel(&mut self, conversation: Conversation, now: Milliseconds) {
        let Some(talk) = self.talks.get(&conversation) else {
            return;
        };
        match (talk.end(), talk.sent_on()) {
            (Some(Ok(())), _) => self.settle(conversation, now),
            (None, Some(port)) => {
                self.talks.remove(&conversation);
                self.post(port, &Frame::Cancel { conversation });
            }
            (None, None) if talk.held_by().is_some() => {}
            (None, None) | (Some(Err(_)), _) => {
                self.talks.remove(&conversation);
            }
        }
    }

    /// A page handed over a port. While another one is in use the new one is closed at once.
    pub fn handle_port(&mut self, now: Milliseconds) -> PortId {
        self.ports = self.ports.wrapping_add(1);
        let port = PortId(self.ports);
        match self.link {
            Link::Opening { .. } | Link::Ready { .. } => {
                self.outputs.push_back(Output::Close { port });
            }
            Link::Greeting { port: silent, .. } => {
                self.outputs.push_back(Output::Close { port: silent });
                self.greet(port, now);
            }
            Link::Down { .. } => self.greet(port, now),
        }
        port
    }

    /// There is another owner, or another worker of the same one: a port is asked for now instead
    /// of at the next turn. A connection that works is kept; its life lock tells of its end.
    pub fn handle_owner_changed(&mut self, now: Milliseconds) {
        match self.link {
            Link::Down { ask: Some(_) } => self.ask(now),
            Link::Greeting { port, .. } => self.handle_lost(port, now),
            Link::Down { ask: None } | Link::Opening { .. } | Link::Ready { .. } => {}
        }
    }

    /// The worker behind this port is gone: its life lock was granted, or the port failed.
    pub fn handle_lost(&mut self, port: PortId, now: Milliseconds) {
        if self.link.port() != Some(port) {
            return;
        }
        self.outputs.push_back(Output::Close { port });
        self.link = Link::Down { ask: None };
        for (&conversation, talk) in &mut self.talks {
            if talk.owner_lost(port, now) {
                self.outputs.push_back(Output::Readable { conversation });
            }
        }
        self.talks.retain(|_, talk| talk.held_by() != Some(port));
        if self.talks.values().any(Talk::waits) {
            self.ask(now);
        }
    }

    /// A buffer arrived on a port.
    pub fn handle_buffer(&mut self, port: PortId, buffer: Bytes, now: Milliseconds) {
        if self.link.port() != Some(port) {
            return;
        }
        match Frame::decode(buffer) {
            Ok(frame) => self.handle_frame(port, frame, now),
            Err(Malformed::Version { theirs }) => self.refused(
                port,
                &Lost::Version {
                    ours: PROTOCOL,
                    theirs,
                },
            ),
            Err(malformed) => {
                self.refused(port, &Lost::Broken(malformed.to_string()));
            }
        }
    }

    /// Something is due: deadlines pass, a port is asked for again.
    pub fn handle_timeout(&mut self, now: Milliseconds) {
        match self.link {
            Link::Down { ask: Some(at) } if at <= now => {
                if self.talks.values().any(Talk::waits) {
                    self.ask(now);
                } else {
                    self.link = Link::Down { ask: None };
                }
            }
            Link::Greeting { port, deadline } | Link::Opening { port, deadline }
                if deadline <= now =>
            {
                self.refused(port, &Lost::Deadline);
            }
            Link::Down { .. }
            | Link::Greeting { .. }
            | Link::Opening { .. }
            | Link::Ready { .. } => {}
        }
        let down = matches!(self.link, Link::Down { .. });
        let mut cancelled = Vec::new();
        let limits = self.limits;
        self.talks.retain(|&conversation, talk| match talk.stage() {
            Stage::Waiting { since } => {
                if down && since + limits.owner <= now {
                    talk.fail(Lost::NoOwner);
                    self.outputs.push_back(Output::Readable { conversation });
                }
                true
            }
            Stage::Sent {
                port,
                deadline: Some(deadline),
            } => {
                if deadline <= now {
                    talk.fail(Lost::Deadline);
                    cancelled.push((port, conversation));
                    self.outputs.push_back(Output::Readable { conversation });
                }
                true
            }
            Stage::Sent { deadline: None, .. } | Stage::Ended => true,
            Stage::Held { since, .. } => since + limits.hold > now,
        });
        for (port, conversation) in cancelled {
            self.post(port, &Frame::Cancel { conversation });
        }
    }

    /// When [`Client::handle_timeout`] is to be called; never, if none.
    pub fn poll_timeout(&self) -> Option<Milliseconds> {
        let link = match self.link {
            Link::Down { ask } => ask,
            Link::Greeting { deadline, .. } | Link::Opening { deadline, .. } => Some(deadline),
            Link::Ready { .. } => None,
        };
        let down = matches!(self.link, Link::Down { .. });
        let talks = self.talks.values().filter_map(|talk| match talk.stage() {
            Stage::Waiting { since } if down => Some(since + self.limits.owner),
            Stage::Sent { deadline, .. } => deadline,
            Stage::Held { since, .. } => Some(since + self.limits.hold),
            Stage::Waiting { .. } | Stage::Ended => None,
        });
        talks.chain(link).min()
    }

    /// The next thing for the shell to do.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Says goodbye and closes the port. Whatever is under way ends with [`Lost::OwnerLost`].
    pub fn close(&mut self) {
        if let Some(port) = self.link.port() {
            self.post(port, &Frame::Goodbye);
            self.refused(port, &Lost::OwnerLost);
        }
    }

    fn handle_frame(&mut self, port: PortId, frame: Frame, now: Milliseconds) {
        match frame {
            Frame::Opening { life, .. } => {
                if matches!(self.link, Link::Greeting { .. }) {
                    self.link = Link::Opening {
                        port,
                        deadline: now + self.limits.opening,
                    };
                    if !life.is_empty() {
                        self.outputs.push_back(Output::Watch { port, life });
                    }
                }
            }
            Frame::Welcome(welcome) => {
                if !matches!(self.link, Link::Ready { .. }) {
                    self.link = Link::Ready { port, welcome };
                    self.outputs.push_back(Output::Connected { port });
                    self.send_waiting(now);
                }
            }
            Frame::Refused(Refusal::Closing) | Frame::Goodbye => self.handle_lost(port, now),
            Frame::Refused(Refusal::Broken(text)) => self.refused(port, &Lost::Broken(text)),
            Frame::Refused(Refusal::Malformed(text)) => self.refused(
                port,
                &Lost::Broken(format!("the worker did not understand: {text}")),
            ),
            // Its version is ours, or it would not have been decoded.
            Frame::Refused(Refusal::Version) => self.refused(
                port,
                &Lost::Version {
                    ours: PROTOCOL,
                    theirs: PROTOCOL,
                },
            ),
            Frame::Body {
                conversation,
                offset,
                last,
                bytes,
            } => self.handle_body(port, conversation, offset, last, bytes, now),
            Frame::Failed {
                conversation,
                failure,
            } => {
                if let Some(talk) = self.talks.get_mut(&conversation)
                    && talk.answers_on(port)
                {
                    talk.fail(match failure {
                        Failure::Busy => Lost::Busy,
                        Failure::TransactionLost => Lost::TransactionLost,
                        Failure::Stalled => Lost::Stalled,
                        Failure::Broken(text) => Lost::Broken(text),
                    });
                    self.outputs.push_back(Output::Readable { conversation });
                }
            }
            Frame::Notify { channel, payload } => {
                self.outputs.push_back(Output::Notify { channel, payload });
            }
            Frame::Hello { .. }
            | Frame::Exchange { .. }
            | Frame::Credit { .. }
            | Frame::Cancel { .. } => self.refused(
                port,
                &Lost::Broken("the worker sent what only a client sends".to_owned()),
            ),
        }
    }

    fn handle_body(
        &mut self,
        port: PortId,
        conversation: Conversation,
        offset: u64,
        last: bool,
        bytes: Bytes,
        now: Milliseconds,
    ) {
        // A conversation that is unknown here was cancelled; what was on its way is dropped.
        let Some(talk) = self.talks.get_mut(&conversation) else {
            return;
        };
        if !talk.answers_on(port) {
            return;
        }
        if talk.receive(offset, last, bytes, now + self.limits.answer) {
            self.outputs.push_back(Output::Readable { conversation });
        } else {
            // A frame was lost, so the port cannot be trusted with the others either.
            self.post(port, &Frame::Goodbye);
            self.handle_lost(port, now);
        }
    }

    /// Turns an answer that has arrived whole into a held transaction, or forgets it.
    fn settle(&mut self, conversation: Conversation, now: Milliseconds) {
        let holds = self
            .talks
            .get_mut(&conversation)
            .is_some_and(|talk| talk.settle(self.link.port(), now));
        if !holds {
            self.talks.remove(&conversation);
        }
    }

    /// Whether a transaction of this conversation is open at the owner of now.
    fn holds(&mut self, conversation: Conversation, now: Milliseconds) -> bool {
        // Its reader may have stopped at the last byte, before the end was told.
        if self.talks.get(&conversation).is_some_and(Talk::is_read) {
            self.settle(conversation, now);
        }
        let held_by = self.talks.get(&conversation).and_then(Talk::held_by);
        held_by.is_some() && held_by == self.link.port()
    }

    fn fresh(&mut self) -> Conversation {
        self.conversations = self.conversations.wrapping_add(1);
        Conversation(self.conversations)
    }

    fn ask(&mut self, now: Milliseconds) {
        self.outputs.push_back(Output::WantPort);
        self.link = Link::Down {
            ask: Some(now + self.limits.ask),
        };
    }

    fn greet(&mut self, port: PortId, now: Milliseconds) {
        self.link = Link::Greeting {
            port,
            deadline: now + self.limits.greeting,
        };
        let hello = Frame::Hello {
            build: self.build.clone(),
            life: self.life.clone(),
        };
        self.post(port, &hello);
    }

    /// The port is useless for a reason that another port would not mend at once: whatever waits
    /// or is under way ends with it. The next exchange tries anew.
    fn refused(&mut self, port: PortId, lost: &Lost) {
        self.outputs.push_back(Output::Close { port });
        self.link = Link::Down { ask: None };
        for (&conversation, talk) in &mut self.talks {
            if talk.waits() || talk.answers_on(port) {
                talk.fail(lost.clone());
                self.outputs.push_back(Output::Readable { conversation });
            }
        }
        self.talks.retain(|_, talk| talk.held_by() != Some(port));
    }

    fn send_waiting(&mut self, now: Milliseconds) {
        let Link::Ready { port, .. } = self.link else {
            return;
        };
        let deadline = now + self.limits.answer;
        for (&conversation, talk) in &mut self.talks {
            if let Some(frame) = talk.send(conversation, port, deadline) {
                let buffer = frame.encode();
                self.outputs.push_back(Output::Post { port, buffer });
            }
        }
    }

    fn post(&mut self, port: PortId, frame: &Frame) {
        let buffer = frame.encode();
        self.outputs.push_back(Output::Post { port, buffer });
    }
}

#[cfg(test)]
mod tests;
