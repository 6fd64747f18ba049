//! The body of a request, on its way beside the response.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

use futures::StreamExt as _;
use port::peer::{Body, Interrupted};

use super::{Failure, Limits, link::Link};
use crate::surroundings::{Bell, Milliseconds, Task, World, within};

/// Ends with this value: what is not sent by then is not sent.
pub(super) struct Upload {
    state: Rc<State>,
    _task: Option<Task>,
}

#[derive(Default)]
struct State {
    /// The program wants the body.
    asked: Cell<bool>,
    done: Cell<bool>,
    failure: RefCell<Option<Failure>>,
    /// When the program took something last.
    since: Cell<Milliseconds>,
    changed: Bell,
}

impl Upload {
    /// There is no body.
    pub(super) fn none() -> Self {
        let state = Rc::<State>::default();
        state.done.set(true);
        Self { state, _task: None }
    }

    /// Sends a body, at once or when it is asked for.
    pub(super) fn start(
        world: &World,
        limits: &Limits,
        link: Rc<Link>,
        body: Body,
        is_asked: bool,
    ) -> Self {
        let state = Rc::<State>::default();
        state.asked.set(is_asked);
        let task = Task::run(world, {
            let (world, state, unasked) = (Rc::clone(world), Rc::clone(&state), limits.unasked);
            async move {
                let asked = state.changed.wait(|| state.asked.get().then_some(()));
                // Who never asks for it may want it all the same (RFC 9110, 10.1.1).
                let _ = within(&world, unasked, asked).await;
                match send(&world, &state, &link, body).await {
                    Ok(()) => state.done.set(true),
                    Err(failure) => _ = state.failure.replace(failure),
                }
                state.changed.ring();
            }
        });
        Self {
            state,
            _task: Some(task),
        }
    }

    /// The program wants the body.
    pub(super) fn go(&self) {
        self.state.asked.set(true);
        self.state.changed.ring();
    }

    pub(super) fn is_done(&self) -> bool {
        self.state.done.get()
    }

    /// When the program took something last.
    pub(super) fn since(&self) -> Milliseconds {
        self.state.since.get()
    }

    pub(super) fn advanced(&self, world: &World) {
        self.state.since.set(world.now());
    }

    /// Waits until the body broke off, which may never be.
    pub(super) async fn failed(&self) -> Failure {
        let state = &self.state;
        state.changed.wait(|| state.failure.borrow().clone()).await
    }
}

/// A program that takes no more may have answered already: that is no failure of the body.
async fn send(
    world: &World,
    state: &State,
    link: &Link,
    mut body: Body,
) -> Result<(), Option<Failure>> {
    while let Some(chunk) = body.next().await {
        let chunk = chunk.map_err(|interrupted| Some(Failure::Request(interrupted)))?;
        link.client.borrow_mut().send(&chunk);
        link.flush().await.map_err(|_broken| None)?;
        state.since.set(world.now());
    }
    let is_whole = link.client.borrow_mut().finish(None);
    if !is_whole {
        let reason = "it is shorter than its Content-Length".to_owned();
        return Err(Some(Failure::Request(Interrupted::Broken(reason))));
    }
    link.flush().await.map_err(|_broken| None)
}
