//! What a client may say to the session: whole, well-formed frontend messages.
//!
//! PGlite swallows the exceptions of a session that lost its place in the byte stream and goes on
//! with whatever state it has, so nothing malformed may reach it.
//! Source: <https://www.postgresql.org/docs/18/protocol-message-formats.html>.

use bytes::{BufMut, Bytes, BytesMut};

/// Messages that were checked, as they are to be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// The client's messages, with a `CopyFail` behind every one that may start a `COPY FROM STDIN`:
    /// the session would wait for rows that cannot come. Outside a COPY it is ignored.
    pub messages: Bytes,
    /// Whether it leaves a named prepared statement behind.
    pub prepares: bool,
}

/// Why messages are not run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// A message goes on after the last byte, or there is none.
    Truncated,
    /// No client message has this type, or none that makes sense here.
    Kind(u8),
    /// The contents do not fit the message's own length.
    Contents(u8),
    /// The last message is neither Sync nor Query: the session would wait for more.
    Unfinished,
    /// It is longer than the limit.
    TooLong,
}

impl Fault {
    /// SQLSTATE and message, as a server would put them.
    fn report(self) -> (&'static str, String) {
        match self {
            Self::Truncated => ("08P01", "message is cut short".to_owned()),
            Self::Kind(kind) => (
                "08P01",
                format!("frontend message type {kind} is not accepted here"),
            ),
            Self::Contents(kind) => (
                "08P01",
                format!(
                    "invalid contents of frontend message \"{}\"",
                    char::from(kind)
                ),
            ),
            Self::Unfinished => ("08P01", "messages do not end in Sync or Query".to_owned()),
            Self::TooLong => ("54000", "messages are too long".to_owned()),
        }
    }

    /// What the server would have answered: an error, then ready again in the state it is in.
    pub fn answer(self, status: u8) -> Bytes {
        let (code, message) = self.report();
        let mut fields = BytesMut::new();
        for (field, value) in [
            (b'S', "ERROR"),
            (b'V', "ERROR"),
            (b'C', code),
            (b'M', &message),
        ] {
            fields.put_u8(field);
            fields.put_slice(value.as_bytes());
            fields.put_u8(0);
        }
        fields.put_u8(0);
        let mut answer = BytesMut::new();
        put(&mut answer, b'E', &fields);
        put(&mut answer, b'Z', &[status]);
        answer.freeze()
    }
}

/// Checks messages and makes them ready to run.
pub fn check(messages: &[u8], limit: usize) -> Result<Script, Fault> {
    if messages.len() > limit {
        return Err(Fault::TooLong);
    }
    let mut script = BytesMut::with_capacity(messages.len() + 64);
    let mut prepares = false;
    let mut last = None;
    let mut rest = messages;
    while let Some(&kind) = rest.first() {
        let (message, contents) = split(&mut rest)?;
        last = Some(kind);
        let mut fields = Fields(contents);
        let well_formed = match kind {
            b'Q' => fields.text().is_some(),
            b'P' => parse(&mut fields, &mut prepares).is_some(),
            b'B' => bind(&mut fields).is_some(),
            b'D' | b'C' => matches!(fields.byte(), Some(b'S' | b'P')) && fields.text().is_some(),
            b'E' => fields.text().is_some() && fields.skip(4).is_some(),
            b'H' | b'S' => true,
            // Terminate would end the one session; COPY data, passwords and function calls have
            // nobody who asked for them.
            other => return Err(Fault::Kind(other)),
        };
        if !well_formed || !fields.0.is_empty() {
            return Err(Fault::Contents(kind));
        }
        script.put_slice(message);
        if matches!(kind, b'Q' | b'E') {
            put(&mut script, b'f', b"COPY FROM STDIN is not supported\0");
        }
    }
    match last {
        Some(b'Q' | b'S') => Ok(Script {
            messages: script.freeze(),
            prepares,
        }),
        Some(_) => Err(Fault::Unfinished),
        None => Err(Fault::Truncated),
    }
}

/// A simple query of ours.
pub fn query(sql: &str) -> Bytes {
    let mut message = BytesMut::with_capacity(sql.len() + 6);
    let mut contents = BytesMut::with_capacity(sql.len() + 1);
    contents.put_slice(sql.as_bytes());
    contents.put_u8(0);
    put(&mut message, b'Q', &contents);
    message.freeze()
}

fn put(buffer: &mut BytesMut, kind: u8, contents: &[u8]) {
    buffer.put_u8(kind);
    buffer.put_u32(u32::try_from(contents.len() + 4).unwrap_or(u32::MAX));
    buffer.put_slice(contents);
}

/// Takes one message off the front: all of it, and its contents.
fn split<'bytes>(rest: &mut &'bytes [u8]) -> Result<(&'bytes [u8], &'bytes [u8]), Fault> {
    let header = rest.get(1..5).ok_or(Fault::Truncated)?;
    let length = header
        .iter()
        .fold(0_usize, |length, &byte| length << 8 | usize::from(byte));
    let contents = rest.get(5..).zip(length.checked_sub(4));
    let contents = contents.and_then(|(bytes, length)| bytes.get(..length));
    let contents = contents.ok_or(Fault::Truncated)?;
    let (message, after) = rest.split_at(5 + contents.len());
    *rest = after;
    Ok((message, contents))
}

fn parse(fields: &mut Fields, prepares: &mut bool) -> Option<()> {
    *prepares |= !fields.text()?.is_empty();
    fields.text()?;
    let parameters = fields.count()?;
    fields.skip(parameters * 4)
}

fn bind(fields: &mut Fields) -> Option<()> {
    fields.text()?;
    fields.text()?;
    let formats = fields.count()?;
    fields.skip(formats * 2)?;
    for _ in 0..fields.count()? {
        let length = i32::from_be_bytes(fields.array()?);
        if length != -1 {
            fields.skip(usize::try_from(length).ok()?)?;
        }
    }
    let formats = fields.count()?;
    fields.skip(formats * 2)
}

struct Fields<'bytes>(&'bytes [u8]);

impl<'bytes> Fields<'bytes> {
    fn skip(&mut self, length: usize) -> Option<()> {
        self.0 = self.0.get(length..)?;
        Some(())
    }

    fn array<const LENGTH: usize>(&mut self) -> Option<[u8; LENGTH]> {
        let (array, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*array)
    }

    fn byte(&mut self) -> Option<u8> {
        let [byte] = self.array()?;
        Some(byte)
    }

    fn count(&mut self) -> Option<usize> {
        let count = i16::from_be_bytes(self.array()?);
        usize::try_from(count).ok()
    }

    /// Bytes up to a NUL, which is taken too.
    fn text(&mut self) -> Option<&'bytes [u8]> {
        let end = self.0.iter().position(|&byte| byte == 0)?;
        let text = self.0.get(..end)?;
        self.skip(end + 1)?;
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u8, contents: &[u8]) -> Vec<u8> {
        let mut buffer = BytesMut::new();
        put(&mut buffer, kind, contents);
        buffer.to_vec()
    }

    fn checked(messages: &[Vec<u8>]) -> Result<bool, Fault> {
        check(&messages.concat(), 10_000).map(|script| script.prepares)
    }

    type Row<'row> = (&'row [Vec<u8>], Result<bool, Fault>);

    #[test]
    fn what_is_let_through() {
        let parse = message(b'P', b"\0select $1\0\0\x01\0\0\0\x17");
        let named = message(b'P', b"name\0select 1\0\0\0");
        let bind = message(
            b'B',
            b"\0\0\0\x01\0\x01\0\x02\xff\xff\xff\xff\0\0\0\x02ab\0\x01\0\x01",
        );
        let describe = message(b'D', b"P\0");
        let execute = message(b'E', b"\0\0\0\0\0");
        let sync = message(b'S', b"");
        let query = message(b'Q', b"rollback\0");
        let table: [Row; 19] = [
            (
                &[
                    parse.clone(),
                    bind.clone(),
                    describe,
                    execute.clone(),
                    sync.clone(),
                ],
                Ok(false),
            ),
            (std::slice::from_ref(&query), Ok(false)),
            (&[sync.clone(), query.clone()], Ok(false)),
            (&[named, sync.clone()], Ok(true)),
            (
                &[message(b'C', b"Sname\0"), message(b'H', b""), sync.clone()],
                Ok(false),
            ),
            (&[], Err(Fault::Truncated)),
            (&[parse.clone(), bind], Err(Fault::Unfinished)),
            (&[query.clone(), message(b'H', b"")], Err(Fault::Unfinished)),
            (&[message(b'X', b"")], Err(Fault::Kind(b'X'))),
            (
                &[message(b'd', b"1\n"), sync.clone()],
                Err(Fault::Kind(b'd')),
            ),
            (&[message(b'F', b""), sync.clone()], Err(Fault::Kind(b'F'))),
            (&[vec![0, 0, 0, 8, 4, 210, 22, 46]], Err(Fault::Truncated)),
            (&[message(b'Q', b"select 1")], Err(Fault::Contents(b'Q'))),
            (
                &[message(b'Q', b"select\0 1\0")],
                Err(Fault::Contents(b'Q')),
            ),
            (&[message(b'S', b"x")], Err(Fault::Contents(b'S'))),
            (
                &[
                    message(b'B', b"\0\0\0\0\0\x01\xff\xff\xff\xfe\0\0"),
                    sync.clone(),
                ],
                Err(Fault::Contents(b'B')),
            ),
            (
                &[message(b'P', b"\0\0\xff\xff"), sync.clone()],
                Err(Fault::Contents(b'P')),
            ),
            (&[message(b'D', b"X\0"), sync], Err(Fault::Contents(b'D'))),
            (&[message(b'Q', &[b'x'; 10_000])], Err(Fault::TooLong)),
        ];
        for (messages, expected) in table {
            assert_eq!(checked(messages), expected, "{messages:?}");
        }
        let whole = [parse, execute, query].concat();
        for length in 0..whole.len() {
            assert!(check(&whole[..length], 10_000).is_err(), "cut to {length}");
        }
    }

    #[test]
    fn length_lies_never_panic() {
        for length in [0_u32, 3, 4, 5, 6, 0x7fff_ffff, 0xffff_ffff] {
            let mut bytes = vec![b'Q'];
            bytes.extend(length.to_be_bytes());
            bytes.extend(b"a\0");
            assert_eq!(check(&bytes, 100).is_ok(), length == 6);
        }
        let mut state = 88_172_645_463_325_252_u64;
        for _ in 0..50_000 {
            let mut bytes = b"B\0\0\0\x10".to_vec();
            for _ in 0..12 {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                bytes.push(state.to_le_bytes()[1] & 0x83);
            }
            bytes.extend(message(b'S', b""));
            let _ = check(&bytes, 100);
        }
    }

    #[test]
    fn copy_cannot_wait_for_rows() {
        let script = check(&query("copy t from stdin"), 100).unwrap();
        let fail = message(b'f', b"COPY FROM STDIN is not supported\0");
        assert!(script.messages.ends_with(&fail));
    }

    #[test]
    fn faults_are_answered_as_a_server_would() {
        assert_eq!(
            Fault::Kind(b'X').answer(b'T'),
            &b"E\0\0\0\x49SERROR\0VERROR\0C08P01\0Mfrontend message type 88 is not accepted here\0\0Z\0\0\0\x05T"[..]
        );
    }
}
