//! HTTP in both directions over one port, between the router and the worker of a VM.
//!
//! [`Peer`] is a machine without I/O, the same on both sides. The shell, or rather a [`Line`], calls
//! `handle_*` and the other methods; after each it empties [`Peer::poll_output`] and sets one timer
//! to [`Peer::poll_timeout`], at which it calls [`Peer::handle_timeout`].
//!
//! What is promised:
//! - Every request ends: by the head of an answer or by a [`Lost`]. Every body ends: whole or by an
//!   [`Interrupted`].
//! - When the port is lost, a request that was not sent yet is sent on the next one; so is one whose
//!   answer had not begun, if it may run twice and nothing of its body was sent. Every other one
//!   ends with [`Lost::OwnerLost`], and a body that was on its way with [`Interrupted::Lost`].
//! - No byte of a body is skipped or repeated, and no more than [`INITIAL_CREDIT`] of it wait here.
//! - A slow reader stops its own body and nothing else.

mod body;
mod frame;
mod line;
mod talk;

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    task::Poll,
};

use bytes::Bytes;

use crate::{Conversation, Malformed, Milliseconds, PROTOCOL, PortId, Refusal};
use talk::{Opening, Role, Stage, Talk};

pub use body::{Body, Interrupted};
pub use frame::{Failure, Frame, RequestHead, ResponseHead};
pub use line::{Answering, Asking, Attachment, Closed, Line, Port, Shell, WeakLine};

#[cfg(doc)]
use crate::INITIAL_CREDIT;

/// Which side of a line this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Its conversations have even numbers. It keeps the port that works.
    Router,
    /// Its conversations have odd numbers. It takes every port that it is given: only the router
    /// knows which of them it uses.
    Worker,
}

/// Names one conversation on this side, whoever began it; never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Call(u64);

/// A request to be sent.
#[derive(Debug, Clone)]
pub struct Ask {
    pub head: RequestHead,
    pub has_body: bool,
    /// Whether something is transferred beside it.
    pub attachment: bool,
    /// Whether somebody is to be started on the other side, if nobody is there.
    pub start: bool,
}

/// How much of a body may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Room {
    /// So many bytes now.
    Bytes(usize),
    /// Nothing any more: the conversation is over, or nobody reads this body.
    Gone,
}

/// How long a side waits for what, and how much it takes on.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// For somebody to hand over a port.
    pub owner: Milliseconds,
    /// Between two requests for a port.
    pub ask: Milliseconds,
    /// For the first word on a port. The other side may have to be loaded first.
    pub greeting: Milliseconds,
    /// Of silence on a port with conversations, before the other side is asked whether it is there.
    pub quiet: Milliseconds,
    /// For the answer to that. The other side may be computing.
    pub pong: Milliseconds,
    /// For the head of an answer, from the last sign of the request's body on. The other side has a
    /// shorter limit of its own; this one is for when it fails.
    pub head: Milliseconds,
    /// Conversations that the other side may have open.
    pub conversations: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            owner: 5_000,
            ask: 500,
            greeting: 30_000,
            quiet: 5_000,
            pong: 10_000,
            head: 180_000,
            conversations: 1_024,
        }
    }
}

/// Why a request that was sent over a line has no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lost {
    /// Nobody is on the other side.
    NoOwner,
    /// The other side went away; whether the request took effect is unknown.
    OwnerLost,
    /// The other side is there and did not answer in time; whether it took effect is unknown.
    Deadline,
    /// The other side has too much to do; it was not begun.
    Busy,
    /// The other side speaks another version of the port protocol.
    Version { ours: u16, theirs: u16 },
    /// The other side cannot serve; for a person. No retry mends it.
    Broken(String),
}

impl fmt::Display for Lost {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoOwner => formatter.write_str("nobody is on the other side"),
            Self::OwnerLost => formatter.write_str("the other side went away"),
            Self::Deadline => formatter.write_str("the other side did not answer in time"),
            Self::Busy => formatter.write_str("the other side has too much to do"),
            Self::Version { ours, theirs } => write!(
                formatter,
                "the other side speaks version {theirs} of the protocol, this one {ours}"
            ),
            Self::Broken(reason) => formatter.write_str(reason),
        }
    }
}

impl std::error::Error for Lost {}

/// What the shell must do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Ask for a port, and hand it in with [`Peer::handle_port`]. With `start`, somebody is to be
    /// started on the other side if nobody is there; without, [`Peer::handle_absent`] is enough.
    WantPort { start: bool },
    /// Post this buffer, transferring it, and beside it what belongs to this call.
    Post {
        port: PortId,
        buffer: Bytes,
        attachment: Option<Call>,
    },
    /// Request this Web Lock in shared mode; when it is granted call [`Peer::handle_lost`].
    Watch { port: PortId, life: String },
    /// Close the port and give up its watch; nothing more is said about it.
    Close { port: PortId },
    /// The other side asks. [`Peer::answer`] is expected, unless [`Peer::room`] says that the
    /// conversation is over.
    Asked {
        call: Call,
        head: RequestHead,
        has_body: bool,
        /// Whether something was transferred beside the buffer that was handled last.
        attachment: bool,
    },
    /// [`Peer::head`] or [`Peer::read`] has something new.
    Readable { call: Call },
    /// [`Peer::room`] has something new.
    Writable { call: Call },
}

/// One side of a line.
#[derive(Debug)]
pub struct Peer {
    side: Side,
    build: String,
    life: String,
    limits: Limits,
    links: BTreeMap<PortId, Link>,
    /// When to ask for a port again, while there is none and somebody waits for one.
    ask: Option<Milliseconds>,
    /// Whether somebody was to be started when a port was asked for last.
    starting: bool,
    talks: BTreeMap<Call, Talk>,
    by_number: BTreeMap<(PortId, Conversation), Call>,
    calls: u64,
    conversations: u32,
    ports: u32,
    outputs: VecDeque<Output>,
}

#[derive(Debug)]
enum Link {
    /// Nothing was heard yet.
    Greeting { deadline: Milliseconds },
    Ready {
        heard: Milliseconds,
        /// A ping was sent, and its answer is due then.
        pong: Option<Milliseconds>,
    },
}

impl Peer {
    /// A side that holds the Web Lock `life` while it lives (empty: none).
    pub fn new(side: Side, build: &str, life: &str, limits: Limits) -> Self {
        Self {
            side,
            build: build.to_owned(),
            life: life.to_owned(),
            limits,
            links: BTreeMap::new(),
            ask: None,
            starting: false,
            talks: BTreeMap::new(),
            by_number: BTreeMap::new(),
            calls: 0,
            conversations: match side {
                Side::Router => 0,
                Side::Worker => 1,
            },
            ports: 0,
            outputs: VecDeque::new(),
        }
    }

    /// Whether somebody on the other side has been heard of.
    pub fn is_connected(&self) -> bool {
        self.ready().is_some()
    }

    /// Sends a request, now or on the next port. [`Peer::head`] has the answer.
    pub fn ask(&mut self, ask: Ask, now: Milliseconds) -> Call {
        if ask.start && !self.starting {
            // Who was asked so far started nobody.
            self.ask = None;
        }
        self.conversations = self.conversations.wrapping_add(2);
        let conversation = Conversation(self.conversations);
        let call = self.insert(Talk::asks(conversation, ask, now));
        self.send_waiting(now);
        call
    }

    /// The head of the answer and whether a body follows, once. Then, or after an error, a call
    /// without a body is forgotten.
    pub fn head(&mut self, call: Call) -> Poll<Result<(ResponseHead, bool), Lost>> {
        let Some(talk) = self.talks.get_mut(&call) else {
            return Poll::Ready(Err(Lost::OwnerLost));
        };
        let has_body = talk.incoming.ended() != Some(Ok(())) || talk.incoming.has_chunks();
        let Some(asking) = talk.asking() else {
            return Poll::Pending;
        };
        match &mut asking.stage {
            Stage::Waiting { .. } | Stage::Sent { .. } => Poll::Pending,
            Stage::Answered { head, .. } => match head.take() {
                Some(head) => {
                    if !has_body {
                        self.forget(call);
                    }
                    Poll::Ready(Ok((head, has_body)))
                }
                None => Poll::Pending,
            },
            Stage::Lost(lost) => {
                let lost = lost.clone();
                self.forget(call);
                Poll::Ready(Err(lost))
            }
        }
    }

    /// Answers a request of the other side's. Without a body, the conversation is over.
    pub fn answer(&mut self, call: Call, head: ResponseHead, has_body: bool) {
        let Some(talk) = self.talks.get(&call) else {
            return;
        };
        let Role::Answers(port) = talk.role else {
            return;
        };
        let conversation = talk.conversation;
        let response = Frame::Response {
            conversation,
            head,
            has_body,
        };
        self.post(port, &response);
        if !has_body {
            self.over(call);
        }
    }

    /// How much of this side's body may be sent.
    pub fn room(&self, call: Call) -> Room {
        self.talks.get(&call).map_or(Room::Gone, Talk::room)
    }

    /// Sends a part of this side's body, as long as [`Peer::room`] allows and [`crate::CHUNK`] at
    /// most. After the last one the conversation of an answer is over.
    pub fn send(&mut self, call: Call, bytes: Bytes, last: bool, now: Milliseconds) {
        let Some(talk) = self.talks.get_mut(&call) else {
            return;
        };
        let Some(port) = talk.port() else {
            return;
        };
        talk.goes_on(now + self.limits.head);
        let body = Frame::Body {
            conversation: talk.conversation,
            offset: talk.outgoing.send(bytes.len() as u64, last),
            last,
            bytes,
        };
        let answers = matches!(talk.role, Role::Answers(_));
        self.post(port, &body);
        if last && answers {
            self.over(call);
        }
    }

    /// This side's body broke off; `reason` is for a person. The conversation of an answer is over.
    pub fn fail(&mut self, call: Call, reason: String) {
        let Some(talk) = self.talks.get_mut(&call) else {
            return;
        };
        talk.outgoing.close();
        let conversation = talk.conversation;
        let answers = matches!(talk.role, Role::Answers(_));
        if let Some(port) = talk.port() {
            let failure = Failure::Broken(reason);
            self.post(
                port,
                &Frame::Failed {
                    conversation,
                    failure,
                },
            );
        }
        if answers {
            self.over(call);
        }
    }

    /// The next chunk of the other side's body. After `None` or an error there is nothing more.
    pub fn read(&mut self, call: Call) -> Poll<Option<Result<Bytes, Interrupted>>> {
        let Some(talk) = self.talks.get_mut(&call) else {
            return Poll::Ready(Some(Err(Interrupted::Lost)));
        };
        if let Some((bytes, grant)) = talk.incoming.take() {
            let conversation = talk.conversation;
            if grant > 0
                && let Some(port) = talk.port()
            {
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
        let Some(end) = talk.incoming.ended() else {
            return Poll::Pending;
        };
        if talk.asking().is_some() {
            self.forget(call);
        }
        Poll::Ready(end.err().map(Err))
    }

    /// Nobody reads the other side's body any more. Of a request of this side's that is all there
    /// is: nobody waits for its answer either.
    pub fn cancel(&mut self, call: Call) {
        let Some(talk) = self.talks.get_mut(&call) else {
            return;
        };
        let conversation = talk.conversation;
        let port = talk.port();
        let tell = talk.incoming.refuse();
        if talk.asking().is_some() {
            self.over(call);
        }
        if let Some(port) = port
            && tell
        {
            self.post(port, &Frame::Cancel { conversation });
        }
    }

    /// A port was handed over. The router closes it at once while it has one that was heard from
    /// just now.
    pub fn handle_port(&mut self, now: Milliseconds) -> PortId {
        self.ports = self.ports.wrapping_add(1);
        let port = PortId(self.ports);
        if self.side == Side::Router && !self.is_welcome(now) {
            self.post(port, &Frame::Goodbye);
            self.outputs.push_back(Output::Close { port });
            return port;
        }
        self.ask = None;
        let deadline = now + self.limits.greeting;
        self.links.insert(port, Link::Greeting { deadline });
        let hello = Frame::Hello {
            build: self.build.clone(),
            life: self.life.clone(),
        };
        self.post(port, &hello);
        port
    }

    /// There may be somebody else to ask for a port: that is done now instead of at the next turn.
    /// A port that works is kept; its life lock tells of its end.
    pub fn handle_owner_changed(&mut self, now: Milliseconds) {
        self.drop_silent();
        if self.links.is_empty() && self.talks.values().any(Talk::waits) {
            self.want(now);
        }
    }

    /// Nobody is there, and nobody was started: who did not want that has waited long enough.
    pub fn handle_absent(&mut self) {
        if self.links.is_empty() {
            self.lose(&Lost::NoOwner, |talk| {
                talk.asking().is_some_and(|asking| !asking.start)
            });
        }
    }

    /// Nobody can be started on the other side; `reason` is for a person.
    pub fn handle_unable(&mut self, reason: &str) {
        self.drop_silent();
        if self.links.is_empty() {
            self.lose(&Lost::Broken(reason.to_owned()), |_| true);
        }
    }

    /// The other side of this port is gone: its life lock was granted, or the port failed.
    pub fn handle_lost(&mut self, port: PortId, now: Milliseconds) {
        if self.links.remove(&port).is_none() {
            return;
        }
        self.outputs.push_back(Output::Close { port });
        for call in self.on(port) {
            self.unplug(call, port);
            let Some(talk) = self.talks.get_mut(&call) else {
                continue;
            };
            if !talk.port_lost(now) {
                if talk.asking().is_some() {
                    talk.lose(Lost::OwnerLost);
                } else {
                    self.talks.remove(&call);
                }
            }
            self.changed(call);
        }
        self.send_waiting(now);
    }

    /// A buffer arrived on a port.
    pub fn handle_buffer(&mut self, port: PortId, buffer: Bytes, now: Milliseconds) {
        let Some(link) = self.links.get_mut(&port) else {
            return;
        };
        if let Link::Ready { heard, pong } = link {
            *heard = now;
            *pong = None;
        }
        let handled = match Frame::decode(buffer) {
            Ok(frame) => self.handle_frame(port, frame, now),
            Err(Malformed::Version { theirs }) => {
                self.post(port, &Frame::Refused(Refusal::Version));
                let ours = PROTOCOL;
                self.refused(port, Lost::Version { ours, theirs }, now);
                Ok(())
            }
            Err(malformed) => Err(malformed.to_string()),
        };
        if let Err(nonsense) = handled {
            // What is wrong once cannot be trusted with the others either.
            self.post(port, &Frame::Refused(Refusal::Malformed(nonsense.clone())));
            self.refused(port, Lost::Broken(nonsense), now);
        }
    }

    /// Something is due: deadlines pass, a port is asked for again.
    pub fn handle_timeout(&mut self, now: Milliseconds) {
        let due: Vec<PortId> = self.links.keys().copied().collect();
        for port in due {
            self.look_after(port, now);
        }
        if self.links.is_empty() {
            let owner = self.limits.owner;
            self.lose(&Lost::NoOwner, |talk| match talk.stage() {
                Some(Stage::Waiting { since }) => since + owner <= now,
                Some(Stage::Sent { .. } | Stage::Answered { .. } | Stage::Lost(_)) | None => false,
            });
            if self.ask.is_some_and(|at| at <= now) {
                self.send_waiting(now);
            }
        }
        let late: Vec<Call> =
            self.talks
                .iter()
                .filter(|(_, talk)| match talk.stage() {
                    Some(Stage::Sent { deadline, .. }) => *deadline <= now,
                    Some(Stage::Waiting { .. } | Stage::Answered { .. } | Stage::Lost(_))
                    | None => false,
                })
                .map(|(call, _)| *call)
                .collect();
        for call in late {
            let Some(talk) = self.talks.get_mut(&call) else {
                continue;
            };
            let conversation = talk.conversation;
            let port = talk.port();
            talk.lose(Lost::Deadline);
            if let Some(port) = port {
                self.unplug(call, port);
                self.post(port, &Frame::Cancel { conversation });
            }
            self.changed(call);
        }
    }

    /// When [`Peer::handle_timeout`] has something to do.
    pub fn poll_timeout(&self) -> Option<Milliseconds> {
        let down = self.links.is_empty();
        let talks = self.talks.values().filter_map(|talk| match talk.stage() {
            Some(Stage::Waiting { since }) if down => Some(since + self.limits.owner),
            Some(Stage::Sent { deadline, .. }) => Some(*deadline),
            Some(Stage::Waiting { .. } | Stage::Answered { .. } | Stage::Lost(_)) | None => None,
        });
        let links = self.links.iter().filter_map(|(port, link)| match link {
            Link::Greeting { deadline } => Some(*deadline),
            Link::Ready { pong, heard } => {
                pong.or_else(|| self.is_used(*port).then_some(heard + self.limits.quiet))
            }
        });
        let ask = self.ask.filter(|_| down);
        talks.chain(links).chain(ask).min()
    }

    /// The next thing for the shell to do.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Says goodbye and closes every port. Whatever is under way ends with [`Lost::OwnerLost`].
    pub fn close(&mut self) {
        for port in std::mem::take(&mut self.links).into_keys() {
            self.post(port, &Frame::Goodbye);
            self.outputs.push_back(Output::Close { port });
        }
        self.ask = None;
        self.by_number.clear();
        let calls: Vec<Call> = self.talks.keys().copied().collect();
        for call in calls {
            if let Some(talk) = self.talks.get_mut(&call) {
                match talk.stage() {
                    Some(Stage::Waiting { .. } | Stage::Sent { .. }) => talk.lose(Lost::OwnerLost),
                    Some(Stage::Answered { .. }) => {
                        talk.outgoing.close();
                        talk.incoming.end(Err(Interrupted::Lost));
                    }
                    Some(Stage::Lost(_)) => {}
                    None => {
                        self.talks.remove(&call);
                    }
                }
            }
            self.changed(call);
        }
    }

    fn handle_frame(
        &mut self,
        port: PortId,
        frame: Frame,
        now: Milliseconds,
    ) -> Result<(), String> {
        let greeting = matches!(self.links.get(&port), Some(Link::Greeting { .. }));
        match frame {
            Frame::Hello { life, .. } if greeting => {
                let ready = Link::Ready {
                    heard: now,
                    pong: None,
                };
                self.links.insert(port, ready);
                if !life.is_empty() {
                    self.outputs.push_back(Output::Watch { port, life });
                }
                self.send_waiting(now);
                Ok(())
            }
            Frame::Hello { .. } => Err("it greeted twice".to_owned()),
            Frame::Refused(Refusal::Closing) | Frame::Goodbye => {
                self.handle_lost(port, now);
                Ok(())
            }
            Frame::Refused(Refusal::Broken(text)) => {
                self.refused(port, Lost::Broken(text), now);
                Ok(())
            }
            Frame::Refused(Refusal::Malformed(text)) => {
                let text = format!("the other side did not understand: {text}");
                self.refused(port, Lost::Broken(text), now);
                Ok(())
            }
            // Its version is ours, or it would not have been decoded.
            Frame::Refused(Refusal::Version) => {
                let (ours, theirs) = (PROTOCOL, PROTOCOL);
                self.refused(port, Lost::Version { ours, theirs }, now);
                Ok(())
            }
            _ if greeting => Err("it did not greet first".to_owned()),
            Frame::Request {
                conversation,
                head,
                has_body,
                attachment,
            } => self.handle_request(port, conversation, head, has_body, attachment),
            Frame::Response {
                conversation,
                head,
                has_body,
            } => self.handle_response(port, conversation, head, has_body),
            Frame::Body {
                conversation,
                offset,
                last,
                bytes,
            } => self.handle_body(port, conversation, offset, last, bytes),
            Frame::Credit {
                conversation,
                bytes,
            } => {
                let until = now + self.limits.head;
                if let Some((call, talk)) = self.find(port, conversation) {
                    talk.outgoing.allow(bytes);
                    talk.goes_on(until);
                    self.outputs.push_back(Output::Writable { call });
                }
                Ok(())
            }
            Frame::Cancel { conversation } => {
                if let Some((call, talk)) = self.find(port, conversation) {
                    if talk.asking().is_some() {
                        talk.outgoing.close();
                    } else {
                        self.over(call);
                    }
                    self.changed(call);
                }
                Ok(())
            }
            Frame::Failed {
                conversation,
                failure,
            } => {
                self.handle_failed(port, conversation, failure);
                Ok(())
            }
            Frame::Ping => {
                self.post(port, &Frame::Pong);
                Ok(())
            }
            Frame::Pong => Ok(()),
        }
    }

    fn handle_request(
        &mut self,
        port: PortId,
        conversation: Conversation,
        head: RequestHead,
        has_body: bool,
        attachment: bool,
    ) -> Result<(), String> {
        if self.is_ours(conversation) || self.find(port, conversation).is_some() {
            return Err("it began a conversation with a number that is not free".to_owned());
        }
        let open = self.talks.values().filter(|talk| talk.stage().is_none());
        if open.count() >= self.limits.conversations {
            let failure = Failure::Busy;
            let failed = Frame::Failed {
                conversation,
                failure,
            };
            self.post(port, &failed);
            return Ok(());
        }
        let call = self.insert(Talk::answers(conversation, port, has_body));
        self.by_number.insert((port, conversation), call);
        self.outputs.push_back(Output::Asked {
            call,
            head,
            has_body,
            attachment,
        });
        Ok(())
    }

    fn handle_response(
        &mut self,
        port: PortId,
        conversation: Conversation,
        head: ResponseHead,
        has_body: bool,
    ) -> Result<(), String> {
        // A conversation that is unknown here was given up; what was on its way is dropped.
        let Some((call, talk)) = self.find(port, conversation) else {
            return Ok(());
        };
        let Some(asking) = talk.asking() else {
            return Err("it answered its own request".to_owned());
        };
        if !matches!(asking.stage, Stage::Sent { .. }) {
            return Err("it answered twice".to_owned());
        }
        asking.answered(port, head);
        if !has_body {
            talk.incoming.end(Ok(()));
            talk.outgoing.close();
        }
        self.changed(call);
        Ok(())
    }

    fn handle_body(
        &mut self,
        port: PortId,
        conversation: Conversation,
        offset: u64,
        last: bool,
        bytes: Bytes,
    ) -> Result<(), String> {
        let Some((call, talk)) = self.find(port, conversation) else {
            return Ok(());
        };
        if matches!(talk.stage(), Some(Stage::Sent { .. })) {
            return Err("it sent a body without a head".to_owned());
        }
        if !talk.incoming.receive(offset, last, bytes) {
            return Err("it sent a body with a hole in it, or more than it may".to_owned());
        }
        // Whoever has answered does not read on.
        if last && talk.asking().is_some() {
            talk.outgoing.close();
            self.outputs.push_back(Output::Writable { call });
        }
        self.outputs.push_back(Output::Readable { call });
        Ok(())
    }

    fn handle_failed(&mut self, port: PortId, conversation: Conversation, failure: Failure) {
        let Some((call, talk)) = self.find(port, conversation) else {
            return;
        };
        if matches!(talk.stage(), Some(Stage::Sent { .. })) {
            talk.lose(match failure {
                Failure::Busy => Lost::Busy,
                Failure::Broken(text) => Lost::Broken(text),
            });
        } else {
            talk.incoming.end(Err(Interrupted::Broken(match failure {
                Failure::Busy => "the other side has too much to do".to_owned(),
                Failure::Broken(text) => text,
            })));
            if talk.asking().is_some() {
                talk.outgoing.close();
            }
        }
        self.changed(call);
    }

    /// Whether the router has use for another port. Of those it has, none that did not greet is
    /// kept, and the others have to prove that they are alive.
    fn is_welcome(&mut self, now: Milliseconds) -> bool {
        let (quiet, pong_due) = (self.limits.quiet, now + self.limits.pong);
        let mut others: Vec<PortId> = Vec::new();
        for (port, link) in &self.links {
            match link {
                Link::Ready { heard, .. } if now < heard + quiet => return false,
                Link::Ready { .. } | Link::Greeting { .. } => others.push(*port),
            }
        }
        for port in others {
            if let Some(Link::Ready { pong, .. }) = self.links.get_mut(&port) {
                pong.get_or_insert(pong_due);
                self.post(port, &Frame::Ping);
            }
        }
        self.drop_silent();
        true
    }

    /// Gives up the ports on which nothing was heard yet.
    fn drop_silent(&mut self) {
        let silent: Vec<PortId> = self
            .links
            .iter()
            .filter(|(_, link)| matches!(link, Link::Greeting { .. }))
            .map(|(port, _)| *port)
            .collect();
        for port in silent {
            self.links.remove(&port);
            self.outputs.push_back(Output::Close { port });
        }
    }

    /// Greets too late, is quiet for too long.
    fn look_after(&mut self, port: PortId, now: Milliseconds) {
        let used = self.is_used(port);
        match self.links.get_mut(&port) {
            Some(Link::Greeting { deadline }) if *deadline <= now => {
                self.post(port, &Frame::Goodbye);
                self.refused(port, Lost::Deadline, now);
            }
            Some(Link::Ready { heard, pong }) => match *pong {
                None if used && *heard + self.limits.quiet <= now => {
                    *pong = Some(now + self.limits.pong);
                    self.post(port, &Frame::Ping);
                }
                Some(due) if due <= now => {
                    self.post(port, &Frame::Goodbye);
                    self.handle_lost(port, now);
                }
                None | Some(_) => {}
            },
            Some(Link::Greeting { .. }) | None => {}
        }
    }

    /// The port is useless for a reason that another port would not mend at once: whatever is under
    /// way on it ends with it, and whatever waits for the only one. The next request tries anew.
    fn refused(&mut self, port: PortId, lost: Lost, now: Milliseconds) {
        for call in self.on(port) {
            if let Some(talk) = self.talks.get_mut(&call)
                && matches!(talk.stage(), Some(Stage::Sent { .. }))
            {
                talk.lose(lost.clone());
                self.unplug(call, port);
                self.changed(call);
            }
        }
        if self.links.len() == 1 {
            self.lose(&lost, |_| true);
        }
        self.handle_lost(port, now);
    }

    /// Ends with `lost` what waits for a port and is meant.
    fn lose(&mut self, lost: &Lost, meant: impl Fn(&mut Talk) -> bool) {
        let mut changed = Vec::new();
        for (&call, talk) in &mut self.talks {
            if talk.waits() && meant(talk) {
                talk.lose(lost.clone());
                changed.push(call);
            }
        }
        for call in changed {
            self.changed(call);
        }
    }

    /// Sends what waits on the newest port that works, or asks for one.
    fn send_waiting(&mut self, now: Milliseconds) {
        let Some(port) = self.ready() else {
            let waits = self.talks.values().any(Talk::waits);
            if self.links.is_empty() && waits && self.ask.is_none_or(|at| at <= now) {
                self.want(now);
            } else if !waits {
                self.ask = None;
            }
            return;
        };
        let deadline = now + self.limits.head;
        let mut begun = Vec::new();
        for (&call, talk) in &mut self.talks {
            if let Some(opening) = talk.send(port, deadline) {
                begun.push((call, talk.conversation, opening));
            }
        }
        for (call, conversation, opening) in begun {
            let Opening {
                head,
                has_body,
                attachment,
            } = opening;
            self.by_number.insert((port, conversation), call);
            let request = Frame::Request {
                conversation,
                head,
                has_body,
                attachment,
            };
            self.outputs.push_back(Output::Post {
                port,
                buffer: request.encode(),
                attachment: attachment.then_some(call),
            });
            if has_body {
                self.outputs.push_back(Output::Writable { call });
            }
        }
    }

    fn want(&mut self, now: Milliseconds) {
        let mut waiting = self.talks.values_mut().filter(|talk| talk.waits());
        let start = waiting.any(|talk| talk.asking().is_some_and(|asking| asking.start));
        self.starting = start;
        self.outputs.push_back(Output::WantPort { start });
        self.ask = Some(now + self.limits.ask);
    }

    /// The newest port that works.
    fn ready(&self) -> Option<PortId> {
        let mut newest_first = self.links.iter().rev();
        newest_first
            .find(|(_, link)| matches!(link, Link::Ready { .. }))
            .map(|(port, _)| *port)
    }

    fn is_used(&self, port: PortId) -> bool {
        self.by_number.range(numbers(port)).next().is_some()
    }

    /// The conversations that take place on this port.
    fn on(&self, port: PortId) -> Vec<Call> {
        let calls = self.by_number.range(numbers(port));
        calls.map(|(_, call)| *call).collect()
    }

    fn is_ours(&self, conversation: Conversation) -> bool {
        let even = conversation.0.is_multiple_of(2);
        match self.side {
            Side::Router => even,
            Side::Worker => !even,
        }
    }

    fn find(&mut self, port: PortId, conversation: Conversation) -> Option<(Call, &mut Talk)> {
        let call = *self.by_number.get(&(port, conversation))?;
        Some((call, self.talks.get_mut(&call)?))
    }

    fn insert(&mut self, talk: Talk) -> Call {
        self.calls += 1;
        let call = Call(self.calls);
        self.talks.insert(call, talk);
        call
    }

    /// Takes the conversation from the port.
    fn unplug(&mut self, call: Call, port: PortId) {
        if let Some(talk) = self.talks.get(&call) {
            self.by_number.remove(&(port, talk.conversation));
        }
    }

    /// The answer was sent, or nobody wants it.
    fn over(&mut self, call: Call) {
        self.forget(call);
        self.changed(call);
    }

    fn forget(&mut self, call: Call) {
        if let Some(talk) = self.talks.remove(&call)
            && let Some(port) = talk.port()
        {
            self.by_number.remove(&(port, talk.conversation));
        }
    }

    fn changed(&mut self, call: Call) {
        self.outputs.push_back(Output::Readable { call });
        self.outputs.push_back(Output::Writable { call });
    }

    fn post(&mut self, port: PortId, frame: &Frame) {
        self.outputs.push_back(Output::Post {
            port,
            buffer: frame.encode(),
            attachment: None,
        });
    }
}

/// All that can be on a port.
fn numbers(port: PortId) -> std::ops::RangeInclusive<(PortId, Conversation)> {
    (port, Conversation(0))..=(port, Conversation(u32::MAX))
}

#[cfg(test)]
mod tests;
