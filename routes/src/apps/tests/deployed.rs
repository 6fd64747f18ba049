//! What is deployed: each request with its answer, against a database, files and a worker of our own.

use bytes::Bytes;
use expect_test::{Expect, expect};
use futures::executor::block_on;
use http::{Request, StatusCode};
use serde_json::Value;

use super::fixture::*;
use crate::{
    Body, Handled, Router,
    bundle::tests::{file, zip},
    router::{Client, Guest, INTERNAL, Trusted},
    world::Unavailable,
};

fn check(router: &Router<Fake>, request: Request<Body>, expected: Expect) {
    expected.assert_eq(&show(router, request));
}

fn form(method: &str, path: &str, settings: &str, zip: &[u8]) -> Request<Body> {
    let mut body = format!(
        "--x\r\nContent-Disposition: form-data; name=\"app\"\r\n\r\n{settings}\r\n--x\r\n\
         Content-Disposition: form-data; name=\"bundle\"; filename=\"a.zip\"\r\n\
         Content-Type: application/zip\r\n\r\n"
    )
    .into_bytes();
    body.extend(zip);
    body.extend(b"\r\n--x--\r\n");
    let head = format!("{method} {path}\ncontent-type: multipart/form-data; boundary=x");
    let mut request = trusted(&head);
    let chunks: Vec<_> = body
        .chunks(11)
        .map(|chunk| Ok(Bytes::copy_from_slice(chunk)))
        .collect();
    *request.body_mut() = Body::Stream(Box::pin(futures::stream::iter(chunks)));
    request
}

fn json(router: &Router<Fake>, request: Request<Body>) -> Value {
    serde_json::from_str(&answer(router, request).1).unwrap()
}

fn pretty(text: &str) -> String {
    let value: Value = serde_json::from_str(text).unwrap();
    serde_json::to_string_pretty(&value).unwrap()
}

#[test]
fn an_application_is_deployed_without_a_machine() {
    let router = router();
    check(
        &router,
        trusted("GET /gateway/apps"),
        expect![[r"
        200 OK
        content-type: application/json; charset=utf-8
        []"]],
    );
    let bytes = zip(&[file("site/server.js", "1"), file("site/lib/a.js", "2")]);
    let settings = r#"{"runtime":"node","env":{"MODE":"x","API_KEY":"k"},"autostart":true}"#;
    let (head, body) = answer(&router, form("PUT", "/gateway/apps/shop", settings, &bytes));
    assert_eq!(head.status, StatusCode::CREATED, "{body}");
    expect![[r#"
        {
          "name": "shop",
          "runtime": "node",
          "entry": "server.js",
          "command": [],
          "port": 8001,
          "env": {
            "API_KEY": "********",
            "MODE": "x"
          },
          "limits": {
            "memory_mib": 256,
            "processes": 128,
            "nice": 0
          },
          "autostart": true,
          "start_deadline_s": 120,
          "state": "unloaded",
          "process": null,
          "url": "/app/shop/",
          "role": "app_shop",
          "bundle": {
            "sha256": "55189702e025494049c5ffdf86021e69d70767c91f334a6e794cc1b860e0b1d8",
            "bytes": 3584,
            "files": 2
          },
          "created_at": "2023-11-14T22:13:20+00:00",
          "updated_at": "2023-11-14T22:13:20+00:00"
        }"#]]
    .assert_eq(&pretty(&body));
    let stored = router.world().files.files.borrow().len();
    assert_eq!(stored, 1);
    assert_eq!(
        json(&router, trusted("GET /gateway/apps/shop")),
        serde_json::from_str::<Value>(&body).unwrap()
    );
    assert_eq!(
        json(&router, trusted("GET /gateway/apps"))
            .as_array()
            .unwrap()
            .len(),
        1
    );
    assert!(
        asked(&router)
            .iter()
            .all(|line| line == "GET /apps wake=false")
    );
}

#[test]
fn a_new_version_takes_the_place_of_the_old_one() {
    let router = router();
    deploy(&router, "shop");
    let first = router.world().rows.borrow()["shop"].clone();
    let bytes = zip(&[file("index.js", "other")]);
    let (head, body) = answer(
        &router,
        form(
            "PUT",
            "/gateway/apps/shop",
            r#"{"entry":"index.js"}"#,
            &bytes,
        ),
    );
    assert_eq!(head.status, StatusCode::OK, "{body}");
    let second = router.world().rows.borrow()["shop"].clone();
    assert_eq!(first["settings"]["port"], second["settings"]["port"]);
    assert_eq!(first["role_password"], second["role_password"]);
    assert_ne!(first["bundle"]["sha256"], second["bundle"]["sha256"]);
    let files: Vec<_> = router
        .world()
        .files
        .files
        .borrow()
        .keys()
        .cloned()
        .collect();
    assert_eq!(files, [second["bundle"]["file"].as_str().unwrap()]);
    // What cannot be taken leaves everything as it was.
    let refused = form(
        "PUT",
        "/gateway/apps/shop",
        r#"{"entry":"gone.js"}"#,
        &bytes,
    );
    assert_eq!(answer(&router, refused).0.status, StatusCode::BAD_REQUEST);
    let refused = form("PUT", "/gateway/apps/shop", "{}", b"no zip");
    assert_eq!(answer(&router, refused).0.status, StatusCode::BAD_REQUEST);
    assert_eq!(router.world().rows.borrow()["shop"], second);
    assert_eq!(router.world().files.files.borrow().len(), 1);
}

#[test]
fn ports_are_each_applications_own() {
    let router = router();
    for name in ["a", "b", "c"] {
        deploy(&router, name);
    }
    let port = |name: &str| router.world().rows.borrow()[name]["settings"]["port"].as_u64();
    assert_eq!(
        ["a", "b", "c"].map(port),
        [Some(8001), Some(8002), Some(8003)]
    );
    let bytes = zip(&[file("server.js", "")]);
    let taken = form(
        "PUT",
        "/gateway/apps/d",
        r#"{"runtime":"node","port":8002}"#,
        &bytes,
    );
    check(
        &router,
        taken,
        expect![[r#"
        409 Conflict
        content-type: application/json; charset=utf-8
        {"code":"GW409","details":null,"hint":"Leave port out, and a free one is chosen","message":"Another application has this port"}"#]],
    );
    // Nothing of it stays.
    assert_eq!(router.world().files.files.borrow().len(), 3);
}

#[test]
fn what_runs_is_started_again_with_its_new_version() {
    let router = router();
    deploy(&router, "shop");
    worker(&router, |asked| {
        Ok(match asked.line.as_str() {
            "GET /apps" => response(200, "", r#"[{"name":"shop","state":"running","pid":7}]"#),
            _ => response(200, "", "{}"),
        })
    });
    let bytes = zip(&[file("server.js", "2")]);
    let shown = json(&router, form("PUT", "/gateway/apps/shop", "{}", &bytes));
    assert_eq!(
        (&shown["state"], &shown["process"]["pid"]),
        (&"running".into(), &7.into())
    );
    let restarted = "POST /apps/shop/restart wake=false".to_owned();
    assert!(asked(&router).contains(&restarted));
    let mut patch = trusted("PATCH /gateway/apps/shop");
    *patch.body_mut() = Body::from(r#"{"env":{"A":"b"}}"#.to_owned());
    assert_eq!(json(&router, patch)["env"]["A"], "b");
    let all = router.world().asked.take();
    let restart = all
        .iter()
        .find(|asked| asked.line == "POST /apps/shop/restart")
        .unwrap();
    let spec: Value = serde_json::from_str(&restart.body).unwrap();
    assert_eq!(spec["env"]["A"], "b");
    // What changes nothing restarts nothing.
    let mut patch = trusted("PATCH /gateway/apps/shop");
    *patch.body_mut() = Body::from("{}".to_owned());
    answer(&router, patch);
    assert!(!asked(&router).contains(&restarted));
}

#[test]
fn the_worker_is_told_all_it_needs_and_no_secret_key() {
    let router = router();
    deploy(&router, "shop");
    worker(&router, |_| Ok(response(200, "", "[]")));
    answer(&router, trusted("POST /gateway/apps/shop/start"));
    let all = router.world().asked.take();
    assert_eq!(
        (all[0].line.as_str(), all[0].wake),
        ("POST /apps/shop/start", true)
    );
    assert_eq!(
        all[0].headers["x-gateway-vm"],
        r#"{"engine":"v86","memory":512,"outbound":{"allow":[]},"runtimes":[]}"#
    );
    let keys = keys();
    let spec = all[0]
        .body
        .replace(&keys.anon, "<anon>")
        .replace(&keys.publishable, "<publishable>");
    assert!(!spec.contains(&keys.secret) && !spec.contains(&keys.service_role));
    expect![[r#"
        {
          "name": "shop",
          "runtime": "node",
          "entry": "server.js",
          "command": [],
          "port": 8001,
          "env": {
            "DATABASE_URL": "postgres://app_shop:DQ0NDQ0NDQ0NDQ0NDQ0NDQ0NDQ0NDQ0N@localhost:5432/postgres",
            "SUPABASE_ANON_KEY": "<anon>",
            "SUPABASE_PUBLISHABLE_KEY": "<publishable>",
            "SUPABASE_URL": "http://localhost:5173"
          },
          "limits": {
            "memory_mib": 256,
            "processes": 128,
            "nice": 0
          },
          "autostart": false,
          "start_deadline_s": 120,
          "layers": [
            "node"
          ],
          "bundle": "ea602c67080ceafdcdf772e17125bc3d0861909fc41df8356da4428aa38fa8e8",
          "bundle_bytes": 2048,
          "role": "app_shop",
          "role_password": "DQ0NDQ0NDQ0NDQ0NDQ0NDQ0NDQ0NDQ0N"
        }"#]].assert_eq(&pretty(&spec));
}

#[test]
fn an_application_is_deleted_with_all_that_is_its_own() {
    let router = router();
    deploy(&router, "shop");
    check(
        &router,
        trusted("DELETE /gateway/apps/shop"),
        expect![[r#"
        200 OK
        content-type: application/json; charset=utf-8
        {"name":"shop","kept":["app_shop.orders"]}"#]],
    );
    assert_eq!(asked(&router), ["DELETE /apps/shop wake=false"]);
    assert!(router.world().rows.borrow().is_empty());
    assert!(router.world().files.files.borrow().is_empty());
    check(
        &router,
        trusted("DELETE /gateway/apps/shop"),
        expect![[r#"
        404 Not Found
        content-type: application/json; charset=utf-8
        {"code":"GW404","details":null,"hint":null,"message":"There is no application shop"}"#]],
    );
    // Where the worker does not answer, nothing is deleted that it may still run.
    deploy(&router, "shop");
    worker(&router, |_| Err(Unavailable::Deadline));
    check(
        &router,
        trusted("DELETE /gateway/apps/shop"),
        expect![[r#"
        503 Service Unavailable
        retry-after: 1
        content-type: application/json; charset=utf-8
        {"code":"GW503","details":null,"hint":null,"message":"The virtual machine's worker did not answer in time"}"#]],
    );
    assert_eq!(router.world().rows.borrow().len(), 1);
}

#[test]
fn what_runs_is_started_stopped_and_listened_to() {
    let router = router();
    deploy(&router, "shop");
    check(
        &router,
        trusted("POST /gateway/apps/shop/start"),
        expect![[r#"
            503 Service Unavailable
            retry-after: 1
            content-type: application/json; charset=utf-8
            {"code":"GW503","details":null,"hint":null,"message":"No tab is open that could run the virtual machine"}"#]],
    );
    let state = |request| json(&router, request)["state"].clone();
    assert_eq!(state(trusted("POST /gateway/apps/shop/stop")), "unloaded");
    check(
        &router,
        trusted("GET /gateway/apps/shop/logs"),
        expect![[r"
            200 OK
            content-type: application/x-ndjson
            cache-control: no-store
        "]],
    );
    check(
        &router,
        trusted("GET /gateway/apps/shop/logs?follow=true"),
        expect![[r"
            200 OK
            content-type: text/event-stream
            cache-control: no-store
            retry: 2000

        "]],
    );
    router.world().asked.take();
    worker(&router, |asked| match asked.line.as_str() {
        "GET /apps" => Ok(response(200, "", r#"[{"name":"shop","state":"stopped"}]"#)),
        "POST /apps/shop/start" => Ok(response(
            424,
            "x-gateway-failure: runtime-missing",
            r#"{"message":"Node.js is not installed","missing":["node"]}"#,
        )),
        "GET /apps/shop/logs?follow=false&tail=3" => Ok(response(
            200,
            "content-type: application/x-ndjson\nx-gateway-y: 1",
            "{\"line\":\"hello\"}\n",
        )),
        _ => Ok(response(200, "", "{}")),
    });
    assert_eq!(state(trusted("POST /gateway/apps/shop/stop")), "stopped");
    check(
        &router,
        trusted("POST /gateway/apps/shop/start"),
        expect![[r#"
            424 Failed Dependency
            content-type: application/json; charset=utf-8
            cache-control: no-store
            {"message":"Node.js is not installed","missing":["node"],"code":"runtime-missing"}"#]],
    );
    check(
        &router,
        trusted("GET /gateway/apps/shop/logs?tail=3"),
        expect![[r#"
            200 OK
            content-type: application/x-ndjson
            {"line":"hello"}
        "#]],
    );
    check(
        &router,
        trusted("GET /gateway/apps/shop/logs?tail=x"),
        expect![[r#"
            400 Bad Request
            content-type: application/json; charset=utf-8
            {"code":"GW400","details":null,"hint":null,"message":"tail is a number"}"#]],
    );
    let gets = router.world().asked.take();
    assert!(
        gets.iter()
            .all(|asked| !asked.wake || asked.line.starts_with("POST"))
    );
}

#[test]
fn what_makes_no_sense_is_refused() {
    let router = router();
    deploy(&router, "shop");
    check(
        &router,
        trusted("PUT /gateway/apps/Shop"),
        expect![[r#"
        400 Bad Request
        content-type: application/json; charset=utf-8
        {"code":"GW400","details":null,"hint":"A name is small letters, digits and dashes, at most 63, and does not begin with a dash","message":"\"Shop\" is no name of an application"}"#]],
    );
    check(
        &router,
        trusted("PUT /gateway/apps/..%2fx"),
        expect![[r#"
        400 Bad Request
        content-type: application/json; charset=utf-8
        {"code":"GW400","details":null,"hint":"A name is small letters, digits and dashes, at most 63, and does not begin with a dash","message":"\"..%2fx\" is no name of an application"}"#]],
    );
    check(
        &router,
        trusted("PUT /gateway/apps/x\ncontent-type: text/plain"),
        expect![[r#"
            400 Bad Request
            content-type: application/json; charset=utf-8
            {"code":"GW400","details":null,"hint":null,"message":"Send multipart/form-data with the fields app and bundle, or application/zip"}"#]],
    );
    check(
        &router,
        form("PUT", "/gateway/apps/x", "{}", &zip(&[file("a", "")])),
        expect![[r#"
            400 Bad Request
            content-type: application/json; charset=utf-8
            {"code":"GW400","details":null,"hint":null,"message":"runtime is one of static, node, nextjs, python and command"}"#]],
    );
    check(
        &router,
        form(
            "PUT",
            "/gateway/apps/x",
            r#"{"runtime":"static"}"#,
            &zip(&[file("../a", "")]),
        ),
        expect![[r#"
            400 Bad Request
            content-type: application/json; charset=utf-8
            {"code":"GW400","details":null,"hint":null,"message":"\"../a\" cannot be unpacked: a part of its name is empty, . or .."}"#]],
    );
    check(
        &router,
        trusted("GET /gateway/apps/none"),
        expect![[r#"
        404 Not Found
        content-type: application/json; charset=utf-8
        {"code":"GW404","details":null,"hint":null,"message":"There is no application none"}"#]],
    );
    check(
        &router,
        trusted("POST /gateway/apps/none/start"),
        expect![[r#"
            404 Not Found
            content-type: application/json; charset=utf-8
            {"code":"GW404","details":null,"hint":null,"message":"There is no application none"}"#]],
    );
    check(
        &router,
        trusted("POST /gateway/apps/shop"),
        expect![[r#"
        405 Method Not Allowed
        allow: OPTIONS,GET,HEAD,PUT,PATCH,DELETE
        content-type: application/json; charset=utf-8
        {"code":"GW405","details":null,"hint":null,"message":"This method is not allowed here"}"#]],
    );
    check(
        &router,
        trusted("GET /gateway/apps/shop/start"),
        expect![[r#"
            405 Method Not Allowed
            allow: OPTIONS,POST
            content-type: application/json; charset=utf-8
            {"code":"GW405","details":null,"hint":null,"message":"This method is not allowed here"}"#]],
    );
    check(
        &router,
        trusted("GET /gateway/apps/shop/x"),
        expect![[r#"
        404 Not Found
        content-type: application/json; charset=utf-8
        {"code":"GW404","details":null,"hint":null,"message":"There is no application /shop/x"}"#]],
    );
    check(
        &router,
        trusted("GET /gateway/apps/shop/bundle/x"),
        expect![[r#"
            404 Not Found
            content-type: application/json; charset=utf-8
            {"code":"GW404","details":null,"hint":null,"message":"There is no application /shop/bundle/x"}"#]],
    );
    check(
        &router,
        trusted("DELETE /gateway/apps"),
        expect![[r#"
        405 Method Not Allowed
        allow: OPTIONS,GET,HEAD
        content-type: application/json; charset=utf-8
        {"code":"GW405","details":null,"hint":null,"message":"This method is not allowed here"}"#]],
    );
}

#[test]
fn only_the_page_and_the_secret_key_manage() {
    let router = router();
    deploy(&router, "shop");
    let keys = keys();
    let status = |request: Request<Body>| answer(&router, request).0.status.as_u16();
    for path in [
        "/gateway/apps",
        "/gateway/apps/shop",
        "/gateway/apps/shop/logs",
        "/gateway/vm",
        "/gateway/vm/settings",
        "/gateway/vm/events",
    ] {
        let with = |key: &str| request(&format!("GET {path}\napikey: {key}"));
        assert_eq!(status(request(&format!("GET {path}"))), 401, "{path}");
        assert_eq!(status(with(&keys.publishable)), 403, "{path}");
        assert_eq!(status(with(&keys.secret)), 200, "{path}");
        assert_eq!(
            status(from_page(&format!("GET {path}"), "/app/shop/")),
            401,
            "{path}"
        );
        let mut internal = request(&format!("GET {path}\n{INTERNAL}: 1"));
        assert_eq!(status(internal), 401, "{path}");
        internal = trusted(&format!("GET {path}"));
        internal.extensions_mut().insert(Guest);
        internal.extensions_mut().insert(Client("page".to_owned()));
        assert_eq!(status(internal), 404, "{path}");
        let mut keyed = with(&keys.secret);
        keyed.extensions_mut().insert(Guest);
        assert_eq!(status(keyed), 404, "{path}");
    }
}

#[test]
fn programs_inside_see_nothing_of_the_gateway() {
    let router = router();
    deploy(&router, "shop");
    let sha256 = router.world().rows.borrow()["shop"]["bundle"]["sha256"].clone();
    let sha256 = sha256.as_str().unwrap();
    let bundle = format!("/gateway/apps/shop/bundle/{sha256}");
    let status = |text: &str, guest: bool| {
        let mut request = request(text);
        if guest {
            request.extensions_mut().insert(Guest);
            request.extensions_mut().insert(Trusted);
        }
        answer(&router, request).0.status.as_u16()
    };
    for path in [
        "/gateway/status",
        "/gateway/outbox",
        "/gateway/vm",
        "/gateway/apps",
        "/gateway/wake",
        "/gateway/shim.js",
        &bundle,
    ] {
        assert_eq!(status(&format!("GET {path}"), true), 404, "{path}");
    }
    for path in [
        "/gateway/status",
        "/gateway/outbox",
        "/gateway/vm",
        "/gateway/shim.js",
    ] {
        assert_eq!(
            status(&format!("GET {path}\n{INTERNAL}: 1"), true),
            404,
            "{path}"
        );
    }
    // The worker itself.
    assert_eq!(status(&format!("GET {bundle}\n{INTERNAL}: 1"), true), 200);
    assert_eq!(
        status(&format!("GET /gateway/wake\n{INTERNAL}: 1"), true),
        204
    );
    assert_eq!(
        status(&format!("PUT /gateway/apps/shop\n{INTERNAL}: 1"), true),
        405
    );
    // A page that says it is the worker.
    assert_eq!(status(&format!("GET {bundle}\n{INTERNAL}: 1"), false), 401);
}

#[test]
fn the_worker_fetches_what_it_runs() {
    let router = router();
    deploy(&router, "shop");
    let internal = |path: &str| {
        let mut request = request(&format!("GET {path}\n{INTERNAL}: 1"));
        request.extensions_mut().insert(Guest);
        request
    };
    let row = router.world().rows.borrow()["shop"]["bundle"].clone();
    let path = format!(
        "/gateway/apps/shop/bundle/{}",
        row["sha256"].as_str().unwrap()
    );
    let (head, body) = answer(&router, internal(&path));
    assert_eq!(head.headers["content-length"], row["bytes"].to_string());
    assert_eq!(head.headers["content-type"], "application/x-tar");
    let stored = router.world().files.files.borrow()[row["file"].as_str().unwrap()].clone();
    assert_eq!(body.as_bytes(), stored);
    let other = path.replace(&path[path.len() - 4..], "0000");
    assert_eq!(answer(&router, internal(&other)).0.status, 404);
    let all = json(&router, internal("/gateway/apps"));
    assert_eq!(all["vm"]["engine"], "v86");
    assert_eq!(all["apps"][0]["bundle"], row["sha256"]);
}

#[test]
fn the_machine_answers_or_is_said_to_be_unloaded() {
    let router = router();
    check(
        &router,
        trusted("GET /gateway/vm"),
        expect![[r#"
        200 OK
        content-type: application/json; charset=utf-8
        {"state":"unloaded","stage":"The virtual machine is not running","loaded":0,"total":0,"engine":null,"memory":null,"from":null,"boot_ms":null,"error":null,"runtimes":[],"guest":null}"#]],
    );
    check(
        &router,
        trusted("GET /gateway/vm/events"),
        expect![[r#"
        200 OK
        content-type: text/event-stream
        cache-control: no-store
        retry: 2000
        data: {"state":"unloaded","stage":"The virtual machine is not running","loaded":0,"total":0,"engine":null,"memory":null,"from":null,"boot_ms":null,"error":null,"runtimes":[],"guest":null}

    "#]],
    );
    check(
        &router,
        trusted("GET /gateway/vm/settings"),
        expect![[r#"
        200 OK
        content-type: application/json; charset=utf-8
        {"engine":"v86","memory":512,"outbound":{"allow":[]},"runtimes":[]}"#]],
    );
    let mut put = trusted("PUT /gateway/vm/settings");
    *put.body_mut() =
        Body::from(r#"{"memory":256,"outbound":{"allow":["example.com"]}}"#.to_owned());
    check(
        &router,
        put,
        expect![[r#"
        200 OK
        content-type: application/json; charset=utf-8
        {"engine":"v86","memory":256,"outbound":{"allow":["example.com"]},"runtimes":[]}"#]],
    );
    check(
        &router,
        trusted("GET /gateway/vm/settings"),
        expect![[r#"
        200 OK
        content-type: application/json; charset=utf-8
        {"engine":"v86","memory":256,"outbound":{"allow":["example.com"]},"runtimes":[]}"#]],
    );
    check(
        &router,
        trusted("POST /gateway/vm/stop"),
        expect![[r#"
        200 OK
        content-type: application/json; charset=utf-8
        {"state":"unloaded","stage":"The virtual machine is not running","loaded":0,"total":0,"engine":null,"memory":null,"from":null,"boot_ms":null,"error":null,"runtimes":[],"guest":null}"#]],
    );
    check(
        &router,
        trusted("POST /gateway/vm/start"),
        expect![[r#"
        503 Service Unavailable
        retry-after: 1
        content-type: application/json; charset=utf-8
        {"code":"GW503","details":null,"hint":null,"message":"No tab is open that could run the virtual machine"}"#]],
    );
    expect![[r"
        GET /vm wake=false
        GET /vm/events wake=false
        PUT /vm/settings wake=false
        POST /vm/stop wake=false
        POST /vm/start wake=true"]]
    .assert_eq(&asked(&router).join("\n"));
    worker(&router, |asked| {
        let body = format!(r#"{{"asked":"{}"}}"#, asked.line);
        Ok(response(
            200,
            "content-type: application/json\nx-gateway-secret: 1",
            &body,
        ))
    });
    for text in [
        "POST /gateway/vm/start",
        "PUT /gateway/vm/runtimes/node",
        "DELETE /gateway/vm/runtimes/node",
        "POST /gateway/vm/exec\n\n{\"command\":[\"id\"]}",
    ] {
        check_line(&router, trusted(text));
    }
    let started = router.world().asked.take();
    let settings =
        r#"{"engine":"v86","memory":256,"outbound":{"allow":["example.com"]},"runtimes":[]}"#;
    assert_eq!(started[0].body, settings);
    let with_node = settings.replace("[]", "[\"node\"]");
    // What was installed goes with what is asked after it, until it is removed.
    let expected = [settings, settings, &with_node, settings];
    for (asked, settings) in started.iter().zip(expected) {
        assert!(asked.headers["x-gateway-vm"] == settings && asked.wake);
    }
    check(
        &router,
        trusted("GET /gateway/vm/nothing"),
        expect![[r#"
        404 Not Found
        content-type: application/json; charset=utf-8
        {"code":"GW404","details":null,"hint":null,"message":"The virtual machine has no /nothing"}"#]],
    );
    check(
        &router,
        trusted("PUT /gateway/vm/runtimes/..%2F"),
        expect![[r#"
            404 Not Found
            content-type: application/json; charset=utf-8
            {"code":"GW404","details":null,"hint":null,"message":"The virtual machine has no /runtimes/..%2F"}"#]],
    );
    check(
        &router,
        trusted("GET /gateway/vm/start"),
        expect![[r#"
        405 Method Not Allowed
        allow: OPTIONS,POST
        content-type: application/json; charset=utf-8
        {"code":"GW405","details":null,"hint":null,"message":"This method is not allowed here"}"#]],
    );
}

fn check_line(router: &Router<Fake>, request: Request<Body>) {
    let path = request.uri().path().replace("/gateway", "");
    let method = request.method().clone();
    let (head, body) = answer(router, request);
    assert_eq!(body, format!(r#"{{"asked":"{method} {path}"}}"#));
    assert!(
        !head
            .headers
            .keys()
            .any(|name| name.as_str().starts_with("x-gateway-"))
    );
}

#[test]
fn the_gateway_wakes_for_anybody() {
    let router = router();
    let handled = block_on(router.handle(request("GET /gateway/wake")));
    assert!(matches!(handled, Handled::Response(response) if response.status() == 204));
}
