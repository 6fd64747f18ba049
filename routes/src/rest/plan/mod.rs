//! From a parsed request to a plan: names resolved against the schema cache, nothing left to look up.
//!
//! In the order of travel: `shape` hangs filters, orders and ranges on the tree of embeds, `embed`
//! finds the relationship behind each and `join` its conditions, `read` resolves fields into the
//! `tree` of queries, `spread` lifts columns and aggregates into parents; `mutate`, `call`,
//! `describe` and `negotiate` add what their requests need.

use std::{collections::BTreeSet, rc::Rc};

use super::request::{Action, Resource, RestRequest};
use crate::{
    config::Config,
    schema::{QualifiedName, Routine, SchemaCache, Table, Volatility},
};

pub mod call;
mod describe;
mod embed;
pub mod error;
pub mod field;
mod fuzzy;
mod join;
pub mod mutate;
mod negotiate;
pub mod read;
mod shape;
pub mod spread;
pub mod tree;

#[cfg(test)]
mod tests;

pub use call::{Arguments, CallPlan};
pub use describe::DescribePlan;
pub use error::PlanError;
pub use mutate::{MutatePlan, Mutation};
pub use negotiate::{Explain, Renderer, Rendition};
pub use read::ReadPlan;
pub use tree::ReadNode;

/// What a request will do.
#[derive(Debug)]
pub enum Plan {
    Read(ReadPlan),
    Mutate(MutatePlan),
    Call(CallPlan),
    Describe(DescribePlan),
    /// OPTIONS: the methods that the resource allows.
    Allow(String),
}

impl Plan {
    /// The media type of its answer and what renders that, where rows are answered.
    pub fn rendition(&self) -> Option<&Rendition> {
        match self {
            Self::Read(plan) => Some(&plan.rendition),
            Self::Mutate(plan) => Some(&plan.rendition),
            Self::Call(plan) => Some(&plan.rendition),
            Self::Describe(_) | Self::Allow(_) => None,
        }
    }
}

/// What planning looks things up in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Catalog<'a> {
    pub(crate) cache: &'a SchemaCache,
    pub(crate) config: &'a Config,
}

impl Catalog<'_> {
    /// `db-max-rows`, as a window counts.
    fn max_rows(self) -> Option<i64> {
        let rows = self.config.db_max_rows?;
        Some(i64::try_from(rows).unwrap_or(i64::MAX))
    }
}

/// Plans a request for a relation, a routine or the description of them all.
pub fn plan(
    request: &RestRequest,
    cache: &SchemaCache,
    config: &Config,
) -> Result<Plan, PlanError> {
    let catalog = Catalog { cache, config };
    match (&request.resource, request.action) {
        (Resource::Relation(name), Action::Read { head }) => {
            read::plan(catalog, name, request, head).map(Plan::Read)
        }
        (Resource::Relation(name), Action::Insert) => {
            mutate::plan(catalog, name, request, mutate::Kind::Insert).map(Plan::Mutate)
        }
        (Resource::Relation(name), Action::Update) => {
            mutate::plan(catalog, name, request, mutate::Kind::Update).map(Plan::Mutate)
        }
        (Resource::Relation(name), Action::SingleUpsert) => {
            mutate::plan(catalog, name, request, mutate::Kind::SingleUpsert).map(Plan::Mutate)
        }
        (Resource::Relation(name), Action::Delete) => {
            mutate::plan(catalog, name, request, mutate::Kind::Delete).map(Plan::Mutate)
        }
        (Resource::Relation(name), Action::Info) => {
            let name = QualifiedName::new(request.schema.as_str(), name.as_str());
            Ok(Plan::Allow(allowed_on_table(find_table(catalog, &name)?)))
        }
        (Resource::Routine(name), Action::Call { read, head }) => {
            call::plan(catalog, name, request, read, head).map(Plan::Call)
        }
        (Resource::Routine(name), Action::Info) => {
            let routine = call::find_for_options(catalog, name, request)?;
            Ok(Plan::Allow(allowed_on_routine(&routine)))
        }
        (Resource::Root, Action::Describe { .. }) => {
            describe::plan(catalog, request).map(Plan::Describe)
        }
        (Resource::Root, Action::Info) => Ok(Plan::Allow("OPTIONS,GET,HEAD".to_owned())),
        (Resource::Root | Resource::Relation(_) | Resource::Routine(_), _) => {
            Err(PlanError::NoPath)
        }
    }
}

pub(crate) fn find_table<'a>(
    catalog: Catalog<'a>,
    name: &QualifiedName,
) -> Result<&'a Table, PlanError> {
    catalog
        .cache
        .tables
        .get(name)
        .ok_or_else(|| PlanError::NoTable {
            table: name.clone(),
            similar: fuzzy::best(
                &name.name,
                catalog
                    .cache
                    .tables
                    .keys()
                    .filter(|known| known.schema == name.schema)
                    .map(|known| known.name.as_str()),
                fuzzy::STRICT,
            ),
        })
}

/// The columns that the outer query reads from rows that a mutation or a function returned.
///
/// With `*` everything is there; so it is for computed relationships, whose function takes the
/// whole row. Otherwise the columns that were selected, those that embeds join by and `also`.
pub(crate) fn needed_columns(tree: &ReadNode, also: &[String]) -> Vec<String> {
    let whole_row = vec!["*".to_owned()];
    let mut needed: BTreeSet<String> = tree
        .select
        .iter()
        .map(|column| column.field.name.clone())
        .collect();
    if needed.contains("*") {
        return whole_row;
    }
    for child in &tree.children {
        match child.embed.as_ref().map(|embed| &embed.parent_columns) {
            Some(tree::ParentColumns::Named(columns)) => needed.extend(columns.iter().cloned()),
            Some(tree::ParentColumns::WholeRow) => return whole_row,
            None => {}
        }
    }
    needed.extend(also.iter().cloned());
    needed.into_iter().collect()
}

fn allowed_on_table(table: &Table) -> String {
    let mut allowed = "OPTIONS,GET,HEAD".to_owned();
    if table.insertable {
        allowed.push_str(",POST");
    }
    if table.insertable && table.updatable && !table.primary_key.is_empty() {
        allowed.push_str(",PUT");
    }
    if table.updatable {
        allowed.push_str(",PATCH");
    }
    if table.deletable {
        allowed.push_str(",DELETE");
    }
    allowed
}

fn allowed_on_routine(routine: &Rc<Routine>) -> String {
    match routine.volatility {
        Volatility::Volatile => "OPTIONS,POST",
        Volatility::Stable | Volatility::Immutable => "OPTIONS,GET,HEAD,POST",
    }
    .to_owned()
}
