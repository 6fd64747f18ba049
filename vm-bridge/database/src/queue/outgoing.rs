//! Answers on their way out, as far as their readers allow.

use std::collections::BTreeMap;

use bytes::Bytes;
use port::{CHUNK, Conversation, Frame, INITIAL_CREDIT, Milliseconds};

use super::ClientId;

type Key = (ClientId, Conversation);

#[derive(Debug, Default)]
pub(super) struct Outgoing {
    answers: BTreeMap<Key, Answer>,
    unread: usize,
}

#[derive(Debug)]
struct Answer {
    rest: Bytes,
    offset: u64,
    credit: usize,
    /// Since when its reader has allowed nothing more.
    stalled: Option<Milliseconds>,
}

impl Outgoing {
    pub(super) fn has(&self, client: ClientId, conversation: Conversation) -> bool {
        self.answers.contains_key(&(client, conversation))
    }

    /// Bytes that readers have not allowed yet.
    pub(super) fn unread(&self) -> usize {
        self.unread
    }

    pub(super) fn add(&mut self, client: ClientId, conversation: Conversation, answer: Bytes) {
        self.unread += answer.len();
        let answer = Answer {
            rest: answer,
            offset: 0,
            credit: INITIAL_CREDIT as usize,
            stalled: None,
        };
        if let Some(former) = self.answers.insert((client, conversation), answer) {
            self.unread -= former.rest.len();
        }
    }

    pub(super) fn credit(
        &mut self,
        client: ClientId,
        conversation: Conversation,
        bytes: u32,
        now: Milliseconds,
    ) {
        if let Some(answer) = self.answers.get_mut(&(client, conversation)) {
            answer.credit = answer.credit.saturating_add(bytes as usize);
            answer.stalled = (answer.credit == 0).then_some(now);
        }
    }

    /// The next chunk of an answer, if its reader allows one. The last one ends it.
    pub(super) fn next(
        &mut self,
        client: ClientId,
        conversation: Conversation,
        now: Milliseconds,
    ) -> Option<Frame> {
        let answer = self.answers.get_mut(&(client, conversation))?;
        let length = answer.rest.len().min(answer.credit).min(CHUNK);
        if length == 0 && !answer.rest.is_empty() {
            answer.stalled.get_or_insert(now);
            return None;
        }
        let bytes = answer.rest.split_to(length);
        let offset = answer.offset;
        let last = answer.rest.is_empty();
        answer.credit -= length;
        answer.offset += length as u64;
        self.unread -= length;
        if last {
            self.answers.remove(&(client, conversation));
        }
        Some(Frame::Body {
            conversation,
            offset,
            last,
            bytes,
        })
    }

    pub(super) fn remove(&mut self, client: ClientId, conversation: Conversation) {
        if let Some(answer) = self.answers.remove(&(client, conversation)) {
            self.unread -= answer.rest.len();
        }
    }

    pub(super) fn remove_client(&mut self, client: ClientId) {
        self.answers.retain(|(of, _), answer| {
            if *of == client {
                self.unread -= answer.rest.len();
            }
            *of != client
        });
    }

    pub(super) fn oldest_stall(&self) -> Option<Milliseconds> {
        self.answers
            .values()
            .filter_map(|answer| answer.stalled)
            .min()
    }

    /// The conversations whose readers have allowed nothing for so long.
    pub(super) fn stalled(&self, now: Milliseconds, limit: Milliseconds) -> Vec<Key> {
        self.answers
            .iter()
            .filter(|(_, answer)| answer.stalled.is_some_and(|since| since + limit <= now))
            .map(|(key, _)| *key)
            .collect()
    }
}
