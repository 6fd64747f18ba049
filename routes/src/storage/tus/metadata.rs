//! `Upload-Metadata`: what a client says of its file, as keys with base64 values.
//!
//! Source: "Upload-Metadata" of the TUS 1.0.0 creation extension; strict as `@tus/server` is.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Map, Value};

/// Keys and what they say, in the client's order; a key may stand without a value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metadata(Vec<(String, Option<String>)>);

impl Metadata {
    /// Reads the header's value; `None` where a pair is none, a key is there twice or a value is
    /// not base64.
    pub fn parse(text: &str) -> Option<Self> {
        if text.trim().is_empty() {
            return None;
        }
        let mut pairs: Vec<(String, Option<String>)> = Vec::new();
        for pair in text.split(',') {
            let mut words = pair.split(' ');
            let key = words.next()?;
            let value = words.next().unwrap_or_default();
            let is_key = !key.is_empty() && key.is_ascii();
            let is_known = pairs.iter().any(|(known, _)| known == key);
            if !is_key || is_known || words.next().is_some() {
                return None;
            }
            let bytes = STANDARD.decode(value).ok()?;
            let value = match value {
                "" => None,
                _ => Some(String::from_utf8_lossy(&bytes).into_owned()),
            };
            pairs.push((key.to_owned(), value));
        }
        Some(Self(pairs))
    }

    /// What a key says; a key without a value says nothing.
    pub fn get(&self, key: &str) -> Option<&str> {
        let mut pairs = self.0.iter();
        pairs.find(|(known, _)| known == key)?.1.as_deref()
    }

    /// Says something else under a key.
    pub fn set(&mut self, key: &str, value: String) {
        match self.0.iter_mut().find(|(known, _)| known == key) {
            Some((_, known)) => *known = Some(value),
            None => self.0.push((key.to_owned(), Some(value))),
        }
    }

    /// The header's value.
    pub fn header(&self) -> String {
        let pair = |(key, value): &(String, Option<String>)| match value {
            None => key.clone(),
            Some(value) => [key, " ", &STANDARD.encode(value)].concat(),
        };
        let pairs: Vec<String> = self.0.iter().map(pair).collect();
        pairs.join(",")
    }

    /// As it is kept: an object in the client's order.
    pub fn to_json(&self) -> Value {
        let pair = |(key, value): &(String, Option<String>)| (key.clone(), value.clone().into());
        Value::Object(self.0.iter().map(pair).collect::<Map<_, _>>())
    }

    /// From how it was kept.
    pub fn from_json(value: &Value) -> Self {
        let pairs = value.as_object().into_iter().flatten();
        let pair = |(key, value): (&String, &Value)| {
            let value = value.as_str().map(str::to_owned);
            (key.clone(), value)
        };
        Self(pairs.map(pair).collect())
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn check(text: &str, expected: Expect) {
        let read = Metadata::parse(text);
        if let Some(metadata) = &read {
            assert_eq!(Metadata::parse(&metadata.header()), read);
            assert_eq!(Some(Metadata::from_json(&metadata.to_json())), read);
        }
        expected.assert_eq(&format!("{:?}", read.map(|metadata| metadata.0)));
    }

    #[test]
    fn metadata_is_read_strictly() {
        check(
            "bucketName YXZhdGFycw==,objectName w6kucG5n,isConfidential",
            expect![[
                r#"Some([("bucketName", Some("avatars")), ("objectName", Some("é.png")), ("isConfidential", None)])"#
            ]],
        );
        check(
            "a ,b YQ==",
            expect![[r#"Some([("a", None), ("b", Some("a"))])"#]],
        );
        for wrong in [
            "",
            " ",
            "a YQ",
            "a YQ==,a Yg==",
            "a  YQ==",
            "a YQ==,",
            "é YQ==",
            "a YQ==, b YQ==",
            "a Y-Q=",
        ] {
            assert_eq!(Metadata::parse(wrong), None, "{wrong}");
        }
    }
}
