//! Every statement's result: `application/vnd.gateway.results+json`.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::wire::{ColumnDescription, PgError, StatementResult, Statements};

/// The names of types, by OID and modifier.
pub(super) type TypeNames = BTreeMap<(u32, i32), String>;

#[derive(Serialize)]
struct Answer<'a> {
    results: Vec<Statement<'a>>,
    notices: Vec<Notice<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Failure<'a>>,
}

#[derive(Serialize)]
struct Statement<'a> {
    command: &'a str,
    columns: Vec<Column<'a>>,
    rows: Vec<Vec<Option<&'a str>>>,
}

#[derive(Serialize)]
struct Column<'a> {
    name: &'a str,
    #[serde(rename = "type")]
    type_name: &'a str,
}

#[derive(Serialize)]
struct Notice<'a> {
    severity: &'a str,
    message: &'a str,
    detail: Option<&'a str>,
    hint: Option<&'a str>,
}

#[derive(Serialize)]
struct Failure<'a> {
    code: &'a str,
    message: &'a str,
    details: Option<&'a str>,
    hint: Option<&'a str>,
    /// In the query, in characters from 1.
    position: Option<u32>,
    /// Where a function of the database failed.
    context: Option<&'a str>,
}

pub(super) fn render(statements: &Statements, names: &TypeNames) -> String {
    let notices = statements.results.iter().flat_map(|result| &result.notices);
    let last_notices = statements.error.iter().flat_map(|failure| &failure.notices);
    let answer = Answer {
        results: statements
            .results
            .iter()
            .map(|result| statement(result, names))
            .collect(),
        notices: notices.chain(last_notices).map(notice).collect(),
        error: statements
            .error
            .as_ref()
            .map(|failure| error(&failure.error)),
    };
    serde_json::to_string(&answer).unwrap_or_default()
}

fn statement<'a>(result: &'a StatementResult, names: &'a TypeNames) -> Statement<'a> {
    let column = |column: &'a ColumnDescription| Column {
        name: &column.name,
        type_name: names
            .get(&(column.type_oid, column.type_modifier))
            .map_or("", String::as_str),
    };
    Statement {
        command: &result.tag,
        columns: result.columns.iter().flatten().map(column).collect(),
        rows: result
            .rows
            .iter()
            .map(|row| (0..row.len()).map(|index| row.text(index)).collect())
            .collect(),
    }
}

fn notice(notice: &PgError) -> Notice<'_> {
    Notice {
        severity: &notice.severity,
        message: &notice.message,
        detail: notice.detail.as_deref(),
        hint: notice.hint.as_deref(),
    }
}

fn error(error: &PgError) -> Failure<'_> {
    Failure {
        code: &error.sqlstate,
        message: &error.message,
        details: error.detail.as_deref(),
        hint: error.hint.as_deref(),
        position: error.position,
        context: error.context.as_deref(),
    }
}
