//! Streams over Ethernet frames.

use std::rc::Rc;

use network::{Datagram, DialError, Event, Received, Settings, Stack, StreamId};

use super::{
    dns,
    switch::{Machine, Switch},
};
use crate::{
    engine::MTU,
    surroundings::{Milliseconds, World},
};

/// The host's end of a wire: a TCP/IP stack that the guest is the only neighbour of.
pub type Frames = Switch<Wire>;

/// Our end of the wire, as the guest's image has it in its settings.
const HARDWARE: [u8; 6] = [0x52, 0x55, 10, 0, 2, 2];
const ADDRESS: [u8; 4] = [10, 0, 2, 2];
const GUEST: [u8; 4] = [10, 0, 2, 15];

/// Where names lead; `None` where there is no such name.
pub type Resolver = Rc<dyn Fn(&str) -> Option<[u8; 4]>>;

/// A stack that answers questions for names itself.
pub struct Wire {
    stack: Stack,
    resolve: Resolver,
}

impl Frames {
    /// A wire whose frames for the guest go to `send`, which is never called from within itself.
    /// `resolve` answers the guest's questions for names, on UDP port 53.
    pub fn new(
        settings: Settings,
        world: World,
        resolve: Resolver,
        send: impl Fn(Vec<u8>) + 'static,
    ) -> Self {
        let mut stack = Stack::new(settings, world.now());
        stack.open_box(dns::PORT);
        Self::over(Wire { stack, resolve }, world, send)
    }

    /// The settings of a wire to our guest.
    ///
    /// What a packet costs an emulated guest hardly depends on its size, so packets are large; those
    /// of 64 KiB were measured to overrun the card's queue, where eight of 16 KiB, a window, have room
    /// many times over. A program that accepts few calls at a time lets the others wait, so a dial is
    /// given several tries of TCP's.
    pub fn settings(seed: u64) -> Settings {
        Settings {
            hardware: HARDWARE,
            address: ADDRESS,
            guest: GUEST,
            prefix: 24,
            mtu: usize::from(MTU),
            window: 128 * 1024,
            streams: 1_024,
            dial: 20_000,
            silence: 30_000,
            seed,
        }
    }

    /// A frame from the guest.
    pub fn handle_frame(&self, frame: &[u8]) {
        self.turn(|wire, now| {
            wire.stack.handle_frame(frame, now);
            wire.answer_questions(now);
        });
    }
}

impl Wire {
    fn answer_questions(&mut self, now: Milliseconds) {
        while let Some(asked) = self.stack.poll_datagram() {
            if let Some(bytes) = dns::answer(&asked.bytes, &*self.resolve) {
                self.stack.send_datagram(&Datagram { bytes, ..asked }, now);
            }
        }
    }
}

impl Machine for Wire {
    type Output = Vec<u8>;
    const WAITING: usize = network::WAITING;

    fn dial(&mut self, port: u16, now: Milliseconds) -> Result<StreamId, DialError> {
        self.stack.dial(port, now)
    }

    fn listen(&mut self, port: u16) {
        self.stack.listen(port);
    }

    fn close(&mut self, port: u16) {
        self.stack.close(port);
    }

    fn send(&mut self, stream: StreamId, bytes: &[u8], now: Milliseconds) -> usize {
        self.stack.send(stream, bytes, now)
    }

    fn receive(&mut self, stream: StreamId, most: usize, now: Milliseconds) -> Received {
        self.stack.receive(stream, most, now)
    }

    fn finish(&mut self, stream: StreamId, now: Milliseconds) {
        self.stack.finish(stream, now);
    }

    fn reset(&mut self, stream: StreamId, now: Milliseconds) {
        self.stack.reset(stream, now);
    }

    fn handle_timeout(&mut self, now: Milliseconds) {
        self.stack.handle_timeout(now);
    }

    fn poll_timeout(&mut self, now: Milliseconds) -> Option<Milliseconds> {
        self.stack.poll_timeout(now)
    }

    fn poll_event(&mut self) -> Option<Event> {
        self.stack.poll_event()
    }

    fn poll_output(&mut self) -> Option<Vec<u8>> {
        self.stack.poll_frame()
    }
}

impl std::fmt::Debug for Wire {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.stack.fmt(formatter)
    }
}
