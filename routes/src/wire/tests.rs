//! Answers cut at every byte, and bytes that are no answers.

use bytes::{BufMut as _, Bytes};
use expect_test::{Expect, expect};
use futures::{executor::block_on, stream};

use super::*;
use crate::{
    body::{Body, BodyError},
    world::{Answer, Transaction, Unavailable},
};

fn message(tag: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![tag];
    bytes.put_u32(u32::try_from(body.len() + 4).unwrap());
    bytes.extend_from_slice(body);
    bytes
}

fn row(values: &[Option<&[u8]>]) -> Vec<u8> {
    let mut body = Vec::new();
    body.put_u16(u16::try_from(values.len()).unwrap());
    for value in values {
        match value {
            None => body.put_i32(-1),
            Some(value) => {
                body.put_i32(i32::try_from(value.len()).unwrap());
                body.extend_from_slice(value);
            }
        }
    }
    message(b'D', &body)
}

fn description(names: &[&str]) -> Vec<u8> {
    let mut body = Vec::new();
    body.put_u16(u16::try_from(names.len()).unwrap());
    for name in names {
        body.extend_from_slice(name.as_bytes());
        body.extend_from_slice(&[
            0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 25, 255, 255, 255, 255, 255, 255, 0, 0,
        ]);
    }
    message(b'T', &body)
}

const ERROR: &[u8] = b"SFEHLER\0VERROR\0C23505\0Mduplicate key\0DKey (id)=(1)\0Htry 2\0P15\0\
    spublic\0ttodos\0ntodos_pkey\0Wa\nb\0Fx.c\0L673\0Rf\0?new\0\0";

fn everything() -> Vec<u8> {
    [
        message(b'1', b""),
        message(b'2', b""),
        message(b'n', b""),
        message(b'C', b"SET\0"),
        message(b'N', b"SNOTICE\0C00000\0Mhello\0\0"),
        description(&["id", "body"]),
        row(&[Some(b"1"), Some(b"[1,2]")]),
        row(&[None, Some(b"")]),
        row(&[Some(b""), None]),
        row(&[]),
        row(&[Some(b"only")]),
        message(b'S', b"TimeZone\0UTC\0"),
        message(b't', &[0, 1, 0, 0, 0, 25]),
        message(b'E', ERROR),
        message(b'A', b"\0\0\0\x07pgrst\0reload schema\0"),
        message(b'I', b""),
        message(b's', b""),
        message(b'3', b""),
        message(b'G', &[0, 0, 0]),
        message(b'H', &[0, 0, 1, 0, 0]),
        message(b'd', b"a\tb\n"),
        message(b'c', b""),
        message(b'R', &[0, 0, 0, 0]),
        message(b'Z', b"E"),
    ]
    .concat()
}

fn read<'a>(
    mut reader: Reader,
    chunks: impl IntoIterator<Item = &'a [u8]>,
) -> Result<Vec<Message>, Malformed> {
    let mut messages: Vec<Message> = Vec::new();
    for chunk in chunks {
        reader.push(Bytes::copy_from_slice(chunk));
        while let Some(message) = reader.next()? {
            match (messages.last_mut(), message) {
                (Some(Message::RowBytes(before)), Message::RowBytes(bytes)) => {
                    *before = [&before[..], &bytes[..]].concat().into();
                }
                (_, message) => messages.push(message),
            }
        }
    }
    Ok(messages)
}

#[test]
fn every_message_is_read() {
    let bytes = everything();
    let messages = read(Reader::new(), [&bytes[..]]).unwrap();
    let columns = |row: &Row| {
        let columns: Vec<_> = (0..row.len()).map(|column| row.text(column)).collect();
        format!("{columns:?}\n")
    };
    let shown: String = messages
        .iter()
        .map(|message| match message {
            Message::Row(row) => columns(row),
            other => format!("{other:?}\n"),
        })
        .collect();
    expect![[r#"
        ParseComplete
        BindComplete
        NoData
        CommandComplete("SET")
        Notice(PgError { severity: "NOTICE", sqlstate: "00000", message: "hello", detail: None, hint: None, position: None, internal_position: None, internal_query: None, context: None, schema: None, table: None, column: None, data_type: None, constraint: None, file: None, line: None, routine: None })
        RowDescription([ColumnDescription { name: "id", type_oid: 25, type_modifier: -1, table_oid: 0 }, ColumnDescription { name: "body", type_oid: 25, type_modifier: -1, table_oid: 0 }])
        [Some("1"), Some("[1,2]")]
        [None, Some("")]
        [Some(""), None]
        []
        [Some("only")]
        ParameterStatus { name: "TimeZone", value: "UTC" }
        ParameterDescription([25])
        Error(PgError { severity: "ERROR", sqlstate: "23505", message: "duplicate key", detail: Some("Key (id)=(1)"), hint: Some("try 2"), position: Some(15), internal_position: None, internal_query: None, context: Some("a\nb"), schema: Some("public"), table: Some("todos"), column: None, data_type: None, constraint: Some("todos_pkey"), file: Some("x.c"), line: Some(673), routine: Some("f") })
        Notification(Notification { process_id: 7, channel: "pgrst", payload: "reload schema" })
        EmptyQuery
        PortalSuspended
        CloseComplete
        CopyIn
        CopyOut
        CopyData(b"a\tb\n")
        CopyDone
        Startup
        ReadyForQuery(Failed)
    "#]].assert_eq(&shown);
}

#[test]
fn chunks_may_end_anywhere() {
    let bytes = everything();
    for reader in [Reader::new, Reader::streaming] {
        let whole = read(reader(), [&bytes[..]]).unwrap();
        for first in 0..=bytes.len() {
            let (left, right) = bytes.split_at(first);
            assert_eq!(
                read(reader(), [left, right]).unwrap(),
                whole,
                "cut at {first}"
            );
        }
        for size in [1, 2, 3, 5, 7, 64] {
            assert_eq!(
                read(reader(), bytes.chunks(size)).unwrap(),
                whole,
                "chunks of {size}"
            );
        }
    }
}

#[test]
fn a_streaming_reader_hands_out_the_head_before_the_last_column_is_here() {
    let bytes = row(&[Some(b"200"), None, Some(&[b'x'; 1000])]);
    let mut reader = Reader::streaming();
    reader.push(Bytes::copy_from_slice(&bytes[..bytes.len() - 1000]));
    let Some(Message::RowHead { earlier, last }) = reader.next().unwrap() else {
        panic!("no head");
    };
    assert_eq!(
        earlier.iter().collect::<Vec<_>>(),
        [Some(&b"200"[..]), None]
    );
    assert_eq!(last, Some(1000));
    assert_eq!(reader.next(), Ok(None));
    for chunk in bytes[bytes.len() - 1000..].chunks(300) {
        reader.push(Bytes::copy_from_slice(chunk));
        let Some(Message::RowBytes(bytes)) = reader.next().unwrap() else {
            panic!("no bytes");
        };
        assert_eq!(bytes.len(), chunk.len());
        assert_eq!(reader.next(), Ok(None));
    }
    assert!(reader.is_between_messages());
}

#[test]
fn malformed_bytes_are_refused_at_once_and_for_ever() {
    let check = |bytes: &[u8], expected: Expect| {
        for mut reader in [Reader::new(), Reader::streaming()] {
            reader.push(Bytes::copy_from_slice(bytes));
            let failure = reader.next().unwrap_err();
            expected.assert_eq(&failure.to_string());
            reader.push(Bytes::from(message(b'Z', b"I")));
            assert_eq!(reader.next(), Err(failure));
        }
    };
    check(b"Z\0\0\0\x03", expect!["a message 'Z' of 3 bytes"]);
    check(
        b"Z\xff\xff\xff\xff",
        expect!["a message 'Z' of 4294967295 bytes"],
    );
    check(b"Z\0\0\0\x06II", expect!["a message 'Z' of 6 bytes"]);
    check(
        b"C\x7f\xff\xff\xff",
        expect!["a message 'C' of 2147483647 bytes"],
    );
    check(
        &message(b'Z', b"?"),
        expect!["unknown transaction status 63"],
    );
    check(&message(b'!', b""), expect!["a message '!' of 4 bytes"]);
    check(
        b"HTTP/1.1 200 OK\r\n\r\n",
        expect!["a message 'H' of 1414811695 bytes"],
    );
    check(&message(b'C', b"no end"), expect!["unexpected EOF"]);
    check(&message(b'E', b"Sno end"), expect!["unexpected EOF"]);
    check(&message(b'T', &[0, 9]), expect!["unexpected EOF"]);
    check(
        &message(b'D', &[]),
        expect!["a row whose columns do not fill it"],
    );
    check(
        &message(b'D', &[0]),
        expect!["a row whose columns do not fill it"],
    );
    check(
        &message(b'D', &[0, 1]),
        expect!["a row whose columns do not fill it"],
    );
    check(
        &message(b'D', &[0, 1, 0, 0, 0, 9, 1]),
        expect!["a row whose columns do not fill it"],
    );
    check(
        &message(b'D', &[0, 1, 0xff, 0xff, 0xff, 0xfe]),
        expect!["a row whose columns do not fill it"],
    );
    check(
        &message(b'D', &[0, 1, 0x7f, 0xff, 0xff, 0xff]),
        expect!["a row whose columns do not fill it"],
    );
    check(
        &message(b'D', &[0, 0, 7]),
        expect!["a row whose columns do not fill it"],
    );
}

/// Flips, cuts and repeats bytes of real answers: whatever comes, the reader answers.
#[test]
fn no_bytes_make_the_reader_panic() {
    let bytes = everything();
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move |below: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        usize::try_from(seed % u64::try_from(below).unwrap()).unwrap()
    };
    let mut refused = 0;
    for _ in 0..20_000 {
        let mut bytes = bytes.clone();
        for _ in 0..=random(4) {
            let at = random(bytes.len());
            match random(4) {
                0 => bytes[at] = u8::try_from(random(256)).unwrap(),
                1 => bytes[at] ^= 1 << random(8),
                2 => _ = bytes.remove(at),
                _ => bytes.insert(at, u8::try_from(random(256)).unwrap()),
            }
        }
        let size = 1 + random(bytes.len());
        for reader in [Reader::new, Reader::streaming] {
            let whole = read(reader(), [&bytes[..]]);
            let cut = read(reader(), bytes.chunks(size));
            assert_eq!(whole, cut, "{}", bytes.escape_ascii());
            refused += usize::from(whole.is_err());
        }
    }
    assert!(
        refused > 1_000,
        "only {refused} refused: the mutations are too tame"
    );
}

fn answer(chunks: Vec<Result<Bytes, Unavailable>>) -> Answer {
    Answer {
        chunks: Box::pin(stream::iter(chunks)),
        transaction: Transaction(0),
    }
}

fn parts(bytes: &[u8], size: usize) -> Vec<Result<Bytes, Unavailable>> {
    bytes
        .chunks(size)
        .map(|chunk| Ok(Bytes::copy_from_slice(chunk)))
        .collect()
}

async fn body_of(chunks: Vec<Result<Bytes, Unavailable>>) -> Result<Bytes, BodyError> {
    let mut messages = Messages::streaming(answer(chunks));
    loop {
        if let Message::RowHead { last, .. } = messages.next().await.unwrap().unwrap() {
            return match messages.into_body(last.unwrap()) {
                body @ Body::Stream(_) => body.collect(usize::MAX).await,
                other => panic!("{other:?}"),
            };
        }
    }
}

#[test]
fn a_streamed_body_is_whole_or_interrupted() {
    let large = vec![b'x'; 100_000];
    let rows = [description(&["s", "b"]), row(&[Some(b"1"), Some(&large)])].concat();
    let done = [message(b'C', b"SELECT 1\0"), message(b'Z', b"I")].concat();
    let failed = [message(b'E', ERROR), message(b'Z', b"I")].concat();
    block_on(async {
        for size in [1, 999, 1 << 20] {
            let whole = body_of(parts(&[&rows[..], &done].concat(), size)).await;
            assert_eq!(whole.unwrap(), large);
            let failed = body_of(parts(&[&rows[..], &failed].concat(), size)).await;
            expect![[r#"Interrupted("ERROR: duplicate key (23505)")"#]]
                .assert_eq(&format!("{:?}", failed.unwrap_err()));
            let cut = body_of(parts(&rows[..50_000], size)).await;
            expect![[r#"Interrupted("the database's answer ended early")"#]]
                .assert_eq(&format!("{:?}", cut.unwrap_err()));
            let mut lost = parts(&rows[..50_000], size);
            lost.push(Err(Unavailable::OwnerLost));
            expect![[
                r#"Interrupted("The tab that had the database open went away before it answered")"#
            ]]
            .assert_eq(&format!("{:?}", body_of(lost).await.unwrap_err()));
        }
    });
}

#[test]
fn statements_are_told_apart() {
    let bytes = [
        message(b'C', b"CREATE TABLE\0"),
        message(b'N', b"SNOTICE\0C00000\0Mhello\0\0"),
        description(&["id"]),
        row(&[Some(b"1")]),
        message(b'C', b"SELECT 1\0"),
        message(b'I', b""),
        message(b'N', b"SNOTICE\0C00000\0Mlate\0\0"),
        description(&["id"]),
        message(b'E', ERROR),
        message(b'Z', b"I"),
    ]
    .concat();
    block_on(async {
        let statements = Messages::new(answer(parts(&bytes, 11)))
            .statements()
            .await
            .unwrap();
        let tags: Vec<_> = statements
            .results
            .iter()
            .map(|result| &result.tag[..])
            .collect();
        assert_eq!(tags, ["CREATE TABLE", "SELECT 1", ""]);
        assert_eq!(statements.results[1].rows[0].text(0), Some("1"));
        assert_eq!(statements.results[1].notices[0].message, "hello");
        let failure = statements.error.clone().unwrap();
        assert_eq!(failure.notices[0].message, "late");
        assert_eq!(
            statements.all().unwrap_err().to_string(),
            "ERROR: duplicate key (23505)"
        );
        let cut = Messages::new(answer(parts(&bytes[..bytes.len() - 6], 11)))
            .statements()
            .await;
        assert_eq!(cut, Err(AnswerError::Truncated));
    });
}

/// What Postgres says of a stack that ended before its own limit (`static/src/database/stack.ts`).
#[test]
fn an_error_that_nobody_reported_is_the_end_of_the_stack() {
    let said = message(
        b'E',
        b"SERROR\0VERROR\0CXX000\0Merrstart was not called\0\0",
    );
    let read = read(Reader::new(), [&said[..]]).unwrap();
    let [Message::Error(error)] = read.as_slice() else {
        panic!("{read:?}");
    };
    assert_eq!(
        (error.sqlstate.as_str(), error.message.as_str()),
        ("54001", "stack depth limit exceeded")
    );
}
