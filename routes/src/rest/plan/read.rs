//! Reads: the tree of queries that answers a `select`, fields and joins resolved.

use std::rc::Rc;

use super::{
    Asked, Catalog, PlanError, embed,
    field::{Fields, ResolvedField, SelectColumn},
    find_table, negotiate,
    negotiate::Rendition,
    shape::{RootConditions, Shape},
    spread::{self, SpreadColumn},
};
use crate::{
    rest::{
        preferences::Count,
        query::{
            Direction, Filter, IsValue, JoinType, LogicOperator, LogicTree, Nulls, Operation,
            OrderTerm, Window,
        },
        request::RequestedRange,
    },
    schema::{QualifiedName, Relationship, RelationshipKind, Table},
};

/// GET or HEAD of a relation.
#[derive(Debug)]
pub struct ReadPlan {
    pub table: QualifiedName,
    pub tree: ReadNode,
    pub rendition: Rendition,
    pub count: Option<Count>,
}

/// One query of the tree; its children are joined laterally.
#[derive(Debug)]
pub struct ReadNode {
    /// Where the rows come from.
    pub source: Source,
    /// What conditions call the rows; `None` calls them by the source's own name.
    pub alias: Option<String>,
    pub select: Vec<SelectColumn>,
    pub conditions: Vec<Condition>,
    pub joins: Vec<JoinCondition>,
    pub order: Vec<Order>,
    pub window: Window,
    /// How the parent shows it; `None` at the root.
    pub embed: Option<Embed>,
    pub children: Vec<Self>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    Table(QualifiedName),
    /// The rows that the statement's mutation or call returned.
    Returned,
    /// A function of the parent's row, which is cast to its table to tell overloads apart.
    Computed {
        function: QualifiedName,
        row: String,
        row_type: QualifiedName,
    },
    /// A many-to-many relationship's far side, beside its junction.
    Junction {
        table: QualifiedName,
        junction: QualifiedName,
        junction_alias: String,
    },
}

/// An embed, seen from its parent.
#[derive(Debug)]
pub struct Embed {
    /// What filters and the answer call it.
    pub label: String,
    /// What its rows are called in the parent's query.
    pub alias: String,
    pub join: JoinType,
    pub to_one: bool,
    pub shown: Shown,
    pub parent_columns: ParentColumns,
}

/// What the parent's query needs of its own rows to join an embed.
#[derive(Debug)]
pub enum ParentColumns {
    Named(Vec<String>),
    WholeRow,
}

#[derive(Debug)]
pub enum Shown {
    /// As a JSON object or array under its label.
    Json,
    /// Not at all: `embed()`, which only filters.
    Hidden,
    /// Its columns stand among the parent's.
    Spread(Vec<SpreadColumn>),
    /// Each of its columns stands among the parent's as an array.
    SpreadArrays {
        columns: Vec<SpreadColumn>,
        /// Selected only to order the arrays: (whose field, field, its name in the query).
        order_columns: Vec<(Option<String>, ResolvedField, String)>,
        order: Vec<Order>,
    },
}

/// `child.column = parent.column`, each under the name that the query gives its table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JoinCondition {
    pub child: (QualifiedName, String),
    pub parent: (QualifiedName, String),
}

#[derive(Debug, Clone, PartialEq)]
pub enum Condition {
    Group {
        negated: bool,
        operator: LogicOperator,
        conditions: Vec<Self>,
    },
    Filter {
        field: Box<ResolvedField>,
        negated: bool,
        operation: Operation,
    },
    /// `embed=is.null` and `embed=not.is.null`, by the embed's alias.
    Embedded { alias: String, exists: bool },
}

#[derive(Debug, Clone, PartialEq)]
pub struct Order {
    /// The alias of the to-one embed whose column it is.
    pub embed: Option<String>,
    pub field: ResolvedField,
    pub direction: Option<Direction>,
    pub nulls: Option<Nulls>,
}

impl From<RequestedRange> for Window {
    fn from(range: RequestedRange) -> Self {
        Self {
            offset: saturated(range.offset),
            limit: range.limit.map(saturated),
        }
    }
}

fn saturated(rows: u64) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
}

/// Where the root's rows come from.
pub(crate) enum Root<'a> {
    Table(&'a Table),
    /// From the statement's mutation or call, whose rows are like those of the table or function
    /// called `name`.
    Returned {
        name: &'a str,
        table: Option<&'a Table>,
    },
}

/// Plans GET and HEAD of a relation.
pub(crate) fn plan(
    catalog: Catalog<'_>,
    name: &str,
    asked: Asked,
    head: bool,
) -> Result<ReadPlan, PlanError> {
    let table = find_table(catalog, &QualifiedName::new(asked.schema.as_str(), name))?;
    let shape = Shape::of(
        name,
        &asked.query,
        asked.range.into(),
        RootConditions::Answer,
    )?;
    let tree = build(
        catalog,
        &asked.schema,
        Root::Table(table),
        shape,
        catalog.max_rows(),
    )?;
    let mut rendition =
        negotiate::negotiate(catalog, &table.name, &asked.accept, tree.is_default())?;
    if head {
        rendition.renderer = negotiate::Renderer::None;
    }
    Ok(ReadPlan {
        table: table.name.clone(),
        tree,
        rendition,
        count: asked.preferences.count,
    })
}

/// Resolves a shape into the tree of queries.
pub(crate) fn build(
    catalog: Catalog<'_>,
    schema: &str,
    root: Root<'_>,
    shape: Shape,
    max_rows: Option<i64>,
) -> Result<ReadNode, PlanError> {
    let (source, alias, name, table) = match root {
        Root::Table(table) => (
            Source::Table(table.name.clone()),
            None,
            table.name.name.clone(),
            Some(table),
        ),
        Root::Returned { name, table } => (
            Source::Returned,
            Some(name.to_owned()),
            name.to_owned(),
            table,
        ),
    };
    let builder = Builder {
        catalog,
        schema,
        max_rows,
    };
    let place = Place {
        source,
        alias,
        name,
        table,
        joins: Vec::new(),
        embed: None,
        depth: 0,
        aggregated_above: false,
    };
    let mut tree = builder.node(place, shape)?;
    spread::lift(&mut tree)?;
    Ok(tree)
}

struct Builder<'a> {
    catalog: Catalog<'a>,
    schema: &'a str,
    max_rows: Option<i64>,
}

/// Where a node stands, before its own shape is looked at.
struct Place<'a> {
    source: Source,
    alias: Option<String>,
    /// The name by which relationships are looked up.
    name: String,
    table: Option<&'a Table>,
    joins: Vec<JoinCondition>,
    embed: Option<Embed>,
    depth: usize,
    /// An ancestor groups its rows, or this embed spreads into arrays: columns must be told by name.
    aggregated_above: bool,
}

impl<'a> Builder<'a> {
    fn node(&self, place: Place<'a>, shape: Shape) -> Result<ReadNode, PlanError> {
        let fields = Fields {
            cache: self.catalog.cache,
            table: place.table,
        };
        let aggregated =
            place.aggregated_above || shape.fields.iter().any(|item| item.aggregate.is_some());
        if shape.fields.iter().any(|item| item.aggregate.is_some())
            && !self.catalog.config.db_aggregates_enabled
        {
            return Err(PlanError::AggregatesDisabled);
        }
        let select: Vec<SelectColumn> = shape
            .fields
            .into_iter()
            .map(|item| fields.selected(item))
            .collect();
        let select = if aggregated || fields.has_output_representation() {
            without_stars(&fields, select)
        } else {
            select
        };
        let called = row_name(&place.source, place.alias.as_deref());
        let children = shape
            .children
            .into_iter()
            .enumerate()
            .map(|(index, child)| self.embed(&place, &called, aggregated, index, child))
            .collect::<Result<Vec<_>, _>>()?;
        let conditions = shape
            .filters
            .into_iter()
            .map(LogicTree::Filter)
            .chain(shape.logic)
            .map(|tree| condition(&fields, &children, tree))
            .collect();
        let order = shape
            .order
            .into_iter()
            .map(|term| order(&fields, &place.name, &children, term))
            .collect::<Result<_, _>>()?;
        Ok(ReadNode {
            source: place.source,
            alias: place.alias,
            select,
            conditions,
            joins: place.joins,
            order,
            window: self.restrict(shape.window, place.embed.as_ref()),
            embed: place.embed,
            children,
        })
    }

    fn embed(
        &self,
        parent: &Place<'_>,
        parent_rows: &QualifiedName,
        aggregated: bool,
        index: usize,
        shape: Shape,
    ) -> Result<ReadNode, PlanError> {
        let relationship = embed::find(
            self.catalog,
            self.schema,
            &parent.name,
            &shape.name,
            shape.hint.as_deref(),
        )?;
        let depth = parent.depth + 1;
        let alias = whole(
            format!("{}_{depth}", relationship.foreign_table.name),
            || format!("rows_{depth}"),
        );
        let (source, joins) = join(&relationship, parent_rows, &alias, depth);
        let to_one = embed::is_to_one(&relationship);
        let shown = if !shape.spread {
            if shape.fields.is_empty() && shape.children.iter().all(shows_nothing) {
                Shown::Hidden
            } else {
                Shown::Json
            }
        } else if to_one {
            Shown::Spread(Vec::new())
        } else {
            Shown::SpreadArrays {
                columns: Vec::new(),
                order_columns: Vec::new(),
                order: Vec::new(),
            }
        };
        let aggregated_above = aggregated || matches!(shown, Shown::SpreadArrays { .. });
        let embed = Embed {
            label: shape.label().to_owned(),
            alias: whole(
                format!("{}_{}_{depth}", relationship.table.name, shape.label()),
                || format!("embed_{depth}_{index}"),
            ),
            join: shape.join.unwrap_or(JoinType::Left),
            to_one,
            shown,
            parent_columns: parent_columns(&relationship),
        };
        let place = Place {
            source,
            alias: Some(alias),
            name: relationship.foreign_table.name.clone(),
            table: self.catalog.cache.tables.get(&relationship.foreign_table),
            joins,
            embed: Some(embed),
            depth,
            aggregated_above,
        };
        self.node(place, shape)
    }

    /// Applies `db-max-rows`. A to-one embed has one row anyway.
    fn restrict(&self, window: Window, embed: Option<&Embed>) -> Window {
        if embed.is_some_and(|embed| embed.to_one) {
            return window;
        }
        let limit = match (window.limit, self.max_rows) {
            (Some(limit), Some(max)) => Some(limit.min(max)),
            (limit, max) => limit.or(max),
        };
        Window { limit, ..window }
    }
}

impl ReadNode {
    /// What conditions on its rows call them.
    pub fn rows(&self) -> QualifiedName {
        row_name(&self.source, self.alias.as_deref())
    }

    /// Whether the whole rows of the resource are the answer (`select=*` or none).
    pub(crate) fn is_default(&self) -> bool {
        self.children.is_empty() && matches!(self.select.as_slice(), [only] if only.is_star())
    }

    /// Whether the rows are grouped, by an aggregate of its own or one lifted out of an embed.
    pub fn is_grouped(&self) -> bool {
        let lifted = |child: &Self| match child.embed.as_ref().map(|embed| &embed.shown) {
            Some(Shown::Spread(columns)) => columns.iter().any(|column| column.aggregate.is_some()),
            Some(Shown::SpreadArrays { .. } | Shown::Json | Shown::Hidden) | None => false,
        };
        self.select.iter().any(|column| column.aggregate.is_some())
            || self.children.iter().any(lifted)
    }
}

fn row_name(source: &Source, alias: Option<&str>) -> QualifiedName {
    match (alias, source) {
        (Some(alias), _) => QualifiedName::new("", alias),
        (None, Source::Table(name) | Source::Junction { table: name, .. }) => name.clone(),
        (None, Source::Computed { function, .. }) => QualifiedName::new("", function.name.as_str()),
        (None, Source::Returned) => QualifiedName::new("", crate::rest::sql::RETURNED),
    }
}

/// Columns by name in place of `*`; `count()` of a spread counts whole rows, which `spread` sees to.
fn without_stars(fields: &Fields<'_>, select: Vec<SelectColumn>) -> Vec<SelectColumn> {
    let mut columns = Vec::with_capacity(select.len());
    for column in select {
        match fields.all() {
            Some(all) if column.is_star() => columns.extend(all),
            _ => columns.push(column),
        }
    }
    columns
}

fn shows_nothing(shape: &Shape) -> bool {
    shape.fields.is_empty() && shape.children.iter().all(shows_nothing)
}

/// A name that Postgres keeps whole: it cuts longer ones, and two that differ in their ends would
/// become one.
fn whole(name: String, short: impl FnOnce() -> String) -> String {
    const LONGEST: usize = 63;
    if name.len() > LONGEST { short() } else { name }
}

fn join(
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

fn parent_columns(relationship: &Rc<Relationship>) -> ParentColumns {
    let from = |pairs: &[(String, String)]| {
        ParentColumns::Named(pairs.iter().map(|(from, _)| from.clone()).collect())
    };
    match &relationship.kind {
        RelationshipKind::ForeignKey { columns, .. } => from(columns),
        RelationshipKind::Junction { left, .. } => from(left),
        RelationshipKind::Computed { .. } => ParentColumns::WholeRow,
    }
}

/// Resolves a filter or a tree of them. A null filter on the name of an embed asks whether the
/// embed has rows.
pub(crate) fn condition(fields: &Fields<'_>, children: &[ReadNode], tree: LogicTree) -> Condition {
    match tree {
        LogicTree::Group {
            negated,
            operator,
            children: members,
        } => Condition::Group {
            negated,
            operator,
            conditions: members
                .into_iter()
                .map(|member| condition(fields, children, member))
                .collect(),
        },
        LogicTree::Filter(filter) => {
            if let Some(embedded) = embedded(children, &filter) {
                return embedded;
            }
            Condition::Filter {
                field: Box::new(fields.filtered(&filter)),
                negated: filter.negated,
                operation: filter.operation,
            }
        }
    }
}

fn embedded(children: &[ReadNode], filter: &Filter) -> Option<Condition> {
    if !filter.field.json_path.is_empty() {
        return None;
    }
    let exists = match filter.operation {
        Operation::Is(IsValue::Null) => filter.negated,
        Operation::Is(IsValue::NotNull) => !filter.negated,
        _ => return None,
    };
    find_embed(children, &filter.field.name).map(|embed| Condition::Embedded {
        alias: embed.alias.clone(),
        exists,
    })
}

fn order(
    fields: &Fields<'_>,
    origin: &str,
    children: &[ReadNode],
    term: OrderTerm,
) -> Result<Order, PlanError> {
    let (embed, field) = match term.relation {
        None => (None, fields.plain(term.field)),
        Some(relation) => {
            let embed = find_embed(children, &relation)
                .ok_or_else(|| PlanError::NotEmbedded(relation.clone()))?;
            if !embed.to_one {
                return Err(PlanError::RelatedOrderNotToOne {
                    origin: origin.to_owned(),
                    target: relation,
                });
            }
            let field = ResolvedField {
                json_path: term.field.json_path,
                ..ResolvedField::unknown(term.field.name)
            };
            (Some(embed.alias.clone()), field)
        }
    };
    Ok(Order {
        embed,
        field,
        direction: term.direction,
        nulls: term.nulls,
    })
}

fn find_embed<'a>(children: &'a [ReadNode], label: &str) -> Option<&'a Embed> {
    children
        .iter()
        .filter_map(|child| child.embed.as_ref())
        .find(|embed| embed.label == label)
}
