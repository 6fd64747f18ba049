//! The only module of REST that writes SQL.
//!
//! Values are bind parameters, identifiers are quoted, and what is written as it stands is either
//! our own source text or comes from the database's catalog (`Writer` sees to it).
//!
//! Every statement answers one row: total count, page count, location, `response.headers`,
//! `response.status`, rows newly inserted, and the body last, so that a large one can be streamed.

use super::{
    plan::{CallPlan, DescribePlan, Explain, MutatePlan, Plan, ReadPlan, Renderer, Rendition},
    preferences::Count,
};

mod body;
mod call;
mod condition;
mod describe;
mod mutate;
mod payload;
mod select;
pub mod settings;
mod writer;

#[cfg(test)]
mod tests;

use writer::Writer;

use crate::database::Statement;

/// What the rows are called that a mutation or a call returned.
pub(crate) const RETURNED: &str = "pgrst_source";
/// What the rows of the answer are called.
const ROWS: &str = "_postgrest_t";

/// The columns of the answer's one row, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResultColumn {
    /// The rows that the filters choose, ranges aside; NULL where nobody asked.
    Total,
    /// The rows of this answer.
    Page,
    /// An inserted row's key, as a JSON array of pairs.
    Location,
    /// The setting `response.headers`.
    Headers,
    /// The setting `response.status`.
    Status,
    /// How many rows an upsert inserted.
    Inserted,
    Body,
}

/// What runs for a request, in this order.
#[derive(Debug, Clone, PartialEq)]
pub struct Script {
    pub main: Statement,
    /// The planner's guess of the total: EXPLAIN of the count.
    pub estimate: Option<Statement>,
    /// The body comes as its type sends it, and not as text: what a handler of the database made is
    /// passed on as PostgREST does, a `bytea`'s bytes and a `jsonb`'s version before its text.
    pub sends_body: bool,
}

/// Writes the statements of a plan. A plan that runs nothing (OPTIONS) has none.
pub fn script(plan: &Plan, max_rows: Option<u64>) -> Option<Script> {
    let (main, estimate) = match plan {
        Plan::Read(plan) => read(plan, max_rows),
        Plan::Mutate(plan) => (mutation(plan), None),
        Plan::Call(plan) => (call(plan), None),
        Plan::Describe(plan) => (description(plan), None),
        Plan::Allow(_) => return None,
    };
    let sends_body = plan.rendition().is_some_and(|rendition| {
        matches!(rendition.renderer, Renderer::Custom { .. }) && rendition.explain.is_none()
    });
    Some(Script {
        main,
        estimate,
        sends_body,
    })
}

fn read(plan: &ReadPlan, max_rows: Option<u64>) -> (Statement, Option<Statement>) {
    let mut main = explained(&plan.rendition);
    let needs_rows_twice = plan.rendition.renderer == Renderer::Csv;
    if needs_rows_twice {
        main.raw("WITH ").raw(RETURNED).raw(" AS (");
        select::node(&mut main, &plan.tree);
        main.raw(") ");
    }
    main.raw("SELECT ");
    match plan.count {
        Some(Count::Exact) => counted(&mut main, plan),
        Some(Count::Estimated) => {
            // One row beyond the most that an answer has is enough to know that a guess is needed.
            main.raw("(SELECT pg_catalog.count(*) FROM (SELECT 1");
            select::count_source(&mut main, &plan.tree);
            if let Some(max_rows) = max_rows {
                let enough = max_rows.saturating_add(1);
                main.raw(" LIMIT ").value(enough.to_string());
            }
            main.raw(") pgrst_source_count)");
        }
        Some(Count::Planned) | None => _ = main.raw("null::bigint"),
    }
    main.raw(" AS total, pg_catalog.count(*) AS page, null AS location");
    settings::response(&mut main);
    main.raw(", null AS inserted, ");
    body::rendered(&mut main, &plan.rendition.renderer, None);
    main.raw(" AS body FROM ");
    if needs_rows_twice {
        main.raw(RETURNED);
    } else {
        main.raw("(");
        select::node(&mut main, &plan.tree);
        main.raw(")");
    }
    main.raw(" ").raw(ROWS);
    let guesses = matches!(plan.count, Some(Count::Planned | Count::Estimated));
    let estimate = guesses.then(|| {
        let mut estimate = Writer::default();
        estimate.raw("EXPLAIN (FORMAT JSON) SELECT 1");
        select::count_source(&mut estimate, &plan.tree);
        estimate.finish()
    });
    (main.finish(), estimate)
}

fn counted(main: &mut Writer, plan: &ReadPlan) {
    main.raw("(SELECT pg_catalog.count(*)");
    select::count_source(main, &plan.tree);
    main.raw(")");
}

fn mutation(plan: &MutatePlan) -> Statement {
    let mut main = explained(&plan.rendition);
    main.raw("WITH ").raw(RETURNED).raw(" AS (");
    mutate::statement(&mut main, plan);
    main.raw(") SELECT null::bigint AS total, pg_catalog.count(*) AS page, ");
    match &plan.location {
        Some(key) => body::location(&mut main, key),
        None => _ = main.raw("null"),
    }
    main.raw(" AS location");
    settings::response(&mut main);
    main.raw(", ");
    mutate::inserted(&mut main, plan);
    main.raw(" AS inserted, ");
    body::rendered(&mut main, &plan.rendition.renderer, None);
    main.raw(" AS body FROM ");
    // Where no rows are shown, `select` must not be looked at: nothing it names was returned.
    if plan.rendition.renderer == Renderer::None {
        main.raw(RETURNED);
    } else {
        main.raw("(");
        select::node(&mut main, &plan.tree);
        main.raw(")");
    }
    main.raw(" ").raw(ROWS);
    main.finish()
}

fn call(plan: &CallPlan) -> Statement {
    let mut main = explained(&plan.rendition);
    // Its rows are looked at twice: the function must not be called twice.
    let needs_rows_twice = plan.count.is_some() || plan.rendition.renderer == Renderer::Csv;
    if needs_rows_twice {
        main.raw("WITH ").raw(RETURNED).raw(" AS (");
        call::statement(&mut main, plan);
        main.raw(") ");
    }
    main.raw("SELECT ");
    if plan.count.is_some() {
        main.raw("(SELECT pg_catalog.count(*)");
        select::count_source(&mut main, &plan.tree);
        main.raw(")");
    } else {
        main.raw("null::bigint");
    }
    main.raw(" AS total, ");
    main.raw(if plan.routine.returns_set {
        "pg_catalog.count(*)"
    } else {
        "1"
    });
    main.raw(" AS page, null AS location");
    settings::response(&mut main);
    main.raw(", null AS inserted, ");
    body::rendered(&mut main, &plan.rendition.renderer, Some(&plan.routine));
    main.raw(" AS body FROM (");
    if needs_rows_twice {
        select::node(&mut main, &plan.tree);
    } else {
        select::node_from(&mut main, &plan.tree, |writer| {
            writer.raw(" FROM (");
            call::statement(writer, plan);
            writer.raw(") AS ").identifier(&plan.tree.rows().name);
        });
    }
    main.raw(") ").raw(ROWS);
    main.finish()
}

fn description(plan: &DescribePlan) -> Statement {
    let mut main = Writer::default();
    main.raw("SELECT null::bigint AS total, null::bigint AS page, null AS location");
    settings::response(&mut main);
    main.raw(", null AS inserted, ");
    describe::visible(&mut main, plan);
    main.raw(" AS body");
    main.finish()
}

fn explained(rendition: &Rendition) -> Writer {
    let mut writer = Writer::default();
    if let Some(Explain { json, options }) = &rendition.explain {
        writer.raw(if *json {
            "EXPLAIN (FORMAT JSON"
        } else {
            "EXPLAIN (FORMAT TEXT"
        });
        for option in options {
            writer.raw(", ").raw(option.name());
        }
        writer.raw(") ");
    }
    writer
}
