//! Secrets, and what functions say: kept, told to those who may know, and to nobody else.

use expect_test::{Expect, expect};
use futures::{FutureExt as _, StreamExt as _, executor::block_on};
use http::Request;
use serde_json::{Value, json};

use super::database::*;
use crate::{
    Body, Handled, Router,
    apps::tests::fixture::{Fake, answer, asked, keys, request, response, show, trusted, worker},
    router::Guest,
};

fn check(router: &Router<Fake>, request: Request<Body>, expected: Expect) {
    expected.assert_eq(&show(router, request));
}

fn value(router: &Router<Fake>, request: Request<Body>) -> Value {
    serde_json::from_str(&answer(router, request).1).unwrap()
}

fn set(json: &str) -> Request<Body> {
    trusted(&format!("POST /gateway/secrets\n\n{json}"))
}

#[test]
fn secrets_are_named_and_never_shown() {
    let (router, tables) = router();
    deploy(&router, "hello", "{}");
    check(
        &router,
        set(r#"{"TOKEN":"hunter22","B":""}"#),
        expect![[r#"
            200 OK
            content-type: application/json; charset=utf-8
            [{"name":"B","digest":"e3b0c442","updated_at":"2023-11-14T22:13:20+00:00"},{"name":"TOKEN","digest":"20d2fe5e","updated_at":"2023-11-14T22:13:20+00:00"}]"#]],
    );
    assert_eq!(asked(&router), ["POST /functions-forget wake=false"]);
    let rows = json!(tables.borrow().secrets).to_string();
    assert!(!rows.contains("hunter22"));
    let listed = value(&router, set(r#"[{"name":"C","value":"3"}]"#));
    assert_eq!(listed.as_array().unwrap().len(), 3);
    let env = value(&router, internal("GET /gateway/functions/hello/env"));
    assert_eq!(env["env"]["TOKEN"], "hunter22");
    assert_eq!(env["env"]["C"], "3");
    let left = value(
        &router,
        trusted("DELETE /gateway/secrets\n\n[\"C\",\"B\",\"D\"]"),
    );
    assert_eq!(left.as_array().unwrap().len(), 1);
    let env = value(&router, internal("GET /gateway/functions/hello/env"));
    assert_eq!(env["env"].get("C"), None);
}

#[test]
fn secrets_that_cannot_be_are_refused_without_their_values() {
    let (router, tables) = router();
    let long = format!(r#"{{"A":"{}"}}"#, "x".repeat(24 * 1024 + 1));
    let many: serde_json::Map<_, _> = (0..101)
        .map(|number| (format!("S{number}"), json!("x")))
        .collect();
    let cases = [
        (
            r#"{"SUPABASE_URL":"hunter22"}"#.to_owned(),
            "SUPABASE_URL: names that begin with SUPABASE_ are the gateway's own",
        ),
        (
            r#"{"SB_REGION":"hunter22"}"#.to_owned(),
            "SB_REGION: names that begin with SB_ are the gateway's own",
        ),
        (
            r#"{"A-B":"hunter22"}"#.to_owned(),
            "\"A-B\" is no name of a secret; they are letters, digits and _",
        ),
        (
            r#"{"1A":"hunter22"}"#.to_owned(),
            "\"1A\" is no name of a secret; they are letters, digits and _",
        ),
        (r#"{"A":5}"#.to_owned(), "The value of A is no text"),
        (
            r#"{"A":"hunter22\u0000"}"#.to_owned(),
            "The value of A has a NUL",
        ),
        (long, "The value of A is longer than 24576 bytes"),
        (json!(many).to_string(), "A project has at most 100 secrets"),
        (
            r#"["hunter22"]"#.to_owned(),
            "Send a JSON array of {\"name\",\"value\"}, or an object of names and values",
        ),
    ];
    for (json, message) in cases {
        let (head, body) = answer(&router, set(&json));
        assert_eq!(head.status, 400);
        assert!(!body.contains("hunter22"), "{body}");
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(body["message"], message);
    }
    assert!(tables.borrow().secrets.is_empty());
}

#[test]
fn a_secret_of_another_key_is_left_out_and_told() {
    let (router, tables) = router();
    deploy(&router, "hello", "{}");
    answer(&router, set(r#"{"OLD":"hunter22","STAYS":"5"}"#));
    // A row stands for its own name alone.
    let old = tables.borrow().secrets["OLD"]["sealed"].clone();
    tables.borrow_mut().secrets.get_mut("STAYS").unwrap()["sealed"] = old;
    router.connected("default");
    let env = value(&router, internal("GET /gateway/functions/hello/env"));
    assert_eq!(env["env"].get("STAYS"), None);
    router.world().key.set(2);
    router.connected("default");
    let env = value(&router, internal("GET /gateway/functions/hello/env"));
    assert_eq!(env["env"].get("OLD"), None);
    assert_eq!(env["env"]["SB_REGION"], "local");
    let lines = &tables.borrow().lines;
    let last = lines.last().unwrap();
    assert_eq!(last["level"], "error");
    let message = last["message"].as_str().unwrap();
    assert!(message.starts_with("The secret STAYS cannot be opened"));
}

#[test]
fn the_environment_is_the_one_that_the_cli_gives() {
    let (router, _) = router();
    deploy(&router, "hello", "{}");
    let env = value(&router, internal("GET /gateway/functions/hello/env"))["env"].clone();
    let names: Vec<_> = env.as_object().unwrap().keys().cloned().collect();
    assert_eq!(
        names,
        [
            "SB_REGION",
            "SUPABASE_ANON_KEY",
            "SUPABASE_DB_URL",
            "SUPABASE_JWKS",
            "SUPABASE_PUBLISHABLE_KEYS",
            "SUPABASE_SECRET_KEYS",
            "SUPABASE_SERVICE_ROLE_KEY",
            "SUPABASE_URL",
        ]
    );
    let keys = keys();
    assert_eq!(env["SUPABASE_URL"], "http://localhost:5173");
    assert_eq!(env["SUPABASE_ANON_KEY"], keys.anon);
    assert_eq!(env["SUPABASE_SERVICE_ROLE_KEY"], keys.service_role);
    let named = |key: &str| json!({"default": key}).to_string();
    assert_eq!(env["SUPABASE_PUBLISHABLE_KEYS"], named(&keys.publishable));
    assert_eq!(env["SUPABASE_SECRET_KEYS"], named(&keys.secret));
    let jwks: Value = serde_json::from_str(env["SUPABASE_JWKS"].as_str().unwrap()).unwrap();
    assert_eq!(jwks["keys"][0]["kty"], "oct");
}

/// Lines as whoever runs functions sends them.
fn said(router: &Router<Fake>, lines: &str) {
    let post = format!("POST /gateway/functions/hello/logs\n\n{lines}");
    let (head, body) = answer(router, internal(&post));
    assert_eq!(head.status, 202, "{body}");
}

fn line(at: u64, level: &str, message: &str) -> String {
    json!({"at": at, "level": level, "event": "log", "message": message, "version": 1}).to_string()
}

#[test]
fn what_a_function_says_is_kept_without_secrets() {
    let (router, _) = router();
    deploy(&router, "hello", "{}");
    answer(&router, set(r#"{"TOKEN":"hunter22"}"#));
    let secret = keys().secret;
    let lines = [
        line(1, "log", &format!("token hunter22, key {secret}")),
        line(2, "warn", "two"),
        line(3, "error", "three"),
    ];
    said(&router, &lines.join("\n"));
    check(
        &router,
        trusted("GET /gateway/functions/hello/logs"),
        expect![[r#"
            200 OK
            content-type: application/x-ndjson
            cache-control: no-store
            {"at":1,"version":1,"execution_id":null,"trace":null,"level":"log","event":"log","message":"token [redacted], key [redacted]","stack":null,"status":null,"ms":null,"failure":null,"id":1,"function":"hello"}
            {"at":2,"version":1,"execution_id":null,"trace":null,"level":"warn","event":"log","message":"two","stack":null,"status":null,"ms":null,"failure":null,"id":2,"function":"hello"}
            {"at":3,"version":1,"execution_id":null,"trace":null,"level":"error","event":"log","message":"three","stack":null,"status":null,"ms":null,"failure":null,"id":3,"function":"hello"}
        "#]],
    );
    let count = |query: &str| {
        let path = format!("GET /gateway/functions/hello/logs{query}");
        answer(&router, trusted(&path)).1.lines().count()
    };
    for (query, expected) in [
        ("?tail=2", 2),
        ("?level=warn", 2),
        ("?level=error", 1),
        ("?level=info", 3),
        ("?since=2", 2),
        ("?search=tw%6f", 1),
        ("?search=&level=&since=", 3),
    ] {
        assert_eq!(count(query), expected, "{query}");
    }
    let (head, _) = answer(&router, trusted("DELETE /gateway/functions/hello/logs"));
    assert_eq!((head.status.as_u16(), count("")), (204, 0));
}

#[test]
fn lines_that_cannot_be_read_are_refused_whole() {
    let (router, tables) = router();
    deploy(&router, "hello", "{}");
    let lines = format!("{}\n{{\"at\":2}}", line(1, "log", "one"));
    let post = format!("POST /gateway/functions/hello/logs\n\n{lines}");
    assert_eq!(answer(&router, internal(&post)).0.status, 400);
    let long = format!("[{}]", "1,".repeat(600_000));
    let post = format!("POST /gateway/functions/hello/logs\n\n{long}");
    assert_eq!(answer(&router, internal(&post)).0.status, 413);
    said(&router, "");
    assert!(tables.borrow().lines.is_empty());
}

#[test]
fn a_log_is_followed_as_it_is_written() {
    let (router, _) = router();
    deploy(&router, "hello", "{}");
    said(&router, &line(1, "log", "before"));
    let follow = |text: &str| {
        let Handled::Response(response) = block_on(router.handle(trusted(text))) else {
            panic!("passed through");
        };
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        response.into_body().into_chunks()
    };
    let mut all = follow("GET /gateway/functions/hello/logs?follow=true");
    let mut errors = follow("GET /gateway/functions/hello/logs?follow=true&level=error&search=BAD");
    let mut again = follow("GET /gateway/functions/hello/logs?follow=true\nlast-event-id: 1");
    let next = |chunks: &mut crate::body::Chunks| {
        let chunk = chunks.next().now_or_never().flatten()?.unwrap();
        Some(String::from_utf8(chunk.to_vec()).unwrap())
    };
    let first = next(&mut all).unwrap();
    assert!(first.starts_with("retry: 2000\n\nid: 1\ndata: {"));
    assert!(first.contains("before") && first.ends_with("\n\n"));
    assert_eq!(next(&mut errors).unwrap(), "retry: 2000\n\n");
    assert_eq!(next(&mut again).unwrap(), "retry: 2000\n\n");
    assert_eq!(next(&mut all), None);
    let lines = [line(2, "log", "good"), line(3, "error", "a bad thing")];
    said(&router, &lines.join("\n"));
    let second = next(&mut all).unwrap();
    expect![[r#"
        id: 2
        data: {"id":2,"at":2,"function":"hello","version":1,"level":"log","event":"log","message":"good"}

    "#]]
    .assert_eq(&second);
    assert!(next(&mut all).unwrap().contains("a bad thing"));
    assert!(next(&mut errors).unwrap().contains("a bad thing"));
    assert_eq!(next(&mut errors), None);
    assert!(next(&mut again).unwrap().contains("good"));
    // It ends with the function.
    answer(&router, trusted("DELETE /gateway/functions/hello"));
    assert!(matches!(all.next().now_or_never(), Some(None)));
}

#[test]
fn metrics_are_what_was_written_and_what_runs_now() {
    let (router, _) = router();
    deploy(&router, "hello", "{}");
    let metrics = |router: &Router<Fake>, query: &str| {
        let path = format!("GET /gateway/functions/hello/metrics{query}");
        value(router, trusted(&path))
    };
    let without = metrics(&router, "");
    assert_eq!(without["requests"], 3);
    assert_eq!(without["window_s"], 86_400);
    assert!(without["isolates"].is_null() && without["state"].is_null());
    worker(&router, |_| {
        let state = r#"[{"name":"other"},{"name":"hello","state":"idle","isolates":1,"cpu_ms":5}]"#;
        Ok(response(200, "", state))
    });
    let with = metrics(&router, "?window=60");
    assert_eq!((&with["isolates"], &with["cpu_ms"]), (&json!(1), &json!(5)));
    assert_eq!(
        (&with["state"], &with["window_s"]),
        (&json!("idle"), &json!(60))
    );
}

#[test]
fn what_functions_asked_of_the_database_is_kept_and_found() {
    let (router, _) = router();
    deploy(&router, "hello", "{}");
    let line = |trace: &str, call: &str| {
        format!(
            r#"{{"at":1,"level":"info","event":"fetch","message":"GET /rest/v1/t","trace":"{trace}","call":{call}}}"#
        )
    };
    let batch = [
        line(
            "t1",
            r#"{"method":"GET","path":"/rest/v1/t","role":"anon"}"#,
        ),
        line(
            "t2",
            r#"{"method":"POST","path":"/auth/v1/token","role":null}"#,
        ),
        line("t3", "null"),
        line("t4", r#"{"method":"NO WORD","path":"/","role":null}"#),
    ];
    let posted = internal(&format!(
        "POST /gateway/functions/hello/logs\n\n{}",
        batch.join("\n")
    ));
    assert_eq!(answer(&router, posted).0.status, 202);
    check(
        &router,
        trusted("GET /gateway/functions/_calls"),
        expect![[r#"
            200 OK
            content-type: application/x-ndjson
            cache-control: no-store
            {"function":"hello","trace":"t1","path":"/rest/v1/t","role":"anon"}
            {"function":"hello","trace":"t2","path":"/auth/v1/token","role":null}
        "#]],
    );
    for (query, count) in [
        ("?trace=t2", 1),
        ("?role=anon&function=hello", 1),
        ("?function=other", 0),
    ] {
        let request = trusted(&format!("GET /gateway/functions/_calls{query}"));
        assert_eq!(answer(&router, request).1.lines().count(), count, "{query}");
    }
    for (line, status) in [
        ("DELETE /gateway/functions/_calls", 405),
        ("GET /gateway/functions/_calls?tail=x", 400),
        ("GET /gateway/functions/_calls/x", 400),
    ] {
        assert_eq!(answer(&router, trusted(line)).0.status, status, "{line}");
    }
    let stranger = request("GET /gateway/functions/_calls");
    assert_eq!(answer(&router, stranger).0.status, 401);
}

#[test]
fn whoever_runs_functions_is_told_as_whom_the_database_was_asked() {
    let (router, _) = router();
    let ask = |line: &str, key: &str, trace: Option<&str>| {
        let mut request = request(line);
        request.extensions_mut().insert(Guest);
        let headers = request.headers_mut();
        headers.insert("apikey", key.parse().unwrap());
        if let Some(trace) = trace {
            headers.insert("x-gateway-trace", trace.parse().unwrap());
        }
        let (head, _) = answer(&router, request);
        let role = head.headers.get("x-gateway-role");
        role.map(|role| role.to_str().unwrap().to_owned())
    };
    let keys = keys();
    let rest = "GET /rest/v1/nothing";
    let table = [
        (rest, keys.publishable.as_str(), Some("t1"), Some("anon")),
        (rest, &keys.secret, Some(""), Some("service_role")),
        (rest, "nonsense", Some("t1"), Some("")),
        ("POST /auth/v1/token", &keys.anon, Some("t1"), Some("anon")),
        (rest, &keys.anon, None, None),
        ("GET /health", &keys.anon, Some("t1"), None),
        ("GET /functions/v1/hello", &keys.anon, Some("t1"), None),
    ];
    for (line, key, trace, expected) in table {
        assert_eq!(ask(line, key, trace).as_deref(), expected, "{line} {key}");
    }
    // Nobody else is.
    let mut page = request(&format!("{rest}\nx-gateway-trace: t1"));
    page.headers_mut()
        .insert("apikey", keys.anon.parse().unwrap());
    assert!(
        !answer(&router, page)
            .0
            .headers
            .contains_key("x-gateway-role")
    );
}
