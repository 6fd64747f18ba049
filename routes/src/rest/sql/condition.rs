//! Fields, filters and orders.

use bytes::Bytes;

use super::writer::{Writer, array_text};
use crate::{
    rest::{
        plan::{
            field::ResolvedField,
            tree::{Condition, JoinCondition, Order},
        },
        query::{
            Direction, IsValue, JsonOperand, JsonStep, LogicOperator, Nulls, Operation, Operator,
            Quantifier,
        },
    },
    schema::QualifiedName,
    wire::Parameter,
};

/// A field of the rows called `rows`.
pub(super) fn field(writer: &mut Writer, rows: &QualifiedName, field: &ResolvedField) {
    if let Some(language) = &field.to_tsvector {
        writer.raw("to_tsvector(");
        if let Some(language) = language {
            writer.value(language.as_str()).raw(", ");
        }
        as_it_is(writer, rows, field);
        writer.raw(")");
    } else {
        as_it_is(writer, rows, field);
    }
}

fn as_it_is(writer: &mut Writer, rows: &QualifiedName, field: &ResolvedField) {
    if field.whole_row {
        writer.identifier(&rows.name);
    } else if field.json_path.is_empty() {
        writer.column(rows, &field.name);
    } else {
        if field.to_json {
            writer.raw("to_jsonb(").column(rows, &field.name).raw(")");
        } else {
            writer.column(rows, &field.name);
        }
        json_path(writer, &field.json_path);
    }
}

fn json_path(writer: &mut Writer, steps: &[JsonStep]) {
    for step in steps {
        writer.raw(if step.as_text { "->>" } else { "->" });
        match &step.operand {
            JsonOperand::Key(key) => writer.value(key.as_str()),
            JsonOperand::Index(index) => writer.value(index.as_str()).raw("::int"),
        };
    }
}

/// ` WHERE …`, or nothing.
pub(super) fn filtered(
    writer: &mut Writer,
    rows: &QualifiedName,
    conditions: &[Condition],
    joins: &[JoinCondition],
) {
    let mut separator = " WHERE ";
    for part in conditions {
        writer.raw(separator);
        condition(writer, rows, part, &mut embedded);
        separator = " AND ";
    }
    for part in joins {
        writer.raw(separator);
        join(writer, part);
        separator = " AND ";
    }
}

pub(super) fn join(writer: &mut Writer, join: &JoinCondition) {
    writer.column(&join.child.0, &join.child.1).raw(" = ");
    writer.column(&join.parent.0, &join.parent.1);
}

/// Whether a joined embed has rows. `IS NULL` would look into the row's columns.
fn embedded(writer: &mut Writer, alias: &str, exists: bool) {
    writer.identifier(alias).raw(if exists {
        " IS DISTINCT FROM NULL"
    } else {
        " IS NOT DISTINCT FROM NULL"
    });
}

/// One condition; `embedded` writes what asks for rows of an embed.
pub(super) fn condition(
    writer: &mut Writer,
    rows: &QualifiedName,
    condition: &Condition,
    embedded: &mut dyn FnMut(&mut Writer, &str, bool),
) {
    match condition {
        Condition::Group {
            negated,
            operator,
            conditions,
        } => {
            writer.raw(if *negated { "NOT (" } else { "(" });
            let separator = match operator {
                LogicOperator::And => " AND ",
                LogicOperator::Or => " OR ",
            };
            writer.list(separator, conditions, |writer, member| {
                self::condition(writer, rows, member, embedded);
            });
            writer.raw(")");
        }
        Condition::Filter {
            field,
            negated,
            operation,
        } => {
            if *negated {
                writer.raw("NOT ");
            }
            self::field(writer, rows, field);
            self::operation(writer, field, operation);
        }
        Condition::Embedded { alias, exists } => embedded(writer, alias, *exists),
    }
}

fn operation(writer: &mut Writer, field: &ResolvedField, operation: &Operation) {
    match operation {
        Operation::Compare {
            operator,
            quantifier,
            value,
        } => {
            writer.raw(" ").raw(symbol(*operator)).raw(" ");
            writer.raw(match quantifier {
                Some(Quantifier::Any) => "ANY(",
                Some(Quantifier::All) => "ALL(",
                None => "",
            });
            match operator {
                // A `*` in a URL needs no escape; a `%` does.
                Operator::Like | Operator::ILike => _ = writer.value(value.replace('*', "%")),
                _ => parsed(writer, field, value),
            }
            if quantifier.is_some() {
                writer.raw(")");
            }
        }
        Operation::In(values) if matches!(values.as_slice(), [only] if only.is_empty()) => {
            writer.raw(" = ANY('{}')");
        }
        // `IN ($1, $2)` has no empty list and as many statements as lengths.
        Operation::In(values) => {
            let values = array_text(values);
            match &field.transform {
                Some(function) => {
                    writer.raw(" = ANY (SELECT ").name(function);
                    writer.raw("(unnest(").value(values).raw("::text[])))")
                }
                None => writer.raw(" = ANY (").value(values).raw(")"),
            };
        }
        // A parameter cannot stand here.
        Operation::Is(value) => {
            writer.raw(match value {
                IsValue::Null => " IS NULL",
                IsValue::NotNull => " IS NOT NULL",
                IsValue::True => " IS TRUE",
                IsValue::False => " IS FALSE",
                IsValue::Unknown => " IS UNKNOWN",
            });
        }
        Operation::IsDistinctFrom(value) => {
            writer.raw(" IS DISTINCT FROM ").value(value.as_str());
        }
        Operation::FullText {
            operator,
            language,
            value,
        } => {
            writer.raw(" @@ ").raw(operator.function()).raw("(");
            if let Some(language) = language {
                writer.value(language.as_str()).raw(", ");
            }
            writer.value(value.as_str()).raw(")");
        }
    }
}

/// A filter's text, read by the field's representation where it has one.
fn parsed(writer: &mut Writer, field: &ResolvedField, value: &str) {
    match &field.transform {
        Some(function) => writer.name(function).raw("(").value(value).raw(")"),
        None => writer.value(value),
    };
}

fn symbol(operator: Operator) -> &'static str {
    match operator {
        Operator::Equal => "=",
        Operator::NotEqual => "<>",
        Operator::GreaterThan => ">",
        Operator::GreaterThanEqual => ">=",
        Operator::LessThan => "<",
        Operator::LessThanEqual => "<=",
        Operator::Like => "LIKE",
        Operator::ILike => "ILIKE",
        Operator::Match => "~",
        Operator::IMatch => "~*",
        Operator::Contains => "@>",
        Operator::Contained => "<@",
        Operator::Overlap => "&&",
        Operator::StrictlyLeft => "<<",
        Operator::StrictlyRight => ">>",
        Operator::NotExtendsRight => "&<",
        Operator::NotExtendsLeft => "&>",
        Operator::Adjacent => "-|-",
    }
}

/// ` ORDER BY …`, or nothing.
pub(super) fn ordered(writer: &mut Writer, rows: &QualifiedName, terms: &[Order]) {
    if terms.is_empty() {
        return;
    }
    writer.raw(" ORDER BY ");
    writer.list(", ", terms, |writer, term| {
        match &term.embed {
            Some(embed) => {
                let rows = QualifiedName::new("", embed.as_str());
                field(writer, &rows, &term.field);
            }
            None => field(writer, rows, &term.field),
        }
        writer.raw(match term.direction {
            Some(Direction::Ascending) => " ASC",
            Some(Direction::Descending) => " DESC",
            None => "",
        });
        writer.raw(match term.nulls {
            Some(Nulls::First) => " NULLS FIRST",
            Some(Nulls::Last) => " NULLS LAST",
            None => "",
        });
    });
}

const JSON: u32 = 114;
const JSONB: u32 = 3802;

/// A JSON document as a parameter of type `json`.
pub(super) fn json(document: &Bytes) -> Parameter {
    Parameter::from(document.clone()).typed(JSON)
}

/// A JSON document as a parameter of type `jsonb`.
pub(super) fn jsonb(document: &Bytes) -> Parameter {
    Parameter::from(document.clone()).typed(JSONB)
}
