//! Whose turn it is: so many at a time, the others in the order in which they came.

use std::{cell::RefCell, collections::VecDeque, rc::Rc};

use futures::channel::oneshot;

use super::Failure;

#[derive(Debug)]
pub(super) struct Turns(Rc<State>);

#[derive(Debug)]
struct State {
    most: usize,
    queue: usize,
    under_way: RefCell<UnderWay>,
}

#[derive(Debug, Default)]
struct UnderWay {
    active: usize,
    waiting: VecDeque<oneshot::Sender<Turn>>,
}

/// Its holder's turn, until it is dropped.
#[derive(Debug)]
pub(super) struct Turn(Option<Rc<State>>);

impl Turns {
    /// `most` at a time, of whom there is always one; `queue` may wait.
    pub(super) fn new(most: usize, queue: usize) -> Self {
        Self(Rc::new(State {
            most: most.max(1),
            queue,
            under_way: RefCell::default(),
        }))
    }

    /// Waits for a turn, if there is room to.
    pub(super) async fn turn(&self) -> Result<Turn, Failure> {
        let waits = {
            let mut under_way = self.0.under_way.borrow_mut();
            if under_way.active < self.0.most {
                under_way.active += 1;
                return Ok(Turn(Some(Rc::clone(&self.0))));
            }
            // Who gave up is not in anybody's way.
            under_way.waiting.retain(|waiting| !waiting.is_canceled());
            if under_way.waiting.len() >= self.0.queue {
                return Err(Failure::QueueFull);
            }
            let (sender, waits) = oneshot::channel();
            under_way.waiting.push_back(sender);
            waits
        };
        waits.await.map_err(|_ended| Failure::QueueFull)
    }

    pub(super) fn waiting(&self) -> usize {
        let under_way = self.0.under_way.borrow();
        let waiting = under_way.waiting.iter();
        waiting.filter(|waiting| !waiting.is_canceled()).count()
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let Some(state) = self.0.take() else {
            return;
        };
        loop {
            let next = state.under_way.borrow_mut().waiting.pop_front();
            let Some(next) = next else {
                state.under_way.borrow_mut().active -= 1;
                return;
            };
            match next.send(Self(Some(Rc::clone(&state)))) {
                Ok(()) => return,
                // Nobody waits for it any more: it is passed on from here.
                Err(mut turn) => turn.0 = None,
            }
        }
    }
}
