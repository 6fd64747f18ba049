//! Relations: what their rows are, and what may be done with them.

use std::rc::Rc;

use serde_json::{Value, json};

use super::{Object, lines, types};
use crate::schema::{Cardinality, Column, Relationship, RelationshipKind, Table};

/// The parameters that every relation has.
pub(super) fn shared_parameters() -> Vec<(String, Value)> {
    let prefer = |values: &[&str]| {
        let values: Value = values.iter().copied().collect();
        Value::from(parameter("Prefer", "header", Some("Preference")).with("enum", values))
    };
    let query = |name, description| Value::from(parameter(name, "query", Some(description)));
    let page = "Limiting and Pagination";
    let unit = parameter("Range-Unit", "header", Some(page)).with("default", "items");
    let returns = ["return=representation", "return=minimal", "return=none"];
    let resolutions = [
        "resolution=ignore-duplicates",
        "resolution=merge-duplicates",
    ];
    [
        ("preferParams", prefer(&[])),
        ("preferReturn", prefer(&returns)),
        ("preferCount", prefer(&["count=none"])),
        ("preferPost", prefer(&[&returns[..], &resolutions].concat())),
        ("select", query("select", "Filtering Columns")),
        ("on_conflict", query("on_conflict", "On Conflict")),
        ("order", query("order", "Ordering")),
        ("range", parameter("Range", "header", Some(page)).into()),
        ("rangeUnit", unit.into()),
        ("offset", query("offset", page)),
        ("limit", query("limit", page)),
    ]
    .map(|(name, parameter)| (name.to_owned(), parameter))
    .to_vec()
}

/// The parameters of one relation: its row as a body, and a filter for each column.
pub(super) fn parameters(table: &Table) -> impl Iterator<Item = (String, Value)> {
    let name = table.name.name.as_str();
    let body = Object::default()
        .with("name", name)
        .with("description", name)
        .with("required", false)
        .with("in", "body")
        .with("schema", json!({ "$ref": definition_of(table) }));
    let filters = table.columns.iter().map(|column| {
        let filter = parameter(&column.name, "query", column.description.as_deref());
        (filter_of(table, column), filter.into())
    });
    std::iter::once((body_of(table), body.into())).chain(filters)
}

fn parameter(name: &str, place: &str, description: Option<&str>) -> Object {
    Object::default()
        .with("name", name)
        .with("description", description)
        .with("required", false)
        .with("in", place)
        .with("type", "string")
}

/// What a row is. Only columns of tables are ever required: views do not know what is not NULL.
pub(super) fn definition(table: &Table, relationships: &[Rc<Relationship>]) -> Value {
    let required = table
        .columns
        .iter()
        .filter(|column| !column.nullable)
        .map(|column| column.name.as_str());
    let properties = table
        .columns
        .iter()
        .map(|column| (column.name.clone(), property(table, column, relationships)));
    Object::default()
        .with("description", table.description.as_deref())
        .with("required", required.collect::<Value>())
        .with("properties", properties.collect::<Value>())
        .with("type", "object")
        .into()
}

fn property(table: &Table, column: &Column, relationships: &[Rc<Relationship>]) -> Value {
    let data_type = column.data_type.as_str();
    let default = column.default.as_deref();
    let property = Object::default()
        .with("description", documented(table, column, relationships))
        .with("enum", column.enum_values.clone())
        .with("maxLength", column.max_length)
        .with(
            "default",
            default.map(|default| types::default(data_type, default)),
        );
    types::value(property, data_type).into()
}

/// The comment, and what keys the column is of. Clients look for the tags in it.
fn documented(
    table: &Table,
    column: &Column,
    relationships: &[Rc<Relationship>],
) -> Option<String> {
    let is_primary = table.primary_key.contains(&column.name);
    let primary = is_primary.then(|| "This is a Primary Key.<pk/>".to_owned());
    let foreign = reference(column, relationships).map(|(table, column)| {
        format!(
            "This is a Foreign Key to `{table}.{column}`.<fk table='{table}' column='{column}'/>"
        )
    });
    let keys: Vec<_> = primary.into_iter().chain(foreign).collect();
    let note = (!keys.is_empty()).then(|| format!("Note:\n{}", keys.join("\n")));
    let parts: Vec<_> = column.description.clone().into_iter().chain(note).collect();
    (!parts.is_empty()).then(|| parts.join("\n\n"))
}

/// The column that a foreign key of this one alone points to, rather a table's than a view's.
fn reference<'a>(
    column: &Column,
    relationships: &'a [Rc<Relationship>],
) -> Option<(&'a str, &'a str)> {
    relationships
        .iter()
        .filter_map(|relationship| match &relationship.kind {
            RelationshipKind::ForeignKey {
                cardinality: Cardinality::ManyToOne | Cardinality::OneToOne { is_parent: false },
                columns,
                ..
            } => match columns.as_slice() {
                [(own, foreign)] if *own == column.name => Some((relationship, foreign)),
                _ => None,
            },
            RelationshipKind::ForeignKey { .. }
            | RelationshipKind::Junction { .. }
            | RelationshipKind::Computed { .. } => None,
        })
        // The first of the least.
        .min_by_key(|(relationship, _)| relationship.foreign_table_is_view)
        .map(|(relationship, foreign)| (&*relationship.foreign_table.name, foreign.as_str()))
}

/// What may be done with a relation; writing where any way of it is possible.
pub(super) fn path(table: &Table) -> Value {
    let (summary, description) = lines(table.description.as_deref());
    let operation = |parameters: Vec<String>, responses: Value| {
        let parameters = parameters
            .into_iter()
            .map(|name| json!({ "$ref": format!("#/parameters/{name}") }));
        Object::default()
            .with("tags", vec![table.name.name.as_str()])
            .with("summary", summary)
            .with("description", description.filter(|text| !text.is_empty()))
            .with("parameters", parameters.collect::<Value>())
            .with("responses", responses)
    };
    let filters = || table.columns.iter().map(|column| filter_of(table, column));
    let named = |names: &[&'static str]| names.iter().map(|name| (*name).to_owned()).collect();
    let with = |first: Vec<String>, names: &[&'static str]| {
        let rest: Vec<_> = named(names);
        [first, rest].concat()
    };

    let rows = json!({
        "description": "OK",
        "schema": { "items": { "$ref": definition_of(table) }, "type": "array" },
    });
    let reads = [
        "select",
        "order",
        "range",
        "rangeUnit",
        "offset",
        "limit",
        "preferCount",
    ];
    let path = Object::default().with(
        "get",
        operation(
            with(filters().collect(), &reads),
            json!({ "200": rows, "206": { "description": "Partial Content" } }),
        ),
    );
    if !(table.insertable || table.updatable || table.deletable) {
        return path.into();
    }
    let body = body_of(table);
    let no_content = json!({ "204": { "description": "No Content" } });
    let updated = filters().chain([body.clone()]).collect();
    path.with(
        "post",
        operation(
            with(vec![body], &["select", "preferPost"]),
            json!({ "201": { "description": "Created" } }),
        ),
    )
    .with(
        "delete",
        operation(
            with(filters().collect(), &["preferReturn"]),
            no_content.clone(),
        ),
    )
    .with(
        "patch",
        operation(with(updated, &["preferReturn"]), no_content),
    )
    .into()
}

fn definition_of(table: &Table) -> String {
    format!("#/definitions/{}", table.name.name)
}

fn body_of(table: &Table) -> String {
    format!("body.{}", table.name.name)
}

fn filter_of(table: &Table, column: &Column) -> String {
    format!("rowFilter.{}.{}", table.name.name, column.name)
}
