//! Rows and arguments out of a JSON payload.

use bytes::Bytes;

use super::{
    condition::{json, jsonb},
    writer::Writer,
};
use crate::rest::plan::{field::ResolvedField, mutate::Rows};

/// What the payload's rows are called.
pub(super) const PAYLOAD: &str = "pgrst_body";

/// `FROM` item: the payload's rows, their columns of the right types.
pub(super) fn rows(writer: &mut Writer, rows: &Rows, columns: &[ResolvedField]) {
    if columns.is_empty() {
        // `{}` is one row without columns, `[{}, {}]` are two.
        if rows.is_array {
            writer.raw("json_array_elements(");
            writer.parameter(json(&rows.json)).raw(") ");
        } else {
            writer.raw("(VALUES (1)) ");
        }
        writer.raw(PAYLOAD);
        return;
    }
    let transforms = columns.iter().any(|column| column.transform.is_some());
    if transforms {
        writer.raw("(SELECT ");
        writer.list(", ", columns, |writer, column| {
            if let Some(function) = &column.transform {
                writer.name(function).raw("(").identifier(&column.name);
                writer.raw(") AS ");
            }
            writer.identifier(&column.name);
        });
        writer.raw(" FROM ");
    }
    if rows.apply_defaults && columns.iter().any(|column| column.default.is_some()) {
        with_defaults(writer, rows, columns);
    } else {
        writer.raw(if rows.is_array {
            "json_to_recordset("
        } else {
            "json_to_record("
        });
        writer.parameter(json(&rows.json));
    }
    writer.raw(") AS ");
    writer.raw(if transforms { "_" } else { PAYLOAD });
    let typed_columns = columns
        .iter()
        .map(|column| (column.name.as_str(), column.data_type.as_deref()));
    typed(writer, typed_columns);
    if transforms {
        writer.raw(") ").raw(PAYLOAD);
    }
}

/// Each object over an object of the columns' defaults.
fn with_defaults(writer: &mut Writer, rows: &Rows, columns: &[ResolvedField]) {
    if rows.is_array {
        writer.raw("jsonb_to_recordset((SELECT jsonb_agg(");
        defaults(writer, columns);
        writer.raw(" || element) FROM jsonb_array_elements(");
        writer.parameter(jsonb(&rows.json)).raw(") element)");
    } else {
        writer.raw("jsonb_to_record(");
        defaults(writer, columns);
        writer.raw(" || ").parameter(jsonb(&rows.json));
    }
}

fn defaults(writer: &mut Writer, columns: &[ResolvedField]) {
    writer.raw("jsonb_build_object(");
    let columns = columns
        .iter()
        .filter_map(|column| Some((&column.name, column.default.as_ref()?)));
    writer.list(", ", columns, |writer, (name, default)| {
        writer.value(name.as_str()).raw("::text, ").catalog(default);
    });
    writer.raw(")");
}

/// `FROM` item: the arguments of a call, by name. Of an array the first object counts.
pub(super) fn arguments<'a>(
    writer: &mut Writer,
    body: &Bytes,
    is_array: bool,
    parameters: impl Iterator<Item = (&'a str, &'a str)>,
) {
    writer.raw(if is_array {
        "(SELECT * FROM json_to_recordset("
    } else {
        "json_to_record("
    });
    writer.parameter(json(body)).raw(") AS ");
    writer.raw(if is_array { "_" } else { PAYLOAD });
    typed(
        writer,
        parameters.map(|(name, data_type)| (name, Some(data_type))),
    );
    if is_array {
        writer.raw(" LIMIT 1) ").raw(PAYLOAD);
    }
}

fn typed<'a>(writer: &mut Writer, columns: impl Iterator<Item = (&'a str, Option<&'a str>)>) {
    writer.raw("(");
    writer.list(", ", columns, |writer, (name, data_type)| {
        writer.identifier(name).raw(" ");
        writer.catalog(data_type.unwrap_or("text"));
    });
    writer.raw(")");
}
