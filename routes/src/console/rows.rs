//! Rows and errors as postgres-meta gives them: a column's JSON type follows its Postgres type.

use serde_json::{Map, Number, Value, json};

use super::{array, to_json};
use crate::wire::{PgError, Row, StatementResult};

/// The last statement's rows, of those that have some.
pub(super) fn render(results: &[StatementResult]) -> String {
    let result = results.iter().rev().find(|result| !result.rows.is_empty());
    let rows = result.map(|result| {
        let columns = result.columns.as_deref().unwrap_or_default();
        let object = |row: &Row| {
            let cells = columns.iter().enumerate().map(|(index, column)| {
                let value = row.text(index).map(|text| value(column.type_oid, text));
                (column.name.clone(), value.unwrap_or_default())
            });
            // Of columns with one name the last counts, as in a JavaScript object.
            Value::Object(cells.collect::<Map<_, _>>())
        };
        result.rows.iter().map(object).collect()
    });
    to_json(&Value::Array(rows.unwrap_or_default()))
}

/// A value by the OID of its type, as `pg_type.dat` lists them; text where JSON has nothing closer.
fn value(type_oid: u32, text: &str) -> Value {
    const BOOL: u32 = 16;
    const INT8: u32 = 20;
    const INT2: u32 = 21;
    const INT4: u32 = 23;
    const OID: u32 = 26;
    const JSON: u32 = 114;
    const FLOAT4: u32 = 700;
    const FLOAT8: u32 = 701;
    const JSONB: u32 = 3802;
    match type_oid {
        BOOL => Value::Bool(text == "t"),
        INT2 | INT4 | OID => integer(text),
        // A larger one would lose digits in JavaScript.
        INT8 => match text.parse::<i64>() {
            Ok(number) if number.unsigned_abs() < 1 << 53 => number.into(),
            _ => text.into(),
        },
        FLOAT4 | FLOAT8 => text
            .parse()
            .ok()
            .and_then(Number::from_f64)
            .map_or(Value::Null, Value::Number),
        JSON | JSONB => serde_json::from_str(text).unwrap_or_else(|_| text.into()),
        other => match element(other) {
            Some(element) => {
                array::parse(text, |text| value(element, text)).unwrap_or_else(|| text.into())
            }
            None => text.into(),
        },
    }
}

fn integer(text: &str) -> Value {
    text.parse::<i64>()
        .map_or_else(|_| text.into(), Value::from)
}

/// The type of an array's elements, for the arrays that become JSON arrays.
const fn element(array: u32) -> Option<u32> {
    Some(match array {
        199 => 114,
        1000 => 16,
        1001 => 17,
        1003 => 19,
        1005 => 21,
        1007 => 23,
        1009 => 25,
        1014 => 1042,
        1015 => 1043,
        1016 => 20,
        1021 => 700,
        1022 => 701,
        1028 => 26,
        1115 => 1114,
        1182 => 1082,
        1185 => 1184,
        1231 => 1700,
        2951 => 2950,
        3807 => 3802,
        _ => return None,
    })
}

/// An error with every field that node-postgres gives it, and the text that psql would print.
pub(super) fn render_error(error: &PgError, query: &str) -> String {
    let formatted = format(error, query);
    let number = |number: Option<u32>| number.map(|number| number.to_string());
    let fields = [
        ("code", Some(error.sqlstate.clone())),
        ("message", Some(error.message.clone())),
        ("severity", Some(error.severity.clone())),
        ("detail", error.detail.clone()),
        ("hint", error.hint.clone()),
        ("position", number(error.position)),
        ("internalPosition", number(error.internal_position)),
        ("internalQuery", error.internal_query.clone()),
        ("where", error.context.clone()),
        ("schema", error.schema.clone()),
        ("table", error.table.clone()),
        ("column", error.column.clone()),
        ("dataType", error.data_type.clone()),
        ("constraint", error.constraint.clone()),
        ("file", error.file.clone()),
        ("line", number(error.line)),
        ("routine", error.routine.clone()),
    ];
    let mut body = Map::from_iter([
        ("error".to_owned(), json!(formatted)),
        ("formattedError".to_owned(), json!(formatted)),
    ]);
    let present = fields
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), json!(value?))));
    body.extend(present);
    to_json(&Value::Object(body))
}

fn format(error: &PgError, query: &str) -> String {
    let PgError {
        severity,
        sqlstate,
        message,
        ..
    } = error;
    let mut lines = vec![format!("{severity}:  {sqlstate}: {message}")];
    if let Some((number, line, column)) = error.position.and_then(|at| line_at(query, at)) {
        let prefix = format!("LINE {number}: ");
        lines.push(format!("{prefix}{line}"));
        lines.push(format!("{}^", " ".repeat(prefix.len() + column)));
    }
    let more = [
        ("DETAIL", &error.detail),
        ("HINT", &error.hint),
        ("CONTEXT", &error.context),
    ];
    let present = more
        .iter()
        .filter_map(|(name, value)| Some((name, value.as_ref()?)));
    lines.extend(present.map(|(name, value)| format!("{name}:  {value}")));
    lines.push(String::new());
    lines.join("\n")
}

/// The line of a character counted from 1: its number, its text, and the characters before it.
fn line_at(query: &str, position: u32) -> Option<(usize, &str, usize)> {
    let position = usize::try_from(position).ok()?.checked_sub(1)?;
    let (offset, _) = query.char_indices().nth(position)?;
    let before = &query[..offset];
    let start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let line = query[start..].lines().next().unwrap_or_default();
    let number = before.matches('\n').count() + 1;
    Some((number, line, query[start..offset].chars().count()))
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    #[test]
    fn a_value_is_json_by_its_type() {
        let check = |oid, text, expected: Expect| expected.assert_eq(&value(oid, text).to_string());
        check(16, "t", expect!["true"]);
        check(23, "-7", expect!["-7"]);
        check(20, "9007199254740991", expect!["9007199254740991"]);
        check(20, "9007199254740993", expect![[r#""9007199254740993""#]]);
        check(
            20,
            "-9223372036854775808",
            expect![[r#""-9223372036854775808""#]],
        );
        check(701, "1e-3", expect!["0.001"]);
        check(701, "NaN", expect!["null"]);
        check(1700, "1.50", expect![[r#""1.50""#]]);
        check(3802, r#"{"a": [1, null]}"#, expect![[r#"{"a":[1,null]}"#]]);
        check(25, "1", expect![[r#""1""#]]);
        check(1007, "{1,2,NULL}", expect!["[1,2,null]"]);
        check(
            1009,
            r#"{a,"b,\"c\"",NULL,"NULL",""}"#,
            expect![[r#"["a","b,\"c\"",null,"NULL",""]"#]],
        );
        check(1007, "{{1,2},{3,4}}", expect!["[[1,2],[3,4]]"]);
        check(1007, "[0:1]={1,2}", expect!["[1,2]"]);
        check(1007, "{}", expect!["[]"]);
        check(1009, "{a", expect![[r#""{a""#]]);
        check(3807, r#"{"{\"a\": 1}"}"#, expect![[r#"[{"a":1}]"#]]);
    }

    #[test]
    fn an_error_points_into_the_query() {
        let error = PgError {
            severity: "ERROR".to_owned(),
            sqlstate: "42P01".to_owned(),
            message: "relation \"nö\" does not exist".to_owned(),
            position: Some(20),
            hint: Some("a hint".to_owned()),
            ..PgError::default()
        };
        expect![[r#"
            ERROR:  42P01: relation "nö" does not exist
            LINE 2:   * from nö
                           ^
            HINT:  a hint
        "#]]
        .assert_eq(&format(&error, "select 'ü',\n  * from nö\nwhere true"));
        let beyond = PgError {
            position: Some(99),
            ..error.clone()
        };
        expect![[r#"
            ERROR:  42P01: relation "nö" does not exist
            HINT:  a hint
        "#]]
        .assert_eq(&format(&beyond, "select 1"));
        expect![[r#"{"error":"ERROR:  42P01: relation \"nö\" does not exist\nHINT:  a hint\n","formattedError":"ERROR:  42P01: relation \"nö\" does not exist\nHINT:  a hint\n","code":"42P01","message":"relation \"nö\" does not exist","severity":"ERROR","hint":"a hint","position":"20"}"#]].assert_eq(&render_error(&error, ""));
    }
}
