//! Every message comes back, whole or cut; damage is refused and never more.

#![expect(clippy::cast_possible_truncation, reason = "dice of fewer bits")]

use expect_test::{Expect, expect};

use super::*;

/// A seeded generator, so that a failure repeats.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 >> 8
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.roll() % bound
    }

    fn flag(&mut self) -> bool {
        self.below(2) == 0
    }

    fn small(&mut self) -> u32 {
        let bits = self.below(33);
        (self.roll() & ((1 << bits) - 1)) as u32
    }

    fn short(&mut self) -> u16 {
        self.small() as u16
    }

    fn byte(&mut self) -> u8 {
        self.small() as u8
    }

    fn bytes(&mut self) -> Vec<u8> {
        (0..self.below(70)).map(|_| self.byte()).collect()
    }

    fn text(&mut self) -> String {
        (0..self.below(20))
            .filter_map(|_| char::from_u32(self.small() % 0x11_0000))
            .collect()
    }

    fn many<T>(&mut self, make: impl Fn(&mut Self) -> T) -> Vec<T> {
        (0..self.below(4)).map(|_| make(self)).collect()
    }

    fn maybe<T>(&mut self, make: impl Fn(&mut Self) -> T) -> Option<T> {
        self.flag().then(|| make(self))
    }

    fn array<const LENGTH: usize>(&mut self) -> [u8; LENGTH] {
        std::array::from_fn(|_| self.byte())
    }

    fn channel(&mut self) -> Channel {
        [Channel::Input, Channel::Output, Channel::Error][self.below(3) as usize]
    }

    fn exit(&mut self) -> Exit {
        match self.below(3) {
            0 => Exit::Code { code: self.byte() },
            1 => Exit::Signal {
                signal: self.byte(),
            },
            _ => Exit::OutOfMemory,
        }
    }

    fn app(&mut self) -> App {
        App {
            name: self.text(),
            runtime: match self.below(5) {
                0 => Runtime::Static,
                1 => Runtime::Node { entry: self.text() },
                2 => Runtime::Next,
                3 => Runtime::Python { entry: self.text() },
                _ => Runtime::Command {
                    command: self.many(Self::text),
                },
            },
            port: self.short(),
            env: self.many(|dice| (dice.text(), dice.text())),
            layers: self.many(Self::text),
            bundle: Digest(self.array()),
            limits: Limits {
                memory: self.roll(),
                processes: self.small(),
                nice: self.byte(),
            },
            autostart: self.flag(),
        }
    }

    fn status(&mut self) -> AppStatus {
        AppStatus {
            name: self.text(),
            state: [
                State::Starting,
                State::Running,
                State::Stopped,
                State::Crashed,
            ][self.below(4) as usize],
            pid: self.maybe(Self::small),
            since: self.roll(),
            restarts: self.small(),
            exit: self.maybe(Self::exit),
            port: self.short(),
            bundle: Digest(self.array()),
            autostart: self.flag(),
        }
    }

    fn line(&mut self) -> Line {
        Line {
            at: self.roll(),
            stream: [Stream::Output, Stream::Error, Stream::Agent][self.below(3) as usize],
            text: self.text(),
            dropped: self.small(),
        }
    }

    fn size(&mut self) -> Pty {
        Pty {
            columns: self.short(),
            rows: self.short(),
        }
    }

    fn request(&mut self) -> Request {
        match self.below(18) {
            0 => Request::Mount {
                device: self.text(),
            },
            1 => Request::Attach {
                layer: self.text(),
                device: self.text(),
            },
            2 => Request::Detach { layer: self.text() },
            3 => Request::HasBundle {
                app: self.text(),
                bundle: Digest(self.array()),
            },
            4 => Request::PutBundle {
                app: self.text(),
                bundle: Digest(self.array()),
                bytes: self.roll(),
            },
            5 => Request::Start(self.app()),
            6 => Request::Stop {
                app: self.text(),
                grace: self.small(),
            },
            7 => Request::Restart {
                app: self.text(),
                grace: self.small(),
            },
            8 => Request::Remove { app: self.text() },
            9 => Request::Exec {
                command: self.many(Self::text),
                env: self.many(|dice| (dice.text(), dice.text())),
                app: self.maybe(Self::text),
                pty: self.maybe(Self::size),
            },
            10 => Request::ReadFile {
                app: self.maybe(Self::text),
                path: self.text(),
                offset: self.roll(),
                limit: self.roll(),
            },
            11 => Request::Apps,
            12 => Request::Logs {
                app: self.text(),
                tail: self.small(),
            },
            13 => Request::Usage,
            14 => Request::Sync,
            15 => Request::Quiesce,
            16 => Request::PowerOff {
                grace: self.small(),
            },
            _ => Request::Room {
                bytes: self.maybe(Self::roll),
            },
        }
    }

    fn worker_says(&mut self) -> ToAgent {
        let conversation = Conversation(self.small());
        match self.below(8) {
            0 => ToAgent::Hello(Hello {
                protocol: PROTOCOL,
                now: self.roll(),
                entropy: self.array(),
            }),
            1 => ToAgent::Chunk {
                conversation,
                offset: self.roll(),
                last: self.flag(),
                bytes: self.bytes(),
            },
            2 => ToAgent::Credit {
                conversation,
                channel: self.channel(),
                bytes: self.small(),
            },
            3 => ToAgent::Resize {
                conversation,
                size: self.size(),
            },
            4 => ToAgent::Signal {
                conversation,
                signal: self.byte(),
            },
            5 => ToAgent::Cancel { conversation },
            _ => ToAgent::Ask {
                conversation,
                request: self.request(),
            },
        }
    }

    fn answer(&mut self) -> Answer {
        match self.below(9) {
            0 => Answer::Done,
            1 => Answer::Mounted {
                mended: self.maybe(Self::text),
                apps: self.many(Self::status),
            },
            2 => Answer::Bundle {
                present: self.flag(),
            },
            3 => Answer::App(self.status()),
            4 => Answer::Exited(self.exit()),
            5 => Answer::File { bytes: self.roll() },
            6 => Answer::Apps(self.many(Self::status)),
            7 => Answer::Lines(self.many(Self::line)),
            _ => Answer::Usage(Usage {
                memory_used: self.roll(),
                memory_total: self.roll(),
                load: self.small(),
                disk_used: self.roll(),
                disk_total: self.roll(),
                apps: self.many(|dice| AppUsage {
                    name: dice.text(),
                    memory: dice.roll(),
                    cpu: dice.roll(),
                    processes: dice.small(),
                }),
            }),
        }
    }

    fn failure(&mut self) -> Failure {
        match self.below(15) {
            0 => Failure::UnknownApp { app: self.text() },
            1 => Failure::NotMounted,
            2 => Failure::DiskDamaged { words: self.text() },
            3 => Failure::DiskFull,
            4 => Failure::LayerMissing {
                layers: self.many(Self::text),
            },
            5 => Failure::LayerInUse {
                apps: self.many(Self::text),
            },
            6 => Failure::BundleMissing,
            7 => Failure::BundleRefused {
                reason: self.text(),
            },
            8 => Failure::AppsRunning {
                apps: self.many(Self::text),
            },
            9 => Failure::NoProgram {
                program: self.text(),
                reason: self.text(),
            },
            10 => Failure::NoFile {
                reason: self.text(),
            },
            11 => Failure::Invalid {
                reason: self.text(),
            },
            12 => Failure::Busy,
            13 => Failure::Cancelled,
            _ => Failure::System {
                reason: self.text(),
            },
        }
    }

    fn agent_says(&mut self) -> ToWorker {
        let conversation = Conversation(self.small());
        match self.below(9) {
            0 => ToWorker::Hello(Welcome {
                protocol: PROTOCOL,
                version: self.text(),
                boot: self.array(),
                layers: self.many(Self::text),
                mounted: self.flag(),
                apps: self.many(Self::status),
            }),
            1 => ToWorker::Refused(if self.flag() {
                Refusal::Version {
                    protocol: self.short(),
                }
            } else {
                Refusal::Malformed {
                    reason: self.text(),
                }
            }),
            2 | 3 => ToWorker::Answer {
                conversation,
                answer: self.answer(),
            },
            4 => ToWorker::Failed {
                conversation,
                failure: self.failure(),
            },
            5 => ToWorker::Chunk {
                conversation,
                channel: self.channel(),
                offset: self.roll(),
                last: self.flag(),
                bytes: self.bytes(),
            },
            6 => ToWorker::Credit {
                conversation,
                bytes: self.small(),
            },
            _ => ToWorker::Event(match self.below(3) {
                0 => Event::App(self.status()),
                1 => Event::Log {
                    app: self.text(),
                    lines: self.many(Self::line),
                },
                _ => Event::Removed { app: self.text() },
            }),
        }
    }
}

/// Messages to bytes, the bytes in pieces of random length, and the messages back.
fn comes_back<M>(seed: u64, make: impl Fn(&mut Dice) -> M)
where
    M: minicbor::Encode<()> + for<'b> minicbor::Decode<'b, ()> + PartialEq + std::fmt::Debug,
{
    let mut dice = Dice(seed);
    for _ in 0..200 {
        let sent: Vec<M> = (0..20).map(|_| make(&mut dice)).collect();
        let mut bytes = Vec::new();
        for message in &sent {
            encode(message, &mut bytes).unwrap();
        }
        let mut decoder = Decoder::<M>::new();
        let mut came = Vec::new();
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let length = (dice.below(90) as usize).min(rest.len());
            decoder.push(&rest[..length]);
            rest = &rest[length..];
            while let Some(message) = decoder.poll().unwrap() {
                came.push(message);
            }
        }
        assert!(decoder.is_between_frames());
        assert_eq!(sent, came);
    }
}

#[test]
fn every_message_comes_back_however_it_was_cut() {
    comes_back(0x9e37_79b9_7f4a_7c15, Dice::worker_says);
    comes_back(0x0123_4567_89ab_cdef, Dice::agent_says);
}

/// Whatever came of damaged bytes: messages, then nothing more or one error, for ever the same.
fn survives<M>(bytes: &[u8]) -> usize
where
    M: minicbor::Encode<()> + for<'b> minicbor::Decode<'b, ()>,
{
    let mut decoder = Decoder::<M>::new();
    decoder.push(bytes);
    let mut came = 0;
    loop {
        match decoder.poll() {
            Ok(Some(message)) => {
                encode(&message, &mut Vec::new()).unwrap();
                came += 1;
            }
            Ok(None) => return came,
            Err(malformed) => {
                decoder.push(bytes);
                assert_eq!(decoder.poll().err(), Some(malformed));
                assert!(!decoder.is_between_frames());
                return came;
            }
        }
    }
}

#[test]
fn flipped_bits_never_panic() {
    let mut dice = Dice(0xdead_beef_cafe_f00d);
    let mut came = 0;
    for _ in 0..400 {
        let mut bytes = Vec::new();
        encode(&dice.worker_says(), &mut bytes).unwrap();
        let boundary = bytes.len();
        encode(&dice.agent_says(), &mut bytes).unwrap();
        for position in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[position] ^= 1 << dice.below(8);
            came += survives::<ToAgent>(&flipped);
            came += survives::<ToWorker>(&flipped[boundary..]);
        }
    }
    assert!(came > 0, "no damaged frame was read: the test shows little");
}

#[test]
fn noise_never_panics() {
    let mut dice = Dice(0x5bd1_e995_9e37_79b9);
    for _ in 0..100_000 {
        let noise = dice.bytes();
        survives::<ToAgent>(&noise);
        let mut framed = (noise.len() as u32).to_le_bytes().to_vec();
        framed.extend(&noise);
        survives::<ToAgent>(&framed);
        survives::<ToWorker>(&framed);
    }
}

#[test]
fn a_cut_frame_is_waited_for() {
    let mut dice = Dice(0x1357_9bdf_2468_ace0);
    for _ in 0..300 {
        let mut bytes = Vec::new();
        encode(&dice.agent_says(), &mut bytes).unwrap();
        for length in 1..bytes.len() {
            let mut decoder = Decoder::<ToWorker>::new();
            decoder.push(&bytes[..length]);
            assert_eq!(decoder.poll(), Ok(None));
            assert!(!decoder.is_between_frames());
        }
    }
}

fn refused(bytes: &[u8], expected: Expect) {
    let mut decoder = Decoder::<ToAgent>::new();
    decoder.push(bytes);
    expected.assert_eq(&match decoder.poll() {
        Ok(message) => format!("{message:?}"),
        Err(malformed) => malformed.to_string(),
    });
}

#[test]
fn what_is_no_frame_is_refused() {
    refused(&[0, 0, 16], expect!["None"]);
    refused(
        &[1, 0, 16, 0],
        expect!["a frame says to be 1048577 bytes long"],
    );
    refused(
        &[255, 255, 255, 255],
        expect!["a frame says to be 4294967295 bytes long"],
    );
    refused(
        &[0, 0, 0, 0],
        expect!["a frame is no message: end of input bytes"],
    );
    // Cancel of conversation 1, and the same with a byte too many.
    refused(
        &[4, 0, 0, 0, 0x82, 6, 0x81, 1],
        expect!["Some(Cancel { conversation: Conversation(1) })"],
    );
    refused(
        &[5, 0, 0, 0, 0x82, 6, 0x81, 1, 0],
        expect!["a frame goes on after its message"],
    );
    refused(
        &[4, 0, 0, 0, 0x82, 7, 0x81, 1],
        expect!["a frame is no message: unknown enum variant 7 at position 1"],
    );
    // Hellos of versions to come, with fields this one does not know.
    refused(
        &[7, 0, 0, 0, 0x82, 0, 0x81, 0x82, 2, 0x61, b'x'],
        expect!["the other end speaks protocol 2, not 1"],
    );
    refused(
        &[8, 0, 0, 0, 0x82, 0, 0x81, 0x81, 0x19, 1, 0, 0],
        expect!["the other end speaks protocol 256, not 1"],
    );
}

#[test]
fn a_message_beyond_the_cap_is_not_written() {
    let mut bytes = b"before".to_vec();
    let long = ToAgent::Ask {
        conversation: Conversation(1),
        request: Request::Remove {
            app: "x".repeat(MAX_FRAME),
        },
    };
    assert!(encode(&long, &mut bytes).unwrap_err().bytes > MAX_FRAME);
    assert_eq!(bytes, b"before");
}

#[test]
fn the_longest_chunk_fits() {
    let chunk = ToWorker::Chunk {
        conversation: Conversation(u32::MAX),
        channel: Channel::Error,
        offset: u64::MAX,
        last: true,
        bytes: vec![255; CHUNK],
    };
    let mut bytes = Vec::new();
    encode(&chunk, &mut bytes).unwrap();
    assert!(bytes.len() < CHUNK + 64);
}

#[test]
fn a_digest_is_its_digits() {
    let digits = "00ff".repeat(16);
    assert_eq!(digits.parse::<Digest>().unwrap().to_string(), digits);
    for wrong in ["", "00", &"0".repeat(65), &"0F".repeat(32), &"é".repeat(32)] {
        assert_eq!(wrong.parse::<Digest>(), Err(NoDigest), "{wrong}");
    }
}

/// A sender and a reader of one stream: nothing is sent without credit, and it never stands still.
#[test]
fn a_stream_of_any_length_passes_under_credit() {
    let mut dice = Dice(0xfeed_face_0bad_cafe);
    for _ in 0..50 {
        let length = dice.below(3_000_000);
        let (mut outgoing, mut incoming) = (Outgoing::default(), Incoming::default());
        let (mut sent, mut held, mut most) = (0, 0, 0);
        while !incoming.is_ended() {
            let bytes = (outgoing.room() as u64).min(length - sent);
            let last = sent + bytes == length;
            if bytes > 0 || last {
                let offset = outgoing.send(bytes as usize);
                incoming.receive(offset, bytes as usize, last).unwrap();
                sent += bytes;
                held += bytes;
                most = most.max(held);
            }
            if dice.flag() || outgoing.room() == 0 {
                let consumed = dice.below(held + 1);
                held -= consumed;
                if let Some(credit) = incoming.consume(consumed as usize) {
                    outgoing.grant(credit);
                }
            }
        }
        assert!(most <= u64::from(INITIAL_CREDIT));
    }
}

#[test]
fn a_chunk_that_is_not_due_breaks_the_stream() {
    let fresh = Incoming::default;
    assert_eq!(fresh().receive(1, 1, false), Err(Overrun));
    assert_eq!(fresh().receive(0, CHUNK + 1, false), Err(Overrun));
    let mut ended = fresh();
    ended.receive(0, 0, true).unwrap();
    assert_eq!(ended.receive(0, 0, true), Err(Overrun));
    let mut full = fresh();
    for chunk in 0..INITIAL_CREDIT as usize / CHUNK {
        full.receive((chunk * CHUNK) as u64, CHUNK, false).unwrap();
    }
    assert_eq!(
        full.receive(u64::from(INITIAL_CREDIT), 1, false),
        Err(Overrun)
    );
}
