//! The connections to one port: how many there may be, and those that are kept.

use std::{
    cell::{Cell, RefCell},
    fmt,
    rc::Rc,
    task::Poll,
};

use futures::{FutureExt as _, future::Either};

use super::{Failure, Limits, link::Link};
use crate::surroundings::{Bell, Task, World, within};

#[derive(Default)]
pub(super) struct Pool {
    kept: RefCell<Vec<Kept>>,
    open: Rc<Open>,
    waiting: Cell<usize>,
}

#[derive(Debug, Default)]
struct Open {
    count: Cell<usize>,
    most: Cell<usize>,
    /// Rings when a connection is kept or gone.
    changed: Bell,
}

struct Kept {
    link: Rc<Link>,
    /// Lets it go when its program closes it, or nobody wants it.
    _watch: Task,
}

/// One of the connections that a port may have.
pub struct Slot(Rc<Open>);

impl Pool {
    /// How many connections there are.
    pub(super) fn open(&self) -> usize {
        self.open.count.get()
    }

    /// A kept connection on which nothing has come: what comes without being asked for is its end.
    pub(super) fn kept(&self) -> Option<Rc<Link>> {
        loop {
            let kept = self.kept.borrow_mut().pop()?;
            if kept.link.read().now_or_never().is_none() {
                return Some(kept.link);
            }
        }
    }

    /// A place for one more connection, if there is one.
    pub(super) fn slot(&self) -> Option<Slot> {
        let open = &self.open;
        (open.count.get() < open.most.get()).then(|| {
            open.count.set(open.count.get() + 1);
            Slot(Rc::clone(open))
        })
    }

    /// Waits for a connection that was used before, or for a place for one more.
    pub(super) async fn turn(
        &self,
        world: &World,
        limits: &Limits,
    ) -> Result<Either<Rc<Link>, Slot>, Failure> {
        self.open.most.set(limits.connections);
        if self.waiting.get() == 0
            && let Some(slot) = self.slot()
        {
            return Ok(Either::Right(slot));
        }
        if self.waiting.get() >= limits.waiting {
            return Err(Failure::TooManyConnections);
        }
        let _waits = Waits::new(&self.waiting);
        let found = self.open.changed.wait(|| {
            let kept = self.kept().map(Either::Left);
            kept.or_else(|| self.slot().map(Either::Right))
        });
        let found = within(world, limits.turn, found).await;
        found.map_err(|_elapsed| Failure::TooManyConnections)
    }

    /// Keeps a connection for the next request.
    pub(super) fn keep(self: &Rc<Self>, link: Rc<Link>, world: &World, limits: &Limits) {
        let pool = Rc::downgrade(self);
        let watched = Rc::downgrade(&link);
        let limit = limits.kept;
        let watch = Task::run(world, {
            let world = Rc::clone(world);
            async move {
                let ended = std::future::poll_fn(|context| match watched.upgrade() {
                    Some(link) => link.stream.poll_read(context).map(drop),
                    None => Poll::Ready(()),
                });
                // Whatever happened, it is not to be used any more.
                let _ = within(&world, limit, ended).await;
                if let Some(pool) = pool.upgrade() {
                    let is_other = |kept: &Kept| kept.link_is_not(&watched);
                    let (left, gone) = pool.kept.take().into_iter().partition(is_other);
                    pool.kept.replace(left);
                    drop::<Vec<_>>(gone);
                }
            }
        });
        self.kept.borrow_mut().push(Kept {
            link,
            _watch: watch,
        });
        self.open.changed.ring();
    }

    /// Closes what is kept.
    pub(super) fn forget(&self) {
        drop(self.kept.take());
    }
}

impl Kept {
    fn link_is_not(&self, other: &std::rc::Weak<Link>) -> bool {
        !std::ptr::eq(Rc::as_ptr(&self.link), other.as_ptr())
    }
}

/// Somebody waits for a connection.
struct Waits<'pool>(&'pool Cell<usize>);

impl<'pool> Waits<'pool> {
    fn new(waiting: &'pool Cell<usize>) -> Self {
        waiting.set(waiting.get() + 1);
        Self(waiting)
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.count.set(self.0.count.get() - 1);
        self.0.changed.ring();
    }
}

impl fmt::Debug for Slot {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Slot").field(&self.0.count).finish()
    }
}
