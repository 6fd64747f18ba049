//! The messages of sessions and transactions, and what becomes of their answers.

use expect_test::{Expect, expect};
use futures::executor::block_on;

use super::{
    told::{Told, complete, failure, listed, ready},
    *,
};
use crate::{config::Config, identity::Identity};

fn told(answers: &[Vec<Vec<u8>>]) -> Told {
    let told = Told::default();
    let answers = answers.iter().map(|parts| parts.concat());
    told.answers.borrow_mut().extend(answers);
    told
}

/// What was asked, an exchange a line: whether it continues, its statements, whether it holds.
fn asked(told: &Told) -> String {
    let line = |exchange: &Exchange| {
        format!(
            "{}{}{}{}\n",
            exchange.transaction.map_or("", |_| "… "),
            listed(&exchange.messages),
            if exchange.hold { " …" } else { "" },
            if exchange.idempotent { " (again)" } else { "" },
        )
    };
    told.asked.borrow().iter().map(line).collect()
}

fn statement(sql: &str) -> Statement {
    Statement::new(sql, [])
}

#[test]
fn statements_run_as_somebody() {
    let told = told(&[vec![complete(), complete(), complete(), ready(b'I')]]);
    let session = Session::of_role("supabase_auth_admin", "auth").read_only();
    let database = Database::new(&told, "default");
    let results = block_on(database.run(&session, &[statement("ONE"), statement("TWO")])).unwrap();
    assert_eq!(results.len(), 2);
    expect![[r"
        SELECT set_config($1, $2, true), set_config($3, $4, true), set_config($5, $6, true); ONE; TWO; sync (again)
    "]]
    .assert_eq(&asked(&told));
}

#[test]
fn a_caller_cannot_be_left_for_somebody_else() {
    let identity = Identity {
        role: "anon".to_owned(),
        claims: serde_json::Map::new(),
    };
    let config = Config {
        db_authenticator: Some("authenticator".to_owned()),
        ..Config::default()
    };
    let session = Session::of_caller(&identity, &config, "storage");
    let settings: Vec<_> = session
        .settings()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    expect![
        "session_authorization=authenticator search_path=storage role=anon request.jwt.claims={}"
    ]
    .assert_eq(&settings.join(" "));
}

/// Runs two statements in a transaction whose exchanges are answered so.
fn check(answers: &[Vec<Vec<u8>>], ignore: bool, expected: Expect) {
    let told = told(answers);
    let database = Database::new(&told, "default");
    let session = Session::of_role("admin", "");
    let work = async |transaction: &mut Transaction<'_, Told>| {
        for sql in ["ONE", "TWO"] {
            match transaction.one(statement(sql)).await {
                Err(_) if ignore => {}
                result => _ = result?,
            }
        }
        Ok::<_, DatabaseError>(())
    };
    let result = block_on(database.transaction(&session, work));
    let result = result.map_or_else(|error| error.to_string(), |()| "committed".to_owned());
    expected.assert_eq(&format!("{}{result}", asked(&told)));
}

#[test]
fn a_transaction_ends_as_its_work_does() {
    let begun = vec![complete(), complete(), complete(), ready(b'T')];
    let went_on = vec![complete(), ready(b'T')];
    let ended = vec![complete(), ready(b'I')];
    let failed = vec![failure("23505"), ready(b'E')];
    check(
        &[begun.clone(), went_on, ended.clone()],
        false,
        expect![[r"
            BEGIN; SELECT set_config($1, $2, true), set_config($3, $4, true); ONE; sync …
            … TWO; sync …
            … simple COMMIT
            committed"]],
    );
    check(
        &[begun.clone(), failed.clone(), ended.clone()],
        false,
        expect![[r"
            BEGIN; SELECT set_config($1, $2, true), set_config($3, $4, true); ONE; sync …
            … TWO; sync …
            … simple ROLLBACK
            ERROR: no (23505)"]],
    );
    // A failure that the work overlooks is not overlooked by the commit.
    check(
        &[begun, failed, ended],
        true,
        expect![[r"
            BEGIN; SELECT set_config($1, $2, true), set_config($3, $4, true); ONE; sync …
            … TWO; sync …
            … simple ROLLBACK
            the transaction was rolled back"]],
    );
    // A transaction that is gone is not continued outside of it.
    check(
        &[vec![complete(), complete(), complete(), ready(b'I')]],
        true,
        expect![[r"
            BEGIN; SELECT set_config($1, $2, true), set_config($3, $4, true); ONE; sync …
            the transaction was rolled back"]],
    );
}
