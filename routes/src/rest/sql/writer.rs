//! Pushes SQL together so that no value from a request can become part of its text.

use crate::{database::Statement, schema::QualifiedName, wire::Parameter};

/// Types that are part of SQL's grammar: in quotes, Postgres knows them under other names or not at
/// all (`"char"` is another type than `char`).
///
/// Source: Postgres's manual, "Data Types".
const SPELLED_TYPES: [&str; 28] = [
    "bigint",
    "bit",
    "bit varying",
    "boolean",
    "char",
    "char varying",
    "character",
    "character varying",
    "dec",
    "decimal",
    "double precision",
    "float",
    "int",
    "integer",
    "national char",
    "national char varying",
    "national character",
    "national character varying",
    "nchar",
    "nchar varying",
    "real",
    "smallint",
    "time",
    "time with time zone",
    "time without time zone",
    "timestamp",
    "timestamp with time zone",
    "timestamp without time zone",
];

/// **Invariant:** what it writes verbatim is text of our own source (`&'static str`), or comes from
/// the database's catalog; all else is quoted or bound.
#[derive(Debug, Default)]
pub(super) struct Writer {
    statement: Statement,
}

impl Writer {
    /// SQL from our own source.
    pub(super) fn raw(&mut self, sql: &'static str) -> &mut Self {
        self.statement.sql.push_str(sql);
        self
    }

    /// SQL that Postgres itself wrote: a type's name or a default's expression.
    pub(super) fn catalog(&mut self, sql: &str) -> &mut Self {
        self.statement.sql.push_str(sql);
        self
    }

    pub(super) fn identifier(&mut self, name: &str) -> &mut Self {
        self.statement.sql.push_str(&quoted(name));
        self
    }

    pub(super) fn name(&mut self, name: &QualifiedName) -> &mut Self {
        if !name.schema.is_empty() {
            self.identifier(&name.schema).raw(".");
        }
        self.identifier(&name.name)
    }

    /// `table.column`, or `table.*`.
    pub(super) fn column(&mut self, table: &QualifiedName, column: &str) -> &mut Self {
        self.name(table).raw(".");
        if column == "*" {
            self.raw("*")
        } else {
            self.identifier(column)
        }
    }

    /// A type that a request casts to: one that SQL spells as words, or one that the catalog has.
    ///
    /// As everywhere in SQL, the case of letters does not matter.
    pub(super) fn cast_type(&mut self, name: &str) -> &mut Self {
        let words: Vec<_> = name.split_ascii_whitespace().collect();
        let name = words.join(" ").to_ascii_lowercase();
        match SPELLED_TYPES.iter().find(|spelled| **spelled == name) {
            Some(spelled) => self.raw(spelled),
            None => self.identifier(&name),
        }
    }

    /// A position in the select list, as GROUP BY takes it.
    pub(super) fn position(&mut self, position: usize) -> &mut Self {
        self.statement.sql.push_str(&position.to_string());
        self
    }

    /// A value whose type Postgres infers.
    pub(super) fn value(&mut self, value: impl Into<String>) -> &mut Self {
        self.parameter(Parameter::from(value.into()))
    }

    pub(super) fn parameter(&mut self, parameter: Parameter) -> &mut Self {
        self.statement.parameters.push(parameter);
        let number = self.statement.parameters.len();
        self.statement.sql.push('$');
        self.position(number)
    }

    /// Items with a separator between them.
    pub(super) fn list<T>(
        &mut self,
        separator: &'static str,
        items: impl IntoIterator<Item = T>,
        mut write: impl FnMut(&mut Self, T),
    ) -> &mut Self {
        for (index, item) in items.into_iter().enumerate() {
            if index > 0 {
                self.raw(separator);
            }
            write(self, item);
        }
        self
    }

    pub(super) fn finish(self) -> Statement {
        self.statement
    }
}

/// A quoted identifier. Postgres has no NUL in names: such a one ends there, as in a C string.
pub(super) fn quoted(name: &str) -> String {
    let name = name.split('\0').next().unwrap_or_default();
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The text of an array of texts, for a parameter of an array type.
pub(super) fn array_text<'a>(values: impl IntoIterator<Item = &'a String>) -> String {
    let mut text = "{".to_owned();
    for (index, value) in values.into_iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        text.push('"');
        for letter in value.chars() {
            if matches!(letter, '"' | '\\') {
                text.push('\\');
            }
            text.push(letter);
        }
        text.push('"');
    }
    text.push('}');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_are_quoted() {
        assert_eq!(quoted("plain"), r#""plain""#);
        assert_eq!(quoted(r#"od"d; --"#), r#""od""d; --""#);
        assert_eq!(quoted("cut\0off"), r#""cut""#);
    }

    #[test]
    fn array_elements_are_quoted() {
        let of = |values: &[&str]| {
            let values: Vec<_> = values.iter().map(|value| (*value).to_owned()).collect();
            array_text(&values)
        };
        assert_eq!(of(&[]), "{}");
        assert_eq!(of(&["a,b", r#"c"\d"#, ""]), r#"{"a,b","c\"\\d",""}"#);
    }

    #[test]
    fn casts_are_spelled_or_quoted() {
        for (name, written) in [
            ("double precision", "double precision"),
            ("Double  Precision", "double precision"),
            ("INT", "int"),
            ("text", r#""text""#),
            ("JSONB", r#""jsonb""#),
            ("numeric", r#""numeric""#),
            ("select", r#""select""#),
            ("int and 1", r#""int and 1""#),
            ("text); drop table x; --", r#""text); drop table x; --""#),
        ] {
            let mut writer = Writer::default();
            writer.cast_type(name);
            assert_eq!(writer.finish().sql, written);
        }
    }
}
