//! One request at a time adds to an upload, or ends it.
//!
//! Who holds a lock is a request of this very instance of the gateway, and dies with it: so the locks
//! may live in its memory.

use std::{cell::RefCell, collections::BTreeSet};

thread_local! {
    static HELD: RefCell<BTreeSet<String>> = const { RefCell::new(BTreeSet::new()) };
}

/// An upload's lock, given back when it is dropped.
#[derive(Debug)]
pub(in crate::storage) struct Lock(String);

impl Lock {
    /// Takes the lock of an upload of a project; `None` where another request has it.
    pub(in crate::storage) fn take(project: &str, version: &str) -> Option<Self> {
        let name = [project, "/", version].concat();
        let is_free = HELD.with_borrow_mut(|held| held.insert(name.clone()));
        is_free.then_some(Self(name))
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        HELD.with_borrow_mut(|held| held.remove(&self.0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_held_by_one() {
        let first = Lock::take("default", "v1");
        assert!(first.is_some());
        assert!(Lock::take("default", "v1").is_none());
        assert!(Lock::take("default", "v2").is_some());
        assert!(Lock::take("other", "v1").is_some());
        drop(first);
        assert!(Lock::take("default", "v1").is_some());
    }
}
