//! Streams over a guest's calls, for an engine that carries those instead of frames.

use network::{DialError, Event, Received, StreamId};

use super::switch::{Machine, Switch};
use crate::{
    engine::sockets::{Happened, Order, Settings, Sockets},
    surroundings::{Milliseconds, World},
};

/// The host's end of a guest's calls.
pub type Calls = Switch<Sockets>;

impl Calls {
    /// A switch whose orders for the guest's side go to `send`.
    pub fn new(settings: Settings, world: World, send: impl Fn(Order) + 'static) -> Self {
        Self::over(Sockets::new(settings), world, send)
    }

    /// What the guest's side tells.
    pub fn handle_happened(&self, happened: Happened) {
        self.turn(|sockets, _now| sockets.handle(happened));
    }
}

/// It has no clock: what an engine carries in memory is not lost.
impl Machine for Sockets {
    type Output = Order;
    const WAITING: usize = usize::MAX;

    fn dial(&mut self, port: u16, _now: Milliseconds) -> Result<StreamId, DialError> {
        self.dial(port)
    }

    fn listen(&mut self, port: u16) {
        self.listen(port);
    }

    fn close(&mut self, port: u16) {
        self.close(port);
    }

    fn send(&mut self, stream: StreamId, bytes: &[u8], _now: Milliseconds) -> usize {
        self.send(stream, bytes)
    }

    fn receive(&mut self, stream: StreamId, most: usize, _now: Milliseconds) -> Received {
        self.receive(stream, most)
    }

    fn finish(&mut self, stream: StreamId, _now: Milliseconds) {
        self.finish(stream);
    }

    fn reset(&mut self, stream: StreamId, _now: Milliseconds) {
        self.reset(stream);
    }

    fn handle_timeout(&mut self, _now: Milliseconds) {}

    fn poll_timeout(&mut self, _now: Milliseconds) -> Option<Milliseconds> {
        None
    }

    fn poll_event(&mut self) -> Option<Event> {
        self.poll_event()
    }

    fn poll_output(&mut self) -> Option<Order> {
        self.poll_order()
    }
}
