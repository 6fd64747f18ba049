//! Tables of requests: what they address, and how what is wrong is worded.

use http::Request;
use serde_json::Value;

use super::*;
use crate::{
    ApiError,
    config::OpenApiMode::{Disabled, FollowPrivileges},
};

fn parse_as(
    config: &Config,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Result<RestRequest, RequestError> {
    let mut request = Request::builder().method(method).uri(target);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let (parts, ()) = request.body(()).unwrap().into_parts();
    let path = parts.uri.path().to_owned();
    RestRequest::parse(
        &parts,
        Bytes::copy_from_slice(body.as_bytes()),
        &path,
        config,
    )
}

fn parse(
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
) -> Result<RestRequest, RequestError> {
    parse_as(&Config::default(), method, target, headers, "{}")
}

/// `status code message | details | hint`
fn refusal(method: &str, target: &str, headers: &[(&str, &str)]) -> String {
    let error = match parse(method, target, headers) {
        Ok(request) => return format!("{:?} of {:?}", request.action, request.resource),
        Err(error) => ApiError::from(error),
    };
    let mut shown = format!("{} {} {}", error.status.as_u16(), error.code, error.message);
    if let Some(Value::String(details)) = error.details {
        shown = format!("{shown} | {details}");
    }
    if let Some(hint) = error.hint {
        shown = format!("{shown} | {hint}");
    }
    shown
}

#[test]
fn paths_and_methods() {
    let table = [
        ("GET", "/", "Describe { head: false } of Root"),
        ("HEAD", "/", "Describe { head: true } of Root"),
        ("POST", "/", "405 PGRST117 Unsupported HTTP method: POST"),
        (
            "GET",
            "/to%20do%2F",
            r#"Read { head: false } of Relation("to do/")"#,
        ),
        ("POST", "/todos", r#"Insert of Relation("todos")"#),
        ("PUT", "/todos", r#"SingleUpsert of Relation("todos")"#),
        ("PATCH", "/todos", r#"Update of Relation("todos")"#),
        ("DELETE", "/todos", r#"Delete of Relation("todos")"#),
        ("OPTIONS", "/todos", r#"Info of Relation("todos")"#),
        (
            "TRACE",
            "/todos",
            "405 PGRST117 Unsupported HTTP method: TRACE",
        ),
        (
            "HEAD",
            "/rpc/f",
            r#"Call { read: true, head: true } of Routine("f")"#,
        ),
        (
            "POST",
            "/rpc/f",
            r#"Call { read: false, head: false } of Routine("f")"#,
        ),
        (
            "PATCH",
            "/rpc/f",
            "405 PGRST101 Cannot use the PATCH method on RPC",
        ),
        (
            "GET",
            "/todos/",
            "404 PGRST125 Invalid path specified in request URL",
        ),
        (
            "GET",
            "/a/b",
            "404 PGRST125 Invalid path specified in request URL",
        ),
        (
            "GET",
            "/rpc/f/g",
            "404 PGRST125 Invalid path specified in request URL",
        ),
        (
            "GET",
            "/a%00b",
            "404 PGRST125 Invalid path specified in request URL",
        ),
    ];
    for (method, target, expected) in table {
        assert_eq!(refusal(method, target, &[]), expected, "{method} {target}");
    }
}

#[test]
fn profiles() {
    let chosen = |method, headers| {
        let request = parse(method, "/todos", headers).unwrap();
        (request.schema, request.profile_chosen)
    };
    assert_eq!(chosen("GET", &[]), ("public".to_owned(), true));
    let graphql = ("graphql_public".to_owned(), true);
    assert_eq!(
        chosen("GET", &[("accept-profile", "graphql_public")]),
        graphql
    );
    assert_eq!(
        chosen("POST", &[("content-profile", "graphql_public")]),
        graphql
    );
    assert_eq!(
        refusal("GET", "/todos", &[("accept-profile", "unknown")]),
        "406 PGRST106 Invalid schema: unknown | Only the following schemas are exposed: public, \
         graphql_public"
    );
    let one = Config {
        db_schemas: vec!["test".to_owned()],
        ..Config::default()
    };
    let request = parse_as(&one, "GET", "/todos", &[], "").unwrap();
    assert_eq!(
        (request.schema.as_str(), request.profile_chosen),
        ("test", false)
    );
}

type Expected = Result<(u64, Option<u64>), &'static str>;

#[test]
fn ranges() {
    let negative = "416 PGRST103 Requested range not satisfiable | Limit should be greater than \
                    or equal to zero.";
    let table: [(&str, &str, &str, Expected); 19] = [
        ("GET", "", "", Ok((0, None))),
        ("GET", "limit=3&offset=2", "", Ok((2, Some(3)))),
        ("GET", "limit=5&offset=1", "0-2", Ok((1, Some(2)))),
        ("GET", "", "1-2", Ok((1, Some(2)))),
        ("GET", "", "3-", Ok((3, None))),
        ("GET", "", "items=0-1", Ok((0, None))),
        ("HEAD", "", "5-2", Ok((0, None))),
        (
            "GET",
            "",
            "1-0",
            Err(
                "416 PGRST103 Requested range not satisfiable | The lower boundary must be lower \
                 than or equal to the upper boundary in the Range header.",
            ),
        ),
        ("GET", "limit=0", "", Ok((0, Some(0)))),
        ("GET", "limit=0", "5-2", Ok((0, Some(0)))),
        ("GET", "limit=-1", "", Err(negative)),
        ("GET", "limit=0&offset=5", "", Err(negative)),
        ("GET", "offset=5", "0-1", Err(negative)),
        ("GET", "offset=-4", "", Ok((0, None))),
        ("GET", "offset=-4&limit=10", "", Ok((0, Some(6)))),
        ("GET", "offset=-4&limit=2", "", Err(negative)),
        ("GET", "limit=many", "", Ok((0, None))),
        ("GET", "limit=many&offset=1", "", Err(negative)),
        (
            "PUT",
            "offset=1",
            "",
            Err("400 PGRST114 limit/offset querystring parameters are not allowed for PUT"),
        ),
    ];
    for (method, query, header, expected) in table {
        let target = format!("/todos?{query}");
        let headers: &[_] = if header.is_empty() {
            &[]
        } else {
            &[("range", header)]
        };
        match expected {
            Ok((offset, limit)) => assert_eq!(
                parse(method, &target, headers).map(|request| request.range),
                Ok(RequestedRange { offset, limit }),
                "{target} {header}"
            ),
            Err(message) => assert_eq!(refusal(method, &target, headers), message, "{target}"),
        }
    }
}

#[test]
fn headers_and_cookies() {
    let request = parse(
        "GET",
        "/todos",
        &[("X-One", "1"), ("Cookie", "a=b; c=d=e;; f"), ("x-one", "2")],
    )
    .unwrap();
    let pair = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    assert_eq!(request.headers, [("x-one", "1"), ("x-one", "2")].map(pair));
    assert_eq!(
        request.cookies,
        [("a", "b"), ("c", "d=e"), ("f", "")].map(pair)
    );
}

#[test]
fn arguments_come_by_get_only() {
    let request = parse("GET", "/rpc/f?a=1&b.c=2&d=eq.3&select=x", &[]).unwrap();
    let pair = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    assert_eq!(request.query.parameters, [("a", "1"), ("c", "2")].map(pair));
    assert_eq!(request.query.filters.len(), 1);
    assert_eq!(
        refusal("POST", "/rpc/f?name=John", &[]),
        "400 PGRST100 \"failed to parse filter (John)\" (line 1, column 1) | unexpected \"J\" \
         expecting \"not\" or operator (eq, gt, ...)"
    );
}

#[test]
fn the_root_can_be_a_function_or_off() {
    let with = |mode, function: Option<&str>| Config {
        openapi_mode: mode,
        db_root_spec: function.map(str::to_owned),
        ..Config::default()
    };
    let root = |config: &Config| parse_as(config, "GET", "/", &[], "").map(|root| root.resource);
    assert_eq!(
        root(&with(FollowPrivileges, Some("root"))),
        Ok(Resource::Routine("root".to_owned()))
    );
    assert_eq!(
        root(&with(Disabled, Some("api.root"))),
        Ok(Resource::Routine("root".to_owned()))
    );
    assert_eq!(root(&with(Disabled, None)), Err(RequestError::RootDisabled));
    assert_eq!(root(&with(FollowPrivileges, None)), Ok(Resource::Root));
}
