//! The tree of queries that answers a `select`.

use super::{
    field::{ResolvedField, SelectColumn},
    spread::SpreadColumn,
};
use crate::{
    rest::query::{Direction, JoinType, LogicOperator, Nulls, Operation, Window},
    schema::QualifiedName,
};

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

pub(super) fn row_name(source: &Source, alias: Option<&str>) -> QualifiedName {
    match (alias, source) {
        (Some(alias), _) => QualifiedName::new("", alias),
        (None, Source::Table(name) | Source::Junction { table: name, .. }) => name.clone(),
        (None, Source::Computed { function, .. }) => QualifiedName::new("", function.name.as_str()),
        (None, Source::Returned) => QualifiedName::new("", crate::rest::sql::RETURNED),
    }
}
