//! Requests whose answers do not depend on what Postgres does with SQL.

use std::{cell::RefCell, collections::VecDeque};

use bytes::{BufMut as _, Bytes};
use expect_test::{Expect, expect};
use futures::{executor::block_on, future, stream};

use super::*;
use crate::{
    identity::{Keys, Secrets},
    schema::NOTHING,
    world::{Answer, Exchange, Timestamp, Transaction, Unavailable},
};

const NOW: Timestamp = Timestamp(1_700_000_000_000);

/// A world that says what it was told to, one thing for each exchange.
#[derive(Default)]
struct Script {
    answers: RefCell<VecDeque<Result<Vec<u8>, Unavailable>>>,
    asked: RefCell<Vec<Exchange>>,
    kept: RefCell<Option<Bytes>>,
}

impl World for Script {
    fn now(&self) -> Timestamp {
        NOW
    }

    fn random(&self, buffer: &mut [u8]) {
        buffer.fill(9);
    }

    async fn has_project(&self, project: &str) -> bool {
        project != "nobody"
    }

    async fn kept(&self, _project: &str) -> Option<Bytes> {
        self.kept.borrow().clone()
    }

    fn keep(&self, _project: &str, bytes: Bytes) {
        self.kept.replace(Some(bytes));
    }

    async fn exchange(&self, _project: &str, exchange: Exchange) -> Result<Answer, Unavailable> {
        self.asked.borrow_mut().push(exchange);
        // Others may come while the database works.
        let mut waited = false;
        future::poll_fn(|context| {
            if std::mem::replace(&mut waited, true) {
                return std::task::Poll::Ready(());
            }
            context.waker().wake_by_ref();
            std::task::Poll::Pending
        })
        .await;
        let answer = self.answers.borrow_mut().pop_front();
        let bytes = answer.expect("an answer for every exchange")?;
        let chunks: Vec<_> = bytes
            .chunks(50)
            .map(|chunk| Ok(Bytes::copy_from_slice(chunk)))
            .collect();
        Ok(Answer {
            chunks: Box::pin(stream::iter(chunks)),
            transaction: Transaction(0),
        })
    }
}

fn message(tag: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![tag];
    bytes.put_u32(u32::try_from(body.len() + 4).unwrap());
    bytes.extend_from_slice(body);
    bytes
}

/// Columns of text, and rows of it.
fn rows(columns: &[&str], rows: &[&[&str]]) -> Vec<u8> {
    let mut description = Vec::new();
    description.put_u16(u16::try_from(columns.len()).unwrap());
    for column in columns {
        description.extend_from_slice(column.as_bytes());
        description.extend_from_slice(&[0; 7]);
        description.put_u32(25);
        description.extend_from_slice(&[255; 6]);
        description.put_u16(0);
    }
    let mut bytes = message(b'T', &description);
    for row in rows {
        let mut body = Vec::new();
        body.put_u16(u16::try_from(row.len()).unwrap());
        for value in *row {
            body.put_u32(u32::try_from(value.len()).unwrap());
            body.extend_from_slice(value.as_bytes());
        }
        bytes.extend(message(b'D', &body));
    }
    bytes.extend(message(b'C', format!("SELECT {}\0", rows.len()).as_bytes()));
    bytes
}

fn error(sqlstate: &str, text: &str) -> Vec<u8> {
    let fields = format!("SERROR\0VERROR\0C{sqlstate}\0M{text}\0P8\0\0");
    message(b'E', fields.as_bytes())
}

fn ready() -> Vec<u8> {
    message(b'Z', b"I")
}

fn secrets() -> Secrets {
    Secrets::generate(|buffer| buffer.fill(7), NOW)
}

fn keys() -> Keys {
    Keys::new(DEFAULT_PROJECT, &secrets(), None)
}

/// A database without a table that has these secrets and settings.
fn database(settings: &[&[&str]]) -> Vec<u8> {
    let facts = rows(&["facts"], &[&[NOTHING]]);
    let search_path = message(b'C', b"SELECT 1\0");
    [
        known_database(settings, "a state"),
        search_path,
        facts,
        ready(),
    ]
    .concat()
}

/// As far as it is asked when its schema is known; without the end.
fn known_database(settings: &[&[&str]], state: &str) -> Vec<u8> {
    let secrets = secrets();
    let issued_at = secrets.issued_at.to_string();
    let stored = rows(
        &["name", "value"],
        &[
            &["jwt-secret", &secrets.jwt_secret],
            &["publishable-key", &secrets.publishable],
            &["secret-key", &secrets.secret],
            &["keys-issued-at", &issued_at],
            &["of-another-version", "x"],
        ],
    );
    let settings = rows(&["name", "value"], settings);
    let state = rows(&["state"], &[&[state]]);
    [stored, ready(), settings, ready(), state].concat()
}

fn router(answers: Vec<Result<Vec<u8>, Unavailable>>) -> Router<Script> {
    with_config(Config::default(), answers)
}

fn with_config(config: Config, answers: Vec<Result<Vec<u8>, Unavailable>>) -> Router<Script> {
    let world = Script {
        answers: RefCell::new(answers.into()),
        ..Script::default()
    };
    Router::new(world, config)
}

/// A request as `METHOD path`, `name: value` lines, and a body behind an empty line.
fn request(text: &str) -> Request<Body> {
    let (head, body) = text.split_once("\n\n").unwrap_or((text, ""));
    let mut lines = head.lines().map(str::trim);
    let (method, path) = lines.next().unwrap().split_once(' ').unwrap();
    let mut request = Request::builder().method(method).uri(path);
    for line in lines {
        let (name, value) = line.split_once(": ").unwrap();
        request = request.header(name, value);
    }
    request.body(Body::from(body.to_owned())).unwrap()
}

fn show(handled: Handled) -> String {
    let Handled::Response(response) = handled else {
        return "passed through".to_owned();
    };
    let (head, body) = response.into_parts();
    let mut lines = vec![head.status.to_string()];
    // Every answer of the API has them; `everybody_may_read_the_answers` looks at them.
    let everywhere = [
        "access-control-allow-origin",
        "access-control-expose-headers",
        "content-type",
    ];
    for (name, value) in &head.headers {
        if !everywhere.contains(&name.as_str()) {
            lines.push(format!("{name}: {}", value.to_str().unwrap()));
        }
    }
    let body = block_on(body.collect(usize::MAX)).unwrap();
    lines.push(String::from_utf8(body.to_vec()).unwrap());
    lines.join("\n")
}

fn check(router: &Router<Script>, text: &str, expected: Expect) {
    expected.assert_eq(&show(block_on(router.handle(request(text)))));
}

#[test]
fn what_needs_no_database_asks_none() {
    let router = router(vec![]);
    check(
        &router,
        "GET /health",
        expect![[r#"
        200 OK
        content-length: 33
        {"status":"ok","version":"0.1.0"}"#]],
    );
    check(
        &router,
        "HEAD /health",
        expect![[r"
        200 OK
        content-length: 33
    "]],
    );
    check(
        &router,
        "OPTIONS /health",
        expect![[r"
        200 OK
        allow: OPTIONS,GET,HEAD
        content-length: 0
    "]],
    );
    check(
        &router,
        "POST /health",
        expect![[r#"
        405 Method Not Allowed
        allow: OPTIONS,GET,HEAD
        content-length: 80
        proxy-status: PostgREST; error=GW405
        {"code":"GW405","details":null,"hint":null,"message":"POST is not allowed here"}"#]],
    );
    check(
        &router,
        "GET /rest/v2/x",
        expect![[r#"
        404 Not Found
        content-length: 81
        proxy-status: PostgREST; error=GW404
        {"code":"GW404","details":null,"hint":null,"message":"No API answers /rest/v2/x"}"#]],
    );
    check(
        &router,
        "GET /realtime/v1/websocket",
        expect![[r#"
        501 Not Implemented
        content-length: 96
        proxy-status: PostgREST; error=GW501
        {"code":"GW501","details":null,"hint":null,"message":"Realtime is not part of this gateway yet"}"#]],
    );
    check(&router, "GET /nobody/app/web/", expect!["passed through"]);
    check(&router, "GET /assets/x.js", expect!["passed through"]);
    check(
        &router,
        "GET /pg/query",
        expect![[r#"
        405 Method Not Allowed
        allow: OPTIONS,POST
        content-length: 79
        proxy-status: PostgREST; error=GW405
        {"code":"GW405","details":null,"hint":null,"message":"GET is not allowed here"}"#]],
    );
    check(
        &router,
        "GET /gateway/status",
        expect![[r#"
        403 Forbidden
        content-length: 108
        proxy-status: PostgREST; error=GW403
        {"code":"GW403","details":null,"hint":null,"message":"Only the gateway's own page may see a project's keys"}"#]],
    );
    check(
        &router,
        "OPTIONS /rest/v1/todos
        origin: http://a.test
        access-control-request-method: PATCH",
        expect![[r"
            200 OK
            access-control-allow-methods: GET, POST, PATCH, PUT, DELETE, OPTIONS, HEAD
            access-control-allow-headers: Authorization, Accept, Accept-Language, Content-Language
            access-control-max-age: 86400
            content-length: 0
        "]],
    );
    assert!(router.world().asked.borrow().is_empty());
}

#[test]
fn everybody_may_read_the_answers() {
    let answers = || vec![Err(Unavailable::NoOwner), Err(Unavailable::NoOwner)];
    let origin_of =
        |config, text: &str| match block_on(with_config(config, answers()).handle(request(text))) {
            Handled::PassThrough => panic!("passed through"),
            Handled::Response(response) => {
                let origin = response.headers().get("access-control-allow-origin");
                origin.map(|origin| origin.to_str().unwrap().to_owned())
            }
        };
    for path in [
        "/health",
        "/rest/v1/todos",
        "/rest/v2",
        "/auth/v1/user",
        "/pg/query",
    ] {
        for method in ["GET", "OPTIONS", "POST"] {
            let text = format!("{method} {path}\norigin: http://a.test");
            assert_eq!(
                origin_of(Config::default(), &text).as_deref(),
                Some("*"),
                "{text}"
            );
            let preflight = format!("{text}\naccess-control-request-method: POST");
            assert_eq!(
                origin_of(Config::default(), &preflight).as_deref(),
                Some("*"),
                "{text}"
            );
        }
    }
    let listed = || Config {
        server_cors_allowed_origins: Some(vec!["http://a.test".to_owned()]),
        ..Config::default()
    };
    let answer = origin_of(listed(), "GET /rest/v1/todos\norigin: http://a.test");
    assert_eq!(answer.as_deref(), Some("http://a.test"));
    assert_eq!(
        origin_of(listed(), "GET /rest/v1/todos\norigin: http://b.test"),
        None
    );
    // The keys are for the gateway's own page.
    assert_eq!(
        origin_of(
            Config::default(),
            "GET /gateway/status\norigin: http://a.test"
        ),
        None
    );
}

#[test]
fn a_database_that_does_not_answer_is_a_503() {
    let unavailable = |unavailable, expected| {
        check(
            &router(vec![Err(unavailable)]),
            "GET /rest/v1/todos",
            expected,
        );
    };
    unavailable(
        Unavailable::NoOwner,
        expect![[r#"
        503 Service Unavailable
        retry-after: 1
        content-length: 87
        proxy-status: PostgREST; error=PGRST001
        {"code":"PGRST001","details":null,"hint":null,"message":"No tab has the database open"}"#]],
    );
    unavailable(
        Unavailable::Deadline,
        expect![[r#"
        503 Service Unavailable
        retry-after: 1
        content-length: 94
        proxy-status: PostgREST; error=PGRST003
        {"code":"PGRST003","details":null,"hint":null,"message":"The database did not answer in time"}"#]],
    );
    unavailable(
        Unavailable::Version { ours: 1, theirs: 2 },
        expect![[r#"
        503 Service Unavailable
        retry-after: 1
        content-length: 126
        proxy-status: PostgREST; error=PGRST001
        {"code":"PGRST001","details":null,"hint":null,"message":"The database worker speaks version 2 of the protocol, the gateway 1"}"#]],
    );
    unavailable(
        Unavailable::Broken("the files are damaged".to_owned()),
        expect![[r#"
            503 Service Unavailable
            content-length: 114
            proxy-status: PostgREST; error=PGRST000
            {"code":"PGRST000","details":null,"hint":null,"message":"The database could not be opened: the files are damaged"}"#]],
    );
    let answers = |bytes: Vec<u8>, expected| {
        check(&router(vec![Ok(bytes)]), "GET /rest/v1/todos", expected);
    };
    answers(
        b"HTTP/1.1 400 Bad Request".to_vec(),
        expect![[r#"
        500 Internal Server Error
        content-length: 114
        proxy-status: PostgREST; error=PGRSTX00
        {"code":"PGRSTX00","details":null,"hint":null,"message":"the database answered a message 'H' of 1414811695 bytes"}"#]],
    );
    answers(
        database(&[])[..500].to_vec(),
        expect![[r#"
        500 Internal Server Error
        content-length: 92
        proxy-status: PostgREST; error=PGRSTX00
        {"code":"PGRSTX00","details":null,"hint":null,"message":"the database's answer ended early"}"#]],
    );
    answers(
        [error("XX000", "out of order"), ready()].concat(),
        expect![[r#"
            503 Service Unavailable
            retry-after: 1
            content-length: 144
            proxy-status: PostgREST; error=PGRST002
            {"code":"PGRST002","details":"ERROR: out of order (XX000)","hint":null,"message":"Could not query the database for the schema cache. Retrying."}"#]],
    );
    answers(
        database(&[&["pgrst.db_max_rows", "many"]]),
        expect![[r#"
        500 Internal Server Error
        content-length: 125
        proxy-status: PostgREST; error=GW500
        {"code":"GW500","details":"db-max-rows: expected a number of rows","hint":null,"message":"A setting of the project is wrong"}"#]],
    );
}

#[test]
fn nobodys_project_is_a_404_at_once() {
    check(
        &router(vec![Err(Unavailable::NoOwner)]),
        "GET /nobody/rest/v1/todos",
        expect![[r#"
            404 Not Found
            content-length: 82
            proxy-status: PostgREST; error=GW404
            {"code":"GW404","details":null,"hint":null,"message":"There is no project nobody"}"#]],
    );
}

#[test]
fn a_refused_token_is_refused_before_anything_runs() {
    let check = |headers: &str, expected: Expect| {
        let router = router(vec![Ok(database(&[]))]);
        check(&router, &format!("GET /rest/v1/todos{headers}"), expected);
        assert_eq!(router.world().asked.borrow().len(), 1);
    };
    check(
        "\nauthorization: Bearer x",
        expect![[r#"
        401 Unauthorized
        www-authenticate: Bearer error="invalid_token", error_description="Expected 3 parts in JWT; got 1"
        content-length: 89
        proxy-status: PostgREST; error=PGRST301
        {"code":"PGRST301","details":null,"hint":null,"message":"Expected 3 parts in JWT; got 1"}"#]],
    );
    check(
        "\napikey: nonsense",
        expect![[r#"
        401 Unauthorized
        www-authenticate: Bearer error="invalid_token", error_description="Expected 3 parts in JWT; got 1"
        content-length: 89
        proxy-status: PostgREST; error=PGRST301
        {"code":"PGRST301","details":null,"hint":null,"message":"Expected 3 parts in JWT; got 1"}"#]],
    );
    check(
        "\napikey: sb_secret_nonsense",
        expect![[r#"
        401 Unauthorized
        www-authenticate: Bearer error="invalid_token", error_description="Expected 3 parts in JWT; got 1"
        content-length: 89
        proxy-status: PostgREST; error=PGRST301
        {"code":"PGRST301","details":null,"hint":null,"message":"Expected 3 parts in JWT; got 1"}"#]],
    );
    let forged = keys().service_role.replace('.', ".e30");
    check(
        &format!("\nauthorization: Bearer {forged}"),
        expect![[r#"
        401 Unauthorized
        www-authenticate: Bearer error="invalid_token", error_description="No suitable key or wrong key type"
        content-length: 133
        proxy-status: PostgREST; error=PGRST301
        {"code":"PGRST301","details":"None of the keys was able to decode the JWT","hint":null,"message":"No suitable key or wrong key type"}"#]],
    );
}

#[test]
fn a_large_body_is_refused() {
    let config = Config {
        max_body_bytes: 10,
        ..Config::default()
    };
    let router = with_config(config, vec![Ok(database(&[]))]);
    check(
        &router,
        "POST /rest/v1/todos\n\n{\"id\": 1234}",
        expect![[r#"
            413 Payload Too Large
            content-length: 96
            proxy-status: PostgREST; error=GW413
            {"code":"GW413","details":null,"hint":null,"message":"The request body is larger than 10 bytes"}"#]],
    );
    let secret = keys().secret;
    check(
        &router,
        &format!("POST /pg/query\napikey: {secret}\n\n{{\"query\":\"\"}}"),
        expect![[r#"
            413 Payload Too Large
            content-length: 96
            proxy-status: PostgREST; error=GW413
            {"code":"GW413","details":null,"hint":null,"message":"The request body is larger than 10 bytes"}"#]],
    );
}

#[test]
fn only_the_secret_key_runs_sql() {
    let keys = keys();
    let router = router(vec![Ok(database(&[]))]);
    let check = |headers: &str, expected: Expect| {
        check(
            &router,
            &format!("POST /pg/query{headers}\n\n{{\"query\": \"select 1\"}}"),
            expected,
        );
    };
    check(
        "",
        expect![[r#"
        401 Unauthorized
        www-authenticate: Bearer
        content-length: 90
        proxy-status: PostgREST; error=GW401
        {"code":"GW401","details":null,"hint":null,"message":"SQL needs the project's secret key"}"#]],
    );
    check(
        &format!("\napikey: {}", keys.publishable),
        expect![[r#"
        403 Forbidden
        content-length: 127
        proxy-status: PostgREST; error=GW403
        {"code":"GW403","details":"The request is signed for the role anon","hint":null,"message":"SQL needs the project's secret key"}"#]],
    );
    check(
        &format!("\nauthorization: Bearer {}x", keys.service_role),
        expect![[r#"
            401 Unauthorized
            www-authenticate: Bearer error="invalid_token", error_description="No suitable key or wrong key type"
            content-length: 133
            proxy-status: PostgREST; error=PGRST301
            {"code":"PGRST301","details":"None of the keys was able to decode the JWT","hint":null,"message":"No suitable key or wrong key type"}"#]],
    );
    check(
        "\napikey: service_role",
        expect![[r#"
        401 Unauthorized
        www-authenticate: Bearer error="invalid_token", error_description="Expected 3 parts in JWT; got 1"
        content-length: 89
        proxy-status: PostgREST; error=PGRST301
        {"code":"PGRST301","details":null,"hint":null,"message":"Expected 3 parts in JWT; got 1"}"#]],
    );
    // Nothing but the loading of the project reached the database.
    assert_eq!(router.world().asked.borrow().len(), 1);
}

fn sql(answer: Vec<u8>, accept: &str, body: &str, expected: Expect) {
    let types = [rows(&["format_type"], &[&["text"]]), ready()].concat();
    let router = router(vec![
        Ok(database(&[])),
        Ok([answer, ready()].concat()),
        Ok(types),
    ]);
    let secret = keys().secret;
    let text = format!("POST /pg/query\napikey: {secret}{accept}\n\n{body}");
    check(&router, &text, expected);
}

#[test]
fn sql_answers_rows_or_results() {
    let results = "\naccept: application/vnd.gateway.results+json, */*;q=0.1";
    let query = r#"{"query": "select a"}"#;
    let two = || {
        [
            message(b'N', b"SNOTICE\0VNOTICE\0C00000\0Mhello\0\0"),
            rows(&["a", "b"], &[&["1", "2"], &["3", "4"]]),
            message(b'C', b"CREATE TABLE\0"),
        ]
        .concat()
    };
    sql(
        two(),
        "",
        query,
        expect![[r#"
        200 OK
        content-length: 37
        [{"a":"1","b":"2"},{"a":"3","b":"4"}]"#]],
    );
    sql(
        two(),
        results,
        query,
        expect![[r#"
        200 OK
        content-length: 259
        {"results":[{"command":"SELECT 2","columns":[{"name":"a","type":"text"},{"name":"b","type":"text"}],"rows":[["1","2"],["3","4"]]},{"command":"CREATE TABLE","columns":[],"rows":[]}],"notices":[{"severity":"NOTICE","message":"hello","detail":null,"hint":null}]}"#]],
    );
    let failed = || {
        [
            rows(&["a"], &[&["1"]]),
            error("42703", "column \"a\" does not exist"),
        ]
        .concat()
    };
    sql(
        failed(),
        "",
        query,
        expect![[r#"
        400 Bad Request
        content-length: 281
        {"error":"ERROR:  42703: column \"a\" does not exist\nLINE 1: select a\n               ^\n","formattedError":"ERROR:  42703: column \"a\" does not exist\nLINE 1: select a\n               ^\n","code":"42703","message":"column \"a\" does not exist","severity":"ERROR","position":"8"}"#]],
    );
    sql(
        failed(),
        results,
        query,
        expect![[r#"
        200 OK
        content-length: 223
        {"results":[{"command":"SELECT 1","columns":[{"name":"a","type":"text"}],"rows":[["1"]]}],"notices":[],"error":{"code":"42703","message":"column \"a\" does not exist","details":null,"hint":null,"position":8,"context":null}}"#]],
    );
    sql(
        message(b'I', b""),
        "",
        r#"{"query": ""}"#,
        expect![[r"
        200 OK
        content-length: 2
        []"]],
    );
    sql(
        vec![],
        "",
        "not json",
        expect![[r#"
        400 Bad Request
        content-length: 135
        proxy-status: PostgREST; error=GW400
        {"code":"GW400","details":"expected ident at line 1 column 2","hint":null,"message":"Expected a JSON object with the SQL as \"query\""}"#]],
    );
    sql(
        vec![],
        "",
        r#"{"sql": "select 1"}"#,
        expect![[r#"
        400 Bad Request
        content-length: 143
        proxy-status: PostgREST; error=GW400
        {"code":"GW400","details":"missing field `query` at line 1 column 19","hint":null,"message":"Expected a JSON object with the SQL as \"query\""}"#]],
    );
    sql(
        vec![],
        "",
        r#"{"query": "select '\u0000'"}"#,
        expect![[r#"
        400 Bad Request
        content-length: 105
        proxy-status: PostgREST; error=22021
        {"code":"22021","details":null,"hint":null,"message":"invalid byte sequence for encoding \"UTF8\": 0x00"}"#]],
    );
}

#[test]
fn the_gateways_page_sees_the_keys() {
    let size = [rows(&["size", "version"], &[&["8000000", "18.1"]]), ready()].concat();
    let router = router(vec![Ok(database(&[])), Ok(size)]);
    let mut request = request("GET /gateway/status");
    request.extensions_mut().insert(Trusted);
    let shown = show(block_on(router.handle(request)));
    let keys = keys();
    let shown = shown
        .replace(&keys.anon, "ANON")
        .replace(&keys.service_role, "SERVICE");
    expect![[r#"
        200 OK
        cache-control: no-store
        content-length: 912
        {"version":"0.1.0","project":"default","owner":null,"storage":null,"database_size":8000000,"memory":{"wasm":null},"postgres_version":"18.1","keys":{"publishable":"sb_publishable_BwcHBwcHBwcHBwcHBwcHBw_BwcHBwcH","secret":"sb_secret_BwcHBwcHBwcHBwcHBwcHBw_BwcHBwcH","anon":"ANON","service_role":"SERVICE","jwt_secret":"BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBw","s3_access_key_id":"efc99306e92549004650d3b2ce581e9d","s3_secret_access_key":"6cf038b129a3fc3aee0664b79726f2153005537bf97630e34df1c9b1557d8aa7"}}"#]].assert_eq(&shown);
}

#[test]
fn a_key_may_stand_in_the_query_string() {
    let router = router(vec![Ok(database(&[]))]);
    let wrong = block_on(router.handle(request("GET /rest/v1/?apikey=x")));
    assert!(show(wrong).contains("PGRST301"));
}

#[test]
fn graphql_is_in_its_own_schema_by_any_method() {
    for request in [
        "GET /graphql/v1?query=x",
        "POST /graphql/v1\n\n{\"query\":\"x\"}",
    ] {
        let router = router(vec![Ok(database(&[]))]);
        let answer = show(block_on(router.handle(self::request(request))));
        assert!(answer.contains("graphql_public.graphql"), "{answer}");
    }
}

#[test]
fn requests_share_one_load() {
    let router = router(vec![Ok(database(&[]))]);
    let wrong = || router.handle(request("GET /rest/v1/todos\napikey: x"));
    let answers = block_on(future::join3(wrong(), wrong(), wrong()));
    for answer in [answers.0, answers.1, answers.2] {
        assert!(show(answer).contains("PGRST301"));
    }
    assert_eq!(router.world().asked.borrow().len(), 1);
}

#[test]
fn a_request_after_a_reload_sees_what_is_new() {
    let max_rows = |rows: &str| Ok(database(&[&["pgrst.db_max_rows", rows]]));
    let router = router(vec![
        max_rows("1"),
        max_rows("2"),
        max_rows("3"),
        Ok([&error("XX000", "cache lookup failed")[..], &ready()].concat()),
        Err(Unavailable::Deadline),
        max_rows("5"),
    ]);
    let project = || async {
        router
            .project("default")
            .await
            .map(|project| project.config.db_max_rows.unwrap())
    };
    block_on(async {
        assert_eq!(project().await, Ok(1));
        router.notified("default", "pgrst", "nonsense");
        router.notified("default", "other", "reload schema");
        router.notified("another", "pgrst", "reload schema");
        assert_eq!(project().await, Ok(1));
        // The first of these asks; the notification comes while the answer is on its way, so that
        // the second has to ask again.
        router.connected("default");
        let late = async {
            router.notified("default", "pgrst", "reload schema");
            project().await
        };
        assert_eq!(future::join(project(), late).await, (Ok(2), Ok(3)));
        // What cannot be read again is served as it was, until it can.
        router.notified("default", "pgrst", "");
        assert_eq!(project().await, Ok(3));
        // What does not answer is not served at all.
        assert_eq!(
            project().await.map_err(|error| error.status.as_u16()),
            Err(503)
        );
        assert_eq!(project().await, Ok(5));
        assert_eq!(project().await, Ok(5));
    });
    assert_eq!(router.world().asked.borrow().len(), 6);
}

/// Loads a project in a new life of the gateway: what it kept then, and how many exchanges that
/// took.
fn woken(kept: Option<&Bytes>, answers: Vec<Vec<u8>>) -> (Option<Bytes>, usize) {
    let router = router(answers.into_iter().map(Ok).collect());
    router.world().kept.replace(kept.cloned());
    block_on(router.project(DEFAULT_PROJECT)).unwrap();
    let world = router.world();
    let asked = world.asked.borrow().len();
    (world.kept.borrow().clone(), asked)
}

#[test]
fn a_schema_that_was_kept_is_taken_while_it_is_so() {
    let known = |state: &str| [known_database(&[], state), ready()].concat();
    let facts = [
        message(b'C', b"SELECT 1\0"),
        rows(&["facts"], &[&[NOTHING]]),
        ready(),
    ]
    .concat();
    let (kept, asked) = woken(None, vec![database(&[])]);
    assert_eq!(asked, 1);
    // The same state, whoever asks: no facts are told.
    assert_eq!(
        woken(kept.as_ref(), vec![known("a state")]),
        (kept.clone(), 1)
    );
    // Another one: they are asked for, and kept in place of the others.
    let changed = [rows(&["state"], &[&["another"]]), facts.clone()].concat();
    let (later, asked) = woken(kept.as_ref(), vec![known("another"), changed]);
    assert_eq!(asked, 2);
    assert_ne!(later, kept);
    assert_eq!(woken(later.as_ref(), vec![known("another")]).1, 1);
    // What was damaged is asked for again.
    for damaged in [
        Bytes::new(),
        Bytes::from_static(b"x"),
        kept.unwrap().slice(..40),
    ] {
        let whole = [rows(&["state"], &[&["a state"]]), facts.clone()].concat();
        let answers = match damaged.len() {
            40 => vec![known("a state"), whole],
            _ => vec![database(&[])],
        };
        let count = answers.len();
        assert_eq!(woken(Some(&damaged), answers).1, count);
    }
}

#[test]
fn a_schema_of_other_settings_is_asked_for_in_full() {
    let settings: &[&[&str]] = &[&["pgrst.db_schemas", "api"]];
    let state = || rows(&["state"], &[&["a state"]]);
    let facts = [
        state(),
        message(b'C', b"SELECT 1\0"),
        rows(&["facts"], &[&[NOTHING]]),
        ready(),
    ]
    .concat();
    let (kept, asked) = woken(None, vec![database(settings), facts]);
    assert_eq!(asked, 2);
    // And then is known in one.
    let known = [known_database(settings, "a state"), ready()].concat();
    assert_eq!(woken(kept.as_ref(), vec![known]).1, 1);
}

#[test]
fn settings_in_the_database_count() {
    let settings: &[&[&str]] = &[
        &["pgrst.db_max_rows", "7"],
        &["pgrst.of_another_version", "x"],
        &["pgrst.app.settings.some_key", "a_b"],
        &["pgrst.db_max_rows", "8"],
    ];
    let router = router(vec![Ok(database(settings))]);
    let project = block_on(router.project(DEFAULT_PROJECT)).unwrap();
    assert_eq!(project.config.db_max_rows, Some(8));
    let app_settings = [("app.settings.some_key".to_owned(), "a_b".to_owned())];
    assert_eq!(project.config.app_settings, app_settings);
}

#[test]
fn a_database_of_somebody_else_has_no_keys() {
    let database = database(&[]);
    let end_of_secrets = database
        .windows(6)
        .position(|bytes| bytes == ready())
        .unwrap();
    let missing = error("42P01", "relation \"gateway.settings\" does not exist");
    let foreign = [&missing[..], &database[end_of_secrets..]].concat();
    let config = Config {
        jwt_secret: Some("a secret of at least 32 characters".to_owned()),
        ..Config::default()
    };
    let router = with_config(config, vec![Ok(foreign)]);
    let project = block_on(router.project(DEFAULT_PROJECT)).unwrap();
    assert_eq!(project.keys, None);
    assert!(project.verifier.keys.is_some());
}
