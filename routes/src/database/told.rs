//! A world for tests: its database says what it was told to.

use std::{cell::RefCell, collections::VecDeque};

use bytes::{BufMut as _, Bytes};
use futures::stream;

use crate::{
    World,
    world::{self, Answer, Exchange, Timestamp, Unavailable},
};

/// A world whose database says what it was told to, in chunks of any size.
#[derive(Default)]
pub(crate) struct Told {
    pub(crate) answers: RefCell<VecDeque<Vec<u8>>>,
    pub(crate) asked: RefCell<Vec<Exchange>>,
}

impl World for Told {
    fn now(&self) -> Timestamp {
        Timestamp(0)
    }

    fn random(&self, _buffer: &mut [u8]) {}

    async fn exchange(&self, _project: &str, exchange: Exchange) -> Result<Answer, Unavailable> {
        self.asked.borrow_mut().push(exchange);
        let answer = self.answers.borrow_mut().pop_front().unwrap();
        let chunks: Vec<_> = answer
            .chunks(1000)
            .map(|chunk| Ok(Bytes::copy_from_slice(chunk)))
            .collect();
        Ok(Answer {
            chunks: Box::pin(stream::iter(chunks)),
            transaction: world::Transaction(7),
        })
    }
}

/// The statements and ends of an exchange, one a line.
pub(crate) fn listed(messages: &[u8]) -> String {
    let mut lines = Vec::new();
    let mut rest = messages;
    while let [tag, a, b, c, d, after @ ..] = rest {
        let length = u32::from_be_bytes([*a, *b, *c, *d]) as usize - 4;
        let text = |bytes: &[u8]| {
            let text = bytes.split(|byte| *byte == 0).find(|text| !text.is_empty());
            String::from_utf8_lossy(text.unwrap_or_default()).into_owned()
        };
        match tag {
            b'P' => lines.push(text(&after[..length])),
            b'Q' => lines.push(format!("simple {}", text(&after[..length]))),
            b'S' => lines.push("sync".to_owned()),
            _ => {}
        }
        rest = &after[length..];
    }
    lines.join("; ")
}

pub(crate) fn message(tag: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![tag];
    bytes.put_u32(u32::try_from(body.len() + 4).unwrap());
    bytes.extend_from_slice(body);
    bytes
}

pub(crate) fn complete() -> Vec<u8> {
    message(b'C', b"SELECT 1\0")
}

pub(crate) fn ready(status: u8) -> Vec<u8> {
    message(b'Z', &[status])
}

pub(crate) fn failure(sqlstate: &str) -> Vec<u8> {
    message(
        b'E',
        format!("SERROR\0VERROR\0C{sqlstate}\0Mno\0\0").as_bytes(),
    )
}
