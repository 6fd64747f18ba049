//! Which relationship an embed means.

use std::rc::Rc;

use super::{Catalog, PlanError, error::NoRelationship, fuzzy};
use crate::schema::{Cardinality, QualifiedName, Relationship, RelationshipKind};

/// Finds the one relationship from `origin` that `target!hint` names.
///
/// A target is a table, a view, a computed relationship, or, where the other side is a table, the
/// constraint or the single column of the foreign key. A hint is a constraint, a column of either
/// side or a junction. No match is [`PlanError::NoRelationship`], several are
/// [`PlanError::AmbiguousRelationship`].
pub(crate) fn find(
    catalog: Catalog<'_>,
    schema: &str,
    origin: &str,
    target: &str,
    hint: Option<&str>,
) -> Result<Rc<Relationship>, PlanError> {
    let key = (QualifiedName::new(schema, origin), schema.to_owned());
    let known = catalog.cache.relationships.get(&key);
    let mut matching = known
        .into_iter()
        .flatten()
        .filter(|relationship| matches(relationship, target, hint));
    match (matching.next(), matching.next()) {
        (Some(only), None) => Ok(Rc::clone(only)),
        (Some(first), Some(second)) => Err(PlanError::AmbiguousRelationship {
            origin: origin.to_owned(),
            target: target.to_owned(),
            candidates: [first, second]
                .into_iter()
                .chain(matching)
                .map(Rc::clone)
                .collect(),
        }),
        (None, _) => Err(PlanError::NoRelationship(Box::new(NoRelationship {
            origin: origin.to_owned(),
            target: target.to_owned(),
            hint: hint.map(str::to_owned),
            schema: schema.to_owned(),
            similar: similar(catalog, schema, origin, target),
        }))),
    }
}

/// Whether at most one row answers a row of the parent.
pub(crate) fn is_to_one(relationship: &Relationship) -> bool {
    match &relationship.kind {
        RelationshipKind::ForeignKey { cardinality, .. } => match cardinality {
            Cardinality::ManyToOne | Cardinality::OneToOne { .. } => true,
            Cardinality::OneToMany | Cardinality::ManyToMany => false,
        },
        RelationshipKind::Junction { .. } => false,
        RelationshipKind::Computed { to_one, .. } => *to_one,
    }
}

fn matches(relationship: &Relationship, target: &str, hint: Option<&str>) -> bool {
    let names_table = relationship.foreign_table.name == target;
    match &relationship.kind {
        RelationshipKind::Computed { function, .. } => function.name == target,
        RelationshipKind::Junction { junction, .. } => {
            names_table && hint.is_none_or(|hint| junction.name == hint) && !relationship.is_self
        }
        RelationshipKind::ForeignKey {
            cardinality,
            constraint,
            columns,
        } => {
            let single = match columns.as_slice() {
                [(from, to)] => Some((from.as_str(), to.as_str())),
                _ => None,
            };
            let from_column = |name: &str| single.is_some_and(|(from, _)| from == name);
            let to_column = |name: &str| single.is_some_and(|(_, to)| to == name);
            if relationship.is_self {
                // Both directions join the table with itself: the table's name means the many
                // side, the column's name the one side.
                let to_many = *cardinality == Cardinality::OneToMany;
                let to_one = *cardinality == Cardinality::ManyToOne;
                return match hint {
                    None => (names_table && to_many) || (to_one && from_column(target)),
                    Some(hint) => names_table && to_many && to_column(hint),
                };
            }
            match hint {
                None => {
                    names_table
                        || (!relationship.foreign_table_is_view
                            && (constraint == target || from_column(target)))
                }
                Some(hint) => {
                    names_table && (constraint == hint || from_column(hint) || to_column(hint))
                }
            }
        }
    }
}

/// The name that was probably meant, as (meant, instead of): the parent's where it has no
/// relationships at all, else the target's.
fn similar(
    catalog: Catalog<'_>,
    schema: &str,
    origin: &str,
    target: &str,
) -> Option<(String, String)> {
    let relationships = &catalog.cache.relationships;
    let key = (QualifiedName::new(schema, origin), schema.to_owned());
    match relationships.get(&key) {
        // A table that is there and has no relationships was not mistaken for another.
        None if catalog.cache.tables.contains_key(&key.0) => None,
        None => {
            let parents = relationships
                .keys()
                .filter(|(_, target_schema)| target_schema == schema)
                .map(|(table, _)| table.name.as_str());
            fuzzy::best(origin, parents, fuzzy::LENIENT).map(|meant| (meant, origin.to_owned()))
        }
        Some(known) => {
            let children = known
                .iter()
                .map(|relationship| relationship.foreign_table.name.as_str());
            fuzzy::best_inexact(target, children, fuzzy::LENIENT)
                .map(|meant| (meant, target.to_owned()))
        }
    }
}
