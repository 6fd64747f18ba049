//! What the machine needs of the world it runs in: clocks, chance, and somebody who runs tasks.

use std::{
    cell::RefCell,
    fmt,
    future::Future,
    rc::Rc,
    task::{Context, Poll, Waker},
};

use futures::future::{self, AbortHandle, Either, LocalBoxFuture};

/// Milliseconds on a clock that never goes back. Only differences are meaningful.
pub type Milliseconds = u64;

/// The world, for one thread.
pub trait Surroundings {
    /// The time on a clock that never goes back.
    fn now(&self) -> Milliseconds;

    /// Milliseconds since 1970, as people's clocks show it.
    fn wall_clock(&self) -> Milliseconds;

    /// Done after so long.
    fn sleep(&self, duration: Milliseconds) -> LocalBoxFuture<'static, ()>;

    /// Fills with bytes that nobody can foresee.
    fn random(&self, bytes: &mut [u8]);

    /// Runs a task beside all others.
    fn spawn(&self, task: LocalBoxFuture<'static, ()>);
}

/// As everybody here holds it.
pub type World = Rc<dyn Surroundings>;

/// The time was over before the outcome was there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Elapsed;

/// Waits for an outcome, but only so long. What is too late is dropped.
pub async fn within<Outcome>(
    world: &World,
    limit: Milliseconds,
    work: impl Future<Output = Outcome>,
) -> Result<Outcome, Elapsed> {
    let work = std::pin::pin!(work);
    match future::select(work, world.sleep(limit)).await {
        Either::Left((outcome, _)) => Ok(outcome),
        Either::Right(((), _)) => Err(Elapsed),
    }
}

/// A task that ends with this value.
#[derive(Debug)]
pub struct Task(AbortHandle);

impl Task {
    /// Runs work beside all other, until it is done or the task is dropped.
    #[must_use]
    pub fn run(world: &World, work: impl Future<Output = ()> + 'static) -> Self {
        let (work, handle) = future::abortable(work);
        world.spawn(Box::pin(async move {
            // Whether it was ended does not matter to it.
            let _ = work.await;
        }));
        Self(handle)
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Whoever waits for something to change: everybody is woken, and looks.
#[derive(Default)]
pub struct Bell(RefCell<Vec<Waker>>);

impl Bell {
    /// Wakes whoever waits.
    pub fn ring(&self) {
        for waker in self.0.take() {
            waker.wake();
        }
    }

    /// Waits until `look` has something; it is asked again each time the bell rings.
    pub fn wait<Found>(
        &self,
        mut look: impl FnMut() -> Option<Found>,
    ) -> impl Future<Output = Found> {
        future::poll_fn(move |context| self.poll(context, &mut look))
    }

    /// As [`Bell::wait`], for a task that polls.
    pub fn poll<Found>(
        &self,
        context: &Context<'_>,
        mut look: impl FnMut() -> Option<Found>,
    ) -> Poll<Found> {
        if let Some(found) = look() {
            return Poll::Ready(found);
        }
        let mut waiting = self.0.borrow_mut();
        if !waiting.iter().any(|waker| waker.will_wake(context.waker())) {
            waiting.push(context.waker().clone());
        }
        Poll::Pending
    }
}

impl fmt::Debug for Bell {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_tuple("Bell")
            .field(&self.0.borrow().len())
            .finish()
    }
}
