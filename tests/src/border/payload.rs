//! Bodies: what is taken is JSON whose keys a tree would show, too.

use std::collections::BTreeSet;

use bytes::Bytes;
use routes::rest::{
    media::MediaType,
    payload::{Payload, PayloadError},
};
use serde_json::Value;

/// Any bytes as a JSON body: taken or refused as a reading into a tree would have it.
pub fn json(bytes: &[u8]) {
    let outcome = parse(bytes, &MediaType::Json);
    let tree = serde_json::from_slice::<Value>(bytes).ok();
    let tree_keys = tree.as_ref().map(uniform_keys);
    #[expect(clippy::match_same_arms, reason = "each has its own reason")]
    match (outcome, tree_keys) {
        (Ok(payload), Some(Some(expected))) => {
            let (text, keys) = written(payload);
            assert_eq!(keys, expected);
            if !expected.is_empty() {
                assert_eq!(text, bytes, "the text stays as it came");
            }
        }
        (Err(PayloadError::Keys), Some(None)) => {}
        // Both refuse it, or the tree has met limits of its own: depth, the size of a number,
        // lone surrogates.
        (_, None) => {}
        (outcome, expected) => panic!("{outcome:?}, but a tree says {expected:?}"),
    }
}

/// Any bytes as CSV: what is taken is a JSON array of objects of text and null.
pub fn csv(bytes: &[u8]) {
    let Ok(payload) = parse(bytes, &MediaType::Csv) else {
        return;
    };
    let (text, keys) = written(payload);
    let value: Value = serde_json::from_slice(&text).expect("CSV becomes JSON");
    assert_eq!(uniform_keys(&value), Some(keys));
    let objects = value.as_array().expect("CSV becomes an array");
    for value in objects.iter().filter_map(Value::as_object).flatten() {
        assert!(matches!(value, (_, Value::String(_) | Value::Null)));
    }
}

/// Any bytes as a form: what is taken is a JSON object of text.
pub fn form(bytes: &[u8]) {
    if let Ok(payload) = parse(bytes, &MediaType::Form) {
        let (text, keys) = written(payload);
        let value: Value = serde_json::from_slice(&text).expect("a form becomes JSON");
        assert_eq!(uniform_keys(&value), Some(keys));
    }
}

fn parse(bytes: &[u8], content_type: &MediaType) -> Result<Payload, PayloadError> {
    Payload::parse(Bytes::copy_from_slice(bytes), content_type, false, None)
}

fn written(payload: Payload) -> (Bytes, Vec<String>) {
    match payload {
        Payload::Json { text, keys, .. } => (text, keys),
        other => panic!("{other:?} is written to no relation"),
    }
}

/// The keys of an object or of every object of an array; `None` where they differ.
fn uniform_keys(value: &Value) -> Option<Vec<String>> {
    let keys = |value: &Value| {
        let object = value.as_object()?;
        Some(object.keys().cloned().collect::<BTreeSet<_>>())
    };
    let keys = match value {
        Value::Object(_) => keys(value)?,
        Value::Array(elements) => {
            let mut all = elements.iter().map(keys);
            match all.next() {
                None => BTreeSet::new(),
                Some(first) => {
                    let first = first?;
                    if !all.all(|other| other.as_ref() == Some(&first)) {
                        return None;
                    }
                    first
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => BTreeSet::new(),
    };
    Some(keys.into_iter().collect())
}
