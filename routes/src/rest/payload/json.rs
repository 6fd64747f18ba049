//! JSON bodies: checked and searched for keys in one pass that builds no tree.

use std::{borrow::Cow, collections::BTreeSet, fmt};

use bytes::Bytes;
use serde::{
    Deserialize,
    de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor},
};

use super::{Payload, PayloadError};

/// Reads an object or an array of objects. Anything else that is JSON writes nothing.
pub(super) fn read(text: Bytes) -> Result<Payload, PayloadError> {
    let checked = std::str::from_utf8(&text).map_err(|_invalid| PayloadError::InvalidJson)?;
    let mut deserializer = serde_json::Deserializer::from_str(checked);
    let shape = Place::Body
        .deserialize(&mut deserializer)
        .and_then(|shape| deserializer.end().map(|()| shape))
        .map_err(|_invalid| PayloadError::InvalidJson)?;
    match shape {
        Shape::Object(keys) => Ok(Payload::Json {
            keys: sorted(keys),
            text,
            is_array: false,
            is_empty_array: false,
        }),
        Shape::Array(Some(keys)) => Ok(Payload::Json {
            keys: sorted(keys),
            text,
            is_array: true,
            is_empty_array: false,
        }),
        Shape::Array(None) | Shape::Scalar => Ok(nothing()),
        Shape::MixedArray => Err(PayloadError::Keys),
    }
}

/// Whether arrays and objects nest deeper than `levels`, in a text or in a string in it: a function
/// may read that as JSON again.
pub(in crate::rest) fn is_deeper(text: &[u8], levels: usize) -> bool {
    let (mut depth, mut in_text, mut escaped) = (0_usize, false, false);
    let mut outside = 0;
    for byte in text {
        match byte {
            b'"' if in_text && !escaped => (in_text, depth) = (false, outside),
            b'"' if !in_text => (in_text, outside, depth) = (true, depth, 0),
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        escaped = in_text && *byte == b'\\' && !escaped;
        if depth > levels {
            return true;
        }
    }
    false
}

/// An object of strings; the last of several values for one name counts.
pub(super) fn from_form(pairs: Vec<(String, String)>) -> Result<Payload, PayloadError> {
    let mut object = serde_json::Map::new();
    for (name, value) in pairs {
        object.insert(name, value.into());
    }
    let keys = object.keys().cloned().map(Cow::Owned).collect();
    let text = serde_json::to_vec(&object).map_err(|_impossible| PayloadError::InvalidJson)?;
    Ok(Payload::Json {
        text: text.into(),
        keys: sorted(keys),
        is_array: false,
        is_empty_array: false,
    })
}

/// `[]`
pub(super) fn nothing() -> Payload {
    Payload::Json {
        text: Bytes::from_static(b"[]"),
        keys: Vec::new(),
        is_array: true,
        is_empty_array: true,
    }
}

fn sorted(keys: Vec<Cow<'_, str>>) -> Vec<String> {
    let mut keys = keys.into_iter().map(Cow::into_owned).collect::<Vec<_>>();
    keys.sort();
    keys.dedup();
    keys
}

/// What a body is, with its keys in the order in which they came.
enum Shape<'de> {
    Object(Vec<Cow<'de, str>>),
    /// Of objects with the same keys; `None` without elements.
    Array(Option<Vec<Cow<'de, str>>>),
    MixedArray,
    Scalar,
}

/// A key, borrowed from the body unless it has escapes.
#[derive(Deserialize)]
struct Key<'body>(#[serde(borrow)] Cow<'body, str>);

/// Where a value stands.
#[derive(Clone, Copy)]
enum Place<'first, 'de> {
    Body,
    FirstElement,
    /// Behind a first element with these keys.
    LaterElement(&'first [Cow<'de, str>]),
}

impl<'de> DeserializeSeed<'de> for Place<'_, 'de> {
    type Value = Shape<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Place<'_, 'de> {
    type Value = Shape<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        match self {
            Self::Body | Self::FirstElement => {
                let mut keys = Vec::new();
                while let Some(Key(key)) = map.next_key()? {
                    keys.push(key);
                    map.next_value::<IgnoredAny>()?;
                }
                Ok(Shape::Object(keys))
            }
            Self::LaterElement(first) => Ok(if has_keys(map, first)? {
                Shape::Object(Vec::new())
            } else {
                Shape::MixedArray
            }),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Self::Value, A::Error> {
        let mut shape = Shape::Scalar;
        if matches!(self, Self::Body) {
            shape = match elements.next_element_seed(Place::FirstElement)? {
                None => return Ok(Shape::Array(None)),
                Some(Shape::Object(keys)) => Shape::Array(Some(keys)),
                Some(Shape::Array(_) | Shape::MixedArray | Shape::Scalar) => Shape::MixedArray,
            };
        }
        while let Shape::Array(Some(keys)) = &shape {
            match elements.next_element_seed(Place::LaterElement(keys))? {
                None => return Ok(shape),
                Some(Shape::Object(_)) => {}
                Some(Shape::Array(_) | Shape::MixedArray | Shape::Scalar) => {
                    shape = Shape::MixedArray;
                }
            }
        }
        // Read on: broken JSON is reported before keys that do not match.
        while elements.next_element::<IgnoredAny>()?.is_some() {}
        Ok(shape)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Shape::Scalar)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(Shape::Scalar)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(Shape::Scalar)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Shape::Scalar)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
        Ok(Shape::Scalar)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Shape::Scalar)
    }
}

/// Whether an object has exactly these keys. It allocates nothing while they come in their order.
fn has_keys<'de, A: MapAccess<'de>>(
    mut map: A,
    expected: &[Cow<'de, str>],
) -> Result<bool, A::Error> {
    let mut in_order = 0;
    let mut others = Vec::new();
    while let Some(Key(key)) = map.next_key()? {
        if others.is_empty() && expected.get(in_order) == Some(&key) {
            in_order += 1;
        } else {
            others.push(key);
        }
        map.next_value::<IgnoredAny>()?;
    }
    if others.is_empty() && in_order == expected.len() {
        return Ok(true);
    }
    let ours = expected.iter().take(in_order).chain(&others);
    Ok(ours.collect::<BTreeSet<_>>() == expected.iter().collect())
}
