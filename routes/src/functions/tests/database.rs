//! A database that knows the statements of functions, and a router before it.

use std::{cell::RefCell, collections::BTreeMap, rc::Rc};

use bytes::Bytes;
use http::{Request, StatusCode};
use serde_json::{Value, json};

use crate::{
    Body, Router,
    apps::tests::fixture::{self, Fake, answer, column, trusted},
    bundle::tests::{file, zip},
    router::{Guest, INTERNAL},
};

const TIME: &str = "2023-11-14T22:13:20+00:00";

/// The rows of the tables.
#[derive(Default)]
pub(super) struct Tables {
    pub(super) functions: BTreeMap<String, Value>,
    pub(super) secrets: BTreeMap<String, Value>,
    pub(super) lines: Vec<Value>,
    pub(super) calls: Vec<Value>,
    last_id: u64,
}

pub(super) type Shared = Rc<RefCell<Tables>>;

/// A router, and what its database has.
pub(super) fn router() -> (Router<Fake>, Shared) {
    let router = fixture::router();
    let tables = Shared::default();
    let shared = Rc::clone(&tables);
    *router.world().more.borrow_mut() = Some(Box::new(move |sql, parameters| {
        shared.borrow_mut().answer(sql, parameters)
    }));
    (router, tables)
}

impl Tables {
    fn answer(&mut self, sql: &str, parameters: &[Option<String>]) -> Option<Vec<u8>> {
        let text = |index: usize| parameters[index].clone().unwrap_or_default();
        let value = |index: usize| serde_json::from_str::<Value>(&text(index)).unwrap();
        let nothing = || column(std::iter::empty());
        let one = |value: Option<Value>| column(value.iter().map(Value::to_string));
        let is = |start: &str, table: &str| {
            sql.starts_with(start) && sql.contains(&format!("gateway.{table}"))
        };
        if is("select json_build_object('name'", "functions") {
            return Some(match parameters.first() {
                None => column(self.functions.values().map(Value::to_string)),
                Some(_) => one(self.functions.get(&text(0)).cloned()),
            });
        }
        if is("select json_build_object('name'", "secrets") {
            return Some(column(self.secrets.values().map(Value::to_string)));
        }
        if is("insert into", "functions (") {
            let settings = json!({"verify_jwt": value(1), "host": text(2), "limits": value(3)});
            let function = self.functions.entry(text(0)).or_insert_with(|| {
                json!({"name": text(0), "version": 0, "versions": [], "created_at": TIME,
                    "updated_at": TIME})
            });
            function["settings"] = settings;
            let newest = function["versions"][0]["version"].as_u64().unwrap_or(0);
            function["version"] = json!(newest + 1);
            return Some(nothing());
        }
        if is("insert into", "function_versions") {
            let function = self.functions.get_mut(&text(0)).unwrap();
            let version = json!({"version": function["version"], "entrypoint": text(1), "bundle": {
                "file": text(2), "sha256": text(3), "bytes": value(4), "files": value(5)},
                "created_at": TIME});
            let versions = function["versions"].as_array_mut().unwrap();
            versions.insert(0, version);
            return Some(nothing());
        }
        if is("delete from", "function_versions") {
            let function = self.functions.get_mut(&text(0)).unwrap();
            let versions = function["versions"].as_array_mut().unwrap();
            let dropped = versions.split_off(versions.len().min(10));
            let files = dropped.iter().map(|version| &version["bundle"]["file"]);
            return Some(column(files.map(Value::to_string)));
        }
        if is("update", "functions set verify_jwt") {
            let function = self.functions.get_mut(&text(0));
            let changed = function.map(|function| {
                function["settings"] =
                    json!({"verify_jwt": value(1), "host": text(2), "limits": value(3)});
                json!(text(0))
            });
            return Some(one(changed));
        }
        if is("update", "functions set version") {
            let function = self.functions.get_mut(&text(0))?;
            let versions = function["versions"].as_array().unwrap();
            if !versions.iter().any(|one| one["version"] == value(1)) {
                return Some(nothing());
            }
            function["version"] = value(1);
            return Some(one(Some(json!(text(0)))));
        }
        if is("delete from", "functions ") {
            return Some(one(self.functions.remove(&text(0)).map(|_| json!(text(0)))));
        }
        if is("insert into", "secrets") {
            let row =
                json!({"name": text(0), "sealed": text(1), "digest": text(2), "updated_at": TIME});
            self.secrets.insert(text(0), row);
            return Some(nothing());
        }
        if is("delete from", "secrets") {
            for name in value(0).as_array().unwrap() {
                self.secrets.remove(name.as_str().unwrap());
            }
            return Some(nothing());
        }
        if is("insert into", "function_logs") {
            let lines = value(1);
            let first = self.last_id + 1;
            if self.functions.contains_key(&text(0)) {
                for line in lines.as_array().unwrap() {
                    self.last_id += 1;
                    let mut line = line.clone();
                    line["id"] = self.last_id.into();
                    line["function"] = text(0).into();
                    self.lines.push(line);
                }
            }
            return Some(column((first..=self.last_id).map(|id| id.to_string())));
        }
        if is("select json_strip_nulls", "function_logs") {
            let after = value(1).as_u64();
            let lines = self.lines.iter().filter(|line| {
                line["function"] == text(0)
                    && line["id"].as_u64() > after
                    && line["at"].as_u64() >= value(2).as_u64()
                    && value(3).as_array().unwrap().contains(&line["level"])
                    && line["message"].as_str().unwrap().contains(&text(4))
            });
            let lines: Vec<_> = lines.map(Value::to_string).collect();
            let skipped = lines.len().saturating_sub(text(5).parse().unwrap());
            return Some(column(lines.into_iter().skip(skipped)));
        }
        if is("insert into", "function_calls") {
            for line in value(1).as_array().unwrap() {
                if let Some(call) = line.get("call").filter(|call| !call.is_null()) {
                    self.calls
                        .push(json!({"function": text(0), "trace": line["trace"],
                        "path": call["path"], "role": call["role"]}));
                }
            }
            return Some(nothing());
        }
        if is("select json_strip_nulls", "function_calls") {
            let wanted = |call: &&Value| {
                [("function", 1), ("trace", 2), ("role", 3)]
                    .iter()
                    .all(|(name, index)| {
                        parameters[*index].is_none() || call[*name] == text(*index)
                    })
            };
            return Some(column(
                self.calls.iter().filter(wanted).map(Value::to_string),
            ));
        }
        if is("delete from", "function_calls") {
            return Some(nothing());
        }
        if is("delete from", "function_logs") {
            if parameters.len() == 1 {
                self.lines.retain(|line| line["function"] != text(0));
            }
            return Some(nothing());
        }
        if sql.starts_with("with lines as") {
            return Some(one(Some(json!({"requests": 3, "p50_ms": 1.5}))));
        }
        None
    }
}

/// A form with settings and a ZIP of the given files.
pub(super) fn form(name: &str, settings: &str, files: &[(&str, &str)]) -> Request<Body> {
    let files: Vec<_> = files.iter().map(|(name, text)| file(name, text)).collect();
    let mut body = format!(
        "--x\r\nContent-Disposition: form-data; name=\"function\"\r\n\r\n{settings}\r\n--x\r\n\
         Content-Disposition: form-data; name=\"bundle\"; filename=\"a.zip\"\r\n\
         Content-Type: application/zip\r\n\r\n"
    )
    .into_bytes();
    body.extend(zip(&files));
    body.extend(b"\r\n--x--\r\n");
    let mut request = trusted(&format!(
        "PUT /gateway/functions/{name}\ncontent-type: multipart/form-data; boundary=x"
    ));
    *request.body_mut() = Body::from(Bytes::from(body));
    request
}

/// The same with what a bundler makes of a program.
pub(super) fn bundled(name: &str, settings: &str, program: &str) -> Request<Body> {
    let files = [
        ("bundle/index.js", program),
        ("bundle/meta.json", r#"{"entrypoint":"index.ts"}"#),
        ("source/index.ts", program),
    ];
    form(name, settings, &files)
}

pub(super) fn deploy(router: &Router<Fake>, name: &str, settings: &str) {
    let (head, body) = answer(router, bundled(name, settings, "1"));
    assert_eq!(head.status, StatusCode::CREATED, "{body}");
    router.world().asked.take();
}

/// A request of whoever runs functions.
pub(super) fn internal(text: &str) -> Request<Body> {
    let mut request = fixture::request(text);
    request.extensions_mut().insert(Guest);
    let headers = request.headers_mut();
    headers.insert(INTERNAL, "1".parse().unwrap());
    request
}
