//! The tree of embeds as it was asked for, with filters, orders and ranges at the node they name.

use super::PlanError;
use crate::rest::query::{
    EmbedPath, Filter, JoinType, LogicTree, OrderTerm, Query, SelectField, SelectItem,
    SelectRelation, Window,
};

/// One node: the root, or an embed.
#[derive(Debug, Default)]
pub(crate) struct Shape {
    /// The embed as it was called: a table, a column, a constraint or a function.
    pub(crate) name: String,
    pub(crate) alias: Option<String>,
    pub(crate) hint: Option<String>,
    pub(crate) join: Option<JoinType>,
    pub(crate) spread: bool,
    pub(crate) fields: Vec<SelectField>,
    pub(crate) filters: Vec<Filter>,
    pub(crate) logic: Vec<LogicTree>,
    pub(crate) order: Vec<OrderTerm>,
    pub(crate) window: Window,
    pub(crate) children: Vec<Self>,
}

/// Which parts of the query string belong to the root of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RootConditions {
    /// Reads and calls: filters and ranges choose the rows of the answer.
    Answer,
    /// Mutations: they choose the rows to change, and the answer shows all of those.
    Mutation,
}

impl Shape {
    /// Builds the tree for a resource called `name`.
    pub(crate) fn of(
        name: &str,
        query: &Query,
        root: Window,
        conditions: RootConditions,
    ) -> Result<Self, PlanError> {
        let mut shape = Self {
            name: name.to_owned(),
            window: match conditions {
                RootConditions::Answer => root,
                RootConditions::Mutation => Window::default(),
            },
            ..Self::default()
        };
        shape.take_items(query.select.clone());
        let counts = |path: &EmbedPath| conditions == RootConditions::Answer || !path.is_empty();
        for (path, filter) in query.filters.iter().filter(|(path, _)| counts(path)) {
            shape.find(path)?.filters.push(filter.clone());
        }
        for (path, terms) in &query.order {
            shape.find(path)?.order.clone_from(terms);
        }
        for (path, window) in query.ranges.iter().filter(|(path, _)| !path.is_empty()) {
            shape.find(path)?.window = *window;
        }
        for (path, tree) in query.logic.iter().filter(|(path, _)| counts(path)) {
            shape.find(path)?.logic.push(tree.clone());
        }
        Ok(shape)
    }

    /// What the embed is called in the answer and in filters.
    pub(crate) fn label(&self) -> &str {
        self.alias.as_deref().unwrap_or(&self.name)
    }

    fn take_items(&mut self, items: Vec<SelectItem>) {
        for item in items {
            match item {
                SelectItem::Field(field) => self.fields.push(field),
                SelectItem::Relation(relation) => self.children.push(Self::embed(relation, false)),
                SelectItem::Spread(relation) => self.children.push(Self::embed(relation, true)),
            }
        }
    }

    fn embed(relation: SelectRelation, spread: bool) -> Self {
        let mut shape = Self {
            name: relation.name,
            alias: relation.alias,
            hint: relation.hint,
            join: relation.join,
            spread,
            ..Self::default()
        };
        shape.take_items(relation.children);
        shape
    }

    fn find(&mut self, path: &[String]) -> Result<&mut Self, PlanError> {
        let Some((name, rest)) = path.split_first() else {
            return Ok(self);
        };
        self.children
            .iter_mut()
            .find(|child| child.name == *name || child.alias.as_deref() == Some(name))
            .ok_or_else(|| PlanError::NotEmbedded(name.clone()))?
            .find(rest)
    }
}
