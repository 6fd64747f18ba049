//! Frames from clients, and what becomes of each.

use bytes::Bytes;
use port::{Conversation, Failure, Frame, Milliseconds, Refusal};

use super::{ClientId, Output, Parked, Queue, clients::Waiting, session::Step};
use crate::frontend;

impl Queue {
    pub(super) fn handle_frame(&mut self, client: ClientId, frame: Frame, now: Milliseconds) {
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
            let refusal = self.broken(text);
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
    pub(super) fn forget(&mut self, client: ClientId) {
        if !self.clients.remove(client) {
            return;
        }
        self.outgoing.remove_client(client);
        self.parked
            .retain(|parked| !matches!(parked, Parked::Answer { client: of, .. } if *of == client));
        self.session.abandon(|of, _| of == client);
        self.outputs.push_back(Output::Close { client });
    }

    pub(super) fn refuse(&mut self, client: ClientId, refusal: Refusal) {
        self.post(client, &Frame::Refused(refusal));
        if self.clients.knows(client) {
            self.forget(client);
        } else {
            self.outputs.push_back(Output::Close { client });
        }
    }
}
