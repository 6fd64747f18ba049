//! Clients and what they wait for, in turn.

use std::collections::{BTreeMap, VecDeque};

use port::Conversation;

use super::{ClientId, session::Holder};
use crate::frontend::Script;

#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) conversation: Conversation,
    pub(super) hold: bool,
    pub(super) script: Script,
}

#[derive(Debug, Default)]
pub(super) struct Clients {
    queues: BTreeMap<ClientId, VecDeque<Waiting>>,
    /// Clients that wait for something, the next one first.
    turns: VecDeque<ClientId>,
    waiting: usize,
    backlog: usize,
}

impl Clients {
    pub(super) fn knows(&self, client: ClientId) -> bool {
        self.queues.contains_key(&client)
    }

    pub(super) fn add(&mut self, client: ClientId) {
        self.queues.entry(client).or_default();
    }

    pub(super) fn ids(&self) -> Vec<ClientId> {
        self.queues.keys().copied().collect()
    }

    /// How many exchanges wait, and how long they are together.
    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }

    pub(super) fn backlog(&self) -> usize {
        self.backlog
    }

    pub(super) fn waits(&self, client: ClientId, conversation: Conversation) -> bool {
        self.queues.get(&client).is_some_and(|queue| {
            queue
                .iter()
                .any(|waiting| waiting.conversation == conversation)
        })
    }

    pub(super) fn push(&mut self, client: ClientId, waiting: Waiting) {
        if let Some(queue) = self.queues.get_mut(&client) {
            self.waiting += 1;
            self.backlog += waiting.script.messages.len();
            if queue.is_empty() {
                self.turns.push_back(client);
            }
            queue.push_back(waiting);
        }
    }

    /// The next to run: while a transaction is held only its own conversation's.
    pub(super) fn pop(&mut self, holder: Option<&Holder>) -> Option<(ClientId, Waiting)> {
        let client = match holder {
            Some(holder) => holder.client,
            None => *self.turns.front()?,
        };
        let queue = self.queues.get_mut(&client)?;
        let position = match holder {
            Some(holder) => queue
                .iter()
                .position(|waiting| waiting.conversation == holder.conversation)?,
            None => 0,
        };
        let waiting = queue.remove(position)?;
        let more = !queue.is_empty();
        self.waiting -= 1;
        self.backlog -= waiting.script.messages.len();
        if holder.is_none() {
            self.turns.pop_front();
            if more {
                self.turns.push_back(client);
            }
        } else if !more {
            self.turns.retain(|turn| *turn != client);
        }
        Some((client, waiting))
    }

    pub(super) fn remove_waiting(&mut self, client: ClientId, conversation: Conversation) {
        let Some(queue) = self.queues.get_mut(&client) else {
            return;
        };
        queue.retain(|waiting| {
            let stays = waiting.conversation != conversation;
            if !stays {
                self.waiting -= 1;
                self.backlog -= waiting.script.messages.len();
            }
            stays
        });
        if queue.is_empty() {
            self.turns.retain(|turn| *turn != client);
        }
    }

    /// False if it was not there.
    pub(super) fn remove(&mut self, client: ClientId) -> bool {
        let Some(queue) = self.queues.remove(&client) else {
            return false;
        };
        self.turns.retain(|turn| *turn != client);
        for waiting in queue {
            self.waiting -= 1;
            self.backlog -= waiting.script.messages.len();
        }
        true
    }
}
