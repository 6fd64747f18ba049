//! The server's messages: cut anywhere, they are the same messages.

use bytes::Bytes;
use routes::wire::{Malformed, Message, Reader};

/// Any bytes as the server's answer. The first byte says how the rest is cut.
pub fn backend(bytes: &[u8]) {
    let Some((&cut, bytes)) = bytes.split_first() else {
        return;
    };
    let whole = read(Reader::new(), [bytes]);
    let size = usize::from(cut).max(1);
    assert_eq!(read(Reader::new(), bytes.chunks(size)), whole);

    let streamed = read(Reader::streaming(), [bytes]);
    let cut = read(Reader::streaming(), bytes.chunks(size));
    assert_eq!(joined(cut), joined(streamed));
}

type Outcome = (Vec<Message>, Option<Malformed>);

fn read<'a>(mut reader: Reader, chunks: impl IntoIterator<Item = &'a [u8]>) -> Outcome {
    let mut messages = Vec::new();
    for chunk in chunks {
        reader.push(Bytes::copy_from_slice(chunk));
        loop {
            match reader.next() {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => break,
                Err(failure) => return (messages, Some(failure)),
            }
        }
    }
    (messages, None)
}

/// Pieces of one column put together again.
fn joined((messages, failure): Outcome) -> Outcome {
    let mut whole: Vec<Message> = Vec::new();
    for message in messages {
        if let (Some(Message::RowBytes(before)), Message::RowBytes(more)) =
            (whole.last_mut(), &message)
        {
            *before = [&before[..], more].concat().into();
        } else {
            whole.push(message);
        }
    }
    (whole, failure)
}
