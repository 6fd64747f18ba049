//! Request bodies: JSON as it came, CSV and forms as JSON, anything else as bytes.

mod csv;
mod error;
mod json;

use bytes::Bytes;

pub use error::PayloadError;
pub(super) use json::is_deeper;

use super::{media::MediaType, query};

/// How deep arrays and objects may nest in a value of a request: every level takes stack of whoever
/// reads it, and Postgres in WASM does not survive its end.
pub const MAX_DEPTH: usize = 1_000;

/// A body that became JSON, or stays as it is for a function with one unnamed parameter.
#[derive(Debug, Clone, PartialEq)]
pub enum Payload {
    Json {
        /// The text as it came (CSV and urlencoded are converted to it). It is checked to be JSON
        /// unless `columns` was given: then Postgres is the one to refuse it.
        text: Bytes,
        /// The keys of its object or of the objects of its array, or `columns`: the columns it
        /// writes. Sorted, each once.
        keys: Vec<String>,
        /// An array, even of one.
        is_array: bool,
        /// An array without elements.
        is_empty_array: bool,
    },
    /// `application/x-www-form-urlencoded` to an RPC: arguments by name, repeated ones kept.
    Form(Vec<(String, String)>),
    /// Text, XML or bytes for a single unnamed parameter.
    Raw(Bytes),
}

impl Payload {
    /// Reads a body of the given type. `is_call` is true for an RPC, which takes more types;
    /// `columns` are those of the query string, which make the keys of a JSON body irrelevant.
    pub fn parse(
        body: Bytes,
        content_type: &MediaType,
        is_call: bool,
        columns: Option<&[String]>,
    ) -> Result<Self, PayloadError> {
        match (content_type, is_call) {
            _ if is_deeper(&body, MAX_DEPTH) => Err(PayloadError::Depth),
            (MediaType::Json, _) => match columns {
                Some(columns) => Ok(Self::json_with_columns(body, columns)),
                None if is_call && body.is_empty() => json::read(Bytes::from_static(b"{}")),
                None => json::read(body),
            },
            (MediaType::Csv, _) => csv::read(&body),
            (MediaType::Form, true) => Ok(Self::Form(form(&body)?)),
            (MediaType::Form, false) => json::from_form(form(&body)?),
            (MediaType::Text | MediaType::Xml | MediaType::OctetStream, true) => {
                Ok(Self::Raw(body))
            }
            (other, _) => Err(PayloadError::ContentType(other.to_string())),
        }
    }

    fn json_with_columns(text: Bytes, columns: &[String]) -> Self {
        let mut visible = text.iter().filter(|byte| !byte.is_ascii_whitespace());
        let is_array = visible.next() == Some(&b'[');
        let is_empty_array = is_array && visible.next() == Some(&b']');
        Self::Json {
            text,
            keys: columns.to_vec(),
            is_array,
            is_empty_array,
        }
    }
}

/// The pairs of an urlencoded body; a name without a value has an empty one.
fn form(body: &[u8]) -> Result<Vec<(String, String)>, PayloadError> {
    let body = std::str::from_utf8(body).map_err(|_invalid| PayloadError::Encoding)?;
    let pairs = query::form_pairs(body).map_err(|_invalid| PayloadError::Encoding)?;
    Ok(pairs
        .into_iter()
        .map(|(name, value)| (name, value.unwrap_or_default()))
        .collect())
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use crate::ApiError;

    use super::*;

    fn check(content_type: &str, body: &str, expected: Expect) {
        check_for(content_type, body, false, expected);
    }

    fn check_for(content_type: &str, body: &str, is_call: bool, expected: Expect) {
        let content_type = MediaType::parse(content_type);
        let body = Bytes::copy_from_slice(body.as_bytes());
        let shown = match Payload::parse(body, &content_type, is_call, None) {
            Ok(Payload::Json {
                text,
                keys,
                is_array,
                is_empty_array,
            }) => {
                let shape = match (is_array, is_empty_array) {
                    (true, true) => "nothing",
                    (true, false) => "array",
                    (false, _) => "object",
                };
                format!("{shape} of {keys:?}: {}", String::from_utf8_lossy(&text))
            }
            Ok(other) => format!("{other:?}"),
            Err(error) => {
                let error = ApiError::from(error);
                format!("{} {}", error.code, error.message)
            }
        };
        expected.assert_eq(&shown);
    }

    #[test]
    fn json_keeps_its_text() {
        let json = |body, expected| check("application/json", body, expected);
        json(
            r#" {"b": 1e999, "a": 0.10, "b": {"c": [1]}} "#,
            expect![[r#"object of ["a", "b"]:  {"b": 1e999, "a": 0.10, "b": {"c": [1]}} "#]],
        );
        json(
            r#"[{"a":1,"b":2},{"b":3,"a":4}]"#,
            expect![[r#"array of ["a", "b"]: [{"a":1,"b":2},{"b":3,"a":4}]"#]],
        );
        json(
            r#"[{"caf\u00e9":1},{"café":2}]"#,
            expect![[r#"array of ["café"]: [{"caf\u00e9":1},{"café":2}]"#]],
        );
        json("[]", expect!["nothing of []: []"]);
        json("[ {} ]", expect!["array of []: [ {} ]"]);
        json("12", expect!["nothing of []: []"]);
        json("null", expect!["nothing of []: []"]);
    }

    #[test]
    fn json_is_refused() {
        let json = |body: &str, expected| check("application/json", body, expected);
        let mismatch = || expect!["PGRST102 All object keys must match"];
        let invalid = || expect!["PGRST102 Empty or invalid json"];
        json(r#"[{"a":1},{"b":2}]"#, mismatch());
        json(r#"[{"a":1,"b":2},{"a":2}]"#, mismatch());
        json(r#"[{"a":1},{"a":2,"b":1}]"#, mismatch());
        json(r#"[{"a":1},123,"x",{"a":2}]"#, mismatch());
        json("[1,2]", mismatch());
        json("}{ x = 2", invalid());
        json("", invalid());
        json("[{\"a\":1},", invalid());
        json("{} {}", invalid());
        let deep = |levels: usize| {
            let (open, close) = ("[".repeat(levels - 1), "]".repeat(levels - 1));
            format!(r#"{{"a[[": {open}"[{{\"{{[[[["{close}}}"#)
        };
        json(
            &deep(MAX_DEPTH + 1),
            expect!["PGRST102 The json nests deeper than 1000 levels"],
        );
        json(
            &format!(r#"{{"a": "\\"{}"}}"#, "[".repeat(MAX_DEPTH + 1)),
            expect!["PGRST102 The json nests deeper than 1000 levels"],
        );
        let at_most = Payload::parse(deep(MAX_DEPTH).into(), &MediaType::Json, false, None);
        assert!(at_most.is_ok());
        check_for("application/json", "", true, expect!["object of []: {}"]);
    }

    #[test]
    fn csv_becomes_json() {
        let csv = |body, expected| check("text/csv", body, expected);
        csv(
            "a,b\n1,NULL\n\"x,\"\"y\"\"\",\r\n",
            expect![[r#"array of ["a", "b"]: [{"a":"1","b":null},{"a":"x,\"y\"","b":""}]"#]],
        );
        csv("a\n\n1\n\n", expect![[r#"array of ["a"]: [{"a":"1"}]"#]]);
        csv("a,b\n", expect!["nothing of []: []"]);
        csv(
            "a,b\n1,2\n3\n",
            expect!["PGRST102 All lines must have same number of fields"],
        );
        csv(
            "a,b",
            expect![[r#"PGRST102 parse error (not enough input) at """#]],
        );
        csv(
            "a,b\n1,\"2",
            expect![[r#"PGRST102 parse error (not enough input) at """#]],
        );
    }

    #[test]
    fn forms_and_the_rest() {
        let form = "application/x-www-form-urlencoded";
        check(
            form,
            "b=1+2&a=%22&b=3",
            expect![[r#"object of ["a", "b"]: {"b":"3","a":"\""}"#]],
        );
        check_for(
            form,
            "v=1&v=2&w",
            true,
            expect![[r#"Form([("v", "1"), ("v", "2"), ("w", "")])"#]],
        );
        check_for("text/plain", "hello", true, expect![[r#"Raw(b"hello")"#]]);
        check(
            "text/plain",
            "hello",
            expect!["PGRST102 Content-Type not acceptable: text/plain"],
        );
        check_for(
            "x/y;z=1",
            "",
            true,
            expect!["PGRST102 Content-Type not acceptable: x/y;z=1"],
        );
    }
}
