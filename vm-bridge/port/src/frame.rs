//! Frames: one message of the port protocol, to and from one buffer.

use bytes::{BufMut, Bytes, BytesMut};

use crate::PROTOCOL;

/// Names one conversation between a client and a worker; the client chooses it and never uses it
/// again for another one on the same port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Conversation(pub u32);

/// One message of the port protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// Client to worker, first on a port. Who asks, and the Web Lock it holds while it lives
    /// (empty: none), so that the worker hears of its death.
    Hello { build: String, life: String },
    /// Worker to client, at once: somebody is here, though the database is not open yet. `life` is
    /// the Web Lock that the worker holds while it lives.
    Opening { build: String, life: String },
    /// Worker to client: exchanges are answered from now on.
    Welcome(Welcome),
    /// Worker to client: this port will not serve. The sender closes it.
    Refused(Refusal),
    /// Client to database: whole frontend messages, the last one a Sync or a Query.
    Exchange {
        conversation: Conversation,
        /// Whether it continues the transaction this conversation left open. Where that
        /// transaction is gone the exchange is not run.
        continues: bool,
        /// Whether a transaction still open afterwards is kept for this conversation.
        hold: bool,
        messages: Bytes,
    },
    /// A part of a body, in either direction. `offset` counts the body's bytes before this chunk,
    /// so a lost frame shows.
    Body {
        conversation: Conversation,
        offset: u64,
        last: bool,
        bytes: Bytes,
    },
    /// The reader of a body allows so many bytes more.
    Credit {
        conversation: Conversation,
        bytes: u32,
    },
    /// Nobody listens to this conversation any more, in either direction.
    Cancel { conversation: Conversation },
    /// The conversation ends here without (the rest of) an answer.
    Failed {
        conversation: Conversation,
        failure: Failure,
    },
    /// Database to every client: a Postgres notification.
    Notify { channel: String, payload: String },
    /// Client to worker: nothing more comes from here.
    Goodbye,
}

/// What a client learns about the database it was connected to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Welcome {
    pub build: String,
    /// Where the database keeps its files.
    pub storage: Storage,
    /// The last migration of ours that it has.
    pub migration: u32,
    /// Whether this opening made the database.
    pub created: bool,
    /// How long opening took.
    pub milliseconds: u32,
}

/// Where a database keeps its files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Storage {
    /// Nowhere: it is gone with its worker.
    Memory,
    /// The browser's origin private file system.
    Opfs,
    IndexedDb,
    /// A folder of the host.
    Directory,
}

/// Why a worker does not serve a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The two sides speak different versions; the frame's own version says which the worker's is.
    Version,
    /// The client sent something that is no frame, or no frame for this worker; for a person.
    Malformed(String),
    /// The database could not be opened, or broke; for a person. No retry mends it.
    Broken(String),
    /// The worker is shutting down; another owner may follow.
    Closing,
}

/// Why a conversation ended without its whole answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// Too many exchanges are waiting; it was not run.
    Busy,
    /// The transaction it continues was rolled back meanwhile; it was not run.
    TransactionLost,
    /// The reader took nothing for too long while memory ran short.
    Stalled,
    /// The database broke while it ran; whether it took effect is unknown. For a person.
    Broken(String),
}

/// Why a buffer is no frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Malformed {
    /// It ends before its last field does.
    Truncated,
    /// It goes on after its last field.
    Trailing,
    /// It is of another protocol version. Whatever follows was not looked at.
    Version { theirs: u16 },
    /// No frame of this version has this number.
    Kind(u8),
    /// A field has a value that does not exist.
    Field(u8),
    /// A text is not UTF-8.
    Text,
    /// A method, an address, a status or a header that HTTP does not have.
    Head,
}

impl std::fmt::Display for Malformed {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Truncated => formatter.write_str("the frame is cut short"),
            Self::Trailing => formatter.write_str("the frame has bytes after its end"),
            Self::Version { theirs } => {
                write!(
                    formatter,
                    "the frame is of protocol {theirs}, not {PROTOCOL}"
                )
            }
            Self::Kind(kind) => write!(formatter, "no frame has number {kind}"),
            Self::Field(value) => write!(formatter, "a field of the frame cannot be {value}"),
            Self::Text => formatter.write_str("a text in the frame is not UTF-8"),
            Self::Head => formatter.write_str("the head in the frame is none of HTTP's"),
        }
    }
}

impl std::error::Error for Malformed {}

const HELLO: u8 = 1;
const OPENING: u8 = 2;
const WELCOME: u8 = 3;
const REFUSED: u8 = 4;
const EXCHANGE: u8 = 5;
const BODY: u8 = 6;
const CREDIT: u8 = 7;
const CANCEL: u8 = 8;
const FAILED: u8 = 9;
const NOTIFY: u8 = 10;
const GOODBYE: u8 = 11;

impl Frame {
    /// The buffer to post.
    ///
    /// Texts and byte strings are at most 4 GiB, as everything in WASM is; the shell's buffers
    /// cannot be longer.
    pub fn encode(&self) -> Bytes {
        let mut writer = Writer::with_capacity(self.payload() + 64);
        match self {
            Self::Hello { build, life } => writer.kind(HELLO).text(build).text(life),
            Self::Opening { build, life } => writer.kind(OPENING).text(build).text(life),
            Self::Welcome(welcome) => writer
                .kind(WELCOME)
                .text(&welcome.build)
                .byte(match welcome.storage {
                    Storage::Memory => 0,
                    Storage::Opfs => 1,
                    Storage::IndexedDb => 2,
                    Storage::Directory => 3,
                })
                .number(welcome.migration)
                .flag(welcome.created)
                .number(welcome.milliseconds),
            Self::Refused(refusal) => writer.kind(REFUSED).refusal(refusal),
            Self::Exchange {
                conversation,
                continues,
                hold,
                messages,
            } => writer
                .kind(EXCHANGE)
                .number(conversation.0)
                .flag(*continues)
                .flag(*hold)
                .bytes(messages),
            Self::Body {
                conversation,
                offset,
                last,
                bytes,
            } => writer
                .kind(BODY)
                .number(conversation.0)
                .long(*offset)
                .flag(*last)
                .bytes(bytes),
            Self::Credit {
                conversation,
                bytes,
            } => writer.kind(CREDIT).number(conversation.0).number(*bytes),
            Self::Cancel { conversation } => writer.kind(CANCEL).number(conversation.0),
            Self::Failed {
                conversation,
                failure,
            } => {
                let writer = writer.kind(FAILED).number(conversation.0);
                match failure {
                    Failure::Busy => writer.byte(0),
                    Failure::TransactionLost => writer.byte(1),
                    Failure::Stalled => writer.byte(2),
                    Failure::Broken(text) => writer.byte(3).text(text),
                }
            }
            Self::Notify { channel, payload } => writer.kind(NOTIFY).text(channel).text(payload),
            Self::Goodbye => writer.kind(GOODBYE),
        };
        writer.finish()
    }

    /// Reads one buffer. Byte strings are slices of it, not copies.
    pub fn decode(buffer: Bytes) -> Result<Self, Malformed> {
        let mut reader = Reader::open(buffer)?;
        let frame = match reader.byte()? {
            HELLO => Self::Hello {
                build: reader.text()?,
                life: reader.text()?,
            },
            OPENING => Self::Opening {
                build: reader.text()?,
                life: reader.text()?,
            },
            WELCOME => Self::Welcome(Welcome {
                build: reader.text()?,
                storage: match reader.byte()? {
                    0 => Storage::Memory,
                    1 => Storage::Opfs,
                    2 => Storage::IndexedDb,
                    3 => Storage::Directory,
                    other => return Err(Malformed::Field(other)),
                },
                migration: reader.number()?,
                created: reader.flag()?,
                milliseconds: reader.number()?,
            }),
            REFUSED => Self::Refused(reader.refusal()?),
            EXCHANGE => Self::Exchange {
                conversation: reader.conversation()?,
                continues: reader.flag()?,
                hold: reader.flag()?,
                messages: reader.bytes()?,
            },
            BODY => Self::Body {
                conversation: reader.conversation()?,
                offset: reader.long()?,
                last: reader.flag()?,
                bytes: reader.bytes()?,
            },
            CREDIT => Self::Credit {
                conversation: reader.conversation()?,
                bytes: reader.number()?,
            },
            CANCEL => Self::Cancel {
                conversation: reader.conversation()?,
            },
            FAILED => Self::Failed {
                conversation: reader.conversation()?,
                failure: match reader.byte()? {
                    0 => Failure::Busy,
                    1 => Failure::TransactionLost,
                    2 => Failure::Stalled,
                    3 => Failure::Broken(reader.text()?),
                    other => return Err(Malformed::Field(other)),
                },
            },
            NOTIFY => Self::Notify {
                channel: reader.text()?,
                payload: reader.text()?,
            },
            GOODBYE => Self::Goodbye,
            other => return Err(Malformed::Kind(other)),
        };
        reader.finish()?;
        Ok(frame)
    }

    /// The length of the one field that can be long, so that encoding allocates once.
    fn payload(&self) -> usize {
        match self {
            Self::Exchange { messages, .. } => messages.len(),
            Self::Body { bytes, .. } => bytes.len(),
            Self::Notify { channel, payload } => channel.len() + payload.len(),
            Self::Hello { .. }
            | Self::Opening { .. }
            | Self::Welcome(_)
            | Self::Refused(_)
            | Self::Credit { .. }
            | Self::Cancel { .. }
            | Self::Failed { .. }
            | Self::Goodbye => 0,
        }
    }
}

/// Numbers are little-endian; texts and byte strings follow their length as four bytes.
pub(crate) struct Writer(BytesMut);

impl Writer {
    pub(crate) fn with_capacity(capacity: usize) -> Self {
        let mut buffer = BytesMut::with_capacity(capacity);
        buffer.put_u16_le(PROTOCOL);
        Self(buffer)
    }

    pub(crate) fn finish(self) -> Bytes {
        self.0.freeze()
    }

    pub(crate) fn kind(&mut self, kind: u8) -> &mut Self {
        self.byte(kind)
    }

    pub(crate) fn byte(&mut self, byte: u8) -> &mut Self {
        self.0.put_u8(byte);
        self
    }

    pub(crate) fn flag(&mut self, flag: bool) -> &mut Self {
        self.byte(u8::from(flag))
    }

    pub(crate) fn number(&mut self, number: u32) -> &mut Self {
        self.0.put_u32_le(number);
        self
    }

    pub(crate) fn long(&mut self, number: u64) -> &mut Self {
        self.0.put_u64_le(number);
        self
    }

    pub(crate) fn text(&mut self, text: &str) -> &mut Self {
        self.bytes(text.as_bytes())
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.number(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
        self.0.put_slice(bytes);
        self
    }

    pub(crate) fn refusal(&mut self, refusal: &Refusal) -> &mut Self {
        match refusal {
            Refusal::Version => self.byte(0),
            Refusal::Malformed(text) => self.byte(1).text(text),
            Refusal::Broken(text) => self.byte(2).text(text),
            Refusal::Closing => self.byte(3),
        }
    }
}

pub(crate) struct Reader(Bytes);

impl Reader {
    /// Reads the version, which is before everything else.
    pub(crate) fn open(buffer: Bytes) -> Result<Self, Malformed> {
        let mut reader = Self(buffer);
        let theirs = u16::from_le_bytes(reader.array()?);
        if theirs == PROTOCOL {
            Ok(reader)
        } else {
            Err(Malformed::Version { theirs })
        }
    }

    /// Refuses what is left.
    pub(crate) fn finish(self) -> Result<(), Malformed> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(Malformed::Trailing)
        }
    }

    fn take(&mut self, length: usize) -> Result<Bytes, Malformed> {
        if length > self.0.len() {
            return Err(Malformed::Truncated);
        }
        Ok(self.0.split_to(length))
    }

    fn array<const LENGTH: usize>(&mut self) -> Result<[u8; LENGTH], Malformed> {
        let mut array = [0; LENGTH];
        array.copy_from_slice(&self.take(LENGTH)?);
        Ok(array)
    }

    pub(crate) fn byte(&mut self) -> Result<u8, Malformed> {
        let [byte] = self.array()?;
        Ok(byte)
    }

    pub(crate) fn flag(&mut self) -> Result<bool, Malformed> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            other => Err(Malformed::Field(other)),
        }
    }

    pub(crate) fn number(&mut self) -> Result<u32, Malformed> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn long(&mut self) -> Result<u64, Malformed> {
        self.array().map(u64::from_le_bytes)
    }

    pub(crate) fn refusal(&mut self) -> Result<Refusal, Malformed> {
        Ok(match self.byte()? {
            0 => Refusal::Version,
            1 => Refusal::Malformed(self.text()?),
            2 => Refusal::Broken(self.text()?),
            3 => Refusal::Closing,
            other => return Err(Malformed::Field(other)),
        })
    }

    pub(crate) fn conversation(&mut self) -> Result<Conversation, Malformed> {
        self.number().map(Conversation)
    }

    pub(crate) fn bytes(&mut self) -> Result<Bytes, Malformed> {
        let length = self.number()?;
        self.take(usize::try_from(length).unwrap_or(usize::MAX))
    }

    pub(crate) fn text(&mut self) -> Result<String, Malformed> {
        let bytes = self.bytes()?;
        match std::str::from_utf8(&bytes) {
            Ok(text) => Ok(text.to_owned()),
            Err(_) => Err(Malformed::Text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A seeded generator, so that a failure repeats.
    struct Dice(u64);

    impl Dice {
        fn roll(&mut self) -> u64 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            self.0
        }

        fn small(&mut self) -> u32 {
            (self.roll() >> 32) as u32
        }

        fn flag(&mut self) -> bool {
            self.roll() & 64 == 0
        }

        fn bytes(&mut self) -> Bytes {
            let length = self.roll() % 70;
            (0..length).map(|_| self.roll().to_le_bytes()[3]).collect()
        }

        fn text(&mut self) -> String {
            let length = self.roll() % 20;
            (0..length)
                .filter_map(|_| char::from_u32(self.small() % 0x11_0000))
                .collect()
        }

        fn frame(&mut self) -> Frame {
            let conversation = Conversation(self.small());
            match self.roll() % 18 {
                0 => Frame::Hello {
                    build: self.text(),
                    life: self.text(),
                },
                1 => Frame::Opening {
                    build: self.text(),
                    life: self.text(),
                },
                2 => Frame::Welcome(Welcome {
                    build: self.text(),
                    storage: [
                        Storage::Memory,
                        Storage::Opfs,
                        Storage::IndexedDb,
                        Storage::Directory,
                    ][(self.roll() % 4) as usize],
                    migration: self.small(),
                    created: self.flag(),
                    milliseconds: self.small(),
                }),
                3 => Frame::Refused(Refusal::Version),
                4 => Frame::Refused(Refusal::Malformed(self.text())),
                5 => Frame::Refused(Refusal::Broken(self.text())),
                6 => Frame::Refused(Refusal::Closing),
                7 => Frame::Exchange {
                    conversation,
                    continues: self.flag(),
                    hold: self.flag(),
                    messages: self.bytes(),
                },
                8 | 9 => Frame::Body {
                    conversation,
                    offset: self.roll(),
                    last: self.flag(),
                    bytes: self.bytes(),
                },
                10 => Frame::Credit {
                    conversation,
                    bytes: self.small(),
                },
                11 => Frame::Cancel { conversation },
                12 => Frame::Goodbye,
                13 => Frame::Notify {
                    channel: self.text(),
                    payload: self.text(),
                },
                rest => Frame::Failed {
                    conversation,
                    failure: match rest {
                        14 => Failure::Busy,
                        15 => Failure::TransactionLost,
                        16 => Failure::Stalled,
                        _ => Failure::Broken(self.text()),
                    },
                },
            }
        }
    }

    #[test]
    fn every_frame_comes_back_and_no_part_of_it_does() {
        let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
        for _ in 0..3_000 {
            let frame = dice.frame();
            let buffer = frame.encode();
            assert_eq!(Frame::decode(buffer.clone()), Ok(frame.clone()));
            for length in 0..buffer.len() {
                assert_eq!(
                    Frame::decode(buffer.slice(..length)),
                    Err(Malformed::Truncated),
                    "{frame:?} cut to {length}"
                );
            }
            let mut longer = BytesMut::from(&buffer[..]);
            longer.put_u8(0);
            assert_eq!(Frame::decode(longer.freeze()), Err(Malformed::Trailing));
        }
    }

    #[test]
    fn noise_is_refused_or_means_what_it_says() {
        let mut dice = Dice(0x0123_4567_89ab_cdef);
        let mut decoded = 0;
        for _ in 0..100_000 {
            let mut buffer = BytesMut::new();
            buffer.put_u16_le(PROTOCOL);
            buffer.put_u8((dice.roll() % 13) as u8);
            buffer.put_slice(&dice.bytes());
            let buffer = buffer.freeze();
            if let Ok(frame) = Frame::decode(buffer.clone()) {
                decoded += 1;
                assert_eq!(frame.encode(), buffer);
            }
        }
        assert!(
            decoded > 0,
            "noise never made a frame: the test shows nothing"
        );
        for _ in 0..100_000 {
            let _ = Frame::decode(dice.bytes());
        }
    }

    #[test]
    fn flipping_any_byte_never_panics() {
        let mut dice = Dice(0xdead_beef_cafe_f00d);
        for _ in 0..2_000 {
            let buffer = dice.frame().encode();
            for position in 0..buffer.len() {
                let mut flipped = BytesMut::from(&buffer[..]);
                flipped[position] ^= 1 << (dice.roll() % 8);
                let _ = Frame::decode(flipped.freeze());
            }
        }
    }

    #[test]
    fn another_version_is_seen_before_anything_else() {
        for (bytes, theirs) in [(&[2, 0][..], 2), (&[0, 0, 200, 1], 0), (&[1, 1, 1], 257)] {
            assert_eq!(
                Frame::decode(Bytes::from_static(bytes)),
                Err(Malformed::Version { theirs })
            );
        }
    }
}
