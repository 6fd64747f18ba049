//! What the session does next: one thing at a time, and whole.

use port::Milliseconds;

use super::{ClientId, Output, Queue, clients::Waiting, session::Step};
use crate::{frontend, migrations::Runner};

/// Settings and identity as they were when the session was opened. A standalone Postgres has no
/// default for the session's user: once changed, even for one transaction, it stays so unless it
/// was named before; so it is named here, and never left to `default`.
const RESET: &str = "set session authorization postgres; set role none; reset all";

impl Queue {
    /// An event came in; whatever runs now is the first after it.
    pub(super) fn wake(&mut self, now: Milliseconds) {
        if matches!(self.session.step, Step::Idle) {
            self.busy_since = now;
        }
        self.advance(now);
    }

    /// Starts whatever is to happen next, if the session is free.
    pub(super) fn advance(&mut self, now: Milliseconds) {
        if !matches!(self.session.step, Step::Idle) {
            return;
        }
        if self.session.open {
            self.roll_back();
            return;
        }
        if self.session.used {
            self.reset(self.session.lasting);
            return;
        }
        if self.welcome.is_none() && !self.session.unsynced {
            self.welcome_all(now);
        }
        if now >= self.busy_since + self.settings.limits.slice {
            // Behind an exchange that is at the port already its cancel may be.
            self.listen();
            return;
        }
        let gathering = self.parked.len() < self.settings.limits.group
            && now < self.parked_since + self.settings.limits.gather;
        if self.welcome.is_some()
            && (self.parked.is_empty() || gathering)
            && (self.session.holder.is_some() || !self.crowded())
            && let Some((client, waiting)) = self.clients.pop(self.session.holder.as_ref())
        {
            self.run(client, waiting);
            return;
        }
        if gathering && !self.parked.is_empty() && !self.listened {
            // What came together is made durable together.
            self.listen();
            return;
        }
        // An open transaction has nothing of its own to save before its end.
        if !self.parked.is_empty() || (self.session.unsynced && self.session.holder.is_none()) {
            self.session.step = Step::Syncing;
            self.outputs.push_back(Output::Sync);
        }
    }

    fn listen(&mut self) {
        self.session.step = Step::Listening;
        self.outputs.push_back(Output::Pause);
    }

    fn run(&mut self, client: ClientId, waiting: Waiting) {
        self.listened = false;
        self.session.lasting |= waiting.script.prepares;
        self.session.step = Step::Exchange {
            client: Some(client),
            conversation: waiting.conversation,
            hold: waiting.hold,
        };
        self.outputs.push_back(Output::Execute {
            messages: waiting.script.messages,
        });
    }

    fn roll_back(&mut self) {
        self.session.open = false;
        self.session.used = true;
        self.session.step = Step::RollingBack;
        self.outputs.push_back(Output::Execute {
            messages: frontend::query("rollback"),
        });
    }

    /// Takes the session back to what it was when it was opened. Settings and roles go always,
    /// since a function may have set them unseen; the rest only where a command can have left it,
    /// because that throws away the plans of every function too.
    pub(super) fn reset(&mut self, lasting: bool) {
        self.session.used = false;
        self.session.lasting = false;
        self.session.step = Step::Resetting;
        let baseline = &self.settings.baseline;
        let messages = if lasting {
            let discard = frontend::query("discard all");
            let listen = frontend::query(&format!("{RESET}; listen pgrst; {baseline}"));
            [discard, listen].concat().into()
        } else {
            frontend::query(&format!("{RESET}; {baseline}"))
        };
        self.outputs.push_back(Output::Execute { messages });
    }

    pub(super) fn prepare(&mut self, runner: Runner) {
        if let Some(messages) = runner.poll() {
            self.session.step = Step::Preparing(runner);
            self.outputs.push_back(Output::Execute { messages });
        } else {
            self.migration = runner.latest();
            self.created = runner.created();
            self.reset(true);
        }
    }
}
