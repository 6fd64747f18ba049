//! What is deployed: each request with its answer.

use expect_test::{Expect, expect};
use http::{Request, StatusCode};
use serde_json::Value;

use super::database::*;
use crate::{
    Body, Router,
    apps::tests::fixture::{Fake, answer, asked, keys, request, response, show, trusted, worker},
    router::{Guest, INTERNAL},
};

fn check(router: &Router<Fake>, request: Request<Body>, expected: Expect) {
    expected.assert_eq(&show(router, request));
}

fn json(router: &Router<Fake>, request: Request<Body>) -> Value {
    serde_json::from_str(&answer(router, request).1).unwrap()
}

fn pretty(text: &str) -> String {
    let value: Value = serde_json::from_str(text).unwrap();
    serde_json::to_string_pretty(&value).unwrap()
}

#[test]
fn a_function_is_deployed_with_supabases_limits() {
    let (router, _) = router();
    assert_eq!(answer(&router, trusted("GET /gateway/functions")).1, "[]");
    let (head, body) = answer(&router, bundled("hello", "{}", "1"));
    assert_eq!(head.status, StatusCode::CREATED, "{body}");
    expect![[r#"
        {
          "name": "hello",
          "version": 1,
          "status": "ACTIVE",
          "verify_jwt": true,
          "host": "isolate",
          "entrypoint": "index.ts",
          "limits": {
            "memory_mib": 256,
            "wall_clock_ms": 400000,
            "cpu_ms": 2000,
            "timeout_ms": 150000,
            "concurrency": 64,
            "queue": 256
          },
          "sha256": "984ef486f81c3dcfc1da000fcce24873f3f7406963dd1c1cedfb918f30ebb189",
          "bytes": 375,
          "created_at": "2023-11-14T22:13:20+00:00",
          "updated_at": "2023-11-14T22:13:20+00:00",
          "url": "/functions/v1/hello"
        }"#]]
    .assert_eq(&pretty(&body));
    let shown = json(&router, trusted("GET /gateway/functions/hello"));
    assert_eq!(shown, serde_json::from_str::<Value>(&body).unwrap());
    let all = json(&router, trusted("GET /gateway/functions"));
    assert_eq!(all.as_array().unwrap(), &[shown]);
    // Nobody runs it, so nobody is told.
    assert!(asked(&router).is_empty());
}

#[test]
fn versions_are_kept_and_come_back() {
    let (router, _) = router();
    let files = || router.world().files.files.borrow().len();
    deploy(&router, "hello", r#"{"verify_jwt":false}"#);
    for program in ["2", "3"] {
        let (head, _) = answer(&router, bundled("hello", "{}", program));
        assert_eq!(head.status, StatusCode::OK);
    }
    let shown = json(&router, trusted("GET /gateway/functions/hello"));
    // What is not said again stays.
    assert_eq!(
        (&shown["version"], &shown["verify_jwt"]),
        (&3.into(), &false.into())
    );
    let versions = |router| {
        let versions = json(router, trusted("GET /gateway/functions/hello/versions"));
        let line = |version: &Value| format!("{} {}", version["version"], version["active"]);
        versions
            .as_array()
            .unwrap()
            .iter()
            .map(line)
            .collect::<Vec<_>>()
    };
    assert_eq!(versions(&router), ["3 true", "2 false", "1 false"]);
    asked(&router);
    let back = |version: &str| {
        trusted(&format!(
            "POST /gateway/functions/hello/rollback\n\n{{\"version\":{version}}}"
        ))
    };
    assert_eq!(json(&router, back("1"))["version"], 1);
    assert_eq!(versions(&router), ["3 false", "2 false", "1 true"]);
    assert_eq!(asked(&router), ["POST /functions-forget wake=false"]);
    check(
        &router,
        back("9"),
        expect![[r#"
            404 Not Found
            content-type: application/json; charset=utf-8
            {"code":"GW404","details":null,"hint":null,"message":"hello has no version 9"}"#]],
    );
    // The next one has a number that none had.
    answer(&router, bundled("hello", "{}", "4"));
    assert_eq!(
        versions(&router),
        ["4 true", "3 false", "2 false", "1 false"]
    );
    for program in 5..=12 {
        answer(&router, bundled("hello", "{}", &program.to_string()));
    }
    assert_eq!((versions(&router).len(), files()), (10, 10));
    let (head, _) = answer(&router, trusted("DELETE /gateway/functions/hello"));
    assert_eq!((head.status, files()), (StatusCode::OK, 0));
    let (head, _) = answer(&router, trusted("GET /gateway/functions/hello"));
    assert_eq!(head.status, StatusCode::NOT_FOUND);
}

#[test]
fn the_zip_comes_back_as_it_was_sent() {
    let (router, _) = router();
    deploy(&router, "hello", "{}");
    answer(&router, bundled("hello", "{}", "2"));
    let sent = router.world().files.files.borrow().clone();
    let source = |router: &Router<Fake>, query: &str| {
        let path = format!("GET /gateway/functions/hello/source{query}");
        let handled = futures::executor::block_on(router.handle(trusted(&path)));
        let crate::Handled::Response(response) = handled else {
            panic!("passed through");
        };
        assert_eq!(response.headers()["content-type"], "application/zip");
        futures::executor::block_on(response.into_body().collect(usize::MAX)).unwrap()
    };
    let (one, two) = (source(&router, "?version=1"), source(&router, ""));
    assert_ne!(one, two);
    assert!(sent.values().any(|bytes| *bytes == one) && sent.values().any(|bytes| *bytes == two));
}

#[test]
fn what_cannot_be_run_is_refused_and_leaves_nothing() {
    let (router, tables) = router();
    let cases = [
        (
            form("hello", "{}", &[("index.ts", "1")]),
            "The ZIP has no bundle/index.js: bundle the function first, as gateway.functions.deploy \
             and cargo xtask functions deploy do",
        ),
        (
            form("hello", "{}", &[("bundle/index.js", "1")]),
            "The ZIP has no bundle/meta.json: bundle the function first, as gateway.functions.deploy \
             and cargo xtask functions deploy do",
        ),
        (
            form(
                "hello",
                "{}",
                &[("bundle/index.js", "1"), ("bundle/meta.json", "no")],
            ),
            "bundle/meta.json: expected ident at line 1 column 2",
        ),
        (
            bundled("hello", r#"{"limits":{"memory_mib":1}}"#, "1"),
            "limits.memory_mib is a number from 16 to 2048",
        ),
        (
            bundled("hello", r#"{"entrypoint":""}"#, "1"),
            "entrypoint is a path of at most 512 bytes",
        ),
        (
            bundled("_hello", "{}", "1"),
            "\"_hello\" is no name of a function",
        ),
        (
            trusted("PUT /gateway/functions/hello\ncontent-type: application/zip\n\nno zip"),
            "The bundle is no ZIP file, or damaged: it is too short",
        ),
        (
            trusted("PUT /gateway/functions/hello\ncontent-type: text/plain\n\nx"),
            "Send multipart/form-data with the fields function and bundle, or application/zip",
        ),
    ];
    for (request, message) in cases {
        let (head, body) = answer(&router, request);
        assert_eq!(head.status, StatusCode::BAD_REQUEST, "{body}");
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(body["message"], message);
    }
    assert!(router.world().files.files.borrow().is_empty());
    assert!(tables.borrow().functions.is_empty());
}

#[test]
fn settings_change_and_whoever_runs_it_is_told() {
    let (router, _) = router();
    deploy(&router, "hello", "{}");
    worker(&router, |_| Ok(response(200, "", "{}")));
    let patch = |json: &str| trusted(&format!("PATCH /gateway/functions/hello\n\n{json}"));
    let changed = json(
        &router,
        patch(r#"{"verify_jwt":false,"limits":{"queue":1}}"#),
    );
    assert_eq!(changed["verify_jwt"], false);
    assert_eq!(changed["limits"]["queue"], 1);
    assert_eq!(changed["limits"]["memory_mib"], 256);
    let told = router.world().asked.take();
    assert_eq!(told.len(), 1);
    assert_eq!(
        (told[0].line.as_str(), told[0].body.as_str(), told[0].wake),
        ("POST /functions-forget", r#"{"name":"hello"}"#, false)
    );
    let (head, _) = answer(&router, patch(r#"{"entrypoint":"x.ts"}"#));
    assert_eq!(head.status, StatusCode::BAD_REQUEST);
    let (head, _) = answer(&router, trusted("PATCH /gateway/functions/gone\n\n{}"));
    assert_eq!(head.status, StatusCode::NOT_FOUND);
}

#[test]
fn nobody_else_sees_or_changes_what_is_deployed() {
    let (router, _) = router();
    deploy(&router, "hello", "{}");
    let secret = keys().secret;
    let paths = [
        "GET /gateway/functions",
        "PUT /gateway/functions/hello",
        "DELETE /gateway/functions/hello",
        "GET /gateway/functions/hello/source",
        "GET /gateway/functions/hello/logs",
        "GET /gateway/secrets",
        "POST /gateway/secrets",
    ];
    for path in paths {
        let status = |request| answer(&router, request).0.status;
        assert_eq!(status(request(path)), StatusCode::UNAUTHORIZED, "{path}");
        let anon = format!("{path}\napikey: {}", keys().publishable);
        assert_eq!(status(request(&anon)), StatusCode::FORBIDDEN, "{path}");
        // A program in the machine has no gateway to manage, whatever key it holds.
        let mut inside = request(&format!("{path}\napikey: {secret}"));
        inside.extensions_mut().insert(Guest);
        assert_eq!(status(inside), StatusCode::NOT_FOUND, "{path}");
    }
    // The header alone makes nobody the one who runs functions.
    let mut outside = request("GET /gateway/functions/hello/env");
    let headers = outside.headers_mut();
    headers.insert(INTERNAL, "1".parse().unwrap());
    assert_eq!(answer(&router, outside).0.status, StatusCode::UNAUTHORIZED);
    let owner = format!("GET /gateway/functions/hello/env\napikey: {secret}");
    assert_eq!(
        answer(&router, request(&owner)).0.status,
        StatusCode::NOT_FOUND
    );
    let owner = format!("GET /gateway/functions\napikey: {secret}");
    assert_eq!(answer(&router, request(&owner)).0.status, StatusCode::OK);
}

#[test]
fn other_methods_and_paths_are_refused() {
    let (router, _) = router();
    deploy(&router, "hello", "{}");
    let cases = [
        ("POST /gateway/functions", 405),
        ("POST /gateway/functions/hello", 405),
        ("PUT /gateway/functions/hello/versions", 405),
        ("GET /gateway/functions/hello/rollback", 405),
        ("POST /gateway/functions/hello/logs", 405),
        ("PUT /gateway/secrets", 405),
        ("GET /gateway/functions/hello/nothing", 404),
        ("GET /gateway/functions/hello/logs/x", 404),
        ("GET /gateway/functions/gone/logs", 404),
        ("GET /gateway/functions/hello/logs?tail=x", 400),
        ("GET /gateway/functions/hello/logs?level=loud", 400),
        ("GET /gateway/functions/hello/source?version=x", 400),
        ("GET /gateway/functions/hello/source?version=7", 404),
        ("GET /gateway/functions/hello/metrics?window=x", 400),
    ];
    for (line, status) in cases {
        assert_eq!(answer(&router, trusted(line)).0.status, status, "{line}");
    }
    for (line, status) in [
        ("GET /gateway/functions/hello/bundle/00", 404),
        ("GET /gateway/functions", 404),
        ("PUT /gateway/functions/hello", 404),
        ("POST /gateway/functions/hello/env", 405),
        ("GET /gateway/functions/gone/env", 404),
        ("POST /gateway/functions/gone/logs", 404),
    ] {
        assert_eq!(answer(&router, internal(line)).0.status, status, "{line}");
    }
}
