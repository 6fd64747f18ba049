//! How an embed's rows are joined to its parent's.

use super::tree::{JoinCondition, ParentColumns, Source};
use crate::schema::{QualifiedName, Relationship, RelationshipKind};

/// Where an embed's rows come from, and what ties them to the parent's.
pub(super) fn join(
    relationship: &Relationship,
    parent: &QualifiedName,
    alias: &str,
    depth: usize,
) -> (Source, Vec<JoinCondition>) {
    let child = QualifiedName::new("", alias);
    let condition =
        |child: &QualifiedName, column: &str, parent: &QualifiedName, from: &str| JoinCondition {
            child: (child.clone(), column.to_owned()),
            parent: (parent.clone(), from.to_owned()),
        };
    match &relationship.kind {
        RelationshipKind::ForeignKey { columns, .. } => (
            Source::Table(relationship.foreign_table.clone()),
            columns
                .iter()
                .map(|(from, to)| condition(&child, to, parent, from))
                .collect(),
        ),
        RelationshipKind::Junction {
            junction,
            left,
            right,
            ..
        } => {
            let junction_alias = whole(format!("{}_junction_{depth}", junction.name), || {
                format!("junction_{depth}")
            });
            let between = QualifiedName::new("", junction_alias.as_str());
            let joins = right
                .iter()
                .map(|(from, to)| condition(&child, to, &between, from))
                .chain(
                    left.iter()
                        .map(|(from, to)| condition(&between, to, parent, from)),
                )
                .collect();
            let source = Source::Junction {
                table: relationship.foreign_table.clone(),
                junction: junction.clone(),
                junction_alias,
            };
            (source, joins)
        }
        RelationshipKind::Computed { function, .. } => (
            Source::Computed {
                function: function.clone(),
                row: parent.name.clone(),
                row_type: relationship.table.clone(),
            },
            Vec::new(),
        ),
    }
}

/// What the parent must show for the join.
pub(super) fn parent_columns(relationship: &Relationship) -> ParentColumns {
    let from = |pairs: &[(String, String)]| {
        ParentColumns::Named(pairs.iter().map(|(from, _)| from.clone()).collect())
    };
    match &relationship.kind {
        RelationshipKind::ForeignKey { columns, .. } => from(columns),
        RelationshipKind::Junction { left, .. } => from(left),
        RelationshipKind::Computed { .. } => ParentColumns::WholeRow,
    }
}

/// A name that Postgres keeps whole: it cuts longer ones, and two that differ in their ends would
/// become one.
pub(super) fn whole(name: String, short: impl FnOnce() -> String) -> String {
    const LONGEST: usize = 63;
    if name.len() > LONGEST { short() } else { name }
}
