//! A small schema for tests: clients have projects, projects have tasks, tasks have users.

use std::{fmt::Write as _, rc::Rc};

use bytes::Bytes;
use http::Request;

use super::{plan::Plan, request::RestRequest, sql};
use crate::{
    ApiError,
    config::Config,
    schema::{
        Cardinality, Column, Parameter, QualifiedName, Relationship, RelationshipKind, ReturnType,
        Routine, SchemaCache, Table, Volatility,
    },
};

pub(crate) fn config() -> Config {
    Config {
        db_schemas: vec!["api".to_owned()],
        db_max_rows: None,
        db_aggregates_enabled: true,
        ..Config::default()
    }
}

pub(crate) fn cache() -> SchemaCache {
    let mut cache = SchemaCache::default();
    for (name, columns) in [
        ("clients", "id integer*,name text"),
        (
            "projects",
            "id integer*,name text,client_id integer,data jsonb",
        ),
        ("tasks", "id integer*,name text=''::text,project_id integer"),
        ("users", "id integer*,name text"),
        ("users_tasks", "user_id integer*,task_id integer*"),
        ("family", "id integer*,parent integer"),
    ] {
        let table = table(name, columns);
        cache.tables.insert(table.name.clone(), table);
    }
    relate(&mut cache, "projects", "client_id", "clients");
    relate(&mut cache, "tasks", "project_id", "projects");
    relate(&mut cache, "family", "parent", "family");
    for (from, to) in [("users", "tasks"), ("tasks", "users")] {
        let column = |table: &str| format!("{}_id", table.trim_end_matches('s'));
        let junction = RelationshipKind::Junction {
            junction: qualified("users_tasks"),
            left_constraint: format!("users_tasks_{}_fkey", column(from)),
            right_constraint: format!("users_tasks_{}_fkey", column(to)),
            left: vec![("id".to_owned(), column(from))],
            right: vec![(column(to), "id".to_owned())],
        };
        add(&mut cache, from, to, junction);
    }
    add(
        &mut cache,
        "projects",
        "users",
        RelationshipKind::Computed {
            function: qualified("owner"),
            to_one: true,
        },
    );
    for (oid, mut routine) in (1..).zip([
        routine("add", "a integer*,b integer*", scalar("integer"), false),
        routine(
            "add",
            "a integer*,b integer*,c integer",
            scalar("integer"),
            false,
        ),
        routine("projects_of", "client integer*", rows_of("projects"), true),
        routine("echo", " json*", scalar("json"), false),
        routine("noise", "words text*...", scalar("text"), false),
        routine("quiet", "", ReturnType::Void, false),
    ]) {
        routine.oid = oid;
        let known = cache.routines.entry(routine.name.clone()).or_default();
        known.push(Rc::new(routine));
    }
    cache
}

/// Plans a request: `METHOD /path?query`, then header lines, then a body after an empty line.
pub(crate) fn plan(request: &str) -> Result<(RestRequest, Plan), ApiError> {
    plan_with(request, &config())
}

pub(crate) fn plan_with(request: &str, config: &Config) -> Result<(RestRequest, Plan), ApiError> {
    let (head, body) = request.split_once("\n\n").unwrap_or((request, ""));
    let mut lines = head.lines();
    let (method, target) = lines.next().unwrap().split_once(' ').unwrap();
    let mut builder = Request::builder()
        .method(method)
        .uri(target.replace('>', "%3E"));
    for line in lines {
        let (name, value) = line.split_once(": ").unwrap();
        builder = builder.header(name, value);
    }
    let (parts, ()) = builder.body(()).unwrap().into_parts();
    let path = parts.uri.path().to_owned();
    let body = Bytes::copy_from_slice(body.as_bytes());
    let request = RestRequest::parse(&parts, body, &path, config)?;
    let plan = super::plan::plan(&request, &cache(), config)?;
    Ok((request, plan))
}

/// The SQL of a request, its values listed below it; or the error, as the client sees it.
pub(crate) fn sql_of(request: &str) -> String {
    sql_with(request, &config())
}

pub(crate) fn sql_with(request: &str, config: &Config) -> String {
    let script = match plan_with(request, config) {
        Ok((_, plan)) => sql::script(&plan, config.db_max_rows).unwrap(),
        Err(error) => return format!("{} {}: {}", error.status, error.code, error.message),
    };
    let mut text = String::new();
    for statement in std::iter::once(script.main).chain(script.estimate) {
        // Line breaks where a reader looks for them; the statement itself has none.
        let sql = [
            " FROM (",
            " LEFT JOIN ",
            " INNER JOIN ",
            ") AS (",
            " WHERE ",
        ]
        .iter()
        .fold(statement.sql.clone(), |sql, before| {
            sql.replace(before, &format!("\n{}", before.trim_start()))
        });
        text.push_str(&sql.replace(RESPONSE_SETTINGS, ", {response settings}"));
        for (index, parameter) in statement.parameters.iter().enumerate() {
            let value = parameter.value.as_deref().unwrap_or_default();
            let value = String::from_utf8_lossy(value);
            _ = write!(text, "\n${} = {value}", index + 1);
        }
        text.push('\n');
    }
    text
}

/// In every statement: told once, not in every expectation.
const RESPONSE_SETTINGS: &str = ", nullif(current_setting('response.headers', true), '') AS headers, \
    nullif(current_setting('response.status', true), '') AS status";

fn qualified(name: &str) -> QualifiedName {
    QualifiedName::new("api", name)
}

/// Columns as `name type`, with `*` on those of the key and `=default`.
fn table(name: &str, columns: &str) -> Table {
    let mut primary_key = Vec::new();
    let columns = columns
        .split(',')
        .map(|column| {
            let (column, default) = column.split_once('=').unwrap_or((column, ""));
            let (name, data_type) = column.split_once(' ').unwrap();
            if data_type.ends_with('*') {
                primary_key.push(name.to_owned());
            }
            let data_type = data_type.trim_end_matches('*');
            Column {
                name: name.to_owned(),
                description: None,
                nullable: true,
                data_type: data_type.to_owned(),
                nominal_type: data_type.to_owned(),
                max_length: None,
                default: (!default.is_empty()).then(|| default.to_owned()),
                enum_values: Vec::new(),
                generated: false,
            }
        })
        .collect();
    Table {
        name: qualified(name),
        description: None,
        is_view: false,
        insertable: true,
        updatable: true,
        deletable: true,
        primary_key,
        columns,
    }
}

fn relate(cache: &mut SchemaCache, from: &str, column: &str, to: &str) {
    let constraint = format!("{from}_{column}_fkey");
    let kind = |cardinality, pair: (&str, &str)| RelationshipKind::ForeignKey {
        cardinality,
        constraint: constraint.clone(),
        columns: vec![(pair.0.to_owned(), pair.1.to_owned())],
    };
    add(
        cache,
        from,
        to,
        kind(Cardinality::ManyToOne, (column, "id")),
    );
    add(
        cache,
        to,
        from,
        kind(Cardinality::OneToMany, ("id", column)),
    );
}

fn add(cache: &mut SchemaCache, from: &str, to: &str, kind: RelationshipKind) {
    let relationship = Relationship {
        table: qualified(from),
        foreign_table: qualified(to),
        is_self: from == to,
        table_is_view: false,
        foreign_table_is_view: false,
        kind,
    };
    let known = cache
        .relationships
        .entry((qualified(from), "api".to_owned()))
        .or_default();
    known.push(Rc::new(relationship));
}

/// Parameters as `name type`, with `*` on required ones and `...` on a variadic one.
fn routine(name: &str, parameters: &str, returns: ReturnType, returns_set: bool) -> Routine {
    let parameters: Vec<_> = parameters
        .split(',')
        .filter_map(|parameter| parameter.split_once(' '))
        .map(|(name, data_type)| {
            let variadic = data_type.ends_with("...");
            let required = data_type.contains('*');
            let data_type = data_type.trim_end_matches('.').trim_end_matches('*');
            let data_type = if variadic {
                format!("{data_type}[]")
            } else {
                data_type.to_owned()
            };
            Parameter {
                name: name.to_owned(),
                type_max_length: data_type.clone(),
                data_type,
                required,
                variadic,
            }
        })
        .collect();
    Routine {
        oid: 0,
        name: qualified(name),
        description: None,
        has_variadic: parameters.iter().any(|parameter| parameter.variadic),
        parameters,
        returns,
        returns_set,
        volatility: Volatility::Volatile,
        settings: Vec::new(),
    }
}

fn scalar(name: &str) -> ReturnType {
    ReturnType::Scalar(QualifiedName::new("pg_catalog", name))
}

fn rows_of(name: &str) -> ReturnType {
    ReturnType::Composite {
        name: qualified(name),
        is_alias: false,
    }
}
