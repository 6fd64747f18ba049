//! The tree of queries: select lists, lateral joins for embeds, groups, and the count of the root.

use super::{
    RETURNED,
    condition::{condition, field, filtered, join, ordered},
    writer::Writer,
};
use crate::{
    rest::{
        plan::{
            field::SelectColumn,
            spread::SpreadColumn,
            tree::{Embed, ReadNode, Shown, Source},
        },
        query::{Aggregate, JoinType},
    },
    schema::QualifiedName,
};

/// `SELECT … FROM …` of a node with everything below it.
pub(super) fn node(writer: &mut Writer, node: &ReadNode) {
    node_from(writer, node, |writer| source(writer, node));
}

/// As [`node`], of rows that `from` writes where their source would stand.
pub(super) fn node_from(writer: &mut Writer, node: &ReadNode, from: impl FnOnce(&mut Writer)) {
    let rows = node.rows();
    writer.raw("SELECT ");
    let grouping = columns(writer, node, &rows);
    from(writer);
    for child in &node.children {
        if let Some(embed) = &child.embed {
            lateral(writer, child, embed);
        }
    }
    filtered(writer, &rows, &node.conditions, &node.joins);
    if node.is_grouped() && !grouping.is_empty() {
        writer.raw(" GROUP BY ");
        writer.list(", ", grouping, |writer, position| {
            writer.position(position);
        });
    }
    ordered(writer, &rows, &node.order);
    if let Some(limit) = node.window.limit {
        writer.raw(" LIMIT ").value(limit.to_string());
    }
    if node.window.offset != 0 {
        writer.raw(" OFFSET ").value(node.window.offset.to_string());
    }
}

/// Writes the select list; gives the positions of what is no aggregate, from 1.
fn columns(writer: &mut Writer, node: &ReadNode, rows: &QualifiedName) -> Vec<usize> {
    let mut list = List::default();
    for column in &node.select {
        list.next(writer, column.aggregate.is_none());
        select_column(writer, rows, column);
    }
    if let Some(Embed {
        shown: Shown::SpreadArrays { order_columns, .. },
        ..
    }) = &node.embed
    {
        for (embed, order_field, name) in order_columns {
            list.next(writer, true);
            match embed {
                Some(embed) => {
                    let rows = QualifiedName::new("", embed.as_str());
                    field(writer, &rows, order_field);
                }
                None => field(writer, rows, order_field),
            }
            writer.raw(" AS ").identifier(name);
        }
    }
    for embed in node
        .children
        .iter()
        .filter_map(|child| child.embed.as_ref())
    {
        match &embed.shown {
            Shown::Hidden => {}
            Shown::Json => {
                list.next(writer, true);
                embedded_json(writer, embed);
            }
            Shown::Spread(columns) | Shown::SpreadArrays { columns, .. } => {
                for column in columns {
                    list.next(writer, column.aggregate.is_none());
                    spread_column(writer, &embed.alias, column);
                }
            }
        }
    }
    if list.length == 0 {
        match &node.embed {
            // Rows that show nothing are still looked for, and one without columns passes for none.
            Some(_) => _ = writer.raw("1"),
            // `select=` is as good as no `select`.
            None if node.children.is_empty() => _ = writer.column(rows, "*"),
            None => {}
        }
    }
    list.grouping
}

#[derive(Default)]
struct List {
    length: usize,
    grouping: Vec<usize>,
}

impl List {
    fn next(&mut self, writer: &mut Writer, groups: bool) {
        if self.length > 0 {
            writer.raw(", ");
        }
        self.length += 1;
        if groups {
            self.grouping.push(self.length);
        }
    }
}

fn select_column(writer: &mut Writer, rows: &QualifiedName, column: &SelectColumn) {
    if let Some(function) = column.aggregate {
        aggregate_start(writer, function, column.aggregate_cast.as_deref());
    }
    if column.cast.is_some() {
        writer.raw("CAST(");
    }
    let counts_rows = column.aggregate == Some(Aggregate::Count) && column.field.name == "*";
    match &column.field.transform {
        _ if counts_rows => _ = writer.raw("*"),
        Some(function) => {
            writer.name(function).raw("(");
            field(writer, rows, &column.field);
            writer.raw(")");
        }
        None => field(writer, rows, &column.field),
    }
    if let Some(cast) = &column.cast {
        writer.raw(" AS ").cast_type(cast).raw(")");
    }
    if column.aggregate.is_some() {
        aggregate_end(writer, column.aggregate_cast.as_deref());
    }
    if let Some(alias) = &column.alias {
        writer.raw(" AS ").identifier(alias);
    }
}

fn embedded_json(writer: &mut Writer, embed: &Embed) {
    if embed.to_one {
        writer.raw("row_to_json(").identifier(&embed.alias);
        writer.raw(".*)::jsonb");
    } else {
        writer.raw("COALESCE(").identifier(&embed.alias).raw(".");
        writer.identifier(&embed.alias).raw(", '[]')");
    }
    writer.raw(" AS ").identifier(&embed.label);
}

fn spread_column(writer: &mut Writer, embed: &str, column: &SpreadColumn) {
    let rows = QualifiedName::new("", embed);
    match &column.aggregate {
        None => _ = writer.column(&rows, &column.name),
        Some(lifted) => {
            aggregate_start(writer, lifted.function, lifted.cast.as_deref());
            writer.column(&rows, &column.name);
            aggregate_end(writer, lifted.cast.as_deref());
            writer.raw(" AS ").identifier(&lifted.alias);
        }
    }
}

fn aggregate_start(writer: &mut Writer, function: Aggregate, cast: Option<&str>) {
    if cast.is_some() {
        writer.raw("CAST(");
    }
    writer.raw(function.name()).raw("(");
}

fn aggregate_end(writer: &mut Writer, cast: Option<&str>) {
    writer.raw(")");
    if let Some(cast) = cast {
        writer.raw(" AS ").cast_type(cast).raw(")");
    }
}

fn source(writer: &mut Writer, node: &ReadNode) {
    writer.raw(" FROM ");
    match &node.source {
        Source::Table(table) | Source::Junction { table, .. } => _ = writer.name(table),
        Source::Returned => _ = writer.raw(RETURNED),
        Source::Computed {
            function,
            row,
            row_type,
        } => {
            writer.name(function).raw("(").identifier(row).raw("::");
            writer.name(row_type).raw(")");
        }
    }
    if let Some(alias) = &node.alias {
        writer.raw(" AS ").identifier(alias);
    }
    if let Source::Junction {
        junction,
        junction_alias,
        ..
    } = &node.source
    {
        writer.raw(", ").name(junction);
        writer.raw(" AS ").identifier(junction_alias);
    }
}

/// The join of an embed: its row, or of many rows the one row of their arrays.
///
/// Embedded JSON is `jsonb`, which can be grouped by; only the root is `json`.
fn lateral(writer: &mut Writer, child: &ReadNode, embed: &Embed) {
    writer.raw(match embed.join {
        JoinType::Inner => " INNER JOIN LATERAL (",
        JoinType::Left => " LEFT JOIN LATERAL (",
    });
    if !embed.to_one {
        writer.raw("SELECT json_agg(").identifier(&embed.alias);
        writer.raw(")::jsonb AS ").identifier(&embed.alias);
        if let Shown::SpreadArrays { columns, order, .. } = &embed.shown {
            let rows = QualifiedName::new("", embed.alias.as_str());
            for column in columns {
                writer.raw(", COALESCE(json_agg(");
                writer.column(&rows, &column.name);
                ordered(writer, &rows, order);
                writer.raw("), '[]')::jsonb AS ").identifier(&column.name);
            }
        }
        writer.raw(" FROM (");
    }
    node(writer, child);
    if !embed.to_one {
        writer.raw(") AS ").identifier(&embed.alias);
    }
    writer.raw(") AS ").identifier(&embed.alias).raw(" ON ");
    if embed.join == JoinType::Inner && !embed.to_one {
        writer.identifier(&embed.alias).raw(".");
        writer.identifier(&embed.alias).raw(" IS NOT NULL");
    } else {
        writer.raw("TRUE");
    }
}

/// ` FROM … WHERE …`: the rows that an answer without ranges would have. Inner embeds and null
/// filters on embeds become EXISTS.
pub(super) fn count_source(writer: &mut Writer, node: &ReadNode) {
    source(writer, node);
    let rows = node.rows();
    let mut separator = " WHERE ";
    for part in &node.conditions {
        writer.raw(separator);
        condition(writer, &rows, part, &mut |writer, alias, wanted| {
            embed_exists(writer, node, alias, wanted);
        });
        separator = " AND ";
    }
    for part in &node.joins {
        writer.raw(separator);
        join(writer, part);
        separator = " AND ";
    }
    for child in &node.children {
        if matches!(&child.embed, Some(embed) if embed.join == JoinType::Inner) {
            writer.raw(separator);
            exists(writer, child);
            separator = " AND ";
        }
    }
}

fn embed_exists(writer: &mut Writer, node: &ReadNode, alias: &str, wanted: bool) {
    let named = |child: &&ReadNode| matches!(&child.embed, Some(embed) if embed.alias == alias);
    if let Some(child) = node.children.iter().find(named) {
        if !wanted {
            writer.raw("NOT ");
        }
        exists(writer, child);
    }
}

fn exists(writer: &mut Writer, child: &ReadNode) {
    writer.raw("EXISTS (SELECT 1");
    count_source(writer, child);
    writer.raw(")");
}
