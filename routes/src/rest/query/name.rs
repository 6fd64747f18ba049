//! Names, quoted values and paths into JSON: the words of the grammar.

use super::{
    Field, JsonOperand, JsonStep,
    cursor::{Cursor, MAX_DEPTH, Parsed, Refused},
};

const FIELD_NAME: &str = "field name (* or [a..z0..9_$])";
const JSON_KEY: &str = "any non reserved character different from: .,>()";

/// `name`, `two words`, `with-dashes`, `"anything: at all"`.
pub(super) fn field_name(cursor: &mut Cursor<'_>) -> Parsed<String> {
    cursor.named(FIELD_NAME, |cursor| {
        cursor.either(quoted_value, |cursor| dashed(cursor, identifier))
    })
}

/// Letters, digits, `_`, `$` and inner spaces.
pub(super) fn identifier<'a>(cursor: &mut Cursor<'a>) -> Parsed<&'a str> {
    cursor
        .run_of_some(&["letter", "digit"], |character| {
            character.is_alphabetic()
                || character.is_ascii_digit()
                || matches!(character, '_' | ' ' | '$')
        })
        .map(str::trim)
}

/// Parts joined by dashes; the dash of an arrow is not one of them.
fn dashed<'a>(
    cursor: &mut Cursor<'a>,
    part: impl FnMut(&mut Cursor<'a>) -> Parsed<&'a str>,
) -> Parsed<String> {
    let dash = |cursor: &mut Cursor<'a>| {
        cursor.attempt(|cursor| {
            cursor.text("-")?;
            cursor.not_followed_by(">")
        })
    };
    cursor.separated(dash, part).map(|parts| parts.join("-"))
}

/// `"…"`, where a backslash takes the next character as it is.
pub(super) fn quoted_value(cursor: &mut Cursor<'_>) -> Parsed<String> {
    cursor.text("\"")?;
    let mut value = String::new();
    loop {
        value.push_str(cursor.run(&[], |character| !matches!(character, '"' | '\\')));
        if !cursor.rest().starts_with('\\') {
            break;
        }
        cursor.text("\\")?;
        value.push(cursor.character(|_| true)?);
    }
    // Not there, as seen above; it tells the reader of the error that an escape could have come.
    let _ = cursor.text("\\");
    cursor.text("\"")?;
    Ok(value)
}

/// The dot between the parts of a filter or an order.
pub(super) fn delimiter(cursor: &mut Cursor<'_>) -> Parsed<()> {
    cursor.named("delimiter (.)", |cursor| cursor.text("."))
}

/// `column->key->>0`, with spaces around it.
pub(super) fn field(cursor: &mut Cursor<'_>) -> Parsed<Field> {
    cursor.padded(|cursor| {
        Ok(Field {
            name: field_name(cursor)?,
            json_path: json_path(cursor)?,
        })
    })
}

/// `->key`, `->>text`, `->-1`, up to [`MAX_DEPTH`] of them.
pub(super) fn json_path(cursor: &mut Cursor<'_>) -> Parsed<Vec<JsonStep>> {
    let mut steps = 0;
    cursor.many(|cursor| {
        let as_text = cursor.one_of(&[("->>", true), ("->", false)])?;
        steps += 1;
        if steps > MAX_DEPTH {
            return cursor.refuse_depth();
        }
        let operand = cursor.either(
            |cursor| cursor.attempt(json_index),
            |cursor| cursor.attempt(json_key),
        )?;
        Ok(JsonStep { as_text, operand })
    })
}

fn json_index(cursor: &mut Cursor<'_>) -> Parsed<JsonOperand> {
    let minus = cursor.optional(|cursor| cursor.text("-"))?;
    let digits = cursor.run_of_some(&["digit"], |character| character.is_ascii_digit())?;
    // A key may begin with digits: an index ends where a step, a cast or a term ends.
    cursor.either(
        |cursor| first_before(cursor, &["->", "::", ".", ","]),
        |cursor| cursor.attempt(Cursor::end),
    )?;
    let sign = if minus.is_some() { "-" } else { "" };
    Ok(JsonOperand::Index(format!("{sign}{digits}")))
}

fn json_key(cursor: &mut Cursor<'_>) -> Parsed<JsonOperand> {
    let part = |cursor: &mut Cursor<'_>| -> Parsed<String> { dashed(cursor, json_key_part) };
    cursor
        .named(JSON_KEY, |cursor| cursor.either(quoted_value, part))
        .map(JsonOperand::Key)
}

fn json_key_part<'a>(cursor: &mut Cursor<'a>) -> Parsed<&'a str> {
    cursor
        .run_of_some(&[], |character| {
            !matches!(character, '(' | '-' | ':' | '.' | ',' | '>' | ')')
        })
        .map(str::trim)
}

/// Whether one of the texts is next, without moving.
pub(super) fn first_before(cursor: &mut Cursor<'_>, texts: &[&'static str]) -> Parsed<()> {
    for text in texts {
        if cursor.before(text).is_ok() {
            return Ok(());
        }
    }
    Err(Refused)
}

/// `a,b,c`: the columns of `columns` and `on_conflict`.
pub(super) fn columns(cursor: &mut Cursor<'_>) -> Parsed<Vec<String>> {
    cursor.separated(comma, field_name)
}

/// A comma with spaces around it.
pub(super) fn comma(cursor: &mut Cursor<'_>) -> Parsed<()> {
    cursor.padded(|cursor| cursor.text(","))
}
