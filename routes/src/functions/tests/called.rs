//! Calls: what whoever runs functions gets, and what clients get of it.

use expect_test::{Expect, expect};
use futures::executor::block_on;
use http::Request;
use serde_json::Value;

use super::database::*;
use crate::{
    Body, Router,
    apps::tests::fixture::{
        Fake, NOW, answer, asked, from_page, keys, request, response, secrets, show, trusted,
        worker,
    },
    identity::sign,
    router::Guest,
    world::Unavailable,
};

fn check(router: &Router<Fake>, request: Request<Body>, expected: Expect) {
    expected.assert_eq(&show(router, request));
}

const MISSING: &str = r#"{"msg":"Error: Missing authorization header"}"#;
const SCHEME: &str = r#"{"msg":"Error: Auth header is not 'Bearer {token}'"}"#;
const INVALID: &str = r#"{"msg":"Invalid JWT"}"#;

/// A router with a function whose tokens are not looked at, and a worker that says what it is told.
fn open(status: u16, headers: &'static str, body: &'static str) -> Router<Fake> {
    let (router, _) = router();
    deploy(&router, "hello", r#"{"verify_jwt":false}"#);
    worker(&router, move |_| Ok(response(status, headers, body)));
    router
}

fn token(claims: &Value) -> String {
    let secret = secrets().jwt_secret;
    sign(secret.as_bytes(), claims.as_object().unwrap()).unwrap()
}

#[test]
fn a_call_reaches_its_function_and_comes_back() {
    let router = open(
        201,
        "content-type: text/x
         x-own: 1
         connection: x-hop
         x-hop: 1
         clear-site-data: \"*\"
         x-gateway-host: isolate
         x-gateway-execution-id: 00000000-0000-0000-0000-000000000001
         x-gateway-other: y",
        "made",
    );
    check(
        &router,
        request("POST /functions/v1/hello/a%20b//c?x=1&y=/\ncontent-type: text/plain\n\nbody"),
        expect![[r"
            201 Created
            content-type: text/x
            x-own: 1
            x-gateway-function-host: isolate
            x-deno-execution-id: 00000000-0000-0000-0000-000000000001
            sb-request-id: 0e0e0e0e-0e0e-4e0e-8e0e-0e0e0e0e0e0e
            x-sb-edge-region: local
            x-served-by: supabase-edge-runtime
            made"]],
    );
    let call = router.world().asked.take().remove(0);
    assert_eq!(call.line, "POST /functions/hello/a%20b//c?x=1&y=/");
    assert_eq!((call.body.as_str(), call.wake), ("body", true));
    let header = |name: &str| call.headers[name].to_str().unwrap().to_owned();
    assert_eq!(header("host"), "localhost:5173");
    assert_eq!(header("x-forwarded-host"), "localhost:5173");
    assert_eq!(header("x-forwarded-proto"), "http");
    assert_eq!(header("content-type"), "text/plain");
    assert_eq!(header("authorization"), format!("Bearer {}", keys().anon));
    assert!(header("x-gateway-vm").starts_with('{'));
    let spec: Value = serde_json::from_str(&header("x-gateway-function")).unwrap();
    assert_eq!(spec["name"], "hello");
    assert_eq!(spec["version"], 1);
    assert_eq!(spec["host"], "isolate");
    assert_eq!(spec["url"], "http://localhost:5173");
    assert_eq!(spec["limits"]["timeout_ms"], 150_000);
    assert_eq!(spec["trace"], "0e0e0e0e-0e0e-4e0e-8e0e-0e0e0e0e0e0e");
    assert_eq!(spec["sha256"].as_str().unwrap().len(), 64);
    assert_eq!(spec["env"].as_str().unwrap().len(), 32);
    assert!(spec["execution_id"].is_string());
}

#[test]
fn every_method_and_every_sub_path_is_the_functions() {
    let router = open(200, "", "x");
    for line in [
        "GET /functions/v1/hello",
        "HEAD /functions/v1/hello/",
        "PUT /functions/v1/hello/x/",
        "PATCH /functions/v1/hello?",
        "DELETE /functions/v1/hello/..a",
        "OPTIONS /functions/v1/hello/x",
    ] {
        assert_eq!(answer(&router, request(line)).0.status, 200, "{line}");
        let expected = line.replace(" /functions/v1/", " /functions/");
        assert_eq!(asked(&router), [format!("{expected} wake=true")]);
    }
}

#[test]
fn what_is_no_function_is_not_found() {
    let router = open(200, "", "x");
    let missing = expect![[r"
        404 Not Found
        content-type: text/plain
        Function not found"]];
    for path in [
        "/functions/v1",
        "/functions/v1/",
        "/functions/v1/Hello",
        "/functions/v1/hello2/x",
        "/functions/v1//hello",
        "/functions/v1/hell%6f",
        "/functions/v1/hello/../x",
        "/functions/v1/_internal",
    ] {
        let text = show(&router, request(&format!("GET {path}")));
        missing.assert_eq(&text);
    }
    assert!(asked(&router).is_empty());
    check(
        &router,
        request("GET /functions/v1/_internal/health"),
        expect![[r#"
            200 OK
            content-type: application/json
            {"message":"ok"}"#]],
    );
}

#[test]
fn tokens_are_verified_in_the_words_of_the_cli() {
    let (router, _) = router();
    deploy(&router, "hello", "{}");
    worker(&router, |_| Ok(response(200, "", "in")));
    let now = NOW.seconds();
    let user = token(&serde_json::json!({"role": "authenticated", "sub": "u", "exp": now + 60}));
    let expired = token(&serde_json::json!({"role": "authenticated", "exp": now - 60}));
    let other = sign(&[b'x'; 40], &serde_json::Map::new()).unwrap();
    let keys = keys();
    let cases = [
        ("GET", String::new(), MISSING),
        ("OPTIONS", String::new(), "in"),
        ("GET", "authorization: Basic eDp5".to_owned(), SCHEME),
        ("GET", format!("authorization: bearer {user}"), SCHEME),
        ("GET", format!("authorization: Bearer {user} x"), SCHEME),
        ("GET", "authorization: Bearer".to_owned(), SCHEME),
        ("GET", "authorization: Bearer nonsense".to_owned(), INVALID),
        ("GET", format!("authorization: Bearer {expired}"), INVALID),
        ("GET", format!("authorization: Bearer {other}"), INVALID),
        ("GET", format!("authorization: Bearer {user}"), "in"),
        ("GET", format!("authorization: Bearer {}", keys.anon), "in"),
        ("GET", format!("apikey: {}", keys.publishable), "in"),
        ("GET", format!("apikey: {}", keys.secret), "in"),
        ("GET", format!("apikey: {}", keys.anon), "in"),
        ("GET", "apikey: sb_publishable_x".to_owned(), INVALID),
        (
            "GET",
            format!("authorization: Bearer {}", keys.publishable),
            INVALID,
        ),
        (
            "GET",
            format!("apikey: {0}\nauthorization: Bearer {0}", keys.publishable),
            "in",
        ),
    ];
    for (method, headers, expected) in cases {
        let text = format!("{method} /functions/v1/hello\n{headers}");
        let (head, body) = answer(&router, request(text.trim_end()));
        assert_eq!(body, expected, "{headers}");
        let status = if expected == "in" { 200 } else { 401 };
        assert_eq!(head.status, status, "{headers}");
    }
}

#[test]
fn the_secret_key_opens_a_function_and_stays_outside() {
    let (router, _) = router();
    deploy(&router, "hello", "{}");
    worker(&router, |_| Ok(response(200, "", "")));
    let keys = keys();
    for headers in [
        format!("apikey: {}", keys.secret),
        format!("apikey: {0}\nauthorization: Bearer {0}", keys.secret),
    ] {
        answer(
            &router,
            request(&format!("GET /functions/v1/hello\n{headers}")),
        );
        let call = router.world().asked.take().remove(0);
        assert_eq!(
            call.headers["authorization"],
            format!("Bearer {}", keys.anon).as_str()
        );
        let all = format!("{:?}", call.headers);
        assert!(!all.contains(&keys.secret) && !all.contains(&keys.service_role));
    }
    // What was sent is passed on, whatever it is.
    let sent = format!("Bearer {}", keys.service_role);
    answer(
        &router,
        request(&format!(
            "GET /functions/v1/hello\nauthorization: {sent}\nx-gateway-function: {{}}"
        )),
    );
    let call = router.world().asked.take().remove(0);
    assert_eq!(call.headers["authorization"], sent.as_str());
    assert_ne!(call.headers["x-gateway-function"], "{}");
}

#[test]
fn failures_are_told_in_supabases_words() {
    let cases = [
        (
            "boot-error",
            503,
            r#"{"code":"BOOT_ERROR","message":"Worker failed to boot (please check logs)"}"#,
        ),
        (
            "worker-error",
            500,
            r#"{"code":"WORKER_ERROR","message":"Function exited due to an error (please check logs)"}"#,
        ),
        (
            "worker-limit",
            546,
            r#"{"code":"WORKER_LIMIT","message":"Worker failed to respond due to a resource limit (please check logs)"}"#,
        ),
        (
            "timeout",
            504,
            r#"{"code":"IDLE_TIMEOUT","message":"Request idle timeout limit (150s) reached"}"#,
        ),
        ("function-missing", 404, "Function not found"),
        (
            "queue-full",
            503,
            r#"{"code":"WORKER_QUEUE_FULL","message":"Too many requests wait for this function"}"#,
        ),
        (
            "vm-failed",
            503,
            r#"{"code":"VM_UNAVAILABLE","message":"why \"it\" failed"}"#,
        ),
        (
            "invalid",
            400,
            r#"{"code":"INVALID_REQUEST","message":"why \"it\" failed"}"#,
        ),
        (
            "something-new",
            500,
            r#"{"code":"Internal Server Error","message":"Request failed due to an internal server error","trace":"\"why \\\"it\\\" failed\""}"#,
        ),
    ];
    for (code, status, expected) in cases {
        let (router, _) = router();
        deploy(&router, "hello", r#"{"verify_jwt":false}"#);
        worker(&router, move |_| {
            let headers = format!("x-gateway-failure: {code}");
            Ok(response(
                500,
                &headers,
                r#"{"message":"why \"it\" failed","limit":"cpu"}"#,
            ))
        });
        let (head, body) = answer(&router, request("POST /functions/v1/hello"));
        assert_eq!((head.status.as_u16(), body.as_str()), (status, expected));
        assert!(head.headers.contains_key("sb-request-id"), "{code}");
        assert!(!head.headers.contains_key("x-gateway-failure"), "{code}");
        let named = head.headers.get("sb-error-code");
        let named = named.map_or("", |name| name.to_str().unwrap());
        assert_eq!(
            body.contains(&format!("\"code\":\"{named}\"")),
            !named.is_empty(),
            "{code}"
        );
        let waits = matches!(code, "queue-full" | "vm-failed");
        assert_eq!(head.headers.contains_key("retry-after"), waits, "{code}");
    }
}

#[test]
fn where_nobody_runs_functions_that_is_said() {
    let (router, _) = router();
    deploy(&router, "hello", r#"{"verify_jwt":false}"#);
    let (head, body) = answer(&router, request("POST /functions/v1/hello"));
    assert_eq!(head.status, 503, "{body}");
    assert_eq!(head.headers["x-relay-error"], "true");
    assert!(head.headers.contains_key("retry-after"));
    worker(&router, |_| Err(Unavailable::Busy));
    let (head, _) = answer(&router, request("POST /functions/v1/hello"));
    assert_eq!(head.status, 503);
}

#[test]
fn a_functions_own_cross_origin_headers_are_its_own() {
    let router = open(
        200,
        "access-control-allow-origin: http://a.test
         access-control-expose-headers: x-own",
        "",
    );
    let (head, _) = answer(&router, request("GET /functions/v1/hello"));
    let header = |name: &str| head.headers[name].to_str().unwrap().to_owned();
    assert_eq!(header("access-control-allow-origin"), "http://a.test");
    assert_eq!(header("access-control-expose-headers"), "x-own");
    let router = open(200, "", "");
    let (head, _) = answer(&router, request("GET /functions/v1/hello"));
    let header = |name: &str| head.headers[name].to_str().unwrap().to_owned();
    assert_eq!(header("access-control-allow-origin"), "*");
    assert!(header("access-control-expose-headers").contains("x-relay-error"));
    asked(&router);
    // A preflight is the gateway's, as it is Kong's before the CLI's functions.
    let (head, _) = answer(
        &router,
        request(
            "OPTIONS /functions/v1/hello\norigin: http://a.test\naccess-control-request-method: \
             POST\naccess-control-request-headers: x-own",
        ),
    );
    let allowed = head.headers["access-control-allow-headers"].to_str();
    assert!(allowed.unwrap().contains("x-own"));
    assert!(asked(&router).is_empty());
}

#[test]
fn a_page_gets_what_it_can_read() {
    // "x" as gzip.
    let packed = "content-encoding: gzip";
    let (router, _) = router();
    deploy(&router, "hello", r#"{"verify_jwt":false}"#);
    let bytes: &[u8] = &[
        31, 139, 8, 0, 0, 0, 0, 0, 0, 3, 171, 0, 0, 131, 22, 220, 140, 1, 0, 0, 0,
    ];
    worker(&router, move |_| {
        let mut response = response(200, packed, "");
        *response.body_mut() = Body::from(bytes::Bytes::from_static(bytes));
        Ok(response)
    });
    let (head, body) = answer(&router, from_page("GET /functions/v1/hello", "/"));
    assert_eq!(body, "x");
    assert!(!head.headers.contains_key("content-encoding"));
    let call = router.world().asked.take().remove(0);
    assert_eq!(call.headers["accept-encoding"], "identity");
}

#[test]
fn the_trace_of_a_call_goes_on_where_a_function_calls_another() {
    let router = open(200, "", "");
    let trace = "01234567-89ab-4def-8123-456789abcdef";
    let text = format!("GET /functions/v1/hello\nx-gateway-trace: {trace}");
    let (head, _) = answer(&router, request(&text));
    assert_ne!(head.headers["sb-request-id"], trace);
    let mut inside = request(&text);
    inside.extensions_mut().insert(Guest);
    let (head, _) = answer(&router, inside);
    assert_eq!(head.headers["sb-request-id"], trace);
}

#[test]
fn another_environment_has_another_hash() {
    let router = open(200, "", "");
    let hash = || {
        answer(&router, request("GET /functions/v1/hello"));
        let call = router.world().asked.take().pop().unwrap();
        let spec = call.headers["x-gateway-function"].to_str().unwrap();
        serde_json::from_str::<Value>(spec).unwrap()["env"].clone()
    };
    let first = hash();
    assert_eq!(hash(), first);
    answer(
        &router,
        trusted("POST /gateway/secrets\n\n{\"TOKEN\":\"one\"}"),
    );
    let second = hash();
    assert_ne!(second, first);
    let (_, env) = answer(&router, internal("GET /gateway/functions/hello/env"));
    let env: Value = serde_json::from_str(&env).unwrap();
    assert_eq!(env["hash"], second);
    answer(
        &router,
        trusted("POST /gateway/secrets\n\n{\"TOKEN\":\"two\"}"),
    );
    assert_ne!(hash(), second);
}

#[test]
fn a_socket_leads_to_its_function() {
    let (router, _) = router();
    deploy(&router, "open", r#"{"verify_jwt":false}"#);
    deploy(&router, "shut", "{}");
    let tunnel = |path: &str| block_on(router.tunnel(from_page(&format!("GET {path}"), "/")));
    let found = tunnel("/functions/v1/open/x?y").unwrap();
    assert_eq!(found.project, "default");
    assert_eq!(found.request.uri(), "/functions/open/x?y");
    assert!(found.request.headers().contains_key("x-gateway-function"));
    assert_eq!(tunnel("/functions/v1/shut").unwrap_err().status(), 401);
    assert_eq!(tunnel("/functions/v1/gone").unwrap_err().status(), 404);
}

#[test]
fn a_socket_has_its_token_where_a_page_can_put_it() {
    let (router, _) = router();
    deploy(&router, "shut", "{}");
    let user = token(&serde_json::json!({"role": "authenticated", "exp": NOW.seconds() + 60}));
    let keys = keys();
    let table = [
        (format!("?jwt={user}"), String::new(), Some(&user)),
        (
            String::new(),
            format!("sec-websocket-protocol: chat, jwt-{user}"),
            Some(&user),
        ),
        (
            format!("?apikey={}", keys.publishable),
            String::new(),
            Some(&keys.anon),
        ),
        (
            format!("?jwt={}", keys.anon),
            format!("authorization: Bearer {user}"),
            Some(&user),
        ),
        ("?jwt=nonsense".to_owned(), String::new(), None),
        ("?jwt=".to_owned(), String::new(), None),
    ];
    for (query, header, expected) in table {
        let text = format!("GET /functions/v1/shut{query}\n{header}");
        let found = block_on(router.tunnel(from_page(text.trim_end(), "/")));
        let told = found.map(|tunnel| tunnel.request.headers()["authorization"].clone());
        match expected {
            Some(token) => assert_eq!(told.unwrap(), format!("Bearer {token}")),
            None => assert_eq!(told.unwrap_err().status(), 401, "{query}"),
        }
    }
}
