//! The body, made by Postgres from the answer's rows.

use super::{
    RETURNED, ROWS,
    writer::{Writer, array_text},
};
use crate::{rest::plan::Renderer, schema::Routine};

/// The expression that makes the body. `routine` is the function whose result the rows are.
pub(super) fn rendered(writer: &mut Writer, renderer: &Renderer, routine: Option<&Routine>) {
    let scalar = routine.is_some_and(Routine::returns_scalar);
    let single = routine.is_some_and(|routine| !routine.returns_set);
    match renderer {
        Renderer::None => _ = writer.raw("''"),
        Renderer::Json { strip_nulls } => aggregated(writer, *strip_nulls, scalar, single),
        Renderer::Object { strip_nulls } => {
            aggregated(writer, *strip_nulls, scalar && single, true);
        }
        Renderer::Csv => csv(writer),
        Renderer::GeoJson => {
            writer.raw("json_build_object('type', 'FeatureCollection', 'features', ");
            writer.raw("coalesce(json_agg(ST_AsGeoJSON(").raw(ROWS);
            writer.raw(")::json), '[]'))");
        }
        Renderer::Custom { function, row_type } => {
            writer.name(function).raw("(").raw(ROWS);
            if scalar && single {
                writer.raw(".pgrst_scalar");
            } else if let Some(row_type) = row_type {
                writer.raw("::").name(row_type);
            }
            writer.raw(")");
        }
    }
}

fn aggregated(writer: &mut Writer, strip_nulls: bool, scalar: bool, first: bool) {
    writer.raw("coalesce(");
    if strip_nulls {
        writer.raw("json_strip_nulls(");
    }
    writer.raw("json_agg(").raw(ROWS);
    if scalar {
        writer.raw(".pgrst_scalar");
    }
    writer.raw(if first { ")->0" } else { ")" });
    if strip_nulls {
        writer.raw(")");
    }
    writer.raw(if first { ", 'null')" } else { ", '[]')" });
}

/// A header of the first row's keys, then each row as Postgres prints a record, without its
/// parentheses.
fn csv(writer: &mut Writer) {
    writer.raw("(SELECT coalesce(string_agg(key, ','), '') FROM json_object_keys(");
    first_row(writer);
    writer.raw(") AS key) || E'\\n' || coalesce(string_agg(substring(");
    writer.raw(ROWS).raw("::text, 2, length(").raw(ROWS);
    writer.raw("::text) - 2), E'\\n'), '')");
}

/// The key of the one returned row, as a JSON array of (column, value) pairs.
pub(super) fn location(writer: &mut Writer, key: &[String]) {
    writer.raw("CASE WHEN pg_catalog.count(*) = 1 THEN ");
    writer.raw("(SELECT json_agg(json_build_array(key, value)) FROM json_each_text(");
    first_row(writer);
    writer.raw(") WHERE key = ANY (").value(array_text(key));
    writer.raw("::text[])) END");
}

fn first_row(writer: &mut Writer) {
    writer.raw("(SELECT row_to_json(first) FROM ").raw(RETURNED);
    writer.raw(" AS first LIMIT 1)");
}
