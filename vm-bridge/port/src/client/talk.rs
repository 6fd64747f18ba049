//! One conversation, as its client sees it.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::{Conversation, Frame, INITIAL_CREDIT, Milliseconds};

use super::{Exchange, Lost, PortId};

#[derive(Debug)]
pub(super) struct Talk {
    /// Dropped once sent, where it could not be sent again anyway.
    messages: Option<Bytes>,
    idempotent: bool,
    continues: bool,
    hold: bool,
    stage: Stage,
    end: Option<Result<(), Lost>>,
    /// Arrived and not read yet.
    chunks: VecDeque<Bytes>,
    /// Bytes arrived, bytes read, bytes allowed, all counted from the answer's first.
    arrived: u64,
    read: u64,
    allowed: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// For an owner.
    Waiting { since: Milliseconds },
    /// For the answer. No deadline while the reader is the slow one.
    Sent {
        port: PortId,
        deadline: Option<Milliseconds>,
    },
    /// Between two exchanges of one transaction.
    Held { port: PortId, since: Milliseconds },
    /// The end is known; there may be chunks to read.
    Ended,
}

impl Talk {
    pub(super) fn new(exchange: Exchange, now: Milliseconds) -> Self {
        Self {
            messages: Some(exchange.messages),
            idempotent: exchange.idempotent,
            continues: exchange.continues.is_some(),
            hold: exchange.hold,
            stage: Stage::Waiting { since: now },
            end: None,
            chunks: VecDeque::new(),
            arrived: 0,
            read: 0,
            allowed: u64::from(INITIAL_CREDIT),
        }
    }

    pub(super) fn stage(&self) -> Stage {
        self.stage
    }

    pub(super) fn waits(&self) -> bool {
        matches!(self.stage, Stage::Waiting { .. })
    }

    /// Whether more of the answer is to come on `port`.
    pub(super) fn answers_on(&self, port: PortId) -> bool {
        self.end.is_none() && self.sent_on() == Some(port)
    }

    /// Whether the answer has arrived whole and nothing of it is left to read.
    pub(super) fn is_read(&self) -> bool {
        self.end == Some(Ok(())) && self.chunks.is_empty()
    }

    /// The port it was sent on.
    pub(super) fn sent_on(&self) -> Option<PortId> {
        match self.stage {
            Stage::Sent { port, .. } => Some(port),
            Stage::Waiting { .. } | Stage::Held { .. } | Stage::Ended => None,
        }
    }

    /// The port behind which a transaction is open for the next exchange.
    pub(super) fn held_by(&self) -> Option<PortId> {
        match self.stage {
            Stage::Held { port, .. } => Some(port),
            Stage::Waiting { .. } | Stage::Sent { .. } | Stage::Ended => None,
        }
    }

    /// How it ended, if it did. Chunks may be left to read.
    pub(super) fn end(&self) -> Option<Result<(), Lost>> {
        self.end.clone()
    }

    /// The frame that starts it, if it waits for one.
    pub(super) fn send(
        &mut self,
        conversation: Conversation,
        port: PortId,
        deadline: Milliseconds,
    ) -> Option<Frame> {
        if !self.waits() {
            return None;
        }
        let messages = if self.repeatable() {
            self.messages.clone()?
        } else {
            self.messages.take()?
        };
        self.stage = Stage::Sent {
            port,
            deadline: Some(deadline),
        };
        Some(Frame::Exchange {
            conversation,
            continues: self.continues,
            hold: self.hold,
            messages,
        })
    }

    /// Takes a chunk of the answer. False if it does not follow the one before or overruns the
    /// credit: then something was lost on the way.
    pub(super) fn receive(
        &mut self,
        offset: u64,
        last: bool,
        bytes: Bytes,
        deadline: Milliseconds,
    ) -> bool {
        let arrived = self.arrived + bytes.len() as u64;
        if offset != self.arrived || arrived > self.allowed {
            return false;
        }
        self.arrived = arrived;
        if !bytes.is_empty() {
            self.chunks.push_back(bytes);
        }
        if last {
            self.end = Some(Ok(()));
        }
        // The port is remembered even at the end: a transaction may be open behind it.
        if let Stage::Sent { port, .. } = self.stage {
            self.stage = Stage::Sent {
                port,
                deadline: (!last && self.arrived < self.allowed).then_some(deadline),
            };
        }
        true
    }

    /// The next chunk, and the credit to give back for what was read. Credit is given by halves of
    /// the window, so that a steady reader never lets the sender run dry and small answers cost no
    /// frame.
    pub(super) fn take(&mut self) -> Option<(Bytes, u32)> {
        if matches!(self.end, Some(Err(_))) {
            return None;
        }
        let chunk = self.chunks.pop_front()?;
        self.read += chunk.len() as u64;
        let window = u64::from(INITIAL_CREDIT);
        let owed = (self.read + window).saturating_sub(self.allowed);
        let grant = if self.end.is_none() && owed >= window / 2 {
            u32::try_from(owed).unwrap_or(u32::MAX)
        } else {
            0
        };
        Some((chunk, grant))
    }

    pub(super) fn granted(&mut self, grant: u32, deadline: Milliseconds) {
        self.allowed += u64::from(grant);
        if let Stage::Sent { port, .. } = self.stage {
            self.stage = Stage::Sent {
                port,
                deadline: Some(deadline),
            };
        }
    }

    pub(super) fn fail(&mut self, lost: Lost) {
        self.end = Some(Err(lost));
        self.stage = Stage::Ended;
        self.chunks.clear();
        self.messages = None;
    }

    /// The answer has arrived whole and been read: true if a transaction is kept behind `port`.
    pub(super) fn settle(&mut self, port: Option<PortId>, now: Milliseconds) -> bool {
        let sent_on = self.sent_on();
        self.chunks.clear();
        self.end = None;
        match sent_on {
            Some(sent_on) if self.hold && port == Some(sent_on) => {
                self.stage = Stage::Held {
                    port: sent_on,
                    since: now,
                };
                true
            }
            Some(_) | None => false,
        }
    }

    /// The worker behind `port` is gone. True if that ended the conversation.
    pub(super) fn owner_lost(&mut self, port: PortId, now: Milliseconds) -> bool {
        if self.sent_on() != Some(port) {
            return false;
        }
        if self.end == Some(Ok(())) {
            // The whole answer is here: only a held transaction is gone.
            self.stage = Stage::Ended;
            return false;
        }
        if self.repeatable() && self.read == 0 && self.messages.is_some() {
            self.chunks.clear();
            self.arrived = 0;
            self.allowed = u64::from(INITIAL_CREDIT);
            self.stage = Stage::Waiting { since: now };
            return false;
        }
        self.fail(Lost::OwnerLost);
        true
    }

    /// A held exchange opens a transaction whose fate lies with the next one: it is not repeated.
    fn repeatable(&self) -> bool {
        self.idempotent && !self.continues && !self.hold
    }
}
