//! INSERT, UPDATE and DELETE.

use super::{
    condition::{condition, filtered},
    payload::{self, PAYLOAD},
    writer::Writer,
};
use crate::{
    rest::{
        plan::{MutatePlan, Mutation, mutate::Conflict, tree::Condition},
        preferences::Resolution,
    },
    schema::QualifiedName,
};

/// Counts the rows that an upsert inserted: one more for each row it tries, one less for each that
/// became an update. The comparison is true for every row.
const TRIED: &str = "set_config('pgrst.inserted', \
    (coalesce(nullif(current_setting('pgrst.inserted', true), '')::int, 0) + 1)::text, true) <> '0'";
const UPDATED: &str = "set_config('pgrst.inserted', \
    (coalesce(nullif(current_setting('pgrst.inserted', true), '')::int, 0) - 1)::text, true) <> '-1'";

pub(super) fn statement(writer: &mut Writer, plan: &MutatePlan) {
    let payload_rows = QualifiedName::new("", PAYLOAD);
    match &plan.mutation {
        Mutation::Insert {
            columns,
            rows,
            conflict,
            key,
            counts_new,
        } => {
            writer.raw("INSERT INTO ").name(&plan.table);
            if !columns.is_empty() {
                writer.raw("(");
                writer.list(", ", columns, |writer, column| {
                    writer.identifier(&column.name);
                });
                writer.raw(")");
            }
            writer.raw(" SELECT ");
            writer.list(", ", columns, |writer, column| {
                writer.column(&payload_rows, &column.name);
            });
            writer.raw(" FROM ");
            payload::rows(writer, rows, columns);
            if *counts_new {
                writer.raw(" WHERE ").raw(TRIED);
                for part in key {
                    writer.raw(" AND ");
                    condition(writer, &payload_rows, part, &mut |_, _, _| {});
                }
            }
            if let Some(conflict) = conflict {
                let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
                on_conflict(writer, conflict, &names);
            }
            returning(writer, plan);
        }
        Mutation::Update { columns, .. } if columns.is_empty() => {
            // Nothing to set is no UPDATE; the names of the columns are still wanted.
            writer.raw("SELECT ");
            if plan.returning.is_empty() {
                writer.raw("NULL");
            }
            writer.list(", ", &plan.returning, |writer, column| {
                writer.column(&plan.table, column);
            });
            writer.raw(" FROM ").name(&plan.table).raw(" WHERE false");
        }
        Mutation::Update {
            columns,
            rows,
            conditions,
        } => {
            writer.raw("UPDATE ").name(&plan.table).raw(" SET ");
            writer.list(", ", columns, |writer, column| {
                writer.identifier(&column.name).raw(" = ");
                writer.column(&payload_rows, &column.name);
            });
            writer.raw(" FROM ");
            payload::rows(writer, rows, columns);
            where_returning(writer, plan, conditions);
        }
        Mutation::Delete { conditions } => {
            writer.raw("DELETE FROM ").name(&plan.table);
            where_returning(writer, plan, conditions);
        }
    }
}

/// How many rows were new, after the statement ran.
pub(super) fn inserted(writer: &mut Writer, plan: &MutatePlan) {
    match plan.mutation {
        Mutation::Insert {
            counts_new: true, ..
        } => writer.raw("nullif(current_setting('pgrst.inserted', true), '')::int"),
        Mutation::Insert { .. } | Mutation::Update { .. } | Mutation::Delete { .. } => {
            writer.raw("null")
        }
    };
}

fn on_conflict(writer: &mut Writer, conflict: &Conflict, columns: &[&str]) {
    writer.raw(" ON CONFLICT(");
    writer.list(", ", &conflict.columns, |writer, column| {
        writer.identifier(column);
    });
    match conflict.resolution {
        Resolution::MergeDuplicates if !columns.is_empty() => {
            writer.raw(") DO UPDATE SET ");
            writer.list(", ", columns, |writer, column| {
                writer.identifier(column).raw(" = EXCLUDED.");
                writer.identifier(column);
            });
            writer.raw(" WHERE ").raw(UPDATED);
        }
        Resolution::MergeDuplicates | Resolution::IgnoreDuplicates => {
            writer.raw(") DO NOTHING");
        }
    }
}

fn where_returning(writer: &mut Writer, plan: &MutatePlan, conditions: &[Condition]) {
    filtered(writer, &plan.table, conditions, &[]);
    returning(writer, plan);
}

fn returning(writer: &mut Writer, plan: &MutatePlan) {
    writer.raw(" RETURNING ");
    if plan.returning.is_empty() {
        // Rows are counted even where nobody sees them.
        writer.raw("1");
    }
    writer.list(", ", &plan.returning, |writer, column| {
        writer.column(&plan.table, column);
    });
}
