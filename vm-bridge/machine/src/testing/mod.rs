//! A world on a clock that is stepped, and a guest's network in memory.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, VecDeque},
    future::Future,
    rc::{Rc, Weak},
};

use futures::{
    channel::oneshot,
    executor::{LocalPool, LocalSpawner},
    future::LocalBoxFuture,
    task::LocalSpawnExt as _,
};
use network::Settings;

use crate::{
    network::Frames,
    surroundings::{Milliseconds, Surroundings, World},
};

pub(crate) mod guest;
mod pipes;
pub(crate) mod scene;

pub(crate) use pipes::Pipes;

/// A world in which time passes only when nothing else can happen.
pub(crate) struct Stage {
    pool: LocalPool,
    pub(crate) clock: Rc<Clock>,
}

pub(crate) struct Clock {
    now: Cell<Milliseconds>,
    sleepers: RefCell<BTreeMap<(Milliseconds, u64), oneshot::Sender<()>>>,
    count: Cell<u64>,
    dice: Cell<u64>,
    spawner: LocalSpawner,
    /// What happens as soon as everybody waits.
    next: RefCell<VecDeque<Box<dyn FnOnce()>>>,
}

impl Clock {
    /// Does this as soon as everybody waits.
    pub(crate) fn soon(&self, act: impl FnOnce() + 'static) {
        self.next.borrow_mut().push_back(Box::new(act));
    }
}

impl Stage {
    pub(crate) fn new() -> Self {
        let pool = LocalPool::new();
        let clock = Clock {
            now: Cell::new(1_000),
            sleepers: RefCell::default(),
            count: Cell::new(0),
            dice: Cell::new(88_172_645_463_325_252),
            spawner: pool.spawner(),
            next: RefCell::default(),
        };
        let clock = Rc::new(clock);
        Self { pool, clock }
    }

    pub(crate) fn world(&self) -> World {
        Rc::<Clock>::clone(&self.clock)
    }

    pub(crate) fn now(&self) -> Milliseconds {
        self.clock.now()
    }

    /// Runs everything until this is done; panics where it never will be.
    pub(crate) fn run<Outcome: 'static>(
        &mut self,
        work: impl Future<Output = Outcome> + 'static,
    ) -> Outcome {
        let outcome = Rc::new(Cell::new(None));
        let slot = Rc::clone(&outcome);
        self.clock.spawn(Box::pin(async move {
            slot.set(Some(work.await));
        }));
        let limit = self.now() + 24 * 3_600_000;
        loop {
            self.pool.run_until_stalled();
            if let Some(outcome) = outcome.take() {
                return outcome;
            }
            assert!(self.step(limit), "it waits for ever");
        }
    }

    /// So much time passes in which nothing happens, as while a computer sleeps.
    pub(crate) fn sleep(&mut self, duration: Milliseconds) {
        self.clock.now.set(self.now() + duration);
    }

    /// Lets so much time pass.
    pub(crate) fn pass(&mut self, duration: Milliseconds) {
        let until = self.now() + duration;
        loop {
            self.pool.run_until_stalled();
            if !self.step(until) {
                break;
            }
        }
        self.clock.now.set(until);
    }

    /// The next thing happens, by `limit`.
    fn step(&mut self, limit: Milliseconds) -> bool {
        let next = self.clock.next.borrow_mut().pop_front();
        if let Some(next) = next {
            next();
            return true;
        }
        let mut sleepers = self.clock.sleepers.borrow_mut();
        let Some(entry) = sleepers
            .first_entry()
            .filter(|entry| entry.key().0 <= limit)
        else {
            return false;
        };
        let ((time, _), sleeper) = entry.remove_entry();
        self.clock.now.set(self.now().max(time));
        // Nobody may wait for it any more.
        let _ = sleeper.send(());
        true
    }

    /// A network of frames: ours, and the guest's end of it.
    pub(crate) fn frames(&self) -> (Frames, Frames) {
        let near = Frames::settings(7);
        let far = Settings {
            hardware: [2, 0, 0, 0, 0, 15],
            address: near.guest,
            guest: near.address,
            ..near
        };
        self.frames_of(near, far)
    }

    pub(crate) fn frames_of(&self, near: Settings, far: Settings) -> (Frames, Frames) {
        let ends: Rc<RefCell<Vec<Frames>>> = Rc::default();
        let end = |settings, other: usize| {
            let clock = Rc::downgrade(&self.clock);
            let ends: Weak<RefCell<Vec<Frames>>> = Rc::downgrade(&ends);
            let resolve = Rc::new(|name: &str| (name == "localhost").then_some([127, 0, 0, 1]));
            Frames::new(settings, self.world(), resolve, move |frame| {
                let Some(clock) = clock.upgrade() else { return };
                let ends = ends.clone();
                clock.next.borrow_mut().push_back(Box::new(move || {
                    let end = ends
                        .upgrade()
                        .and_then(|ends| ends.borrow().get(other).cloned());
                    if let Some(end) = end {
                        end.handle_frame(&frame);
                    }
                }));
            })
        };
        let (near, far) = (end(near, 1), end(far, 0));
        ends.borrow_mut().extend([near.clone(), far.clone()]);
        // It lives as long as the stage's clock does.
        let held = Rc::clone(&ends);
        self.clock.spawn(Box::pin(async move {
            let _held = held;
            std::future::pending::<()>().await;
        }));
        (near, far)
    }
}

impl Surroundings for Clock {
    fn now(&self) -> Milliseconds {
        self.now.get()
    }

    fn wall_clock(&self) -> Milliseconds {
        1_700_000_000_000 + self.now.get()
    }

    fn sleep(&self, duration: Milliseconds) -> LocalBoxFuture<'static, ()> {
        let (sender, woken) = oneshot::channel();
        self.count.set(self.count.get() + 1);
        let key = (self.now.get().saturating_add(duration), self.count.get());
        self.sleepers.borrow_mut().insert(key, sender);
        Box::pin(async move {
            let _ = woken.await;
        })
    }

    fn random(&self, bytes: &mut [u8]) {
        for byte in bytes {
            let mut dice = self.dice.get();
            dice ^= dice << 13;
            dice ^= dice >> 7;
            dice ^= dice << 17;
            self.dice.set(dice);
            *byte = dice.to_le_bytes()[1];
        }
    }

    fn spawn(&self, task: LocalBoxFuture<'static, ()>) {
        self.spawner.spawn_local(task).expect("the pool lives");
    }
}
