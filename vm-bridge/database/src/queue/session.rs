//! The state of the one session, between and during what it runs.

use port::{Conversation, Milliseconds};

use super::ClientId;
use crate::migrations::Runner;

#[derive(Debug, Default)]
pub(super) struct Session {
    pub(super) step: Step,
    /// Whose transaction is open and kept for it.
    pub(super) holder: Option<Holder>,
    /// A transaction is open and nobody's.
    pub(super) open: bool,
    /// Somebody's exchange ran since the last reset.
    pub(super) used: bool,
    /// It may have left what only a whole reset takes back.
    pub(super) lasting: bool,
    /// Something was written to storage since the last sync.
    pub(super) unsynced: bool,
    /// A transaction has ended since the last sync whose writes may be among it.
    pub(super) unsaved: bool,
}

/// What the session is doing.
#[derive(Debug, Default)]
pub(super) enum Step {
    /// It is not there yet.
    #[default]
    Opening,
    Idle,
    Preparing(Runner),
    Exchange {
        /// None once nobody waits for the answer any more.
        client: Option<ClientId>,
        conversation: Conversation,
        hold: bool,
    },
    RollingBack,
    Resetting,
    /// Nothing, while what waits at the ports is let in.
    Listening,
    Syncing,
    /// Nothing, ever again; the text is for a person.
    Broken(String),
}

/// The conversation that an open transaction belongs to.
#[derive(Debug)]
pub(super) struct Holder {
    pub(super) client: ClientId,
    pub(super) conversation: Conversation,
    pub(super) since: Milliseconds,
    /// `T` or `E`, as `ReadyForQuery` said.
    pub(super) status: u8,
}

impl Holder {
    pub(super) fn is(&self, client: ClientId, conversation: Conversation) -> bool {
        self.client == client && self.conversation == conversation
    }
}

impl Session {
    /// Whether it runs an exchange of this conversation.
    pub(super) fn runs(&self, client: ClientId, conversation: Conversation) -> bool {
        matches!(self.step, Step::Exchange { client: Some(of), conversation: of_conversation, .. }
            if of == client && of_conversation == conversation)
    }

    /// Nobody listens to these conversations any more.
    pub(super) fn abandon(&mut self, gone: impl Fn(ClientId, Conversation) -> bool) {
        if let Step::Exchange {
            client,
            conversation,
            ..
        } = &mut self.step
        {
            // Its answer will tell whether a transaction is open.
            if client.is_some_and(|client| gone(client, *conversation)) {
                *client = None;
            }
        } else if let Some(holder) = &self.holder
            && gone(holder.client, holder.conversation)
        {
            self.holder = None;
            self.open = true;
        }
    }
}
