//! Two stacks joined in memory, on a clock that is stepped and a wire that loses and reorders.

use std::collections::{BTreeMap, HashMap};

use expect_test::expect;

use super::*;

const HOST: [u8; 4] = [10, 0, 2, 2];
const GUEST: [u8; 4] = [10, 0, 2, 15];

fn settings(ours: [u8; 4], theirs: [u8; 4]) -> Settings {
    Settings {
        hardware: [2, 0, 0, 0, 0, ours[3]],
        address: ours,
        guest: theirs,
        prefix: 24,
        mtu: 1500,
        window: 64 * 1024,
        streams: 512,
        dial: 5_000,
        silence: 30_000,
        seed: u64::from(ours[3]),
    }
}

/// Numbers that look random and are the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) % sides
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Host,
    Guest,
}

/// Frames in a hundred that are lost, and milliseconds by which one may be later than another.
#[derive(Clone, Copy, Default)]
struct Weather {
    loss: u64,
    jitter: u64,
}

struct Wire {
    host: Stack,
    guest: Stack,
    now: Milliseconds,
    weather: Weather,
    dice: Dice,
    /// What is on the way, by when it arrives.
    flying: BTreeMap<(Milliseconds, u64), (End, Vec<u8>)>,
    sent: u64,
}

impl Wire {
    fn new(weather: Weather) -> Self {
        Self::of(settings(HOST, GUEST), settings(GUEST, HOST), weather)
    }

    fn of(host: Settings, guest: Settings, weather: Weather) -> Self {
        Self {
            host: Stack::new(host, 0),
            guest: Stack::new(guest, 0),
            now: 0,
            weather,
            dice: Dice(7),
            flying: BTreeMap::new(),
            sent: 0,
        }
    }

    fn end(&mut self, end: End) -> &mut Stack {
        match end {
            End::Host => &mut self.host,
            End::Guest => &mut self.guest,
        }
    }

    /// Takes what the stacks have to send, then goes to the next moment at which something happens.
    /// `false` where nothing ever will.
    fn step(&mut self) -> bool {
        self.step_until(Milliseconds::MAX)
    }

    /// Steps, but not beyond a moment.
    fn step_until(&mut self, limit: Milliseconds) -> bool {
        for (from, to) in [(End::Host, End::Guest), (End::Guest, End::Host)] {
            while let Some(frame) = self.end(from).poll_frame() {
                if self.dice.roll(100) < self.weather.loss {
                    continue;
                }
                let delay = 1 + self.dice.roll(self.weather.jitter + 1);
                self.sent += 1;
                self.flying
                    .insert((self.now + delay, self.sent), (to, frame));
            }
        }
        let now = self.now;
        let arrival = self.flying.keys().next().map(|(time, _)| *time);
        let timeouts = [self.host.poll_timeout(now), self.guest.poll_timeout(now)];
        let Some(next) = timeouts.into_iter().flatten().chain(arrival).min() else {
            return false;
        };
        self.now = next.clamp(now, limit.max(now));
        while let Some(entry) = self.flying.first_entry() {
            if entry.key().0 > self.now {
                break;
            }
            let (to, frame) = entry.remove();
            let now = self.now;
            self.end(to).handle_frame(&frame, now);
        }
        let now = self.now;
        self.host.handle_timeout(now);
        self.guest.handle_timeout(now);
        true
    }

    /// Steps until an end has an event, at most a minute.
    fn event(&mut self, end: End) -> Option<Event> {
        let deadline = self.now + 60_000;
        loop {
            if let Some(event) = self.end(end).poll_event() {
                return Some(event);
            }
            if self.now > deadline || !self.step() {
                return None;
            }
        }
    }

    /// Steps for so long.
    fn pass(&mut self, milliseconds: Milliseconds) {
        let until = self.now + milliseconds;
        while self.now < until && self.step_until(until) {}
    }

    /// A stream that the guest listens for and the host dials: its name at either end.
    fn dialled(&mut self) -> (StreamId, StreamId) {
        self.guest.listen(80);
        let ours = self.host.dial(80, self.now).unwrap();
        assert_eq!(self.event(End::Host), Some(Event::Connected(ours)));
        match self.event(End::Guest) {
            Some(Event::Accepted { stream, port: 80 }) => (ours, stream),
            event => panic!("{event:?}"),
        }
    }
}

/// Bytes that differ from place to place and from stream to stream.
fn bytes(length: usize, seed: u64) -> Vec<u8> {
    let mut dice = Dice(seed);
    (0..length)
        .map(|_| u8::try_from(dice.roll(256)).unwrap())
        .collect()
}

/// Sends on every stream both ways at once, and reads to the end; both ends say when they are done.
/// What arrived: at the host, at the guest.
fn exchange(
    wire: &mut Wire,
    streams: &[(StreamId, StreamId)],
    up: &[Vec<u8>],
    down: &[Vec<u8>],
) -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
    let mut sent = HashMap::new();
    let mut got: HashMap<(bool, StreamId), Vec<u8>> = HashMap::new();
    let mut open = streams.len() * 2;
    let deadline = wire.now + 600_000;
    while open > 0 {
        assert!(wire.now < deadline, "it does not end");
        let now = wire.now;
        for (index, &(ours, theirs)) in streams.iter().enumerate() {
            for (is_host, stream, payload) in
                [(true, ours, &up[index]), (false, theirs, &down[index])]
            {
                let stack = if is_host {
                    &mut wire.host
                } else {
                    &mut wire.guest
                };
                let done: &mut usize = sent.entry((is_host, stream)).or_default();
                if *done <= payload.len() {
                    *done += stack.send(stream, &payload[*done..], now);
                    if *done == payload.len() {
                        stack.finish(stream, now);
                        *done += 1;
                    }
                }
                while let Received::Bytes(bytes) = stack.receive(stream, 5_000, now) {
                    got.entry((is_host, stream))
                        .or_default()
                        .extend_from_slice(&bytes);
                }
            }
        }
        for stack in [&mut wire.host, &mut wire.guest] {
            while let Some(event) = stack.poll_event() {
                match event {
                    Event::Closed(_) => open -= 1,
                    Event::Failed { stream, failure } => panic!("{stream:?}: {failure}"),
                    _ => {}
                }
            }
        }
        assert!(open == 0 || wire.step(), "nothing more will happen");
    }
    let mut of = |is_host: bool| {
        let names = streams
            .iter()
            .map(|&(ours, theirs)| if is_host { ours } else { theirs });
        names
            .map(|name| got.remove(&(is_host, name)).unwrap_or_default())
            .collect()
    };
    (of(true), of(false))
}

#[test]
fn bytes_arrive_as_they_were_sent() {
    for weather in [
        Weather::default(),
        Weather {
            loss: 0,
            jitter: 20,
        },
        Weather { loss: 5, jitter: 0 },
        Weather {
            loss: 3,
            jitter: 10,
        },
    ] {
        // What is sent again and lost again takes long, and is no silence.
        let patient = |settings| Settings {
            silence: 600_000,
            ..settings
        };
        let (host, guest) = (settings(HOST, GUEST), settings(GUEST, HOST));
        let mut wire = Wire::of(patient(host), patient(guest), Weather::default());
        let stream = wire.dialled();
        wire.weather = weather;
        let (up, down) = (vec![bytes(300_000, 1)], vec![bytes(200_000, 2)]);
        let (at_host, at_guest) = exchange(&mut wire, &[stream], &up, &down);
        assert!(at_host == down && at_guest == up, "loss {}", weather.loss);
    }
}

#[test]
fn hundreds_of_streams_are_open_at_once() {
    let mut wire = Wire::of(
        Settings {
            window: 8_192,
            ..settings(HOST, GUEST)
        },
        Settings {
            window: 8_192,
            ..settings(GUEST, HOST)
        },
        Weather::default(),
    );
    wire.guest.listen(80);
    let ours: Vec<_> = (0..300).map(|_| wire.host.dial(80, 0).unwrap()).collect();
    wire.pass(2_000);
    let mut theirs = Vec::new();
    while let Some(event) = wire.guest.poll_event() {
        let Event::Accepted { stream, .. } = event else {
            panic!("{event:?}")
        };
        theirs.push(stream);
    }
    let connected = std::iter::from_fn(|| wire.host.poll_event()).count();
    assert_eq!((connected, theirs.len()), (300, 300));
    // Calls are accepted in the order in which they were made.
    let streams: Vec<_> = ours.into_iter().zip(theirs).collect();
    let payload = |base: u64| (0..300).map(|n| bytes(2_000, base + n)).collect::<Vec<_>>();
    let (up, down) = (payload(1_000), payload(5_000));
    let (at_host, at_guest) = exchange(&mut wire, &streams, &up, &down);
    assert!(at_host == down && at_guest == up);
    // Only the socket that waits for the next call is left.
    assert_eq!(wire.host.sockets.iter().count(), 0);
    assert_eq!(wire.guest.sockets.iter().count(), 1);
}

#[test]
fn a_reader_that_does_not_read_stops_the_sender() {
    let mut wire = Wire::new(Weather::default());
    let (ours, theirs) = wire.dialled();
    let payload = bytes(1_000_000, 3);
    let mut sent = 0;
    for _ in 0..60 {
        sent += wire.guest.send(theirs, &payload[sent..], wire.now);
        wire.pass(1_000);
    }
    // What the receiver keeps and what the sender keeps, and not a byte more.
    assert_eq!(sent, 2 * 64 * 1024);
    let mut got = Vec::new();
    while got.len() < payload.len() {
        let now = wire.now;
        match wire.host.receive(ours, 10_000, now) {
            Received::Bytes(bytes) => got.extend_from_slice(&bytes),
            Received::Pending => {
                sent += wire.guest.send(theirs, &payload[sent..], now);
                wire.step();
            }
            end => panic!("{end:?}"),
        }
    }
    assert!(got == payload);
}

#[test]
fn half_a_stream_may_end_before_the_other() {
    let mut wire = Wire::new(Weather::default());
    let (ours, theirs) = wire.dialled();
    wire.host.send(ours, b"the question", 0);
    wire.host.finish(ours, wire.now);
    wire.pass(100);
    let now = wire.now;
    assert_eq!(
        wire.guest.receive(theirs, 100, now),
        Received::Bytes(Bytes::from_static(b"the question"))
    );
    assert_eq!(wire.guest.receive(theirs, 100, now), Received::End);
    // It has heard all, and still speaks.
    for _ in 0..5 {
        let now = wire.now;
        assert_eq!(wire.guest.send(theirs, b"answer ", now), 7);
        wire.pass(5_000);
    }
    wire.guest.finish(theirs, wire.now);
    wire.pass(100);
    let now = wire.now;
    assert_eq!(
        wire.host.receive(ours, 100, now),
        Received::Bytes(Bytes::from_static(b"answer answer answer answer answer "))
    );
    assert_eq!(wire.host.receive(ours, 100, now), Received::End);
    assert_eq!(wire.host.receive(ours, 100, now), Received::Gone);
    let events: Vec<_> = std::iter::from_fn(|| wire.host.poll_event()).collect();
    assert_eq!(events.last(), Some(&Event::Closed(ours)));
}

#[test]
fn what_cannot_be_reached_is_said() {
    // Nobody listens.
    let mut wire = Wire::new(Weather::default());
    let refused = wire.host.dial(81, 0).unwrap();
    let failed = |stream, failure| Some(Event::Failed { stream, failure });
    assert_eq!(wire.event(End::Host), failed(refused, Failure::Refused));

    // Nobody is there.
    let mut wire = Wire::new(Weather {
        loss: 100,
        jitter: 0,
    });
    let silent = wire.host.dial(80, 0).unwrap();
    assert_eq!(wire.event(End::Host), failed(silent, Failure::Silence));
    assert_eq!(wire.now, 5_000);

    // Somebody was there, and is no more.
    let mut wire = Wire::new(Weather::default());
    let (ours, theirs) = wire.dialled();
    wire.weather.loss = 100;
    let now = wire.now;
    wire.host.send(ours, b"hello?", now);
    assert_eq!(wire.event(End::Host), failed(ours, Failure::Silence));

    // Somebody hangs up.
    let mut wire = Wire::new(Weather::default());
    let (ours, theirs_now) = wire.dialled();
    let now = wire.now;
    wire.guest.reset(theirs_now, now);
    assert_eq!(wire.event(End::Host), failed(ours, Failure::Reset));
    assert_eq!(wire.guest.receive(theirs, 1, now), Received::Gone);
    assert_eq!(wire.host.send(ours, b"x", now), 0);

    assert_eq!(wire.host.dial(0, now), Err(DialError::Port));
}

#[test]
fn there_are_only_so_many_streams() {
    let mut wire = Wire::of(
        Settings {
            streams: 4,
            ..settings(HOST, GUEST)
        },
        settings(GUEST, HOST),
        Weather::default(),
    );
    wire.host.listen(5173);
    let calls: Vec<_> = (0..6).map(|_| wire.guest.dial(5173, 0).unwrap()).collect();
    wire.pass(1_000);
    let outcome = |event| match event {
        Event::Connected(_) => "connected",
        Event::Failed {
            failure: Failure::Refused,
            ..
        } => "refused",
        _ => "something else",
    };
    let mut outcomes: Vec<_> = std::iter::from_fn(|| wire.guest.poll_event())
        .map(outcome)
        .collect();
    outcomes.sort_unstable();
    expect!["connected connected connected connected refused refused"]
        .assert_eq(&outcomes.join(" "));
    assert_eq!(wire.host.dial(80, wire.now), Err(DialError::TooMany));
    // One that ends makes room for another.
    let now = wire.now;
    wire.guest.reset(calls[0], now);
    wire.pass(100);
    let again = wire.guest.dial(5173, wire.now).unwrap();
    assert_eq!(wire.event(End::Guest), Some(Event::Connected(again)));
    wire.pass(100);
    // A port that is not listened on any more refuses; what is open stays.
    wire.host.close(5173);
    let late = wire.guest.dial(5173, wire.now).unwrap();
    let refused = Event::Failed {
        stream: late,
        failure: Failure::Refused,
    };
    assert_eq!(wire.event(End::Guest), Some(refused));
    let now = wire.now;
    assert_eq!(wire.guest.send(again, b"still here", now), 10);
}

#[test]
fn what_is_no_frame_is_dropped() {
    let mut wire = Wire::new(Weather::default());
    let (ours, theirs) = wire.dialled();
    let mut dice = Dice(11);
    for length in 0..200 {
        let frame = bytes(length, dice.roll(1 << 20));
        wire.host.handle_frame(&frame, wire.now);
    }
    // Real frames with a bit turned over.
    wire.guest.send(theirs, &bytes(5_000, 5), wire.now);
    while let Some(mut frame) = wire.guest.poll_frame() {
        let place = usize::try_from(dice.roll(u64::try_from(frame.len()).unwrap())).unwrap();
        frame[place] ^= 1 << dice.roll(8);
        wire.host.handle_frame(&frame, wire.now);
    }
    let (up, down) = (vec![bytes(10, 1)], vec![Vec::new()]);
    let (at_host, at_guest) = exchange(&mut wire, &[(ours, theirs)], &up, &down);
    assert_eq!(at_guest, up);
    assert!(at_host[0] == bytes(5_000, 5));
}

#[test]
fn what_came_before_a_reset_is_received() {
    let mut wire = Wire::new(Weather::default());
    let (ours, theirs) = wire.dialled();
    let now = wire.now;
    wire.guest.send(theirs, b"the answer", now);
    wire.pass(100);
    let now = wire.now;
    wire.guest.reset(theirs, now);
    let failed = Event::Failed {
        stream: ours,
        failure: Failure::Reset,
    };
    assert_eq!(wire.event(End::Host), Some(Event::Readable(ours)));
    assert_eq!(wire.event(End::Host), Some(failed));
    let now = wire.now;
    let received = |wire: &mut Wire, most| wire.host.receive(ours, most, now);
    assert_eq!(
        received(&mut wire, 4),
        Received::Bytes(Bytes::from_static(b"the "))
    );
    assert_eq!(wire.host.send(ours, b"more", now), 0);
    assert_eq!(
        received(&mut wire, 100),
        Received::Bytes(Bytes::from_static(b"answer"))
    );
    assert_eq!(received(&mut wire, 100), Received::Gone);
    assert_eq!(wire.host.poll_event(), None);
}

#[test]
fn datagrams_are_answered() {
    let mut wire = Wire::new(Weather::default());
    wire.host.open_box(53);
    wire.host.open_box(53);
    wire.guest.open_box(4_000);
    let question = Datagram {
        port: 4_000,
        theirs: 53,
        bytes: Bytes::from_static(b"who?"),
    };
    wire.guest.send_datagram(&question, 0);
    wire.pass(1_000);
    let asked = wire.host.poll_datagram().unwrap();
    assert_eq!((asked.port, asked.theirs), (53, 4_000));
    assert_eq!(asked.bytes, question.bytes);
    assert_eq!(wire.host.poll_datagram(), None);
    let answer = Datagram {
        bytes: Bytes::from_static(b"you"),
        ..asked
    };
    wire.host.send_datagram(&answer, wire.now);
    // It is longer than any that is taken.
    let long = Datagram {
        bytes: vec![0; 100_000].into(),
        ..answer.clone()
    };
    wire.host.send_datagram(&long, wire.now);
    wire.pass(1_000);
    let heard = wire.guest.poll_datagram().unwrap();
    assert_eq!(heard.bytes, answer.bytes);
    assert_eq!(wire.guest.poll_datagram(), None);
}
