//! One conversation with the agent.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    fmt,
    rc::{Rc, Weak},
};

use bytes::{Bytes, BytesMut};
use control::{Answer, Channel, Conversation, Incoming, Outgoing, Pty, ToAgent};

use super::{
    Failed,
    connection::{Leaving, Talks},
};
use crate::surroundings::Bell;

/// What was asked, and what comes of it. Dropped before its answer, it is cancelled.
pub struct Talk {
    conversation: Conversation,
    state: Rc<State>,
    leaving: Rc<Leaving>,
    talks: Weak<Talks>,
    finished: Cell<bool>,
}

/// What the connection knows of a conversation.
#[derive(Default)]
pub(super) struct State {
    answer: RefCell<Option<Result<Answer, Failed>>>,
    input: RefCell<Outgoing>,
    output: RefCell<Flow>,
    error: RefCell<Flow>,
    changed: Bell,
}

#[derive(Default)]
struct Flow {
    incoming: Incoming,
    come: VecDeque<Bytes>,
}

impl State {
    pub(super) fn end(&self, answer: Result<Answer, Failed>) {
        self.answer.replace(Some(answer));
        self.changed.ring();
    }

    pub(super) fn grant(&self, bytes: u32) {
        self.input.borrow_mut().grant(bytes);
        self.changed.ring();
    }

    /// `None` where the chunk was not due.
    pub(super) fn receive(
        &self,
        channel: Channel,
        offset: u64,
        last: bool,
        bytes: Vec<u8>,
    ) -> Option<()> {
        let mut flow = self.flow(channel)?.borrow_mut();
        flow.incoming.receive(offset, bytes.len(), last).ok()?;
        if !bytes.is_empty() {
            flow.come.push_back(bytes.into());
        }
        drop(flow);
        self.changed.ring();
        Some(())
    }

    fn flow(&self, channel: Channel) -> Option<&RefCell<Flow>> {
        match channel {
            Channel::Input => None,
            Channel::Output => Some(&self.output),
            Channel::Error => Some(&self.error),
        }
    }

    fn is_over(&self) -> bool {
        self.answer.borrow().is_some()
    }
}

impl Talk {
    pub(super) fn new(
        conversation: Conversation,
        state: Rc<State>,
        leaving: Rc<Leaving>,
        talks: Weak<Talks>,
    ) -> Self {
        Self {
            conversation,
            state,
            leaving,
            talks,
            finished: Cell::new(false),
        }
    }

    /// Waits for the answer.
    pub async fn answer(&self) -> Result<Answer, Failed> {
        let state = &self.state;
        state.changed.wait(|| state.answer.borrow().clone()).await
    }

    /// The next bytes of a stream; `None` after the last, and where the conversation is over.
    pub async fn read(&self, channel: Channel) -> Option<Bytes> {
        let flow = self.state.flow(channel)?;
        let next = self.state.changed.wait(|| {
            let mut flow = flow.borrow_mut();
            if let Some(bytes) = flow.come.pop_front() {
                return Some(Some(bytes));
            }
            (flow.incoming.is_ended() || self.state.is_over()).then_some(None)
        });
        let bytes = next.await?;
        let credit = flow.borrow_mut().incoming.consume(bytes.len());
        if let Some(credit) = credit
            && !self.state.is_over()
        {
            // A connection that is lost needs no credit.
            let _ = self.leaving.put(&ToAgent::Credit {
                conversation: self.conversation,
                channel,
                bytes: credit,
            });
        }
        Some(bytes)
    }

    /// Reads a stream to its end, and keeps so many bytes of it.
    pub(super) async fn gather(&self, channel: Channel, most: usize) -> Bytes {
        let mut all = BytesMut::new();
        while let Some(bytes) = self.read(channel).await {
            let room = most.saturating_sub(all.len()).min(bytes.len());
            all.extend_from_slice(&bytes[..room]);
        }
        all.freeze()
    }

    /// Sends input, as fast as the agent takes it. An error: the conversation is over.
    pub async fn send(&self, mut bytes: Bytes) -> Result<(), Failed> {
        while !bytes.is_empty() {
            let room = self.state.changed.wait(|| {
                if self.state.is_over() {
                    return Some(0);
                }
                let room = self.state.input.borrow().room();
                (room > 0).then_some(room)
            });
            let room = room.await;
            if room == 0 || self.finished.get() {
                return Err(Failed::Lost);
            }
            let chunk = bytes.split_to(room.min(bytes.len()));
            self.chunk(&chunk, false)?;
        }
        Ok(())
    }

    /// Ends the input.
    pub fn finish(&self) {
        if !self.finished.replace(true) && !self.state.is_over() {
            // Whoever waits for the answer hears of the loss.
            let _ = self.chunk(&[], true);
        }
    }

    /// The terminal has another size.
    pub fn resize(&self, size: Pty) {
        let conversation = self.conversation;
        let _ = self.leaving.put(&ToAgent::Resize { conversation, size });
    }

    fn chunk(&self, bytes: &[u8], last: bool) -> Result<(), Failed> {
        let offset = self.state.input.borrow_mut().send(bytes.len());
        self.leaving.put(&ToAgent::Chunk {
            conversation: self.conversation,
            offset,
            last,
            bytes: bytes.to_vec(),
        })
    }
}

impl Drop for Talk {
    fn drop(&mut self) {
        if self.state.is_over() {
            return;
        }
        if let Some(talks) = self.talks.upgrade() {
            talks.borrow_mut().remove(&self.conversation);
        }
        let conversation = self.conversation;
        // A connection that is lost has cancelled it.
        let _ = self.leaving.put(&ToAgent::Cancel { conversation });
    }
}

impl fmt::Debug for Talk {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_tuple("Talk")
            .field(&self.conversation)
            .finish()
    }
}
