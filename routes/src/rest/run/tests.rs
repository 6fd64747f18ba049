//! The messages of a transaction, and what becomes of its answers.

use bytes::BufMut as _;
use expect_test::{Expect, expect};
use futures::executor::block_on;

use super::*;
use crate::database::{
    Statement,
    told::{Told, complete, failure, listed, message, ready},
};

fn transaction(end: End) -> Transaction {
    Transaction {
        settings: vec![("role".to_owned(), "anon".to_owned())],
        pre_request: None,
        read_only: end == End::Commit,
        isolation: None,
        end,
    }
}

fn script() -> Script {
    Script {
        main: Statement {
            sql: "MAIN".to_owned(),
            parameters: Vec::new(),
        },
        estimate: None,
        sends_body: false,
    }
}

#[test]
fn what_a_handler_made_comes_as_its_type_sends_it() {
    let sent = Script {
        sends_body: true,
        ..script()
    };
    let (messages, _) = pipeline(&sent, &transaction(End::Commit)).unwrap();
    // Seven formats at the end of its Bind, of which the last is binary.
    let formats = b"\0\x07\0\0\0\0\0\0\0\0\0\0\0\0\0\x01D";
    let has_formats = |messages: &[u8]| messages.windows(17).any(|bytes| bytes == formats);
    assert!(has_formats(&messages));
    let (messages, _) = pipeline(&script(), &transaction(End::Commit)).unwrap();
    assert!(!has_formats(&messages));
}

fn check(transaction: &Transaction, script: &Script, expected: Expect) {
    let (messages, main) = pipeline(script, transaction).unwrap();
    expected.assert_eq(&format!("{main}: {}", listed(&messages)));
}

#[test]
fn transactions_begin_and_end() {
    check(
        &transaction(End::Commit),
        &script(),
        expect!["1: SELECT set_config($1, $2, true); MAIN; sync"],
    );
    check(
        &transaction(End::Rollback),
        &script(),
        expect![
            "2: BEGIN; SELECT set_config($1, $2, true); MAIN; SET CONSTRAINTS ALL IMMEDIATE; sync; simple ROLLBACK"
        ],
    );
    check(
        &transaction(End::Verdict),
        &script(),
        expect!["2: BEGIN; SELECT set_config($1, $2, true); MAIN; sync"],
    );
    check(
        &Transaction {
            isolation: Some(Isolation::Serializable),
            pre_request: Some("api.check".to_owned()),
            ..transaction(End::Commit)
        },
        &Script {
            estimate: Some(Statement {
                sql: "ESTIMATE".to_owned(),
                parameters: Vec::new(),
            }),
            ..script()
        },
        expect![[
            r#"3: BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT set_config($1, $2, true); SELECT "api"."check"(); MAIN; ESTIMATE; COMMIT; sync"#
        ]],
    );
}

/// The seven columns of an answer.
fn columns() -> Vec<u8> {
    let mut description = Vec::new();
    description.put_u16(7);
    for _ in 0..7 {
        description.extend_from_slice(b"x\0");
        description.extend_from_slice(&[0; 6]);
        description.put_u32(25);
        description.extend_from_slice(&[255; 6]);
        description.put_u16(0);
    }
    message(b'T', &description)
}

/// An answer: this many rows, this body.
fn answer(page: &str, body: &str) -> Vec<u8> {
    let mut row = Vec::new();
    row.put_u16(7);
    for value in [None, Some(page), None, None, None, None, Some(body)] {
        match value {
            Some(value) => {
                row.put_u32(u32::try_from(value.len()).unwrap());
                row.extend_from_slice(value.as_bytes());
            }
            None => row.put_i32(-1),
        }
    }
    [columns(), message(b'D', &row), complete()].concat()
}

/// Runs the script in a world that answers so; `good` is the verdict.
fn outcome(end: End, answers: &[Vec<u8>], good: bool) -> (Told, Result<(u64, Body), String>) {
    let told = Told::default();
    told.answers.borrow_mut().extend(answers.iter().cloned());
    let transaction = transaction(end);
    let verdict = |_: &Outcome| {
        if good {
            Ok(())
        } else {
            Err(RunError::Unavailable(Unavailable::Busy))
        }
    };
    let streams = end == End::Commit;
    let script = script();
    let ran = run(&told, "default", &script, &transaction, streams, verdict);
    let result = block_on(ran)
        .map(|outcome| (outcome.page(), outcome.body))
        .map_err(|error| error.into_api_error(true).code);
    (told, result)
}

#[test]
fn small_bodies_come_whole_and_large_ones_stream() {
    let said = |body: &str| [complete(), answer("2", body), ready(b'I')].concat();
    let (_, small) = outcome(End::Commit, &[said("[1, 2]")], true);
    assert!(matches!(small, Ok((2, Body::Full(bytes))) if bytes == "[1, 2]"));

    let large = "x".repeat(STREAMED + 1);
    let (_, streamed) = outcome(End::Commit, &[said(&large)], true);
    let Ok((2, body @ Body::Stream(_))) = streamed else {
        panic!("a stream");
    };
    assert_eq!(block_on(body.collect(usize::MAX)).unwrap(), large);
}

/// As a page beyond the one value of a function is.
#[test]
fn an_answer_without_a_row_has_an_empty_body() {
    for (end, before) in [(End::Commit, 1), (End::Rollback, 2)] {
        let said = [
            complete().repeat(before),
            columns(),
            complete(),
            ready(b'I'),
        ]
        .concat();
        let rolled_back = [complete(), ready(b'I')].concat();
        let (_, result) = outcome(end, &[said, rolled_back], true);
        let (page, body) = result.unwrap();
        assert_eq!((page, block_on(body.collect(10)).unwrap().len()), (0, 0));
    }
}

#[test]
fn an_error_after_small_rows_is_the_answer() {
    let said = [
        complete(),
        answer("1", "[1]"),
        failure("23505"),
        ready(b'I'),
    ]
    .concat();
    let (_, result) = outcome(End::Commit, &[said], true);
    assert_eq!(result.unwrap_err(), "23505");
}

/// Postgres that ran out of its stack may go on as if the statement had never been there.
#[test]
fn a_statement_that_was_dropped_is_no_answer() {
    let empty = message(b'I', &[]);
    for end in [End::Commit, End::Rollback] {
        let before = if end == End::Commit { 1 } else { 2 };
        let begun = complete().repeat(before);
        for said in [begun.clone(), [begun.clone(), empty.clone()].concat()] {
            let (_, result) = outcome(end, &[[said, ready(b'I')].concat()], true);
            assert_eq!(result.unwrap_err(), "PGRSTX00");
        }
    }
    let held = [complete(), complete(), empty, ready(b'T')].concat();
    let ended = [complete(), ready(b'I')].concat();
    let (told, result) = outcome(End::Verdict, &[held, ended], true);
    assert_eq!(result.unwrap_err(), "PGRSTX00");
    let asked = told.asked.borrow();
    assert_eq!(listed(&asked.last().unwrap().messages), "simple ROLLBACK");
}

#[test]
fn the_verdict_ends_the_transaction() {
    let begun = [complete(), complete()].concat();
    let held = [begun.clone(), answer("1", "[1]"), ready(b'T')].concat();
    let ended = [complete(), ready(b'I')].concat();
    let last = |told: &Told| {
        let asked = told.asked.borrow();
        let last = asked.last().unwrap();
        let continued = last.transaction == Some(world::Transaction(7)) && !last.hold;
        (listed(&last.messages), continued)
    };

    let (told, good) = outcome(End::Verdict, &[held.clone(), ended.clone()], true);
    assert!(told.asked.borrow()[0].hold);
    assert!(matches!(good, Ok((1, _))));
    assert_eq!(last(&told), ("simple COMMIT".to_owned(), true));

    let (told, bad) = outcome(End::Verdict, &[held.clone(), ended.clone()], false);
    assert_eq!(bad.unwrap_err(), "PGRST003");
    assert_eq!(last(&told), ("simple ROLLBACK".to_owned(), true));

    // What a deferred constraint says at the commit is the answer.
    let refused = [failure("23503"), ready(b'I')].concat();
    let (_, late) = outcome(End::Verdict, &[held, refused], true);
    assert_eq!(late.unwrap_err(), "23503");

    let failed = [begun, failure("42501"), ready(b'E')].concat();
    let (told, early) = outcome(End::Verdict, &[failed, ended], true);
    assert_eq!(early.unwrap_err(), "42501");
    assert_eq!(last(&told).0, "simple ROLLBACK");
}

#[test]
fn plans_tell_their_rows() {
    assert_eq!(planned_rows(r#"[{"Plan": {"Plan Rows": 12}}]"#), Some(12));
    assert_eq!(planned_rows("no plan"), None);
}
