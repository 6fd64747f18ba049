//! How long an isolate computes, and for whom.
//!
//! The limit is of one request. An isolate tells only how long it was busy in all, so what was added since
//! it was last asked is shared by the requests that it had meanwhile. A request that has half of its limit
//! makes the isolate take no others, so that those of many who come and go are not held against one that
//! stays; one that has all of it ends the isolate. What goes on when no request does has a limit of its own.

use std::{cell::Cell, rc::Rc};

use super::{Inner, Isolate};
use crate::functions::{Failure, Limit, talk::Talk};

/// What was computed.
#[derive(Debug, Default)]
pub(super) struct Spent {
    /// Milliseconds of its life, as it last told.
    told: Cell<u64>,
    /// Requests that ended since then.
    ended: Cell<u64>,
    /// Microseconds since the last request.
    alone: Cell<u64>,
}

impl Spent {
    /// An exchange is over.
    pub(super) fn ended(&self, talk: &Talk) {
        self.ended
            .set(self.ended.get() + u64::from(talk.is_request()));
    }

    /// It has nothing to do.
    pub(super) fn forget(&self) {
        self.alone.set(0);
    }
}

impl Inner {
    /// It was busy for so many milliseconds of its life.
    pub(super) fn computed(self: &Rc<Self>, told: u64) {
        let spent = &self.cpu;
        let added = told.saturating_sub(spent.told.replace(told));
        self.account.computed(added);
        let ended = spent.ended.take();
        // To begin takes its own time, which has its own limit.
        if !self.ready.get() {
            return;
        }
        let most = {
            let mut talks = self.talks.borrow_mut();
            let requests = talks.values_mut().filter(|talk| talk.is_request());
            let mut requests: Vec<_> = requests.collect();
            let count = ended + requests.len() as u64;
            if let Some(share) = (added * 1_000).checked_div(count) {
                spent.alone.set(0);
                for talk in &mut requests {
                    talk.cpu += share;
                }
            } else {
                spent.alone.set(spent.alone.get() + added * 1_000);
            }
            let most = requests.iter().map(|talk| talk.cpu).max();
            most.unwrap_or_default().max(spent.alone.get())
        };
        let limit = self.spec.limits.cpu_ms.saturating_mul(self.side.slowness()) * 1_000;
        if most > limit {
            self.end(Failure::Limit(Limit::Cpu), Limit::Cpu.name());
        } else if most > limit / 2 {
            Isolate(Rc::clone(self)).retire(Limit::Cpu.name());
        }
    }
}
