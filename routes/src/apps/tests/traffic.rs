//! What applications are asked, and what their pages get.

use std::io::Write as _;

use bytes::Bytes;
use expect_test::{Expect, expect};
use flate2::{Compression, write::GzEncoder};
use futures::executor::block_on;
use http::{Request, Response, header};
use serde_json::{Map, Value, json};

use super::fixture::*;
use crate::{
    Body, Handled, Router,
    identity::sign,
    router::{Client, Guest, Sender, Trusted},
    world::Unavailable,
};

/// A router with two applications that answer so.
fn with(answer: impl Fn(&Asked) -> Response<Body> + 'static) -> Router<Fake> {
    let router = router();
    deploy(&router, "shop");
    deploy(&router, "blog");
    worker(&router, move |asked| Ok(answer(asked)));
    router
}

fn hello(_: &Asked) -> Response<Body> {
    response(200, "content-type: text/plain", "hello")
}

fn check(router: &Router<Fake>, request: Request<Body>, expected: Expect) {
    expected.assert_eq(&show(router, request));
}

/// What the application got, without what is the same each time.
fn got(router: &Router<Fake>) -> String {
    let asked = router.world().asked.take();
    let asked = asked.last().unwrap();
    let keys = keys();
    let mut lines = vec![asked.line.clone()];
    for (name, value) in &asked.headers {
        let value = value.to_str().unwrap();
        let value = match name.as_str() {
            "x-gateway-app" => {
                let spec: Value = serde_json::from_str(value).unwrap();
                format!("(spec of {})", spec["name"].as_str().unwrap())
            }
            "x-gateway-vm" => continue,
            _ => value
                .replace(&keys.anon, "(anon)")
                .replace(&keys.service_role, "(service_role)")
                .replace(&keys.secret, "(secret)")
                .replace(&keys.publishable, "(publishable)"),
        };
        lines.push(format!("{name}: {value}"));
    }
    lines.push(asked.body.clone());
    lines.join("\n")
}

fn header(router: &Router<Fake>, name: &str) -> Option<String> {
    let asked = router.world().asked.take();
    let value = asked.last().unwrap().headers.get(name)?;
    Some(value.to_str().unwrap().to_owned())
}

fn check_got(router: &Router<Fake>, request: Request<Body>, expected: Expect) {
    answer(router, request);
    expected.assert_eq(&got(router));
}

#[test]
fn an_applications_address_is_a_folder() {
    let router = with(hello);
    check(
        &router,
        request("GET /app/shop?a=b"),
        expect![[r"
        308 Permanent Redirect
        location: /app/shop/?a=b
    "]],
    );
    check(
        &router,
        request("POST /app/shop"),
        expect![[r"
        308 Permanent Redirect
        location: /app/shop/
    "]],
    );
    check(
        &router,
        request("GET /app/shop/"),
        expect![[r"
        200 OK
        content-type: text/plain
        hello"]],
    );
    check(
        &router,
        request("GET /app/none/"),
        expect![[r#"
        404 Not Found
        content-type: application/json; charset=utf-8
        {"code":"GW404","details":null,"hint":null,"message":"There is no application none"}"#]],
    );
    check(
        &router,
        request("GET /app/Shop"),
        expect![[r#"
        404 Not Found
        content-type: application/json; charset=utf-8
        {"code":"GW404","details":null,"hint":null,"message":"There is no application Shop"}"#]],
    );
    check(
        &router,
        request("GET /app/..%2F..%2Fgateway/x"),
        expect![[r#"
            404 Not Found
            content-type: application/json; charset=utf-8
            {"code":"GW404","details":null,"hint":null,"message":"There is no application ..%2F..%2Fgateway"}"#]],
    );
    check(
        &router,
        request("GET /app/shop/%2e%2e/blog"),
        expect![[r#"
        400 Bad Request
        content-type: application/json; charset=utf-8
        {"code":"GW400","details":null,"hint":null,"message":"The path leads out of the application"}"#]],
    );
    let (head, body) = answer(&router, navigation("GET /app/none/", None));
    assert_eq!(head.status, 404);
    assert_eq!(head.headers["content-type"], "text/html; charset=utf-8");
    assert!(body.contains("There is no application none"));
    let passes = block_on(router.handle(request("GET /nobody/app/shop/")));
    assert!(matches!(passes, Handled::PassThrough));
}

#[test]
fn what_an_application_gets() {
    let router = with(hello);
    check_got(
        &router,
        request(
            "GET /app/shop/a%20b/c?q=1&q=2\naccept: */*\nif-none-match: \"x\"\nrange: bytes=0-1",
        ),
        expect![[r#"
            GET /http/shop/a%20b/c?q=1&q=2
            accept: */*
            if-none-match: "x"
            range: bytes=0-1
            host: localhost:5173
            x-forwarded-host: localhost:5173
            x-forwarded-proto: http
            x-forwarded-prefix: /app/shop
            x-forwarded-for: 127.0.0.1
            accept-encoding: identity
            authorization: Bearer (anon)
            x-gateway-app: (spec of shop)
            x-gateway-wait: 150000
        "#]],
    );
    check_got(
        &router,
        from_page(
            "POST /app/shop/api\ncontent-type: text/plain\n\nbody",
            "/app/shop/cart?x",
        ),
        expect![[r"
            POST /http/shop/api
            content-type: text/plain
            host: localhost:5173
            x-forwarded-host: localhost:5173
            x-forwarded-proto: http
            x-forwarded-prefix: /app/shop
            x-forwarded-for: 127.0.0.1
            accept-encoding: identity
            authorization: Bearer (anon)
            sec-fetch-site: same-origin
            sec-fetch-mode: cors
            sec-fetch-dest: empty
            origin: http://localhost:5173
            referer: http://localhost:5173/cart?x
            x-gateway-app: (spec of shop)
            x-gateway-wait: 150000
            body"]],
    );
    check_got(
        &router,
        navigation("GET /app/shop/", Some("https://example.com/")),
        expect![[r"
            GET /http/shop/
            host: localhost:5173
            x-forwarded-host: localhost:5173
            x-forwarded-proto: http
            x-forwarded-prefix: /app/shop
            x-forwarded-for: 127.0.0.1
            accept-encoding: identity
            authorization: Bearer (anon)
            sec-fetch-site: cross-site
            sec-fetch-mode: navigate
            sec-fetch-dest: document
            referer: https://example.com/
            x-gateway-app: (spec of shop)
            x-gateway-wait: 1500
        "]],
    );
    check_got(
        &router,
        request("OPTIONS /app/shop/x\norigin: http://a.test\naccess-control-request-method: PUT"),
        expect![[r"
            OPTIONS /http/shop/x
            origin: http://a.test
            access-control-request-method: PUT
            host: localhost:5173
            x-forwarded-host: localhost:5173
            x-forwarded-proto: http
            x-forwarded-prefix: /app/shop
            x-forwarded-for: 127.0.0.1
            accept-encoding: identity
            authorization: Bearer (anon)
            x-gateway-app: (spec of shop)
            x-gateway-wait: 150000
        "]],
    );
    check_got(
        &router,
        request("PROPFIND /app/shop/x"),
        expect![[r"
        PROPFIND /http/shop/x
        host: localhost:5173
        x-forwarded-host: localhost:5173
        x-forwarded-proto: http
        x-forwarded-prefix: /app/shop
        x-forwarded-for: 127.0.0.1
        accept-encoding: identity
        authorization: Bearer (anon)
        x-gateway-app: (spec of shop)
        x-gateway-wait: 150000
    "]],
    );
}

#[test]
fn headers_of_the_gateways_own_are_no_clients_to_send() {
    let router = with(hello);
    check_got(
        &router,
        request(
            "GET /app/shop/
             x-gateway-app: {\"name\":\"blog\"}
             x-gateway-wait: 0
             x-gateway-internal: 1
             x-gateway-vm: {}
             x-forwarded-host: evil.test
             x-forwarded-for: 6.6.6.6
             forwarded: for=6.6.6.6
             connection: close, x-secret-hop
             x-secret-hop: 1
             transfer-encoding: chunked
             te: trailers
             upgrade: websocket
             proxy-authorization: Basic eA==
             accept-encoding: gzip, br
             x-own: kept",
        ),
        expect![[r"
            GET /http/shop/
            x-own: kept
            accept-encoding: identity
            host: localhost:5173
            x-forwarded-host: localhost:5173
            x-forwarded-proto: http
            x-forwarded-prefix: /app/shop
            x-forwarded-for: 127.0.0.1
            authorization: Bearer (anon)
            x-gateway-app: (spec of shop)
            x-gateway-wait: 150000
        "]],
    );
}

#[test]
fn an_answer_is_the_applications_own() {
    let router = with(|asked| match asked.line.as_str() {
        "GET /http/shop/redirect" => response(302, "location: /login\nset-cookie: a=b", ""),
        "GET /http/shop/part" => response(
            206,
            "content-type: text/html\ncontent-range: bytes 0-3/9\ncontent-length: 4\netag: \"x\"\naccept-ranges: bytes",
            "<p><",
        ),
        "GET /http/shop/same" => response(304, "etag: \"x\"\ncontent-type: text/html", ""),
        "GET /http/shop/cors" => response(
            200,
            "access-control-allow-origin: https://a.test\nx-gateway-x: 1",
            "x",
        ),
        "HEAD /http/shop/page" => response(
            200,
            "content-type: text/html\ncontent-length: 900\netag: \"x\"",
            "",
        ),
        _ => response(
            200,
            "content-type: text/html; charset=utf-8\ncontent-length: 40\netag: \"x\"",
            "<head><a href=/x>",
        ),
    });
    check(
        &router,
        request("GET /app/shop/redirect"),
        expect![[r"
        302 Found
        set-cookie: a=b; Path=/app/shop/
        location: /app/shop/login
    "]],
    );
    check(
        &router,
        request("GET /app/shop/part"),
        expect![[r#"
        206 Partial Content
        content-type: text/html
        content-range: bytes 0-3/9
        etag: "x"
        accept-ranges: bytes
        <p><"#]],
    );
    check(
        &router,
        request("GET /app/shop/same"),
        expect![[r#"
        304 Not Modified
        etag: "x"
        content-type: text/html
    "#]],
    );
    check(
        &router,
        request("GET /app/shop/page"),
        expect![[r#"
        200 OK
        content-type: text/html; charset=utf-8
        etag: W/"x"
        <head><a href=/app/shop/x>"#]],
    );
    check(
        &router,
        request("HEAD /app/shop/page"),
        expect![[r#"
        200 OK
        content-type: text/html
        etag: W/"x"
    "#]],
    );
    check(
        &router,
        navigation("GET /app/shop/page", None),
        expect![[r#"
            200 OK
            content-type: text/html; charset=utf-8
            etag: W/"x"
            <head><script src="/gateway/shim.js" data-app="shop" data-prefix="/app/shop"></script><a href=/app/shop/x>"#]],
    );
    let (head, _) = answer(&router, request("GET /app/shop/cors"));
    assert_eq!(
        head.headers["access-control-allow-origin"],
        "https://a.test"
    );
    assert!(!head.headers.contains_key("x-gateway-x"));
}

#[test]
fn an_encoding_that_was_not_asked_for_is_taken_off() {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(b"<head><a href=/x>").unwrap();
    let packed = Bytes::from(encoder.finish().unwrap());
    let router = with(move |asked| {
        let encoding = if asked.line.ends_with("br") {
            "br"
        } else {
            "gzip"
        };
        let mut body = packed.clone();
        if asked.line.ends_with("cut") {
            body.truncate(12);
        }
        let headers =
            format!("content-type: text/html\ncontent-encoding: {encoding}\ncontent-length: 1");
        let chunks: Vec<_> = body
            .chunks(3)
            .map(|chunk| Ok(Bytes::copy_from_slice(chunk)))
            .collect();
        response(200, &headers, "").map(|_| Body::Stream(Box::pin(futures::stream::iter(chunks))))
    });
    check(
        &router,
        from_page("GET /app/shop/", "/app/shop/"),
        expect![[r"
            200 OK
            content-type: text/html
            <head><a href=/app/shop/x>"]],
    );
    check(
        &router,
        from_page("GET /app/shop/br", "/app/shop/"),
        expect![[r#"
            502 Bad Gateway
            content-type: application/json; charset=utf-8
            cache-control: no-store
            {"message":"The application sent its answer in the encoding br, which was not asked for","code":"bad-response"}"#]],
    );
    let Handled::Response(cut) = block_on(router.handle(request("GET /app/shop/cut"))) else {
        panic!("passed through");
    };
    assert!(block_on(cut.into_body().collect(1000)).is_err());
}

#[test]
fn whoever_asks_is_who_they_say_or_the_session_of_their_page_or_nobody() {
    let router = with(hello);
    let keys = keys();
    let authorization = |lines: &str| {
        answer(&router, request(&format!("GET /app/shop/{lines}")));
        let sent = router.world().asked.take();
        let headers = &sent[0].headers;
        let text = format!(
            "{:?} {:?}",
            headers.get("authorization"),
            headers.get("apikey")
        );
        text.replace(&keys.anon, "(anon)")
            .replace(&keys.service_role, "(service_role)")
            .replace(&keys.secret, "(secret)")
            .replace(&keys.publishable, "(publishable)")
    };
    let cases = [
        (String::new(), r#"Some("Bearer (anon)") None"#),
        (
            "\nauthorization: Bearer a.b.c".to_owned(),
            r#"Some("Bearer a.b.c") None"#,
        ),
        (
            "\nauthorization: Basic eDp5".to_owned(),
            r#"Some("Basic eDp5") None"#,
        ),
        (
            format!("\napikey: {}", keys.publishable),
            r#"Some("Bearer (anon)") Some("(publishable)")"#,
        ),
        (
            format!("\nauthorization: Bearer {0}\napikey: {0}", keys.publishable),
            r#"Some("Bearer (anon)") Some("(publishable)")"#,
        ),
        (
            "\napikey: a.b.c".to_owned(),
            r#"Some("Bearer a.b.c") Some("a.b.c")"#,
        ),
        // Neither the key nor what it stands for.
        (
            format!("\napikey: {}", keys.secret),
            r#"Some("Bearer (anon)") None"#,
        ),
        (
            format!("\nauthorization: Bearer {0}\napikey: {0}", keys.secret),
            r#"Some("Bearer (anon)") None"#,
        ),
        (
            format!("\nauthorization: Bearer {}", keys.secret),
            r#"Some("Bearer (anon)") None"#,
        ),
        // What was sent is sent on; nothing is made of it.
        (
            format!("\nauthorization: Bearer {}", keys.service_role),
            r#"Some("Bearer (service_role)") None"#,
        ),
        (
            format!("\napikey: {}", keys.service_role),
            r#"Some("Bearer (anon)") Some("(service_role)")"#,
        ),
    ];
    for (lines, expected) in cases {
        assert_eq!(authorization(&lines), expected, "{lines}");
    }
}

fn of_client(text: &str, client: &str) -> Request<Body> {
    let mut request = from_page(text, "/app/shop/");
    request.extensions_mut().insert(Client(client.to_owned()));
    request
}

/// The role in the token that the application got.
fn role(router: &Router<Fake>) -> String {
    let token = header(router, "authorization").unwrap();
    let token = token.strip_prefix("Bearer ").unwrap().to_owned();
    let verifier = block_on(router.project("default"))
        .unwrap()
        .verifier
        .clone();
    verifier.identify(Some(token.as_bytes()), NOW).unwrap().role
}

fn signed_in(router: &Router<Fake>, role: &str) {
    let id = "00000000-0000-4000-8000-000000000001";
    let user = json!({"id": id, "role": role, "aud": "authenticated", "email": "a@b.test",
        "is_anonymous": false, "is_sso_user": false, "raw_app_meta_data": {}, "raw_user_meta_data": {}});
    let session = json!({"id": id, "user_id": id});
    *router.world().session.borrow_mut() = Some((user.to_string(), session.to_string()));
}

#[test]
fn a_page_that_signed_in_is_its_user_for_the_application() {
    let router = with(hello);
    let count = || {
        let statements = router.world().statements.borrow();
        let looked_up = |sql: &&String| sql.contains("client_sessions");
        statements.iter().filter(looked_up).count()
    };
    answer(&router, of_client("GET /app/shop/", "page"));
    assert_eq!((role(&router).as_str(), count()), ("anon", 1));
    // It is asked again when Auth was asked for something.
    signed_in(&router, "authenticated");
    answer(&router, of_client("GET /app/shop/", "page"));
    assert_eq!((role(&router).as_str(), count()), ("anon", 1));
    answer(&router, request("POST /auth/v1/logout"));
    router.world().asked.take();
    answer(&router, of_client("GET /app/shop/", "page"));
    assert_eq!(role(&router), "authenticated");
    // And after a while.
    let before = count();
    answer(&router, of_client("GET /app/shop/", "page"));
    assert_eq!(count(), before);
    router.world().now.set(NOW.0 + 60_000);
    answer(&router, of_client("GET /app/shop/", "page"));
    assert_eq!(count(), before + 1);
}

#[test]
fn nobody_becomes_the_service_role_by_being_signed_in() {
    let router = with(hello);
    signed_in(&router, "service_role");
    answer(&router, of_client("GET /app/shop/", "page"));
    assert_eq!(role(&router), "anon");
    // Nor by a token of their own in the place of a key.
    let mut claims = Map::new();
    claims.insert("role".to_owned(), "service_role".into());
    let token = sign(secrets().jwt_secret.as_bytes(), &claims).unwrap();
    answer(
        &router,
        request(&format!("GET /app/shop/\napikey: {token}")),
    );
    assert_eq!(role(&router), "anon");
    let mut trusted = of_client("GET /app/shop/", "page");
    trusted.extensions_mut().insert(Trusted);
    answer(&router, trusted);
    assert_eq!(role(&router), "anon");
}

/// An application that sets what it is asked to.
fn sets(asked: &Asked) -> Response<Body> {
    let set = asked
        .headers
        .get("x-set")
        .map(|value| format!("set-cookie: {}", value.to_str().unwrap()));
    response(200, &set.unwrap_or_default(), "")
}

#[test]
fn cookies_are_each_applications_own() {
    let router = with(sets);
    let cookie = |request: Request<Body>| {
        let (head, _) = answer(&router, request);
        assert!(!head.headers.contains_key(header::SET_COOKIE));
        header(&router, "cookie")
    };
    assert_eq!(
        cookie(from_page(
            "GET /app/shop/\nx-set: a=shop; Path=/",
            "/app/shop/"
        )),
        None
    );
    assert_eq!(
        cookie(from_page(
            "GET /app/blog/\nx-set: a=blog; Path=/",
            "/app/blog/"
        )),
        None
    );
    assert_eq!(
        cookie(from_page("GET /app/shop/x", "/app/shop/")).as_deref(),
        Some("a=shop")
    );
    assert_eq!(
        cookie(from_page("GET /app/blog/x", "/app/blog/")).as_deref(),
        Some("a=blog")
    );
    // Nobody else's page gets them, whatever it says of itself.
    assert_eq!(cookie(from_page("GET /app/shop/x", "/app/blog/")), None);
    assert_eq!(
        cookie(from_page(
            "POST /app/shop/x\ncookie: a=forged",
            "/app/blog/"
        )),
        None
    );
    assert_eq!(
        cookie(navigation(
            "GET /app/shop/",
            Some("http://localhost:5173/app/blog/")
        ))
        .as_deref(),
        Some("a=shop")
    );
    assert_eq!(
        cookie(navigation(
            "POST /app/shop/",
            Some("http://localhost:5173/app/blog/")
        )),
        None
    );
    assert_eq!(
        cookie(navigation("GET /app/shop/", None)).as_deref(),
        Some("a=shop")
    );
    let mut without = from_page("GET /app/shop/x", "/app/shop/");
    without
        .extensions_mut()
        .get_mut::<Sender>()
        .unwrap()
        .credentials = false;
    assert_eq!(cookie(without), None);
    // Nor may another page set any.
    cookie(from_page(
        "GET /app/shop/\nx-set: a=fixed; Path=/",
        "/app/blog/",
    ));
    assert_eq!(
        cookie(from_page("GET /app/shop/x", "/app/shop/")).as_deref(),
        Some("a=shop")
    );
}

#[test]
fn cookies_outlive_the_gateway() {
    let first = with(sets);
    answer(
        &first,
        from_page(
            "GET /app/shop/\nx-set: a=1; Path=/; Max-Age=100; SameSite=Lax",
            "/app/shop/",
        ),
    );
    answer(
        &first,
        from_page(
            "GET /app/shop/\nx-set: b=2; Path=/; SameSite=Strict",
            "/app/shop/",
        ),
    );
    answer(
        &first,
        from_page("GET /app/shop/\nx-set: c=3; Path=/", "/app/shop/"),
    );
    answer(
        &first,
        from_page("GET /app/shop/\nx-set: c=; Path=/; Max-Age=0", "/app/shop/"),
    );
    let stored: Vec<_> = first.world().cookies.borrow().keys().cloned().collect();
    let key = |name: &str| ("shop".to_owned(), name.to_owned(), "/".to_owned());
    assert_eq!(stored, [key("a"), key("b")]);
    let second = with(sets);
    *second.world().cookies.borrow_mut() = first.world().cookies.take();
    second.connected("default");
    answer(&second, from_page("GET /app/shop/", "/app/shop/"));
    assert_eq!(header(&second, "cookie").as_deref(), Some("a=1; b=2"));
    answer(
        &second,
        navigation("GET /app/shop/", Some("https://example.com/")),
    );
    assert_eq!(header(&second, "cookie").as_deref(), Some("a=1"));
    second.world().now.set(NOW.0 + 200_000);
    answer(&second, from_page("GET /app/shop/", "/app/shop/"));
    assert_eq!(header(&second, "cookie").as_deref(), Some("b=2"));
    // They go with their application.
    worker(&second, |_| Ok(response(200, "", "{}")));
    answer(&second, trusted("DELETE /gateway/apps/shop"));
    second.world().cookies.borrow_mut().clear();
    *second.world().worker.borrow_mut() = None;
    deploy(&second, "shop");
    worker(&second, |_| Ok(response(200, "", "{}")));
    answer(&second, from_page("GET /app/shop/", "/app/shop/"));
    assert_eq!(header(&second, "cookie"), None);
}

#[test]
fn clients_that_keep_their_own_cookies_keep_them() {
    let router = with(sets);
    let (head, _) = answer(
        &router,
        request("GET /app/shop/\ncookie: a=b\nx-set: a=c; Path=/; Domain=localhost"),
    );
    assert_eq!(head.headers[header::SET_COOKIE], "a=c; Path=/app/shop/");
    assert_eq!(header(&router, "cookie").as_deref(), Some("a=b"));
    assert!(router.world().cookies.borrow().is_empty());
}

#[test]
fn what_a_page_asks_of_the_root_is_its_applications() {
    let router = with(hello);
    answer(&router, from_page("GET /api/x?y=1", "/app/shop/cart"));
    assert_eq!(asked(&router), ["GET /http/shop/api/x?y=1 wake=true"]);
    // A frame of its own text is its page's.
    let mut framed = from_page("GET /api/y", "/app/shop/cart");
    let sender = framed.extensions_mut().get_mut::<Sender>().unwrap();
    sender.url = Some("about:srcdoc".to_owned());
    answer(&router, framed);
    assert_eq!(asked(&router), ["GET /http/shop/api/y wake=true"]);
    // A navigation goes where it meant to.
    let referrer = Some("http://localhost:5173/app/shop/cart");
    check(
        &router,
        navigation("POST /login?x", referrer),
        expect![[r"
            307 Temporary Redirect
            location: /app/shop/login?x
        "]],
    );
    assert!(asked(&router).is_empty());
    // The gateway's own stays its own.
    let (head, _) = answer(&router, from_page("GET /health", "/app/shop/cart"));
    assert_eq!(head.status, 200);
    assert!(asked(&router).is_empty());
    for request in [
        from_page("GET /x.js", "/"),
        request("GET /x.js"),
        navigation("GET /", None),
    ] {
        assert!(matches!(
            block_on(router.handle(request)),
            Handled::PassThrough
        ));
    }
}

/// Answers every request to an application with a failure of the worker's.
fn failing(code: &'static str, body: &'static str) -> Router<Fake> {
    with(move |asked| {
        if asked.line == "GET /vm" {
            return response(
                200,
                "",
                r#"{"state":"booting","stage":"Starting Linux","loaded":5,"total":10}"#,
            );
        }
        response(503, &format!("x-gateway-failure: {code}"), body)
    })
}

#[test]
fn a_failure_says_what_happened() {
    let cases = [
        (
            "starting",
            r#"{"message":"It is starting","stage":"Booting","state":"booting","loaded":1,"total":2}"#,
            503,
            true,
        ),
        (
            "never-listened",
            r#"{"message":"Nothing listens at port 8001"}"#,
            503,
            true,
        ),
        (
            "crashed",
            r#"{"message":"It exited with 1","exit":1,"lines":["a","b"]}"#,
            502,
            false,
        ),
        (
            "runtime-missing",
            r#"{"message":"Install it","missing":["node"]}"#,
            424,
            false,
        ),
        ("vm-failed", r#"{"message":"no"}"#, 503, true),
        ("refused", r#"{"message":"no"}"#, 502, false),
        ("bad-response", r#"{"message":"no"}"#, 502, false),
        ("closed-early", r#"{"message":"no"}"#, 502, false),
        ("timeout", r#"{"message":"no"}"#, 504, false),
        ("disk-full", r#"{"message":"no"}"#, 507, false),
        ("too-many-connections", r#"{"message":"no"}"#, 503, true),
        ("of-another-version", "no JSON", 502, false),
    ];
    for (code, body, status, retried) in cases {
        let router = failing(code, body);
        for request in [
            request("GET /app/shop/"),
            navigation("GET /app/shop/", None),
        ] {
            let is_page = request.extensions().get::<Sender>().is_some();
            let (head, text) = answer(&router, request);
            assert_eq!(head.status, status, "{code}");
            assert_eq!(head.headers.contains_key("retry-after"), retried, "{code}");
            assert_eq!(head.headers["cache-control"], "no-store");
            assert!(!head.headers.contains_key("x-gateway-failure"));
            if is_page {
                assert_eq!(head.headers["content-type"], "text/html; charset=utf-8");
                assert!(!text.contains("{{"), "{text}");
            } else {
                let body: Value = serde_json::from_str(&text).unwrap();
                assert!(
                    body["message"].is_string() && body["code"].is_string(),
                    "{text}"
                );
            }
        }
    }
    let router = failing("runtime-missing", r#"{"message":"Install it"}"#);
    let (_, text) = answer(&router, request("GET /app/shop/"));
    assert_eq!(
        text,
        r#"{"message":"Install it","missing":["node"],"code":"runtime-missing"}"#
    );
}

#[test]
fn a_page_that_waits_looks_again_and_is_not_trusted_for_it() {
    let router = failing(
        "starting",
        r#"{"message":"It is starting","stage":"Loading <Linux>"}"#,
    );
    let (_, page) = answer(&router, navigation("GET /app/shop/", None));
    assert_eq!(header(&router, "x-gateway-wait").as_deref(), Some("1500"));
    assert!(page.contains("Loading &lt;Linux&gt;") && page.contains("x-gateway-progress"));
    assert!(page.contains("data-safe=\"true\""));
    let (_, page) = answer(&router, navigation("POST /app/shop/", None));
    assert_eq!(header(&router, "x-gateway-wait").as_deref(), Some("150000"));
    assert!(page.contains("data-safe=\"false\"") && !page.contains("http-equiv=\"refresh\""));
    check(
        &router,
        from_page("GET /app/shop/\nx-gateway-progress: 1", "/app/shop/"),
        expect![[r#"
            503 Service Unavailable
            content-type: application/json; charset=utf-8
            cache-control: no-store
            retry-after: 1
            {"code":"starting","state":"booting","stage":"Starting Linux","loaded":5,"total":10}"#]],
    );
    assert_eq!(
        asked(&router),
        ["GET /vm wake=false", "GET /apps wake=false"]
    );
    let crashed = failing(
        "crashed",
        r#"{"message":"It exited","lines":[{"line":"<b>boom"},"at x"]}"#,
    );
    let (_, page) = answer(&crashed, navigation("GET /app/shop/", None));
    assert!(page.contains("&lt;b&gt;boom\nat x") && !page.contains("x-gateway-progress"));
}

#[test]
fn without_a_tab_nothing_hangs() {
    let router = with(hello);
    worker(&router, |_| Err(Unavailable::NoOwner));
    check(
        &router,
        request("GET /app/shop/"),
        expect![[r#"
        503 Service Unavailable
        retry-after: 1
        content-type: application/json; charset=utf-8
        {"code":"GW503","details":null,"hint":null,"message":"No tab is open that could run the virtual machine"}"#]],
    );
    let (head, page) = answer(&router, navigation("GET /app/shop/", None));
    assert_eq!(
        (
            head.status.as_u16(),
            head.headers["retry-after"].to_str().unwrap()
        ),
        (503, "1")
    );
    assert!(page.contains("No tab is open"));
    check(
        &router,
        from_page("GET /app/shop/\nx-gateway-progress: 1", "/app/shop/"),
        expect![[r#"
            503 Service Unavailable
            content-type: application/json; charset=utf-8
            cache-control: no-store
            retry-after: 1
            {"code":"starting","state":"unloaded","stage":"No tab runs the virtual machine","loaded":0,"total":0}"#]],
    );
    worker(&router, |_| Err(Unavailable::Deadline));
    check(
        &router,
        request("GET /app/shop/"),
        expect![[r#"
        503 Service Unavailable
        retry-after: 1
        content-type: application/json; charset=utf-8
        {"code":"GW503","details":null,"hint":null,"message":"The virtual machine's worker did not answer in time"}"#]],
    );
}

fn tunnel(router: &Router<Fake>, request: Request<Body>) -> String {
    match block_on(router.tunnel(request)) {
        Err(response) => {
            let status = response.status();
            let body = block_on(response.into_body().collect(1000)).unwrap();
            format!("{status} {}", String::from_utf8(body.to_vec()).unwrap())
        }
        Ok(tunnel) => {
            let headers = tunnel.request.headers();
            let shown = [
                "cookie",
                "origin",
                "host",
                "sec-websocket-protocol",
                "x-gateway-wait",
            ];
            let mut lines = vec![format!("{} {}", tunnel.project, tunnel.request.uri())];
            for name in shown {
                if let Some(value) = headers.get(name) {
                    lines.push(format!("{name}: {}", value.to_str().unwrap()));
                }
            }
            assert!(headers.contains_key("x-gateway-vm"));
            lines.join("\n")
        }
    }
}

#[test]
fn a_websocket_leads_to_its_application() {
    let router = with(sets);
    answer(
        &router,
        from_page("GET /app/shop/\nx-set: a=1; Path=/", "/app/shop/"),
    );
    let check = |request, expected: Expect| expected.assert_eq(&tunnel(&router, request));
    check(
        from_page(
            "GET /app/shop/ws?x=1\nsec-websocket-protocol: vite-hmr",
            "/app/shop/",
        ),
        expect![[r"
            default /ws/shop/ws?x=1
            cookie: a=1
            origin: http://localhost:5173
            host: localhost:5173
            sec-websocket-protocol: vite-hmr
            x-gateway-wait: 150000"]],
    );
    check(
        from_page("GET /app/shop", "/app/shop/"),
        expect![[r"
            default /ws/shop/
            cookie: a=1
            origin: http://localhost:5173
            host: localhost:5173
            x-gateway-wait: 150000"]],
    );
    check(
        from_page("GET /ws?token=x", "/app/shop/page"),
        expect![[r"
            default /ws/shop/ws?token=x
            cookie: a=1
            origin: http://localhost:5173
            host: localhost:5173
            x-gateway-wait: 150000"]],
    );
    // Another page gets no cookies, and says that it is another.
    check(
        from_page("GET /app/shop/ws", "/app/blog/"),
        expect![[r"
        default /ws/shop/ws
        origin: null
        host: localhost:5173
        x-gateway-wait: 150000"]],
    );
    check(
        from_page("GET /app/none/ws", "/app/shop/"),
        expect![[
            r#"404 Not Found {"code":"GW404","details":null,"hint":null,"message":"There is no application none"}"#
        ]],
    );
    check(
        request("GET /rest/v1/todos"),
        expect![[
            r#"404 Not Found {"code":"GW404","details":null,"hint":null,"message":"No API answers /rest/v1/todos"}"#
        ]],
    );
    check(
        request("GET /ws"),
        expect![[
            r#"404 Not Found {"code":"GW404","details":null,"hint":null,"message":"No API answers /ws"}"#
        ]],
    );
    check(
        from_page("GET /gateway/vm/terminal?columns=80", "/app/shop/"),
        expect![[
            r#"403 Forbidden {"code":"GW403","details":null,"hint":null,"message":"Only the gateway's own page has a terminal"}"#
        ]],
    );
    check(
        trusted("GET /gateway/vm/terminal?columns=80&rows=24&app=shop"),
        expect!["default /terminal?columns=80&rows=24&app=shop"],
    );
    check(
        trusted("GET /gateway/vm/exec"),
        expect![[
            r#"404 Not Found {"code":"GW404","details":null,"hint":null,"message":"No API answers /gateway/vm/exec"}"#
        ]],
    );
    let mut guest = trusted("GET /gateway/vm/terminal");
    guest.extensions_mut().insert(Guest);
    check(
        guest,
        expect![[
            r#"404 Not Found {"code":"GW404","details":null,"hint":null,"message":"No API answers /gateway/vm/terminal"}"#
        ]],
    );
}

#[test]
fn programs_inside_may_ask_each_other() {
    let router = with(sets);
    let mut guest = request("GET /app/blog/api\ncookie: own=1");
    guest.extensions_mut().insert(Guest);
    guest.extensions_mut().insert(Client("page".to_owned()));
    signed_in(&router, "authenticated");
    let (head, _) = answer(&router, guest);
    assert_eq!(head.status, 200);
    assert_eq!(role(&router), "anon", "a program is no page");
}

#[test]
fn projects_have_applications_of_their_own_addresses() {
    let router = with(|_| response(302, "location: /x", ""));
    check(
        &router,
        request("GET /default/app/shop/"),
        expect![[r"
        302 Found
        location: /default/app/shop/x
    "]],
    );
    check(
        &router,
        request("GET /default/app/shop"),
        expect![[r"
        308 Permanent Redirect
        location: /default/app/shop/
    "]],
    );
}
