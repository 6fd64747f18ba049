//! Mutations: insert, update, upsert, delete, and the read of what they changed.

use std::collections::BTreeSet;

use bytes::Bytes;

use super::{
    Catalog, PlanError,
    field::{Fields, ResolvedField},
    find_table, needed_columns,
    negotiate::{self, Renderer, Rendition},
    read::{self, Root},
    shape::{RootConditions, Shape},
    tree::{Condition, ReadNode},
};
use crate::{
    rest::{
        preferences::{Missing, Resolution, Return},
        query::{Filter, LogicTree, Operation, Operator, Query, Window},
        request::{Payload, RequestedRange, RestRequest},
    },
    schema::{QualifiedName, Table},
};

/// POST, PATCH, PUT or DELETE of a relation.
#[derive(Debug)]
pub struct MutatePlan {
    pub table: QualifiedName,
    pub mutation: Mutation,
    /// The columns that the mutation returns; empty where nobody reads them.
    pub returning: Vec<String>,
    /// Whether `Location` names the row, by these columns.
    pub location: Option<Vec<String>>,
    pub tree: ReadNode,
    pub rendition: Rendition,
    /// Whether rows can conflict at all: only then was `resolution` applied.
    pub resolves_conflicts: bool,
}

#[derive(Debug)]
pub enum Mutation {
    Insert {
        columns: Vec<ResolvedField>,
        rows: Rows,
        conflict: Option<Conflict>,
        /// PUT: the key of the URL, which the row must have.
        key: Vec<Condition>,
        /// Whether the answer depends on how many rows were new.
        counts_new: bool,
    },
    Update {
        columns: Vec<ResolvedField>,
        rows: Rows,
        conditions: Vec<Condition>,
    },
    Delete {
        conditions: Vec<Condition>,
    },
}

/// The payload: rows as JSON.
#[derive(Debug, Clone, PartialEq)]
pub struct Rows {
    pub json: Bytes,
    pub is_array: bool,
    /// Columns that a row leaves out take their default instead of null.
    pub apply_defaults: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    pub columns: Vec<String>,
    pub resolution: Resolution,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Insert,
    Update,
    SingleUpsert,
    Delete,
}

pub(crate) fn plan(
    catalog: Catalog<'_>,
    name: &str,
    request: &RestRequest,
    kind: Kind,
) -> Result<MutatePlan, PlanError> {
    let table = find_table(catalog, &QualifiedName::new(request.schema.as_str(), name))?;
    if kind == Kind::SingleUpsert && request.range != RequestedRange::default() {
        return Err(PlanError::PutRange);
    }
    let shape = Shape::of(
        name,
        &request.query,
        Window::default(),
        RootConditions::Mutation,
    )?;
    let root = Root::Returned {
        name,
        table: Some(table),
    };
    let tree = read::build(catalog, &request.schema, root, shape, None)?;
    let fields = Fields {
        cache: catalog.cache,
        table: Some(table),
    };
    let mutation = mutation(&fields, table, request, kind)?;
    let mut rendition =
        negotiate::negotiate(catalog, &table.name, &request.accept, tree.is_default())?;
    let shown = request.preferences.representation;
    if shown != Some(Return::Representation) {
        rendition.renderer = Renderer::None;
    }
    let returning = match shown {
        Some(Return::Representation | Return::HeadersOnly) => {
            needed_columns(&tree, &table.primary_key)
        }
        Some(Return::Minimal) | None => Vec::new(),
    };
    let locates =
        kind == Kind::Insert && shown == Some(Return::HeadersOnly) && !table.primary_key.is_empty();
    Ok(MutatePlan {
        table: table.name.clone(),
        mutation,
        returning,
        location: locates.then(|| table.primary_key.clone()),
        tree,
        rendition,
        resolves_conflicts: !table.primary_key.is_empty() || request.query.on_conflict.is_some(),
    })
}

fn mutation(
    fields: &Fields<'_>,
    table: &Table,
    request: &RestRequest,
    kind: Kind,
) -> Result<Mutation, PlanError> {
    let preferences = &request.preferences;
    let apply_defaults = preferences.missing == Some(Missing::Default);
    match kind {
        Kind::Insert => {
            let conflict = preferences.resolution.and_then(|resolution| {
                let columns = request.query.on_conflict.as_ref();
                let columns = columns.unwrap_or(&table.primary_key).clone();
                (!columns.is_empty()).then_some(Conflict {
                    columns,
                    resolution,
                })
            });
            Ok(Mutation::Insert {
                columns: columns(fields, table, request)?,
                rows: rows(request.payload.as_ref(), apply_defaults),
                conflict,
                key: Vec::new(),
                counts_new: preferences.resolution == Some(Resolution::MergeDuplicates),
            })
        }
        Kind::SingleUpsert => {
            check_key(table, &request.query)?;
            Ok(Mutation::Insert {
                columns: columns(fields, table, request)?,
                rows: rows(request.payload.as_ref(), false),
                conflict: Some(Conflict {
                    columns: table.primary_key.clone(),
                    resolution: Resolution::MergeDuplicates,
                }),
                key: conditions(fields, &request.query),
                counts_new: true,
            })
        }
        Kind::Update => Ok(Mutation::Update {
            columns: columns(fields, table, request)?,
            rows: rows(request.payload.as_ref(), apply_defaults),
            conditions: conditions(fields, &request.query),
        }),
        Kind::Delete => Ok(Mutation::Delete {
            conditions: conditions(fields, &request.query),
        }),
    }
}

/// The columns that the payload writes, or those of them that `columns` names.
fn columns(
    fields: &Fields<'_>,
    table: &Table,
    request: &RestRequest,
) -> Result<Vec<ResolvedField>, PlanError> {
    let keys = match (&request.query.columns, &request.payload) {
        (Some(columns), _) => columns.as_slice(),
        (None, Some(Payload::Json { keys, .. })) => keys.as_slice(),
        (None, _) => &[],
    };
    let names: BTreeSet<&String> = keys.iter().collect();
    names
        .into_iter()
        .map(|name| {
            fields.written(name).ok_or_else(|| PlanError::NoColumn {
                table: table.name.name.clone(),
                column: name.clone(),
            })
        })
        .collect()
}

fn rows(payload: Option<&Payload>, apply_defaults: bool) -> Rows {
    match payload {
        Some(Payload::Json { text, is_array, .. }) => Rows {
            json: text.clone(),
            is_array: *is_array,
            apply_defaults,
        },
        // The parser gives mutations JSON and nothing else; no payload writes one empty row.
        Some(Payload::Form(_) | Payload::Raw(_)) | None => Rows {
            json: Bytes::from_static(b"{}"),
            is_array: false,
            apply_defaults,
        },
    }
}

/// The root's filters: they choose the rows to change.
fn conditions(fields: &Fields<'_>, query: &Query) -> Vec<Condition> {
    let filters = query
        .filters
        .iter()
        .filter(|(path, _)| path.is_empty())
        .map(|(_, filter)| LogicTree::Filter(filter.clone()));
    let logic = query
        .logic
        .iter()
        .filter(|(path, _)| path.is_empty())
        .map(|(_, tree)| tree.clone());
    filters
        .chain(logic)
        .map(|tree| read::condition(fields, &[], tree))
        .collect()
}

/// PUT writes the one row that its URL names: `eq` on each column of the primary key, and nothing else.
fn check_key(table: &Table, query: &Query) -> Result<(), PlanError> {
    let filters: Vec<&Filter> = query
        .filters
        .iter()
        .filter(|(path, _)| path.is_empty())
        .map(|(_, filter)| filter)
        .collect();
    let is_equality = |filter: &&Filter| {
        !filter.negated
            && matches!(
                filter.operation,
                Operation::Compare {
                    operator: Operator::Equal,
                    quantifier: None,
                    ..
                }
            )
    };
    let named: BTreeSet<&String> = filters.iter().map(|filter| &filter.field.name).collect();
    let key: BTreeSet<&String> = table.primary_key.iter().collect();
    if query.logic.is_empty() && !key.is_empty() && named == key && filters.iter().all(is_equality)
    {
        Ok(())
    } else {
        Err(PlanError::PutFilters)
    }
}
