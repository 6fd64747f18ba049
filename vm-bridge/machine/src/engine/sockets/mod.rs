//! The network of a guest whose engine carries calls instead of frames.
//!
//! [`Sockets`] stands where a `network::Stack` stands for other engines, and has its methods and
//! events. It asks the guest's side for things with [`Order`]s and hears of it by [`Happened`]s.
//!
//! A call of the guest's to itself is a call to the outside too, as such an engine makes it: it is
//! joined here with the guest's own listener, unless that port is ours.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;
use network::{DialError, Event, Failure, Received, StreamId};

#[cfg(test)]
mod tests;

/// What is asked of the guest's side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// Somebody calls a port that the guest listens on.
    Call { stream: StreamId, port: u16 },
    /// The guest's call was answered.
    Accept(StreamId),
    /// Nobody answers the guest's call.
    Refuse(StreamId),
    /// Bytes for the guest.
    Send { stream: StreamId, bytes: Bytes },
    /// The guest may send so many bytes more. It begins with none.
    Credit { stream: StreamId, bytes: usize },
    /// Nothing more comes for the guest.
    Finish(StreamId),
    /// The stream is broken off.
    Reset(StreamId),
}

/// What the guest's side tells. The guest names the streams that it begins by odd numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Happened {
    /// The guest listens on a port.
    Listening { port: u16 },
    /// It does no more.
    Silent { port: u16 },
    /// The guest calls a port of a host: a name, or an address.
    Called {
        stream: StreamId,
        host: String,
        port: u16,
    },
    /// Bytes from the guest, within its credit.
    Sent { stream: StreamId, bytes: Bytes },
    /// The guest has taken so many bytes of what was sent to it.
    Taken { stream: StreamId, bytes: usize },
    /// Nothing more comes from the guest.
    Finished(StreamId),
    /// The guest broke the stream off.
    Reset(StreamId),
}

#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Bytes that may be on the way in either direction of one stream.
    pub window: usize,
    /// Streams at a time.
    pub streams: usize,
}

/// Hosts that are the guest itself or the gateway, which are one here.
const HERE: [&str; 4] = ["localhost", "127.0.0.1", "10.0.2.2", "10.0.2.15"];

/// Ports that are dialled, ports that are listened on, streams.
///
/// After every call take [`Sockets::poll_order`] and [`Sockets::poll_event`] until they are `None`.
#[derive(Debug)]
pub struct Sockets {
    settings: Settings,
    /// Ports of ours.
    ours: BTreeSet<u16>,
    /// Ports of the guest's.
    guests: BTreeSet<u16>,
    streams: BTreeMap<StreamId, Stream>,
    orders: VecDeque<Order>,
    events: VecDeque<Event>,
    next: u64,
}

#[derive(Debug)]
enum Stream {
    Ours(Ours),
    /// One end of a call of the guest's to itself.
    Joined {
        other: StreamId,
        finished: bool,
    },
}

#[derive(Debug, Default)]
struct Ours {
    /// What has come and was not received.
    come: VecDeque<Bytes>,
    /// Whether the guest has said its last.
    ended: bool,
    /// Whether that was received.
    heard: bool,
    /// Bytes that the guest has not taken.
    going: usize,
    /// Whether we have said our last.
    finished: bool,
    /// Whether somebody waits for something to receive.
    reading: bool,
    /// Whether somebody waits for room.
    writing: bool,
}

impl Sockets {
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            ours: BTreeSet::new(),
            guests: BTreeSet::new(),
            streams: BTreeMap::new(),
            orders: VecDeque::new(),
            events: VecDeque::new(),
            next: 0,
        }
    }

    /// The next thing that is asked of the guest's side.
    pub fn poll_order(&mut self) -> Option<Order> {
        self.orders.pop_front()
    }

    /// The next thing that happened.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Accepts what the guest calls on `port` from now on.
    pub fn listen(&mut self, port: u16) {
        self.ours.insert(port);
    }

    /// Refuses what the guest calls on `port` from now on; open streams stay.
    pub fn close(&mut self, port: u16) {
        self.ours.remove(&port);
    }

    /// Calls a port of the guest. [`Event::Connected`] or [`Event::Failed`] follows.
    pub fn dial(&mut self, port: u16) -> Result<StreamId, DialError> {
        if port == 0 {
            return Err(DialError::Port);
        }
        if self.streams.len() >= self.settings.streams {
            return Err(DialError::TooMany);
        }
        let stream = self.fresh();
        if !self.guests.contains(&port) {
            let failure = Failure::Refused;
            self.events.push_back(Event::Failed { stream, failure });
            return Ok(stream);
        }
        self.streams.insert(stream, Stream::Ours(Ours::default()));
        self.orders.push_back(Order::Call { stream, port });
        self.credit(stream, self.settings.window);
        self.events.push_back(Event::Connected(stream));
        Ok(stream)
    }

    /// Sends what there is room for and says how many bytes that was. Where it was less than all,
    /// [`Event::Writable`] follows.
    pub fn send(&mut self, stream: StreamId, bytes: &[u8]) -> usize {
        let Some(Stream::Ours(open)) = self.streams.get_mut(&stream) else {
            return 0;
        };
        if open.finished {
            return 0;
        }
        let room = self.settings.window.saturating_sub(open.going);
        let sent = bytes.len().min(room);
        open.going += sent;
        open.writing = sent < bytes.len();
        if sent > 0 {
            let bytes = Bytes::copy_from_slice(&bytes[..sent]);
            self.orders.push_back(Order::Send { stream, bytes });
        }
        sent
    }

    /// Takes what has come, at most `most` bytes of it. What is not taken stays with its sender,
    /// once a window is full.
    pub fn receive(&mut self, stream: StreamId, most: usize) -> Received {
        let Some(Stream::Ours(open)) = self.streams.get_mut(&stream) else {
            return Received::Gone;
        };
        let Some(mut bytes) = open.come.pop_front() else {
            open.reading = !open.ended;
            if !open.ended {
                return Received::Pending;
            }
            open.heard = true;
            self.over(stream);
            return Received::End;
        };
        if bytes.len() > most {
            open.come.push_front(bytes.split_off(most));
        }
        let taken = bytes.len();
        self.credit(stream, taken);
        Received::Bytes(bytes)
    }

    /// Says that nothing more is sent. What was sent before still arrives, and the other direction
    /// stays open.
    pub fn finish(&mut self, stream: StreamId) {
        if let Some(Stream::Ours(open)) = self.streams.get_mut(&stream)
            && !open.finished
        {
            open.finished = true;
            self.orders.push_back(Order::Finish(stream));
            self.over(stream);
        }
    }

    /// Breaks a stream off: the guest sees a reset. No event follows.
    pub fn reset(&mut self, stream: StreamId) {
        if self.streams.remove(&stream).is_some() {
            self.orders.push_back(Order::Reset(stream));
        }
    }

    /// Takes what the guest's side tells. What is about a stream that is gone is of no meaning.
    pub fn handle(&mut self, happened: Happened) {
        match happened {
            Happened::Listening { port } => {
                self.guests.insert(port);
            }
            Happened::Silent { port } => {
                self.guests.remove(&port);
            }
            Happened::Called { stream, host, port } => self.called(stream, &host, port),
            Happened::Sent { stream, bytes } => self.sent(stream, bytes),
            Happened::Taken { stream, bytes } => self.taken(stream, bytes),
            Happened::Finished(stream) => self.finished(stream),
            Happened::Reset(stream) => self.broken_off(stream),
        }
    }

    fn called(&mut self, stream: StreamId, host: &str, port: u16) {
        let here = HERE.iter().any(|name| host.eq_ignore_ascii_case(name));
        let room = self.streams.len() + 2 <= self.settings.streams;
        if !here || !room || self.streams.contains_key(&stream) {
            self.orders.push_back(Order::Refuse(stream));
        } else if self.ours.contains(&port) {
            self.streams.insert(stream, Stream::Ours(Ours::default()));
            self.orders.push_back(Order::Accept(stream));
            self.credit(stream, self.settings.window);
            self.events.push_back(Event::Accepted { stream, port });
        } else if self.guests.contains(&port) {
            let other = self.fresh();
            self.join(stream, other);
            self.join(other, stream);
            let call = Order::Call {
                stream: other,
                port,
            };
            self.orders.push_back(call);
            self.orders.push_back(Order::Accept(stream));
            self.credit(stream, self.settings.window);
            self.credit(other, self.settings.window);
        } else {
            self.orders.push_back(Order::Refuse(stream));
        }
    }

    fn join(&mut self, stream: StreamId, other: StreamId) {
        let finished = false;
        self.streams
            .insert(stream, Stream::Joined { other, finished });
    }

    fn sent(&mut self, stream: StreamId, bytes: Bytes) {
        match self.streams.get_mut(&stream) {
            Some(Stream::Ours(open)) if !bytes.is_empty() => {
                open.come.push_back(bytes);
                self.readable(stream);
            }
            Some(Stream::Joined { other, .. }) => {
                let stream = *other;
                self.orders.push_back(Order::Send { stream, bytes });
            }
            _ => {}
        }
    }

    fn taken(&mut self, stream: StreamId, bytes: usize) {
        match self.streams.get_mut(&stream) {
            Some(Stream::Ours(open)) => {
                open.going = open.going.saturating_sub(bytes);
                if open.writing && !open.finished {
                    open.writing = false;
                    self.events.push_back(Event::Writable(stream));
                }
                self.over(stream);
            }
            Some(Stream::Joined { other, .. }) => {
                let other = *other;
                self.credit(other, bytes);
            }
            None => {}
        }
    }

    fn finished(&mut self, stream: StreamId) {
        match self.streams.get_mut(&stream) {
            Some(Stream::Ours(open)) => {
                open.ended = true;
                self.readable(stream);
            }
            Some(Stream::Joined { other, finished }) => {
                *finished = true;
                let other = *other;
                self.orders.push_back(Order::Finish(other));
                if let Some(Stream::Joined { finished: true, .. }) = self.streams.get(&other) {
                    self.streams.remove(&stream);
                    self.streams.remove(&other);
                }
            }
            None => {}
        }
    }

    fn broken_off(&mut self, stream: StreamId) {
        let Some(gone) = self.streams.remove(&stream) else {
            return;
        };
        match gone {
            Stream::Ours(_) => {
                let failure = Failure::Reset;
                self.events.push_back(Event::Failed { stream, failure });
            }
            Stream::Joined { other, .. } => {
                self.streams.remove(&other);
                self.orders.push_back(Order::Reset(other));
            }
        }
    }

    fn readable(&mut self, stream: StreamId) {
        if let Some(Stream::Ours(open)) = self.streams.get_mut(&stream)
            && open.reading
        {
            open.reading = false;
            self.events.push_back(Event::Readable(stream));
        }
    }

    /// Lets a stream go where both ends have said their last and all has arrived.
    fn over(&mut self, stream: StreamId) {
        if let Some(Stream::Ours(open)) = self.streams.get(&stream)
            && open.finished
            && open.heard
            && open.going == 0
        {
            self.streams.remove(&stream);
            self.events.push_back(Event::Closed(stream));
        }
    }

    fn credit(&mut self, stream: StreamId, bytes: usize) {
        self.orders.push_back(Order::Credit { stream, bytes });
    }

    /// Ours are even, the guest's are odd.
    fn fresh(&mut self) -> StreamId {
        self.next += 2;
        StreamId(self.next)
    }
}
