//! An exchange's answer, as far as the client is to see it.

use bytes::{Buf as _, Bytes, BytesMut};

use super::message::{put_ready, text};

/// What an answer begins and ends with that the client did not ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Shape {
    /// Queries of ours before the client's messages.
    pub(super) prelude: usize,
    /// Statements that were closed and prepared again after those.
    pub(super) prepared: usize,
    /// The client sent no Sync: it is not told that all is ready.
    pub(super) is_partial: bool,
    /// A `commit` of ours follows.
    pub(super) commits: bool,
}

/// Reads an answer and lets through what is the client's.
#[derive(Debug)]
pub(super) struct Filter {
    shape: Shape,
    waiting: BytesMut,
    /// Bytes of the message that is being let through, or not, and which.
    passing: Option<(usize, bool)>,
    /// Our own queries that have been answered.
    answered: usize,
    closed: usize,
    prepared: usize,
    /// How many times the client's part was ready.
    ready: usize,
    status: u8,
    /// The role could not be taken: nothing of the rest is the client's.
    refused: Option<String>,
    /// What was said last to a query of ours.
    error: Option<Bytes>,
    failed: bool,
}

impl Filter {
    pub(super) fn new(shape: Shape) -> Self {
        Self {
            shape,
            waiting: BytesMut::new(),
            passing: None,
            answered: 0,
            closed: 0,
            prepared: 0,
            ready: 0,
            status: b'I',
            refused: None,
            error: None,
            failed: false,
        }
    }

    /// Takes bytes of the answer, and gives those that are for the client.
    pub(super) fn pass(&mut self, bytes: &[u8]) -> Bytes {
        self.waiting.extend_from_slice(bytes);
        let mut out = BytesMut::new();
        loop {
            if let Some((left, shown)) = self.passing {
                let piece = self.waiting.split_to(left.min(self.waiting.len()));
                if shown {
                    out.extend_from_slice(&piece);
                }
                let left = left - piece.len();
                self.passing = (left > 0).then_some((left, shown));
                if left > 0 {
                    return out.freeze();
                }
            }
            let Some((kind, length)) = self.header() else {
                return out.freeze();
            };
            match kind {
                // Those have to be read whole, and are short.
                b'Z' | b'E' => {
                    if self.waiting.len() < length {
                        return out.freeze();
                    }
                    let message = self.waiting.split_to(length).freeze();
                    self.whole(kind, message, &mut out);
                }
                other => self.passing = Some((length, self.shows(other))),
            }
        }
    }

    /// The answer has ended. Where it is none of the client's, because the database would not run such
    /// messages at all, what it said is for the client; `None` where it said nothing.
    pub(super) fn finish(&mut self) -> Option<Bytes> {
        if self.ready > 0 || self.refused.is_some() {
            return Some(Bytes::new());
        }
        let error = self.error.take()?;
        self.failed = true;
        let mut out = BytesMut::from(&error[..]);
        if !self.shape.is_partial {
            put_ready(&mut out, self.status);
        }
        Some(out.freeze())
    }

    /// Whether a transaction is open behind the answer: `I`, `T` or `E`.
    pub(super) fn status(&self) -> u8 {
        self.status
    }

    /// Whether something of the client's failed.
    pub(super) fn has_failed(&self) -> bool {
        self.failed
    }

    /// Why the client's messages were not run as its role.
    pub(super) fn refused(&self) -> Option<&str> {
        self.refused.as_deref()
    }

    fn header(&self) -> Option<(u8, usize)> {
        let (&kind, rest) = self.waiting.split_first()?;
        let mut length: &[u8] = rest.first_chunk::<4>()?;
        let length = usize::try_from(length.get_u32()).ok()?;
        Some((kind, length.saturating_add(1)))
    }

    fn is_prelude(&self) -> bool {
        self.answered < self.shape.prelude
    }

    fn is_commit(&self) -> bool {
        self.shape.commits && self.ready > 0
    }

    fn shows(&mut self, kind: u8) -> bool {
        if self.is_prelude() || self.refused.is_some() {
            return false;
        }
        match kind {
            b'3' if self.closed < self.shape.prepared => {
                self.closed += 1;
                false
            }
            b'1' if self.prepared < self.shape.prepared => {
                self.prepared += 1;
                false
            }
            // The session listens for the gateway, not for this client; and a COPY from the client has
            // failed already: the database does not wait for its rows.
            b'A' | b'G' | b'W' => false,
            // Of the commit, only a failure is told.
            _ => !self.is_commit(),
        }
    }

    fn whole(&mut self, kind: u8, message: Bytes, out: &mut BytesMut) {
        match kind {
            b'Z' if self.is_prelude() => self.answered += 1,
            b'Z' => {
                self.status = message.last().copied().unwrap_or(b'I');
                self.ready += 1;
                let is_last = !self.shape.commits || self.ready > 1;
                if is_last && !self.shape.is_partial && self.refused.is_none() {
                    put_ready(out, self.status);
                }
            }
            // The second query of ours takes the role; settings that fail are as if not made.
            _ if self.is_prelude() => {
                if self.answered == 1 {
                    self.refused = Some(error_text(&message));
                }
                self.error = Some(message);
            }
            _ if self.refused.is_none() => {
                // What was to be prepared again has failed: no more of it follows.
                self.prepared = self.shape.prepared;
                self.closed = self.shape.prepared;
                self.failed = true;
                out.extend_from_slice(&message);
            }
            _ => {}
        }
    }
}

/// What an error says.
fn error_text(message: &[u8]) -> String {
    let mut rest = message.get(5..).unwrap_or_default();
    while let Some((&field, after)) = rest.split_first() {
        rest = after;
        let Some(value) = text(&mut rest) else { break };
        if field == b'M' {
            return value.to_owned();
        }
    }
    String::new()
}

/// The first row of an answer, as texts.
pub(super) fn first_row(mut answer: &[u8]) -> Option<Vec<Option<String>>> {
    loop {
        let (&kind, rest) = answer.split_first()?;
        let length = usize::try_from(u32::from_be_bytes(*rest.first_chunk()?)).ok()?;
        let contents = rest.get(4..length)?;
        answer = rest.get(length..)?;
        if kind != b'D' {
            continue;
        }
        let mut contents = contents;
        let count = contents.try_get_u16().ok()?;
        let mut row = Vec::new();
        for _ in 0..count {
            let length = contents.try_get_i32().ok()?;
            row.push(match usize::try_from(length) {
                Ok(length) => {
                    let (value, rest) = contents.split_at_checked(length)?;
                    contents = rest;
                    Some(String::from_utf8_lossy(value).into_owned())
                }
                Err(_null) => None,
            });
        }
        return Some(row);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::postgres::message::{Report, put};

    fn message(kind: u8, contents: &[u8]) -> BytesMut {
        let mut buffer = BytesMut::new();
        put(&mut buffer, kind, contents);
        buffer
    }

    fn error(text: &str) -> BytesMut {
        let mut buffer = BytesMut::new();
        Report::error("42501", text).put(&mut buffer);
        buffer
    }

    /// The kinds of what the client sees, whatever pieces the answer comes in.
    fn seen(shape: Shape, answer: &[BytesMut]) -> (String, Filter) {
        let whole = answer.concat();
        let mut before = None;
        for size in [whole.len(), 1, 3, 7] {
            let mut filter = Filter::new(shape);
            let mut shown = Vec::new();
            for piece in whole.chunks(size) {
                shown.extend_from_slice(&filter.pass(piece));
            }
            let (whole, _) = before.get_or_insert_with(|| (shown.clone(), filter));
            assert_eq!(*whole, shown, "in pieces of {size}");
        }
        let (shown, filter) = before.unwrap();
        let mut kinds = String::new();
        let mut rest = &shown[..];
        while let Some((&kind, after)) = rest.split_first() {
            kinds.push(char::from(kind));
            let length = u32::from_be_bytes(*after.first_chunk().unwrap());
            rest = &after[usize::try_from(length).unwrap()..];
        }
        (kinds, filter)
    }

    #[test]
    fn the_client_sees_its_own() {
        let done = || message(b'C', b"SET\0");
        let row = || message(b'D', &[7; 500]);
        let ready = |status: u8| message(b'Z', &[status]);
        let parsed = || message(b'1', b"");
        let (kinds, filter) = seen(
            Shape {
                prelude: 2,
                prepared: 1,
                ..Shape::default()
            },
            &[
                done(),
                ready(b'I'),
                done(),
                ready(b'I'),
                message(b'3', b""),
                parsed(),
                message(b'2', b""),
                row(),
                message(b'A', b"x"),
                done(),
                ready(b'T'),
            ],
        );
        assert_eq!(
            (&*kinds, filter.status(), filter.has_failed()),
            ("2DCZ", b'T', false)
        );
        // It prepares one of its own as well.
        let (kinds, _) = seen(
            Shape {
                prepared: 1,
                ..Shape::default()
            },
            &[message(b'3', b""), parsed(), parsed(), ready(b'I')],
        );
        assert_eq!(kinds, "1Z");
        let (kinds, filter) = seen(
            Shape {
                prelude: 1,
                ..Shape::default()
            },
            &[done(), ready(b'I'), error("no"), ready(b'E')],
        );
        assert_eq!(
            (&*kinds, filter.status(), filter.has_failed()),
            ("EZ", b'E', true)
        );
        // The role is gone: what ran after it is not told.
        let (kinds, filter) = seen(
            Shape {
                prelude: 2,
                ..Shape::default()
            },
            &[
                done(),
                ready(b'I'),
                error("no such role"),
                ready(b'I'),
                row(),
                ready(b'I'),
            ],
        );
        assert_eq!((&*kinds, filter.refused()), ("", Some("no such role")));
        // A setting that fails is not.
        let (kinds, filter) = seen(
            Shape {
                prelude: 3,
                ..Shape::default()
            },
            &[
                done(),
                ready(b'I'),
                done(),
                ready(b'I'),
                error("odd"),
                ready(b'I'),
                row(),
                ready(b'I'),
            ],
        );
        assert_eq!((&*kinds, filter.refused()), ("DZ", None));
        // The database would not run it at all.
        let (kinds, mut filter) = seen(
            Shape {
                prelude: 2,
                ..Shape::default()
            },
            &[error("invalid contents"), ready(b'I')],
        );
        let rest = filter.finish().unwrap();
        assert_eq!(
            (&*kinds, rest.first(), filter.has_failed()),
            ("", Some(&b'E'), true)
        );
        assert_eq!(Filter::new(Shape::default()).finish(), None);
        // A COPY that has failed is not begun.
        let (kinds, _) = seen(
            Shape::default(),
            &[message(b'G', b"\0\0\0"), error("COPY"), ready(b'I')],
        );
        assert_eq!(kinds, "EZ");
        let (kinds, filter) = seen(
            Shape {
                is_partial: true,
                ..Shape::default()
            },
            &[row(), message(b's', b""), ready(b'T')],
        );
        assert_eq!((&*kinds, filter.status()), ("Ds", b'T'));
        let (kinds, filter) = seen(
            Shape {
                commits: true,
                ..Shape::default()
            },
            &[row(), done(), ready(b'T'), done(), ready(b'I')],
        );
        assert_eq!((&*kinds, filter.status()), ("DCZ", b'I'));
        let (kinds, _) = seen(
            Shape {
                commits: true,
                ..Shape::default()
            },
            &[done(), ready(b'T'), error("deferred"), ready(b'I')],
        );
        assert_eq!(kinds, "CEZ");
    }

    #[test]
    fn rows_are_read() {
        let row = message(b'D', b"\0\x02\0\0\0\x02ab\xff\xff\xff\xff");
        let answer = [message(b'T', b"..").to_vec(), row.to_vec()].concat();
        assert_eq!(first_row(&answer), Some(vec![Some("ab".to_owned()), None]));
        for length in 0..answer.len() {
            assert_eq!(first_row(&answer[..length]), None);
        }
    }
}
