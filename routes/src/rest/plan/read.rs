//! Reads: the tree of queries that answers a `select`, fields and joins resolved.

use super::{
    Catalog, PlanError, embed,
    field::{Fields, ResolvedField, SelectColumn},
    find_table,
    join::{join, parent_columns, whole},
    negotiate,
    negotiate::Rendition,
    shape::{RootConditions, Shape},
    spread,
    tree::{Condition, Embed, JoinCondition, Order, ReadNode, Shown, Source, row_name},
};
use crate::{
    rest::{
        preferences::Count,
        query::{Filter, IsValue, JoinType, LogicTree, Operation, OrderTerm, Window},
        request::{RequestedRange, RestRequest},
    },
    schema::{QualifiedName, Table},
};

/// GET or HEAD of a relation.
#[derive(Debug)]
pub struct ReadPlan {
    pub table: QualifiedName,
    pub tree: ReadNode,
    pub rendition: Rendition,
    pub count: Option<Count>,
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
    request: &RestRequest,
    head: bool,
) -> Result<ReadPlan, PlanError> {
    let table = find_table(catalog, &QualifiedName::new(request.schema.as_str(), name))?;
    let shape = Shape::of(
        name,
        &request.query,
        request.range.into(),
        RootConditions::Answer,
    )?;
    let tree = build(
        catalog,
        &request.schema,
        Root::Table(table),
        shape,
        catalog.max_rows(),
    )?;
    let mut rendition =
        negotiate::negotiate(catalog, &table.name, &request.accept, tree.is_default())?;
    if head {
        rendition.renderer = negotiate::Renderer::None;
    }
    Ok(ReadPlan {
        table: table.name.clone(),
        tree,
        rendition,
        count: request.preferences.count,
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
