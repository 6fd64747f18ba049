//! Backups of a database that is told, read by a tar reader that is not ours.

use std::{cell::Cell, collections::BTreeMap, io::Read as _};

use data_encoding::HEXLOWER;
use futures::executor::block_on;
use http::{Request, StatusCode};
use serde_json::{Value, json};

use crate::{
    Body, Handled, Router,
    apps::tests::fixture::{self, Fake, answer, column, keys, request, run_tasks, show, trusted},
    body::BodyError,
    router::Guest,
};

const VERSION: &str = "11111111-2222-4333-8444-555555555555";

/// The database's files.
fn files() -> BTreeMap<&'static str, Vec<u8>> {
    BTreeMap::from([
        ("PG_VERSION", b"17\n".to_vec()),
        ("base/1/1259", vec![7; 3 * 1024 * 1024 + 1]),
        ("base/1/empty", Vec::new()),
    ])
}

fn router() -> Router<Fake> {
    of(0, false)
}

/// A router before a database of these files. `shrink` are bytes that every reading lacks; `replaced` says
/// that an object is there the first time that it is asked for, and then no more.
fn of(shrink: usize, replaced: bool) -> Router<Fake> {
    let router = fixture::router();
    let has = |name: &str, bytes: &[u8]| {
        let mut files = router.world().files.files.borrow_mut();
        files.insert(name.to_owned(), bytes.to_vec());
    };
    has(&format!("{VERSION}.0"), b"a picture");
    has(&format!("{VERSION}.9"), b", and its end");
    has("function-01", b"a bundle");
    has("0000.0", b"nobody's");
    let asked = Cell::new(false);
    *router.world().more.borrow_mut() = Some(Box::new(move |sql, parameters| {
        Some(match sql {
            sql if sql.starts_with("with recursive") => {
                let folders = ["base", "base/1", "pg_tblspc"]
                    .map(|path| json!({"path": path, "size": 4096, "is_directory": true}));
                let files = files();
                let files = files.iter().map(
                    |(path, bytes)| json!({"path": path, "size": bytes.len(), "is_directory": false}),
                );
                column(folders.into_iter().chain(files).map(|row| row.to_string()))
            }
            sql if sql.starts_with("select pg_read_binary_file") => {
                let pieces = parameters[0].as_ref().unwrap();
                let pieces: Vec<(String, usize, usize)> = serde_json::from_str(pieces).unwrap();
                let files = files();
                column(pieces.into_iter().map(|(path, from, length)| {
                    let end = (from + length).min(files[path.as_str()].len() - shrink);
                    format!("\\x{}", HEXLOWER.encode(&files[path.as_str()][from..end]))
                }))
            }
            sql if sql.starts_with("select to_json(name)") => {
                // The last never had a file, as a row that somebody wrote by hand.
                let named = [&format!("{VERSION}."), "function-01", "orphan."]
                    .map(|name| json!(name).to_string());
                let gone = replaced.then(|| {
                    let first = !asked.replace(true);
                    first.then(|| json!("22.").to_string())
                });
                column(named.into_iter().chain(gone.flatten()))
            }
            sql if sql.contains("'created_at', to_char") => column(
                [
                    json!({"created_at": "2026-11-27T20:00:00Z", "postgres": "17.5", "migration": 41,
                    "secrets": ["A", "B"]})
                    .to_string(),
                ]
                .into_iter(),
            ),
            _ => return None,
        })
    }));
    router
}

fn tar(bytes: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let mut entries = BTreeMap::new();
    for entry in ::tar::Archive::new(bytes).entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().display().to_string();
        let mut contents = Vec::new();
        entry.read_to_end(&mut contents).unwrap();
        entries.insert(path, contents);
    }
    entries
}

fn send(router: &Router<Fake>, request: Request<Body>) -> http::Response<Body> {
    let Handled::Response(response) = block_on(router.handle(request)) else {
        panic!("passed through");
    };
    response
}

#[test]
fn a_backup_has_the_database_the_files_and_what_it_holds() {
    let router = router();
    let before = router.world().files.files.borrow().clone();
    let response = send(&router, trusted("GET /gateway/backup"));
    assert_eq!(response.status(), StatusCode::OK);
    let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
    assert_eq!(header("content-type"), "application/x-tar");
    assert_eq!(header("cache-control"), "no-store");
    assert_eq!(
        header("content-disposition"),
        "attachment; filename=\"default-2026-11-27.tar\""
    );
    let length: usize = header("content-length").parse().unwrap();
    assert_eq!(router.world().files.files.borrow().len(), before.len() + 1);
    let bytes = block_on(response.into_body().collect(usize::MAX)).unwrap();
    assert_eq!(bytes.len(), length);

    let entries = tar(&bytes);
    let manifest: Value = serde_json::from_slice(&entries["manifest.json"]).unwrap();
    let inner = &entries["database.tar"];
    assert_eq!(
        manifest,
        json!({
            "format": 1, "project": "default", "gateway": env!("CARGO_PKG_VERSION"),
            "created_at": "2026-11-27T20:00:00Z",
            "database": {"postgres": "17.5", "migration": 41, "bytes": inner.len()},
            "storage": {"files": 3, "bytes": 30},
            "secrets": {"held": true, "sealed": true, "names": ["A", "B"]},
        })
    );
    let mut database = tar(inner);
    for folder in ["base/", "base/1/", "pg_tblspc/"] {
        assert_eq!(database.remove(folder), Some(Vec::new()), "{folder}");
    }
    let expected: BTreeMap<String, Vec<u8>> = files()
        .into_iter()
        .map(|(path, bytes)| (path.to_owned(), bytes))
        .collect();
    assert!(database == expected);
    let names: Vec<&str> = entries.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "database.tar",
            "manifest.json",
            "storage/11111111-2222-4333-8444-555555555555.0",
            "storage/11111111-2222-4333-8444-555555555555.9",
            "storage/function-01",
        ]
    );
    assert_eq!(entries["storage/function-01"], b"a bundle");
    // The copy is gone with the answer.
    run_tasks(&router);
    assert!(*router.world().files.files.borrow() == before);
    let statements = router.world().statements.borrow();
    let at = |wanted: &str| statements.iter().position(|sql| sql == wanted).unwrap();
    assert_eq!(at("CHECKPOINT"), at("BEGIN") + 1);
    let read = statements
        .iter()
        .rposition(|sql| sql.contains("pg_read_binary_file"));
    assert_eq!(Some(at("COMMIT") - 1), read);
}

#[test]
fn a_reader_that_leaves_leaves_nothing() {
    let router = router();
    let before = router.world().files.files.borrow().clone();
    drop(send(&router, trusted("GET /gateway/backup")));
    run_tasks(&router);
    assert!(*router.world().files.files.borrow() == before);
}

#[test]
fn a_file_that_goes_meanwhile_ends_the_answer() {
    let router = router();
    let response = send(&router, trusted("GET /gateway/backup"));
    let gone = format!("{VERSION}.0");
    router.world().files.files.borrow_mut().remove(&gone);
    let failed = block_on(response.into_body().collect(usize::MAX)).unwrap_err();
    let reason = "A file could not be read: there is no such file".to_owned();
    assert_eq!(failed, BodyError::Interrupted(reason));
}

#[test]
fn a_database_that_changes_meanwhile_is_not_backed_up() {
    let router = of(1, false);
    let before = router.world().files.files.borrow().clone();
    let (head, body) = answer(&router, trusted("GET /gateway/backup"));
    assert_eq!(head.status, StatusCode::INTERNAL_SERVER_ERROR);
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(
        body["message"],
        "The database's file PG_VERSION changed while it was copied"
    );
    assert!(*router.world().files.files.borrow() == before);
    let statements = router.world().statements.borrow();
    assert_eq!(statements.last().unwrap(), "ROLLBACK");
}

#[test]
fn a_backup_that_could_not_say_what_it_holds_is_not_made() {
    let router = router();
    let before = router.world().files.files.borrow().clone();
    let more = router.world().more.take().unwrap();
    *router.world().more.borrow_mut() = Some(Box::new(move |sql, parameters| {
        let is_facts = sql.contains("'created_at', to_char");
        is_facts
            .then(|| column(std::iter::empty()))
            .or_else(|| more(sql, parameters))
    }));
    let (head, body) = answer(&router, trusted("GET /gateway/backup"));
    assert_eq!(head.status, StatusCode::NOT_FOUND, "{body}");
    assert!(*router.world().files.files.borrow() == before);
}

#[test]
fn an_object_that_is_replaced_meanwhile_is_not_left_out() {
    let router = of(0, true);
    let before = router.world().files.files.borrow().clone();
    let (head, body) = answer(&router, trusted("GET /gateway/backup"));
    assert_eq!(
        (head.status.as_u16(), &head.headers["retry-after"]),
        (503, &"1".parse().unwrap())
    );
    assert!(
        body.contains("replaced while the backup was made"),
        "{body}"
    );
    run_tasks(&router);
    assert!(*router.world().files.files.borrow() == before);
}

#[test]
fn it_is_for_the_page_and_the_secret_key_alone() {
    let router = router();
    let status = |request| answer(&router, request).0.status;
    assert_eq!(status(request("GET /gateway/backup")), 401);
    let keys = keys();
    let publishable = format!("GET /gateway/backup\napikey: {}", keys.publishable);
    assert_eq!(status(request(&publishable)), 403);
    let secret = format!("GET /gateway/backup\napikey: {}", keys.secret);
    let response = send(&router, request(&secret));
    assert_eq!(response.status(), 200);
    let mut guest = request(&secret);
    guest.extensions_mut().insert(Guest);
    assert_eq!(status(guest), 404);
    assert_eq!(
        show(&router, trusted("POST /gateway/backup"))
            .lines()
            .take(2)
            .collect::<Vec<_>>(),
        ["405 Method Not Allowed", "allow: OPTIONS,GET"]
    );
}
