//! The client against a worker written out by hand, on a stepped clock. Against the real queue it
//! is tested in the `database` crate.

use super::*;
use crate::{CHUNK, INITIAL_CREDIT, Storage};

struct Bench {
    client: Client,
    now: Milliseconds,
}

fn exchange(text: &'static str) -> Exchange {
    Exchange {
        messages: Bytes::from_static(text.as_bytes()),
        idempotent: true,
        continues: None,
        hold: false,
    }
}

fn write(text: &'static str) -> Exchange {
    Exchange {
        idempotent: false,
        ..exchange(text)
    }
}

fn welcome() -> Frame {
    Frame::Welcome(Welcome {
        build: "b".to_owned(),
        storage: Storage::Memory,
        migration: 1,
        created: true,
        milliseconds: 5,
    })
}

impl Bench {
    fn new() -> Self {
        Self {
            client: Client::new("a", "", Limits::default()),
            now: 1_000,
        }
    }

    /// A client that was welcomed on its first port.
    fn connected() -> (Self, PortId) {
        let mut bench = Self::new();
        let port = bench.port();
        bench.receive(port, &welcome());
        bench.outputs();
        (bench, port)
    }

    fn port(&mut self) -> PortId {
        self.client.handle_port(self.now)
    }

    fn open(&mut self, exchange: Exchange) -> Conversation {
        self.client.open(exchange, self.now)
    }

    fn receive(&mut self, port: PortId, frame: &Frame) {
        self.client.handle_buffer(port, frame.encode(), self.now);
    }

    fn body(
        &mut self,
        port: PortId,
        conversation: Conversation,
        offset: usize,
        last: bool,
        bytes: Bytes,
    ) {
        self.receive(
            port,
            &Frame::Body {
                conversation,
                offset: offset as u64,
                last,
                bytes,
            },
        );
    }

    fn read(&mut self, conversation: Conversation) -> Poll<Option<Result<Bytes, Lost>>> {
        self.client.read(conversation, self.now)
    }

    fn step(&mut self, milliseconds: Milliseconds) {
        self.now += milliseconds;
        self.client.handle_timeout(self.now);
    }

    /// Everything the client asked for, frames decoded and shortened.
    fn outputs(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.client.poll_output())
            .map(|output| match output {
                Output::Post { port, buffer } => {
                    format!("{} <- {}", port.0, short(Frame::decode(buffer).unwrap()))
                }
                Output::WantPort => "want port".to_owned(),
                Output::Watch { port, life } => format!("{} watch {life}", port.0),
                Output::Close { port } => format!("{} close", port.0),
                Output::Connected { port } => format!("{} connected", port.0),
                Output::Readable { conversation } => format!("readable {}", conversation.0),
                Output::Notify { channel, payload } => format!("notify {channel} {payload}"),
            })
            .collect()
    }
}

fn short(frame: Frame) -> String {
    match frame {
        Frame::Hello { .. } => "hello".to_owned(),
        Frame::Exchange {
            conversation,
            continues,
            hold,
            messages,
        } => format!(
            "exchange {} {}{}{}",
            conversation.0,
            String::from_utf8_lossy(&messages),
            if continues { " continues" } else { "" },
            if hold { " hold" } else { "" },
        ),
        Frame::Credit {
            conversation,
            bytes,
        } => format!("credit {} {bytes}", conversation.0),
        Frame::Cancel { conversation } => format!("cancel {}", conversation.0),
        other => format!("{other:?}"),
    }
}

fn chunk(bytes: &'static [u8]) -> Poll<Option<Result<Bytes, Lost>>> {
    Poll::Ready(Some(Ok(Bytes::from_static(bytes))))
}

fn lost(lost: Lost) -> Poll<Option<Result<Bytes, Lost>>> {
    Poll::Ready(Some(Err(lost)))
}

#[test]
fn first_exchange_fetches_a_port_and_is_answered() {
    let mut bench = Bench::new();
    let one = bench.open(exchange("one"));
    assert_eq!(bench.outputs(), ["want port"]);
    let port = bench.port();
    assert_eq!(bench.outputs(), ["1 <- hello"]);
    bench.receive(
        port,
        &Frame::Opening {
            build: "b".to_owned(),
            life: "lock".to_owned(),
        },
    );
    assert_eq!(bench.outputs(), ["1 watch lock"]);
    bench.receive(port, &welcome());
    assert_eq!(bench.outputs(), ["1 connected", "1 <- exchange 1 one"]);
    assert_eq!(bench.read(one), Poll::Pending);
    bench.body(port, one, 0, false, Bytes::from_static(b"an"));
    bench.body(port, one, 2, true, Bytes::from_static(b"swer"));
    assert_eq!(bench.outputs(), ["readable 1", "readable 1"]);
    assert_eq!(bench.read(one), chunk(b"an"));
    assert_eq!(bench.read(one), chunk(b"swer"));
    assert_eq!(bench.read(one), Poll::Ready(None));
    assert_eq!(bench.client.poll_timeout(), None);
}

#[test]
fn nobody_there() {
    let mut bench = Bench::new();
    let one = bench.open(exchange("one"));
    let mut asked = 0;
    while bench.read(one) == Poll::Pending {
        asked += bench
            .outputs()
            .iter()
            .filter(|output| *output == "want port")
            .count();
        let due = bench.client.poll_timeout().unwrap();
        assert!(
            due > bench.now,
            "a timeout that is due again at once never ends"
        );
        bench.step(due - bench.now);
    }
    assert_eq!((bench.now, asked), (6_000, 10));
    assert_eq!(
        bench.read(one),
        Poll::Ready(None),
        "told once, then forgotten"
    );
}

#[test]
fn owner_lost_at_every_point() {
    // What had happened, and what a read and a write then meet at the next owner.
    for (arrived, taken, last, read, wrote) in [
        (0, false, false, "again", "lost"),
        (3, false, false, "again", "lost"),
        (3, true, false, "lost", "lost"),
        (3, false, true, "whole", "whole"),
        (3, true, true, "whole", "whole"),
    ] {
        for (idempotent, expected) in [(true, read), (false, wrote)] {
            let (mut bench, port) = Bench::connected();
            let one = bench.open(Exchange {
                idempotent,
                ..exchange("one")
            });
            if arrived > 0 {
                bench.body(port, one, 0, last, Bytes::from_static(b"abc"));
            }
            let mut bytes = Vec::new();
            if taken && let Poll::Ready(Some(Ok(chunk))) = bench.read(one) {
                bytes.extend_from_slice(&chunk);
            }
            bench.client.handle_lost(port, bench.now);
            bench.outputs();
            let next = bench.port();
            bench.receive(next, &welcome());
            let again = bench.outputs().contains(&"2 <- exchange 1 one".to_owned());
            if again {
                bench.body(next, one, 0, true, Bytes::from_static(b"xyz"));
            }
            let end = loop {
                match bench.read(one) {
                    Poll::Ready(Some(Ok(chunk))) => bytes.extend_from_slice(&chunk),
                    other => break other,
                }
            };
            let found = match (again, end) {
                (true, Poll::Ready(None)) if bytes == b"xyz" => "again",
                (false, Poll::Ready(None)) if bytes == b"abc" => "whole",
                (false, Poll::Ready(Some(Err(Lost::OwnerLost)))) => "lost",
                other => panic!("{other:?} {bytes:?}"),
            };
            assert_eq!(found, expected, "{arrived} {taken} {last} {idempotent}");
        }
    }
}

#[test]
fn owner_that_never_comes_back() {
    let (mut bench, port) = Bench::connected();
    let one = bench.open(exchange("one"));
    bench.step(2_000);
    bench.client.handle_lost(port, bench.now);
    bench.step(4_999);
    assert_eq!(
        bench.read(one),
        Poll::Pending,
        "its wait for an owner starts at the loss"
    );
    bench.step(1);
    assert_eq!(bench.read(one), lost(Lost::NoOwner));
}

#[test]
fn lost_chunk_never_makes_a_hole() {
    let (mut bench, port) = Bench::connected();
    let one = bench.open(exchange("one"));
    let two = bench.open(write("two"));
    bench.outputs();
    bench.body(port, one, 0, false, Bytes::from_static(b"abc"));
    bench.body(port, one, 6, true, Bytes::from_static(b"ghi"));
    assert_eq!(
        bench.outputs(),
        [
            "readable 1",
            "1 <- Goodbye",
            "1 close",
            "readable 2",
            "want port"
        ]
    );
    assert_eq!(bench.read(two), lost(Lost::OwnerLost));
    assert_eq!(bench.read(one), Poll::Pending);
}

#[test]
fn silence_at_each_stage_has_its_deadline() {
    let mut bench = Bench::new();
    let one = bench.open(exchange("one"));
    let port = bench.port();
    bench.step(14_999);
    assert_eq!(bench.read(one), Poll::Pending);
    bench.step(1);
    assert_eq!(bench.read(one), lost(Lost::Deadline), "greeted, no word");

    let two = bench.open(exchange("two"));
    let next = bench.port();
    assert_ne!(port, next);
    let life = String::new();
    let build = String::new();
    bench.receive(next, &Frame::Opening { build, life });
    bench.step(59_999);
    assert_eq!(bench.read(two), Poll::Pending);
    bench.step(1);
    assert_eq!(bench.read(two), lost(Lost::Deadline), "opening for ever");

    let (mut bench, _) = Bench::connected();
    let three = bench.open(write("three"));
    bench.outputs();
    bench.step(60_000);
    assert_eq!(bench.outputs(), ["readable 1", "1 <- cancel 1"]);
    assert_eq!(bench.read(three), lost(Lost::Deadline), "sent, no answer");
}

#[test]
fn slow_reader_gives_no_credit_and_has_no_deadline() {
    let (mut bench, port) = Bench::connected();
    let one = bench.open(exchange("one"));
    let mut sent = 0;
    while sent < INITIAL_CREDIT as usize {
        bench.body(port, one, sent, false, Bytes::from(vec![7; CHUNK]));
        sent += CHUNK;
    }
    bench.outputs();
    bench.step(1_000_000);
    assert_eq!(bench.client.poll_timeout(), None);
    let mut credits = Vec::new();
    while let Poll::Ready(Some(Ok(_))) = bench.read(one) {
        credits.extend(bench.outputs());
    }
    assert_eq!(credits, ["1 <- credit 1 524288", "1 <- credit 1 524288"]);
    assert_eq!(bench.client.poll_timeout(), Some(bench.now + 60_000));
    bench.body(port, one, sent, true, Bytes::from_static(b"end"));
    assert_eq!(bench.read(one), chunk(b"end"));
    assert_eq!(bench.read(one), Poll::Ready(None));
}

#[test]
fn more_than_the_credit_is_a_broken_port() {
    let (mut bench, port) = Bench::connected();
    let one = bench.open(write("one"));
    bench.body(
        port,
        one,
        0,
        false,
        Bytes::from(vec![0; INITIAL_CREDIT as usize + 1]),
    );
    assert_eq!(bench.read(one), lost(Lost::OwnerLost));
}

#[test]
fn cancel_says_so_only_while_there_is_something_to_stop() {
    let mut bench = Bench::new();
    let waiting = bench.open(exchange("waiting"));
    bench.client.cancel(waiting, bench.now);
    bench.outputs();
    let port = bench.port();
    bench.receive(port, &welcome());
    assert_eq!(bench.outputs(), ["1 <- hello", "1 connected"], "never sent");

    let sent = bench.open(exchange("sent"));
    bench.outputs();
    bench.client.cancel(sent, bench.now);
    assert_eq!(bench.outputs(), ["1 <- cancel 2"]);
    bench.body(port, sent, 0, true, Bytes::from_static(b"late"));
    assert_eq!(bench.outputs(), [""; 0]);

    let arrived = bench.open(exchange("arrived"));
    bench.body(port, arrived, 0, true, Bytes::from_static(b"x"));
    bench.outputs();
    bench.client.cancel(arrived, bench.now);
    assert_eq!(bench.outputs(), [""; 0]);
}

#[test]
fn held_transaction() {
    let (mut bench, port) = Bench::connected();
    let begin = Exchange {
        hold: true,
        ..write("begin")
    };
    let one = bench.open(begin.clone());
    bench.body(port, one, 0, true, Bytes::from_static(b"T"));
    bench.outputs();
    assert_eq!(bench.read(one), chunk(b"T"));
    // The reader saw ReadyForQuery and stops there, before the end is told.
    bench.client.cancel(one, bench.now);
    let commit = Exchange {
        continues: Some(one),
        ..write("commit")
    };
    assert_eq!(bench.open(commit.clone()), one);
    assert_eq!(bench.outputs(), ["1 <- exchange 1 commit continues"]);
    bench.body(port, one, 0, true, Bytes::from_static(b"I"));
    assert_eq!(bench.read(one), chunk(b"I"));
    assert_eq!(bench.read(one), Poll::Ready(None));

    let again = bench.open(commit.clone());
    assert_eq!(bench.read(again), lost(Lost::TransactionLost), "ended once");

    let two = bench.open(begin);
    bench.body(port, two, 0, true, Bytes::from_static(b"T"));
    let _ = bench.read(two);
    let _ = bench.read(two);
    bench.client.handle_lost(port, bench.now);
    let next = bench.port();
    bench.receive(next, &welcome());
    bench.outputs();
    let orphan = bench.open(Exchange {
        continues: Some(two),
        ..commit
    });
    assert_eq!(bench.read(orphan), lost(Lost::TransactionLost));
    assert_eq!(
        bench.outputs(),
        [""; 0],
        "a commit never reaches another owner"
    );
}

#[test]
fn refusals() {
    let cases = [
        (
            Bytes::from_static(&[9, 0, 1, 2, 3]),
            Lost::Version { ours: 1, theirs: 9 },
        ),
        (
            Frame::Refused(Refusal::Broken("the data folder is damaged".to_owned())).encode(),
            Lost::Broken("the data folder is damaged".to_owned()),
        ),
        (
            Bytes::from_static(&[1, 0, 99]),
            Lost::Broken("no frame has number 99".to_owned()),
        ),
        (
            Frame::Cancel {
                conversation: Conversation(1),
            }
            .encode(),
            Lost::Broken("the worker sent what only a client sends".to_owned()),
        ),
    ];
    for (buffer, expected) in cases {
        let mut bench = Bench::new();
        let one = bench.open(exchange("one"));
        let port = bench.port();
        bench.client.handle_buffer(port, buffer, bench.now);
        assert_eq!(bench.read(one), lost(expected));
        bench.outputs();
        // The next exchange tries anew: the page may have been reloaded meanwhile.
        bench.open(exchange("two"));
        assert_eq!(bench.outputs(), ["want port"]);
    }
}

#[test]
fn failures() {
    for (failure, expected) in [
        (Failure::Busy, Lost::Busy),
        (Failure::TransactionLost, Lost::TransactionLost),
        (Failure::Stalled, Lost::Stalled),
        (
            Failure::Broken("x".to_owned()),
            Lost::Broken("x".to_owned()),
        ),
    ] {
        let (mut bench, port) = Bench::connected();
        let conversation = bench.open(exchange("one"));
        bench.receive(
            port,
            &Frame::Failed {
                conversation,
                failure,
            },
        );
        assert_eq!(bench.read(conversation), lost(expected));
    }
}

#[test]
fn second_port_is_closed_and_a_silent_one_replaced() {
    let mut bench = Bench::new();
    bench.open(exchange("one"));
    let silent = bench.port();
    let second = bench.port();
    assert_eq!(
        bench.outputs(),
        ["want port", "1 <- hello", "1 close", "2 <- hello"]
    );
    bench.receive(silent, &welcome());
    assert_eq!(bench.outputs(), [""; 0], "a closed port is not listened to");
    bench.receive(second, &welcome());
    bench.outputs();
    bench.port();
    assert_eq!(bench.outputs(), ["3 close"]);
    bench.client.handle_owner_changed(bench.now);
    assert_eq!(bench.outputs(), [""; 0], "what works is kept");
}

#[test]
fn notifications_pass_through() {
    let (mut bench, port) = Bench::connected();
    bench.receive(
        port,
        &Frame::Notify {
            channel: "pgrst".to_owned(),
            payload: "reload schema".to_owned(),
        },
    );
    assert_eq!(bench.outputs(), ["notify pgrst reload schema"]);
}
