//! The pairs of a query string, decoded as HTML forms are, and their canonical order.

use std::borrow::Cow;

use percent_encoding::percent_decode;

use super::QueryError;

/// A key and what stood behind its `=`, if there was one.
pub(in crate::rest) type Pair = (String, Option<String>);

/// Splits at `&` and `;`, decodes `%XX` and `+`. A `%` without two hex digits stands for itself.
pub(in crate::rest) fn decode(raw: &str) -> Result<Vec<Pair>, QueryError> {
    let mut pairs = Vec::new();
    for pair in split(raw) {
        let (key, value) = halves(pair);
        pairs.push((text(key)?, value.map(text).transpose()?));
    }
    Ok(pairs)
}

/// `a=1&b=2`: keys sorted, the values of one key joined by commas, everything but
/// `[A-Za-z0-9-_.~]` encoded.
///
/// Bytes outside ASCII are encoded as PostgREST does: each as if it were a Latin-1 character.
pub(super) fn canonical(raw: &str) -> String {
    let mut pairs = split(raw)
        .map(|pair| {
            let (key, value) = halves(pair);
            (bytes(key), value.map(bytes).unwrap_or_default())
        })
        .collect::<Vec<_>>();
    pairs.sort_by(|(one, _), (other, _)| one.cmp(other));
    let mut canonical = String::with_capacity(raw.len());
    let mut previous = None;
    for (key, value) in &pairs {
        if previous == Some(key) {
            canonical.push(',');
        } else {
            if previous.is_some() {
                canonical.push('&');
            }
            encode(key, &mut canonical);
            canonical.push('=');
        }
        encode(value, &mut canonical);
        previous = Some(key);
    }
    canonical
}

fn split(raw: &str) -> impl Iterator<Item = &str> {
    let raw = raw.strip_prefix('?').unwrap_or(raw);
    // What follows the last separator is a pair only if it is not empty.
    let whole = raw.strip_suffix(['&', ';']).unwrap_or(raw);
    let none = raw.is_empty();
    whole.split(['&', ';']).filter(move |_| !none)
}

fn halves(pair: &str) -> (&str, Option<&str>) {
    match pair.split_once('=') {
        Some((key, value)) => (key, Some(value)),
        None => (pair, None),
    }
}

fn bytes(encoded: &str) -> Vec<u8> {
    let spaced = if encoded.contains('+') {
        Cow::Owned(encoded.replace('+', " "))
    } else {
        Cow::Borrowed(encoded)
    };
    percent_decode(spaced.as_bytes()).collect()
}

fn text(encoded: &str) -> Result<String, QueryError> {
    let decoded = String::from_utf8(bytes(encoded)).map_err(|_invalid| QueryError::Encoding)?;
    if decoded.contains('\0') {
        return Err(QueryError::Nul);
    }
    Ok(decoded)
}

fn encode(bytes: &[u8], encoded: &mut String) {
    const HEX: [char; 16] = [
        '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F',
    ];
    for byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(byte) {
            encoded.push(char::from(*byte));
            continue;
        }
        let mut buffer = [0; 4];
        for byte in char::from(*byte).encode_utf8(&mut buffer).bytes() {
            let (high, low) = (usize::from(byte >> 4), usize::from(byte & 15));
            encoded.push('%');
            encoded.extend([HEX[high], HEX[low]]);
        }
    }
}
