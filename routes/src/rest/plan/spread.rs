//! Spread embeds: which of their columns the parent shows, and where their aggregates run.

use super::{
    PlanError,
    field::{ResolvedField, SelectColumn},
    tree::{Order, ReadNode, Shown},
};
use crate::rest::query::Aggregate;

/// A column of a spread embed among its parent's.
#[derive(Debug, Clone, PartialEq)]
pub struct SpreadColumn {
    /// What the embed's own query calls it.
    pub name: String,
    /// An aggregate of the embed runs in the parent, over the parent's groups: that is what a sum
    /// beside the parent's columns means.
    pub aggregate: Option<Lifted>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Lifted {
    pub function: Aggregate,
    pub cast: Option<String>,
    pub alias: String,
}

/// Fills in what each spread embed shows, and lifts aggregates out of to-one spreads to the
/// nearest query that is not one.
///
/// Aggregates in a to-many spread are [`PlanError::AggregateInToManySpread`].
pub(crate) fn lift(root: &mut ReadNode) -> Result<(), PlanError> {
    Lifter { count: 0 }.node(root)
}

/// Lifted columns get names of their own, so that two sums of one column stay two.
struct Lifter {
    count: usize,
}

impl Lifter {
    fn node(&mut self, node: &mut ReadNode) -> Result<(), PlanError> {
        for child in &mut node.children {
            self.node(child)?;
        }
        let shown = match node.embed.as_ref().map(|embed| &embed.shown) {
            Some(Shown::Spread(_)) => Shown::Spread(self.spread(node)),
            Some(Shown::SpreadArrays { .. }) => arrays(node)?,
            Some(Shown::Json | Shown::Hidden) | None => return Ok(()),
        };
        if let Some(embed) = &mut node.embed {
            embed.shown = shown;
        }
        Ok(())
    }

    fn spread(&mut self, node: &mut ReadNode) -> Vec<SpreadColumn> {
        let mut columns: Vec<_> = node
            .select
            .iter_mut()
            .map(|column| self.lifted(column))
            .collect();
        for child in &mut node.children {
            let Some(embed) = &mut child.embed else {
                continue;
            };
            match &mut embed.shown {
                Shown::Json => columns.push(SpreadColumn {
                    name: embed.label.clone(),
                    aggregate: None,
                }),
                Shown::Hidden => {}
                Shown::Spread(inner) | Shown::SpreadArrays { columns: inner, .. } => {
                    columns.extend(inner.iter_mut().map(|column| SpreadColumn {
                        name: column.name.clone(),
                        aggregate: column.aggregate.take(),
                    }));
                }
            }
        }
        columns
    }

    fn lifted(&mut self, column: &mut SelectColumn) -> SpreadColumn {
        let Some(function) = column.aggregate.take() else {
            return SpreadColumn {
                name: column.name().to_owned(),
                aggregate: None,
            };
        };
        let alias = column
            .alias
            .take()
            .unwrap_or_else(|| function.name().to_owned());
        self.count += 1;
        let name = format!("lifted_{}", self.count);
        if column.field.name == "*" {
            column.field.whole_row = true;
        }
        column.alias = Some(name.clone());
        SpreadColumn {
            name,
            aggregate: Some(Lifted {
                function,
                cast: column.aggregate_cast.take(),
                alias,
            }),
        }
    }
}

/// A to-many spread: its order moves from its rows to its arrays, over columns that are selected
/// for that alone.
fn arrays(node: &mut ReadNode) -> Result<Shown, PlanError> {
    if node.is_grouped() {
        return Err(PlanError::AggregateInToManySpread);
    }
    let mut columns: Vec<_> = node
        .select
        .iter()
        .map(|column| SpreadColumn {
            name: column.name().to_owned(),
            aggregate: None,
        })
        .collect();
    for embed in node
        .children
        .iter()
        .filter_map(|child| child.embed.as_ref())
    {
        match &embed.shown {
            Shown::Json => columns.push(SpreadColumn {
                name: embed.label.clone(),
                aggregate: None,
            }),
            Shown::Hidden => {}
            Shown::Spread(inner) | Shown::SpreadArrays { columns: inner, .. } => {
                columns.extend(inner.iter().cloned());
            }
        }
    }
    let mut order_columns = Vec::new();
    let mut order = Vec::new();
    // A limit needs the rows' own order as well: it stays on the query then.
    for (index, term) in node.order.iter().enumerate() {
        let name = format!("order_{}", index + 1);
        order_columns.push((term.embed.clone(), term.field.clone(), name.clone()));
        order.push(Order {
            embed: None,
            field: ResolvedField::unknown(name),
            direction: term.direction,
            nulls: term.nulls,
        });
    }
    if node.window.limit.is_none() && node.window.offset == 0 {
        node.order.clear();
    }
    Ok(Shown::SpreadArrays {
        columns,
        order_columns,
        order,
    })
}

impl Aggregate {
    /// As SQL and the answer call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sum => "sum",
            Self::Avg => "avg",
            Self::Max => "max",
            Self::Min => "min",
            Self::Count => "count",
        }
    }
}
