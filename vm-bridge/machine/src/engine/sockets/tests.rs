use std::fmt::Write as _;

use bytes::Bytes;
use expect_test::{Expect, expect};
use network::StreamId;

use super::{Happened, Settings, Sockets};

const GUEST: StreamId = StreamId(1);

fn sockets() -> Sockets {
    Sockets::new(Settings {
        window: 8,
        streams: 4,
    })
}

/// What was asked of the guest and what happened, since the last time.
fn check(sockets: &mut Sockets, expected: Expect) {
    let mut all = String::new();
    while let Some(order) = sockets.poll_order() {
        writeln!(all, "> {order:?}").unwrap();
    }
    while let Some(event) = sockets.poll_event() {
        writeln!(all, "< {event:?}").unwrap();
    }
    expected.assert_eq(&all);
}

fn call(host: &str, port: u16) -> Happened {
    Happened::Called {
        stream: GUEST,
        host: host.to_owned(),
        port,
    }
}

fn sent(stream: StreamId, text: &'static str) -> Happened {
    let bytes = Bytes::from_static(text.as_bytes());
    Happened::Sent { stream, bytes }
}

#[test]
fn a_dialled_port_is_the_guests() {
    let mut sockets = sockets();
    let stream = sockets.dial(80).unwrap();
    check(
        &mut sockets,
        expect![[r"
            < Failed { stream: StreamId(2), failure: Refused }
        "]],
    );
    assert_eq!(sockets.send(stream, b"x"), 0);
    sockets.handle(Happened::Listening { port: 80 });
    let stream = sockets.dial(80).unwrap();
    check(
        &mut sockets,
        expect![[r"
            > Call { stream: StreamId(4), port: 80 }
            > Credit { stream: StreamId(4), bytes: 8 }
            < Connected(StreamId(4))
        "]],
    );
    sockets.reset(stream);
    sockets.handle(Happened::Silent { port: 80 });
    sockets.dial(80).unwrap();
    check(
        &mut sockets,
        expect![[r"
            > Reset(StreamId(4))
            < Failed { stream: StreamId(6), failure: Refused }
        "]],
    );
}

#[test]
fn a_window_is_filled_and_emptied_in_both_directions() {
    let mut sockets = sockets();
    sockets.listen(5432);
    sockets.handle(call("LocalHost", 5432));
    check(
        &mut sockets,
        expect![[r"
            > Accept(StreamId(1))
            > Credit { stream: StreamId(1), bytes: 8 }
            < Accepted { stream: StreamId(1), port: 5432 }
        "]],
    );
    assert_eq!(sockets.send(GUEST, b"0123456789"), 8);
    sockets.handle(Happened::Taken {
        stream: GUEST,
        bytes: 3,
    });
    assert_eq!(sockets.send(GUEST, b"89"), 2);
    sockets.receive(GUEST, 4);
    sockets.handle(sent(GUEST, "select"));
    check(
        &mut sockets,
        expect![[r#"
            > Send { stream: StreamId(1), bytes: b"01234567" }
            > Send { stream: StreamId(1), bytes: b"89" }
            < Writable(StreamId(1))
            < Readable(StreamId(1))
        "#]],
    );
    let received = format!(
        "{:?} {:?} {:?}",
        sockets.receive(GUEST, 4),
        sockets.receive(GUEST, 4),
        sockets.receive(GUEST, 4)
    );
    expect![[r#"Bytes(b"sele") Bytes(b"ct") Pending"#]].assert_eq(&received);
    check(
        &mut sockets,
        expect![[r"
            > Credit { stream: StreamId(1), bytes: 4 }
            > Credit { stream: StreamId(1), bytes: 2 }
        "]],
    );
}

#[test]
fn a_stream_is_over_when_both_ends_have_finished_and_all_was_taken() {
    let mut sockets = sockets();
    sockets.listen(5432);
    sockets.handle(call("10.0.2.2", 5432));
    sockets.send(GUEST, b"bye");
    sockets.finish(GUEST);
    assert_eq!(sockets.send(GUEST, b"x"), 0);
    sockets.handle(Happened::Finished(GUEST));
    let received = format!("{:?}", sockets.receive(GUEST, 4));
    check(
        &mut sockets,
        expect![[r#"
            > Accept(StreamId(1))
            > Credit { stream: StreamId(1), bytes: 8 }
            > Send { stream: StreamId(1), bytes: b"bye" }
            > Finish(StreamId(1))
            < Accepted { stream: StreamId(1), port: 5432 }
        "#]],
    );
    sockets.handle(Happened::Taken {
        stream: GUEST,
        bytes: 3,
    });
    let gone = format!("{received} {:?}", sockets.receive(GUEST, 4));
    expect!["End Gone"].assert_eq(&gone);
    check(
        &mut sockets,
        expect![[r"
            < Closed(StreamId(1))
        "]],
    );
}

#[test]
fn a_guest_that_calls_itself_is_joined_with_itself() {
    let mut sockets = sockets();
    sockets.handle(Happened::Listening { port: 3000 });
    sockets.handle(call("127.0.0.1", 3000));
    sockets.handle(sent(GUEST, "GET"));
    sockets.handle(Happened::Taken {
        stream: StreamId(2),
        bytes: 3,
    });
    sockets.handle(Happened::Finished(GUEST));
    sockets.handle(sent(StreamId(2), "200"));
    sockets.handle(Happened::Finished(StreamId(2)));
    // It is over: nothing comes of this.
    sockets.handle(sent(StreamId(2), "more"));
    check(
        &mut sockets,
        expect![[r#"
            > Call { stream: StreamId(2), port: 3000 }
            > Accept(StreamId(1))
            > Credit { stream: StreamId(1), bytes: 8 }
            > Credit { stream: StreamId(2), bytes: 8 }
            > Send { stream: StreamId(2), bytes: b"GET" }
            > Credit { stream: StreamId(1), bytes: 3 }
            > Finish(StreamId(2))
            > Send { stream: StreamId(1), bytes: b"200" }
            > Finish(StreamId(1))
        "#]],
    );
    sockets.handle(call("127.0.0.1", 3000));
    check(
        &mut sockets,
        expect![[r"
        > Call { stream: StreamId(4), port: 3000 }
        > Accept(StreamId(1))
        > Credit { stream: StreamId(1), bytes: 8 }
        > Credit { stream: StreamId(4), bytes: 8 }
    "]],
    );
    sockets.handle(Happened::Reset(GUEST));
    check(
        &mut sockets,
        expect![[r"
        > Reset(StreamId(4))
    "]],
    );
}

#[test]
fn the_world_and_closed_ports_are_refused() {
    let mut sockets = sockets();
    sockets.listen(5173);
    for (host, port) in [("example.org", 5173), ("localhost", 5174)] {
        sockets.handle(call(host, port));
    }
    sockets.close(5173);
    sockets.handle(call("localhost", 5173));
    check(
        &mut sockets,
        expect![[r"
            > Refuse(StreamId(1))
            > Refuse(StreamId(1))
            > Refuse(StreamId(1))
        "]],
    );
}

#[test]
fn streams_are_counted() {
    let mut sockets = sockets();
    sockets.handle(Happened::Listening { port: 80 });
    let results: Vec<_> = (0..5).map(|_| sockets.dial(80).is_ok()).collect();
    assert_eq!(results, [true, true, true, true, false]);
    sockets.listen(81);
    sockets.handle(call("localhost", 81));
    let last = std::iter::from_fn(|| sockets.poll_order()).last();
    expect!["Some(Refuse(StreamId(1)))"].assert_eq(&format!("{last:?}"));
}
