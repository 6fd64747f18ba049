//! The ways between tables and views, from foreign keys.
//!
//! As PostgREST derives them (its documentation, "Resource Embedding"): a foreign key is
//! many-to-one, or one-to-one where its columns are a key of their table; a table whose primary
//! key holds two foreign keys joins their tables many-to-many; a view that shows a key's columns
//! stands in for the table on either side.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    rc::Rc,
};

use super::{
    Cardinality, QualifiedName, Relationship, RelationshipKind,
    facts::{ComputedFact, KeyFact, KeyKind, Number, Oid, RelationFact, RelationKind},
    views::Views,
};

/// By the relation they start from and the schema they lead to.
pub(super) type Relationships = HashMap<(QualifiedName, String), Vec<Rc<Relationship>>>;

/// The exposed relations by oid, and their columns by number.
#[derive(Debug)]
pub(super) struct Relations<'a> {
    by_oid: HashMap<Oid, (&'a RelationFact, HashMap<Number, &'a str>)>,
}

impl<'a> Relations<'a> {
    pub(super) fn new(facts: &'a [RelationFact]) -> Self {
        let by_oid = facts.iter().map(|fact| {
            let names = fact.names.iter().map(String::as_str);
            let columns = fact.numbers.iter().copied().zip(names);
            (fact.oid, (fact, columns.collect()))
        });
        Self {
            by_oid: by_oid.collect(),
        }
    }

    fn get(&self, relation: Oid) -> Option<&'a RelationFact> {
        self.by_oid.get(&relation).map(|(fact, _)| *fact)
    }

    /// `None` where the relation is not exposed.
    fn column_names(&self, relation: Oid, columns: &[Number]) -> Option<Vec<&'a str>> {
        let (_, names) = self.by_oid.get(&relation)?;
        let names = columns.iter().map(|number| names.get(number).copied());
        names.collect()
    }
}

impl RelationFact {
    pub(super) fn qualified_name(&self) -> QualifiedName {
        QualifiedName::new(&*self.schema, &*self.name)
    }

    pub(super) fn is_view(&self) -> bool {
        match self.kind {
            RelationKind::View | RelationKind::MaterializedView => true,
            RelationKind::Table | RelationKind::ForeignTable | RelationKind::PartitionedTable => {
                false
            }
        }
    }
}

/// The primary keys of exposed relations: a table's in the order of their names, a view's as it
/// shows its tables', each column once.
pub(super) fn primary_keys<'a>(
    relations: &Relations<'a>,
    keys: &[KeyFact],
    views: &Views,
) -> BTreeMap<Oid, Vec<&'a str>> {
    let mut found: BTreeMap<Oid, Vec<&str>> = BTreeMap::new();
    for key in keys.iter().filter(|key| key.kind == KeyKind::Primary) {
        if let Some(mut names) = relations.column_names(key.table, &key.columns) {
            names.sort_unstable();
            found.insert(key.table, names);
        }
        let mut shown_by = None;
        for (view, columns) in views.showing(key.table, &key.columns) {
            // Where a view shows a column twice, the first one serves.
            if shown_by.replace(view) == Some(view) {
                continue;
            }
            if let Some(names) = relations.column_names(view, &columns) {
                found.entry(view).or_default().extend(names);
            }
        }
    }
    found
}

/// A many-to-one or one-to-one way along a foreign key between exposed relations.
#[derive(Debug)]
struct Reference<'a> {
    key: &'a KeyFact,
    source: &'a RelationFact,
    target: &'a RelationFact,
    one_to_one: bool,
    columns: Vec<(&'a str, &'a str)>,
}

/// Every relationship between exposed relations, from both sides.
///
/// A computed relationship takes the place of those that lead to a table of the function's name.
/// The ones of a key stand in PostgREST's order, in which it lists them where they are ambiguous.
/// A relation that is joined only through junctions that are not exposed has an empty list: its
/// name is no mistake, though nothing leads from it.
pub(super) fn derive(
    relations: &Relations<'_>,
    keys: &[KeyFact],
    views: &Views,
    primary_keys: &BTreeMap<Oid, Vec<&str>>,
    computed: &[ComputedFact],
) -> Relationships {
    let references = references(relations, keys, views);
    let mut all: Vec<Relationship> = Vec::new();
    for reference in &references {
        all.push(reference.forward());
        all.push(reference.backward());
    }
    junctions(&references, primary_keys, &mut all);

    let computed: Vec<_> = computed
        .iter()
        .filter_map(|fact| computed_relationship(relations, fact))
        .collect();
    let overridden: HashSet<_> = computed
        .iter()
        .map(|(relationship, function)| (&relationship.table, function))
        .collect();
    all.retain(|relationship| {
        !overridden.contains(&(&relationship.table, &relationship.foreign_table))
    });
    all.extend(computed.into_iter().map(|(relationship, _)| relationship));

    let mut found = Relationships::new();
    for relationship in all {
        let to = relationship.foreign_table.schema.clone();
        found
            .entry((relationship.table.clone(), to))
            .or_default()
            .push(Rc::new(relationship));
    }
    for (table, to) in hidden_junctions(relations, keys, views) {
        found.entry((table, to)).or_default();
    }
    for list in found.values_mut() {
        list.sort_by(|one, other| order(one, other));
    }
    found
}

fn references<'a>(
    relations: &Relations<'a>,
    keys: &'a [KeyFact],
    views: &Views,
) -> Vec<Reference<'a>> {
    let unique: HashSet<(Oid, BTreeSet<Number>)> = keys
        .iter()
        .filter(|key| key.kind != KeyKind::Foreign)
        .map(|key| (key.table, key.columns.iter().copied().collect()))
        .collect();
    let standing_in = |table: Oid, columns: &[Number]| -> Vec<(&'a RelationFact, Vec<&'a str>)> {
        let table_itself = std::iter::once((table, columns.to_vec()));
        table_itself
            .chain(views.showing(table, columns))
            .filter_map(|(relation, columns)| {
                let names = relations.column_names(relation, &columns)?;
                Some((relations.get(relation)?, names))
            })
            .collect()
    };
    let mut references = Vec::new();
    for key in keys {
        if key.kind != KeyKind::Foreign || key.is_inherited {
            continue;
        }
        let columns: BTreeSet<Number> = key.columns.iter().copied().collect();
        let one_to_one = unique.contains(&(key.table, columns));
        let targets = standing_in(key.foreign_table, &key.foreign_columns);
        for (source, names) in standing_in(key.table, &key.columns) {
            references.extend(targets.iter().map(|(target, foreign_names)| {
                let pairs = names.iter().copied().zip(foreign_names.iter().copied());
                Reference {
                    key,
                    source,
                    target,
                    one_to_one,
                    columns: pairs.collect(),
                }
            }));
        }
    }
    references
}

impl Reference<'_> {
    fn forward(&self) -> Relationship {
        let cardinality = if self.one_to_one {
            Cardinality::OneToOne { is_parent: false }
        } else {
            Cardinality::ManyToOne
        };
        relationship(
            self.source,
            self.target,
            RelationshipKind::ForeignKey {
                cardinality,
                constraint: self.key.name.clone(),
                columns: self.forward_columns(),
            },
        )
    }

    fn backward(&self) -> Relationship {
        let cardinality = if self.one_to_one {
            Cardinality::OneToOne { is_parent: true }
        } else {
            Cardinality::OneToMany
        };
        relationship(
            self.target,
            self.source,
            RelationshipKind::ForeignKey {
                cardinality,
                constraint: self.key.name.clone(),
                columns: self.backward_columns(),
            },
        )
    }

    fn forward_columns(&self) -> Vec<(String, String)> {
        let columns = self.columns.iter();
        columns.map(|(from, to)| pair(from, to)).collect()
    }

    fn backward_columns(&self) -> Vec<(String, String)> {
        let columns = self.columns.iter();
        columns.map(|(from, to)| pair(to, from)).collect()
    }
}

/// The many-to-many relationships: through each relation whose primary key holds the columns of
/// two foreign keys.
fn junctions(
    references: &[Reference<'_>],
    primary_keys: &BTreeMap<Oid, Vec<&str>>,
    found: &mut Vec<Relationship>,
) {
    let mut by_junction: BTreeMap<Oid, Vec<&Reference<'_>>> = BTreeMap::new();
    for reference in references.iter().filter(|reference| !reference.one_to_one) {
        let Some(primary_key) = primary_keys.get(&reference.source.oid) else {
            continue;
        };
        let mut columns = reference.columns.iter();
        if columns.all(|(column, _)| primary_key.contains(column)) {
            let list = by_junction.entry(reference.source.oid).or_default();
            list.push(reference);
        }
    }
    for list in by_junction.values() {
        for left in list {
            for right in list.iter().filter(|right| right.key.name != left.key.name) {
                found.push(relationship(
                    left.target,
                    right.target,
                    RelationshipKind::Junction {
                        junction: left.source.qualified_name(),
                        left_constraint: left.key.name.clone(),
                        right_constraint: right.key.name.clone(),
                        left: left.backward_columns(),
                        right: right.forward_columns(),
                    },
                ));
            }
        }
    }
}

/// The exposed relations that a table which is not exposed joins with others, and the schemas of
/// those.
fn hidden_junctions(
    relations: &Relations<'_>,
    keys: &[KeyFact],
    views: &Views,
) -> BTreeSet<(QualifiedName, String)> {
    let primary_keys: HashMap<Oid, &[Number]> = keys
        .iter()
        .filter(|key| key.kind == KeyKind::Primary && relations.get(key.table).is_none())
        .map(|key| (key.table, key.columns.as_slice()))
        .collect();
    let mut by_junction: BTreeMap<Oid, Vec<(&KeyFact, Vec<&RelationFact>)>> = BTreeMap::new();
    for key in keys.iter().filter(|key| key.kind == KeyKind::Foreign) {
        let Some(primary_key) = primary_keys.get(&key.table) else {
            continue;
        };
        if key
            .columns
            .iter()
            .all(|column| primary_key.contains(column))
        {
            let stand_ins = views.showing(key.foreign_table, &key.foreign_columns);
            let targets = std::iter::once(key.foreign_table).chain(stand_ins.map(|(view, _)| view));
            let targets = targets.filter_map(|target| relations.get(target));
            let list = by_junction.entry(key.table).or_default();
            list.push((key, targets.collect()));
        }
    }
    let mut joined = BTreeSet::new();
    for list in by_junction.values() {
        for (left, from) in list {
            for (_, to) in list.iter().filter(|(right, _)| right.name != left.name) {
                for one in from {
                    joined.extend(
                        to.iter()
                            .map(|other| (one.qualified_name(), other.schema.clone())),
                    );
                }
            }
        }
    }
    joined
}

fn computed_relationship(
    relations: &Relations<'_>,
    fact: &ComputedFact,
) -> Option<(Relationship, QualifiedName)> {
    let function = QualifiedName::new(&*fact.schema, &*fact.name);
    let kind = RelationshipKind::Computed {
        function: function.clone(),
        to_one: fact.to_one,
    };
    let found = relationship(
        relations.get(fact.source)?,
        relations.get(fact.target)?,
        kind,
    );
    Some((found, function))
}

fn relationship(
    source: &RelationFact,
    target: &RelationFact,
    kind: RelationshipKind,
) -> Relationship {
    Relationship {
        table: source.qualified_name(),
        foreign_table: target.qualified_name(),
        is_self: source.oid == target.oid,
        table_is_view: source.is_view(),
        foreign_table_is_view: target.is_view(),
        kind,
    }
}

fn pair(from: &str, to: &str) -> (String, String) {
    (from.to_owned(), to.to_owned())
}

/// PostgREST's order: by target, then one-to-many, many-to-one, one-to-one, many-to-many, each by
/// constraint and columns; computed ones come last, by function.
fn order(one: &Relationship, other: &Relationship) -> Ordering {
    type Kind = RelationshipKind;
    let rank = |relationship: &Relationship| match &relationship.kind {
        Kind::ForeignKey { cardinality, .. } => Some(*cardinality),
        Kind::Junction { .. } => Some(Cardinality::ManyToMany),
        Kind::Computed { .. } => None,
    };
    match (rank(one), rank(other)) {
        (Some(_), None) => return Ordering::Less,
        (None, Some(_)) => return Ordering::Greater,
        (None, None) | (Some(_), Some(_)) => {}
    }
    let by_target = (&one.foreign_table, one.is_self, rank(one)).cmp(&(
        &other.foreign_table,
        other.is_self,
        rank(other),
    ));
    match (&one.kind, &other.kind) {
        (
            Kind::ForeignKey {
                constraint,
                columns,
                ..
            },
            Kind::ForeignKey {
                constraint: other_constraint,
                columns: other_columns,
                ..
            },
        ) => by_target.then_with(|| (constraint, columns).cmp(&(other_constraint, other_columns))),
        (
            Kind::Junction {
                junction,
                left_constraint,
                right_constraint,
                left,
                right,
            },
            Kind::Junction {
                junction: other_junction,
                left_constraint: other_left_constraint,
                right_constraint: other_right_constraint,
                left: other_left,
                right: other_right,
            },
        ) => by_target.then_with(|| {
            (junction, left_constraint, right_constraint, left, right).cmp(&(
                other_junction,
                other_left_constraint,
                other_right_constraint,
                other_left,
                other_right,
            ))
        }),
        (
            Kind::Computed { function, .. },
            Kind::Computed {
                function: other_function,
                ..
            },
        ) => function.cmp(other_function),
        (_, _) => by_target,
    }
}
