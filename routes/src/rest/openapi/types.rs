//! Types of Postgres as types of OpenAPI.

use serde_json::Value;

use super::Object;

/// The type; `None` where a value may be anything, as JSON. What OpenAPI has no type for is text.
pub(super) fn name(data_type: &str) -> Option<&'static str> {
    match data_type {
        "boolean" => Some("boolean"),
        "smallint" | "integer" | "bigint" => Some("integer"),
        "numeric" | "real" | "double precision" => Some("number"),
        "json" | "jsonb" => None,
        _ if element(data_type).is_some() => Some("array"),
        _ => Some("string"),
    }
}

/// The format: the type's own name, but for integers.
pub(super) fn format(data_type: &str) -> &str {
    match data_type {
        "smallint" | "integer" => "int32",
        "bigint" => "int64",
        other => other,
    }
}

/// The type of an array's elements.
pub(super) fn element(data_type: &str) -> Option<&str> {
    data_type.strip_suffix("[]")
}

/// What a value in JSON is: type, format, and what an array's elements are.
pub(super) fn value(object: Object, data_type: &str) -> Object {
    let object = object
        .with("type", name(data_type))
        .with("format", format(data_type));
    match element(data_type) {
        // Even where it says nothing: elements may be anything.
        Some(element) => object.keep("items", Object::default().with("type", name(element))),
        None => object,
    }
}

/// The value of a default's expression; NULL where it is none that JSON has. Of text, what is no
/// literal is shown as it is written: `now()`.
pub(super) fn default(data_type: &str, expression: &str) -> Value {
    let json = if name(data_type) == Some("string") {
        let literal = expression
            .strip_suffix(data_type)
            .and_then(|cast| cast.strip_suffix("::"));
        let text = literal.map_or(expression, |literal| literal.trim_matches('\''));
        format!("\"{text}\"")
    } else {
        expression.to_owned()
    };
    serde_json::from_str(&json).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn types_of_postgres_are_types_of_openapi() {
        let shown = |data_type| Value::from(value(Object::default(), data_type)).to_string();
        for (data_type, expected) in [
            ("boolean", r#"{"type":"boolean","format":"boolean"}"#),
            ("smallint", r#"{"type":"integer","format":"int32"}"#),
            ("bigint", r#"{"type":"integer","format":"int64"}"#),
            (
                "double precision",
                r#"{"type":"number","format":"double precision"}"#,
            ),
            ("json", r#"{"format":"json"}"#),
            ("uuid", r#"{"type":"string","format":"uuid"}"#),
            ("api.colour", r#"{"type":"string","format":"api.colour"}"#),
            (
                "bigint[]",
                r#"{"type":"array","format":"bigint[]","items":{"type":"integer"}}"#,
            ),
            (
                "jsonb[]",
                r#"{"type":"array","format":"jsonb[]","items":{}}"#,
            ),
        ] {
            assert_eq!(shown(data_type), expected);
        }
    }

    #[test]
    fn defaults_are_shown_where_json_has_them() {
        for (data_type, expression, expected) in [
            ("text", "'new'::text", json!("new")),
            ("text", "''::text", json!("")),
            ("text", "'a\"b'::text", Value::Null),
            ("text", "lower('X'::text)", json!("lower('X'::text)")),
            ("timestamp with time zone", "now()", json!("now()")),
            (
                "time without time zone",
                "'13:00:00'::time without time zone",
                json!("13:00:00"),
            ),
            ("boolean", "false", json!(false)),
            ("integer", "42", json!(42)),
            ("numeric", "42.2", json!(42.2)),
            ("integer", "nextval('api.s'::regclass)", Value::Null),
            ("integer[]", "'{}'::integer[]", Value::Null),
            ("jsonb", "'{}'::jsonb", Value::Null),
        ] {
            assert_eq!(default(data_type, expression), expected, "{expression}");
        }
    }
}
