//! The host's end of the wire: ports that are dialled, ports that are listened on, streams.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
};

use bytes::Bytes;
use smoltcp::{
    iface::{Config, Interface, SocketHandle, SocketSet},
    socket::{
        tcp::{self, RecvError, State},
        udp,
    },
    time::{Duration, Instant},
    wire::{EthernetAddress, HardwareAddress, IpAddress, IpCidr, IpEndpoint, Ipv4Address},
};

use crate::{Milliseconds, device::Device};

#[cfg(test)]
mod tests;

/// The first of the ports that streams of ours begin at (RFC 6335, dynamic ports).
const FIRST_LOCAL: u16 = 49_152;

/// Datagrams of one port that may wait, and bytes of each.
const DATAGRAMS: usize = 32;
const LONGEST_DATAGRAM: usize = 512;

/// The wire's two ends, and how much may be on it.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Our card's address.
    pub hardware: [u8; 6],
    pub address: [u8; 4],
    /// The guest's.
    pub guest: [u8; 4],
    /// Bits of the network that both are in.
    pub prefix: u8,
    /// Bytes of the largest packet, its Ethernet header aside.
    pub mtu: usize,
    /// Bytes that may be on the way in either direction of one stream.
    pub window: usize,
    /// Streams at a time, those that are being opened and closed included.
    pub streams: usize,
    /// For a dialled port to answer.
    pub dial: Milliseconds,
    /// For the other end of an open stream to acknowledge what was sent.
    pub silence: Milliseconds,
    /// Seeds the sequence numbers.
    pub seed: u64,
}

/// One stream of bytes, dialled or accepted. An id is never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(pub u64);

/// What happened, in order. Each names a stream that [`Stack::dial`] or an earlier event named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// The guest called a port that is listened on.
    Accepted { stream: StreamId, port: u16 },
    /// A dialled port answered.
    Connected(StreamId),
    /// There is something to receive, after [`Stack::receive`] said that it waits.
    Readable(StreamId),
    /// There is room again, after [`Stack::send`] took less than all.
    Writable(StreamId),
    /// The stream was broken off, or never came to be; it is gone, except that what came before
    /// can still be received.
    Failed { stream: StreamId, failure: Failure },
    /// Both directions have ended and everything sent has arrived; it is gone.
    Closed(StreamId),
}

/// Why a stream was broken off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// Nobody listens on the dialled port.
    Refused,
    /// The other end reset the stream.
    Reset,
    /// The other end did not answer in time.
    Silence,
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Refused => "nobody listens on the port",
            Self::Reset => "the connection was reset",
            Self::Silence => "the guest does not answer",
        })
    }
}

impl std::error::Error for Failure {}

/// Why a port cannot be dialled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DialError {
    /// As many streams are open as may be.
    TooMany,
    /// Port 0 is nobody's.
    Port,
}

impl fmt::Display for DialError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::TooMany => "too many connections to the guest are open",
            Self::Port => "there is no port 0",
        })
    }
}

impl std::error::Error for DialError {}

/// What [`Stack::receive`] has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Received {
    /// At least one byte.
    Bytes(Bytes),
    /// Nothing yet; [`Event::Readable`] follows.
    Pending,
    /// The other end has said all it had to say.
    End,
    /// The stream is gone.
    Gone,
}

/// One message of UDP: it arrives whole or not at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Datagram {
    /// Our port.
    pub port: u16,
    /// The guest's.
    pub theirs: u16,
    pub bytes: Bytes,
}

/// A TCP/IP stack with one neighbour, the guest.
///
/// After every `handle_*` and after every call about a stream, take [`Stack::poll_frame`] and
/// [`Stack::poll_event`] until they are `None`, then call [`Stack::handle_timeout`] no later than
/// [`Stack::poll_timeout`] says.
pub struct Stack {
    settings: Settings,
    interface: Interface,
    device: Device,
    sockets: SocketSet<'static>,
    /// Sockets that wait for a call, or are being called.
    listeners: BTreeMap<u16, Vec<SocketHandle>>,
    /// Sockets that take datagrams, by their port.
    boxes: BTreeMap<u16, SocketHandle>,
    streams: BTreeMap<StreamId, Stream>,
    events: VecDeque<Event>,
    next_stream: u64,
    next_port: u16,
}

#[derive(Debug)]
struct Stream {
    /// `None` once both ends have said their last.
    handle: Option<SocketHandle>,
    /// What had come and was not taken when the socket was done.
    left: Bytes,
    /// Until when a dialled port may take to answer; `None` once it did.
    dialled: Option<Milliseconds>,
    /// Whether somebody waits for something to receive.
    reading: bool,
    /// Whether somebody waits for room.
    writing: bool,
    /// Whether the other end has said its last, regularly.
    ended: bool,
    /// Whether that was received.
    heard: bool,
    /// Whether a frame, and not a clock, closed it.
    reset: bool,
    /// Whether it was told that it is gone. It stays while something is left to receive.
    failed: bool,
}

impl Stack {
    pub fn new(settings: Settings, now: Milliseconds) -> Self {
        let mut device = Device::new(settings.mtu);
        let address = HardwareAddress::Ethernet(EthernetAddress(settings.hardware));
        let mut config = Config::new(address);
        config.random_seed = settings.seed;
        let mut interface = Interface::new(config, &mut device, instant(now));
        interface.update_ip_addrs(|addresses| {
            let address = IpAddress::Ipv4(Ipv4Address::from(settings.address));
            // The first of several fits always.
            let _ = addresses.push(IpCidr::new(address, settings.prefix));
        });
        Self {
            settings,
            interface,
            device,
            sockets: SocketSet::new(Vec::new()),
            listeners: BTreeMap::new(),
            boxes: BTreeMap::new(),
            streams: BTreeMap::new(),
            events: VecDeque::new(),
            next_stream: 0,
            next_port: 0,
        }
    }

    /// Takes a frame from the guest. One that is no frame is dropped, as a network card does.
    pub fn handle_frame(&mut self, frame: &[u8], now: Milliseconds) {
        self.device.arrived.push_back(frame.to_vec());
        self.turn(now);
    }

    /// The time that [`Stack::poll_timeout`] named has come.
    pub fn handle_timeout(&mut self, now: Milliseconds) {
        self.turn(now);
    }

    /// The next frame for the guest.
    pub fn poll_frame(&mut self) -> Option<Vec<u8>> {
        self.device.leaving.pop_front()
    }

    /// The next thing that happened.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When to call [`Stack::handle_timeout`], if nothing else comes before.
    pub fn poll_timeout(&mut self, now: Milliseconds) -> Option<Milliseconds> {
        let due = self.interface.poll_at(instant(now), &self.sockets);
        let due = due.map(|due| Milliseconds::try_from(due.total_millis()).unwrap_or(now));
        let dials = self.streams.values().filter_map(|stream| stream.dialled);
        dials.chain(due).min()
    }

    /// Accepts what the guest calls on `port` from now on.
    pub fn listen(&mut self, port: u16) {
        self.listeners.entry(port).or_default();
        self.wait_for_calls();
    }

    /// Refuses what the guest calls on `port` from now on; open streams stay.
    pub fn close(&mut self, port: u16) {
        for handle in self.listeners.remove(&port).unwrap_or_default() {
            self.sockets.remove(handle);
        }
    }

    /// Takes what the guest sends to a UDP port from now on: [`Stack::poll_datagram`] has it.
    pub fn open_box(&mut self, port: u16) {
        if self.boxes.contains_key(&port) {
            return;
        }
        let buffer = || {
            let slots = vec![udp::PacketMetadata::EMPTY; DATAGRAMS];
            udp::PacketBuffer::new(slots, vec![0; DATAGRAMS * LONGEST_DATAGRAM])
        };
        let mut socket = udp::Socket::new(buffer(), buffer());
        // Only port 0 is refused, and nobody can send to it.
        if socket.bind(port).is_ok() {
            self.boxes.insert(port, self.sockets.add(socket));
        }
    }

    /// The next datagram from the guest. What comes faster than it is taken is lost, as it may be.
    pub fn poll_datagram(&mut self) -> Option<Datagram> {
        self.boxes.iter().find_map(|(&port, &handle)| {
            let socket = self.sockets.get_mut::<udp::Socket<'_>>(handle);
            let (bytes, from) = socket.recv().ok()?;
            let bytes = Bytes::copy_from_slice(bytes);
            let theirs = from.endpoint.port;
            Some(Datagram {
                port,
                theirs,
                bytes,
            })
        })
    }

    /// Sends a datagram to the guest from a port that [`Stack::open_box`] opened. One that is too
    /// long, or for which there is no room, is lost.
    pub fn send_datagram(&mut self, datagram: &Datagram, now: Milliseconds) {
        if let Some(&handle) = self.boxes.get(&datagram.port) {
            let guest = IpAddress::Ipv4(Ipv4Address::from(self.settings.guest));
            let socket = self.sockets.get_mut::<udp::Socket<'_>>(handle);
            let _ = socket.send_slice(&datagram.bytes, IpEndpoint::new(guest, datagram.theirs));
            self.turn(now);
        }
    }

    /// Calls a port of the guest. [`Event::Connected`] or [`Event::Failed`] follows.
    pub fn dial(&mut self, port: u16, now: Milliseconds) -> Result<StreamId, DialError> {
        if self.sockets.iter().count() >= self.settings.streams {
            return Err(DialError::TooMany);
        }
        let local = self.free_port();
        let guest = IpAddress::Ipv4(Ipv4Address::from(self.settings.guest));
        let mut socket = self.socket();
        let context = self.interface.context();
        socket
            .connect(context, IpEndpoint::new(guest, port), local)
            .map_err(|_unaddressable| DialError::Port)?;
        let handle = self.sockets.add(socket);
        let stream = self.named(handle, Some(now.saturating_add(self.settings.dial)));
        self.turn(now);
        Ok(stream)
    }

    /// Sends what there is room for and says how many bytes that was. Where it was less than all,
    /// [`Event::Writable`] follows.
    pub fn send(&mut self, stream: StreamId, bytes: &[u8], now: Milliseconds) -> usize {
        let Some(socket) = self.socket_of(stream) else {
            return 0;
        };
        let sent = socket.send_slice(bytes).unwrap_or_default();
        if let Some(open) = self.streams.get_mut(&stream) {
            open.writing = sent < bytes.len();
        }
        self.turn(now);
        sent
    }

    /// Takes what has come, at most `most` bytes of it. What is not taken stays with its sender,
    /// once a window is full.
    pub fn receive(&mut self, stream: StreamId, most: usize, now: Milliseconds) -> Received {
        let taken = self.socket_of(stream).map(|socket| {
            socket.recv(|come| {
                let length = come.len().min(most);
                (length, Bytes::copy_from_slice(&come[..length]))
            })
        });
        let Some(open) = self.streams.get_mut(&stream) else {
            return Received::Gone;
        };
        let received = match taken {
            Some(Ok(bytes)) if !bytes.is_empty() => Received::Bytes(bytes),
            Some(Err(RecvError::Finished)) => Received::End,
            // Before it is established, or after it was reset: an event tells which.
            Some(Ok(_) | Err(RecvError::InvalidState)) => Received::Pending,
            None if open.left.is_empty() && open.failed => Received::Gone,
            None if open.left.is_empty() => Received::End,
            None => Received::Bytes(open.left.split_to(open.left.len().min(most))),
        };
        open.reading = received == Received::Pending;
        open.heard |= received == Received::End;
        // There is room for more now, and the sender has to hear of it.
        self.turn(now);
        received
    }

    /// Says that nothing more is sent. What was sent before still arrives, and the other direction
    /// stays open.
    pub fn finish(&mut self, stream: StreamId, now: Milliseconds) {
        if let Some(socket) = self.socket_of(stream) {
            socket.close();
            self.turn(now);
        }
    }

    /// Breaks a stream off: the guest sees a reset. No event follows.
    pub fn reset(&mut self, stream: StreamId, now: Milliseconds) {
        if let Some(socket) = self.socket_of(stream) {
            socket.abort();
        }
        let removed = self.streams.remove(&stream);
        self.turn(now);
        if let Some(handle) = removed.and_then(|stream| stream.handle) {
            self.sockets.remove(handle);
            self.wait_for_calls();
        }
    }

    fn socket_of(&mut self, stream: StreamId) -> Option<&mut tcp::Socket<'static>> {
        let handle = self.streams.get(&stream)?.handle?;
        Some(self.sockets.get_mut(handle))
    }

    /// Lets the stack do all that can be done now.
    fn turn(&mut self, now: Milliseconds) {
        let time = instant(now);
        // Frame by frame: a call takes the socket that waited for it, and the next frame may be
        // another call.
        while !self.device.arrived.is_empty() {
            self.interface
                .poll_ingress_single(time, &mut self.device, &mut self.sockets);
            self.accept();
            self.look();
        }
        self.interface
            .poll(time, &mut self.device, &mut self.sockets);
        self.give_up(now);
        self.tell();
    }

    /// Finds calls that were answered, and sees to it that somebody waits for the next.
    fn accept(&mut self) {
        let mut answered = Vec::new();
        let sockets = &mut self.sockets;
        for (&port, waiting) in &mut self.listeners {
            waiting.retain(|&handle| {
                match sockets.get::<tcp::Socket<'_>>(handle).state() {
                    State::Listen | State::SynReceived => return true,
                    // The caller fell silent before it was answered.
                    State::Closed => _ = sockets.remove(handle),
                    State::SynSent
                    | State::Established
                    | State::FinWait1
                    | State::FinWait2
                    | State::CloseWait
                    | State::Closing
                    | State::LastAck
                    | State::TimeWait => answered.push((port, handle)),
                }
                false
            });
        }
        for (port, handle) in answered {
            let stream = self.named(handle, None);
            self.events.push_back(Event::Accepted { stream, port });
        }
        self.wait_for_calls();
    }

    /// Notes what a frame did to the streams, which their last state does not tell.
    fn look(&mut self) {
        for stream in self.streams.values_mut() {
            let Some(handle) = stream.handle else {
                continue;
            };
            let socket = self.sockets.get_mut::<tcp::Socket<'_>>(handle);
            match socket.state() {
                State::CloseWait | State::LastAck | State::Closing | State::TimeWait => {
                    stream.ended = true;
                }
                State::Closed => stream.reset = !stream.ended,
                State::Listen
                | State::SynSent
                | State::SynReceived
                | State::Established
                | State::FinWait1
                | State::FinWait2 => {}
            }
            // Both ends have said their last and heard that it arrived. What is not taken yet is
            // kept here: the socket would forget it.
            if stream.ended && matches!(socket.state(), State::Closed | State::TimeWait) {
                stream.left = rest(socket);
                stream.handle = None;
                self.sockets.remove(handle);
            }
        }
    }

    /// Has one socket wait on every port that is listened on, unless there are too many already. A
    /// call that was begun and broken off leaves its socket waiting beside the next: it is removed.
    fn wait_for_calls(&mut self) {
        let ports: Vec<u16> = self.listeners.keys().copied().collect();
        for port in ports {
            let waiting = self.listeners.remove(&port).unwrap_or_default();
            let (idle, mut called): (Vec<_>, Vec<_>) = waiting.into_iter().partition(|&handle| {
                self.sockets.get::<tcp::Socket<'_>>(handle).state() == State::Listen
            });
            for &handle in idle.iter().skip(1) {
                self.sockets.remove(handle);
            }
            match idle.first() {
                Some(&handle) => called.push(handle),
                None if self.sockets.iter().count() < self.settings.streams => {
                    let mut socket = self.socket();
                    // Only port 0 is refused, and nobody can call it.
                    if socket.listen(port).is_ok() {
                        called.push(self.sockets.add(socket));
                    }
                }
                None => {}
            }
            self.listeners.insert(port, called);
        }
    }

    /// Ends dials that took too long.
    fn give_up(&mut self, now: Milliseconds) {
        let late = |stream: &Stream| stream.dialled.is_some_and(|deadline| deadline <= now);
        let late: Vec<StreamId> = self
            .streams
            .iter()
            .filter_map(|(&id, stream)| late(stream).then_some(id))
            .collect();
        for stream in late {
            let Some(open) = self.streams.remove(&stream) else {
                continue;
            };
            // Nobody is told of a call that was never answered.
            if let Some(handle) = open.handle {
                self.sockets.remove(handle);
            }
            let failure = Failure::Silence;
            self.events.push_back(Event::Failed { stream, failure });
        }
    }

    /// Tells what became of the streams.
    fn tell(&mut self) {
        let mut gone = Vec::new();
        for (&id, stream) in &mut self.streams {
            let Some(handle) = stream.handle else {
                if stream.failed {
                    if stream.left.is_empty() {
                        gone.push(id);
                    }
                    continue;
                }
                if std::mem::take(&mut stream.reading) {
                    self.events.push_back(Event::Readable(id));
                }
                if stream.heard {
                    self.events.push_back(Event::Closed(id));
                    gone.push(id);
                }
                continue;
            };
            let socket = self.sockets.get_mut::<tcp::Socket<'_>>(handle);
            match socket.state() {
                State::SynSent => continue,
                State::Closed => {
                    let failure = match (stream.dialled, stream.reset) {
                        (Some(_), _) => Failure::Refused,
                        (None, true) => Failure::Reset,
                        (None, false) => Failure::Silence,
                    };
                    // A server that has answered and wants to hear no more breaks off: its answer
                    // stands.
                    stream.left = rest(socket);
                    stream.handle = None;
                    stream.failed = true;
                    self.sockets.remove(handle);
                    if stream.left.is_empty() {
                        gone.push(id);
                    }
                    let stream = id;
                    self.events.push_back(Event::Failed { stream, failure });
                    continue;
                }
                State::Listen
                | State::SynReceived
                | State::Established
                | State::FinWait1
                | State::FinWait2
                | State::CloseWait
                | State::Closing
                | State::LastAck
                | State::TimeWait => {}
            }
            if stream.dialled.take().is_some() {
                self.events.push_back(Event::Connected(id));
            }
            if stream.reading && (socket.can_recv() || stream.ended) {
                stream.reading = false;
                self.events.push_back(Event::Readable(id));
            }
            if stream.writing && socket.can_send() {
                stream.writing = false;
                self.events.push_back(Event::Writable(id));
            }
        }
        for id in gone {
            if let Some(handle) = self.streams.remove(&id).and_then(|stream| stream.handle) {
                self.sockets.remove(handle);
            }
        }
        self.wait_for_calls();
    }

    fn socket(&self) -> tcp::Socket<'static> {
        let buffer = || tcp::SocketBuffer::new(vec![0; self.settings.window]);
        let mut socket = tcp::Socket::new(buffer(), buffer());
        // What is small is the whole answer: it does not wait for more, and neither does its
        // acknowledgement.
        socket.set_nagle_enabled(false);
        socket.set_ack_delay(None);
        socket.set_timeout(Some(Duration::from_millis(self.settings.silence)));
        socket.set_keep_alive(Some(Duration::from_millis(self.settings.silence / 3)));
        socket
    }

    fn named(&mut self, handle: SocketHandle, dialled: Option<Milliseconds>) -> StreamId {
        let id = StreamId(self.next_stream);
        self.next_stream += 1;
        let stream = Stream {
            handle: Some(handle),
            left: Bytes::new(),
            dialled,
            reading: true,
            writing: false,
            ended: false,
            heard: false,
            reset: false,
            failed: false,
        };
        self.streams.insert(id, stream);
        id
    }

    /// A port of ours that no stream has.
    fn free_port(&mut self) -> u16 {
        loop {
            let port = FIRST_LOCAL + self.next_port % (u16::MAX - FIRST_LOCAL);
            self.next_port = self.next_port.wrapping_add(1);
            let taken = self.streams.values().any(|stream| {
                let socket = stream
                    .handle
                    .map(|handle| self.sockets.get::<tcp::Socket<'_>>(handle));
                let local = socket.and_then(tcp::Socket::local_endpoint);
                local.is_some_and(|local| local.port == port)
            });
            if !taken {
                return port;
            }
        }
    }
}

impl fmt::Debug for Stack {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Stack")
            .field("settings", &self.settings)
            .field("streams", &self.streams)
            .field("events", &self.events)
            .finish_non_exhaustive()
    }
}

/// What has come and was not taken.
fn rest(socket: &mut tcp::Socket<'_>) -> Bytes {
    let mut left = Vec::with_capacity(socket.recv_queue());
    while let Ok(length) = socket.recv(|come| {
        left.extend_from_slice(come);
        (come.len(), come.len())
    }) && length > 0
    {}
    left.into()
}

fn instant(now: Milliseconds) -> Instant {
    Instant::from_millis(i64::try_from(now).unwrap_or(i64::MAX))
}
