//! The text of Postgres arrays: `{1,"a b",NULL,{…}}`.

use serde_json::Value;

/// Reads an array, each element by `element`; `None` where the text is not one.
///
/// Bounds (`[0:1]={…}`) are left out: JSON arrays have none.
pub(super) fn parse(text: &str, element: impl Fn(&str) -> Value) -> Option<Value> {
    let text = match text.strip_prefix('[') {
        Some(bounds) => bounds.split_once('=')?.1,
        None => text,
    };
    let mut open: Vec<Vec<Value>> = Vec::new();
    let mut rest = text;
    loop {
        let mut characters = rest.chars();
        match characters.next()? {
            '{' => open.push(Vec::new()),
            '}' => {
                let closed = Value::Array(open.pop()?);
                match open.last_mut() {
                    Some(outer) => outer.push(closed),
                    None => return characters.as_str().is_empty().then_some(closed),
                }
            }
            ',' => {}
            '"' => {
                let (value, after) = quoted(characters.as_str())?;
                open.last_mut()?.push(element(&value));
                rest = after;
                continue;
            }
            _ => {
                let end = rest.find([',', '}'])?;
                let (value, after) = rest.split_at(end);
                let value = if value == "NULL" {
                    Value::Null
                } else {
                    element(value)
                };
                open.last_mut()?.push(value);
                rest = after;
                continue;
            }
        }
        rest = characters.as_str();
    }
}

/// The text up to the closing quote, and what follows it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.chars();
    loop {
        match characters.next()? {
            '"' => return Some((value, characters.as_str())),
            '\\' => value.push(characters.next()?),
            other => value.push(other),
        }
    }
}
