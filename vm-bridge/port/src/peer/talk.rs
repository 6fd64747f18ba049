//! One conversation, as one of its two sides sees it.

use std::collections::VecDeque;

use bytes::Bytes;
use http::Method;

use crate::{Conversation, INITIAL_CREDIT, Milliseconds, PortId};

use super::{Ask, Interrupted, Lost, Room, frame::RequestHead, frame::ResponseHead};

#[derive(Debug)]
pub(super) struct Talk {
    pub(super) conversation: Conversation,
    pub(super) role: Role,
    pub(super) incoming: Incoming,
    pub(super) outgoing: Outgoing,
}

#[derive(Debug)]
pub(super) enum Role {
    /// This side asked.
    Asks(Box<Asking>),
    /// The other side asked, on this port.
    Answers(PortId),
}

#[derive(Debug)]
pub(super) struct Asking {
    /// Forgotten once it could not be sent again anyway.
    request: Option<RequestHead>,
    has_body: bool,
    attachment: bool,
    pub(super) start: bool,
    pub(super) stage: Stage,
}

#[derive(Debug)]
pub(super) enum Stage {
    /// For somebody on the other side.
    Waiting { since: Milliseconds },
    /// For the head of the answer.
    Sent {
        port: PortId,
        deadline: Milliseconds,
    },
    /// The head is there until it is taken; the rest comes.
    Answered {
        port: PortId,
        head: Option<ResponseHead>,
    },
    /// There will be no head.
    Lost(Lost),
}

/// What is posted to begin a conversation.
#[derive(Debug)]
pub(super) struct Opening {
    pub(super) head: RequestHead,
    pub(super) has_body: bool,
    pub(super) attachment: bool,
}

impl Talk {
    pub(super) fn asks(conversation: Conversation, ask: Ask, now: Milliseconds) -> Self {
        let Ask {
            head,
            has_body,
            attachment,
            start,
        } = ask;
        Self {
            conversation,
            role: Role::Asks(Box::new(Asking {
                request: Some(head),
                has_body,
                attachment,
                start,
                stage: Stage::Waiting { since: now },
            })),
            incoming: Incoming::new(true),
            outgoing: Outgoing::new(has_body),
        }
    }

    pub(super) fn answers(conversation: Conversation, port: PortId, has_body: bool) -> Self {
        Self {
            conversation,
            role: Role::Answers(port),
            incoming: Incoming::new(has_body),
            outgoing: Outgoing::new(true),
        }
    }

    /// The port it takes place on.
    pub(super) fn port(&self) -> Option<PortId> {
        match &self.role {
            Role::Answers(port) => Some(*port),
            Role::Asks(asking) => match asking.stage {
                Stage::Sent { port, .. } | Stage::Answered { port, .. } => Some(port),
                Stage::Waiting { .. } | Stage::Lost(_) => None,
            },
        }
    }

    pub(super) fn asking(&mut self) -> Option<&mut Asking> {
        match &mut self.role {
            Role::Asks(asking) => Some(asking),
            Role::Answers(_) => None,
        }
    }

    pub(super) fn stage(&self) -> Option<&Stage> {
        match &self.role {
            Role::Asks(asking) => Some(&asking.stage),
            Role::Answers(_) => None,
        }
    }

    pub(super) fn waits(&self) -> bool {
        matches!(self.stage(), Some(Stage::Waiting { .. }))
    }

    /// How much of its body may be sent now.
    pub(super) fn room(&self) -> Room {
        if self.waits() {
            Room::Bytes(0)
        } else {
            self.outgoing.room()
        }
    }

    /// There will be no answer.
    pub(super) fn lose(&mut self, lost: Lost) {
        if let Role::Asks(asking) = &mut self.role {
            asking.stage = Stage::Lost(lost);
            asking.request = None;
        }
        self.outgoing.close();
    }

    /// What begins it on `port`, if it waits for that.
    pub(super) fn send(&mut self, port: PortId, deadline: Milliseconds) -> Option<Opening> {
        let Role::Asks(asking) = &mut self.role else {
            return None;
        };
        if !matches!(asking.stage, Stage::Waiting { .. }) {
            return None;
        }
        let head = if asking.repeatable() {
            asking.request.clone()?
        } else {
            asking.request.take()?
        };
        asking.stage = Stage::Sent { port, deadline };
        Some(Opening {
            head,
            has_body: asking.has_body,
            attachment: asking.attachment,
        })
    }

    /// Something happens in it that may take as long as it likes: the deadline is counted anew.
    pub(super) fn goes_on(&mut self, until: Milliseconds) {
        if let Role::Asks(asking) = &mut self.role
            && let Stage::Sent { deadline, .. } = &mut asking.stage
        {
            *deadline = until;
        }
    }

    /// The port of this conversation is gone. False where only [`Talk::lose`] is left to do.
    pub(super) fn port_lost(&mut self, now: Milliseconds) -> bool {
        let Role::Asks(asking) = &mut self.role else {
            return false;
        };
        match &asking.stage {
            Stage::Sent { .. }
                if asking.repeatable() && asking.request.is_some() && self.outgoing.is_fresh() =>
            {
                asking.stage = Stage::Waiting { since: now };
                self.outgoing = Outgoing::new(asking.has_body);
                true
            }
            Stage::Answered { .. } => {
                self.incoming.end(Err(Interrupted::Lost));
                self.outgoing.close();
                true
            }
            Stage::Waiting { .. } | Stage::Sent { .. } | Stage::Lost(_) => false,
        }
    }
}

impl Asking {
    /// Whether asking twice is harmless (RFC 9110, section 9.2.2). What was transferred is gone
    /// with the port.
    fn repeatable(&self) -> bool {
        let idempotent = self.request.as_ref().is_some_and(|request| {
            request.method.is_safe() || matches!(request.method, Method::PUT | Method::DELETE)
        });
        idempotent && !self.attachment
    }

    pub(super) fn answered(&mut self, port: PortId, head: ResponseHead) {
        self.request = None;
        self.stage = Stage::Answered {
            port,
            head: Some(head),
        };
    }
}

/// A body that arrives.
#[derive(Debug)]
pub(super) struct Incoming {
    /// Arrived and not read yet.
    chunks: VecDeque<Bytes>,
    /// Bytes arrived, bytes read, bytes allowed, all counted from the body's first.
    arrived: u64,
    read: u64,
    allowed: u64,
    end: Option<Result<(), Interrupted>>,
    unwanted: bool,
}

impl Incoming {
    fn new(comes: bool) -> Self {
        Self {
            chunks: VecDeque::new(),
            arrived: 0,
            read: 0,
            allowed: u64::from(INITIAL_CREDIT),
            end: (!comes).then_some(Ok(())),
            unwanted: false,
        }
    }

    /// Takes a chunk. False if it does not follow the one before or overruns the credit: then
    /// something was lost on the way.
    pub(super) fn receive(&mut self, offset: u64, last: bool, bytes: Bytes) -> bool {
        let arrived = self.arrived + bytes.len() as u64;
        if self.end.is_some() || offset != self.arrived || arrived > self.allowed {
            return false;
        }
        self.arrived = arrived;
        if !bytes.is_empty() && !self.unwanted {
            self.chunks.push_back(bytes);
        }
        if last {
            self.end = Some(Ok(()));
        }
        true
    }

    /// The next chunk, and the credit to give back for what was read. Credit is given by halves of
    /// the window, so that a steady reader never lets the sender run dry and small bodies cost no
    /// frame.
    pub(super) fn take(&mut self) -> Option<(Bytes, u32)> {
        let chunk = self.chunks.pop_front()?;
        self.read += chunk.len() as u64;
        let window = u64::from(INITIAL_CREDIT);
        let owed = (self.read + window).saturating_sub(self.allowed);
        let grant = if self.end.is_none() && owed >= window / 2 {
            u32::try_from(owed).unwrap_or(u32::MAX)
        } else {
            0
        };
        self.allowed += u64::from(grant);
        Some((chunk, grant))
    }

    /// Nothing more comes. What arrived before can still be read.
    pub(super) fn end(&mut self, end: Result<(), Interrupted>) {
        self.end.get_or_insert(end);
    }

    /// Whether there is something to read now.
    pub(super) fn has_chunks(&self) -> bool {
        !self.chunks.is_empty()
    }

    pub(super) fn ended(&self) -> Option<Result<(), Interrupted>> {
        self.end.clone()
    }

    /// Nobody reads it any more. True where its sender has to be told.
    pub(super) fn refuse(&mut self) -> bool {
        self.chunks.clear();
        !std::mem::replace(&mut self.unwanted, true) && self.end.is_none()
    }
}

/// A body that is sent.
#[derive(Debug)]
pub(super) struct Outgoing {
    sent: u64,
    allowed: u64,
    open: bool,
}

impl Outgoing {
    fn new(open: bool) -> Self {
        Self {
            sent: 0,
            allowed: u64::from(INITIAL_CREDIT),
            open,
        }
    }

    fn room(&self) -> Room {
        if self.open {
            let room = self.allowed - self.sent;
            Room::Bytes(usize::try_from(room).unwrap_or(usize::MAX))
        } else {
            Room::Gone
        }
    }

    /// Counts bytes that are sent; their offset.
    pub(super) fn send(&mut self, bytes: u64, last: bool) -> u64 {
        let offset = self.sent;
        self.sent += bytes;
        self.open = !last;
        offset
    }

    pub(super) fn allow(&mut self, bytes: u32) {
        self.allowed = self.allowed.saturating_add(u64::from(bytes));
    }

    pub(super) fn close(&mut self) {
        self.open = false;
    }

    /// Whether none of it was taken from whoever makes it.
    fn is_fresh(&self) -> bool {
        self.sent == 0
    }
}
